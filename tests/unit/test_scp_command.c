/* SPDX-License-Identifier: Apache-2.0 */
/* The command lines of scp, and what wildcards in them match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sftpd/scp_command.h"

static void
is(const char *text, const char *flags, const char *path, const char *pattern)
{
	struct scp_command c;
	char found[8];

	assert_true(scp_command_parse(&c, text));
	snprintf(found, sizeof(found), "%s%s%s%s", c.sink ? "t" : "f",
		 c.recursive ? "r" : "", c.times ? "p" : "",
		 c.directory ? "d" : "");
	assert_string_equal(found, flags);
	assert_string_equal(c.paths[0].text, path);
	if (pattern == NULL)
		assert_null(c.paths[0].pattern);
	else
		assert_string_equal(c.paths[0].pattern, pattern);
	scp_command_free(&c);
}

static void
test_what_clients_send_is_understood(void **state)
{
	(void)state;
	is("scp -t /a/b", "t", "/a/b", NULL);
	is("scp -v -r -p -d -t -- -x", "trpd", "-x", NULL);
	is("scp -prt .", "trp", ".", NULL);
	is("/usr/bin/scp -f 'a b'", "f", "a b", NULL);
	is("scp -f a\\ b", "f", "a b", NULL);
	is("scp -f \"a'\\\"b\"", "f", "a'\"b", NULL);
	is("scp -f ''", "f", "", NULL);
	is("scp -f ~", "f", "/", NULL);
	is("scp -f ~/x", "f", "/x", NULL);
	is("scp -f ~x", "f", "~x", NULL);
	is("scp -f '~'", "f", "~", NULL);
	is("  scp\t-f  x  ", "f", "x", NULL);
}

static void
test_wildcards_are_kept_unless_quoted(void **state)
{
	(void)state;
	is("scp -f *.mov", "f", "*.mov", "*.mov");
	is("scp -f '*.mov'", "f", "*.mov", NULL);
	is("scp -f a\\*b", "f", "a*b", NULL);
	is("scp -f '*'*", "f", "**", "\\**");
	is("scp -f a?[b-c]", "f", "a?[b-c]", "a?[b-c]");
}

static void
test_several_paths_are_for_a_source(void **state)
{
	struct scp_command c;

	(void)state;
	assert_true(scp_command_parse(&c, "scp -f a 'b c' d*"));
	assert_int_equal(c.npaths, 3);
	assert_string_equal(c.paths[1].text, "b c");
	assert_string_equal(c.paths[2].pattern, "d*");
	scp_command_free(&c);
	assert_false(scp_command_parse(&c, "scp -t a b"));
	scp_command_free(&c);
}

static void
test_what_needs_a_shell_is_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"scp",
		"scp -t",
		"scp a b",
		"scp -t -f a",
		"scp -x -t a",
		"scp -t a; b",
		"scp -t a|b",
		"scp -t a&",
		"scp -t $a",
		"scp -t `a`",
		"scp -t \"$a\"",
		"scp -t (a)",
		"scp -t a>b",
		"scp -t 'a",
		"scp -t \"a",
		"scp -t a\\",
		"scp -t a\nb",
		"scpx -t a",
		"echo scp -t a",
		"scp - -t a",
		"'scp -t a'",
		"scp -t \"a`b\"",
	};
	struct scp_command c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (scp_command_parse(&c, lines[i]))
			fail_msg("%s", lines[i]);
		scp_command_free(&c);
	}
}

static void
test_too_many_words_are_refused(void **state)
{
	char *line = calloc(1, 10000);
	struct scp_command c;
	int i;

	(void)state;
	strcpy(line, "scp -f");
	for (i = 0; i < SCP_WORDS_MAX - 2; i++)
		strcat(line, " a");
	assert_true(scp_command_parse(&c, line));
	scp_command_free(&c);
	strcat(line, " a");
	assert_false(scp_command_parse(&c, line));
	scp_command_free(&c);
	free(line);
}

static void
test_patterns_match_as_in_a_shell(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} rows[] = {
		{ "*", "a", true },
		{ "*", "", true },
		{ "*", ".a", false },
		{ ".*", ".a", true },
		{ "\\.*", ".a", true },
		{ "*.mov", "a.mov", true },
		{ "*.mov", "a.mow", false },
		{ "*.mov", "mov", false },
		{ "a*b*c", "aXbYc", true },
		{ "a*b*c", "aXcYb", false },
		{ "a*b*c", "abcbc", true },
		{ "?", "a", true },
		{ "?", "ab", false },
		{ "?", ".", false },
		{ "[a-c]x", "bx", true },
		{ "[a-c]x", "dx", false },
		{ "[!a-c]x", "dx", true },
		{ "[^a-c]x", "ax", false },
		{ "[]a]", "]", true },
		{ "[a", "[a", true },
		{ "[a", "a", false },
		{ "[\\]]", "]", true },
		{ "[a-]", "-", true },
		{ "\\*", "*", true },
		{ "\\*", "a", false },
		{ "a", "a", true },
		{ "a", "b", false },
		{ "a", "ab", false },
		{ "ab", "a", false },
		{ "**a**", "bab", true },
		{ "", "", true },
		{ "", "a", false },
		{ "*a",
		  "\xffx\xe4"
		  "a",
		  true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (scp_match(rows[i].pattern, rows[i].name) != rows[i].match)
			fail_msg("%s %s", rows[i].pattern, rows[i].name);
	}
}

/* Recursion on each '*' would take longer than anybody lives. */
static void
test_many_stars_take_little_time(void **state)
{
	char name[256], pattern[256];
	int i;

	(void)state;
	memset(name, 'a', 255);
	name[255] = '\0';
	for (i = 0; i < 120; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	strcpy(pattern + 240, "*b");
	assert_false(scp_match(pattern, name));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_clients_send_is_understood),
		cmocka_unit_test(test_wildcards_are_kept_unless_quoted),
		cmocka_unit_test(test_several_paths_are_for_a_source),
		cmocka_unit_test(test_what_needs_a_shell_is_refused),
		cmocka_unit_test(test_too_many_words_are_refused),
		cmocka_unit_test(test_patterns_match_as_in_a_shell),
		cmocka_unit_test(test_many_stars_take_little_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
