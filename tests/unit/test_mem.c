/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/mem.h"

static void
test_allocation_of_nothing_is_not_null(void **state)
{
	void *a = mem_alloc(0), *b = mem_array(0, 8), *c = mem_resize(NULL, 0);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	free(a);
	free(b);
	free(c);
}

static void
test_memory_is_zeroed(void **state)
{
	unsigned char *p = mem_array(16, 64);

	(void)state;
	for (size_t i = 0; i < 16 * 64; i++)
		assert_int_equal(p[i], 0);
	free(p);
}

static void
test_overflow_ends_the_process(void **state)
{
	volatile size_t count = SIZE_MAX / 2;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		static const struct rlimit no_core;

		setrlimit(RLIMIT_CORE, &no_core);
		/* The test framework would report the signal as its own. */
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		free(mem_array(count, 4));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
test_strings_are_copied(void **state)
{
	char *a = mem_strdup("abc"), *b = mem_strndup("abcdef", 2);
	char *c = mem_printf("%s-%d", "x", 7);

	(void)state;
	assert_string_equal(a, "abc");
	assert_string_equal(b, "ab");
	assert_string_equal(c, "x-7");
	assert_null(mem_strdup(NULL));
	assert_null(mem_strndup(NULL, 3));
	mem_wipe_free(a);
	mem_wipe_free(NULL);
	free(b);
	free(c);
}

static void
test_wipe_overwrites(void **state)
{
	char secret[] = "secret";

	(void)state;
	mem_wipe(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++)
		assert_int_equal(secret[i], 0);
}

static void
test_copy_says_when_it_cuts(void **state)
{
	char dst[4];

	(void)state;
	assert_int_equal(str_copy(dst, sizeof(dst), "abc"), 0);
	assert_string_equal(dst, "abc");
	assert_int_equal(str_copy(dst, sizeof(dst), "abcd"), -1);
	assert_string_equal(dst, "abc");
	assert_int_equal(str_copy(dst, 0, ""), -1);
	assert_string_equal(dst, "abc");
}

static void
test_printf_appends_and_says_when_it_cuts(void **state)
{
	char dst[8] = "ab";

	(void)state;
	assert_int_equal(str_printf(dst, sizeof(dst), "%d", 123), 0);
	assert_string_equal(dst, "ab123");
	assert_int_equal(str_printf(dst, sizeof(dst), "%s", "45"), 0);
	assert_int_equal(str_printf(dst, sizeof(dst), "%s", "6"), -1);
	assert_string_equal(dst, "ab12345");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allocation_of_nothing_is_not_null),
		cmocka_unit_test(test_memory_is_zeroed),
		cmocka_unit_test(test_overflow_ends_the_process),
		cmocka_unit_test(test_strings_are_copied),
		cmocka_unit_test(test_wipe_overwrites),
		cmocka_unit_test(test_copy_says_when_it_cuts),
		cmocka_unit_test(test_printf_appends_and_says_when_it_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
