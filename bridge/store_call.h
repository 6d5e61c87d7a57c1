/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher's machinery: the life of a call from its submission over its
 * starts and pauses to its completion. store.c fills calls in; nobody else
 * includes this.
 */
#ifndef BRIDGE_STORE_CALL_H
#define BRIDGE_STORE_CALL_H

#include "bridge/store_ops.h"

struct store_queue *store_queue_new(struct store *s);

/* Cancels what runs. A submitted call that was not started yet is dropped. */
void store_queue_free(struct store_queue *q);

/* A call to be filled in with borrowed strings, and then submitted. */
struct store_op *store_op_new(struct store *s, enum store_call_kind kind,
			      store_done_fn *fn, void *arg);
struct store_call *store_op_call(struct store_op *op);

/*
 * Copies the strings and has the loop start the call; with an error, has the
 * loop complete it with that error. Returns op.
 */
struct store_op *store_op_submit(struct store_op *op, enum err err,
				 const char *why);

#endif
