/* SPDX-License-Identifier: Apache-2.0 */
/* Multipart uploads: begin, parts, list of parts, complete, abort. */
#include "bridge/store_s3.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* begin */

static void
begin_done(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };
	char id[STORE_BACKEND_ID_MAX + 1];

	if (!err)
		err = s3_xml_err(j,
				 s3_xml_initiate(j->reply->body, j->reply->len,
						 &j->error, id));
	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	res.backend_id = id;
	s3_done(j, &res);
}

/*
 * Naming the algorithm here obliges to send each part's checksum and to list
 * them all at the end; where the server does not check them nothing is named.
 */
static void
begin_send(struct s3_job *j)
{
	s3_request(j, "POST", j->call->key);
	s3_query(j, "uploads", "");
	s3_object_headers(j, &j->call->meta);
	if (s3_sends_crc(j->s3))
		s3_header(j, "x-amz-checksum-algorithm", "CRC32C");
	s3_body_none(j);
	j->once = true;
	s3_send(j, begin_done);
}

void
s3_begin(struct store *s, struct store_call *c)
{
	s3_when_known(s3_job_new(s, c), begin_send);
}

/* put_part */

static void put_part_send(struct s3_job *j);

/*
 * An upload that was begun before the server learned to check checksums takes
 * no part with one (AWS says InvalidRequest: "Checksum Type mismatch").
 */
static bool
wants_no_crc(const struct s3_job *j, enum err err)
{
	return err == ERR_IO && !j->no_crc && s3_sends_crc(j->s3) &&
	       strcmp(j->error.code, "InvalidRequest") == 0;
}

static void
put_part_done(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };
	const struct store_call *c = j->call;
	const char *etag;

	if (wants_no_crc(j, err)) {
		j->no_crc = true;
		put_part_send(j);
		return;
	}
	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	etag = http_reply_header(j->reply, "etag");
	res.part.no = c->no;
	res.part.off = c->off;
	res.part.len = c->body.len;
	if (!etag || !store_etag(etag, res.part.etag)) {
		s3_fail(j, ERR_AGAIN, "the store's answer is not clear");
		return;
	}
	res.why = s3_digest_fault(j, res.part.etag);
	if (res.why)
		res.err = ERR_CORRUPT;
	if (s3_sends_crc(j->s3) && !j->no_crc)
		s3_crc_text(c->body.crc32c, res.part.sum);
	s3_done(j, &res);
}

static void
put_part_send(struct s3_job *j)
{
	const struct store_call *c = j->call;

	s3_request(j, "PUT", c->key);
	s3_query_uint(j, "partNumber", c->no);
	s3_query(j, "uploadId", c->backend_id);
	s3_body_object(j, &c->body);
	s3_send(j, put_part_done);
}

void
s3_put_part(struct store *s, struct store_call *c)
{
	s3_when_known(s3_job_new(s, c), put_part_send);
}

/* copy_part */

/* Ceph 16 compares no ETag of a part's source: so what is there now counts. */
static void
copy_source_seen(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };
	struct store_object o;

	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	s3_read_object(j, &o);
	if (strcmp(o.etag, j->call->copy.from_etag) != 0) {
		s3_fail(j, ERR_CONFLICT, "the object has changed");
		return;
	}
	res.part = *(struct store_part *)j->state;
	s3_done(j, &res);
}

static void
copy_part_done(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };
	const struct store_call *c = j->call;
	struct s3_made made;

	if (!err)
		err = s3_xml_err(j, s3_xml_made(j->reply->body, j->reply->len,
						"CopyPartResult", &j->error,
						&made));
	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	res.part.no = c->no;
	res.part.off = c->off;
	res.part.len = c->len;
	memcpy(res.part.etag, made.etag, sizeof(made.etag));
	memcpy(res.part.sum, made.sum, sizeof(made.sum));
	if (!c->copy.from_etag) {
		s3_done(j, &res);
		return;
	}
	j->state = mem_alloc(sizeof(res.part));
	j->free_state = free;
	memcpy(j->state, &res.part, sizeof(res.part));
	s3_request(j, "HEAD", c->copy.from);
	s3_send(j, copy_source_seen);
}

void
s3_copy_part(struct store *s, struct store_call *c)
{
	struct s3_job *j = s3_job_new(s, c);

	s3_request(j, "PUT", c->key);
	s3_query_uint(j, "partNumber", c->no);
	s3_query(j, "uploadId", c->backend_id);
	s3_source_headers(j, &c->copy);
	s3_header(j, "x-amz-copy-source-range", "bytes=%llu-%llu",
		  (unsigned long long)c->copy.off,
		  (unsigned long long)(c->copy.off + c->copy.len - 1));
	s3_body_none(j);
	j->patient = true;
	s3_send(j, copy_part_done);
}

/* list_parts */

struct all_parts {
	struct store_part *parts;
	size_t n;
	uint32_t marker;
};

static void
all_parts_free(void *state)
{
	struct all_parts *a = state;

	free(a->parts);
	free(a);
}

static void list_parts_page(struct s3_job *j);

