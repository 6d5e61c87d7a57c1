/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/schedule.h"

#include <stdbool.h>

#define MIB ((uint64_t)1 << 20)

/*
 * With an unknown size, a part is as long as a fixed share of what lies
 * before it: 1/1000 with the 10,000 parts of S3. So the number of parts grows
 * with the logarithm of the size, and a small file still has small parts.
 */
#define PARTS_PER_SHARE 10

static uint64_t
round_up(uint64_t n)
{
	return (n + MIB - 1) / MIB * MIB;
}

static uint64_t
divide_up(uint64_t n, uint64_t by)
{
	return n / by + (n % by != 0);
}

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The one length of all parts, or 0 where lengths grow with the offset. */
static uint64_t
fixed_len(const struct store_limits *l, uint64_t declared)
{
	uint64_t len;

	if (declared == SCHEDULE_SIZE_UNKNOWN)
		return l->equal_parts ? l->part_base : 0;
	len = divide_up(declared, l->parts_max);
	if (len < l->part_base)
		len = l->part_base;
	len = round_up(len);
	return min_u64(len, l->part_max);
}

static bool
fits(const struct store_limits *l, uint64_t declared)
{
	if (l->parts_max == 0 || l->part_base == 0)
		return false;
	if (declared == SCHEDULE_SIZE_UNKNOWN || declared == 0)
		return true;
	return declared <= l->object_max &&
	       divide_up(declared, l->part_max) <= l->parts_max;
}

/* Length of the part that starts at off, before the object's end cuts it. */
static uint64_t
grown_len(const struct store_limits *l, uint64_t off)
{
	uint32_t share = l->parts_max / PARTS_PER_SHARE;
	uint64_t len = off / (share ? share : 1);

	len = len <= l->part_base ? l->part_base : round_up(len);
	return min_u64(len, l->part_max);
}

/*
 * Walks the growing lengths up to the part that holds off. As long as the
 * base length rules, the number follows from a division.
 */
static uint32_t
walk(const struct store_limits *l, uint64_t off, uint64_t *start)
{
	uint32_t share = l->parts_max / PARTS_PER_SHARE;
	uint64_t skip = min_u64(off / l->part_base, share);
	uint64_t at = skip * l->part_base, len;
	uint64_t no = skip + 1;

	while (no <= l->parts_max && off - at >= (len = grown_len(l, at))) {
		at += len;
		no++;
	}
	*start = at;
	return no <= l->parts_max ? (uint32_t)no : 0;
}

uint32_t
schedule_part_at(const struct store_limits *l, uint64_t declared, uint64_t off,
		 uint64_t *start)
{
	uint64_t len, no;

	*start = 0;
	if (!fits(l, declared) || off >= l->object_max)
		return 0;
	len = fixed_len(l, declared);
	if (!len)
		return walk(l, off, start);
	no = off / len;
	*start = no * len;
	return no < l->parts_max ? (uint32_t)no + 1 : 0;
}

uint64_t
schedule_part_len(const struct store_limits *l, uint64_t declared, uint64_t off)
{
	uint64_t len, start;

	if (!schedule_part_at(l, declared, off, &start))
		return 0;
	len = fixed_len(l, declared);
	if (!len)
		len = grown_len(l, off);
	return min_u64(len, l->object_max - off);
}
