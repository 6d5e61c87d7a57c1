/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies a whole object inside the store: HEAD for its size and content type,
 * then one CopyObject, or a multipart upload of copied parts where the object
 * is above copy_max. A multipart upload that fails is aborted.
 */
#include "bridge/store_s3.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define MIB ((uint64_t)1 << 20)
#define COPY_PART_MIN (512 * MIB)

struct copying {
	struct store_object source;
	struct store_copy from; /* with the ETag that HEAD showed */
	struct store_meta meta; /* with the source's content type */
	char *content_type;
	char id[STORE_BACKEND_ID_MAX + 1]; /* "" before Create */
	uint64_t part_len;
	struct store_part *parts;
	size_t n;
	uint64_t off; /* copied so far */

	/* What is reported once the multipart upload is aborted. */
	enum err err;
	const char *why;
	bool ambiguous;
};

static void
copying_free(void *state)
{
	struct copying *m = state;

	free(m->content_type);
	free(m->parts);
	free(m);
}

static void
aborted(struct s3_job *j, enum err err)
{
	struct copying *m = j->state;
	struct store_result res = { .err = m->err,
				    .why = m->why,
				    .ambiguous = m->ambiguous };

	(void)err; /* what could not be aborted is the sweeper's */
	s3_done(j, &res);
}

static void
give_up(struct s3_job *j, enum err err)
{
	struct copying *m = j->state;

	if (!m->id[0]) {
		s3_fail_reply(j, err);
		return;
	}
	m->err = err;
	m->why = j->why;
	m->ambiguous = j->ambiguous;
	s3_request(j, "DELETE", j->call->to);
	s3_query(j, "uploadId", m->id);
	s3_send(j, aborted);
}

static void
succeed(struct s3_job *j, const struct s3_made *made)
{
	const struct copying *m = j->state;
	struct store_result res = { .err = ERR_OK };

	res.object.size = m->source.size;
	res.object.mtime = m->meta.mtime;
	memcpy(res.object.etag, made->etag, sizeof(made->etag));
	s3_done(j, &res);
}

/* The answer of CopyObject, of a copied part or of Complete. */
static enum err
read_made(struct s3_job *j, enum err err, const char *root,
	  struct s3_made *made)
{
	if (err)
		return err;
	return s3_xml_err(j, s3_xml_made(j->reply->body, j->reply->len, root,
					 &j->error, made));
}

/*
 * Swift's s3api compares If-Match with another ETag than HEAD shows when the
 * source came by parts, so it refuses every such copy. HEAD has compared the
 * ETag just now: then the copy is asked for without.
 */
static bool
matches_nothing(struct s3_job *j, enum err err)
{
	struct copying *m = j->state;

	if (err != ERR_CONFLICT || !m->from.from_etag ||
	    !strchr(m->from.from_etag, '-'))
		return false;
	m->from.from_etag = NULL;
	return true;
}

/* One CopyObject. */

static void copy_at_once(struct s3_job *j);

static void
copied(struct s3_job *j, enum err err)
{
	struct s3_made made;

	err = read_made(j, err, "CopyObjectResult", &made);
	if (matches_nothing(j, err))
		copy_at_once(j);
	else if (err)
		s3_fail_reply(j, err);
	else
		succeed(j, &made);
}

static void
copy_at_once(struct s3_job *j)
{
	const struct copying *m = j->state;

	s3_request(j, "PUT", j->call->to);
	s3_object_headers(j, &m->meta);
	s3_source_headers(j, &m->from);
	s3_header(j, "x-amz-metadata-directive", "REPLACE");
	s3_body_none(j);
	j->patient = true;
	s3_send(j, copied);
}

/* By parts. */

static void
completed_seen(struct s3_job *j, enum err err)
{
	struct store_object o;
	struct s3_made made = { 0 };

	err = s3_made_seen(j, err, &o);
	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	memcpy(made.etag, o.etag, sizeof(made.etag));
	succeed(j, &made);
}

static void
completed(struct s3_job *j, enum err err)
{
	struct s3_made made;

	err = read_made(j, err, S3_COMPLETED, &made);
	if (err && j->ambiguous)
		s3_fail_reply(j, err); /* it may be there: abort nothing */
	else if (err)
		give_up(j, err);
	else if (!made.etag[0])
		s3_look_at_made(j, j->call->to, completed_seen);
	else
		succeed(j, &made);
}

