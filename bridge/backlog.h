/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of an upload may wait in the spool while its store is up: two
 * parts, or what the store takes of it in five seconds. More would only make
 * CLOSE take longer. The rate is what went to the store while something waited
 * for it. `now` is clock_ms().
 */
#ifndef BRIDGE_BACKLOG_H
#define BRIDGE_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#define BACKLOG_PARTS 2
#define BACKLOG_MS 5000

/* All zero: nothing was stored yet. */
struct backlog {
	bool waiting;	  /* something waits for the store */
	uint64_t since;	  /* ... for so long, as far as it is not in busy */
	uint64_t busy_ms; /* time that belongs to bytes */
	uint64_t bytes;
	uint64_t rate; /* bytes a second, of the windows before; 0: none yet */
};

/* Something waits now, or nothing does any more. */
void backlog_waits(struct backlog *b, bool waits, uint64_t now);

/* The store has taken n bytes. */
void backlog_stored(struct backlog *b, uint64_t n, uint64_t now);

/* Bytes that may wait, where parts have that length. */
uint64_t backlog_limit(const struct backlog *b, uint64_t part, uint64_t now);

#endif
