/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/store_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/clock.h"
#include "lib/crashpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

#define BACKOFF_BASE_MS 200
#define BACKOFF_CAP_MS 10000
#define RETRY_AFTER_MAX_MS 60000

/* What a log line and the table of repetitions call each kind. */
static const struct {
	const char *name;
	/*
	 * Whether the dispatcher may send it again after a temporary failure:
	 * always, only when it surely had no effect, or never.
	 */
	enum { ONCE, IF_NO_EFFECT, ALWAYS } repeat;
} kinds[STORE_CALLS] = {
	[STORE_CALL_PROBE] = { "probe", ALWAYS },
	[STORE_CALL_PUT] = { "put", IF_NO_EFFECT },
	[STORE_CALL_BEGIN] = { "begin", ONCE },
	[STORE_CALL_PUT_PART] = { "put_part", ALWAYS },
	[STORE_CALL_COPY_PART] = { "copy_part", ALWAYS },
	[STORE_CALL_LIST_PARTS] = { "list_parts", ALWAYS },
	[STORE_CALL_COMPLETE] = { "complete", ONCE },
	[STORE_CALL_ABORT] = { "abort", ALWAYS },
	[STORE_CALL_LIST_UPLOADS] = { "list_uploads", ALWAYS },
	[STORE_CALL_HEAD] = { "head", ALWAYS },
	[STORE_CALL_GET] = { "get", ALWAYS },
	[STORE_CALL_LIST] = { "list", ALWAYS },
	[STORE_CALL_DELETE] = { "delete", ALWAYS },
	[STORE_CALL_COPY] = { "copy", ONCE },
	[STORE_CALL_MOVE] = { "move", ONCE },
	[STORE_CALL_TOUCH] = { "touch", ALWAYS },
	[STORE_CALL_PRESIGN] = { "presign", ALWAYS },
};

static struct store_op *
op_of(struct store_call *c)
{
	return (struct store_op *)c; /* call is its first member */
}

struct store_call *
store_op_call(struct store_op *op)
{
	return &op->call;
}

static void
free_strings(struct store_call *c)
{
	free((void *)c->key);
	free((void *)c->to);
	free((void *)c->backend_id);
	free((void *)c->etag);
	free((void *)c->marker);
	free((void *)c->meta.sluice_id);
	free((void *)c->meta.content_type);
	free((void *)c->copy.from);
	free((void *)c->copy.from_etag);
}

static void
copy_strings(struct store_call *c)
{
	c->key = mem_strdup(c->key);
	c->to = mem_strdup(c->to);
	c->backend_id = mem_strdup(c->backend_id);
	c->etag = mem_strdup(c->etag);
	c->marker = mem_strdup(c->marker);
	c->meta.sluice_id = mem_strdup(c->meta.sluice_id);
	c->meta.content_type = mem_strdup(c->meta.content_type);
	c->copy.from = mem_strdup(c->copy.from);
	c->copy.from_etag = mem_strdup(c->copy.from_etag);
}

static void
op_free(struct store_op *op)
{
	loop_timer_free(op->timer);
	free_strings(&op->call);
	free(op);
}

const char *
store_call_name(enum store_call_kind kind)
{
	return kinds[kind].name;
}

void
store_op_start(struct store_op *op)
{
	struct store_call *c = &op->call;

	op->state = OP_STARTED;
	c->driver = NULL;
	c->retry_after_ms = 0;
	c->detail[0] = '\0';
	CRASH_POINT("store", kinds[c->kind].name, "before");
	c->store->ops->start[c->kind](c->store, c);
}

static void
op_finish(struct store_op *op, const struct store_result *res)
{
	struct store_queue *q = op->call.store->queue;

	DL_DELETE(q->live, op);
	op->state = OP_FINISHED;
	op->fn(op->arg, res);
	op_free(op);
}

void
store_op_finish(struct store_op *op, enum err err, const char *why)
{
	struct store_result res = { .err = err, .why = why };

	if (!res.why)
		res.why = err_text(res.err);
	op_finish(op, &res);
}

/* Starts what was ready; a completion may close the store meanwhile. */
static void
queue_run(void *arg)
{
	struct store_queue *q = arg;
	struct store_op *op;

	q->kicked = false;
	q->running = true;
	while (!q->closed && (op = q->ready)) {
		DL_DELETE(q->ready, op);
		DL_APPEND(q->live, op);
		if (op->refused)
			store_op_finish(op, op->refused, op->refused_why);
		else
			store_gate_start(op);
	}
	q->running = false;
	if (q->closed)
		free(q);
}

struct store_queue *
store_queue_new(struct store *s)
{
	struct store_queue *q = mem_alloc(sizeof(*q));

	q->store = s;
	q->kick.fn = queue_run;
	q->kick.arg = q;
	return q;
}

void
store_queue_free(struct store_queue *q)
{
	while (q->ready)
		store_cancel(q->ready);
	while (q->live)
		store_cancel(q->live);
	store_gate_free(q);
	q->closed = true;
	if (!q->kicked && !q->running)
		free(q);
}

