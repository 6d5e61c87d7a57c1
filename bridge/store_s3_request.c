/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/store_s3.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PATH_BYTES ((size_t)16 << 10)
#define URL_BYTES ((size_t)64 << 10)
#define LINE_BYTES ((size_t)32 << 10)
#define TEXT_BYTES ((size_t)4 << 20)
#define SKEW_MIN_S 300 /* servers allow 900 */

static const char EMPTY_SHA256[] = "e3b0c44298fc1c149afbf4c8996fb924"
				   "27ae41e4649b934ca495991b7852b855";

struct s3_job *
s3_job_new(struct store *s, struct store_call *c)
{
	struct s3_job *j = mem_alloc(sizeof(*j));

	j->s3 = s->driver;
	j->call = c;
	c->driver = j;
	buf_init(&j->path, PATH_BYTES);
	buf_init(&j->text, TEXT_BYTES);
	return j;
}

static void
clear_request(struct s3_job *j)
{
	while (j->nquery)
		free(j->query[--j->nquery].value);
	while (j->nheaders)
		free(j->headers[--j->nheaders].value);
	buf_clear(&j->path);
	buf_clear(&j->text);
	memset(&j->body, 0, sizeof(j->body));
	j->has_body = false;
	j->once = false;
	j->patient = false;
	j->resent = false;
	j->reply_max = S3_REPLY_MAX;
	j->reply_expected = 0;
	memcpy(j->payload, EMPTY_SHA256, sizeof(EMPTY_SHA256));
}

static void
job_free(struct s3_job *j)
{
	clear_request(j);
	buf_free(&j->path);
	buf_free(&j->text);
	if (j->free_state)
		j->free_state(j->state);
	free(j);
}

void
s3_cancel(struct store *s, struct store_call *c)
{
	struct s3_job *j = c->driver;

	(void)s;
	http_cancel(j->running);
	job_free(j);
}

void
s3_done(struct s3_job *j, const struct store_result *res)
{
	store_call_done(j->call, res);
	job_free(j); /* touches neither the store nor the call */
}

void
s3_fail(struct s3_job *j, enum err err, const char *why)
{
	struct store_result res = { .err = err, .why = why };

	s3_done(j, &res);
}

void
s3_fail_reply(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = err,
				    .why = j->why,
				    .ambiguous = j->ambiguous };

	s3_done(j, &res);
}

void
s3_request_bucket(struct s3_job *j, const char *method)
{
	clear_request(j);
	j->method = method;
	buf_printf(&j->path, "%s/", j->s3->root);
}

void
s3_request(struct s3_job *j, const char *method, const char *key)
{
	clear_request(j);
	j->method = method;
	buf_printf(&j->path, "%s/", j->s3->root);
	sigv4_encode(&j->path, j->s3->prefix, true);
	sigv4_encode(&j->path, key, true);
}

/* Both parts of a pair are kept encoded, as they are signed and sent. */
void
s3_query(struct s3_job *j, const char *name, const char *value)
{
	struct s3_pair *q = &j->query[j->nquery++];
	struct buf b;

	assert(j->nquery <= S3_QUERY_MAX);
	buf_init(&b, PATH_BYTES);
	sigv4_encode(&b, value, false);
	q->name = name;
	q->value = mem_strdup(buf_cstr(&b));
	buf_free(&b);
}

void
s3_query_uint(struct s3_job *j, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	s3_query(j, name, text);
}

void
s3_header(struct s3_job *j, const char *name, const char *fmt, ...)
{
	struct s3_pair *h = &j->headers[j->nheaders++];
	char *value = NULL;
	va_list ap;

	assert(j->nheaders <= S3_HEADERS_MAX);
	va_start(ap, fmt);
	if (vasprintf(&value, fmt, ap) < 0)
		abort();
	va_end(ap);
	h->name = name;
	h->value = value;
}

