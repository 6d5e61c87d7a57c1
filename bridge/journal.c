/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/journal.h"

#include <signal.h>
#include <stdlib.h>

#include "bridge/journal_queue.h"
#include "lib/log.h"
#include "lib/mem.h"

/* The queue. */

void
journal_submit(struct journal *j, struct journal_op *op)
{
	bool was_idle;

	pthread_mutex_lock(&j->lock);
	if (j->waiting >= JOURNAL_QUEUE_MAX ||
	    j->bytes + op->bytes > JOURNAL_QUEUE_BYTES)
		journal_op_refuse(op, ERR_AGAIN);
	was_idle = j->waiting++ == 0;
	j->bytes += op->bytes;
	op->next = NULL;
	if (j->last != NULL)
		j->last->next = op;
	else
		j->first = op;
	j->last = op;
	if (j->next_run == NULL)
		j->next_run = op;
	if (was_idle)
		pthread_cond_signal(&j->work);
	pthread_mutex_unlock(&j->lock);
}

/* The oldest operation, when it is done, or NULL. */
static struct journal_op *
take_done(struct journal *j)
{
	struct journal_op *op;

	pthread_mutex_lock(&j->lock);
	op = j->first;
	if (op == NULL || !op->done) {
		pthread_mutex_unlock(&j->lock);
		return NULL;
	}
	j->first = op->next;
	if (j->first == NULL)
		j->last = NULL;
	j->finished--;
	j->bytes -= op->bytes;
	if (j->result_bytes > JOURNAL_RESULT_BYTES)
		pthread_cond_signal(&j->work);
	j->result_bytes -= op->result_bytes;
	pthread_mutex_unlock(&j->lock);
	return op;
}

/* How many there are of the rows that were asked for. */
static size_t
count_of(const struct journal_rows *rows)
{
	if (rows->nattrs > 0)
		return rows->nattrs;
	if (rows->nevents > 0)
		return rows->nevents;
	return rows->nsinks > 0 ? rows->nsinks : rows->nuploads;
}

static void
complete(struct journal_op *op)
{
	struct journal_rows *rows = &op->rows;
	struct journal_reply r = { .err = op->err };
	bool one = op->kind != JOURNAL_OP_LIST && rows->nuploads > 0;

	if (op->err == ERR_OK) {
		r.upload = one ? rows->uploads : NULL;
		r.parts = rows->parts;
		r.nparts = rows->nparts;
		r.uploads = rows->uploads;
		r.attrs = rows->attrs;
		r.events = rows->events;
		r.sinks = rows->sinks;
		r.media = rows->media.body != NULL ? &rows->media : NULL;
		r.n = count_of(rows);
		r.more = rows->more && !one;
		r.newest = rows->newest;
		r.touched = rows->touched;
		r.next_at = rows->next_at;
	}
	r.usage = &rows->usage; /* a refused charge tells what is left */
	if (op->fn != NULL)
		op->fn(op->arg, &r);
	journal_op_free(op);
}

/* Only what is done now: others get their turn of the loop in between. */
static size_t
begin_delivery(struct journal_wake *w)
{
	struct journal *j = w->journal;
	size_t n;

	pthread_mutex_lock(&j->lock);
	w->posted = false;
	n = j->finished;
	pthread_mutex_unlock(&j->lock);
	return n;
}

/* A completion may close the journal; its wake then is the last to go. */
static void
deliver(void *arg)
{
	struct journal_wake *w = arg;
	struct journal_op *op;
	size_t n;

	if (w->journal == NULL) {
		free(w);
		return;
	}
	w->running++;
	n = begin_delivery(w);
	while (n > 0 && w->journal != NULL &&
	       (op = take_done(w->journal)) != NULL) {
		complete(op);
		n--;
	}
	w->running--;
	if (w->journal == NULL && !w->posted && w->running == 0)
		free(w);
}

/* Life. */

/* Signals are for the loop's thread. */
static int
start_thread(struct journal *j)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&j->thread, NULL, journal_thread, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

static void
free_journal(struct journal *j)
{
	pthread_cond_destroy(&j->work);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

enum err
journal_open(struct journal **out, const struct journal_config *cfg)
{
	struct journal_place place = { .path = cfg->path,
				       .lock_path = cfg->lock_path };
	struct journal *j = mem_alloc(sizeof(*j));
	enum err err;
	int rc;

	j->ops = &journal_sqlite;
	j->loop = cfg->loop;
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->work, NULL);
	err = j->ops->open(&j->db, &place);
	if (err != ERR_OK) {
		free_journal(j);
		return err;
	}
	j->wake = mem_alloc(sizeof(*j->wake));
	j->wake->journal = j;
	j->wake->call.fn = deliver;
	j->wake->call.arg = j->wake;
	rc = start_thread(j);
	if (rc != 0) {
		log_error("journal", NULL, "no_thread", KV_ERRNO(rc));
		j->ops->close(j->db);
		free(j->wake);
		free_journal(j);
		return ERR_IO;
	}
	*out = j;
	return ERR_OK;
}

