/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher's machinery: the life of a call from its submission over its
 * starts and pauses to its completion. store.c fills calls in; nobody else
 * includes this.
 */
#ifndef BRIDGE_STORE_CALL_H
#define BRIDGE_STORE_CALL_H

#include "bridge/breaker.h"
#include "bridge/store_ops.h"

enum op_state {
	OP_NEW,	     /* being filled in */
	OP_READY,    /* in the queue: the loop will start it */
	OP_STARTED,  /* with the driver */
	OP_WAITING,  /* for the next attempt */
	OP_HELD,     /* the store is down: until it answers again */
	OP_FINISHED, /* its completion runs */
};

struct store_op {
	struct store_call call; /* first */
	enum op_state state;
	bool is_probe;	  /* the gate's own: goes out although it is shut */
	enum err refused; /* not ERR_OK: never started, completed with this */
	const char *refused_why;
	store_done_fn *fn;
	void *arg;
	struct loop_timer *timer;
	uint64_t born_ms;
	struct store_op *prev,
		*next; /* in the queue's list `live` or `ready` */
};

struct store_queue {
	struct store *store;
	struct store_op *ready, *live;
	struct loop_call kick; /* runs what is ready */
	bool kicked;	       /* posted, not run yet */
	bool closed;	       /* the store is gone; the kick frees the queue */
	bool running;	       /* the kick is on the stack */

	/* store_gate.c: what is sent while the store is down. */
	struct breaker breaker;
	struct store_op *probe;	  /* on its way */
	struct store_op *trial;	  /* let through behind it */
	struct loop_timer *timer; /* of the next probe, or of the trial's end */
	unsigned held;		  /* calls in OP_HELD */
	store_down_fn *watch;
	void *watch_arg;
};

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

void store_op_enqueue(struct store_op *op); /* the loop will start it */
void store_op_start(struct store_op *op);

/* Completes a call that is in the list `live` and not with the driver. */
void store_op_finish(struct store_op *op, enum err err, const char *why);

const char *store_call_name(enum store_call_kind kind);

/*
 * Starts a call, or holds it back while the store is down. A held call of a
 * kind that somebody waits for fails with ERR_AGAIN after a few seconds; one
 * that carries an upload on waits for as long as it takes.
 */
void store_gate_start(struct store_op *op);
/* A call came back from the driver, before its completion is called. */
void store_gate_ended(struct store_op *op, const struct store_result *res);
void store_gate_forget(struct store_op *op); /* it is being cancelled */
void store_gate_free(struct store_queue *q);

#endif
