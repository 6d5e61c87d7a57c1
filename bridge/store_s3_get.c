/* SPDX-License-Identifier: Apache-2.0 */
/* GET of a range. */
#include "bridge/store_s3.h"

#include "lib/mem.h"

static void get_send(struct s3_job *j);

static void
get_done(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };
	struct store_kept *k = j->state;

	if (j->reply->end == HTTP_DONE && j->reply->status == 416) {
		s3_done(j, &res); /* behind the end: no bytes */
		return;
	}
	s3_read_object(j, &res.object);
	if (err == ERR_AGAIN &&
	    store_get_goes_on(k, j->call, j->reply, res.object.etag)) {
		get_send(j);
		return;
	}
	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	store_get_end(k, j->call, j->reply, &res);
	s3_done(j, &res);
}

static void
get_send(struct s3_job *j)
{
	const struct store_call *c = j->call;
	const struct store_kept *k = j->state;
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

	j->state = mem_alloc(sizeof(struct store_kept));
	j->free_state = store_kept_free;
	get_send(j);
}
