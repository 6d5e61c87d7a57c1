/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open file's side of an upload: what its front end is told, and the end of
 * its use. Front ends are only ever called from the loop.
 */
#include <stdlib.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"

#define TAKEN_OVER "another session took this upload over"

bool
upload_file_acks(const struct upload_file *f)
{
	const struct upload *u = f->u;

	return u && !u->failed && !u->acks_wait && !u->hold && !u->preparing;
}

bool
upload_file_paused(const struct upload_file *f)
{
	return f->u && f->u->paused;
}

static void
notify_state(struct upload_file *f)
{
	struct upload *u = f->u;
	bool paused = u && u->paused;

	if (paused != f->paused) {
		f->paused = paused;
		f->pause(f->arg, paused);
		if (f->gone)
			return;
	}
	if ((!u || u->failed) && !f->failed_told) {
		f->failed_told = true;
		f->ready(f->arg, u ? u->failed : ERR_IN_USE,
			 u ? u->why : TAKEN_OVER);
	} else if (u && !f->acks_ok && upload_file_acks(f)) {
		f->acks_ok = true;
		f->ready(f->arg, ERR_OK, err_text(ERR_OK));
	}
}

static void
notify_run(void *arg)
{
	struct upload_file *f = arg;

	f->notifying = false;
	if (!f->gone) {
		f->in_call = true;
		notify_state(f);
		f->in_call = false;
	}
	if (f->gone && !f->notifying)
		free(f);
}

static bool
worth_telling(const struct upload_file *f)
{
	const struct upload *u = f->u;

	if (!u || u->failed)
		return !f->failed_told;
	return (u->paused != 0) != f->paused ||
	       (!f->acks_ok && upload_file_acks(f));
}

void
file_notify(struct upload_file *f)
{
	if (f->notifying || f->gone || !worth_telling(f))
		return;
	f->notifying = true;
	f->notify.fn = notify_run;
	f->notify.arg = f;
	loop_post(f->us->b->loop, &f->notify);
}

void
file_detach(struct upload *u)
{
	struct upload_file *f = u->file;

	if (!f)
		return;
	u->file = NULL;
	f->u = NULL;
	file_notify(f);
}

void
upload_transfer_end(struct upload *u, enum transfer_outcome outcome)
{
	struct transfer_end end = { .session = u->session,
				    .user = u->row.user,
				    .protocol = u->row.protocol,
				    .addr = u->addr,
				    .path = u->row.path,
				    .upload = true,
				    .bytes = u->received,
				    .ms = clock_ms() - u->started_ms,
				    .outcome = outcome };

	if (!u->transferring)
		return;
	u->transferring = false;
	transfer_log(u->all->b, &end);
}

/* The front end no longer holds f. */
static void
file_let_go(struct upload_file *f)
{
	if (f->u)
		f->u->file = NULL;
	f->u = NULL;
	f->gone = true;
	if (!f->notifying && !f->in_call)
		free(f);
}

struct upload_call *
upload_file_close(struct upload_file *f, bool complete, upload_done_fn *fn,
		  void *arg)
{
	struct upload *u = f->u;
	struct upload_done *d = done_new(f->us, fn, arg);

	file_let_go(f);
	if (!u) {
		call_finish(&d->call, complete ? ERR_IN_USE : ERR_OK,
			    complete ? TAKEN_OVER : NULL);
		return &d->call;
	}
	u->close_asked = true;
	u->close_complete = complete;
	u->closer = d;
	upload_pump(u);
	return &d->call;
}

void
upload_file_drop(struct upload_file *f)
{
	struct upload *u = f->u;

	file_let_go(f);
	if (!u)
		return;
	u->close_asked = true;
	u->close_complete = false;
	upload_pump(u);
}

static void
fsync_finish(struct upload *u, enum err err)
{
	struct upload_done *d;

	while ((d = u->fsyncs)) {
		u->fsyncs = d->next;
		call_finish(&d->call, err, NULL);
	}
	u->fsync_err = ERR_OK;
}

void
fsync_fail(struct upload *u, enum err err)
{
	fsync_finish(u, err);
}

void
fsync_pump(struct upload *u)
{
	if (u->fsyncs && !u->acks_wait && !u->hold && !u->preparing &&
	    !upload_syncing(u))
		fsync_finish(u, u->fsync_err);
}

struct upload_call *
upload_file_sync(struct upload_file *f, upload_done_fn *fn, void *arg)
{
	struct upload_done *d = done_new(f->us, fn, arg);
	struct upload *u = f->u;

	if (!u || u->failed) {
		call_finish(&d->call, u ? u->failed : ERR_IN_USE, NULL);
		return &d->call;
	}
	d->next = u->fsyncs;
	u->fsyncs = d;
	upload_sync_all(u);
	upload_pump(u);
	return &d->call;
}

void
upload_file_view(const struct upload_file *f, struct upload_view *out)
{
	const struct upload *u = f->u;

	*out = (struct upload_view){ .end = 0 };
	if (!u || !u->in_journal)
		return;
	str_copy(out->id, sizeof(out->id), u->row.id);
	out->declared = u->row.flags & UPLOAD_DECLARED;
	out->total = u->row.declared;
	out->end = u->end;
}

uint64_t
upload_file_size(const struct upload_file *f)
{
	const struct upload *u = f->u;

	if (!u)
		return 0;
	if (u->appending)
		return u->source.size;
	if (u->phase == PHASE_IDLE && u->fresh)
		return u->object.size;
	return u->end;
}

void
upload_file_mtime(struct upload_file *f, int64_t mtime)
{
	struct upload *u = f->u;

	if (!u)
		return;
	u->row.mtime = u->sets_mtime = mtime;
	if (u->in_journal && u->phase == PHASE_TAKING)
		commit_send(commit_new(u, JSET_MTIME), NULL, NULL);
}
