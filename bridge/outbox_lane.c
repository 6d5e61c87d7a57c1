/* SPDX-License-Identifier: Apache-2.0 */
/* A lane as a whole: whether its sink is there, and what it reads next. */
#include <stdlib.h>
#include <string.h>

#include "bridge/outbox_private.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* State. */

static void
record_state(struct lane *l, const char *reason)
{
	static const enum journal_sink_state states[] = {
		[LANE_NEW] = JOURNAL_SINK_ON,
		[LANE_ON] = JOURNAL_SINK_ON,
		[LANE_DOWN] = JOURNAL_SINK_DOWN,
		[LANE_DISABLED] = JOURNAL_SINK_DISABLED,
	};
	struct journal_settle s = { .sink = l->cfg->name,
				    .set_state = true,
				    .state = states[l->state],
				    .reason = reason,
				    .config = l->cfg->digest,
				    .now = outbox_wall(l->o) };

	journal_settle(l->o->env.journal, &s, NULL, NULL);
	l->told_down = l->state != LANE_ON;
}

void
lane_good(struct lane *l)
{
	l->failures = 0;
	l->downs = 0;
	l->trial = false;
	if (!l->told_down || l->state == LANE_DISABLED)
		return;
	l->state = LANE_ON;
	log_info("outbox", NULL, "sink_up", KV_S("sink", l->cfg->name));
	record_state(l, "");
}

void
lane_down(struct lane *l, const char *reason)
{
	unsigned wait;

	if (l->state != LANE_ON)
		return;
	l->state = LANE_DOWN;
	l->trial = false;
	wait = clock_backoff(l->downs++, DOWN_BASE_MS, DOWN_CAP_MS);
	l->down_until = outbox_clock(l->o) + DOWN_BASE_MS / 2 + wait;
	if (l->told_down)
		return;
	log_warn("outbox", NULL, "sink_down", KV_S("sink", l->cfg->name),
		 KV_S("why", reason));
	record_state(l, reason);
}

void
lane_bad(struct lane *l, const char *reason)
{
	l->failures++;
	if (l->trial || l->failures >= FAILURES_DOWN)
		lane_down(l, reason);
}

void
lane_disable(struct lane *l, const char *reason)
{
	if (l->state == LANE_DISABLED)
		return;
	l->state = LANE_DISABLED;
	log_error("outbox", NULL, "sink_disabled", KV_S("sink", l->cfg->name),
		  KV_S("why", reason),
		  KV_S("do", "sluicectl sinks enable, or change its section"));
	record_state(l, reason);
}

static void
begin(struct lane *l, const struct journal_sink *row)
{
	l->cursor = l->done_seq = l->read_seq = row->cursor;
	l->state = LANE_ON;
	l->load_wanted = true;
	l->told_down = row->state != JOURNAL_SINK_ON;
	if (row->state != JOURNAL_SINK_DISABLED)
		return;
	if (strcmp(row->config, l->cfg->digest) == 0)
		l->state = LANE_DISABLED;
	else
		record_state(l, "");
}

void
lane_take_row(struct lane *l, const struct journal_sink *row)
{
	if (l->state == LANE_NEW) {
		begin(l, row);
		return;
	}
	/* Touched by an operator. */
	l->load_wanted = true;
	if (row->state == JOURNAL_SINK_DISABLED)
		return;
	if (l->state == LANE_DISABLED)
		log_info("outbox", NULL, "sink_enabled",
			 KV_S("sink", l->cfg->name));
	l->state = LANE_ON;
	l->downs = 0;
}

/* Reading. */

static void
read_done(void *arg, const struct journal_reply *r)
{
	struct lane *l = arg;
	size_t i;

	l->reading = false;
	if (r->err) {
		l->journal_until = outbox_clock(l->o) + JOURNAL_AGAIN_MS;
		return;
	}
	for (i = 0; i < r->n; i++)
		lane_take_event(l, &r->events[i]);
	lane_step(l);
}

static bool
has_room(const struct lane *l)
{
	return l->nitems + l->unflushed + PAGE_EVENTS <= WINDOW_EVENTS &&
	       l->bytes < WINDOW_BYTES / l->o->nlanes &&
	       l->keys.rows < ROWS_MAX;
}

static void
read_more(struct lane *l)
{
	struct journal_event_query q = { .which = EVENTS_AFTER,
					 .sink = l->cfg->name,
					 .after = l->read_seq,
					 .max = PAGE_EVENTS };

	if (l->reading || l->read_seq >= l->o->newest || !has_room(l))
		return;
	l->reading = true;
	journal_events(l->o->env.journal, &q, read_done, l);
}

static void
due_done(void *arg, const struct journal_reply *r)
{
	struct lane *l = arg;
	size_t i;

	l->due_busy = false;
	if (r->err) {
		l->journal_until = outbox_clock(l->o) + JOURNAL_AGAIN_MS;
		return;
	}
	l->due_at = r->next_at == JOURNAL_BEHIND ? 0 : r->next_at;
	if (r->more)
		l->due_at = outbox_wall(l->o);
	for (i = 0; i < r->n; i++)
		lane_take_due(l, &r->events[i]);
	lane_step(l);
}

/*
 * Rows are read only when none is under way and all changes are written, so
 * that none is read as it was before.
 */
static void
read_due(struct lane *l)
{
	int64_t now = outbox_wall(l->o);
	struct journal_event_query q = { .which = EVENTS_DUE,
					 .sink = l->cfg->name,
					 .now = now,
					 .max = DUE_MAX };

	if (l->due_busy || l->due_at == 0 || l->due_at > now || l->ndue > 0 ||
	    l->npending > 0 || l->flush_busy)
		return;
	l->due_busy = true;
	l->due_at = 0;
	journal_events(l->o->env.journal, &q, due_done, l);
}

void
lane_step(struct lane *l)
{
	if (l->state == LANE_NEW || l->loading)
		return;
	if (l->unflushed >= FLUSH_EVENTS || l->npending >= FLUSH_EVENTS)
		lane_flush(l);
	if (outbox_clock(l->o) < l->journal_until)
		return;
	if (l->load_wanted) {
		/* What is just being written would count twice or not. */
		if (!l->flush_busy && !l->due_busy)
			lane_load(l);
		return;
	}
	if (l->state != LANE_ON)
		return;
	lane_send(l);
	read_due(l);
	read_more(l);
}

static void
end_item(struct item *it)
{
	struct lane *l = it->lane;

	if (it->state == ITEM_FLYING)
		sink_forget(l->sink, it);
	if (it->state == ITEM_FETCH)
		journal_forget(l->o->env.journal, it);
	store_cancel(it->op);
	item_free(it);
}

static void
free_rows(struct item_list *list)
{
	struct item *it, *next;

	for (it = list->first; it; it = next) {
		next = it->list_next;
		if (it->delivery) {
			list_remove(list, it);
			end_item(it);
		}
	}
}

void
lane_close(struct lane *l)
{
	struct chain *c, *cnext;
	struct item *it;

	journal_forget(l->o->env.journal, l);
	if (l->state != LANE_NEW)
		lane_flush_last(l);
	free_rows(&l->ready);
	free_rows(&l->flying);
	free_rows(&l->fetching);
	while ((it = l->first)) {
		l->first = it->next;
		end_item(it);
	}
	HASH_ITER (hh, l->chains, c, cnext) {
		HASH_DEL(l->chains, c);
		free(c);
	}
	keyset_free(&l->keys);
	keyset_free(&l->loaded);
	free(l->pending);
	free(l->deltas);
	sink_close(l->sink);
}
