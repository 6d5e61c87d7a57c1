/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multipart uploads, which Swift does not know: one begins as an object of no
 * use but to be there, its parts are objects, and Complete writes a manifest
 * (store_swift_complete.c). Whoever aborts removes the first object before
 * the parts, and whoever sends a part looks afterwards whether it is still
 * there: so a part that comes late removes itself.
 */
#include "bridge/store_swift.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/id.h"
#include "lib/mem.h"

static void
request_upload(struct swift_job *j, const char *method)
{
	char set[SWIFT_SET_LEN + 1];

	swift_set_of(j->call->key, j->call->backend_id, set);
	swift_request_segment(j, method, "uploads", set);
}

static void
request_part(struct swift_job *j, const char *method)
{
	char set[SWIFT_SET_LEN + 1], name[32], rest[SWIFT_SET_LEN + 40];

	swift_set_of(j->call->key, j->call->backend_id, set);
	swift_part_name(j->call->no, j->call->off, name);
	snprintf(rest, sizeof(rest), "%s/%s", set, name);
	swift_request_segment(j, method, "segments", rest);
}

/* begin */

static void
begin_done(struct swift_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK, .backend_id = j->state };

	if (err)
		swift_fail_reply(j, swift_need_container(j, err));
	else
		swift_done(j, &res);
}

static void
begin_send(struct swift_job *j)
{
	const struct store_call *c = j->call;
	char *id = mem_alloc(ID_LEN + 1), set[SWIFT_SET_LEN + 1];

	id_new(id);
	j->state = id;
	j->free_state = free;
	swift_set_of(c->key, id, set);
	swift_request_segment(j, "PUT", "uploads", set);
	swift_object_headers(j, &c->meta);
	buf_add_text(&j->text, c->key);
	swift_body_text(j);
	j->once = true;
	swift_send(j, begin_done);
}

void
swift_begin(struct store *s, struct store_call *c)
{
	swift_when_known(swift_job_new(s->driver, c), begin_send);
}

/* put_part and copy_part */

static void
late_part_gone(struct swift_job *j, enum err err)
{
	(void)err; /* abort's next try finds it, or the operator's sweep */
	swift_fail(j, ERR_NOT_FOUND, "no such multipart upload");
}

static void
upload_seen(struct swift_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };
	const struct store_part *part = j->state;

	if (err == ERR_NOT_FOUND) {
		request_part(j, "DELETE");
		swift_send(j, late_part_gone);
		return;
	}
	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	res.part = *part;
	swift_done(j, &res);
}

static void
part_done(struct swift_job *j, enum err err)
{
	const struct store_call *c = j->call;
	const char *etag;
	struct store_part *part = j->state;
	char md5[2 * 16 + 1];

	if (err) {
		swift_fail_reply(j, swift_need_container(j, err));
		return;
	}
	part->no = c->no;
	part->off = c->off;
	part->len = c->kind == STORE_CALL_PUT_PART ? c->body.len : c->len;
	etag = http_reply_header(j->reply, "etag");
	if (!etag || !store_etag(etag, part->etag)) {
		swift_fail(j, ERR_AGAIN, "the store's answer is not clear");
		return;
	}
	hex_encode(j->body.md5, sizeof(j->body.md5), md5);
	if (j->body.has_md5 && strcmp(part->etag, md5) != 0) {
		swift_fail(j, ERR_CORRUPT,
			   "the store holds bytes with another MD5");
		return;
	}
	request_upload(j, "HEAD");
	swift_send(j, upload_seen);
}

static struct swift_job *
part_job(struct store *s, struct store_call *c)
{
	struct swift_job *j = swift_job_new(s->driver, c);

	j->state = mem_alloc(sizeof(struct store_part));
	j->free_state = free;
	return j;
}

void
swift_put_part(struct store *s, struct store_call *c)
{
	struct swift_job *j = part_job(s, c);

	request_part(j, "PUT");
	swift_body_object(j, &c->body);
	swift_send(j, part_done);
}

