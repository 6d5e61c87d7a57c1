/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RENAME of a sealed upload from its temporary to its final name: the object
 * is completed where it already lies; no byte is copied. Repeating a RENAME
 * that was done before is a success.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

struct sealer {
	struct upload_done *done;
	struct uploads *us;
	struct uname from;
	char to[JOURNAL_PATH_MAX + 1];
	char id[ID_LEN + 1];
	struct user *user;
	char session[16], protocol[8];
	bool replace;
	struct upload *u;
	uint64_t deadline;
};

static void sealer_lock(struct sealer *s);

static void
sealer_free(struct sealer *s)
{
	user_unref(s->user);
	free(s);
}

static void
sealer_end(struct sealer *s, enum err err, const char *why)
{
	if (s->u)
		upload_end(s->u);
	call_finish(&s->done->call, err, why);
	sealer_free(s);
}

/* From here on the upload itself answers, when it is published. */
static void
complete(struct sealer *s)
{
	struct upload *u = s->u;

	u->closer = s->done;
	str_copy(u->row.final_path, sizeof(u->row.final_path), s->to);
	sealer_free(s);
	if (!u->row.end) {
		u->single = true;
		upload_enter(u, PHASE_CLOSING);
		upload_pump(u);
	} else {
		publish_complete(u);
	}
}

static void
object_seen(void *arg, const struct store_result *res)
{
	struct sealer *s = arg;

	s->u->op = NULL;
	s->u->busy--;
	if (res->err && res->err != ERR_NOT_FOUND)
		sealer_end(s, res->err, res->why);
	else if (!res->err && strcmp(res->object.etag, s->u->row.hidden_etag))
		sealer_end(s, ERR_EXISTS, NULL);
	else
		complete(s);
}

static void
recovered(struct upload *u, enum err err, void *arg)
{
	struct sealer *s = arg;

	if (err == ERR_PUBLISHING) {
		s->u = NULL;
		sealer_lock(s);
	} else if (err) {
		sealer_end(s, err, NULL);
	} else if (u->end != u->row.end) {
		sealer_end(s, ERR_INCOMPLETE,
			   "a stored part was lost; resume the upload");
	} else if (s->replace) {
		complete(s);
	} else {
		u->busy++;
		u->op = store_head(u->store, u->row.key, object_seen, s);
	}
}

/* It was published before, perhaps by this very request. */
static void
ended_headed(void *arg, const struct store_result *res)
{
	struct sealer *s = arg;

	if (res->err == ERR_OK && !strcmp(res->object.sluice_id, s->id))
		sealer_end(s, ERR_OK, NULL);
	else
		sealer_end(s, ERR_NOT_FOUND, NULL);
}

static void
ended_found(void *arg, const struct journal_reply *r)
{
	struct sealer *s = arg;
	const struct journal_upload *row = r->upload;

	if (r->err || !row || row->state != UPLOAD_PUBLISHED ||
	    strcmp(row->user, s->user->name) ||
	    strcmp(row->path, s->from.path) || strcmp(row->final_path, s->to)) {
		sealer_end(s, r->err ? ERR_AGAIN : ERR_NOT_FOUND, NULL);
		return;
	}
	str_copy(s->id, sizeof(s->id), row->id);
	store_head(s->from.store, s->from.key, ended_headed, s);
}

static void
expect_name(struct sealer *s, const struct journal_upload *row)
{
	char why[STORE_WHY_MAX] = "rename it to its final name, ";

	str_printf(why, sizeof(why), "%s", row->final_path);
	sealer_end(s, ERR_INVALID, why);
}

static void
row_found(void *arg, const struct journal_reply *r)
{
	struct sealer *s = arg;
	const struct journal_upload *row = r->upload;
	struct upload_who who = { s->user, s->session, s->protocol, NULL };

	s->u->busy--;
	if (r->err) {
		sealer_end(s, ERR_AGAIN, "the journal cannot be read now");
	} else if (!row) {
		journal_find_ended(s->us->b->journal, store_name(s->from.store),
				   s->from.key, ended_found, s);
	} else if (strcmp(row->user, s->user->name) ||
		   strcmp(row->path, s->from.path)) {
		sealer_end(s, ERR_NOT_FOUND, NULL);
	} else if (row->state == UPLOAD_COMPLETING ||
		   row->state == UPLOAD_CLOSING) {
		upload_load(s->u, row, r->parts, r->nparts);
		upload_recover(s->u, recovered, s);
	} else if (row->state != UPLOAD_SEALED) {
		sealer_end(s, ERR_INCOMPLETE,
			   "the upload is not complete; resume it first");
	} else if (strcmp(row->final_path, s->to)) {
		expect_name(s, row);
	} else {
		upload_load(s->u, row, r->parts, r->nparts);
		upload_set_user(s->u, &who);
		upload_recover(s->u, recovered, s);
	}
}

static void
locked(void *arg, enum err err, const char *why, struct keylock *lock)
{
	struct sealer *s = arg;

	if (err) {
		sealer_end(s, err, why);
		return;
	}
	s->u = upload_new(s->us, s->from.store, s->from.key, lock);
	s->u->busy++;
	journal_find(s->us->b->journal, store_name(s->from.store), s->from.key,
		     row_found, s);
}

static void
sealer_lock(struct sealer *s)
{
	struct keyer_want want = { s->from.store, s->from.key, s->user->name,
				   true };

	if (clock_ms() >= s->deadline)
		sealer_end(s, ERR_PUBLISHING,
			   "the file is still being published");
	else
		keyer_start(s->us, &want, locked, s);
}

struct upload_call *
seal_rename(struct uploads *us, struct upload_who who, struct upload_move move,
	    struct upload_done *done)
{
	struct sealer *s = mem_alloc(sizeof(*s));

	s->done = done;
	s->us = us;
	uname_copy(&s->from, move.from);
	str_copy(s->to, sizeof(s->to), move.to->path);
	s->user = user_ref(who.user);
	str_copy(s->session, sizeof(s->session), who.session);
	str_copy(s->protocol, sizeof(s->protocol), who.protocol);
	s->replace = move.replace;
	s->deadline = clock_ms() + us->b->config->publishing_wait_ms;
	sealer_lock(s);
	return &done->call;
}
