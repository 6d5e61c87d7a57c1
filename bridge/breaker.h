/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A circuit breaker: whether it is any use to send calls to a peer. It opens
 * after several failures in a row; from then on only probes go out, one every
 * BREAKER_PROBE_MS at most. When a probe is answered, one call is let through
 * on trial; the breaker closes when that one is answered too, or has not
 * failed for BREAKER_TRIAL_MS. It keeps no time and no dice of its own, so
 * that every path can be tested: `now` is clock_ms().
 */
#ifndef BRIDGE_BREAKER_H
#define BRIDGE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES 5	/* in a row: it opens */
#define BREAKER_PROBE_MS 1000	/* between probes, at most */
#define BREAKER_TRIAL_MS 1000	/* a trial that has not failed is a good one */
#define BREAKER_WISH_MAX 60000u /* the longest Retry-After that is heeded */

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_TRIAL };

/* All zero: closed. */
struct breaker {
	enum breaker_state state;
	unsigned failures;   /* in a row */
	uint64_t opened;     /* when it was closed last */
	uint64_t not_before; /* the peer asked for no probe earlier */
};

/* What a call that ended, or time, has made of it. */
enum breaker_turn {
	BREAKER_SAME,
	BREAKER_OPENED,
	BREAKER_REFUSED,
	BREAKER_CLOSED_NOW
};

/*
 * A call failed in a way that may pass; wish_ms is the peer's Retry-After, 0:
 * none. BREAKER_OPENED: it was closed; BREAKER_REFUSED: a trial failed.
 */
enum breaker_turn breaker_failed(struct breaker *b, uint64_t now,
				 unsigned wish_ms);

/* A call was answered, well or with an error that is final. */
enum breaker_turn breaker_answered(struct breaker *b);

/* A probe was answered: a trial may begin. Harmless when it is not open. */
void breaker_probed(struct breaker *b);

/* The trial's time is over and it has not failed. */
enum breaker_turn breaker_trusted(struct breaker *b);

/*
 * How long until the next probe, ms: half of BREAKER_PROBE_MS and up to as
 * much again by `dice`, so that processes do not ask in step; later where the
 * peer wished so.
 */
unsigned breaker_probe_in(const struct breaker *b, uint64_t now, uint32_t dice);

#endif
