/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OPEN for writing: get the key's lock, learn what the journal and the store
 * have under that key, and decide whether a new generation begins now, an
 * unfinished upload goes on, or the first write is to decide.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

struct opener {
	struct upload_call call;
	struct upload_open o; /* with strings below, pointers void */
	struct uname name;
	struct user *user;
	char session[16], protocol[8], addr[46];
	upload_open_fn *fn;
	void *arg;
	struct upload *u; /* while it is this opener's */
	struct upload_file *file;
	uint64_t deadline;
};

static void opener_lock(struct opener *op);

static void
opener_deliver(struct upload_call *c)
{
	struct opener *op = (struct opener *)c;

	if (!c->dropped)
		op->fn(op->arg, c->err, c->why, op->file);
	else if (op->file)
		upload_file_drop(op->file);
	user_unref(op->user);
	free(op);
}

static void
opener_fail(struct opener *op, enum err err, const char *why)
{
	if (op->u)
		upload_end(op->u);
	op->u = NULL;
	call_finish(&op->call, err, why);
}

/* The file is the client's from here on. */
static void
opener_ready(struct opener *op, enum upload_phase phase)
{
	struct upload *u = op->u;
	struct upload_file *f = mem_alloc(sizeof(*f));
	struct upload_who who = { op->user, op->session, op->protocol,
				  op->addr };

	upload_set_user(u, &who);
	f->us = op->call.us;
	f->u = u;
	f->pause = op->o.pause;
	f->ready = op->o.ready;
	f->arg = op->o.events_arg;
	f->append = op->o.flags & UPLOAD_F_APPEND;
	f->acks_ok = true;
	u->file = f;
	u->last_ms = clock_ms();
	u->started_ms = u->last_ms;
	upload_enter(u, phase);
	if (phase == PHASE_TAKING) {
		enum err err = upload_begin_generation(u);

		if (err) {
			u->file = NULL;
			free(f);
			opener_fail(op, err, "the spool cannot take a file");
			return;
		}
	}
	op->file = f;
	op->u = NULL;
	call_finish(&op->call, ERR_OK, NULL);
}

/* Fields of a row that does not exist yet. */
static void
fill_row(struct opener *op)
{
	struct journal_upload *row = &op->u->row;

	str_copy(row->path, sizeof(row->path), op->name.path);
	str_copy(row->final_path, sizeof(row->final_path), op->name.final_path);
	row->flags = op->name.temp ? UPLOAD_TEMP : 0;
	if (op->o.declared) {
		row->flags |= UPLOAD_DECLARED;
		row->declared = op->o.size;
	}
	row->mtime = op->o.mtime;
	op->u->fresh = true;
}

/*
 * What is refused for sure need not wait for the first write; J(open) decides
 * again, with what came in between.
 */
static void
room_read(void *arg, const struct journal_reply *r)
{
	struct opener *op = arg;
	struct upload *u = op->u;
	struct journal_usage now = *r->usage;
	char why[STORE_WHY_MAX];
	uint64_t left;

	u->busy--;
	if (r->err) {
		opener_fail(op, ERR_AGAIN, "the journal cannot be read now");
		return;
	}
	now.live_bytes -=
		u->old_held < now.live_bytes ? u->old_held : now.live_bytes;
	now.live_files -= u->old_new_file && now.live_files ? 1 : 0;
	left = quota_left(op->user, &now);
	if (!u->stored_there && !quota_file_left(op->user, &now)) {
		quota_files_why(why, sizeof(why), op->user);
		opener_fail(op, ERR_QUOTA, why);
	} else if (op->o.declared && op->o.size > u->stored &&
		   op->o.size - u->stored > left) {
		quota_bytes_why(why, sizeof(why), op->user, left);
		opener_fail(op, ERR_QUOTA, why);
	} else {
		opener_ready(op, PHASE_TAKING);
	}
}

static void
new_generation(struct opener *op)
{
	struct store *store = op->name.store;
	struct upload *u = op->u;

	fill_row(op);
	if (op->o.declared &&
	    !schedule_part_len(store_limits(store), op->o.size, 0)) {
		opener_fail(op, ERR_TOO_LARGE,
			    "the declared size is beyond what the store takes");
		return;
	}
	if (!u->counts || (!op->user->quota_bytes && !op->user->quota_files)) {
		opener_ready(op, PHASE_TAKING);
		return;
	}
	u->busy++;
	journal_usage(op->call.us->b->journal, op->user->store, op->user->home,
		      room_read, op);
}

/* Whatever the object is, a new file takes its place. */
static bool
begins_anew(const struct opener *op)
{
	unsigned flags = op->o.flags;

	return op->name.temp ||
	       (flags & UPLOAD_F_TRUNC && flags & UPLOAD_F_CREAT &&
		!(flags & UPLOAD_F_EXCL));
}

static void
object_seen(void *arg, const struct store_result *res)
{
	struct opener *op = arg;
	struct upload *u = op->u;
	bool there = res->err == ERR_OK;

	u->op = NULL;
	u->busy--;
	if (res->err && res->err != ERR_NOT_FOUND) {
		opener_fail(op, res->err, res->why);
		return;
	}
	charge_stored(u, res);
	if (begins_anew(op)) {
		new_generation(op);
		return;
	}
	if (there && !strcmp(res->object.etag, u->row.hidden_etag))
		there = false;
	u->object_known = true;
	u->object_there = there;
	u->object = res->object;
	if (there && op->o.flags & UPLOAD_F_EXCL) {
		opener_fail(op, ERR_EXISTS, NULL);
	} else if (!there && !(op->o.flags & UPLOAD_F_CREAT)) {
		opener_fail(op, ERR_NOT_FOUND, NULL);
	} else if (there && !(op->o.flags & UPLOAD_F_TRUNC)) {
		fill_row(op);
		u->row.flags |= UPLOAD_NO_TRUNC;
		opener_ready(op, PHASE_IDLE);
	} else {
		new_generation(op);
	}
}