struct store_op *
store_op_new(struct store *s, enum store_call_kind kind, store_done_fn *fn,
	     void *arg)
{
	struct store_op *op = mem_alloc(sizeof(*op));

	op->call.store = s;
	op->call.kind = kind;
	op->fn = fn;
	op->arg = arg;
	return op;
}

void
store_op_enqueue(struct store_op *op)
{
	struct store_queue *q = op->call.store->queue;

	op->state = OP_READY;
	DL_APPEND(q->ready, op);
	if (q->kicked)
		return;
	q->kicked = true;
	loop_post(q->store->env.loop, &q->kick);
}

struct store_op *
store_op_submit(struct store_op *op, enum err err, const char *why)
{
	assert(op->state == OP_NEW);
	copy_strings(&op->call);
	op->refused = err;
	op->refused_why = why;
	op->born_ms = clock_ms();
	store_op_enqueue(op);
	return op;
}

static enum log_level
level_of(enum err err)
{
	switch (err) {
	case ERR_DENIED:
	case ERR_NO_SPACE:
	case ERR_CORRUPT:
	case ERR_IO:
		return LOG_LEVEL_ERROR;
	case ERR_AGAIN:
		return LOG_LEVEL_WARN;
	default:
		return LOG_LEVEL_DEBUG;
	}
}

static void
log_end(const struct store_op *op, const struct store_result *res)
{
	const struct store_call *c = &op->call;
	enum log_level level = level_of(res->err);

	if (res->err == ERR_OK || op->is_probe)
		return;
	LOG_AT(level, "store", NULL, "failed", KV_S("store", c->store->name),
	       KV_S("call", kinds[c->kind].name), KV_ERR(res->err),
	       KV_S("key", c->key), KV_U("no", c->no),
	       KV_U("tries", c->attempt + 1),
	       KV_U("ms", clock_ms() - op->born_ms), KV_S("why", res->why),
	       KV_S("detail", c->detail));
}

static bool
may_repeat(const struct store_op *op, const struct store_result *res)
{
	const struct store_call *c = &op->call;

	if (res->err != ERR_AGAIN || op->is_probe ||
	    c->attempt + 1 >= c->store->tries)
		return false;
	switch (kinds[c->kind].repeat) {
	case ALWAYS:
		return true;
	case IF_NO_EFFECT:
		return !res->ambiguous;
	default:
		return false;
	}
}

static void
start_again(void *arg)
{
	store_gate_start(arg);
}

static void
op_wait(struct store_op *op, const struct store_result *res)
{
	struct store_call *c = &op->call;
	unsigned ms =
		clock_backoff(c->attempt, BACKOFF_BASE_MS, BACKOFF_CAP_MS);
	unsigned asked = c->retry_after_ms;

	if (asked > RETRY_AFTER_MAX_MS)
		asked = RETRY_AFTER_MAX_MS;
	if (ms < asked)
		ms = asked;
	log_debug("store", NULL, "repeat", KV_S("store", c->store->name),
		  KV_S("call", kinds[c->kind].name), KV_S("key", c->key),
		  KV_U("no", c->no), KV_U("attempt", c->attempt + 1),
		  KV_U("wait_ms", ms), KV_S("why", res->why),
		  KV_S("detail", c->detail));
	c->attempt++;
	op->state = OP_WAITING;
	loop_timer_free(op->timer);
	op->timer = loop_timer_new(c->store->env.loop, start_again, op);
	loop_timer_set(op->timer, ms);
}

void
store_call_done(struct store_call *c, const struct store_result *res)
{
	struct store_op *op = op_of(c);
	struct store_result copy = *res;

	assert(op->state == OP_STARTED);
	if (!copy.why)
		copy.why = err_text(copy.err);
	store_gate_ended(op, &copy);
	if (may_repeat(op, &copy)) {
		op_wait(op, &copy);
		return;
	}
	log_end(op, &copy);
	CRASH_POINT("store", kinds[c->kind].name, "after");
	op_finish(op, &copy);
}

void
store_call_fail(struct store_call *c, enum err err, const char *why)
{
	struct store_result res = { .err = err, .why = why };

	store_call_done(c, &res);
}

void
store_cancel(struct store_op *op)
{
	struct store *s;

	if (!op || op->state == OP_FINISHED)
		return;
	s = op->call.store;
	store_gate_forget(op);
	if (op->state == OP_READY)
		DL_DELETE(s->queue->ready, op);
	else
		DL_DELETE(s->queue->live, op);
	if (op->state == OP_STARTED)
		s->ops->cancel(s, &op->call);
	op_free(op);
}

bool
store_etag(const char *s, char out[STORE_ETAG_MAX + 1])
{
	size_t n;

	if (*s == '"')
		s++;
	n = strlen(s);
	if (n && s[n - 1] == '"')
		n--;
	out[0] = '\0';
	if (n == 0 || n > STORE_ETAG_MAX)
		return false;
	for (size_t i = 0; i < n; i++) { /* it goes into headers and XML */
		if ((unsigned char)s[i] <= ' ' || strchr("\"<>&\x7f", s[i]))
			return false;
	}
	memcpy(out, s, n);
	out[n] = '\0';
	return true;
}
