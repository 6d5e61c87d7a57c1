/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's thread: takes what is queued, at most JOURNAL_BATCH_MAX
 * operations at a time, carries them out in order in one transaction, makes it
 * durable with one sync, and wakes the loop once. What is queued meanwhile is
 * the next batch, so the slower the disk, the more a sync carries.
 */
#include "bridge/journal_queue.h"

#include "lib/crashpoint.h"
#include "lib/log.h"

/* Such a result is the caller's own and leaves the others alone. */
static bool
own_result(enum err err)
{
	return err == ERR_OK || err == ERR_CONFLICT || err == ERR_EXISTS ||
	       err == ERR_NOT_FOUND || err == ERR_INVALID || err == ERR_QUOTA;
}

/*
 * The next of n operations behind the i-th. The link of the last one belongs
 * to the loop's thread.
 */
static struct journal_op *
next_of(const struct journal_op *op, size_t i, size_t n)
{
	return i + 1 < n ? op->next : NULL;
}

static enum err
run_write(struct journal *j, struct journal_op *op)
{
	const struct journal_names *names = op->names;

	switch (op->kind) {
	case JOURNAL_OP_COMMIT:
		return j->ops->apply(j->db, &op->tx, &op->rows.usage);
	case JOURNAL_OP_DECLARE:
		return j->ops->declare(j->db, names->list, names->from_start,
				       names->n);
	case JOURNAL_OP_SETTLE:
		return j->ops->settle(j->db, &op->settle);
	case JOURNAL_OP_PUT_MEDIA:
		return j->ops->put_media(j->db, &op->media);
	default:
		return j->ops->prune(j->db, &op->ages, &op->rows.more);
	}
}

static enum err
run_op(struct journal *j, struct journal_op *op)
{
	const struct journal_query *q = &op->query;

	if (journal_op_writes(op))
		return run_write(j, op);
	switch (op->kind) {
	case JOURNAL_OP_FIND:
	case JOURNAL_OP_FIND_ENDED:
		return j->ops->find(j->db, q->store, q->key_prefix,
				    op->kind == JOURNAL_OP_FIND_ENDED,
				    &op->rows);
	case JOURNAL_OP_GET:
		return j->ops->get(j->db, q->after_id, &op->rows);
	case JOURNAL_OP_LIST:
		return j->ops->list(j->db, q, &op->rows);
	case JOURNAL_OP_ATTRS:
		return j->ops->attrs(j->db, &op->range, &op->rows);
	case JOURNAL_OP_USAGE:
		return j->ops->usage(j->db, q->store, q->key_prefix,
				     &op->rows.usage);
	case JOURNAL_OP_USAGE_DUE:
		return j->ops->usage_due(j->db, op->now, &op->rows.usage);
	case JOURNAL_OP_EVENTS:
		return j->ops->page(j->db, &op->events, &op->rows);
	case JOURNAL_OP_SINKS:
		return j->ops->sinks(j->db, op->what, &op->rows);
	case JOURNAL_OP_MEDIA:
		return j->ops->media(j->db, op->media.upload, NULL, NULL,
				     &op->rows);
	case JOURNAL_OP_CHECKPOINT:
		return j->ops->checkpoint != NULL ? j->ops->checkpoint(j->db)
						  : ERR_OK;
	default:
		return op->err;
	}
}

/*
 * Runs up to n operations in a transaction that was begun, and says how many
 * these were: fewer when they read much.
 */
static enum err
run_ops(struct journal *j, struct journal_op *op, size_t n, size_t *ran)
{
	size_t bytes = 0;

	for (*ran = 0; *ran < n && bytes < JOURNAL_BATCH_BYTES; ++*ran) {
		if (op->kind != JOURNAL_OP_NONE) {
			op->err = run_op(j, op);
			if (!own_result(op->err))
				return op->err;
		}
		bytes += journal_rows_bytes(&op->rows);
		op = next_of(op, *ran, n);
	}
	return ERR_OK;
}

#ifdef ENABLE_CRASH_POINTS
/* What a test calls this commit. */
static const char *
step_of(const struct journal_tx *tx)
{
	static const char *const states[] = {
		"open",	    "parked",	 "closing", "sealed", "completing",
		"aborting", "published", "aborted", "lost"
	};

	if (tx->insert)
		return tx->supersede ? "supersede" : "insert";
	if (!tx->update)
		return tx->event ? "event" : "attr";
	if (tx->set & JSET_CREATING)
		return "creating";
	if (tx->set & JSET_BACKEND)
		return "backend_id";
	if (tx->nadd)
		return "part";
	if (tx->set & JSET_REWIND)
		return "rewind";
	if (tx->set & JSET_STATE)
		return states[tx->update->state];
	return tx->set & JSET_HIDDEN ? "hidden" : "fields";
}
#endif