static void
source_seen(struct swift_job *j, enum err err)
{
	const struct store_call *c = j->call;
	struct store_object o;

	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	swift_read_object(j, &o);
	if (c->copy.from_etag && strcmp(c->copy.from_etag, o.etag) != 0) {
		swift_fail(j, ERR_CONFLICT, "the object has changed");
		return;
	}
	request_part(j, "PUT");
	swift_copy_from(j, c->copy.from);
	swift_header(j, "Range: bytes=%llu-%llu", (unsigned long long)c->off,
		     (unsigned long long)(c->off + c->len - 1));
	swift_send(j, part_done);
}

void
swift_copy_part(struct store *s, struct store_call *c)
{
	struct swift_job *j = part_job(s, c);

	swift_request_key(j, "HEAD", c->copy.from);
	swift_send(j, source_seen);
}

/* list_parts */

struct all_parts {
	char set[SWIFT_SET_LEN + 1];
	char *prefix; /* of the segments' names, the store's included */
	char *marker;
	char last_time[40]; /* of the last part taken */
	struct store_part *parts;
	size_t n, room;
	uint32_t next_no; /* the one that may have been missed */
	uint64_t next_off;
	size_t next_at;
};

static void
all_parts_free(void *state)
{
	struct all_parts *a = state;

	free(a->prefix);
	free(a->marker);
	free(a->parts);
	free(a);
}

static struct store_part *
add_part(struct all_parts *a, size_t at)
{
	if (a->n == a->room) {
		a->room = a->room ? 2 * a->room : 64;
		a->parts = mem_resize(a->parts, a->room * sizeof(a->parts[0]));
	}
	assert(a->parts && at <= a->n);
	if (at < a->n)
		memmove(a->parts + at + 1, a->parts + at,
			(a->n - at) * sizeof(a->parts[0]));
	memset(&a->parts[at], 0, sizeof(a->parts[0]));
	a->n++;
	return &a->parts[at];
}

/*
 * Two objects may have one number, where a part's place moved after a rewind:
 * the younger one is the part.
 */
static void
take_part(struct all_parts *a, const char *name, const json_t *item)
{
	const char *hash = json_string_value(json_object_get(item, "hash"));
	const char *time =
		json_string_value(json_object_get(item, "last_modified"));
	struct store_part p = { 0 }, *into;

	if (!hash || !time || !swift_part_parse(name, &p.no, &p.off) ||
	    !store_etag(hash, p.etag))
		return;
	p.len = (uint64_t)json_integer_value(json_object_get(item, "bytes"));
	into = a->n ? &a->parts[a->n - 1] : NULL;
	if (!into || into->no != p.no)
		into = add_part(a, a->n);
	else if (strcmp(time, a->last_time) < 0)
		return;
	*into = p;
	str_copy(a->last_time, sizeof(a->last_time), time);
}

/* Where the first part that is not listed would be. */
static void
find_next(struct all_parts *a)
{
	a->next_no = 1;
	a->next_off = 0;
	for (a->next_at = 0; a->next_at < a->n; a->next_at++) {
		const struct store_part *p = &a->parts[a->next_at];

		if (p->no != a->next_no || p->off != a->next_off)
			break;
		a->next_no++;
		a->next_off += p->len;
	}
}

static void look_behind(struct swift_job *j);

static void
behind_seen(struct swift_job *j, enum err err)
{
	struct all_parts *a = j->state;
	struct store_result res = { .err = ERR_OK };
	struct store_object o;
	struct store_part *p;

	if (err && err != ERR_NOT_FOUND) {
		swift_fail_reply(j, err);
		return;
	}
	if (err) {
		res.parts = a->parts;
		res.nparts = a->n;
		swift_done(j, &res);
		return;
	}
	swift_read_object(j, &o);
	if (a->next_at < a->n && a->parts[a->next_at].no == a->next_no)
		p = &a->parts[a->next_at];
	else
		p = add_part(a, a->next_at);
	p->no = a->next_no;
	p->off = a->next_off;
	p->len = o.size;
	memcpy(p->etag, o.etag, sizeof(p->etag));
	look_behind(j);
}

/*
 * A listing may be behind the objects themselves, so the part after the last
 * one is asked for by its name.
 */
