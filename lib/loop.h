/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process's event loop: libevent's event_base plus a queue through which
 * other threads hand it calls. Timers and file descriptors use libevent
 * directly on loop_base(). One loop lives as long as its worker.
 */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include <stdint.h>

struct event_base;
struct loop;

/*
 * A call to be made from the loop. It is embedded in its owner, who sets fn
 * and arg, keeps it alive until fn runs, and posts it at most once at a time.
 */
struct loop_call {
	void (*fn)(void *arg);
	void *arg;
	struct loop_call *next; /* the loop's */
};

struct loop *loop_new(void);
void loop_free(struct loop *l);
struct event_base *loop_base(struct loop *l);

/* Runs until loop_stop(). Calls posted before are run in order. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* from the loop's thread */

/* From any thread, the loop's own included; fn never runs inside post. */
void loop_post(struct loop *l, struct loop_call *call);

/* Runs the calls posted so far, and nothing else: for orderly ends. */
void loop_flush(struct loop *l);

/*
 * Runs what is ready, waiting at most timeout_ms for it (0: not at all).
 * For tests and for tools that drive the loop by hand.
 */
void loop_turn(struct loop *l, unsigned timeout_ms);

/* A timer: event_new + callback; a thin helper over libevent. */
struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg),
				  void *arg);
void loop_timer_set(struct loop_timer *t, unsigned ms); /* once; re-arms */
void loop_timer_clear(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* NULL is fine */

#endif
