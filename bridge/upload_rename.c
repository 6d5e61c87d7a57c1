/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RENAME of a published object. Where the store can move, it moves. Elsewhere
 * it is a copy by the store under a row of its own (kind copy, on the target
 * key), then the delete of the source if that did not change, then the end of
 * the row with its event; recovery goes on wherever that was broken off.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

#define MOVE_RECORD_MS 60000 /* how long a failing journal is asked */

struct renamer {
	struct upload_done *done;
	struct uploads *us;
	struct uname from, to;
	struct user *user;
	char session[16], protocol[8];
	bool replace;
	struct keylock *locks[2]; /* by the keys' hashes */
	struct store_object object, target;
	bool replaces;		 /* `target` is there */
	bool doubted;		 /* quotas wait for the outcome */
	char upload[ID_LEN + 1]; /* that the event is of */
	struct journal_event event;
	char *body;
	struct loop_timer *again; /* the journal did not take it */
	uint64_t record_until;	  /* clock_ms() */
};

static void
renamer_end(struct renamer *r, enum err err, const char *why)
{
	keylock_drop(r->locks[0]);
	keylock_drop(r->locks[1]);
	uploads_kick(r->us);
	if (r->done)
		call_finish(&r->done->call, err, why);
	loop_timer_free(r->again);
	user_unref(r->user);
	free(r->body);
	free(r);
}

/* The row that tells of the rename; stored for a copy, else event data. */
static void
fill_row(struct renamer *r, struct journal_upload *row)
{
	row->kind = UPLOAD_KIND_COPY;
	row->state = UPLOAD_COMPLETING;
	row->created_at = clock_wall_ms();
	row->end = r->object.size;
	row->mtime = r->object.mtime;
	str_copy(row->user, sizeof(row->user), r->user->name);
	str_copy(row->protocol, sizeof(row->protocol), r->protocol);
	str_copy(row->owner, sizeof(row->owner), r->us->b->config->node);
	str_copy(row->store, sizeof(row->store), store_name(r->to.store));
	str_copy(row->key, sizeof(row->key), r->to.key);
	str_copy(row->path, sizeof(row->path), r->from.path);
	str_copy(row->final_path, sizeof(row->final_path), r->to.path);
	str_copy(row->source, sizeof(row->source), r->from.key);
	str_copy(row->source_etag, sizeof(row->source_etag), r->object.etag);
	row->flags = UPLOAD_COUNTED | (r->replaces ? UPLOAD_REPLACES : 0);
	row->replaces = r->replaces ? r->target.size : 0;
}

/* Moving. */

static void move_record(void *arg);

/* It has its new name: while the journal fails, event and sums wait. */
static bool
record_again(struct renamer *r, enum err err)
{
	if ((err != ERR_AGAIN && err != ERR_IO && err != ERR_NO_SPACE) ||
	    r->us->draining || clock_ms() >= r->record_until)
		return false;
	if (!r->again)
		r->again = loop_timer_new(r->us->b->loop, move_record, r);
	loop_timer_set(r->again, clock_backoff(0, 200, 200));
	return true;
}

static void
move_recorded(void *arg, const struct journal_reply *reply)
{
	struct renamer *r = arg;

	if (reply->err && record_again(r, reply->err))
		return;
	if (reply->err)
		log_error("upload", r->session, "event_not_recorded",
			  KV_S("key", r->to.key), KV_ERR(reply->err));
	else
		log_info("upload", r->session, "renamed",
			 KV_S("from", r->from.key), KV_S("to", r->to.key));
	renamer_end(r, reply->err ? ERR_AGAIN : ERR_OK, NULL);
}

/* What a move takes from one home it gives to another, or to the same. */
static void
move_changes(const struct renamer *r, struct journal_change changes[2],
	     enum journal_doubt doubt)
{
	quota_change(&changes[0], store_name(r->from.store), r->from.key,
		     doubt);
	quota_change(&changes[1], store_name(r->to.store), r->to.key, doubt);
	if (doubt == JOURNAL_DOUBT)
		return;
	changes[0].bytes = -(int64_t)r->object.size;
	changes[0].files = -1;
	changes[1].bytes = (int64_t)r->object.size;
	changes[1].bytes -= r->replaces ? (int64_t)r->target.size : 0;
	changes[1].files = r->replaces ? 0 : 1;
}

