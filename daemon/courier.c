/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/courier.h"

#include <stdlib.h>

#include "bridge/journal.h"
#include "daemon/lifeline.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#define PART "courier"
#define BEAT_MS 1000
#define CHECKPOINT_MS 5000
#define PRUNE_MS 3600000		/* how often */
#define PRUNE_AFTER_MS (24LL * 3600000) /* how long ended rows are kept */
#define ATTRS_MAX 1000000		/* attribute rows kept */
#define PRUNES_MAX 1000			/* calls in a row: 500,000 rows */

struct courier {
	struct loop *loop;
	struct journal *journal;
	struct lifeline *line;
	struct loop_timer *beat;
	uint64_t checkpoint_at, prune_at; /* clock_ms() */
	bool checkpointing;
	unsigned prunes; /* calls in a row; 0: none is under way */
};

static void
checkpoint_done(void *arg, const struct journal_reply *r)
{
	struct courier *c = arg;

	c->checkpointing = false;
	c->checkpoint_at = clock_ms() + CHECKPOINT_MS;
	if (r->err)
		log_warn(PART, NULL, "checkpoint", KV_ERR(r->err));
}

static void prune(struct courier *c);

/* A few hundred rows at a time, so that commits get in between. */
static void
prune_done(void *arg, const struct journal_reply *r)
{
	struct courier *c = arg;

	if (r->err)
		log_warn(PART, NULL, "prune", KV_ERR(r->err));
	if (!r->err && r->more && c->prunes < PRUNES_MAX) {
		prune(c);
		return;
	}
	if (c->prunes > 1)
		log_info(PART, NULL, "pruned", KV_U("calls", c->prunes));
	c->prunes = 0;
	c->prune_at = clock_ms() + PRUNE_MS;
}

static void
prune(struct courier *c)
{
	c->prunes++;
	journal_prune(c->journal, clock_wall_ms() - PRUNE_AFTER_MS, ATTRS_MAX,
		      prune_done, c);
}

static void
on_beat(void *arg)
{
	struct courier *c = arg;
	uint64_t now = clock_ms();

	lifeline_beat(c->line);
	if (!c->checkpointing && now >= c->checkpoint_at) {
		c->checkpointing = true;
		journal_checkpoint(c->journal, checkpoint_done, c);
	}
	if (c->prunes == 0 && now >= c->prune_at)
		prune(c);
	loop_timer_set(c->beat, BEAT_MS);
}

static void
on_order(void *arg, enum child_order order)
{
	struct courier *c = arg;

	(void)order;
	loop_stop(c->loop);
}

static enum err
journal_start(struct courier *c, const struct bridge_config *b)
{
	char *path = mem_printf("%s/journal.db", b->state_dir);
	char *lock = mem_printf("%s/journal.lock", b->state_dir);
	struct journal_config cfg = {
		.path = path,
		.lock_path = lock,
		.loop = c->loop,
	};
	enum err err = journal_open(&c->journal, &cfg);

	free(path);
	free(lock);
	return err;
}

int
courier_run(const struct settings *s, int fd)
{
	struct courier c = { .journal = NULL };

	c.loop = loop_new();
	c.line = lifeline_new(c.loop, fd, on_order, &c);
	c.beat = loop_timer_new(c.loop, on_beat, &c);
	if (journal_start(&c, &s->bridge) != ERR_OK) {
		log_error(PART, NULL, "journal",
			  KV_S("folder", s->bridge.state_dir));
		return 1;
	}
	lifeline_ready(c.line);
	on_beat(&c);
	loop_run(c.loop);
	journal_forget(c.journal, &c);
	journal_close(c.journal);
	loop_timer_free(c.beat);
	lifeline_free(c.line);
	loop_free(c.loop);
	return 0;
}
