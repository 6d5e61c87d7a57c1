/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET of a range. A connection that breaks costs what did not come yet: with
 * an ETag to hold on to, the rest is asked for from there, a few times; what
 * fails before its first byte is the dispatcher's to repeat.
 */
#include "bridge/store_s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

#define BREAKS_MAX 3

/* What came before the connection broke. */
struct kept {
	unsigned char *data; /* the call's len bytes */
	size_t len;
	unsigned breaks;
};

static void get_send(struct s3_job *j);

static void
kept_free(void *state)
{
	struct kept *k = state;

	free(k->data);
	free(k);
}

static bool
same_etag(const struct s3_job *j)
{
	struct store_object o;

	s3_read_object((struct s3_job *)j, &o);
	return !j->call->etag || strcmp(j->call->etag, o.etag) == 0;
}

/* "bytes first-last/total" */
static bool
read_range(const struct s3_job *j, uint64_t *first, uint64_t *last,
	   uint64_t *total)
{
	const char *range = http_reply_header(j->reply, "content-range");
	unsigned long long f, l, t;

	if (j->reply->status != 206 || !range ||
	    sscanf(range, "bytes %llu-%llu/%llu", &f, &l, &t) != 3)
		return false;
	*first = f;
	*last = l;
	*total = t;
	return true;
}

/*
 * A part of the object must be the part that was asked for, as far as the
 * object reaches; a server may send a whole small object instead.
 */
static const char *
range_fault(const struct s3_job *j, uint64_t off)
{
	const struct store_call *c = j->call;
	uint64_t first, last, total, end = c->off + c->len;

	if (j->reply->status == 200)
		return off == 0 ? NULL : "the store ignores ranges";
	if (!read_range(j, &first, &last, &total))
		return "the store's answer is not clear";
	if (end > total)
		end = total;
	if (first != off || last + 1 != end ||
	    j->reply->len != last + 1 - first)
		return "the store sent another range";
	return NULL;
}

static bool
can_go_on(const struct s3_job *j, const struct kept *k)
{
	const struct http_reply *r = j->reply;
	uint64_t first, last, total;

	return j->call->etag && k->breaks < BREAKS_MAX && r->len > 0 &&
	       (r->end == HTTP_LOST || r->end == HTTP_STALLED) &&
	       read_range(j, &first, &last, &total) &&
	       first == j->call->off + k->len &&
	       r->len < j->call->len - k->len && same_etag(j);
}

static void
keep(struct s3_job *j, struct kept *k)
{
	if (!k->data)
		k->data = mem_alloc((size_t)j->call->len);
	memcpy(k->data + k->len, j->reply->body, j->reply->len);
	k->len += j->reply->len;
}

static void
finish(struct s3_job *j, struct kept *k)
{
	struct store_result res = { .err = ERR_OK };
	size_t room = (size_t)j->call->len - k->len;

	s3_read_object(j, &res.object);
	if (!k->len) {
		res.data = j->reply->body;
		res.len = j->reply->len < room ? j->reply->len : room;
		res.owned = j->reply->owned;
	} else {
		keep(j, k); /* range_fault() saw that it fits */
		res.data = k->data;
		res.len = k->len;
		res.owned = &k->data;
	}
	s3_done(j, &res);
}

static void
get_done(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };
	struct kept *k = j->state;

	if (j->reply->end == HTTP_DONE && j->reply->status == 416) {
		s3_done(j, &res); /* behind the end: no bytes */
		return;
	}
	if (err == ERR_AGAIN && can_go_on(j, k)) {
		keep(j, k);
		k->breaks++;
		log_debug("store", NULL, "go_on", KV_S("key", j->call->key),
			  KV_U("offset", j->call->off + k->len),
			  KV_S("why", j->reply->why));
		get_send(j);
		return;
	}
	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	res.why = range_fault(j, j->call->off + k->len);
	if (res.why) {
		res.err = ERR_IO;
		s3_done(j, &res);
	} else if (!same_etag(j)) {
		s3_fail(j, ERR_CONFLICT, "the object has changed");
	} else {
		finish(j, k);
	}
}

static void
get_send(struct s3_job *j)
{
	const struct store_call *c = j->call;
	const struct kept *k = j->state;
	unsigned long long first = c->off + k->len;
	unsigned long long last = c->off + c->len - 1;

	s3_request(j, "GET", c->key);
	s3_header(j, "range", "bytes=%llu-%llu", first, last);
	if (c->etag)
		s3_header(j, "if-match", "\"%s\"", c->etag);
	j->reply_expected = (size_t)c->len - k->len;
	if (j->reply_max < c->len)
		j->reply_max = c->len;
	s3_send(j, get_done);
}

void
s3_get(struct store *s, struct store_call *c)
{
	struct s3_job *j = s3_job_new(s, c);

	j->state = mem_alloc(sizeof(struct kept));
	j->free_state = kept_free;
	get_send(j);
}