static int
by_name(const void *a, const void *b)
{
	const struct s3_pair *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
build_query(struct s3_job *j, struct buf *out)
{
	qsort(j->query, j->nquery, sizeof(j->query[0]), by_name);
	for (size_t i = 0; i < j->nquery; i++)
		buf_printf(out, "%s%s=%s", i ? "&" : "", j->query[i].name,
			   j->query[i].value);
}

/* All that is sent on one attempt, time and signature included. */
struct wire {
	struct sigv4_header headers[S3_HEADERS_MAX + 5];
	size_t n;
	char *lines[S3_HEADERS_MAX + 6]; /* "name: value", NULL-ended */
	char date[SIGV4_DATE_LEN + 1];
	struct buf query, authorization, url;
};

static void
wire_add(struct wire *w, const char *name, const char *value)
{
	w->headers[w->n].name = name;
	w->headers[w->n].value = value;
	w->lines[w->n] = mem_printf("%s: %s", name, value);
	w->n++;
}

time_t
s3_server_time(const struct s3 *s)
{
	return (time_t)(clock_wall_ms() / 1000 + s->skew_s);
}

static void
wire_build(struct wire *w, struct s3_job *j)
{
	struct s3 *s = j->s3;
	struct sigv4_request r = { .method = j->method,
				   .headers = w->headers,
				   .payload = j->payload,
				   .date = w->date };

	memset(w->lines, 0, sizeof(w->lines));
	w->n = 0;
	buf_init(&w->query, URL_BYTES);
	buf_init(&w->authorization, LINE_BYTES);
	buf_init(&w->url, URL_BYTES);
	build_query(j, &w->query);
	sigv4_date(s3_server_time(s), w->date);
	wire_add(w, "host", s->authority);
	wire_add(w, "x-amz-date", w->date);
	wire_add(w, "x-amz-content-sha256", j->payload);
	if (s->session_token)
		wire_add(w, "x-amz-security-token", s->session_token);
	for (size_t i = 0; i < j->nheaders; i++)
		wire_add(w, j->headers[i].name, j->headers[i].value);
	r.path = buf_cstr(&j->path);
	r.query = buf_cstr(&w->query);
	r.nheaders = w->n;
	sigv4_sign(s->signer, &r, &w->authorization);
	wire_add(w, "authorization", buf_cstr(&w->authorization));
	buf_printf(&w->url, "%s%s%s%s", s->url, r.path, *r.query ? "?" : "",
		   r.query);
}

static void
wire_free(struct wire *w)
{
	for (size_t i = 0; i < w->n; i++)
		mem_wipe_free(w->lines[i]);
	buf_free(&w->query);
	buf_free(&w->authorization);
	buf_free(&w->url);
}

static void on_reply(void *arg, const struct http_reply *r);

static void
transmit(struct s3_job *j)
{
	struct wire w;
	struct http_call call = {
		.method = j->method,
		.has_body = j->has_body,
		.data = j->body.data,
		.fd = j->body.fd,
		.off = j->body.off,
		.len = j->body.len,
		.reply_max = j->reply_max,
		.expected = j->reply_expected,
		.once = j->once,
		.stall_timeout_ms = j->patient ? S3_PATIENCE_MS : 0,
	};

	wire_build(&w, j);
	call.url = buf_cstr(&w.url);
	call.headers = (const char *const *)w.lines;
	j->running = http_send(j->s3->host, &call, on_reply, j);
	wire_free(&w);
}

void
s3_send(struct s3_job *j, s3_next_fn *next)
{
	j->next = next;
	transmit(j);
}

/*
 * A server refuses what is signed with a clock that is too far off. Its own
 * Date then says by how much; the request is sent once more with that.
 */
static bool
set_clock(struct s3_job *j, const struct http_reply *r)
{
	const char *date = http_reply_header(r, "date");
	time_t theirs = date ? curl_getdate(date, NULL) : -1;
	int64_t off;

	if (j->resent || r->status != 403 || theirs < 0)
		return false;
	off = (int64_t)theirs - (int64_t)s3_server_time(j->s3);
	if (off < SKEW_MIN_S && off > -SKEW_MIN_S)
		return false;
	j->s3->skew_s += off;
	j->resent = true;
	log_warn("store", NULL, "clock_skew", KV_S("store", j->s3->store->name),
		 KV_S("server_date", date),
		 KV_I("ours_is_behind_s", j->s3->skew_s));
	return true;
}

static void
on_reply(void *arg, const struct http_reply *r)
{
	struct s3_job *j = arg;
	enum err err;

	j->running = NULL;
	if (r->end == HTTP_DONE && set_clock(j, r)) {
		transmit(j);
		return;
	}
	j->reply = r;
	err = s3_classify(j, r);
	j->next(j, err);
}