static void
look_behind(struct swift_job *j)
{
	struct all_parts *a = j->state;
	char name[32], rest[SWIFT_SET_LEN + 40];

	find_next(a);
	swift_part_name(a->next_no, a->next_off, name);
	snprintf(rest, sizeof(rest), "%s/%s", a->set, name);
	swift_request_segment(j, "HEAD", "segments", rest);
	swift_send(j, behind_seen);
}

static void list_page(struct swift_job *j);

static void
page_done(struct swift_job *j, enum err err)
{
	struct all_parts *a = j->state;
	json_t *page = NULL;
	size_t n;

	err = swift_need_container(j, err);
	if (!err && !(page = swift_page(j)))
		err = ERR_AGAIN;
	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	n = json_array_size(page);
	for (size_t i = 0; i < n; i++) {
		const char *name = swift_page_name(page, i);
		size_t len = strlen(a->prefix);

		if (!name || strncmp(name, a->prefix, len) != 0)
			continue;
		free(a->marker);
		a->marker = mem_strdup(name);
		take_part(a, name + len, json_array_get(page, i));
	}
	json_decref(page);
	if (n == STORE_LIST_MAX)
		list_page(j);
	else
		look_behind(j);
}

static void
list_page(struct swift_job *j)
{
	const struct all_parts *a = j->state;

	swift_request_page(j, j->swift->segments, a->prefix, a->marker,
			   STORE_LIST_MAX);
	swift_send(j, page_done);
}

static void
container_seen(struct swift_job *j, enum err err)
{
	if (err)
		swift_fail_reply(j, swift_need_container(j, err));
	else
		swift_fail(j, ERR_NOT_FOUND, "no such multipart upload");
}

void
swift_no_upload(struct swift_job *j)
{
	swift_request(j, "HEAD", j->swift->segments, NULL);
	swift_send(j, container_seen);
}

static void
listed_upload_seen(struct swift_job *j, enum err err)
{
	if (err == ERR_NOT_FOUND)
		swift_no_upload(j);
	else if (err)
		swift_fail_reply(j, err);
	else
		list_page(j);
}

void
swift_list_parts(struct store *s, struct store_call *c)
{
	struct swift_job *j = swift_job_new(s->driver, c);
	struct all_parts *a = mem_alloc(sizeof(*a));

	swift_set_of(c->key, c->backend_id, a->set);
	a->prefix = mem_printf("%ssegments/%s/", j->swift->prefix, a->set);
	j->state = a;
	j->free_state = all_parts_free;
	request_upload(j, "HEAD");
	swift_send(j, listed_upload_seen);
}

/* abort */

static void
aborted(struct swift_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };

	if (err && err != ERR_NOT_FOUND)
		swift_fail_reply(j, err);
	else
		swift_done(j, &res);
}

static void
upload_gone(struct swift_job *j, enum err err)
{
	char set[SWIFT_SET_LEN + 1];

	if (err && err != ERR_NOT_FOUND) {
		swift_fail_reply(j, err);
		return;
	}
	swift_set_of(j->call->key, j->call->backend_id, set);
	swift_delete_set(j, set, aborted);
}

static void
abort_noted(struct swift_job *j, enum err err)
{
	if (err && err != ERR_NOT_FOUND) {
		swift_fail_reply(j, err);
		return;
	}
	request_upload(j, "DELETE");
	swift_send(j, upload_gone);
}

/*
 * Its parts may have become the object: then they are not touched. Otherwise
 * they go, and later the reaper looks for one that was on its way meanwhile,
 * from a process that is gone and cannot remove it itself.
 */
static void
object_seen(struct swift_job *j, enum err err)
{
	char set[SWIFT_SET_LEN + 1];
	const char *named = err ? NULL : swift_read_set(j);

	if (err && err != ERR_NOT_FOUND) {
		swift_fail_reply(j, err);
		return;
	}
	swift_set_of(j->call->key, j->call->backend_id, set);
	if (named && strcmp(named, set) == 0) {
		request_upload(j, "DELETE");
		swift_send(j, aborted);
		return;
	}
	swift_note_garbage(j, set, j->swift->grace_ms, false, abort_noted);
}

void
swift_abort(struct store *s, struct store_call *c)
{
	struct swift_job *j = swift_job_new(s->driver, c);

	swift_request_key(j, "HEAD", c->key);
	swift_send(j, object_seen);
}