static void
move_record(void *arg)
{
	struct renamer *r = arg;
	struct journal_change changes[2];
	struct journal_tx tx = { .changes = changes,
				 .nchanges = 2,
				 .event = &r->event,
				 .event_upload = r->upload };

	move_changes(r, changes, r->doubted ? JOURNAL_SETTLE : JOURNAL_SURE);
	journal_commit(r->us->b->journal, &tx, move_recorded, r);
}

static void
moved(void *arg, const struct store_result *res)
{
	struct renamer *r = arg;
	struct journal_upload row = { 0 };

	if (res->err) {
		renamer_end(r, res->err, res->why);
		return;
	}
	fill_row(r, &row);
	id_new(row.id);
	str_copy(r->upload, sizeof(r->upload), row.id);
	str_copy(row.etag, sizeof(row.etag), r->object.etag);
	id_new(r->event.id);
	r->body = event_body_row(&row, r->event.id, "renamed");
	r->event.kind = "renamed";
	r->event.body = r->body;
	r->record_until = clock_ms() + MOVE_RECORD_MS;
	move_record(r);
}

static void
move_doubted(void *arg, const struct journal_reply *reply)
{
	struct renamer *r = arg;

	if (reply->err)
		renamer_end(r, ERR_AGAIN, "the journal cannot be written now");
	else
		store_move(r->from.store, r->from.key, r->to.key, moved, r);
}

/* Were we killed right behind the move, a quota would never hear of it. */
static void
move(struct renamer *r)
{
	const struct quota *q = r->us->b->quota;
	struct journal_change changes[2];
	struct journal_tx tx = { .changes = changes, .nchanges = 2 };

	if (!quota_covers(q, store_name(r->from.store), r->from.key) &&
	    !quota_covers(q, store_name(r->to.store), r->to.key)) {
		store_move(r->from.store, r->from.key, r->to.key, moved, r);
		return;
	}
	r->doubted = true;
	move_changes(r, changes, JOURNAL_DOUBT);
	journal_commit(r->us->b->journal, &tx, move_doubted, r);
}

/* Copying: from here on an upload object carries the row. */

static void copy_send(struct upload *u);

static void
copy_ended(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (!err && u->row.state == UPLOAD_PUBLISHED)
		log_info("upload", u->session, "renamed",
			 KV_S("from", u->row.source), KV_S("to", u->row.key));
	close_reply(u, err ? ERR_AGAIN : u->failed, u->failed ? u->why : NULL);
	upload_end(u);
}

static void
copy_changes(struct upload *u, struct commit *c)
{
	struct journal_change *source;

	charge_published(u, c);
	if (!u->source_gone)
		return;
	source = &c->changes[c->tx.nchanges++];
	quota_change(source, u->row.store, u->row.source, JOURNAL_SURE);
	source->bytes = -(int64_t)u->row.end;
	source->files = -1;
}

static void
copy_finish(struct upload *u, enum upload_state state)
{
	struct commit *c;

	u->row.state = state;
	u->row.ended_at = clock_wall_ms();
	u->row.flags &= ~(unsigned)UPLOAD_SOURCE_PENDING;
	c = commit_new(u, JSET_STATE | JSET_ENDED | JSET_ETAG | JSET_FLAGS);
	if (state == UPLOAD_PUBLISHED) {
		id_new(c->event.id);
		c->body = event_body_row(&u->row, c->event.id, "renamed");
		c->event.kind = "renamed";
		c->event.body = c->body;
		c->tx.event = &c->event;
		str_copy(c->attr.store, sizeof(c->attr.store), u->row.store);
		str_copy(c->attr.key, sizeof(c->attr.key), u->row.source);
		c->tx.attr_drop = &c->attr;
		copy_changes(u, c);
	}
	commit_send(c, copy_ended, NULL);
}