/* Adds a page; numbers must rise, and stay within what an upload may have. */
static bool
add_page(struct all_parts *a, const struct s3_parts *page, uint32_t max)
{
	uint32_t last = a->n ? a->parts[a->n - 1].no : 0;

	if (a->n + page->n > max)
		return false;
	for (size_t i = 0; i < page->n; i++) {
		if (page->parts[i].no <= last)
			return false;
		last = page->parts[i].no;
	}
	if (!page->n)
		return true;
	a->parts = mem_resize(a->parts, (a->n + page->n) * sizeof(a->parts[0]));
	memcpy(a->parts + a->n, page->parts, page->n * sizeof(page->parts[0]));
	a->n += page->n;
	return true;
}

/* A part's place is known as long as no number is missing before it. */
static void
place_parts(struct all_parts *a)
{
	uint64_t off = 0;

	for (size_t i = 0; i < a->n; i++) {
		if (off != UINT64_MAX && a->parts[i].no != i + 1)
			off = UINT64_MAX;
		a->parts[i].off = off;
		if (off != UINT64_MAX)
			off += a->parts[i].len;
	}
}

static void
list_parts_done(struct s3_job *j, enum err err)
{
	struct all_parts *a = j->state;
	struct store_result res = { .err = ERR_OK };
	struct s3_parts page = { 0 };
	uint32_t next = 0;
	bool ok;

	if (!err)
		err = s3_xml_err(j, s3_xml_parts(j->reply->body, j->reply->len,
						 &j->error, &page));
	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	ok = add_page(a, &page, S3_PARTS_MAX);
	if (page.truncated) {
		next = page.next;
		ok = ok && next > a->marker;
	}
	s3_parts_free(&page);
	if (!ok) {
		s3_fail(j, ERR_IO, "the store's list of parts is not sound");
		return;
	}
	if (next) {
		a->marker = next;
		list_parts_page(j);
		return;
	}
	place_parts(a);
	res.parts = a->parts;
	res.nparts = a->n;
	s3_done(j, &res);
}

static void
list_parts_page(struct s3_job *j)
{
	const struct all_parts *a = j->state;

	s3_request(j, "GET", j->call->key);
	s3_query(j, "uploadId", j->call->backend_id);
	s3_query_uint(j, "max-parts", S3_PAGE_MAX);
	if (a->marker)
		s3_query_uint(j, "part-number-marker", a->marker);
	s3_send(j, list_parts_done);
}

void
s3_list_parts(struct store *s, struct store_call *c)
{
	struct s3_job *j = s3_job_new(s, c);

	j->state = mem_alloc(sizeof(struct all_parts));
	j->free_state = all_parts_free;
	list_parts_page(j);
}

/* complete */

void
s3_complete_body(struct s3_job *j, const struct store_part *parts, size_t n)
{
	struct buf *b = &j->text;

	buf_add_text(b, "<CompleteMultipartUpload>");
	for (size_t i = 0; i < n; i++) {
		buf_printf(b, "<Part><PartNumber>%u</PartNumber>", parts[i].no);
		buf_printf(b, "<ETag>\"%s\"</ETag>", parts[i].etag);
		if (parts[i].sum[0])
			buf_printf(b, "<ChecksumCRC32C>%s</ChecksumCRC32C>",
				   parts[i].sum);
		buf_add_text(b, "</Part>");
	}
	buf_add_text(b, "</CompleteMultipartUpload>");
	s3_body_text(j);
}

void
s3_look_at_made(struct s3_job *j, const char *key, s3_next_fn *then)
{
	s3_request(j, "HEAD", key);
	s3_send(j, then);
}

enum err
s3_made_seen(struct s3_job *j, enum err err, struct store_object *out)
{
	if (err) {
		j->ambiguous = true; /* it was written a moment ago */
		return err == ERR_NOT_FOUND ? ERR_AGAIN : err;
	}
	s3_read_object(j, out);
	return ERR_OK;
}

static void
complete_seen(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };

	err = s3_made_seen(j, err, &res.object);
	if (err)
		s3_fail_reply(j, err);
	else
		s3_done(j, &res);
}

static void
complete_done(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };
	struct s3_made made;

	if (!err)
		err = s3_xml_err(j,
				 s3_xml_made(j->reply->body, j->reply->len,
					     S3_COMPLETED, &j->error, &made));
	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	if (!made.etag[0]) {
		s3_look_at_made(j, j->call->key, complete_seen);
		return;
	}
	memcpy(res.object.etag, made.etag, sizeof(made.etag));
	s3_done(j, &res);
}

void
s3_complete(struct store *s, struct store_call *c)
{
	struct s3_job *j = s3_job_new(s, c);

	s3_request(j, "POST", c->key);
	s3_query(j, "uploadId", c->backend_id);
	s3_complete_body(j, c->parts, c->nparts);
	j->patient = true;
	s3_send(j, complete_done);
}

/* abort */

static void
abort_done(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };

	if (err && err != ERR_NOT_FOUND) {
		s3_fail_reply(j, err);
		return;
	}
	s3_done(j, &res);
}

void
s3_abort(struct store *s, struct store_call *c)
{
	struct s3_job *j = s3_job_new(s, c);

	s3_request(j, "DELETE", c->key);
	s3_query(j, "uploadId", c->backend_id);
	s3_send(j, abort_done);
}
