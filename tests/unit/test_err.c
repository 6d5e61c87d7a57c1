/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/err.h"

static void
test_every_error_has_its_own_name_and_a_text(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_COUNT; i++) {
		assert_non_null(err_name((enum err)i));
		assert_true(strlen(err_text((enum err)i)) > 0);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(err_name((enum err)i),
						err_name((enum err)k));
	}
}

static void
test_names_stay_as_logs_know_them(void **state)
{
	(void)state;
	assert_string_equal(err_name(ERR_OK), "ok");
	assert_string_equal(err_name(ERR_NOT_FOUND), "not_found");
	assert_string_equal(err_name(ERR_CANCELED), "canceled");
}

static void
test_unknown_value_is_named_too(void **state)
{
	(void)state;
	assert_string_equal(err_name((enum err)ERR_COUNT), "unknown");
	assert_string_equal(err_text((enum err)1000), "unknown error");
}

static void
test_errno_maps_to_what_a_caller_can_act_on(void **state)
{
	(void)state;
	assert_int_equal(err_from_errno(0), ERR_OK);
	assert_int_equal(err_from_errno(ENOENT), ERR_NOT_FOUND);
	assert_int_equal(err_from_errno(ENOSPC), ERR_NO_SPACE);
	assert_int_equal(err_from_errno(EXDEV), ERR_DENIED);
	assert_int_equal(err_from_errno(ELOOP), ERR_DENIED);
	assert_int_equal(err_from_errno(EIO), ERR_IO);
	assert_int_equal(err_from_errno(-1), ERR_IO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_error_has_its_own_name_and_a_text),
		cmocka_unit_test(test_names_stay_as_logs_know_them),
		cmocka_unit_test(test_unknown_value_is_named_too),
		cmocka_unit_test(test_errno_maps_to_what_a_caller_can_act_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
