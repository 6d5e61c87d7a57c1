/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/courier.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "bridge/journal.h"
#include "daemon/events.h"
#include "daemon/lifeline.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/work.h"

#define PART "courier"
#define BEAT_MS 1000
#define CHECKPOINT_MS 5000
#define PRUNE_MS 3600000		/* how often */
#define PRUNE_AFTER_MS (24LL * 3600000) /* how long ended rows are kept */
#define ATTRS_MAX 1000000		/* attribute rows kept */
#define MEDIA_MAX 100000		/* media rows kept */
#define PRUNES_MAX 1000			/* calls in a row: 500,000 rows */
#define SOUND_MS (24 * 3600000u)	/* how often the file is read through */
#define SOUND_FIRST (128 << 20) /* bytes that are read before all else */

struct courier;

/* The journal's file being read through, in the pool. */
struct reading {
	struct work work; /* first */
	struct courier *courier;
	char *path;
	enum err err;
};

struct courier {
	struct loop *loop;
	struct journal *journal;
	struct lifeline *line;
	const struct outbox_config *cfg;
	struct events *events;
	struct loop_timer *beat;
	uint64_t checkpoint_at, prune_at; /* clock_ms() */
	bool checkpointing;
	unsigned prunes; /* calls in a row; 0: none is under way */
	struct work_pool *pool;
	struct reading reading;
	bool sounding, ready;
	uint64_t sound_at; /* clock_ms() */
	int code;
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
	int64_t now = clock_wall_ms();
	struct journal_ages ages = {
		.before_ms = now - PRUNE_AFTER_MS,
		.events_ms = now - (int64_t)c->cfg->keep_ms,
		.dead_ms = now - (int64_t)c->cfg->keep_dead_ms,
		.attrs_max = ATTRS_MAX,
		.media_max = MEDIA_MAX
	};

	c->prunes++;
	journal_prune(c->journal, &ages, prune_done, c);
}

/*
 * Damage in one page is found by whoever comes to it, perhaps in weeks; a
 * daemon that starts on a damaged journal makes it worse.
 */
static void
sound_run(struct work *w)
{
	struct reading *r = (struct reading *)w;

	r->err = journal_sound(r->path);
}

static void
sound_done(struct work *w)
{
	struct courier *c = ((struct reading *)w)->courier;
	bool damaged = c->reading.err == ERR_CORRUPT;

	c->sounding = false;
	c->sound_at = clock_ms() + SOUND_MS;
	if (c->reading.err)
		LOG_AT(damaged ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, PART, NULL,
		       damaged ? "journal_damaged" : "journal_unread",
		       KV_S("file", c->reading.path), KV_ERR(c->reading.err));
	if (c->ready)
		return;
	if (damaged) {
		c->code = 1;
		loop_stop(c->loop);
		return;
	}
	c->ready = true;
	lifeline_ready(c->line);
}

static void
sound_start(struct courier *c)
{
	c->sounding = true;
	c->reading.work.run = sound_run;
	c->reading.work.done = sound_done;
	c->reading.courier = c;
	work_submit(c->pool, &c->reading.work);
}

/* A large one is read while work goes on. */
static void
sound_first(struct courier *c)
{
	struct stat st;

	sound_start(c);
	if (stat(c->reading.path, &st) == 0 && st.st_size <= SOUND_FIRST)
		return;
	c->ready = true;
	lifeline_ready(c->line);
}

static void
on_beat(void *arg)
{
	struct courier *c = arg;
	uint64_t now = clock_ms();

	loop_timer_set(c->beat, BEAT_MS);
	if (!c->ready)
		return;
	lifeline_beat(c->line);
	if (!c->sounding && now >= c->sound_at)
		sound_start(c);
	if (!c->checkpointing && now >= c->checkpoint_at) {
		c->checkpointing = true;
		journal_checkpoint(c->journal, checkpoint_done, c);
	}
	if (c->prunes == 0 && now >= c->prune_at)
		prune(c);
}

static void
on_stopped(void *arg)
{
	struct courier *c = arg;

	loop_stop(c->loop);
}

/* What is just being delivered is waited for, so that it need not be again. */
static void
on_order(void *arg, enum child_order order)
{
	struct courier *c = arg;

	if (order < CHILD_PARK && c->events)
		events_stop(c->events, on_stopped, c);
	else
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
	enum err err;

	/* Logged; what SQLite makes of it is sound, if older. */
	journal_log_check(path, lock);
	err = journal_open(&c->journal, &cfg);

	free(path);
	free(lock);
	return err;
}

int
courier_run(const struct settings *s, int fd)
{
	struct courier c = { .cfg = &s->events };

	c.loop = loop_new();
	c.line = lifeline_new(c.loop, fd, on_order, &c);
	c.beat = loop_timer_new(c.loop, on_beat, &c);
	if (journal_start(&c, &s->bridge) != ERR_OK) {
		log_error(PART, NULL, "journal",
			  KV_S("folder", s->bridge.state_dir));
		return 1;
	}
	c.pool = work_pool_new(c.loop, 1);
	c.reading.path = mem_printf("%s/journal.db", s->bridge.state_dir);
	sound_first(&c);
	on_beat(&c);
	c.events = events_new(c.loop, c.journal, s);
	loop_run(c.loop);
	events_free(c.events);
	work_pool_free(c.pool);
	journal_forget(c.journal, &c);
	journal_close(c.journal);
	loop_timer_free(c.beat);
	lifeline_free(c.line);
	loop_turn(c.loop, 0); /* what was posted to it frees itself */
	loop_free(c.loop);
	free(c.reading.path);
	return c.code;
}
