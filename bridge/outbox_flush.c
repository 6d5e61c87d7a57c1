/* SPDX-License-Identifier: Apache-2.0 */
/* How far a lane is, and what it owes, in the journal. */
#include <stdlib.h>
#include <string.h>

#include "bridge/outbox_private.h"
#include "lib/mem.h"

/* Settled ones leave the window at its front. */
static void
advance(struct lane *l)
{
	struct item *it;

	while ((it = l->first) && it->state == ITEM_SETTLED) {
		l->done_seq = it->seq;
		l->first = it->next;
		l->nitems--;
		l->unflushed++;
		item_free(it);
	}
	if (!l->first)
		l->last = NULL;
}

void
lane_settled(struct lane *l, struct item *it)
{
	it->state = ITEM_SETTLED;
	it->chain = NULL;
	outbox_event_free(&it->event);
	advance(l);
}

void
lane_change(struct lane *l, const struct journal_delivery *d, int delta)
{
	if (l->npending == l->pending_size) {
		l->pending_size = l->pending_size ? 2 * l->pending_size : 16;
		l->pending =
			mem_resize(l->pending, l->pending_size * sizeof(*d));
		l->deltas = mem_resize(l->deltas,
				       l->pending_size * sizeof(*l->deltas));
	}
	l->pending[l->npending] = *d;
	l->deltas[l->npending++] = delta;
	if (delta != 0)
		keyset_add(&l->keys, keyset_hash(d->key), delta);
}

static void
fill(struct lane *l, struct journal_settle *s)
{
	memset(s, 0, sizeof(*s));
	s->sink = l->cfg->name;
	s->changes = l->pending;
	s->n = l->npending;
	s->now = outbox_wall(l->o);
	if (s->n > JOURNAL_SETTLE_MAX)
		s->n = JOURNAL_SETTLE_MAX; /* and the cursor stays behind */
	else
		s->cursor = l->done_seq;
}

/* A row that went or died may have made another one due. */
static bool
frees_others(const struct journal_delivery *d, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (d[i].state != DELIVERY_WAITING)
			return true;
	return false;
}

/* The next time that what is written makes a row due; 0: never. */
static int64_t
first_due(const struct journal_delivery *d, size_t n, int64_t at)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (d[i].state == DELIVERY_WAITING &&
		    d[i].next_at != JOURNAL_BEHIND &&
		    (at == 0 || d[i].next_at < at))
			at = d[i].next_at;
	return at;
}

/* The first n changes of rows are in the journal. */
static void
drop_pending(struct lane *l, size_t n)
{
	l->npending -= n;
	if (l->npending == 0)
		return; /* there may be no array yet */
	memmove(l->pending, l->pending + n, l->npending * sizeof(*l->pending));
	memmove(l->deltas, l->deltas + n, l->npending * sizeof(*l->deltas));
}

static void
flush_done(void *arg, const struct journal_reply *r)
{
	struct lane *l = arg;
	size_t n = l->flush_rows;

	l->flush_busy = false;
	if (r->err) {
		l->journal_until = outbox_clock(l->o) + JOURNAL_AGAIN_MS;
		return;
	}
	if (frees_others(l->pending, n))
		l->due_at = outbox_wall(l->o);
	else
		l->due_at = first_due(l->pending, n, l->due_at);
	drop_pending(l, n);
	l->unflushed -= l->flush_events;
	if (l->flush_cursor > l->cursor)
		l->cursor = l->flush_cursor;
	lane_step(l);
}

void
lane_flush(struct lane *l)
{
	struct journal_settle s;

	if (l->flush_busy || l->loading ||
	    outbox_clock(l->o) < l->journal_until ||
	    (l->npending == 0 && l->done_seq <= l->cursor))
		return;
	fill(l, &s);
	l->flush_busy = true;
	l->flush_rows = s.n;
	l->flush_cursor = s.cursor;
	l->flush_events = s.cursor ? l->unflushed : 0;
	journal_settle(l->o->env.journal, &s, flush_done, l);
}

void
lane_flush_last(struct lane *l)
{
	struct journal_settle s;

	/* What is written twice is the same. */
	do {
		fill(l, &s);
		if (s.n == 0 && s.cursor <= l->cursor)
			break;
		journal_settle(l->o->env.journal, &s, NULL, NULL);
		drop_pending(l, s.n);
	} while (l->npending > 0);
}

/* Loading. */

static void load_page(struct lane *l);

static void
load_end(struct lane *l)
{
	size_t i;

	keyset_free(&l->keys);
	l->keys = l->loaded;
	memset(&l->loaded, 0, sizeof(l->loaded));
	for (i = 0; i < l->npending; i++)
		if (l->deltas[i] != 0)
			keyset_add(&l->keys, keyset_hash(l->pending[i].key),
				   l->deltas[i]);
	l->loading = false;
	l->due_at = outbox_wall(l->o);
	lane_step(l);
}

static void
load_done(void *arg, const struct journal_reply *r)
{
	struct lane *l = arg;
	size_t i;

	if (r->err) {
		keyset_free(&l->loaded);
		l->loading = false;
		l->load_wanted = true;
		l->journal_until = outbox_clock(l->o) + JOURNAL_AGAIN_MS;
		return;
	}
	for (i = 0; i < r->n; i++) {
		const struct journal_event_row *e = &r->events[i];

		keyset_add(&l->loaded, keyset_hash(e->delivery->key), 1);
		l->load_after = e->seq;
	}
	if (r->more)
		load_page(l);
	else
		load_end(l);
}

static void
load_page(struct lane *l)
{
	struct journal_event_query q = { .which = EVENTS_WAITING,
					 .sink = l->cfg->name,
					 .after = l->load_after };

	journal_events(l->o->env.journal, &q, load_done, l);
}

void
lane_load(struct lane *l)
{
	l->load_wanted = false;
	l->loading = true;
	l->load_after = 0;
	load_page(l);
}