/* No upload of this name: what does the object itself allow? */
static void
look_at_object(struct opener *op)
{
	struct upload *u = op->u;

	if (op->name.temp && !(op->o.flags & UPLOAD_F_CREAT)) {
		opener_fail(op, ERR_NOT_FOUND, NULL);
		return;
	}
	/* A quota counts what is replaced. */
	if (begins_anew(op) && !u->counts) {
		new_generation(op);
		return;
	}
	u->busy++;
	u->op = store_head(u->store, u->row.key, object_seen, op);
}

static void
recovered(struct upload *u, enum err err, void *arg)
{
	struct opener *op = arg;
	bool other; /* not what is shown under this name */

	if (err == ERR_PUBLISHING) {
		op->u = NULL;
		opener_lock(op);
		return;
	}
	if (err) {
		opener_fail(op, err,
			    err == ERR_AGAIN
				    ? "the store is out of reach; try later"
				    : "the spool cannot be read");
		return;
	}
	other = strcmp(u->row.path, op->name.path) ||
		u->row.flags & UPLOAD_APPENDING;
	if (op->o.flags & UPLOAD_F_EXCL && !other &&
	    !(op->o.flags & UPLOAD_F_RESTART)) {
		opener_fail(op, ERR_EXISTS, NULL);
		return;
	}
	if (op->o.flags & UPLOAD_F_TRUNC || other) {
		struct keylock *lock = u->lock;
		struct journal_upload old = u->row;
		struct upload *fresh;

		/* The old one ends here; its row is superseded by the new. */
		u->lock = NULL;
		upload_end(u);
		fresh = upload_new(op->call.us, op->name.store, op->name.key,
				   lock);
		str_copy(fresh->old_id, sizeof(fresh->old_id), old.id);
		fresh->old_epoch = old.epoch;
		if (old.charged > old.replaces)
			fresh->old_held = old.charged - old.replaces;
		fresh->old_new_file = old.flags & UPLOAD_COUNTED &&
				      !(old.flags & UPLOAD_REPLACES);
		str_copy(fresh->row.hidden_etag, sizeof(fresh->row.hidden_etag),
			 old.hidden_etag);
		op->u = fresh;
		look_at_object(op);
		return;
	}
	u->declares = op->o.declared;
	u->sets_mtime = op->o.mtime;
	if (op->o.declared) {
		u->row.flags |= UPLOAD_DECLARED;
		u->row.declared = op->o.size;
	}
	if (op->o.mtime)
		u->row.mtime = op->o.mtime;
	opener_ready(op, PHASE_IDLE);
}

static void
row_found(void *arg, const struct journal_reply *r)
{
	struct opener *op = arg;
	struct upload *u = op->u;

	u->busy--;
	if (r->err) {
		opener_fail(op, ERR_AGAIN, "the journal cannot be read now");
		return;
	}
	if (!r->upload) {
		look_at_object(op);
		return;
	}
	if (strcmp(r->upload->user, op->user->name)) {
		opener_fail(op, ERR_IN_USE,
			    "another user is uploading to this name");
		return;
	}
	upload_load(u, r->upload, r->parts, r->nparts);
	upload_recover(u, recovered, op);
}

static void
locked(void *arg, enum err err, const char *why, struct keylock *lock)
{
	struct opener *op = arg;
	struct uploads *us = op->call.us;

	if (err) {
		opener_fail(op, err, why);
		return;
	}
	op->u = upload_new(us, op->name.store, op->name.key, lock);
	op->u->busy++;
	journal_find(us->b->journal, store_name(op->name.store), op->name.key,
		     row_found, op);
}

static void
opener_lock(struct opener *op)
{
	struct keyer_want want = { op->name.store, op->name.key, op->user->name,
				   true };

	if (clock_ms() >= op->deadline) {
		opener_fail(op, ERR_PUBLISHING,
			    "the file is still being published");
		return;
	}
	keyer_start(op->call.us, &want, locked, op);
}

struct upload_call *
upload_open(struct uploads *us, const struct upload_open *o, upload_open_fn *fn,
	    void *arg)
{
	struct opener *op = mem_alloc(sizeof(*op));

	call_init(&op->call, us, opener_deliver);
	op->o = *o;
	uname_copy(&op->name, &o->name);
	op->user = user_ref(o->who.user);
	str_copy(op->session, sizeof(op->session), o->who.session);
	str_copy(op->protocol, sizeof(op->protocol), o->who.protocol);
	if (o->who.addr)
		str_copy(op->addr, sizeof(op->addr), o->who.addr);
	op->fn = fn;
	op->arg = arg;
	op->deadline = clock_ms() + us->b->config->publishing_wait_ms;
	if (us->draining)
		call_finish(&op->call, ERR_AGAIN, "the service is stopping");
	else if (op->user->publish == PUBLISH_RENAME && !o->name.temp)
		call_finish(&op->call, ERR_DENIED,
			    "uploads must use a temporary name");
	else
		opener_lock(op);
	return &op->call;
}
