/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/clock.h"

static void
check(int64_t ms, const char *expected)
{
	char text[32];

	clock_rfc3339(ms, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void
test_rfc3339_shows_utc_with_milliseconds(void **state)
{
	(void)state;
	check(0, "1970-01-01T00:00:00.000Z");
	check(1769860800123, "2026-01-31T12:00:00.123Z");
	check(1709164799999, "2024-02-28T23:59:59.999Z");
	check(1709164800000, "2024-02-29T00:00:00.000Z");
}

static void
test_rfc3339_is_read_with_and_without_a_fraction(void **state)
{
	unsigned ms = 7;

	(void)state;
	assert_int_equal(clock_parse_rfc3339("2026-01-31T12:00:00.123Z", &ms),
			 1769860800);
	assert_int_equal(ms, 123);
	assert_int_equal(clock_parse_rfc3339("2026-01-31T12:00:00.123456",
					     NULL),
			 1769860800);
	assert_int_equal(clock_parse_rfc3339("2026-01-31T12:00:00Z", &ms),
			 1769860800);
	assert_int_equal(ms, 0);
	assert_int_equal(clock_parse_rfc3339("yesterday", &ms), 0);
	assert_int_equal(clock_parse_rfc3339(NULL, NULL), 0);
}

static void
test_rfc3339_takes_times_before_1970(void **state)
{
	(void)state;
	check(-1, "1969-12-31T23:59:59.999Z");
	check(-1000, "1969-12-31T23:59:59.000Z");
	check(-1001, "1969-12-31T23:59:58.999Z");
}

static void
test_rfc3339_fits_into_25_bytes(void **state)
{
	char text[25];

	(void)state;
	clock_rfc3339(1769860800123, text, sizeof(text));
	assert_string_equal(text, "2026-01-31T12:00:00.123Z");
	/* What nobody can show still ends with NUL inside its bounds. */
	clock_rfc3339(INT64_MAX, text, sizeof(text));
	assert_true(memchr(text, '\0', sizeof(text)) != NULL);
	clock_rfc3339(INT64_MIN, text, sizeof(text));
	assert_true(memchr(text, '\0', sizeof(text)) != NULL);
}

static void
test_monotonic_clock_does_not_go_back(void **state)
{
	uint64_t last = clock_ms();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_ms();

		assert_true(now >= last);
		last = now;
	}
}

static void
test_wall_clock_is_unix_time(void **state)
{
	int64_t before = (int64_t)time(NULL) * 1000;

	(void)state;
	/* time() may lag by a tick of the coarse clock. */
	assert_true(clock_wall_ms() >= before);
	assert_true(clock_wall_ms() < before + 60000);
}

static void
test_backoff_stays_below_its_ceiling_and_uses_it(void **state)
{
	unsigned top = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		unsigned ms = clock_backoff(3, 100, 5000);

		assert_in_range(ms, 0, 800);
		top = ms > top ? ms : top;
	}
	/* A thousand draws that all stay low would be jitter gone wrong. */
	assert_true(top > 600);
}

static void
test_backoff_is_capped_for_any_number_of_tries(void **state)
{
	static const unsigned tries[] = { 6, 10, 31, 32, 63, 64, 1000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		unsigned top = 0;

		for (int k = 0; k < 200; k++) {
			unsigned ms = clock_backoff(tries[i], 100, 5000);

			assert_in_range(ms, 0, 5000);
			top = ms > top ? ms : top;
		}
		assert_true(top > 2500);
	}
	assert_int_equal(clock_backoff(5, 100, 0), 0);
	assert_int_equal(clock_backoff(5, 0, 1000), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc3339_shows_utc_with_milliseconds),
		cmocka_unit_test(
			test_rfc3339_is_read_with_and_without_a_fraction),
		cmocka_unit_test(test_rfc3339_takes_times_before_1970),
		cmocka_unit_test(test_rfc3339_fits_into_25_bytes),
		cmocka_unit_test(test_monotonic_clock_does_not_go_back),
		cmocka_unit_test(test_wall_clock_is_unix_time),
		cmocka_unit_test(
			test_backoff_stays_below_its_ceiling_and_uses_it),
		cmocka_unit_test(
			test_backoff_is_capped_for_any_number_of_tries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
