/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the dispatcher sends while a store is down: nothing but a HEAD now and
 * then, however many calls wait. When that is answered, one of them is let
 * through on trial, and behind it all of them.
 */
#include <stdlib.h>
#include <utlist.h>

#include "bridge/store_call.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/log.h"

#define HELD_MS 3000  /* how long a call waits that somebody waits for */
#define PROBE_MS 2000 /* how long a probe may take before the next one */
#define PROBE_KEY "sluice-probe"

static const char OUT_OF_REACH[] = "the store is out of reach";

/* Calls that carry an upload on; no client's patience hangs on them alone. */
static bool
waits_long(enum store_call_kind kind)
{
	switch (kind) {
	case STORE_CALL_PUT:
	case STORE_CALL_BEGIN:
	case STORE_CALL_PUT_PART:
	case STORE_CALL_COPY_PART:
	case STORE_CALL_COMPLETE:
	case STORE_CALL_ABORT:
		return true;
	default:
		return false;
	}
}

static void
on_held_too_long(void *arg)
{
	struct store_op *op = arg;
	struct store_queue *q = op->call.store->queue;

	q->held--;
	log_debug("store", NULL, "held_in_vain",
		  KV_S("store", op->call.store->name),
		  KV_S("call", store_call_name(op->call.kind)),
		  KV_S("key", op->call.key));
	store_op_finish(op, ERR_AGAIN, OUT_OF_REACH);
}

static void
hold(struct store_op *op)
{
	struct store_call *c = &op->call;

	op->state = OP_HELD;
	c->store->queue->held++;
	loop_timer_free(op->timer);
	op->timer = NULL;
	if (waits_long(c->kind))
		return;
	op->timer = loop_timer_new(c->store->env.loop, on_held_too_long, op);
	loop_timer_set(op->timer, HELD_MS);
}

/*
 * Back into the queue: it is started from the loop, where a driver that
 * completes it at once does no harm.
 */
static void
let_go(struct store_op *op)
{
	struct store_queue *q = op->call.store->queue;

	q->held--;
	loop_timer_free(op->timer);
	op->timer = NULL;
	DL_DELETE(q->live, op);
	store_op_enqueue(op);
}

void
store_gate_start(struct store_op *op)
{
	struct store_queue *q = op->call.store->queue;

	if (op->is_probe || op->call.kind == STORE_CALL_PROBE ||
	    q->breaker.state == BREAKER_CLOSED) {
		store_op_start(op);
	} else if (q->breaker.state == BREAKER_TRIAL && !q->trial) {
		q->trial = op;
		store_op_start(op);
	} else {
		hold(op);
	}
}

static struct store_op *
first_held(const struct store_queue *q)
{
	struct store_op *op;

	for (op = q->live; op; op = op->next)
		if (op->state == OP_HELD)
			return op;
	return NULL;
}

static void
let_all_go(struct store_queue *q)
{
	struct store_op *op;

	while ((op = first_held(q)))
		let_go(op);
}

static void
tell(struct store_queue *q, bool down)
{
	struct store *s = q->store;

	if (down)
		log_warn("store", NULL, "store_down", KV_S("store", s->name),
			 KV_U("failures", q->breaker.failures));
	else
		log_warn("store", NULL, "store_up", KV_S("store", s->name),
			 KV_U("down_ms", clock_ms() - q->breaker.opened),
			 KV_U("held", q->held));
	if (q->watch)
		q->watch(q->watch_arg, s, down);
}

static void probe_later(struct store_queue *q);
static void on_timer(void *arg);

static void
timer_set(struct store_queue *q, unsigned ms)
{
	if (!q->timer)
		q->timer = loop_timer_new(q->store->env.loop, on_timer, q);
	loop_timer_set(q->timer, ms);
}

