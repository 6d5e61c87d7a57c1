/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/probe.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "bridge/probe_private.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

static const char *const status_names[] = { "ok", "failed", "superseded",
					    "unavailable" };

const char *
probe_status_name(enum probe_status status)
{
	return status_names[status];
}

void
probe_enter(struct probe *b, enum probe_state state)
{
	static const char *const names[] = { "waiting", "looking", "storing",
					     "done" };

	log_debug(PROBE_PART, NULL, "state", KV_S("key", b->key),
		  KV_S("from", names[b->state]), KV_S("to", names[state]));
	b->state = state;
}

/* Nothing of it runs any more but, perhaps, a dying child. */
static void
probe_free(struct probe *b)
{
	struct prober *p = b->prober;

	if (b->state == PROBE_WAITING)
		DL_DELETE(p->waiting, b);
	else
		DL_DELETE(p->live, b);
	probe_child_kill(b->child);
	store_cancel(b->op);
	loop_timer_free(b->timer);
	free(b->result);
	free(b->thumb);
	free(b);
}

void
probe_complete(struct probe *b, struct probe_result *r)
{
	probe_done_fn *fn = b->fn;
	void *arg = b->arg;

	r->bytes = b->bytes;
	r->requests = b->requests;
	r->ms = (unsigned)(clock_ms() - b->began_ms);
	LOG_AT(r->status == PROBE_OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	       PROBE_PART, NULL, "probed", KV_S("store", store_name(b->store)),
	       KV_S("key", b->key),
	       KV_S("status", probe_status_name(r->status)),
	       KV_S("reason", r->reason), KV_U("bytes", r->bytes),
	       KV_U("requests", r->requests), KV_U("ms", r->ms));
	probe_enter(b, PROBE_DONE);
	probe_free(b);
	fn(arg, r);
}

static void
end_without(struct probe *b, enum probe_status status, const char *reason)
{
	struct probe_result r = { .status = status, .reason = reason };
	json_t *o = json_pack("{s:s, s:s}", "status", probe_status_name(status),
			      "reason", reason);
	char *text = json_dumps(o, JSON_COMPACT);

	r.json = text ? text : "{}";
	r.len = strlen(r.json);
	probe_complete(b, &r);
	json_decref(o);
	free(text);
}

/*
 * What fails once the result is there fails for the thumbnail alone, unless
 * the result is of an object that is no more.
 */
void
probe_fail(struct probe *b, enum probe_status status, const char *reason)
{
	probe_child_kill(b->child);
	b->child = NULL;
	store_cancel(b->op);
	b->op = NULL;
	if (!b->result || status == PROBE_SUPERSEDED) {
		end_without(b, status, reason);
		return;
	}
	log_warn(PROBE_PART, NULL, "no_thumbnail", KV_S("key", b->key),
		 KV_S("why", reason));
	free(b->thumb);
	b->thumb = NULL;
	probe_settle(b);
}

static void
on_timeout(void *arg)
{
	probe_fail(arg, PROBE_FAILED, "it took longer than allowed");
}

/* There is nothing in it to look at. */
static void
end_empty(struct probe *b)
{
	struct probe_result r = { .status = PROBE_OK, .reason = "" };

	r.json = "{\"status\":\"ok\",\"mime\":\"inode/x-empty\"}";
	r.len = strlen(r.json);
	probe_complete(b, &r);
}

static void
begin(struct probe *b)
{
	struct prober *p = b->prober;

	DL_DELETE(p->waiting, b);
	DL_APPEND(p->live, b);
	probe_enter(b, PROBE_LOOKING);
	b->began_ms = clock_ms();
	if (b->size == 0) {
		end_empty(b);
		return;
	}
	loop_timer_set(b->timer, p->cfg->timeout_ms);
	probe_look(b);
}

/* A completion may start probes, which kicks again. */
static void
kicked(void *arg)
{
	struct prober *p = arg;

	p->kicked = false;
	if (p->freed) {
		free(p);
		return;
	}
	while (p->waiting && p->running < p->cfg->concurrency && !p->kicked)
		begin(p->waiting);
}

void
prober_kick(struct prober *p)
{
	if (p->kicked || !p->waiting)
		return;
	p->kicked = true;
	loop_post(p->loop, &p->kick);
}

struct prober *
prober_new(struct loop *loop, const struct probe_config *cfg)
{
	struct prober *p = mem_alloc(sizeof(*p));

	p->loop = loop;
	p->cfg = cfg;
	p->kick.fn = kicked;
	p->kick.arg = p;
	return p;
}

static void
all_cancel(struct probe *list)
{
	struct probe *b, *next;

	DL_FOREACH_SAFE (list, b, next)
		probe_free(b);
}

void
prober_free(struct prober *p)
{
	if (!p)
		return;
	all_cancel(p->waiting);
	all_cancel(p->live);
	probe_children_free(p);
	p->freed = true;
	if (!p->kicked)
		free(p);
}

unsigned
prober_running(const struct prober *p)
{
	return p->running;
}

struct probe *
probe_start(struct prober *p, const struct probe_object *o, probe_done_fn *fn,
	    void *arg)
{
	struct probe *b = mem_alloc(sizeof(*b));

	b->prober = p;
	b->store = o->store;
	str_copy(b->key, sizeof(b->key), o->key);
	str_copy(b->etag, sizeof(b->etag), o->etag ? o->etag : "");
	b->size = o->size;
	b->fn = fn;
	b->arg = arg;
	b->timer = loop_timer_new(p->loop, on_timeout, b);
	DL_APPEND(p->waiting, b);
	prober_kick(p);
	return b;
}

void
probe_cancel(struct probe *b)
{
	if (b)
		probe_free(b);
}
