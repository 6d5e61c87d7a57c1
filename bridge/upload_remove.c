/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REMOVE. Under its own path an upload is aborted. A published object is
 * deleted, but never while an upload to its key is live: then it is hidden,
 * and deleted when that upload ends without replacing it. A temporary name
 * never touches the object of its final name.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

#define REMOVE_POLL_MS 100
#define REMOVE_RECORD_MS 60000 /* for a journal that cannot be written */

struct remover {
	struct upload_done *done;
	struct uploads *us;
	struct uname name;
	struct user *user;
	char session[16];
	/* Of this upload and nothing else; no user: an operator, the sweeper. */
	char id[ID_LEN + 1];
	int64_t parked_before; /* the sweeper: only while it is parked */
	struct keylock *lock;
	struct journal_upload row;
	struct store_object object;
	bool doubted; /* a quota waits for the outcome */
	struct loop_timer *timer;
	uint64_t deadline;
	struct journal_event event;
	char *body;
	struct loop_timer *again; /* of its commit; NULL until needed */
	uint64_t record_until;	  /* clock_ms() */
};

static void remover_find(void *arg);

static void
remover_end(struct remover *r, enum err err, const char *why)
{
	keylock_drop(r->lock);
	uploads_kick(r->us);
	call_finish(&r->done->call, err, why);
	loop_timer_free(r->timer);
	loop_timer_free(r->again);
	user_unref(r->user);
	free(r->body);
	free(r);
}

static void
remover_wait(struct remover *r)
{
	keylock_drop(r->lock);
	r->lock = NULL;
	if (clock_ms() >= r->deadline)
		remover_end(r, ERR_PUBLISHING,
			    "the file is still being published");
	else
		loop_timer_set(r->timer, REMOVE_POLL_MS);
}

/* The object itself: the key is locked, and no upload is live. */

static void deleted_record(void *arg);

/* The object is gone: while the journal fails, its event and sums wait. */
static bool
record_again(struct remover *r, enum err err)
{
	if ((err != ERR_AGAIN && err != ERR_IO && err != ERR_NO_SPACE) ||
	    r->us->draining || clock_ms() >= r->record_until)
		return false;
	if (!r->again)
		r->again = loop_timer_new(r->us->b->loop, deleted_record, r);
	loop_timer_set(r->again, clock_backoff(0, 200, 200));
	return true;
}

static void
deleted_recorded(void *arg, const struct journal_reply *reply)
{
	struct remover *r = arg;

	if (reply->err && record_again(r, reply->err))
		return;
	if (reply->err)
		log_error("upload", r->session, "event_not_recorded",
			  KV_S("key", r->name.key), KV_ERR(reply->err));
	remover_end(r, reply->err ? ERR_AGAIN : ERR_OK, NULL);
}

static void
deleted_record(void *arg)
{
	struct remover *r = arg;
	struct journal_tx tx = { 0 };
	struct journal_attr attr = { 0 };
	struct journal_change change;

	quota_change(&change, r->row.store, r->name.key,
		     r->doubted ? JOURNAL_SETTLE : JOURNAL_SURE);
	change.bytes = -(int64_t)r->object.size;
	change.files = -1;
	tx.changes = &change;
	tx.nchanges = 1;
	str_copy(attr.store, sizeof(attr.store), r->row.store);
	str_copy(attr.key, sizeof(attr.key), r->name.key);
	tx.attr_drop = &attr;
	tx.event = &r->event;
	tx.event_upload = r->row.id;
	journal_commit(r->us->b->journal, &tx, deleted_recorded, r);
}

static void
object_deleted(void *arg, const struct store_result *res)
{
	struct remover *r = arg;

	if (res->err) {
		remover_end(r, res->err, res->why);
		return;
	}
	log_info("upload", r->session, "deleted", KV_S("key", r->name.key));
	id_new(r->event.id);
	r->event.kind = "deleted";
	r->body = event_body_row(&r->row, r->event.id, "deleted");
	r->event.body = r->body;
	r->record_until = clock_ms() + REMOVE_RECORD_MS;
	deleted_record(r);
}

static void
doubt_recorded(void *arg, const struct journal_reply *reply)
{
	struct remover *r = arg;

	if (reply->err)
		remover_end(r, ERR_AGAIN, "the journal cannot be written now");
	else
		store_delete(r->name.store, r->name.key, object_deleted, r);
}

/* Were we killed right behind the delete, a quota would never hear of it. */
static void
delete_object(struct remover *r)
{
	struct journal_change change;
	struct journal_tx tx = { .changes = &change, .nchanges = 1 };

	if (!quota_covers(r->us->b->quota, r->row.store, r->name.key)) {
		store_delete(r->name.store, r->name.key, object_deleted, r);
		return;
	}
	r->doubted = true;
	quota_change(&change, r->row.store, r->name.key, JOURNAL_DOUBT);
	journal_commit(r->us->b->journal, &tx, doubt_recorded, r);
}

