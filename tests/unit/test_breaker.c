/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
fail_times(struct breaker *b, unsigned n, uint64_t now)
{
	while (n--)
		breaker_failed(b, now, 0);
}

static void
test_opens_after_failures_in_a_row(void **state)
{
	struct breaker b = { 0 };

	(void)state;
	fail_times(&b, BREAKER_FAILURES - 1, 10);
	assert_int_equal(b.state, BREAKER_CLOSED);
	assert_int_equal(breaker_failed(&b, 11, 0), BREAKER_OPENED);
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(b.opened, 11);
	assert_int_equal(breaker_failed(&b, 12, 0), BREAKER_SAME);
}

static void
test_failures_among_answers_do_not_open(void **state)
{
	struct breaker b = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		fail_times(&b, BREAKER_FAILURES - 1, 10);
		assert_int_equal(breaker_answered(&b), BREAKER_SAME);
	}
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void
test_trial_that_is_answered_closes(void **state)
{
	struct breaker b = { 0 };

	(void)state;
	fail_times(&b, BREAKER_FAILURES, 10);
	breaker_probed(&b);
	assert_int_equal(b.state, BREAKER_TRIAL);
	assert_int_equal(breaker_answered(&b), BREAKER_CLOSED_NOW);
	assert_int_equal(b.failures, 0);
}

static void
test_trial_that_fails_opens_again(void **state)
{
	struct breaker b = { 0 };

	(void)state;
	fail_times(&b, BREAKER_FAILURES, 10);
	breaker_probed(&b);
	assert_int_equal(breaker_failed(&b, 20, 0), BREAKER_REFUSED);
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(b.opened, 10);
	assert_int_equal(breaker_trusted(&b), BREAKER_SAME);
}

static void
test_trial_that_takes_long_is_trusted(void **state)
{
	struct breaker b = { 0 };

	(void)state;
	fail_times(&b, BREAKER_FAILURES, 10);
	breaker_probed(&b);
	assert_int_equal(breaker_trusted(&b), BREAKER_CLOSED_NOW);
	assert_int_equal(breaker_trusted(&b), BREAKER_SAME);
}

static void
test_late_answer_closes_at_once(void **state)
{
	struct breaker b = { 0 };

	(void)state;
	fail_times(&b, BREAKER_FAILURES, 10);
	assert_int_equal(breaker_answered(&b), BREAKER_CLOSED_NOW);
	breaker_probed(&b);
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void
test_probes_are_spread_and_come_within_a_second(void **state)
{
	struct breaker b = { 0 };

	(void)state;
	fail_times(&b, BREAKER_FAILURES, 10);
	assert_int_equal(breaker_probe_in(&b, 10, 0), BREAKER_PROBE_MS / 2);
	assert_int_equal(breaker_probe_in(&b, 10, UINT32_MAX),
			 BREAKER_PROBE_MS);
}

static void
test_retry_after_puts_the_probe_off(void **state)
{
	struct breaker b = { 0 };

	(void)state;
	fail_times(&b, BREAKER_FAILURES, 10);
	breaker_failed(&b, 10, 5000);
	assert_int_equal(breaker_probe_in(&b, 1010, 0), 4000);
	assert_int_equal(breaker_probe_in(&b, 5000, 0), BREAKER_PROBE_MS / 2);
	breaker_failed(&b, 10, 3600 * 1000);
	assert_int_equal(breaker_probe_in(&b, 10, 0), BREAKER_WISH_MAX);
	breaker_answered(&b);
	fail_times(&b, BREAKER_FAILURES, 20);
	assert_int_equal(breaker_probe_in(&b, 20, 0), BREAKER_PROBE_MS / 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opens_after_failures_in_a_row),
		cmocka_unit_test(test_failures_among_answers_do_not_open),
		cmocka_unit_test(test_trial_that_is_answered_closes),
		cmocka_unit_test(test_trial_that_fails_opens_again),
		cmocka_unit_test(test_trial_that_takes_long_is_trusted),
		cmocka_unit_test(test_late_answer_closes_at_once),
		cmocka_unit_test(
			test_probes_are_spread_and_come_within_a_second),
		cmocka_unit_test(test_retry_after_puts_the_probe_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
