/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/names.h"

static char out[JOURNAL_PATH_MAX + 1];

static void
check_path(const char *cwd, const char *in, const char *want)
{
	assert_int_equal(names_path(cwd, in, strlen(in), out), ERR_OK);
	assert_string_equal(out, want);
}

static void
test_path_is_made_absolute_and_clean(void **state)
{
	(void)state;
	check_path("/", "", "/");
	check_path("/", "a", "/a");
	check_path("/show", "x.mov", "/show/x.mov");
	check_path("/show", "./day//1/", "/show/day/1");
	check_path("/show", "/other", "/other");
	check_path("/", "caf\xc3\xa9/\xf0\x9f\x8e\xac",
		   "/caf\xc3\xa9/\xf0\x9f\x8e\xac");
}

static void
test_path_never_leaves_the_root(void **state)
{
	(void)state;
	check_path("/a/b", "..", "/a");
	check_path("/a", "../../../etc/passwd", "/etc/passwd");
	check_path("/", "..", "/");
	check_path("/", "a/../../b/..", "/");
	check_path("/", "...", "/...");
}

static void
refuse(const char *in, size_t len)
{
	assert_int_equal(names_path("/", in, len, out), ERR_INVALID);
}

static void
test_path_refuses_what_is_no_text(void **state)
{
	char longest[300];

	(void)state;
	refuse("a\0b", 3);
	refuse("a\nb", 3);
	refuse("a\x7f", 2);
	refuse("a\xc2\x80", 3);	   /* C1 */
	refuse("\xc0\xaf", 2);	   /* overlong slash */
	refuse("\xed\xa0\x80", 3); /* surrogate */
	refuse("\xf5\x80\x80\x80", 4);
	refuse("\xe2\x82", 2); /* cut */
	refuse("\xff", 1);
	memset(longest, 'x', sizeof(longest));
	refuse(longest, 256);
	assert_int_equal(names_path("/", longest, 255, out), ERR_OK);
}

static void
test_path_has_a_ceiling(void **state)
{
	char deep[2 * JOURNAL_PATH_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 ? '/' : 'd';
	refuse(deep, sizeof(deep));
	assert_int_equal(names_path("/", deep, JOURNAL_PATH_MAX, out), ERR_OK);
	assert_int_equal(strlen(out), JOURNAL_PATH_MAX);
}

static void
test_key_is_home_and_path(void **state)
{
	char key[STORE_KEY_MAX + 1];
	char home[STORE_KEY_MAX + 1];

	(void)state;
	assert_int_equal(names_key("ann/", "/show/x", key), ERR_OK);
	assert_string_equal(key, "ann/show/x");
	assert_int_equal(names_key("", "/x", key), ERR_OK);
	assert_string_equal(key, "x");
	memset(home, 'h', STORE_KEY_MAX - 1);
	home[STORE_KEY_MAX - 1] = '\0';
	assert_int_equal(names_key(home, "/x", key), ERR_OK);
	assert_int_equal(names_key(home, "/xy", key), ERR_TOO_LARGE);
}

static char *patterns[] = { "*.filepart", "*.<8hex>.partial", ".in.*.", ".in.*",
			    NULL };

static void
check_temp(const char *path, const char *want)
{
	bool temp = names_temporary(patterns, path, out);

	assert_int_equal(temp, want != NULL);
	if (want)
		assert_string_equal(out, want);
}

static void
test_temporary_names_give_the_final_name(void **state)
{
	(void)state;
	check_temp("/a/x.mov.filepart", "/a/x.mov");
	check_temp("/x.mov.0a1B2c3d.partial", "/x.mov");
	check_temp("/a/b/.in.x.mov.", "/a/b/x.mov");
	check_temp("/a/x.filepart/y", NULL);
	check_temp("/.filepart", NULL);
	check_temp("/x.0a1b2c3.partial", NULL);
	check_temp("/x.0a1b2c3g.partial", NULL);
	check_temp("/.in..", NULL);
	check_temp("/.in...", NULL); /* "." is no name */
	check_temp("/.in.x", "/x");
	check_temp("/.in.", NULL);
	check_temp("/", NULL);
}

static void
test_patterns_are_checked(void **state)
{
	(void)state;
	assert_true(names_pattern_valid("*.part"));
	assert_true(names_pattern_valid(".tmp-<4hex>-*"));
	assert_false(names_pattern_valid("*"));
	assert_false(names_pattern_valid("x.part"));
	assert_false(names_pattern_valid("*.*"));
	assert_false(names_pattern_valid("tmp/*"));
	assert_false(names_pattern_valid("*.<hex>"));
	assert_false(names_pattern_valid("*.<0hex>"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_is_made_absolute_and_clean),
		cmocka_unit_test(test_path_never_leaves_the_root),
		cmocka_unit_test(test_path_refuses_what_is_no_text),
		cmocka_unit_test(test_path_has_a_ceiling),
		cmocka_unit_test(test_key_is_home_and_path),
		cmocka_unit_test(test_temporary_names_give_the_final_name),
		cmocka_unit_test(test_patterns_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
