/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/outbox_private.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define PROBER "*probe" /* no sink can be called so */
#define PROBE_RETRY_MS (3600u * 1000)

uint64_t
outbox_clock(const struct outbox *o)
{
	return o->env.clock ? o->env.clock() : clock_ms();
}

int64_t
outbox_wall(const struct outbox *o)
{
	return o->env.wall ? o->env.wall() : clock_wall_ms();
}

/* News. */

static struct lane *
lane_named(struct outbox *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->nlanes; i++)
		if (strcmp(o->lanes[i].cfg->name, name) == 0)
			return &o->lanes[i];
	return NULL;
}

static void
take_rows(struct outbox *o, const struct journal_reply *r)
{
	struct lane *l;
	size_t i;

	for (i = 0; i < r->n; i++) {
		l = lane_named(o, r->sinks[i].name);
		if (l)
			lane_take_row(l, &r->sinks[i]);
	}
	o->rows_wanted = false;
	o->touched = r->touched;
}

static void
on_news(void *arg, const struct journal_reply *r)
{
	struct outbox *o = arg;
	size_t i;

	o->asking = false;
	if (r->err) {
		o->ask_until = outbox_clock(o) + JOURNAL_AGAIN_MS;
		return;
	}
	o->newest = r->newest;
	if (o->rows_wanted && r->sinks)
		take_rows(o, r);
	else if (r->touched != o->touched)
		o->rows_wanted = true;
	for (i = 0; i < o->nlanes; i++)
		lane_step(&o->lanes[i]);
}

/* A sink that could not be opened: its row says so. */
static void
record_closed(struct outbox *o)
{
	struct journal_settle s = { .set_state = true,
				    .state = JOURNAL_SINK_DOWN,
				    .reason = "it could not be opened; see "
					      "the log",
				    .now = outbox_wall(o) };
	size_t i;

	for (i = 0; i < o->cfg->nsinks; i++) {
		s.sink = o->cfg->sinks[i].name;
		if (!lane_named(o, s.sink))
			journal_settle(o->env.journal, &s, NULL, NULL);
	}
}

static void
on_declared(void *arg, const struct journal_reply *r)
{
	struct outbox *o = arg;

	o->asking = false;
	if (r->err) {
		o->ask_until = outbox_clock(o) + JOURNAL_AGAIN_MS;
		return;
	}
	o->declared = o->rows_wanted = true;
	record_closed(o);
	outbox_poke(o);
}

static void
declare(struct outbox *o)
{
	const struct outbox_config *cfg = o->cfg;
	const char *names[OUTBOX_SINKS_MAX + 1];
	bool start[OUTBOX_SINKS_MAX + 1] = { false };
	size_t n;

	for (n = 0; n < cfg->nsinks; n++) {
		names[n] = cfg->sinks[n].name;
		start[n] = cfg->sinks[n].from_start;
	}
	if (o->prober)
		names[n++] = PROBER;
	journal_sinks_declare(o->env.journal, names, start, n, on_declared, o);
}

static void
ask_news(struct outbox *o)
{
	if (o->asking || outbox_clock(o) < o->ask_until)
		return;
	o->asking = true;
	if (!o->declared)
		declare(o);
	else
		journal_sinks(o->env.journal,
			      o->rows_wanted ? SINKS_ROWS : SINKS_NEWS, on_news,
			      o);
}

static void
lane_tick(struct lane *l)
{
	if (l->state == LANE_DOWN && outbox_clock(l->o) >= l->down_until) {
		l->state = LANE_ON;
		l->trial = true;
	}
	media_timeouts(l);
	lane_flush(l);
	lane_step(l);
}

void
outbox_poke(struct outbox *o)
{
	size_t i;

	for (i = 0; i < o->nlanes; i++)
		lane_tick(&o->lanes[i]);
	ask_news(o);
}

static void
on_timer(void *arg)
{
	struct outbox *o = arg;

	loop_timer_set(o->timer, POLL_MS);
	outbox_poke(o);
}

/* Life. */

static void
lane_init(struct outbox *o, const struct outbox_sink_config *cfg,
	  struct sink *sink)
{
	struct lane *l = &o->lanes[o->nlanes++];

	l->o = o;
	l->cfg = cfg;
	l->sink = sink;
	l->concurrency = sink_concurrency(sink);
}

struct outbox *
outbox_new(const struct outbox_env *env, struct sink **sinks,
	   struct sink *prober)
{
	struct outbox *o = mem_alloc(sizeof(*o));
	size_t i;

	o->env = *env;
	o->cfg = env->config;
	o->lanes = mem_array(o->cfg->nsinks + 1, sizeof(*o->lanes));
	for (i = 0; i < o->cfg->nsinks; i++)
		if (sinks[i])
			lane_init(o, &o->cfg->sinks[i], sinks[i]);
	if (prober) {
		o->prober_cfg.name = mem_strdup(PROBER);
		o->prober_cfg.users = mem_alloc(sizeof(char *));
		o->prober_cfg.paths = mem_alloc(sizeof(char *));
		o->prober_cfg.kinds = 1u << OUTBOX_PUBLISHED;
		o->prober_cfg.retry_for_ms = PROBE_RETRY_MS;
		o->prober_cfg.quiet = true;
		o->prober = &o->lanes[o->nlanes];
		lane_init(o, &o->prober_cfg, prober);
	}
	o->timer = loop_timer_new(o->env.loop, on_timer, o);
	on_timer(o);
	return o;
}

unsigned
outbox_stop(struct outbox *o)
{
	unsigned flying = 0;
	size_t i;

	o->stopping = true;
	for (i = 0; i < o->nlanes; i++)
		flying += o->lanes[i].nflying;
	return flying;
}

void
outbox_free(struct outbox *o)
{
	size_t i;

	if (!o)
		return;
	journal_forget(o->env.journal, o);
	for (i = 0; i < o->nlanes; i++)
		lane_close(&o->lanes[i]);
	loop_timer_free(o->timer);
	free(o->prober_cfg.name);
	free(o->prober_cfg.users);
	free(o->prober_cfg.paths);
	free(o->lanes);
	free(o);
}

static bool
lane_idle(const struct lane *l)
{
	return l->state == LANE_ON && !l->load_wanted && !l->loading &&
	       !l->reading && !l->flush_busy && !l->due_busy && !l->first &&
	       l->npending == 0 && l->ndue == 0 && l->due_at == 0 &&
	       l->done_seq <= l->cursor && l->read_seq >= l->o->newest;
}

bool
outbox_idle(const struct outbox *o)
{
	size_t i;

	for (i = 0; i < o->nlanes; i++)
		if (!lane_idle(&o->lanes[i]))
			return false;
	return o->declared && !o->asking;
}
