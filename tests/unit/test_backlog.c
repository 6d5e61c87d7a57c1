/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/backlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)
#define PART (16 * MIB)

static void
test_two_parts_before_anything_is_known(void **state)
{
	struct backlog b = { 0 };

	(void)state;
	assert_int_equal(backlog_limit(&b, PART, 1000), 2 * PART);
	backlog_waits(&b, true, 1000);
	assert_int_equal(backlog_limit(&b, PART, 60000), 2 * PART);
}

static void
test_first_part_tells_a_rate(void **state)
{
	struct backlog b = { 0 };

	(void)state;
	backlog_waits(&b, true, 1000);
	backlog_stored(&b, PART, 1500);
	/* 32 MiB/s, for five seconds. */
	assert_int_equal(backlog_limit(&b, PART, 1500), 160 * MIB);
}

static void
test_fast_first_part_is_not_overrated(void **state)
{
	struct backlog b = { 0 };

	(void)state;
	backlog_waits(&b, true, 1000);
	backlog_stored(&b, PART, 1001);
	assert_int_equal(backlog_limit(&b, PART, 1001), 5 * 64 * MIB);
}

static void
test_rate_follows_the_store(void **state)
{
	struct backlog b = { 0 };
	uint64_t now = 0;

	(void)state;
	backlog_waits(&b, true, now);
	for (int i = 0; i < 10; i++)
		backlog_stored(&b, 100 * MIB, now += 1000);
	assert_int_equal(backlog_limit(&b, PART, now), 500 * MIB);
	for (int i = 0; i < 20; i++)
		backlog_stored(&b, MIB, now += 1000);
	assert_int_equal(backlog_limit(&b, PART, now), 2 * PART);
}

static void
test_time_without_work_does_not_count(void **state)
{
	struct backlog b = { 0 };
	uint64_t now = 0;

	(void)state;
	for (int i = 0; i < 10; i++) {
		backlog_waits(&b, true, now);
		backlog_stored(&b, 50 * MIB, now += 500);
		backlog_waits(&b, false, now);
		now += 60000; /* the client is slow */
	}
	assert_int_equal(backlog_limit(&b, PART, now), 500 * MIB);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_parts_before_anything_is_known),
		cmocka_unit_test(test_first_part_tells_a_rate),
		cmocka_unit_test(test_fast_first_part_is_not_overrated),
		cmocka_unit_test(test_rate_follows_the_store),
		cmocka_unit_test(test_time_without_work_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
