/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define TIB ((uint64_t)1 << 40)
#define UNKNOWN SCHEDULE_SIZE_UNKNOWN

static const struct store_limits s3 = {
	.part_min = 5 * MIB,
	.part_max = 5 * GIB,
	.part_base = 16 * MIB,
	.object_max = 10000 * 5 * GIB,
	.parts_max = 10000,
};

static struct store_limits
with(uint64_t base, uint64_t max, uint32_t parts)
{
	struct store_limits l = s3;

	l.part_base = base;
	l.part_max = max;
	l.parts_max = parts;
	return l;
}

/* Walks all parts; returns the byte that the last one ends at. */
static uint64_t
reach(const struct store_limits *l, uint64_t declared, uint32_t *parts)
{
	uint64_t at = 0, len;

	*parts = 0;
	while ((len = schedule_part_len(l, declared, at))) {
		at += len;
		++*parts;
	}
	return at;
}

static void
test_unknown_size_reaches_far(void **state)
{
	struct store_limits eight = with(8 * MIB, 5 * GIB, 10000);
	struct store_limits small = with(16 * MIB, 512 * MIB, 10000);
	struct store_limits swift = with(16 * MIB, 5 * GIB, 1000);
	uint32_t parts;

	(void)state;
	assert_in_range(reach(&s3, UNKNOWN, &parts), 207 * TIB / 10,
			209 * TIB / 10);
	assert_int_equal(parts, 10000);
	assert_in_range(reach(&eight, UNKNOWN, &parts), 175 * TIB / 10,
			177 * TIB / 10);
	assert_in_range(reach(&small, UNKNOWN, &parts), 31 * TIB / 10,
			33 * TIB / 10);
	assert_in_range(reach(&swift, UNKNOWN, &parts), 206 * TIB / 100,
			208 * TIB / 100);
	assert_int_equal(parts, 1000);
}

static void
must_be(const struct store_limits *l, uint64_t off, uint32_t no, uint64_t len)
{
	uint64_t start;

	assert_int_equal(schedule_part_at(l, UNKNOWN, off, &start), no);
	assert_int_equal(schedule_part_len(l, UNKNOWN, start), len);
}

static void
test_unknown_size_grows_as_written_down(void **state)
{
	struct store_limits swift = with(16 * MIB, 5 * GIB, 1000);

	(void)state;
	must_be(&s3, 0, 1, 16 * MIB);
	must_be(&s3, 16 * MIB * 1000, 1001, 16 * MIB);
	must_be(&s3, 100 * GIB, 2832, 103 * MIB);
	must_be(&s3, TIB, 5155, 1049 * MIB);
	must_be(&s3, 5 * TIB, 6765, 5 * GIB);
	must_be(&swift, 100 * GIB, 515, 1015 * MIB);
	must_be(&swift, TIB, 782, 5 * GIB);
}

static void
test_lengths_never_shrink(void **state)
{
	const struct store_limits kinds[] = { s3, with(5 * MIB, 5 * GIB, 1000),
					      with(100000, 5 * GIB, 10000),
					      with(16 * MIB, 5 * GIB, 7) };
	uint64_t at, len, last;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		last = 0;
		for (at = 0; (len = schedule_part_len(&kinds[i], UNKNOWN, at));
		     at += len) {
			assert_true(len >= last);
			assert_true(len >= kinds[i].part_base);
			assert_true(len <= kinds[i].part_max);
			last = len;
		}
	}
}

/* Each byte belongs to the part that the walk finds it in. */
static void
must_agree(const struct store_limits *l, uint64_t declared)
{
	uint64_t at = 0, len, start;
	uint32_t no = 0;

	while ((len = schedule_part_len(l, declared, at))) {
		const uint64_t offs[] = { at, at + 1, at + len / 2,
					  at + len - 1 };

		no++;
		for (size_t i = 0; i < 4; i++) {
			assert_int_equal(schedule_part_at(l, declared, offs[i],
							  &start),
					 no);
			assert_int_equal(start, at);
		}
		at += len;
	}
	assert_true(no > 0);
	assert_int_equal(schedule_part_at(l, declared, at, &start), 0);
}

static void
test_part_at_agrees_with_the_walk(void **state)
{
	const struct store_limits kinds[] = { with(16 * MIB, 5 * GIB, 1000),
					      with(5 * MIB + 1, 64 * MIB, 999),
					      with(100000, 5 * GIB, 500),
					      with(16 * MIB, 5 * GIB, 1) };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		must_agree(&kinds[i], UNKNOWN);
		must_agree(&kinds[i], 0);
		must_agree(&kinds[i], 1);
		must_agree(&kinds[i], 40 * MIB);
	}
}

static void
test_declared_size_gives_equal_parts(void **state)
{
	uint64_t size = 10 * TIB, len = schedule_part_len(&s3, size, 0);
	uint64_t start;

	(void)state;
	assert_int_equal(len % MIB, 0);
	assert_int_equal(len, 1049 * MIB);
	assert_int_equal(schedule_part_len(&s3, size, 77 * len), len);
	assert_true(len * 10000 >= size);
	assert_int_equal(schedule_part_at(&s3, size, 77 * len + 5, &start), 78);
	assert_int_equal(start, 77 * len);
	assert_int_equal(schedule_part_len(&s3, 100, 0), 16 * MIB);
	assert_int_equal(schedule_part_len(&s3, 160000 * MIB, 0), 16 * MIB);
	assert_int_equal(schedule_part_len(&s3, 160000 * MIB + 1, 0), 17 * MIB);
}

static void
test_declared_size_may_fill_the_store(void **state)
{
	uint32_t parts;

	(void)state;
	assert_int_equal(schedule_part_len(&s3, s3.object_max, 0), 5 * GIB);
	assert_int_equal(reach(&s3, s3.object_max, &parts), s3.object_max);
	assert_int_equal(parts, 10000);
	assert_int_equal(schedule_part_len(&s3, s3.object_max + 1, 0), 0);
}

static void
test_largest_object_ends_the_last_part(void **state)
{
	struct store_limits l = s3;
	uint64_t start;

	(void)state;
	l.object_max = 20 * MIB;
	assert_int_equal(schedule_part_len(&l, UNKNOWN, 16 * MIB), 4 * MIB);
	assert_int_equal(schedule_part_len(&l, UNKNOWN, 20 * MIB), 0);
	assert_int_equal(schedule_part_at(&l, UNKNOWN, 20 * MIB, &start), 0);
	assert_int_equal(schedule_part_len(&l, 21 * MIB, 0), 0);
}

static void
test_equal_parts_stay_equal_with_an_unknown_size(void **state)
{
	struct store_limits l = s3;
	uint32_t parts;

	(void)state;
	l.equal_parts = true;
	assert_int_equal(schedule_part_len(&l, UNKNOWN, 100 * GIB), 16 * MIB);
	assert_int_equal(reach(&l, UNKNOWN, &parts), 16 * MIB * 10000);
	assert_int_equal(parts, 10000);
	must_agree(&l, UNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_size_reaches_far),
		cmocka_unit_test(test_unknown_size_grows_as_written_down),
		cmocka_unit_test(test_lengths_never_shrink),
		cmocka_unit_test(test_part_at_agrees_with_the_walk),
		cmocka_unit_test(test_declared_size_gives_equal_parts),
		cmocka_unit_test(test_declared_size_may_fill_the_store),
		cmocka_unit_test(test_largest_object_ends_the_last_part),
		cmocka_unit_test(
			test_equal_parts_stay_equal_with_an_unknown_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
