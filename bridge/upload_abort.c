/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Abort jobs: a row in `aborting` is carried to `aborted`, and orphans of one
 * that has ended otherwise are looked for once more. The store's
 * multipart upload is aborted until the store no longer knows it, orphans of
 * a Create with an unknown outcome are swept, the row ends with its event, the
 * segments go, and a REMOVE that waited for the end is carried out. A job
 * needs no lock on the key, since it names the multipart upload by id; a lock
 * on the row's own id keeps two processes from doing it twice.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

#define ABORT_TRIES 5 /* while the store still lists it */

struct abort_job {
	struct abort_job *next;
	struct uploads *us;
	char id[ID_LEN + 1];
	struct journal_upload row;
	struct store *store;
	struct keylock *lock;	  /* on the row's id */
	struct keylock *key_lock; /* while an orphan is aborted, if need be */
	struct store_op *op;
	char *orphan; /* may be one; being aborted */
	char live_backend[STORE_BACKEND_ID_MAX + 1];
	unsigned tries, rounds;
	uint64_t not_before;
	void (*again)(struct abort_job *j);
	struct journal_event event;
	char *body;
};

static void
job_end(struct abort_job *j)
{
	struct abort_job **at = &j->us->aborts;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	keylock_drop(j->lock);
	keylock_drop(j->key_lock);
	uploads_kick(j->us);
	free(j->body);
	free(j->orphan);
	free(j);
}

bool
abort_running(struct uploads *us, const char *id)
{
	struct abort_job *j = us->aborts;

	while (j && strcmp(j->id, id))
		j = j->next;
	return j != NULL;
}

unsigned
aborts_running(const struct uploads *us)
{
	const struct abort_job *j;
	unsigned n = 0;

	for (j = us->aborts; j; j = j->next)
		n++;
	return n;
}

static void
job_retry(struct abort_job *j, void (*again)(struct abort_job *j))
{
	if (j->us->draining) {
		job_end(j); /* another process carries on */
		return;
	}
	j->again = again;
	j->not_before =
		clock_ms() + clock_backoff(++j->tries, 500, 30000) + 100;
}

void
aborts_tick(struct uploads *us)
{
	struct abort_job *j, *next;

	for (j = us->aborts; j; j = next) {
		void (*again)(struct abort_job *) = j->again;

		next = j->next;
		if (!again || (clock_ms() < j->not_before && !us->draining))
			continue;
		j->again = NULL;
		if (us->draining)
			job_end(j);
		else
			again(j);
	}
}

static void job_recorded(void *arg, const struct journal_reply *r);

static void
job_record(struct abort_job *j)
{
	struct journal_tx tx = { 0 };
	struct journal_upload row = j->row;

	/* Looked for; once more where a Create was cut off a moment ago. */
	row.flags &= ~(unsigned)UPLOAD_CREATE_UNKNOWN;
	if (row.state == UPLOAD_ABORTING && row.creating_at && !*row.backend_id)
		row.flags |= UPLOAD_CREATE_UNKNOWN;
	tx.update = &row;
	tx.set = JSET_FLAGS;
	if (row.state != UPLOAD_ABORTING) {
		journal_commit(j->us->b->journal, &tx, job_recorded, j);
		return;
	}
	row.state = UPLOAD_ABORTED;
	row.ended_at = clock_wall_ms();
	tx.set |= JSET_STATE | JSET_ENDED;
	tx.drop_all_parts = true;
	if (!j->body) {
		id_new(j->event.id);
		j->body = event_body_row(&row, j->event.id, "aborted");
	}
	j->event.kind = "aborted";
	j->event.body = j->body;
	tx.event = &j->event;
	journal_commit(j->us->b->journal, &tx, job_recorded, j);
}

static void
job_recorded(void *arg, const struct journal_reply *r)
{
	struct abort_job *j = arg;

	if (r->err && r->err != ERR_CONFLICT) {
		job_retry(j, job_record);
		return;
	}
	if (j->row.state != UPLOAD_ABORTING) {
		job_end(j);
		return;
	}
	log_info("upload", NULL, "upload_aborted", KV_S("id", j->id),
		 KV_S("user", j->row.user), KV_S("path", j->row.path));
	spool_remove(j->us->b->spool, j->id, NULL, NULL);
	if (*j->row.hidden_etag)
		hidden_delete(j->us, &j->row, NULL, NULL, NULL);
	job_end(j);
}

static void job_sweep(struct abort_job *j);

static void
key_unlock(struct abort_job *j)
{
	keylock_drop(j->key_lock);
	j->key_lock = NULL;
	uploads_kick(j->us);
}

static void
orphan_aborted(void *arg, const struct store_result *res)
{
	struct abort_job *j = arg;

	j->op = NULL;
	key_unlock(j);
	if (res->err && res->err != ERR_NOT_FOUND)
		job_retry(j, job_sweep);
	else
		job_sweep(j);
}

/* Ours: at this very key, begun in the row's window, no other row's. */
static bool
is_orphan(const struct abort_job *j, const struct store_upload *su)
{
	return strcmp(su->backend_id, j->row.backend_id) &&
	       strcmp(su->backend_id, j->live_backend) &&
	       su->initiated >= j->row.creating_at - UPLOAD_CLOCK_SLACK_MS &&
	       (!j->row.ended_at ||
		su->initiated <= j->row.ended_at + UPLOAD_CLOCK_SLACK_MS);
}

