/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/store_swift.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/sigv4.h" /* for its percent-encoding */
#include "lib/id.h"
#include "lib/mem.h"

#define PATH_BYTES ((size_t)16 << 10)
#define URL_BYTES ((size_t)64 << 10)
#define TEXT_BYTES ((size_t)8 << 20) /* a manifest's, "max_manifest_size" */

struct swift_job *
swift_job_new(struct swift *s, struct store_call *c)
{
	struct swift_job *j = mem_alloc(sizeof(*j));

	j->swift = s;
	j->call = c;
	if (c)
		c->driver = j;
	buf_init(&j->path, PATH_BYTES);
	buf_init(&j->query, URL_BYTES);
	buf_init(&j->text, TEXT_BYTES);
	return j;
}

static void
clear_request(struct swift_job *j)
{
	while (j->nheaders)
		free(j->headers[--j->nheaders]);
	buf_clear(&j->path);
	buf_clear(&j->query);
	buf_clear(&j->text);
	memset(&j->body, 0, sizeof(j->body));
	j->body.fd = -1;
	j->has_body = false;
	j->once = false;
	j->patient = false;
	j->plain_url = false;
	j->renewed = false;
	j->reply_max = SWIFT_REPLY_MAX;
	j->reply_expected = 0;
}

/* Touches nothing of the store, which may be gone. */
static void
release(struct swift_job *j)
{
	clear_request(j);
	buf_free(&j->path);
	buf_free(&j->query);
	buf_free(&j->text);
	if (j->free_state)
		j->free_state(j->state);
	free(j);
}

void
swift_job_free(struct swift_job *j)
{
	if (!j)
		return;
	http_cancel(j->running);
	swift_auth_unwait(j->swift->auth, &j->wait);
	release(j);
}

void
swift_cancel(struct store *s, struct store_call *c)
{
	(void)s;
	swift_job_free(c->driver);
}

void
swift_done(struct swift_job *j, const struct store_result *res)
{
	assert(!j->running && !j->wait.waiting);
	store_call_done(j->call, res);
	release(j);
}

void
swift_fail(struct swift_job *j, enum err err, const char *why)
{
	struct store_result res = { .err = err, .why = why };

	swift_done(j, &res);
}

void
swift_fail_reply(struct swift_job *j, enum err err)
{
	struct store_result res = { .err = err,
				    .why = j->why,
				    .ambiguous = j->ambiguous };

	swift_done(j, &res);
}

void
swift_request(struct swift_job *j, const char *method, const char *container,
	      const char *name)
{
	clear_request(j);
	j->method = method;
	if (!container)
		return;
	buf_add_text(&j->path, "/");
	sigv4_encode(&j->path, container, false);
	if (!name)
		return;
	buf_add_text(&j->path, "/");
	sigv4_encode(&j->path, name, true);
}

void
swift_request_key(struct swift_job *j, const char *method, const char *key)
{
	char *name = mem_printf("%s%s", j->swift->prefix, key);

	swift_request(j, method, j->swift->container, name);
	free(name);
}

void
swift_request_segment(struct swift_job *j, const char *method, const char *kind,
		      const char *rest)
{
	char *name = mem_printf("%s%s/%s", j->swift->prefix, kind, rest);

	swift_request(j, method, j->swift->segments, name);
	free(name);
}

void
swift_query(struct swift_job *j, const char *name, const char *value)
{
	buf_add_text(&j->query, buf_len(&j->query) ? "&" : "?");
	buf_printf(&j->query, "%s=", name);
	sigv4_encode(&j->query, value, false);
}

void
swift_header(struct swift_job *j, const char *fmt, ...)
{
	char *line = NULL;
	va_list ap;

	assert(j->nheaders < SWIFT_HEADERS_MAX);
	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		abort();
	va_end(ap);
	j->headers[j->nheaders++] = line;
}

/* Swift compares a body with the ETag that it is sent with: its MD5. */
void
swift_body_object(struct swift_job *j, const struct store_body *b)
{
	char text[2 * 16 + 1];

	j->has_body = true;
	j->body = *b;
	if (!b->has_md5 && (b->data || b->len == 0)) {
		if (!EVP_Digest(b->data ? b->data : "", b->len, j->body.md5,
				NULL, EVP_md5(), NULL))
			abort();
		j->body.has_md5 = true;
	}
	if (!j->body.has_md5)
		return;
	hex_encode(j->body.md5, sizeof(j->body.md5), text);
	swift_header(j, "ETag: %s", text);
}

void
swift_body_text(struct swift_job *j)
{
	j->has_body = true;
	j->body.data = buf_data(&j->text);
	j->body.len = buf_len(&j->text);
}

void
swift_body_none(struct swift_job *j)
{
	j->has_body = true;
	j->body.data = "";
	j->body.len = 0;
}

static void on_reply(void *arg, const struct http_reply *r);

static void
transmit(struct swift_job *j, const char *token)
{
	struct swift *s = j->swift;
	const char *lines[SWIFT_HEADERS_MAX + 2];
	char *auth = mem_printf("X-Auth-Token: %s", token), *url;
	size_t n = 0;
	struct http_call call = {
		.method = j->method,
		.headers = lines,
		.has_body = j->has_body,
		.data = j->body.data,
		.fd = j->body.fd,
		.off = j->body.off,
		.len = j->body.len,
		.reply_max = j->reply_max,
		.expected = j->reply_expected,
		.once = j->once,
		.stall_timeout_ms = j->patient ? SWIFT_PATIENCE_MS : 0,
	};

	url = mem_printf("%s%s%s", j->plain_url ? "" : swift_auth_url(s->auth),
			 buf_cstr(&j->path), buf_cstr(&j->query));
	call.url = url;
	for (; n < j->nheaders; n++)
		lines[n] = j->headers[n];
	lines[n++] = auth;
	lines[n] = NULL;
	j->serial = swift_auth_serial(s->auth);
	j->running = http_send(s->host, &call, on_reply, j);
	free(url);
	mem_wipe_free(auth);
}

static void
on_token(void *arg, enum err err, const char *why)
{
	struct swift_job *j = arg;
	const char *token = swift_auth_token(j->swift->auth);
	static const struct http_reply none;

	if (!err && token) {
		transmit(j, token);
		return;
	}
	j->reply = &none;
	j->why = why ? why : "the store's login does not last";
	j->ambiguous = false;
	j->next(j, err ? err : ERR_AGAIN);
}

void
swift_send(struct swift_job *j, swift_next_fn *next)
{
	const char *token = swift_auth_token(j->swift->auth);

	j->next = next;
	if (token) {
		transmit(j, token);
		return;
	}
	j->wait.fn = on_token;
	j->wait.arg = j;
	swift_auth_wait(j->swift->auth, &j->wait);
}

/* A token that was taken until now may have been revoked: once, a new one. */
static bool
renew(struct swift_job *j, const struct http_reply *r)
{
	if (r->end != HTTP_DONE || r->status != 401 || j->renewed)
		return false;
	j->renewed = true;
	swift_auth_reject(j->swift->auth, j->serial);
	swift_send(j, j->next);
	return true;
}

static void
on_reply(void *arg, const struct http_reply *r)
{
	struct swift_job *j = arg;

	j->running = NULL;
	if (renew(j, r))
		return;
	j->reply = r;
	j->next(j, swift_classify(j, r));
}
