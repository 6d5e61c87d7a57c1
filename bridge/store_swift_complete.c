/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complete: the manifest of a static large object takes the place of what is
 * at the key, in one step. Before it goes out it is noted which segments that
 * frees, and that this key owns the new ones; after it, the upload's own
 * object is deleted. Killed between any two, Complete can be repeated.
 */
#include "bridge/store_swift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

struct completing {
	char set[SWIFT_SET_LEN + 1];
	struct store_meta meta;
	char *content_type;
	char sluice_id[ID_LEN + 1];
	struct store_object made;
};

static void
completing_free(void *state)
{
	struct completing *m = state;

	free(m->content_type);
	free(m);
}

static void
finished(struct swift_job *j)
{
	const struct completing *m = j->state;
	struct store_result res = { .err = ERR_OK, .object = m->made };

	swift_done(j, &res);
}

static void
expiry_noted(struct swift_job *j, enum err err)
{
	if (err) {
		j->ambiguous = true; /* the object is there */
		swift_fail_reply(j, err);
		return;
	}
	finished(j);
}

/* An object that expires leaves its segments: they are looked at then. */
static void
note_expiry(struct swift_job *j)
{
	const struct completing *m = j->state;
	const struct swift *s = j->swift;

	swift_note_garbage(j, m->set, s->grace_ms + s->delete_after_s * 1000,
			   false, expiry_noted);
}

static void
tidied(struct swift_job *j, enum err err)
{
	if (err) {
		j->ambiguous = true; /* the object is there */
		swift_fail_reply(j, err);
		return;
	}
	if (j->swift->delete_after_s)
		note_expiry(j);
	else
		finished(j);
}

static bool
is_empty(const struct store_call *c)
{
	return c->nparts == 1 && c->parts[0].len == 0;
}

static void
upload_deleted(struct swift_job *j, enum err err)
{
	if (err == ERR_NOT_FOUND)
		err = ERR_OK;
	tidied(j, err);
}

/*
 * The manifest is in place. What it does not name of the set is deleted (a
 * part that was sent before the end of the file moved), and at last the
 * upload's own object: as long as that is there, all of this is repeated.
 */
static void
delete_upload(struct swift_job *j, enum err err)
{
	const struct completing *m = j->state;

	if (err) {
		tidied(j, err);
		return;
	}
	swift_request_segment(j, "DELETE", "uploads", m->set);
	swift_send(j, upload_deleted);
}

static void
tidy(struct swift_job *j)
{
	const struct completing *m = j->state;
	const struct store_call *c = j->call;

	if (is_empty(c))
		swift_delete_set(j, m->set, delete_upload);
	else
		swift_tidy_set(j, m->set, c->parts, c->nparts, delete_upload);
}

/* The manifest's ETag: in the body after a 202, in a header after a 201. */
static bool
read_etag(struct swift_job *j, json_t *answer, char out[STORE_ETAG_MAX + 1])
{
	const char *etag = json_string_value(json_object_get(answer, "Etag"));

	if (!etag)
		etag = http_reply_header(j->reply, "etag");
	return etag && store_etag(etag, out);
}

static enum err
read_answer(struct swift_job *j)
{
	struct completing *m = j->state;
	json_t *answer = j->reply->len ? swift_json(j) : NULL;
	enum err err = ERR_OK;

	if (j->reply->status == 202 || json_object_get(answer, "Errors"))
		err = swift_late_status(j, answer);
	if (!err && !read_etag(j, answer, m->made.etag)) {
		err = ERR_AGAIN;
		j->why = "the store's answer is not clear";
		j->ambiguous = true;
	}
	json_decref(answer);
	return err;
}

/* Without a heartbeat a segment that differs is told with 400 at once. */
static enum err
early_error(struct swift_job *j, enum err err)
{
	json_t *answer;

	if (j->reply->end != HTTP_DONE || j->reply->status != 400)
		return err;
	answer = swift_json(j);
	if (json_array_size(json_object_get(answer, "Errors"))) {
		err = ERR_CORRUPT;
		j->why = "a part is missing or differs";
	}
	json_decref(answer);
	return err;
}