/* As with a copied part: not every server compares each part's source. */
static void
source_seen_again(struct s3_job *j, enum err err)
{
	const struct copying *m = j->state;
	struct store_object o;

	if (!err) {
		s3_read_object(j, &o);
		if (strcmp(o.etag, m->source.etag) != 0) {
			err = ERR_CONFLICT;
			j->why = "the object has changed";
		}
	}
	if (err) {
		give_up(j, err);
		return;
	}
	s3_request(j, "POST", j->call->to);
	s3_query(j, "uploadId", m->id);
	s3_complete_body(j, m->parts, m->n);
	j->patient = true;
	s3_send(j, completed);
}

static void copy_next(struct s3_job *j);

static void
part_copied(struct s3_job *j, enum err err)
{
	struct copying *m = j->state;
	struct store_part *p;
	struct s3_made made;

	err = read_made(j, err, "CopyPartResult", &made);
	if (matches_nothing(j, err)) {
		copy_next(j);
		return;
	}
	if (err) {
		give_up(j, err);
		return;
	}
	m->parts = mem_resize(m->parts, (m->n + 1) * sizeof(m->parts[0]));
	p = &m->parts[m->n++];
	memset(p, 0, sizeof(*p));
	p->no = (uint32_t)m->n;
	memcpy(p->etag, made.etag, sizeof(p->etag));
	memcpy(p->sum, made.sum, sizeof(p->sum));
	m->off += m->part_len;
	copy_next(j);
}

static void
copy_next(struct s3_job *j)
{
	struct copying *m = j->state;
	uint64_t len = m->part_len;

	if (m->off >= m->source.size) {
		s3_request(j, "HEAD", j->call->copy.from);
		s3_send(j, source_seen_again);
		return;
	}
	if (len > m->source.size - m->off)
		len = m->source.size - m->off;
	s3_request(j, "PUT", j->call->to);
	s3_query(j, "uploadId", m->id);
	j->patient = true;
	s3_query_uint(j, "partNumber", m->n + 1);
	s3_source_headers(j, &m->from);
	s3_header(j, "x-amz-copy-source-range", "bytes=%llu-%llu",
		  (unsigned long long)m->off,
		  (unsigned long long)(m->off + len - 1));
	s3_body_none(j);
	s3_send(j, part_copied);
}

static void
begun(struct s3_job *j, enum err err)
{
	struct copying *m = j->state;

	if (!err)
		err = s3_xml_err(j,
				 s3_xml_initiate(j->reply->body, j->reply->len,
						 &j->error, m->id));
	if (err)
		s3_fail_reply(j, err);
	else
		copy_next(j);
}

/* Few large parts: each is one request and no byte passes through here. */
static uint64_t
copy_part_len(const struct store_limits *l, uint64_t size)
{
	uint64_t len = (size / l->parts_max / MIB + 1) * MIB;

	if (len < COPY_PART_MIN)
		len = COPY_PART_MIN;
	return len < l->copy_max ? len : l->copy_max;
}

static void
copy_by_parts(struct s3_job *j)
{
	struct copying *m = j->state;

	m->part_len = copy_part_len(&j->s3->store->limits, m->source.size);
	s3_request(j, "POST", j->call->to);
	s3_query(j, "uploads", "");
	s3_object_headers(j, &m->meta);
	s3_body_none(j);
	j->once = true;
	s3_send(j, begun);
}

static void
source_seen(struct s3_job *j, enum err err)
{
	struct copying *m = j->state;
	const char *wanted = j->call->copy.from_etag, *type;

	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	s3_read_object(j, &m->source);
	if (wanted && strcmp(wanted, m->source.etag) != 0) {
		s3_fail(j, ERR_CONFLICT, "the object has changed");
		return;
	}
	type = http_reply_header(j->reply, "content-type");
	m->content_type = mem_strdup(type);
	m->meta = j->call->meta;
	m->meta.content_type = m->content_type;
	m->from.from = j->call->copy.from;
	m->from.from_etag = m->source.etag[0] ? m->source.etag : NULL;
	if (m->source.size <= j->s3->store->limits.copy_max)
		copy_at_once(j);
	else
		copy_by_parts(j);
}

void
s3_copy(struct store *s, struct store_call *c)
{
	struct s3_job *j = s3_job_new(s, c);

	j->state = mem_alloc(sizeof(struct copying));
	j->free_state = copying_free;
	s3_request(j, "HEAD", c->copy.from);
	s3_send(j, source_seen);
}
