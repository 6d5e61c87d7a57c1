/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/backlog.h"

#define WINDOW_MS 1000	    /* that a rate is made of */
#define FIRST_WINDOW_MS 250 /* a first part stored faster than that says less */

static uint64_t
busy(const struct backlog *b, uint64_t now)
{
	return b->busy_ms + (b->waiting && now > b->since ? now - b->since : 0);
}

void
backlog_waits(struct backlog *b, bool waits, uint64_t now)
{
	if (waits == b->waiting)
		return;
	if (!waits)
		b->busy_ms = busy(b, now);
	b->since = now;
	b->waiting = waits;
}

void
backlog_stored(struct backlog *b, uint64_t n, uint64_t now)
{
	uint64_t ms = busy(b, now), rate;

	b->bytes += n;
	if (ms < WINDOW_MS)
		return;
	rate = b->bytes * 1000 / ms;
	b->rate = b->rate ? (b->rate + rate) / 2 : rate;
	b->bytes = 0;
	b->busy_ms = 0;
	b->since = now;
}

uint64_t
backlog_limit(const struct backlog *b, uint64_t part, uint64_t now)
{
	uint64_t ms = busy(b, now), rate = b->rate;

	if (!rate && b->bytes)
		rate = b->bytes * 1000 /
		       (ms < FIRST_WINDOW_MS ? FIRST_WINDOW_MS : ms);
	rate = rate * BACKLOG_MS / 1000;
	return rate > BACKLOG_PARTS * part ? rate : BACKLOG_PARTS * part;
}
