/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the journal only: its operations in one list, oldest first, shared by
 * the loop's thread, which adds at the end and takes finished ones from the
 * front, and the journal's thread, which works from `next_run` on:
 *
 *   first ... done ... done | next_run ... waiting ... last
 *
 * An operation's fn and arg belong to the loop's thread, what it found to the
 * journal's thread until it is marked done.
 */
#ifndef BRIDGE_JOURNAL_QUEUE_H
#define BRIDGE_JOURNAL_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/journal_ops.h"

#define JOURNAL_QUEUE_MAX 65536		 /* operations that wait or run */
#define JOURNAL_QUEUE_BYTES (64u << 20)	 /* and what was copied for them */
#define JOURNAL_BATCH_MAX 256		 /* operations in one transaction */
#define JOURNAL_BATCH_BYTES (8u << 20)	 /* read in one transaction */
#define JOURNAL_RESULT_BYTES (32u << 20) /* read, not yet fetched by the loop */

enum journal_op_kind {
	JOURNAL_OP_NONE, /* refused: it only waits for its turn to say so */
	JOURNAL_OP_COMMIT,
	JOURNAL_OP_FIND,
	JOURNAL_OP_FIND_ENDED,
	JOURNAL_OP_GET,
	JOURNAL_OP_LIST,
	JOURNAL_OP_ATTRS,
	JOURNAL_OP_USAGE,
	JOURNAL_OP_USAGE_DUE,
	JOURNAL_OP_EVENTS,
	JOURNAL_OP_SINKS,
	JOURNAL_OP_MEDIA,
	JOURNAL_OP_DECLARE,
	JOURNAL_OP_SETTLE,
	JOURNAL_OP_PUT_MEDIA,
	JOURNAL_OP_PRUNE,
	JOURNAL_OP_CHECKPOINT
};

/* The sinks that are declared. */
struct journal_names {
	size_t n;
	char text[JOURNAL_SINKS_MAX][JOURNAL_SINK_MAX + 1];
	const char *list[JOURNAL_SINKS_MAX];
	bool from_start[JOURNAL_SINKS_MAX];
};

struct journal_op {
	struct journal_op *next;
	enum journal_op_kind kind;
	bool done;
	enum err err;
	journal_done_fn *fn;
	void *arg;
	size_t bytes;	     /* copied for it */
	size_t result_bytes; /* held by rows */
	struct journal_tx tx;
	struct journal_query query; /* list; find, get: its strings */
	struct journal_range range; /* attrs */
	struct journal_event_query events;
	struct journal_settle settle;
	struct journal_media media;
	enum journal_sinks_what what;
	struct journal_names *names; /* declare */
	int64_t now;		     /* usage_due */
	struct journal_ages ages;
	struct journal_rows rows;
};

/* Posted to the loop when operations are done; outlives the journal. */
struct journal_wake {
	struct loop_call call;
	struct journal *journal; /* NULL: closed */
	bool posted;		 /* guarded by the journal's lock */
	unsigned running;	 /* deliveries under way, one within another */
};

struct journal {
	const struct journal_ops *ops;
	void *db; /* the journal's thread's */
	struct loop *loop;
	struct journal_wake *wake;
	pthread_t thread;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work;  /* there is something to run, or to end */
	struct journal_op *first, *last, *next_run;
	size_t waiting;	     /* operations from next_run on */
	size_t finished;     /* operations before next_run */
	size_t bytes;	     /* copied for all of them */
	size_t result_bytes; /* of those that are done */
	bool closing;
};

/* journal.c: takes ownership of op. */
void journal_submit(struct journal *j, struct journal_op *op);

/* journal_op.c */
struct journal_op *journal_op_new(enum journal_op_kind kind,
				  journal_done_fn *fn, void *arg);
void journal_op_free(struct journal_op *op);
/* ERR_INVALID: tx cannot be carried out. Copies it otherwise. */
enum err journal_op_copy_tx(struct journal_op *op, const struct journal_tx *tx);
void journal_op_copy_range(struct journal_op *op,
			   const struct journal_range *r);
void journal_op_copy_query(struct journal_op *op,
			   const struct journal_query *q);
/* Drops what was copied; the operation only waits to say err. */
void journal_op_refuse(struct journal_op *op, enum err err);
bool journal_op_writes(const struct journal_op *op);

void *journal_op_copy(struct journal_op *op, const void *data, size_t size);
char *journal_op_copy_text(struct journal_op *op, const char *s);

/* journal_events.c */
void journal_op_free_events(struct journal_op *op);

/* journal_thread.c */
void *journal_thread(void *journal);

#endif