enum err
journal_sound(const char *path)
{
	return journal_sqlite.verify(path);
}

enum err
journal_log_check(const char *path, const char *lock_path)
{
	return journal_sqlite.log_check(path, lock_path);
}

static void
report_lost(const struct journal_op *op)
{
	if (journal_op_writes(op) && op->err != ERR_OK)
		log_warn("journal", NULL, "unrecorded_at_close",
			 KV_S("id", op->tx.update ? op->tx.update->id : ""),
			 KV_ERR(op->err));
}

void
journal_close(struct journal *j)
{
	struct journal_op *op, *next;

	if (j == NULL)
		return;
	pthread_mutex_lock(&j->lock);
	j->closing = true;
	pthread_cond_signal(&j->work);
	pthread_mutex_unlock(&j->lock);
	pthread_join(j->thread, NULL);
	j->ops->close(j->db);
	for (op = j->first; op != NULL; op = next) {
		next = op->next;
		report_lost(op);
		journal_op_free(op);
	}
	j->wake->journal = NULL;
	if (!j->wake->posted && j->wake->running == 0)
		free(j->wake);
	free_journal(j);
}

void
journal_forget(struct journal *j, void *arg)
{
	struct journal_op *op;

	/* The other thread changes no link but by marking operations done. */
	pthread_mutex_lock(&j->lock);
	for (op = j->first; op != NULL; op = op->next)
		if (op->arg == arg)
			op->fn = NULL;
	pthread_mutex_unlock(&j->lock);
}

/* Calls. */

void
journal_commit(struct journal *j, const struct journal_tx *tx,
	       journal_done_fn *fn, void *arg)
{
	struct journal_op *op = journal_op_new(JOURNAL_OP_COMMIT, fn, arg);
	enum err err = journal_op_copy_tx(op, tx);

	if (err != ERR_OK) {
		journal_op_refuse(op, err);
		log_error("journal", NULL, "bad_commit", KV_ERR(err));
	}
	journal_submit(j, op);
}

static void
ask(struct journal *j, enum journal_op_kind kind, const struct journal_query *q,
    journal_done_fn *fn, void *arg)
{
	struct journal_op *op = journal_op_new(kind, fn, arg);

	journal_op_copy_query(op, q);
	journal_submit(j, op);
}

void
journal_find(struct journal *j, const char *store, const char *key,
	     journal_done_fn *fn, void *arg)
{
	struct journal_query q = { .store = store, .key_prefix = key };

	ask(j, JOURNAL_OP_FIND, &q, fn, arg);
}

void
journal_find_ended(struct journal *j, const char *store, const char *key,
		   journal_done_fn *fn, void *arg)
{
	struct journal_query q = { .store = store, .key_prefix = key };

	ask(j, JOURNAL_OP_FIND_ENDED, &q, fn, arg);
}

void
journal_get(struct journal *j, const char *id, journal_done_fn *fn, void *arg)
{
	struct journal_query q = { .after_id = id };

	ask(j, JOURNAL_OP_GET, &q, fn, arg);
}

void
journal_list(struct journal *j, const struct journal_query *q,
	     journal_done_fn *fn, void *arg)
{
	ask(j, JOURNAL_OP_LIST, q, fn, arg);
}

void
journal_attrs(struct journal *j, const struct journal_range *r,
	      journal_done_fn *fn, void *arg)
{
	struct journal_op *op = journal_op_new(JOURNAL_OP_ATTRS, fn, arg);

	journal_op_copy_range(op, r);
	journal_submit(j, op);
}

void
journal_usage(struct journal *j, const char *store, const char *home,
	      journal_done_fn *fn, void *arg)
{
	struct journal_query q = { .store = store, .key_prefix = home };

	ask(j, JOURNAL_OP_USAGE, &q, fn, arg);
}

void
journal_usage_due(struct journal *j, int64_t now, journal_done_fn *fn,
		  void *arg)
{
	struct journal_op *op = journal_op_new(JOURNAL_OP_USAGE_DUE, fn, arg);

	op->now = now;
	journal_submit(j, op);
}

void
journal_prune(struct journal *j, const struct journal_ages *ages,
	      journal_done_fn *fn, void *arg)
{
	struct journal_op *op = journal_op_new(JOURNAL_OP_PRUNE, fn, arg);

	op->ages = *ages;
	journal_submit(j, op);
}

void
journal_checkpoint(struct journal *j, journal_done_fn *fn, void *arg)
{
	journal_submit(j, journal_op_new(JOURNAL_OP_CHECKPOINT, fn, arg));
}
