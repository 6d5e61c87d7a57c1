/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs for others: TempURL (Swift's documentation, "TempURL" middleware). The
 * key they are signed with is the container's second one, which is set when
 * the container has another; the first is left to others.
 */
#include "bridge/store_swift.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/sigv4.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mem.h"

#define URL_BYTES ((size_t)64 << 10)
#define SHA256_LEN 32

/* "http://host/v1/AUTH_x": from its third slash on. */
static const char *
path_of(const char *url)
{
	const char *host = strstr(url, "://");
	const char *path = host ? strchr(host + 3, '/') : NULL;

	return path ? path : "";
}

/* Of the path as it is, not as it is encoded. */
static void
sign(const struct swift *s, const char *method, int64_t expires,
     const char *key, char hex[2 * SHA256_LEN + 1])
{
	char *text =
		mem_printf("%s\n%lld\n%s/%s/%s%s", method, (long long)expires,
			   path_of(swift_auth_url(s->auth)), s->container,
			   s->prefix, key);
	unsigned char mac[SHA256_LEN];

	if (!HMAC(EVP_sha256(), s->tempurl_key, (int)strlen(s->tempurl_key),
		  (const unsigned char *)text, strlen(text), mac, NULL))
		abort();
	hex_encode(mac, sizeof(mac), hex);
	free(text);
}

static void
presign(struct swift_job *j, enum err err)
{
	const struct swift *s = j->swift;
	const struct store_grant *g = &j->call->grant;
	const char *method = g->put ? "PUT" : "GET";
	int64_t expires = clock_wall_ms() / 1000 + g->seconds;
	struct store_result res = { .err = ERR_OK };
	char hex[2 * SHA256_LEN + 1];
	struct buf url;

	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	sign(s, method, expires, j->call->key, hex);
	swift_request_key(j, method, j->call->key);
	buf_init(&url, URL_BYTES);
	buf_printf(&url, "%s%s?temp_url_sig=%s&temp_url_expires=%lld",
		   swift_auth_url(s->auth), buf_cstr(&j->path), hex,
		   (long long)expires);
	res.data = buf_cstr(&url);
	res.len = buf_len(&url);
	swift_done(j, &res);
	buf_free(&url);
}

static void
container_seen(struct swift_job *j, enum err err)
{
	const char *key =
		err ? NULL
		    : http_reply_header(j->reply,
					"x-container-meta-temp-url-key-2");

	if (err || (key && strcmp(key, j->swift->tempurl_key) == 0)) {
		presign(j, err);
		return;
	}
	swift_request(j, "POST", j->swift->container, NULL);
	swift_header(j, "X-Container-Meta-Temp-URL-Key-2: %s",
		     j->swift->tempurl_key);
	swift_body_none(j);
	swift_send(j, presign);
}

static void
object_seen(struct swift_job *j, enum err err)
{
	if (err && !(err == ERR_NOT_FOUND && j->call->grant.put)) {
		swift_fail_reply(j, err);
		return;
	}
	swift_request(j, "HEAD", j->swift->container, NULL);
	swift_send(j, container_seen);
}

void
swift_presign(struct store *s, struct store_call *c)
{
	struct swift_job *j = swift_job_new(s->driver, c);

	if (!j->swift->tempurl_key) {
		swift_fail(j, ERR_UNSUPPORTED,
			   "set tempurl_key of the store first");
		return;
	}
	swift_request_key(j, "HEAD", c->key);
	swift_send(j, object_seen);
}
