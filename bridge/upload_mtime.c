/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SETSTAT of a modification time by path. Clients send it right behind CLOSE
 * without waiting for the reply, so a key that is being published is waited
 * for; the object is then the caller's to deal with.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"

struct toucher {
	struct upload_done *done;
	struct uploads *us;
	struct uname name;
	char user[JOURNAL_USER_MAX + 1];
	int64_t mtime;
	struct keylock *lock;
	struct journal_upload row;
};

static void
toucher_end(struct toucher *t, enum err err, const char *why)
{
	keylock_drop(t->lock);
	uploads_kick(t->us);
	call_finish(&t->done->call, err, why);
	free(t);
}

static void
touched(void *arg, const struct journal_reply *r)
{
	toucher_end(arg, r->err, NULL);
}

static void
row_found(void *arg, const struct journal_reply *r)
{
	struct toucher *t = arg;
	struct journal_tx tx = { .update = &t->row, .set = JSET_MTIME };

	if (r->err || !r->upload || strcmp(r->upload->user, t->user) ||
	    strcmp(r->upload->path, t->name.path) ||
	    r->upload->flags & UPLOAD_APPENDING) {
		toucher_end(t, r->err ? ERR_AGAIN : ERR_NOT_FOUND, NULL);
		return;
	}
	if (!t->mtime) {
		toucher_end(t, ERR_OK, NULL);
		return;
	}
	t->row = *r->upload;
	t->row.mtime = t->mtime;
	journal_commit(t->us->b->journal, &tx, touched, t);
}

static void
locked(void *arg, enum err err, const char *why, struct keylock *lock)
{
	struct toucher *t = arg;

	t->lock = lock;
	if (err)
		toucher_end(t, err, why);
	else
		journal_find(t->us->b->journal, store_name(t->name.store),
			     t->name.key, row_found, t);
}

struct upload_call *
upload_set_mtime(struct uploads *us, struct upload_who who,
		 const struct upload_name *name, int64_t mtime,
		 upload_done_fn *fn, void *arg)
{
	struct toucher *t = mem_alloc(sizeof(*t));
	struct keyer_want want = { name->store, name->key, who.user->name,
				   false };
	struct upload_done *done = done_new(us, fn, arg);
	struct upload *u;

	t->done = done;
	t->us = us;
	t->mtime = mtime;
	uname_copy(&t->name, name);
	str_copy(t->user, sizeof(t->user), who.user->name);
	u = upload_by_key(us, keylock_hash(store_name(name->store), name->key));
	if (u && u->file && !strcmp(u->row.user, t->user) &&
	    !strcmp(u->row.path, name->path)) {
		if (mtime)
			upload_file_mtime(u->file, mtime);
		toucher_end(t, ERR_OK, NULL);
	} else {
		keyer_start(us, &want, locked, t);
	}
	return &done->call;
}