static unsigned
later(struct upload *u)
{
	return clock_backoff(++u->tries, 500, 30000) + 100;
}

static void source_drop(struct upload *u);

static void
source_deleted(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	if (res->err) {
		upload_retry_in(u, later(u), source_drop);
		return;
	}
	u->source_gone = true;
	copy_finish(u, UPLOAD_PUBLISHED);
}

static void
source_headed(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	u->source_gone = res->err == ERR_NOT_FOUND;
	if (res->err == ERR_NOT_FOUND ||
	    (!res->err && strcmp(res->object.etag, u->row.source_etag)))
		copy_finish(u, UPLOAD_PUBLISHED); /* gone, or another's now */
	else if (res->err)
		upload_retry_in(u, later(u), source_drop);
	else
		u->op = store_delete(u->store, u->row.source, source_deleted,
				     u);
}

/*
 * Nobody publishes to the source between the look at it and its delete. A row
 * that an earlier process left has the target's lock only.
 */
static void
source_drop(struct upload *u)
{
	struct keylock_table *locks = u->all->b->locks;

	if (!u->source_lock &&
	    keylock_take(locks, u->row.store, u->row.source, &u->source_lock)) {
		upload_retry_in(u, later(u), source_drop);
		return;
	}
	u->op = store_head(u->store, u->row.source, source_headed, u);
}

static void
pending_recorded(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (err)
		copy_ended(u, err, NULL);
	else
		source_drop(u);
}

static void
copy_seen(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	u->busy++;
	if (!res->err && !strcmp(res->object.sluice_id, u->row.id)) {
		str_copy(u->row.etag, sizeof(u->row.etag), res->object.etag);
		u->row.flags |= UPLOAD_SOURCE_PENDING;
		u->tries = 0;
		commit_send(commit_new(u, JSET_FLAGS | JSET_ETAG),
			    pending_recorded, NULL);
	} else if (res->err && res->err != ERR_NOT_FOUND) {
		upload_retry_in(u, later(u), copy_drive);
	} else {
		copy_send(u);
	}
	u->busy--;
	upload_reap(u);
}

static void
copied(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	if (!res->err || res->ambiguous || res->err == ERR_AGAIN) {
		if (res->err)
			upload_retry_in(u, later(u), copy_drive);
		else
			copy_drive(u);
		return;
	}
	log_warn("upload", u->session, "copy_failed", KV_S("id", u->row.id),
		 KV_S("from", u->row.source), KV_S("to", u->row.key),
		 KV_ERR(res->err), KV_S("why", res->why));
	u->failed = res->err;
	str_copy(u->why, sizeof(u->why), res->why);
	copy_finish(u, UPLOAD_ABORTED);
}

static void
copy_send(struct upload *u)
{
	struct store_copy c = { u->row.source, u->row.source_etag, 0,
				u->row.end };
	struct store_meta meta = { .sluice_id = u->row.id,
				   .mtime = u->row.mtime };

	u->op = store_copy(u->store, &c, u->row.key, &meta, copied, u);
}

void
copy_drive(struct upload *u)
{
	if (u->phase == PHASE_OPENING)
		upload_enter(u, PHASE_COMPLETING);
	if (u->row.flags & UPLOAD_SOURCE_PENDING)
		source_drop(u);
	else
		u->op = store_head(u->store, u->row.key, copy_seen, u);
}

static void
copy_recorded(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (err)
		copy_ended(u, err, NULL);
	else
		copy_send(u);
}

static void
copy_begin(struct renamer *r)
{
	bool to_first = keylock_hash(store_name(r->to.store), r->to.key) <
			keylock_hash(store_name(r->from.store), r->from.key);
	struct upload_who who = { r->user, r->session, r->protocol, NULL };
	struct upload *u;
	struct commit *c;

	u = upload_new(r->us, r->to.store, r->to.key,
		       r->locks[to_first ? 0 : 1]);
	u->source_lock = r->locks[to_first ? 1 : 0];
	r->locks[0] = r->locks[1] = NULL;
	upload_set_user(u, &who);
	fill_row(r, &u->row);
	u->in_journal = true;
	u->closer = r->done;
	r->done = NULL;
	upload_enter(u, PHASE_COMPLETING);
	c = commit_new(u, 0);
	c->tx.insert = &c->row;
	commit_send(c, copy_recorded, NULL);
	renamer_end(r, ERR_OK, NULL);
}