/* Where a test may kill us: with these commits queued, or durable. */
static void
crash_points(const struct journal_op *op, size_t n, const char *when)
{
	size_t i;

	for (i = 0; i < n; op = next_of(op, i++, n)) {
		if (op->kind == JOURNAL_OP_COMMIT)
			CRASH_POINT("journal", step_of(&op->tx), when);
		if (op->kind == JOURNAL_OP_SETTLE)
			CRASH_POINT("outbox",
				    op->settle.n > 0 ? "rows" : "cursor", when);
		if (op->kind == JOURNAL_OP_PUT_MEDIA)
			CRASH_POINT("outbox", "media", when);
	}
	(void)when;
}

static enum err
run_transaction(struct journal *j, struct journal_op *first, size_t n,
		size_t *ran)
{
	struct journal_op *op = first;
	bool write = false;
	enum err err;
	size_t i;

	for (i = 0; i < n; op = next_of(op, i++, n))
		write = write || journal_op_writes(op);
	crash_points(first, n, "before");
	err = j->ops->begin(j->db, write);
	if (err == ERR_OK)
		err = run_ops(j, first, n, ran);
	if (err == ERR_OK)
		err = j->ops->commit(j->db);
	if (err == ERR_OK)
		crash_points(first, *ran, "after");
	if (err != ERR_OK)
		j->ops->mend(j->db);
	return err;
}

static void
read_alone(struct journal *j, struct journal_op *op)
{
	size_t ran;

	journal_rows_free(&op->rows);
	op->err = ERR_OK;
	op->err = run_transaction(j, op, 1, &ran);
}

/*
 * Nothing of the batch is in the database. What would have changed it fails;
 * what only reads is read again, for it may have seen what is undone.
 */
static void
fail_batch(struct journal *j, struct journal_op *op, size_t n, enum err err)
{
	size_t i;

	for (i = 0; i < n; op = next_of(op, i++, n)) {
		if (journal_op_writes(op)) {
			op->err = err;
			op->rows.more = false;
		} else if (op->kind != JOURNAL_OP_NONE) {
			read_alone(j, op);
		}
	}
}

/* Returns how many of the n operations it has carried out. */
static size_t
run_batch(struct journal *j, struct journal_op *first, size_t n)
{
	size_t ran = 0;
	enum err err;

	if (first->kind == JOURNAL_OP_CHECKPOINT) {
		first->err = run_op(j, first);
		return 1;
	}
	err = run_transaction(j, first, n, &ran);
	if (err == ERR_OK)
		return ran;
	if (n > 1)
		log_warn("journal", NULL, "batch_failed", KV_ERR(err),
			 KV_U("operations", n));
	fail_batch(j, first, n, err);
	return n;
}

/* A checkpoint needs to be alone, so a batch ends before it. */
static size_t
batch_size(const struct journal *j)
{
	const struct journal_op *op = j->next_run;
	size_t n = 0;

	while (op != NULL && n < JOURNAL_BATCH_MAX) {
		if (op->kind == JOURNAL_OP_CHECKPOINT)
			return n == 0 ? 1 : n;
		op = op->next;
		n++;
	}
	return n;
}

/* Waits for a batch; 0: the journal closes and all is done. */
static size_t
wait_for_batch(struct journal *j)
{
	while (!j->closing &&
	       (j->waiting == 0 || j->result_bytes > JOURNAL_RESULT_BYTES))
		pthread_cond_wait(&j->work, &j->lock);
	return batch_size(j);
}

static void
mark_done(struct journal *j, size_t n)
{
	for (; n > 0; n--) {
		struct journal_op *op = j->next_run;

		op->result_bytes = journal_rows_bytes(&op->rows);
		j->result_bytes += op->result_bytes;
		op->done = true;
		j->next_run = op->next;
		j->waiting--;
		j->finished++;
	}
	if (!j->wake->posted && !j->closing) {
		j->wake->posted = true;
		loop_post(j->loop, &j->wake->call);
	}
}

void *
journal_thread(void *arg)
{
	struct journal *j = arg;
	size_t n;

	pthread_mutex_lock(&j->lock);
	while ((n = wait_for_batch(j)) > 0) {
		struct journal_op *first = j->next_run;

		pthread_mutex_unlock(&j->lock);
		n = run_batch(j, first, n);
		pthread_mutex_lock(&j->lock);
		mark_done(j, n);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}
