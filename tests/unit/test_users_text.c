/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/users_text.h"

static const char file[] = "# Partners.\n"
			   "\n"
			   "[ann]\n"
			   "; her hash\n"
			   "password = $y$old\n"
			   "home = a\n"
			   "\n"
			   "# bob left\n"
			   "[bob]\n"
			   "key1 = ssh-ed25519 AAAA bob\n";

static void
expect_set(const char *text, const char *name, const char *key,
	   const char *value, const char *expected)
{
	char *out = users_text_set(text, name, key, value);

	assert_non_null(out);
	assert_string_equal(out, expected);
	free(out);
}

static void
test_has_knows_sections_by_name(void **state)
{
	(void)state;
	assert_true(users_text_has(file, "ann"));
	assert_true(users_text_has(file, "bob"));
	assert_false(users_text_has(file, "Ann"));
	assert_false(users_text_has(file, "an"));
	assert_false(users_text_has(file, "bob left"));
	assert_false(users_text_has("", "ann"));
	assert_false(users_text_has("# [ann]\nx = [ann]\n", "ann"));
	assert_true(users_text_has("  [ ann ]  ", "ann"));
}

static void
test_set_replaces_a_key_in_its_place(void **state)
{
	(void)state;
	expect_set(file, "ann", "password", "$y$new",
		   "# Partners.\n\n[ann]\n; her hash\npassword = $y$new\n"
		   "home = a\n\n# bob left\n[bob]\n"
		   "key1 = ssh-ed25519 AAAA bob\n");
}

static void
test_set_adds_a_key_behind_the_last_one(void **state)
{
	(void)state;
	expect_set(file, "ann", "store", "main",
		   "# Partners.\n\n[ann]\n; her hash\npassword = $y$old\n"
		   "home = a\nstore = main\n\n# bob left\n[bob]\n"
		   "key1 = ssh-ed25519 AAAA bob\n");
	expect_set(file, "bob", "key2", "ssh-rsa BBBB",
		   "# Partners.\n\n[ann]\n; her hash\npassword = $y$old\n"
		   "home = a\n\n# bob left\n[bob]\n"
		   "key1 = ssh-ed25519 AAAA bob\nkey2 = ssh-rsa BBBB\n");
	expect_set("[ann]\n# nothing yet\n", "ann", "key1", "k",
		   "[ann]\nkey1 = k\n# nothing yet\n");
}

static void
test_set_knows_keys_as_the_reader_does(void **state)
{
	(void)state;
	expect_set("[a]\n PassWord=x ; old\n", "a", "password", "y",
		   "[a]\npassword = y\n");
	/* Other keys and comments that begin alike are left alone. */
	expect_set("[a]\npassword_hint = x\n;password = z\n", "a", "password",
		   "y",
		   "[a]\npassword_hint = x\npassword = y\n;password = z\n");
}

static void
test_set_stays_in_its_section(void **state)
{
	(void)state;
	expect_set("[a]\nkey1 = x\n[b]\npassword = p\n", "a", "password", "q",
		   "[a]\nkey1 = x\npassword = q\n[b]\npassword = p\n");
	assert_null(users_text_set(file, "carol", "password", "q"));
}

static void
test_set_mends_a_missing_newline(void **state)
{
	(void)state;
	expect_set("[a]\nkey1 = x", "a", "password", "q",
		   "[a]\nkey1 = x\npassword = q\n");
	expect_set("[a]", "a", "password", "q", "[a]\npassword = q\n");
	expect_set("[a]\r\nkey1 = x\r\n", "a", "key1", "y",
		   "[a]\r\nkey1 = y\n");
}

static void
test_add_writes_a_section_at_the_end(void **state)
{
	const struct users_line lines[] = {
		{ "password", "$y$h" },
		{ "key1", NULL },
		{ "home", "a;b" },
		{ "key2", "from=\"10.0.0.1\" ssh-ed25519 AAAA" },
	};
	char *out = users_text_add("[a]\nkey1 = x", "new", lines, 4);

	(void)state;
	assert_string_equal(out, "[a]\nkey1 = x\n\n[new]\npassword = $y$h\n"
				 "home = \"a;b\"\n"
				 "key2 = from=\"10.0.0.1\" ssh-ed25519 AAAA\n");
	free(out);
	out = users_text_add("", "new", lines, 1);
	assert_string_equal(out, "[new]\npassword = $y$h\n");
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_has_knows_sections_by_name),
		cmocka_unit_test(test_set_replaces_a_key_in_its_place),
		cmocka_unit_test(test_set_adds_a_key_behind_the_last_one),
		cmocka_unit_test(test_set_knows_keys_as_the_reader_does),
		cmocka_unit_test(test_set_stays_in_its_section),
		cmocka_unit_test(test_set_mends_a_missing_newline),
		cmocka_unit_test(test_add_writes_a_section_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
