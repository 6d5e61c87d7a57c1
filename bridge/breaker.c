/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/breaker.h"

enum breaker_turn
breaker_failed(struct breaker *b, uint64_t now, unsigned wish_ms)
{
	if (wish_ms > BREAKER_WISH_MAX)
		wish_ms = BREAKER_WISH_MAX;
	if (wish_ms > 0 && now + wish_ms > b->not_before)
		b->not_before = now + wish_ms;
	if (b->failures < BREAKER_FAILURES)
		b->failures++;
	switch (b->state) {
	case BREAKER_CLOSED:
		if (b->failures < BREAKER_FAILURES)
			return BREAKER_SAME;
		b->opened = now;
		b->state = BREAKER_OPEN;
		return BREAKER_OPENED;
	case BREAKER_TRIAL:
		b->state = BREAKER_OPEN;
		return BREAKER_REFUSED;
	case BREAKER_OPEN:
		break;
	}
	return BREAKER_SAME;
}

enum breaker_turn
breaker_answered(struct breaker *b)
{
	bool closes = b->state != BREAKER_CLOSED;

	b->state = BREAKER_CLOSED;
	b->failures = 0;
	b->not_before = 0;
	return closes ? BREAKER_CLOSED_NOW : BREAKER_SAME;
}

void
breaker_probed(struct breaker *b)
{
	if (b->state == BREAKER_OPEN)
		b->state = BREAKER_TRIAL;
}

enum breaker_turn
breaker_trusted(struct breaker *b)
{
	return b->state == BREAKER_TRIAL ? breaker_answered(b) : BREAKER_SAME;
}

unsigned
breaker_probe_in(const struct breaker *b, uint64_t now, uint32_t dice)
{
	unsigned half = BREAKER_PROBE_MS / 2;
	unsigned ms = half + (unsigned)(((uint64_t)dice * (half + 1)) >> 32);

	if (b->not_before > now + ms)
		return (unsigned)(b->not_before - now);
	return ms;
}