static void
orphan_abort(struct abort_job *j)
{
	struct store_target t = { j->row.key, j->orphan };

	log_warn("upload", NULL, "orphan_aborted", KV_S("id", j->id),
		 KV_S("key", j->row.key), KV_S("backend_id", j->orphan));
	j->op = store_abort(j->store, t, orphan_aborted, j);
}

static void find_live(struct abort_job *j);

/*
 * Asked after the listing: what a live upload of this key has begun by then is
 * in its row, or the row says that a Create was sent. With the key locked that
 * one is over, and what it left is an orphan like any other.
 */
static void
live_found(void *arg, const struct journal_reply *r)
{
	struct abort_job *j = arg;
	const struct journal_upload *row = r->upload;
	bool creating = row && !*row->backend_id && row->creating_at;

	if (r->err) {
		key_unlock(j);
		job_retry(j, job_sweep);
	} else if (row && !strcmp(row->backend_id, j->orphan)) {
		str_copy(j->live_backend, sizeof(j->live_backend), j->orphan);
		key_unlock(j);
		job_sweep(j);
	} else if (!creating || j->key_lock) {
		orphan_abort(j);
	} else if (keylock_take(j->us->b->locks, j->row.store, j->row.key,
				&j->key_lock)) {
		job_retry(j, job_sweep); /* whose Create was it? wait */
	} else {
		find_live(j);
	}
}

static void
find_live(struct abort_job *j)
{
	journal_find(j->us->b->journal, j->row.store, j->row.key, live_found,
		     j);
}

static void
uploads_listed(void *arg, const struct store_result *res)
{
	struct abort_job *j = arg;
	size_t i;

	j->op = NULL;
	if (res->err == ERR_UNSUPPORTED || j->rounds++ > 100) {
		job_record(j);
		return;
	}
	if (res->err) {
		job_retry(j, job_sweep);
		return;
	}
	for (i = 0; i < res->nuploads; i++)
		if (is_orphan(j, &res->uploads[i]))
			break;
	if (i == res->nuploads) {
		job_record(j);
		return;
	}
	free(j->orphan);
	j->orphan = mem_strdup(res->uploads[i].backend_id);
	find_live(j);
}

static void
job_sweep(struct abort_job *j)
{
	bool unknown = j->row.flags & UPLOAD_CREATE_UNKNOWN ||
		       (j->row.creating_at && !*j->row.backend_id);

	if (unknown)
		j->op = store_list_uploads(j->store, j->row.key, uploads_listed,
					   j);
	else
		job_record(j);
}

static void job_abort(struct abort_job *j);

static void
job_listed(void *arg, const struct store_result *res)
{
	struct abort_job *j = arg;

	j->op = NULL;
	if (res->err == ERR_OK && ++j->rounds < ABORT_TRIES)
		job_retry(j, job_abort); /* a late part revived it */
	else if (res->err == ERR_AGAIN)
		job_retry(j, job_abort);
	else
		job_sweep(j);
}

static void
job_aborted(void *arg, const struct store_result *res)
{
	struct abort_job *j = arg;
	struct store_target t = { j->row.key, j->row.backend_id };

	j->op = NULL;
	if (res->err && res->err != ERR_NOT_FOUND) {
		log_warn("upload", NULL, "abort_failed", KV_S("id", j->id),
			 KV_ERR(res->err), KV_S("why", res->why));
		job_retry(j, job_abort);
		return;
	}
	j->op = store_list_parts(j->store, t, job_listed, j);
}

static void
job_abort(struct abort_job *j)
{
	struct store_target t = { j->row.key, j->row.backend_id };

	if (*j->row.backend_id && j->row.state == UPLOAD_ABORTING)
		j->op = store_abort(j->store, t, job_aborted, j);
	else
		job_sweep(j);
}

/* Aborting, or ended with a Create whose orphan may not have shown yet. */
static bool
has_work(const struct journal_upload *row)
{
	return row->state == UPLOAD_ABORTING ||
	       (row->state > UPLOAD_ABORTING &&
		row->flags & UPLOAD_CREATE_UNKNOWN);
}

static void
job_row(void *arg, const struct journal_reply *r)
{
	struct abort_job *j = arg;
	char name[ID_LEN + 16] = "";

	if (r->err || !r->upload || !has_work(r->upload)) {
		job_end(j);
		return;
	}
	j->row = *r->upload;
	j->store = bridge_store(j->us->b, j->row.store);
	str_printf(name, sizeof(name), "\001abort/%s", j->id);
	if (!j->store ||
	    keylock_take(j->us->b->locks, j->row.store, name, &j->lock)) {
		job_end(j);
		return;
	}
	job_abort(j);
}

void
abort_start(struct uploads *us, const char *id)
{
	struct abort_job *j;

	if (abort_running(us, id))
		return;
	j = mem_alloc(sizeof(*j));
	j->us = us;
	str_copy(j->id, sizeof(j->id), id);
	j->next = us->aborts;
	us->aborts = j;
	journal_get(us->b->journal, id, job_row, j);
}
