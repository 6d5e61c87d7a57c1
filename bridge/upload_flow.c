/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an upload's client is read from. It is paused while the spool has no
 * room, the disk does not keep up, or more waits for the store than the store
 * will soon take; front ends keep a paused client alive with a packet now and
 * then, which comes out of the upload's reserve. When that is spent, or the
 * pause has lasted too long, the transfer fails and what came is kept.
 */
#include <string.h>
#include <utlist.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

#define UNSYNCED_STEP (1u << 20) /* counted that often */
#define SHORT_QUIET_MS 10000	 /* without a waiter: there is room again */

/* Reasons that cannot last: the client's patience runs. */
#define PAUSE_HARD (PAUSE_SPOOL | PAUSE_DISK | PAUSE_SYNC)

static void
tell_short(struct uploads *us)
{
	const struct bridge *b = us->b;

	us->short_at = clock_ms();
	if (us->short_told)
		return;
	us->short_told = true;
	log_warn("upload", NULL, "spool_short",
		 KV_U("used", ledger_spool_used(b->ledger)),
		 KV_U("max", b->config->spool_max));
}

void
upload_pause(struct upload *u, unsigned reason)
{
	unsigned before = u->paused;

	u->paused |= reason;
	if (u->paused & ~before & PAUSE_SPOOL) {
		DL_APPEND2(u->all->waiters, u, wprev, wnext);
		tell_short(u->all);
	}
	if (u->paused & PAUSE_HARD && !(before & PAUSE_HARD))
		u->patience_end =
			clock_ms() + u->all->b->config->slow_patience_ms;
	if (u->paused != before)
		log_debug("upload", u->session, "paused", KV_S("id", u->row.id),
			  KV_U("reasons", u->paused));
	if (u->file)
		file_notify(u->file);
}

void
upload_resume(struct upload *u, unsigned reason)
{
	if (!(u->paused & reason))
		return;
	if (u->paused & reason & PAUSE_SPOOL)
		DL_DELETE2(u->all->waiters, u, wprev, wnext);
	u->paused &= ~reason;
	if (!u->paused)
		u->last_ms = clock_ms();
	if (u->file)
		file_notify(u->file);
}

/* The user's rate, which all sessions of the user share. */

#define RATE_STEP_MS 5 /* shorter waits are left to the next write */

static void
rate_due(void *arg)
{
	struct upload *u = arg;

	upload_resume(u, PAUSE_RATE);
}

void
flow_rate(struct upload *u, uint64_t n)
{
	struct bridge *b = u->all->b;
	struct ledger_flow f = { .bytes = n };
	unsigned ms;

	if (!u->user || !u->user->upload_rate || u->failed)
		return;
	f.rate = u->user->upload_rate;
	ms = ledger_rate_take(b->ledger, u->row.user, &f, clock_ms());
	if (ms < RATE_STEP_MS)
		return;
	if (!u->rate_timer)
		u->rate_timer = loop_timer_new(b->loop, rate_due, u);
	upload_pause(u, PAUSE_RATE);
	loop_timer_set(u->rate_timer, ms);
}

/* Room in the ledger. */

static void
overdraw(struct useg *g, uint64_t n)
{
	struct upload *u = g->u;

	if (n == g->overdraft)
		return;
	ledger_add(u->all->b->ledger, LEDGER_OVERDRAFT,
		   (int64_t)n - (int64_t)g->overdraft);
	u->overdraft = u->overdraft - g->overdraft + n;
	g->overdraft = n;
}

/* Among the uploads of one user, who came first is served first. */
static bool
must_queue(const struct upload *u)
{
	const struct upload *w;

	for (w = u->all->waiters; w && w != u; w = w->wnext)
		if (!strcmp(w->row.user, u->row.user))
			return true;
	return false;
}

/*
 * The first MiB of a file, so that a small one costs no more; else the rest of
 * the part, so that one that was begun can be finished.
 */
static bool
take(struct upload *u, struct useg *g, uint64_t need, bool finish)
{
	uint64_t step = g->no == 1 && need <= UPLOAD_FIRST_STEP
				? UPLOAD_FIRST_STEP
				: g->cap;

	if (need <= g->reserved)
		return true;
	if (step > g->cap)
		step = g->cap;
	step -= g->reserved;
	if (must_queue(u) ||
	    ledger_spool_take(u->all->b->ledger, u->row.user, step, finish))
		return false;
	g->reserved += step;
	overdraw(g, 0);
	return true;
}

void
flow_reserve(struct upload *u, struct useg *g, uint64_t need)
{
	if (need <= g->reserved || take(u, g, need, false))
		return;
	overdraw(g, need - g->reserved);
	upload_pause(u, PAUSE_SPOOL);
	if (u->overdraft > UPLOAD_RESERVE)
		upload_fail(u, ERR_NO_SPACE, UPLOAD_SPOOL_FULL);
}

void
flow_recovered(struct useg *g)
{
	struct ledger *l = g->u->all->b->ledger;

	g->reserved = segment_received(g->seg);
	ledger_spool_charge(l, g->u->row.user, g->reserved);
	ledger_parked_add(l, -(int64_t)g->reserved);
	flow_written(g);
}

