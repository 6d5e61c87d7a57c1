/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/outbox_world.h"

uint64_t world_now = 1000000;

static uint64_t
world_clock(void)
{
	return world_now;
}

static int64_t
world_wall(void)
{
	return (int64_t)world_now;
}

/* The sink. */

static void
fake_send(struct sink *s, const struct sink_event *e, sink_done_fn *fn,
	  void *arg)
{
	struct fake_sink *f = (struct fake_sink *)s;
	struct seen *seen = &f->seen[f->n++];

	assert_true(f->n < FAKE_SENDS);
	memset(seen, 0, sizeof(*seen));
	str_copy(seen->id, sizeof(seen->id), e->id);
	str_copy(seen->key, sizeof(seen->key), e->partitionkey);
	seen->json = mem_strndup(e->json, e->json_len);
	seen->fn = fn;
	seen->arg = arg;
	f->open++;
	if (f->open > f->most)
		f->most = f->open;
	assert_true(f->open <= f->base.concurrency);
}

static void
fake_forget(struct sink *s, void *arg)
{
	struct fake_sink *f = (struct fake_sink *)s;
	size_t i;

	for (i = 0; i < f->n; i++) {
		if (f->seen[i].answered || f->seen[i].arg != arg)
			continue;
		f->seen[i].answered = true;
		f->seen[i].outcome = SINK_DOWN;
		f->open--;
	}
}

static void
fake_close(struct sink *s)
{
	((struct fake_sink *)s)->closed = true;
}

static const struct sink_ops fake_ops = {
	.type = "fake",
	.send = fake_send,
	.forget = fake_forget,
	.close = fake_close,
};

struct fake_sink *
fake_sink_new(unsigned concurrency)
{
	struct fake_sink *f = mem_alloc(sizeof(*f));

	f->base.ops = &fake_ops;
	f->base.concurrency = concurrency;
	return f;
}

void
fake_sink_reset(struct fake_sink *f)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		free(f->seen[i].json);
	f->n = 0;
}

void
fake_sink_free(struct fake_sink *f)
{
	if (f)
		fake_sink_reset(f);
	free(f);
}

void
fake_sink_answer(struct fake_sink *f)
{
	size_t i, n = f->n;
	struct sink_result r;
	int outcome;

	for (i = 0; i < n; i++) {
		struct seen *s = &f->seen[i];

		if (s->answered)
			continue;
		outcome = f->script ? f->script(f, s) : SINK_DELIVERED;
		if (outcome < 0)
			continue;
		s->answered = true;
		s->outcome = (enum sink_outcome)outcome;
		f->open--;
		r = (struct sink_result){ .outcome = s->outcome,
					  .retry_after_ms = f->retry_after_ms,
					  .reason = outcome ? "scripted" : "" };
		s->fn(s->arg, &r);
	}
}

size_t
fake_sink_count(const struct fake_sink *f, enum sink_outcome outcome)
{
	size_t i, n = 0;

	for (i = 0; i < f->n; i++)
		n += f->seen[i].answered && f->seen[i].outcome == outcome;
	return n;
}

/* The world. */

struct outbox_world *
outbox_world_new(void)
{
	struct outbox_world *o = mem_alloc(sizeof(*o));

	o->w = world_new();
	assert_int_equal(try_open(o->w), ERR_OK);
	o->cfg.source = "urn:test";
	o->cfg.type_prefix = "io.sluice";
	o->cfg.wait_ms = 60000;
	return o;
}

struct fake_sink *
outbox_world_sink(struct outbox_world *o, const char *name,
		  unsigned concurrency)
{
	static char *none[1];
	struct outbox_sink_config *s = &o->cfg.sinks[o->cfg.nsinks];

	s->name = (char *)name;
	s->users = s->paths = none;
	s->kinds = ~0u;
	s->retry_for_ms = 3 * 86400 * 1000;
	s->from_start = true;
	strcpy(s->digest, "first");
	o->sinks[o->cfg.nsinks] = fake_sink_new(concurrency);
	return o->sinks[o->cfg.nsinks++];
}

void
outbox_world_open(struct outbox_world *o)
{
	struct outbox_env env = { .loop = o->w->loop,
				  .journal = o->w->journal,
				  .config = &o->cfg,
				  .stores = &o->store,
				  .nstores = o->store ? 1 : 0,
				  .clock = world_clock,
				  .wall = world_wall };
	struct sink *sinks[4];
	size_t i;

	for (i = 0; i < o->cfg.nsinks; i++)
		sinks[i] = (struct sink *)o->sinks[i];
	o->outbox = outbox_new(&env, sinks, (struct sink *)o->prober);
}

void
outbox_world_close(struct outbox_world *o)
{
	outbox_free(o->outbox);
	o->outbox = NULL;
	reopen(o->w);
}

static void
on_sync(void *arg, const struct journal_reply *r)
{
	(void)r;
	*(bool *)arg = true;
}

/* The journal answers in the order of the calls, so all others have theirs. */
static void
sync_journal(struct world *w)
{
	bool done = false;

	journal_sinks(w->journal, SINKS_NEWS, on_sync, &done);
	while (!done)
		loop_turn(w->loop, 1000);
}

void
outbox_world_run(struct outbox_world *o, unsigned ms_step, unsigned turns)
{
	size_t i;

	for (; turns > 0; turns--) {
		world_now += ms_step;
		outbox_poke(o->outbox);
		sync_journal(o->w);
		for (i = 0; i < o->cfg.nsinks; i++)
			if (o->sinks[i])
				fake_sink_answer(o->sinks[i]);
		if (o->prober)
			fake_sink_answer(o->prober);
		if (outbox_idle(o->outbox))
			return;
	}
}

void
outbox_world_free(struct outbox_world *o)
{
	struct world *w = o->w;
	void *state = w;
	size_t i;

	outbox_free(o->outbox);
	for (i = 0; i < o->cfg.nsinks; i++)
		fake_sink_free(o->sinks[i]);
	fake_sink_free(o->prober);
	free(o);
	teardown(&state);
}

void
put_event(struct world *w, const char *kind, const char *key, char *out)
{
	struct journal_upload u = *row(key);
	struct journal_event e = event(kind);
	struct journal_tx tx = { .event = &e, .event_upload = u.id };
	char *body = mem_printf("{\"id\":\"%s\",\"type\":\"%s\",\"time\":"
				"\"2026-01-01T00:00:00.000Z\",\"upload\":\"%s\""
				",\"user\":\"ann\",\"store\":\"main\","
				"\"key\":\"%s\",\"path\":\"/%s\",\"size\":3}",
				e.id, kind, u.id, key, key);

	e.body = body;
	assert_int_equal(commit(w, &tx), ERR_OK);
	if (out)
		strcpy(out, e.id);
	free(body);
}
