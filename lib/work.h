/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small pool of threads for what blocks: fdatasync, unlink, open, hashing,
 * passwords. A job runs once in some thread of the pool, then its `done` runs
 * once in the loop. There is no cancel: an owner that goes away leaves the job
 * alive and marks it, and `done` frees it.
 */
#ifndef LIB_WORK_H
#define LIB_WORK_H

#include "lib/loop.h"

struct work_pool;

struct work {
	void (*run)(struct work *w);  /* in the pool */
	void (*done)(struct work *w); /* in the loop; may free w; may be NULL */
	struct work_pool *pool;	      /* the pool's, as all below */
	struct work *next;
	struct loop_call call;
};

struct work_pool *work_pool_new(struct loop *loop, unsigned threads);

/* Waits for the jobs that run and drops none: queued ones are run first. */
void work_pool_free(struct work_pool *p);

void work_submit(struct work_pool *p, struct work *w);

/* Jobs submitted and not yet done: for tests and for the status page. */
unsigned work_pool_pending(const struct work_pool *p);

#endif