void
flow_dropped(struct useg *g, bool kept)
{
	struct upload *u = g->u;
	struct ledger *l = u->all->b->ledger;

	overdraw(g, 0);
	if (g->reserved)
		ledger_spool_give(l, u->row.user, g->reserved);
	if (kept)
		ledger_parked_add(l, (int64_t)segment_received(g->seg));
	if (g->unsynced)
		ledger_add(l, LEDGER_UNSYNCED, -(int64_t)g->unsynced);
	g->reserved = g->unsynced = 0;
	if (u->all->waiters || u->all->pressed)
		uploads_kick(u->all);
}

/* Only the one that has waited longest may use what is set aside. */
static void
serve(struct upload *u)
{
	bool finish = u == u->all->waiters;
	struct useg *g;

	for (g = u->segs; g; g = g->next)
		if (g->overdraft &&
		    !take(u, g, g->reserved + g->overdraft, finish))
			return;
	upload_resume(u, PAUSE_SPOOL);
}

static void
serve_waiters(struct uploads *us)
{
	struct upload *u, *next;

	for (u = us->waiters; u; u = next) {
		next = u->wnext;
		serve(u);
	}
	if (us->waiters) {
		us->short_at = clock_ms();
	} else if (us->short_told &&
		   clock_ms() - us->short_at >= SHORT_QUIET_MS) {
		us->short_told = false;
		log_info("upload", NULL, "spool_has_room");
	}
}

/* Bytes that the disk may not have yet. */

static void
press(struct uploads *us)
{
	struct upload *u;

	if (!us->pressed)
		log_warn("upload", NULL, "disk_behind",
			 KV_U("unsynced", ledger_unsynced(us->b->ledger)),
			 KV_U("max", us->b->config->unsynced_max));
	us->pressed = true;
	for (u = us->list; u; u = u->next) {
		if (u->phase != PHASE_TAKING)
			continue;
		upload_pause(u, PAUSE_SYNC);
		if (!upload_syncing(u))
			upload_sync_all(u);
	}
}

/* At half the bound, so that it does not go back and forth. */
static void
relieve(struct uploads *us)
{
	uint64_t n = ledger_unsynced(us->b->ledger);
	uint64_t max = us->b->config->unsynced_max;
	struct upload *u;

	if (n > max) {
		press(us);
		return;
	}
	if (!us->pressed || n > max / 2)
		return;
	us->pressed = false;
	log_info("upload", NULL, "disk_caught_up", KV_U("unsynced", n));
	for (u = us->list; u; u = u->next)
		upload_resume(u, PAUSE_SYNC);
}

static void
count_unsynced(struct useg *g, uint64_t n)
{
	ledger_add(g->u->all->b->ledger, LEDGER_UNSYNCED,
		   (int64_t)n - (int64_t)g->unsynced);
	g->unsynced = n;
}

void
flow_written(struct useg *g)
{
	struct uploads *us = g->u->all;
	uint64_t n = segment_unsynced(g->seg), step = g->cap / 8;

	if (n < g->unsynced + (step < UNSYNCED_STEP ? step : UNSYNCED_STEP))
		return;
	count_unsynced(g, n);
	if (us->pressed ||
	    ledger_unsynced(us->b->ledger) > us->b->config->unsynced_max)
		press(us);
}

void
flow_safe(struct useg *g)
{
	count_unsynced(g,
		       g->state <= USEG_STORED ? segment_unsynced(g->seg) : 0);
	if (g->u->all->pressed)
		uploads_kick(g->u->all);
}

/* What waits for the store. */

static uint64_t
waiting(const struct upload *u, uint64_t *filling, uint64_t *part)
{
	const struct useg *g;
	uint64_t n = 0;

	*filling = *part = 0;
	for (g = u->segs; g; g = g->next) {
		*part = g->cap;
		if (g->state == USEG_FILLING)
			*filling = segment_received(g->seg);
		else if (g->state < USEG_STORED)
			n += segment_received(g->seg);
	}
	return n;
}

void
flow_backlog(struct upload *u)
{
	uint64_t now = clock_ms(), filling, part, n, limit;

	n = waiting(u, &filling, &part);
	backlog_waits(&u->backlog, n > 0, now);
	if (u->phase != PHASE_TAKING || u->failed || !part ||
	    store_is_down(u->store)) {
		upload_resume(u, PAUSE_BACKLOG);
		return;
	}
	limit = backlog_limit(&u->backlog, part, now);
	if (n < limit)
		upload_resume(u, PAUSE_BACKLOG);
	else if (n + filling >= limit + part)
		upload_pause(u, PAUSE_BACKLOG);
}

void
flow_stored(struct upload *u, uint64_t n)
{
	backlog_stored(&u->backlog, n, clock_ms());
	flow_backlog(u);
}

/* Time. */

void
flow_tick(struct upload *u)
{
	if (u->paused & PAUSE_DISK && u->hold)
		upload_pump(u); /* the disk may have room again */
	if (u->phase == PHASE_TAKING)
		flow_backlog(u);
	if (!(u->paused & PAUSE_HARD) || u->failed ||
	    clock_ms() < u->patience_end)
		return;
	if (u->paused & (PAUSE_SPOOL | PAUSE_DISK))
		upload_fail(u, ERR_NO_SPACE, UPLOAD_SPOOL_FULL);
	else
		upload_fail(u, ERR_NO_SPACE,
			    "the gateway's disk does not keep up; the upload "
			    "is kept and can be resumed");
}

void
flow_run(struct uploads *us)
{
	if (us->waiters || us->short_told)
		serve_waiters(us);
	relieve(us);
}
