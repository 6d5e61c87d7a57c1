/* SPDX-License-Identifier: Apache-2.0 */
/* Calls on whole objects: put, head, get, delete. */
#include "bridge/store_swift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bridge/sigv4.h"
#include "lib/mem.h"

#define SOURCE_BYTES ((size_t)16 << 10) /* of an encoded name */

/* What goes with an object, and what a reply tells of one. */

void
swift_object_headers(struct swift_job *j, const struct store_meta *meta)
{
	const struct swift *s = j->swift;

	swift_header(j, "Content-Type: %s",
		     meta->content_type && *meta->content_type
			     ? meta->content_type
			     : "application/octet-stream");
	if (meta->sluice_id && *meta->sluice_id)
		swift_header(j, "X-Object-Meta-Sluice-Id: %s", meta->sluice_id);
	if (meta->mtime)
		swift_header(j, "X-Object-Meta-Mtime: %lld",
			     (long long)meta->mtime);
	if (s->delete_after_s)
		swift_header(j, "X-Delete-After: %llu",
			     (unsigned long long)s->delete_after_s);
}

void
swift_copy_from(struct swift_job *j, const char *key)
{
	struct buf from;

	buf_init(&from, SOURCE_BYTES);
	sigv4_encode(&from, j->swift->container, false);
	buf_add_text(&from, "/");
	sigv4_encode(&from, j->swift->prefix, true);
	sigv4_encode(&from, key, true);
	swift_header(j, "X-Copy-From: /%s", buf_cstr(&from));
	buf_free(&from);
	swift_header(j, "X-Fresh-Metadata: true");
	swift_body_none(j);
	j->patient = true;
}

void
swift_read_object(struct swift_job *j, struct store_object *out)
{
	const struct http_reply *r = j->reply;
	const char *etag = http_reply_header(r, "etag");
	const char *id = http_reply_header(r, "x-object-meta-sluice-id");

	memset(out, 0, sizeof(*out));
	out->size = store_http_size(r);
	out->mtime = store_http_mtime(r, "x-object-meta-mtime");
	if (etag)
		store_etag(etag, out->etag);
	if (id && id_valid(id))
		str_copy(out->sluice_id, sizeof(out->sluice_id), id);
}

const char *
swift_read_set(struct swift_job *j)
{
	const char *slo = http_reply_header(j->reply, "x-static-large-object");
	const char *set =
		http_reply_header(j->reply, "x-object-meta-sluice-segments");

	if (!slo || strcasecmp(slo, "true") != 0)
		return NULL;
	return set && swift_set_valid(set) ? set : NULL;
}

/* What is about to be replaced. */

struct noting {
	swift_next_fn *then;
	char *keep;
	void *state; /* the call's own, put back afterwards */
	void (*free_state)(void *state);
};

static void
noting_free(void *state)
{
	struct noting *n = state;

	if (n->free_state)
		n->free_state(n->state);
	free(n->keep);
	free(n);
}

static void
noted(struct swift_job *j, enum err err)
{
	struct noting *n = j->state;
	swift_next_fn *then = n->then;

	j->state = n->state;
	j->free_state = n->free_state;
	n->free_state = NULL;
	noting_free(n);
	j->ambiguous = false; /* what was to follow was not sent */
	then(j, err);
}

/*
 * The note is written before the manifest goes, so a crash between the two
 * forgets nothing; whoever reads it looks whether the manifest is still there.
 */
static void
old_seen(struct swift_job *j, enum err err)
{
	const struct noting *n = j->state;
	const char *set;

	if (err && err != ERR_NOT_FOUND) {
		noted(j, err);
		return;
	}
	set = err ? NULL : swift_read_set(j);
	if (!set || (n->keep && strcmp(set, n->keep) == 0)) {
		noted(j, ERR_OK);
		return;
	}
	swift_note_garbage(j, set, j->swift->grace_ms, false, noted);
}

