/* SPDX-License-Identifier: Apache-2.0 */
/* Calls on whole objects: put, head, delete. */
#include "bridge/store_s3.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* put */

static void
put_done(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };

	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	s3_read_object(j, &res.object);
	store_http_put_end(j->call, s3_digest_fault(j, res.object.etag), &res);
	s3_done(j, &res);
}

static void
put_send(struct s3_job *j)
{
	const struct store_call *c = j->call;

	s3_request(j, "PUT", c->key);
	s3_object_headers(j, &c->meta);
	s3_body_object(j, &c->body);
	s3_send(j, put_done);
}

void
s3_put(struct store *s, struct store_call *c)
{
	s3_when_known(s3_job_new(s, c), put_send);
}

/* head */

static void
head_done(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = err };

	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	s3_read_object(j, &res.object);
	s3_done(j, &res);
}

void
s3_head(struct store *s, struct store_call *c)
{
	struct s3_job *j = s3_job_new(s, c);

	s3_request(j, "HEAD", c->key);
	s3_send(j, head_done);
}

/* delete */

static void
delete_done(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };

	if (err && err != ERR_NOT_FOUND) {
		s3_fail_reply(j, err);
		return;
	}
	s3_done(j, &res);
}

void
s3_delete(struct store *s, struct store_call *c)
{
	struct s3_job *j = s3_job_new(s, c);

	s3_request(j, "DELETE", c->key);
	s3_send(j, delete_done);
}