static void
object_headed(void *arg, const struct store_result *res)
{
	struct remover *r = arg;
	struct journal_upload *row = &r->row;

	if (res->err) {
		remover_end(r, res->err, res->why);
		return;
	}
	/* A row that is never stored: the event's data. */
	memset(row, 0, sizeof(*row));
	id_new(row->id);
	str_copy(row->store, sizeof(row->store), store_name(r->name.store));
	str_copy(row->key, sizeof(row->key), r->name.key);
	str_copy(row->final_path, sizeof(row->final_path), r->name.path);
	if (r->user)
		str_copy(row->user, sizeof(row->user), r->user->name);
	str_copy(row->owner, sizeof(row->owner), r->us->b->config->node);
	r->object = res->object;
	delete_object(r);
}

/* An upload of another path has the key: the object is hidden. */

static void
hidden_recorded(void *arg, const struct journal_reply *reply)
{
	struct remover *r = arg;
	struct upload *u;

	if (reply->err == ERR_CONFLICT) {
		remover_wait(r);
		return;
	}
	u = upload_by_id(r->us, r->row.id);
	if (!reply->err && u)
		str_copy(u->row.hidden_etag, sizeof(u->row.hidden_etag),
			 r->row.hidden_etag);
	remover_end(r, reply->err, NULL);
}

static void
hide(struct remover *r, const struct store_result *res)
{
	struct journal_tx tx = { .update = &r->row, .set = JSET_HIDDEN };

	if (res->err) {
		remover_end(r, res->err, res->why);
		return;
	}
	if (!strcmp(res->object.etag, r->row.hidden_etag)) {
		remover_end(r, ERR_NOT_FOUND, NULL);
		return;
	}
	str_copy(r->row.hidden_etag, sizeof(r->row.hidden_etag),
		 res->object.etag);
	journal_commit(r->us->b->journal, &tx, hidden_recorded, r);
}

static void
hide_headed(void *arg, const struct store_result *res)
{
	hide(arg, res);
}

/* The upload itself. */

static void
object_gone(void *arg, enum err err, const char *why)
{
	remover_end(arg, err, why);
}

/*
 * No live row hides the object any more, so it goes before the reply; only
 * where that is broken off is it left to the sweeper.
 */
static void
abort_recorded(void *arg, const struct journal_reply *reply)
{
	struct remover *r = arg;
	struct keylock *lock = r->lock;

	if (reply->err == ERR_CONFLICT) {
		remover_wait(r);
		return;
	}
	if (reply->err) {
		remover_end(r, reply->err, NULL);
		return;
	}
	abort_start(r->us, r->row.id);
	r->row.epoch++;
	r->lock = NULL;
	if (*r->row.hidden_etag) {
		hidden_delete(r->us, &r->row, lock, object_gone, r);
	} else {
		keylock_drop(lock);
		remover_end(r, ERR_OK, NULL);
	}
}

static void
abort_row(struct remover *r)
{
	struct journal_tx tx = { .update = &r->row,
				 .set = JSET_STATE | JSET_EPOCH | JSET_HIDDEN };

	tx.new_epoch = r->row.epoch + 1;
	r->row.state = UPLOAD_ABORTING;
	journal_commit(r->us->b->journal, &tx, abort_recorded, r);
}

/*
 * The object is there: its worker was killed before it could say so. It is
 * published, with its event, before anything else happens to it.
 */
static void
publish_first(struct remover *r)
{
	struct keylock *lock = r->lock;

	r->lock = NULL;
	recovery_drive(r->us, &r->row, lock);
	remover_wait(r);
}

/* One PUT may have made the object although the row says that bytes come. */
static bool
may_be_there(const struct journal_upload *row)
{
	return row->state == UPLOAD_OPEN && !*row->backend_id &&
	       !(row->flags & UPLOAD_TEMP);
}

static void
abort_headed(void *arg, const struct store_result *res)
{
	struct remover *r = arg;

	if (res->err && res->err != ERR_NOT_FOUND) {
		remover_end(r, res->err, res->why);
		return;
	}
	if (!res->err && !strcmp(res->object.sluice_id, r->row.id)) {
		publish_first(r);
		return;
	}
	if (!res->err && !*r->id)
		str_copy(r->row.hidden_etag, sizeof(r->row.hidden_etag),
			 res->object.etag);
	abort_row(r);
}

/* The row that was meant is not there any more, or is used again. */
static bool
too_late(const struct remover *r, const struct journal_upload *row)
{
	if (!*r->id)
		return false;
	return !row || strcmp(row->id, r->id) ||
	       (r->parked_before && (row->state != UPLOAD_PARKED ||
				     row->parked_at >= r->parked_before));
}

static bool
is_mine(const struct remover *r, const struct journal_upload *row)
{
	return (*r->id && !r->user) ||
	       (r->user && !strcmp(row->user, r->user->name) &&
		!strcmp(row->path, r->name.path));
}