static void
manifest_done(struct swift_job *j, enum err err)
{
	err = swift_need_container(j, err);
	err = err ? early_error(j, err) : read_answer(j);
	if (err)
		swift_fail_reply(j, err);
	else
		tidy(j);
}

static void
write_manifest(struct swift_job *j)
{
	const struct completing *m = j->state;
	const struct store_call *c = j->call;
	char *base = mem_printf("/%s/%ssegments/%s/", j->swift->segments,
				j->swift->prefix, m->set);
	json_t *list = json_array();
	char name[32], *path, *text;

	for (size_t i = 0; i < c->nparts; i++) {
		const struct store_part *p = &c->parts[i];

		swift_part_name(p->no, p->off, name);
		path = mem_printf("%s%s", base, name);
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:I}", "path", path,
						"etag", p->etag, "size_bytes",
						(json_int_t)p->len));
		free(path);
	}
	text = json_dumps(list, JSON_COMPACT);
	buf_add_text(&j->text, text ? text : "");
	free(text);
	json_decref(list);
	free(base);
}

static void
send_manifest(struct swift_job *j, enum err err)
{
	const struct completing *m = j->state;
	const struct store_call *c = j->call;

	if (err) {
		j->ambiguous = false;
		swift_fail_reply(j, err);
		return;
	}
	swift_request_key(j, "PUT", c->key);
	swift_object_headers(j, &m->meta);
	if (is_empty(c)) {
		swift_body_none(j); /* a segment has one byte at least */
	} else {
		swift_query(j, "multipart-manifest", "put");
		swift_query(j, "heartbeat", "on");
		swift_header(j, "X-Object-Meta-Sluice-Segments: %s", m->set);
		swift_header(j, "Accept: application/json");
		write_manifest(j);
		swift_body_text(j);
	}
	j->patient = true;
	swift_send(j, manifest_done);
}

static void
claim(struct swift_job *j, enum err err)
{
	const struct completing *m = j->state;

	if (err || is_empty(j->call))
		send_manifest(j, err);
	else
		swift_claim(j, m->set, j->call->key, send_manifest);
}

/* Without the upload, the object tells whether this was done before. */
static void
object_seen(struct swift_job *j, enum err err)
{
	struct completing *m = j->state;
	const char *set = err ? NULL : swift_read_set(j);

	if (err && err != ERR_NOT_FOUND) {
		swift_fail_reply(j, err);
		return;
	}
	if (!set || strcmp(set, m->set) != 0) {
		swift_no_upload(j);
		return;
	}
	swift_read_object(j, &m->made);
	finished(j);
}

static void
upload_seen(struct swift_job *j, enum err err)
{
	struct completing *m = j->state;
	struct store_object o;
	const char *mtime;

	if (err == ERR_NOT_FOUND) {
		swift_request_key(j, "HEAD", j->call->key);
		swift_send(j, object_seen);
		return;
	}
	if (err) {
		j->ambiguous = false;
		swift_fail_reply(j, err);
		return;
	}
	swift_read_object(j, &o);
	memcpy(m->sluice_id, o.sluice_id, sizeof(m->sluice_id));
	m->content_type =
		mem_strdup(http_reply_header(j->reply, "content-type"));
	mtime = http_reply_header(j->reply, "x-object-meta-mtime");
	m->meta.sluice_id = m->sluice_id;
	m->meta.content_type = m->content_type;
	m->meta.mtime = mtime ? o.mtime : 0;
	swift_note_old(j, j->call->key, m->set, claim);
}

void
swift_complete(struct store *s, struct store_call *c)
{
	struct swift_job *j = swift_job_new(s->driver, c);
	struct completing *m = mem_alloc(sizeof(*m));

	swift_set_of(c->key, c->backend_id, m->set);
	j->state = m;
	j->free_state = completing_free;
	swift_request_segment(j, "HEAD", "uploads", m->set);
	swift_send(j, upload_seen);
}
