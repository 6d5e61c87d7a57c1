/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs for others. Nothing is asked of the server but, for a GET, whether
 * there is an object.
 */
#include "bridge/store_s3.h"

#define URL_BYTES ((size_t)64 << 10)

static void
presign(struct s3_job *j)
{
	const struct s3 *s = j->s3;
	const struct store_grant *g = &j->call->grant;
	const struct sigv4_header host = { "host", s->authority };
	char date[SIGV4_DATE_LEN + 1];
	struct sigv4_request r = { .method = g->put ? "PUT" : "GET",
				   .headers = &host,
				   .nheaders = 1,
				   .date = date };
	struct store_result res = { .err = ERR_OK };
	struct buf url;

	s3_request(j, r.method, j->call->key);
	r.path = buf_cstr(&j->path);
	sigv4_date(s3_server_time(s), date);
	buf_init(&url, URL_BYTES);
	buf_printf(&url, "%s%s?", s->url, r.path);
	sigv4_presign(s->signer, &r, s->session_token, g->seconds, &url);
	res.data = buf_cstr(&url);
	res.len = buf_len(&url);
	s3_done(j, &res);
	buf_free(&url);
}

static void
seen(struct s3_job *j, enum err err)
{
	if (err)
		s3_fail_reply(j, err);
	else
		presign(j);
}

void
s3_presign(struct store *s, struct store_call *c)
{
	struct s3_job *j = s3_job_new(s, c);

	if (c->grant.put) {
		presign(j);
		return;
	}
	s3_request(j, "HEAD", c->key);
	s3_send(j, seen);
}