/* Whether the calls that were held may go out, or the first of them. */
static void
opened(struct store_queue *q, enum breaker_turn turn)
{
	if (turn != BREAKER_CLOSED_NOW)
		return;
	q->trial = NULL;
	if (q->timer)
		loop_timer_clear(q->timer);
	tell(q, false);
	let_all_go(q);
}

static void
begin_trial(struct store_queue *q)
{
	struct store_op *op;

	breaker_probed(&q->breaker);
	if (q->breaker.state != BREAKER_TRIAL)
		return;
	timer_set(q, BREAKER_TRIAL_MS);
	op = first_held(q);
	if (op)
		let_go(op);
}

static void
probe_done(void *arg, const struct store_result *res)
{
	struct store_queue *q = arg;

	q->probe = NULL;
	if (res->err == ERR_AGAIN)
		probe_later(q);
	else
		begin_trial(q);
}

static const char *
probe_key(const struct store_queue *q)
{
	const struct store_op *op;

	for (op = q->live; op; op = op->next)
		if (op->state == OP_HELD && op->call.kind != STORE_CALL_LIST &&
		    op->call.key && *op->call.key)
			return op->call.key;
	return PROBE_KEY;
}

/*
 * A probe that is not answered is cut off: on a network that swallows packets
 * the next one, over a new connection, is the first to learn that it is back.
 */
static void
probe_send(struct store_queue *q)
{
	struct store_op *op;

	store_cancel(q->probe);
	q->probe = NULL;
	if (!q->store->ops->start[STORE_CALL_HEAD]) {
		begin_trial(q);
		return;
	}
	op = store_op_new(q->store, STORE_CALL_HEAD, probe_done, q);
	op->is_probe = true;
	op->call.key = probe_key(q);
	q->probe = store_op_submit(op, ERR_OK, NULL);
	timer_set(q, PROBE_MS);
}

static void
on_timer(void *arg)
{
	struct store_queue *q = arg;

	if (q->breaker.state == BREAKER_TRIAL)
		opened(q, breaker_trusted(&q->breaker));
	else if (q->breaker.state == BREAKER_OPEN)
		probe_send(q);
}

static void
probe_later(struct store_queue *q)
{
	uint32_t dice;

	id_random(&dice, sizeof(dice));
	timer_set(q, breaker_probe_in(&q->breaker, clock_ms(), dice));
}

static void
failed(struct store_queue *q, const struct store_op *op)
{
	unsigned wish = op->call.retry_after_ms;

	switch (breaker_failed(&q->breaker, clock_ms(), wish)) {
	case BREAKER_OPENED:
		q->trial = NULL;
		probe_later(q);
		tell(q, true);
		break;
	case BREAKER_REFUSED:
		q->trial = NULL;
		probe_later(q);
		break;
	default:
		break;
	}
}

/* The probe's own end is dealt with in its completion. */
void
store_gate_ended(struct store_op *op, const struct store_result *res)
{
	struct store_queue *q = op->call.store->queue;

	if (op->call.kind == STORE_CALL_PROBE)
		return;
	if (res->err == ERR_AGAIN)
		failed(q, op);
	else if (!op->is_probe)
		opened(q, breaker_answered(&q->breaker));
	if (q->trial == op)
		q->trial = NULL;
}

void
store_gate_forget(struct store_op *op)
{
	struct store_queue *q = op->call.store->queue;

	if (op->state == OP_HELD)
		q->held--;
	if (q->trial == op)
		q->trial = NULL;
	if (q->probe == op)
		q->probe = NULL;
}

void
store_gate_free(struct store_queue *q)
{
	loop_timer_free(q->timer);
	q->timer = NULL;
}

void
store_watch(struct store *s, store_down_fn *fn, void *arg)
{
	s->queue->watch = fn;
	s->queue->watch_arg = arg;
}

bool
store_is_down(const struct store *s)
{
	return s->queue->breaker.state != BREAKER_CLOSED;
}

unsigned
store_held(const struct store *s)
{
	return s->queue->held;
}