void
swift_note_old(struct swift_job *j, const char *key, const char *keep,
	       swift_next_fn *then)
{
	struct noting *n = mem_alloc(sizeof(*n));

	n->then = then;
	n->keep = mem_strdup(keep);
	n->state = j->state;
	n->free_state = j->free_state;
	j->state = n;
	j->free_state = noting_free;
	swift_request_key(j, "HEAD", key);
	swift_send(j, old_seen);
}

/* put */

/* NULL, or what is wrong with the ETag that came back: the body's MD5. */
static const char *
digest_fault(const struct swift_job *j, const char *etag)
{
	char text[2 * 16 + 1];

	if (!j->body.has_md5)
		return NULL;
	hex_encode(j->body.md5, sizeof(j->body.md5), text);
	if (strcasecmp(etag, text) == 0)
		return NULL;
	return "the store holds bytes with another MD5";
}

static void
put_done(struct swift_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };

	err = swift_need_container(j, err);
	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	swift_read_object(j, &res.object);
	store_http_put_end(j->call, digest_fault(j, res.object.etag), &res);
	swift_done(j, &res);
}

static void
put_send(struct swift_job *j, enum err err)
{
	const struct store_call *c = j->call;

	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	swift_request_key(j, "PUT", c->key);
	swift_object_headers(j, &c->meta);
	swift_body_object(j, &c->body);
	swift_send(j, put_done);
}

static void
put_begin(struct swift_job *j)
{
	swift_note_old(j, j->call->key, NULL, put_send);
}

void
swift_put(struct store *s, struct store_call *c)
{
	swift_when_known(swift_job_new(s->driver, c), put_begin);
}

/* head */

static void
head_done(struct swift_job *j, enum err err)
{
	struct store_result res = { .err = err };

	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	swift_read_object(j, &res.object);
	swift_done(j, &res);
}

void
swift_head(struct store *s, struct store_call *c)
{
	struct swift_job *j = swift_job_new(s->driver, c);

	swift_request_key(j, "HEAD", c->key);
	swift_send(j, head_done);
}

/* get */

static void get_send(struct swift_job *j);

static void
get_done(struct swift_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };
	struct store_kept *k = j->state;

	if (j->reply->end == HTTP_DONE && j->reply->status == 416) {
		swift_done(j, &res); /* behind the end: no bytes */
		return;
	}
	swift_read_object(j, &res.object);
	if (err == ERR_AGAIN &&
	    store_get_goes_on(k, j->call, j->reply, res.object.etag)) {
		get_send(j);
		return;
	}
	if (err == ERR_CONFLICT && j->reply->status == 409) {
		j->why = "a segment of the object is missing";
		err = ERR_IO;
	}
	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	store_get_end(k, j->call, j->reply, &res);
	swift_done(j, &res);
}

static void
get_send(struct swift_job *j)
{
	const struct store_call *c = j->call;
	const struct store_kept *k = j->state;
	unsigned long long first = c->off + k->len;
	unsigned long long last = c->off + c->len - 1;

	swift_request_key(j, "GET", c->key);
	swift_header(j, "Range: bytes=%llu-%llu", first, last);
	if (c->etag)
		swift_header(j, "If-Match: \"%s\"", c->etag);
	j->reply_expected = (size_t)c->len - k->len;
	if (j->reply_max < c->len)
		j->reply_max = c->len;
	swift_send(j, get_done);
}

void
swift_get(struct store *s, struct store_call *c)
{
	struct swift_job *j = swift_job_new(s->driver, c);

	j->state = mem_alloc(sizeof(struct store_kept));
	j->free_state = store_kept_free;
	get_send(j);
}

/* delete */

static void
delete_done(struct swift_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };

	if (err && err != ERR_NOT_FOUND) {
		swift_fail_reply(j, err);
		return;
	}
	swift_done(j, &res);
}

static void
delete_send(struct swift_job *j, enum err err)
{
	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	swift_request_key(j, "DELETE", j->call->key);
	swift_send(j, delete_done);
}

void
swift_delete(struct store *s, struct store_call *c)
{
	swift_note_old(swift_job_new(s->driver, c), c->key, NULL, delete_send);
}