/* Both keys are locked. */

static void
go(struct renamer *r)
{
	if (store_can_move(r->from.store) && r->from.store == r->to.store)
		move(r);
	else if (r->from.store == r->to.store)
		copy_begin(r);
	else
		renamer_end(r, ERR_UNSUPPORTED, NULL);
}

static void
target_headed(void *arg, const struct store_result *res)
{
	struct renamer *r = arg;

	r->replaces = !res->err;
	r->target = res->object;
	if (res->err == ERR_NOT_FOUND || (!res->err && r->replace))
		go(r);
	else
		renamer_end(r, res->err ? res->err : ERR_EXISTS,
			    res->err ? res->why : NULL);
}

static void
source_known(void *arg, const struct store_result *res)
{
	struct renamer *r = arg;

	if (res->err) {
		renamer_end(r, res->err, res->why);
		return;
	}
	r->object = res->object;
	if (!strcmp(r->from.key, r->to.key))
		renamer_end(r, ERR_OK, NULL);
	else
		store_head(r->to.store, r->to.key, target_headed, r);
}

static void
target_found(void *arg, const struct journal_reply *reply)
{
	struct renamer *r = arg;

	if (reply->err || reply->upload)
		renamer_end(r, reply->err ? ERR_AGAIN : ERR_IN_USE,
			    "an upload to that name is in progress");
	else
		store_head(r->from.store, r->from.key, source_known, r);
}

static void
source_found(void *arg, const struct journal_reply *reply)
{
	struct renamer *r = arg;

	if (reply->err || reply->upload)
		renamer_end(r, reply->err ? ERR_AGAIN : ERR_IN_USE,
			    "an upload to this name is in progress");
	else
		journal_find(r->us->b->journal, store_name(r->to.store),
			     r->to.key, target_found, r);
}

static void
second_locked(void *arg, enum err err, const char *why, struct keylock *lock)
{
	struct renamer *r = arg;

	r->locks[1] = lock;
	if (err)
		renamer_end(r, err, why);
	else
		journal_find(r->us->b->journal, store_name(r->from.store),
			     r->from.key, source_found, r);
}

static void
lock_one(struct renamer *r, bool first, keyer_fn *fn)
{
	bool from_first =
		keylock_hash(store_name(r->from.store), r->from.key) <=
		keylock_hash(store_name(r->to.store), r->to.key);
	struct uname *n = from_first == first ? &r->from : &r->to;
	struct keyer_want want = { n->store, n->key, r->user->name, false };

	keyer_start(r->us, &want, fn, r);
}

static void
first_locked(void *arg, enum err err, const char *why, struct keylock *lock)
{
	struct renamer *r = arg;

	r->locks[0] = lock;
	if (err)
		renamer_end(r, err, why);
	else if (!strcmp(r->from.key, r->to.key))
		second_locked(r, ERR_OK, NULL, NULL);
	else
		lock_one(r, false, second_locked);
}

struct upload_call *
upload_rename(struct uploads *us, struct upload_who who,
	      struct upload_move move, upload_done_fn *fn, void *arg)
{
	struct upload_done *done = done_new(us, fn, arg);
	struct renamer *r;

	if (move.to->temp) {
		call_finish(&done->call, ERR_INVALID,
			    "that name is kept for uploads in progress");
		return &done->call;
	}
	if (move.from->temp)
		return seal_rename(us, who, move, done);
	r = mem_alloc(sizeof(*r));
	r->done = done;
	r->us = us;
	uname_copy(&r->from, move.from);
	uname_copy(&r->to, move.to);
	r->user = user_ref(who.user);
	str_copy(r->session, sizeof(r->session), who.session);
	str_copy(r->protocol, sizeof(r->protocol), who.protocol);
	r->replace = move.replace;
	lock_one(r, true, first_locked);
	return &done->call;
}
