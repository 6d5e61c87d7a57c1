/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies a whole object inside the cluster: its bytes where it is a plain
 * one, its manifest where it is a static large object, so that no byte of
 * that moves. HEAD afterwards tells the new ETag.
 */
#include "bridge/store_swift.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"

struct copying {
	struct store_meta meta; /* with the source's content type */
	char *content_type;
	bool manifest;
	char set[SWIFT_SET_LEN + 1]; /* "" where it is none of ours */
};

static void
copying_free(void *state)
{
	struct copying *m = state;

	free(m->content_type);
	free(m);
}

static void
copy_seen(struct swift_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };

	if (err) {
		j->ambiguous = true; /* it was written a moment ago */
		swift_fail_reply(j, err == ERR_NOT_FOUND ? ERR_AGAIN : err);
		return;
	}
	swift_read_object(j, &res.object);
	swift_done(j, &res);
}

static void
copied(struct swift_job *j, enum err err)
{
	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	swift_request_key(j, "HEAD", j->call->to);
	swift_send(j, copy_seen);
}

static void
copy(struct swift_job *j, enum err err)
{
	const struct copying *m = j->state;

	if (err) {
		j->ambiguous = false;
		swift_fail_reply(j, err);
		return;
	}
	swift_request_key(j, "PUT", j->call->to);
	swift_object_headers(j, &m->meta);
	swift_copy_from(j, j->call->copy.from);
	if (m->manifest)
		swift_query(j, "multipart-manifest", "get");
	if (m->set[0])
		swift_header(j, "X-Object-Meta-Sluice-Segments: %s", m->set);
	swift_send(j, copied);
}

static void
old_noted(struct swift_job *j, enum err err)
{
	const struct copying *m = j->state;

	if (!err && m->set[0])
		swift_claim(j, m->set, j->call->to, copy);
	else
		copy(j, err);
}

static void
source_seen(struct swift_job *j, enum err err)
{
	struct copying *m = j->state;
	const char *wanted = j->call->copy.from_etag, *set, *slo;
	struct store_object o;

	if (err) {
		j->ambiguous = false;
		swift_fail_reply(j, err);
		return;
	}
	swift_read_object(j, &o);
	if (wanted && strcmp(wanted, o.etag) != 0) {
		swift_fail(j, ERR_CONFLICT, "the object has changed");
		return;
	}
	slo = http_reply_header(j->reply, "x-static-large-object");
	m->manifest = slo && strcasecmp(slo, "true") == 0;
	set = swift_read_set(j);
	if (set)
		str_copy(m->set, sizeof(m->set), set);
	m->content_type =
		mem_strdup(http_reply_header(j->reply, "content-type"));
	m->meta = j->call->meta;
	m->meta.content_type = m->content_type;
	swift_note_old(j, j->call->to, set ? m->set : NULL, old_noted);
}

void
swift_copy(struct store *s, struct store_call *c)
{
	struct swift_job *j = swift_job_new(s->driver, c);

	j->state = mem_alloc(sizeof(struct copying));
	j->free_state = copying_free;
	swift_request_key(j, "HEAD", c->copy.from);
	swift_send(j, source_seen);
}
