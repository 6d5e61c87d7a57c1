/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/store_http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/mem.h"

#define CONNECTIONS_DEFAULT 16
#define CONNECTIONS_MAX 256
#define CONNECT_TIMEOUT_MS 10000
#define STALL_TIMEOUT_MS 30000
#define STALL_BYTES 4096
#define RETRY_AFTER_MAX_MS 3600000

/* Settings. */

void
store_conf_expected(struct store_conf *f, const char *key, const char *expected)
{
	conf_complain(f->conf, f->section, key, "expected %s", expected);
	f->bad = true;
}

char *
store_conf_need(struct store_conf *f, const char *key)
{
	const char *v = conf_need(f->conf, f->section, key);

	f->bad |= !*v;
	return mem_strdup(v);
}

char *
store_conf_optional(struct store_conf *f, const char *key, const char *def)
{
	const char *v = conf_str(f->conf, f->section, key, NULL);

	return mem_strdup(v && *v ? v : def);
}

static unsigned
get_time(struct store_conf *f, const char *key, unsigned def)
{
	struct conf_range r = { def, 100, 3600 * 1000 };

	return (unsigned)conf_time(f->conf, f->section, key, r);
}

struct http_host *
store_conf_host(struct store_conf *f, struct http *http)
{
	struct conf_range connections = { CONNECTIONS_DEFAULT, 1,
					  CONNECTIONS_MAX };
	struct http_host_config cfg = {
		.verify_tls =
			conf_bool(f->conf, f->section, "verify_tls", true),
		.ca_file = conf_str(f->conf, f->section, "ca_file", NULL),
		.connections = (unsigned)conf_uint(f->conf, f->section,
						   "connections", connections),
		.connect_timeout_ms =
			get_time(f, "connect_timeout", CONNECT_TIMEOUT_MS),
		.stall_timeout_ms =
			get_time(f, "stall_timeout", STALL_TIMEOUT_MS),
		.stall_bytes = STALL_BYTES,
	};

	if (cfg.ca_file && access(cfg.ca_file, R_OK) != 0)
		store_conf_expected(f, "ca_file", "a file that can be read");
	return http && !f->bad ? http_host_new(http, &cfg) : NULL;
}

char *
store_conf_prefix(struct store_conf *f)
{
	const char *v = conf_str(f->conf, f->section, "prefix", "");
	size_t n;

	while (*v == '/')
		v++;
	n = strlen(v);
	if (n > STORE_KEY_MAX / 2)
		store_conf_expected(f, "prefix", "at most 512 bytes");
	return mem_printf("%s%s", v, n && v[n - 1] != '/' ? "/" : "");
}

/* Replies. */

struct store_meaning
store_http_end(enum http_end end)
{
	static const struct store_meaning meanings[] = {
		[HTTP_CONNECT] = { ERR_AGAIN, "the store cannot be reached" },
		[HTTP_LOST] = { ERR_AGAIN,
				"the connection to the store broke" },
		[HTTP_STALLED] = { ERR_AGAIN, "the store does not answer" },
		[HTTP_TOO_LARGE] = { ERR_IO,
				     "the store's answer is too large" },
		[HTTP_BODY] = { ERR_IO, "the bytes to store cannot be read" },
		[HTTP_TLS] = { ERR_IO,
			       "the store's TLS certificate is not trusted" },
	};

	return meanings[end];
}

unsigned
store_http_retry_after(const struct http_reply *r)
{
	return (unsigned)http_reply_retry_after(r, RETRY_AFTER_MAX_MS);
}

uint64_t
store_http_size(const struct http_reply *r)
{
	const char *range = http_reply_header(r, "content-range");
	const char *length = http_reply_header(r, "content-length");
	const char *slash = range ? strchr(range, '/') : NULL;

	if (slash)
		return strtoull(slash + 1, NULL, 10);
	return length ? strtoull(length, NULL, 10) : 0;
}

int64_t
store_http_mtime(const struct http_reply *r, const char *header)
{
	const char *own = http_reply_header(r, header);
	const char *modified = http_reply_header(r, "last-modified");
	time_t t = -1;
	char *end;
	long long v;

	if (own) {
		v = strtoll(own, &end, 10);
		if (end != own && (*end == '\0' || *end == '.'))
			return v;
	}
	if (modified)
		t = curl_getdate(modified, NULL);
	return t > 0 ? (int64_t)t : 0;
}

void
store_http_put_end(const struct store_call *c, const char *fault,
		   struct store_result *res)
{
	struct store_object *o = &res->object;

	o->size = c->body.len;
	if (c->meta.sluice_id)
		str_copy(o->sluice_id, sizeof(o->sluice_id), c->meta.sluice_id);
	if (c->meta.mtime)
		o->mtime = c->meta.mtime;
	if (!o->etag[0]) {
		res->err = ERR_AGAIN;
		res->ambiguous = true;
		res->why = "the store's answer is not clear";
	} else if (fault) {
		res->err = ERR_CORRUPT;
		res->ambiguous = true; /* something is there */
		res->why = fault;
	}
}
