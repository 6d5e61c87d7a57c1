/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET of a range. A connection that breaks costs what did not come yet: with
 * an ETag to hold on to, the rest is asked for from there, a few times; what
 * fails before its first byte is the dispatcher's to repeat.
 */
#include "bridge/store_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

#define BREAKS_MAX 3

void
store_kept_free(void *state)
{
	struct store_kept *k = state;

	free(k->data);
	free(k);
}

/* "bytes first-last/total" */
static bool
read_range(const struct http_reply *r, uint64_t *first, uint64_t *last,
	   uint64_t *total)
{
	const char *range = http_reply_header(r, "content-range");
	unsigned long long f, l, t;

	if (r->status != 206 || !range ||
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
range_fault(const struct store_call *c, const struct http_reply *r,
	    uint64_t off)
{
	uint64_t first, last, total, end = c->off + c->len;

	if (r->status == 200)
		return off == 0 ? NULL : "the store ignores ranges";
	if (!read_range(r, &first, &last, &total))
		return "the store's answer is not clear";
	if (end > total)
		end = total;
	if (first != off || last + 1 != end || r->len != last + 1 - first)
		return "the store sent another range";
	return NULL;
}

static bool
same_etag(const struct store_call *c, const char *etag)
{
	return !c->etag || strcmp(c->etag, etag) == 0;
}

static void
keep(struct store_kept *k, const struct store_call *c,
     const struct http_reply *r)
{
	if (!k->data)
		k->data = mem_alloc((size_t)c->len);
	memcpy(k->data + k->len, r->body, r->len);
	k->len += r->len;
}

bool
store_get_goes_on(struct store_kept *k, const struct store_call *c,
		  const struct http_reply *r, const char *etag)
{
	uint64_t first, last, total;

	if (!c->etag || k->breaks >= BREAKS_MAX || r->len == 0 ||
	    (r->end != HTTP_LOST && r->end != HTTP_STALLED) ||
	    !read_range(r, &first, &last, &total) || first != c->off + k->len ||
	    r->len >= c->len - k->len || !same_etag(c, etag))
		return false;
	keep(k, c, r);
	k->breaks++;
	log_debug("store", NULL, "go_on", KV_S("key", c->key),
		  KV_U("offset", c->off + k->len), KV_S("why", r->why));
	return true;
}

static void
take(struct store_kept *k, const struct store_call *c,
     const struct http_reply *r, struct store_result *res)
{
	size_t room = (size_t)c->len - k->len;

	if (!k->len) {
		res->data = r->body;
		res->len = r->len < room ? r->len : room;
		res->owned = r->owned;
	} else {
		keep(k, c, r); /* range_fault() saw that it fits */
		res->data = k->data;
		res->len = k->len;
		res->owned = &k->data;
	}
}

void
store_get_end(struct store_kept *k, const struct store_call *c,
	      const struct http_reply *r, struct store_result *res)
{
	res->why = range_fault(c, r, c->off + k->len);
	if (res->why) {
		res->err = ERR_IO;
	} else if (!same_etag(c, res->object.etag)) {
		res->err = ERR_CONFLICT;
		res->why = "the object has changed";
	} else {
		take(k, c, r, res);
	}
}
