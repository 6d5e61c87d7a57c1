/* SPDX-License-Identifier: Apache-2.0 */
/* Time: monotonic for intervals, wall for what is recorded or shown. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_ms(void);     /* monotonic, ms */
int64_t clock_wall_ms(void); /* Unix time, ms */

/* "2026-01-31T12:00:00.123Z" (RFC 3339) into dst of at least 25 bytes. */
void clock_rfc3339(int64_t wall_ms, char *dst, size_t size);

/*
 * The reverse: seconds since 1970 of such a time, with or without fraction and
 * "Z", or 0 (of NULL too). The fraction goes to *ms, which may be NULL.
 */
int64_t clock_parse_rfc3339(const char *s, unsigned *ms);

/* Exponential back-off with full jitter: 0..min(cap, base << tries) ms. */
unsigned clock_backoff(unsigned tries, unsigned base_ms, unsigned cap_ms);

#endif
