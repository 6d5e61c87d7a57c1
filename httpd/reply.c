/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "httpd/cond.h"
#include "httpd/tus.h"
#include "lib/clock.h"
#include "lib/log.h"

#define PROBLEM_MAX 4096
#define RETRY_SECONDS 5
#define PREFLIGHT_SECONDS 86400

static const char *
reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 100, "Continue" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 423, "Locked" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 460, "Checksum Mismatch" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
	};
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Unknown";
}

int
reply_status(enum err err)
{
	switch (err) {
	case ERR_OK:
		return 200;
	case ERR_AGAIN:
	case ERR_CANCELED:
		return 503;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_EXISTS:
	case ERR_CONFLICT:
	case ERR_NOT_EMPTY:
	case ERR_NOT_DIR:
	case ERR_IS_DIR:
	case ERR_INCOMPLETE:
		return 409;
	case ERR_DENIED:
		return 403;
	case ERR_INVALID:
		return 400;
	case ERR_UNSUPPORTED:
		return 501;
	case ERR_IN_USE:
	case ERR_PUBLISHING:
		return 423;
	case ERR_NO_SPACE:
	case ERR_QUOTA:
		return 507;
	case ERR_TOO_LARGE:
		return 413;
	case ERR_CORRUPT:
	case ERR_IO:
		return 500;
	}
	return 500;
}

/* The origin that the request names, when it may read what is replied. */
static const char *
allowed_origin(const struct client *c)
{
	const char *origin = http_head_get(&c->head, "origin");
	char *const *o;

	for (o = c->httpd->config->origins; origin && *o; o++) {
		if (strcmp(*o, "*") == 0)
			return "*";
		if (strcasecmp(*o, origin) == 0)
			return origin;
	}
	return NULL;
}

/* Cross-origin resource sharing, as the fetch standard has it. */
static void
add_origin(struct client *c)
{
	const char *origin = allowed_origin(c);

	if (c->httpd->config->origins[0])
		reply_field(c, "Vary", "Origin");
	if (!origin)
		return;
	reply_field(c, "Access-Control-Allow-Origin", "%s", origin);
	if (c->head.method != HTTP_OPTIONS) {
		reply_field(c, "Access-Control-Expose-Headers",
			    "Upload-Offset, Location, Upload-Length, "
			    "Upload-Metadata, Upload-Defer-Length, "
			    "Upload-Expires, Tus-Version, Tus-Resumable, "
			    "Tus-Max-Size, Tus-Extension, "
			    "Tus-Checksum-Algorithm, ETag, X-Request-Id");
		return;
	}
	reply_field(c, "Access-Control-Allow-Methods",
		    "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS");
	reply_field(c, "Access-Control-Allow-Headers",
		    "Authorization, Origin, X-Requested-With, X-Request-ID, "
		    "X-HTTP-Method-Override, Content-Type, If-Match, "
		    "If-None-Match, Range, Upload-Length, Upload-Offset, "
		    "Upload-Metadata, Upload-Defer-Length, Upload-Checksum, "
		    "Tus-Resumable");
	reply_field(c, "Access-Control-Max-Age", "%d", PREFLIGHT_SECONDS);
}

void
reply_begin(struct client *c, int status)
{
	char date[HTTP_DATE_MAX];

	c->status = status;
	/* A body that is not read to its end cannot be skipped. */
	c->close |= !c->body_done || c->httpd->draining;
	http_date(clock_wall_ms() / 1000, date);
	buf_printf(&c->out, "HTTP/1.1 %d %s\r\n", status, reason(status));
	reply_field(c, "Date", "%s", date);
	if (*c->id)
		reply_field(c, "X-Request-Id", "%s", c->id);
	if (c->close)
		reply_field(c, "Connection", "close");
	else if (c->head.http10)
		reply_field(c, "Connection", "keep-alive");
	if (tus_target(c->head.target)) {
		reply_field(c, "Tus-Resumable", TUS_VERSION);
		if (status == 412)
			reply_field(c, "Tus-Version", TUS_VERSION);
	}
	add_origin(c);
	log_debug("httpd", c->session ? session_id(c->session) : NULL, "reply",
		  KV_S("request", c->id), KV_I("status", status));
}

/* What comes from elsewhere must not end the field. */
void
reply_field(struct client *c, const char *name, const char *fmt, ...)
{
	char value[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(value) || strpbrk(value, "\r\n"))
		return;
	buf_printf(&c->out, "%s: ", name);
	buf_add_text(&c->out, value);
	buf_add_text(&c->out, "\r\n");
}

void
reply_body(struct client *c, uint64_t length)
{
	reply_field(c, "Content-Length", "%" PRIu64, length);
	buf_add_text(&c->out, "\r\n");
}

void
reply_empty(struct client *c)
{
	/* RFC 9110 section 8.6: neither 204 nor 304 has a length. */
	if (c->status != 204 && c->status != 304)
		reply_field(c, "Content-Length", "0");
	buf_add_text(&c->out, "\r\n");
}

static void
add_json(struct buf *b, const char *s)
{
	buf_add_u8(b, '"');
	for (; *s; s++) {
		unsigned char byte = (unsigned char)*s;

		if (byte == '"' || byte == '\\')
			buf_printf(b, "\\%c", byte);
		else if (byte < ' ' || byte == 0x7f)
			buf_printf(b, "\\u%04x", byte);
		else
			buf_add_u8(b, byte);
	}
	buf_add_u8(b, '"');
}

static void
problem_text(const struct client *c, struct buf *b, int status,
	     const char *detail)
{
	buf_printf(b, "{\"type\":\"about:blank\",\"status\":%d,\"title\":",
		   status);
	add_json(b, reason(status));
	buf_add_text(b, ",\"detail\":");
	add_json(b, detail);
	if (*c->id) {
		buf_add_text(b, ",\"request\":");
		add_json(b, c->id);
	}
	buf_add_text(b, "}\n");
}

void
reply_problem(struct client *c, int status, const char *detail)
{
	struct buf b;

	buf_init(&b, PROBLEM_MAX);
	reply_begin(c, status);
	problem_text(c, &b, status, detail);
	if (status == 401)
		reply_field(c, "WWW-Authenticate",
			    "Basic realm=\"sluice\", charset=\"UTF-8\"");
	if (status == 429 || status == 503 || status == 423)
		reply_field(c, "Retry-After", "%d", RETRY_SECONDS);
	reply_field(c, "Content-Type", "application/problem+json");
	reply_field(c, "Cache-Control", "no-store");
	reply_body(c, buf_len(&b));
	if (c->head.method != HTTP_HEAD)
		buf_add(&c->out, buf_data(&b), buf_len(&b));
	buf_free(&b);
}

void
exchange_problem(struct exchange *x, int status, const char *detail)
{
	exchange_stop(x);
	reply_problem(x->c, status, detail);
	exchange_end(x);
}

void
exchange_error(struct exchange *x, enum err err, const char *why)
{
	exchange_problem(x, reply_status(err), why);
}
