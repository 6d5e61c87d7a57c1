/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <unistd.h>

#include "daemon/master_private.h"
#include "lib/clock.h"

static const char *
state_text(enum master_state s)
{
	switch (s) {
	case MASTER_STARTING:
	case MASTER_RUNNING:
		return "running";
	case MASTER_RELOADING:
		return "reloading";
	case MASTER_DRAINING:
		return "draining";
	case MASTER_STOPPING:
		return "stopping";
	}
	return "running";
}

static json_t *
listeners_json(const struct serving *s)
{
	json_t *all = json_array();
	size_t i;

	for (i = 0; i < s->nlisteners; i++) {
		const struct listener *l = s->listeners[i];

		json_array_append_new(
			all,
			json_pack("{s:s, s:s}", "protocol",
				  listener_protocol_name(listener_protocol(l)),
				  "address", listener_address(l)));
	}
	return all;
}

/* Bit i: a worker of this generation gets no answers from the i-th store. */
static uint32_t
stores_down(const struct master *m)
{
	struct ledger_worker w;
	const struct child *c;
	uint32_t down = 0;
	size_t i = 0;

	while ((c = children_next(m->children, &i))) {
		if (c->kind != CHILD_WORKER || c->pid <= 0 ||
		    c->generation != m->now.generation)
			continue;
		ledger_worker(m->ledger, c->slot, &w);
		down |= w.stores_down;
	}
	return down;
}

static const char *
store_text(const struct store_state *st, bool down)
{
	if (down)
		return "down";
	return st->err ? "unknown" : "ok";
}

static json_t *
stores_json(const struct master *m, const struct serving *s)
{
	uint32_t down = stores_down(m);
	json_t *all = json_array();
	size_t i;

	for (i = 0; i < s->nstores; i++) {
		const struct store_state *st = &s->stores[i];

		json_array_append_new(
			all, json_pack("{s:s, s:s, s:s}", "name", st->name,
				       "kind", st->kind, "state",
				       store_text(st, down >> i & 1)));
	}
	return all;
}

static json_t *
serving_json(const struct ledger_worker *w)
{
	if (w->session[0] == '\0')
		return json_null();
	return json_pack("{s:s, s:s}", "session", w->session, "user", w->user);
}

static json_t *
worker_json(const struct master *m, const struct child *c)
{
	struct ledger_worker w = { .pid = 0 };
	json_t *o;

	ledger_worker(m->ledger, c->slot, &w);
	o = json_pack("{s:i, s:i, s:i, s:b, s:I}", "slot", c->slot, "pid",
		      (int)c->pid, "generation", (int)c->generation, "draining",
		      c->order != CHILD_STAYS || w.draining, "beat_age_ms",
		      (json_int_t)ledger_beat_age_ms(m->ledger, c->slot));
	json_object_set_new(o, "connections", json_integer(w.connections));
	json_object_set_new(o, "sessions", json_integer(w.sessions));
	json_object_set_new(o, "uploads", json_integer(w.uploads));
	json_object_set_new(o, "spool_bytes",
			    json_integer((json_int_t)w.spool_bytes));
	json_object_set_new(o, "received_bytes",
			    json_integer((json_int_t)w.received_bytes));
	json_object_set_new(o, "stored_bytes",
			    json_integer((json_int_t)w.stored_bytes));
	json_object_set_new(o, "published",
			    json_integer((json_int_t)w.published));
	json_object_set_new(o, "failed", json_integer((json_int_t)w.failed));
	json_object_set_new(o, "serving", serving_json(&w));
	return o;
}

static json_t *
workers_json(const struct master *m)
{
	json_t *all = json_array();
	const struct child *c;
	size_t i = 0;

	while ((c = children_next(m->children, &i))) {
		if (c->kind == CHILD_WORKER && c->pid > 0)
			json_array_append_new(all, worker_json(m, c));
	}
	return all;
}

static json_t *
courier_json(const struct master *m)
{
	const struct child *c;
	size_t i = 0;

	while ((c = children_next(m->children, &i))) {
		if (c->kind == CHILD_COURIER && c->pid > 0 &&
		    c->order == CHILD_STAYS)
			return json_pack("{s:i, s:I}", "pid", (int)c->pid,
					 "beat_age_ms",
					 (json_int_t)(clock_ms() - c->beat));
	}
	return json_null();
}

char *
master_status(const struct master *m)
{
	const struct settings *s =
		m->now.settings ? m->now.settings : m->up.next.settings;
	char since[32];
	json_t *o;
	char *text;

	clock_rfc3339(m->started_wall, since, sizeof(since));
	o = json_pack("{s:s, s:i, s:s, s:s, s:s, s:I, s:s, s:i}", "version",
		      SLUICE_VERSION, "pid", (int)getpid(), "node",
		      s->bridge.node, "config", s->path, "started_at", since,
		      "uptime_ms", (json_int_t)(clock_ms() - m->started),
		      "state", state_text(m->state), "generation",
		      (int)m->now.generation);
	json_object_set_new(o, "listeners", listeners_json(&m->now));
	json_object_set_new(o, "spool",
			    json_pack("{s:I, s:I}", "used",
				      (json_int_t)ledger_spool_used(m->ledger),
				      "max", (json_int_t)s->bridge.spool_max));
	json_object_set_new(o, "stores", stores_json(m, &m->now));
	json_object_set_new(o, "courier", courier_json(m));
	json_object_set_new(o, "workers", workers_json(m));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}