/* Locked: look again, since anything may have happened before. */
static void
locked_found(void *arg, const struct journal_reply *reply)
{
	struct remover *r = arg;
	const struct journal_upload *row = reply->upload;

	if (reply->err) {
		remover_end(r, ERR_AGAIN, "the journal cannot be read now");
	} else if (too_late(r, row)) {
		remover_end(r, ERR_CONFLICT, "it has ended or goes on already");
	} else if (!row) {
		if (r->name.temp)
			remover_end(r, ERR_NOT_FOUND, NULL);
		else
			store_head(r->name.store, r->name.key, object_headed,
				   r);
	} else if (!is_mine(r, row) || row->state == UPLOAD_CLOSING ||
		   row->state == UPLOAD_COMPLETING) {
		remover_wait(r);
	} else {
		r->row = *row;
		if (r->name.temp || (*r->id && !may_be_there(row)))
			abort_row(r);
		else
			store_head(r->name.store, r->name.key, abort_headed, r);
	}
}

static void
locked(void *arg, enum err err, const char *why, struct keylock *lock)
{
	struct remover *r = arg;

	if (err) {
		remover_end(r, err, why);
		return;
	}
	r->lock = lock;
	journal_find(r->us->b->journal, store_name(r->name.store), r->name.key,
		     locked_found, r);
}

static void
lock_key(struct remover *r, const char *user, bool takeover)
{
	struct keyer_want want = { r->name.store, r->name.key, user, takeover };

	keyer_start(r->us, &want, locked, r);
}

static void
found(void *arg, const struct journal_reply *reply)
{
	struct remover *r = arg;
	const struct journal_upload *row = reply->upload;

	if (reply->err) {
		remover_end(r, ERR_AGAIN, "the journal cannot be read now");
		return;
	}
	if (too_late(r, row)) {
		remover_end(r, ERR_CONFLICT, "it has ended or goes on already");
		return;
	}
	if (!row) {
		lock_key(r, r->user->name, false);
		return;
	}
	r->row = *row;
	if (is_mine(r, row))
		lock_key(r, row->user, !r->parked_before);
	else if (r->name.temp)
		remover_end(r, ERR_NOT_FOUND, NULL);
	else if (row->state == UPLOAD_CLOSING ||
		 row->state == UPLOAD_COMPLETING)
		remover_wait(r);
	else
		store_head(r->name.store, r->name.key, hide_headed, r);
}

static void
remover_find(void *arg)
{
	struct remover *r = arg;

	journal_find(r->us->b->journal, store_name(r->name.store), r->name.key,
		     found, r);
}

static struct remover *
remover_new(struct uploads *us, upload_done_fn *fn, void *arg)
{
	struct remover *r = mem_alloc(sizeof(*r));

	r->us = us;
	r->done = done_new(us, fn, arg);
	r->timer = loop_timer_new(us->b->loop, remover_find, r);
	r->deadline = clock_ms() + us->b->config->publishing_wait_ms;
	return r;
}

struct upload_call *
upload_remove(struct uploads *us, struct upload_who who,
	      const struct upload_name *name, upload_done_fn *fn, void *arg)
{
	struct remover *r = remover_new(us, fn, arg);

	uname_copy(&r->name, name);
	r->user = user_ref(who.user);
	str_copy(r->session, sizeof(r->session), who.session);
	remover_find(r);
	return &r->done->call;
}

struct upload_call *
upload_terminate(struct uploads *us, struct upload_who who,
		 const struct upload_name *name, const char *id,
		 upload_done_fn *fn, void *arg)
{
	struct remover *r = remover_new(us, fn, arg);

	uname_copy(&r->name, name);
	r->user = user_ref(who.user);
	str_copy(r->session, sizeof(r->session), who.session);
	str_copy(r->id, sizeof(r->id), id);
	remover_find(r);
	return &r->done->call;
}

void
upload_expire_row(struct uploads *us, const struct journal_upload *row,
		  int64_t parked_before, upload_done_fn *fn, void *arg)
{
	struct remover *r = remover_new(us, fn, arg);
	struct upload_name name = { bridge_store(us->b, row->store), row->key,
				    row->path, row->final_path,
				    row->flags & UPLOAD_TEMP };

	if (!name.store) {
		remover_end(r, ERR_NOT_FOUND, "its store is not configured");
		return;
	}
	uname_copy(&r->name, &name);
	str_copy(r->session, sizeof(r->session),
		 parked_before ? "sweeper" : "ctl");
	str_copy(r->id, sizeof(r->id), row->id);
	r->parked_before = parked_before;
	remover_find(r);
}

void
upload_abort_row(struct uploads *us, const struct journal_upload *row,
		 upload_done_fn *fn, void *arg)
{
	upload_expire_row(us, row, 0, fn, arg);
}
