/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/conf.h"
#include "lib/mem.h"

struct fixture {
	char dir[64];
	char path[128];
	struct conf *conf;
};

static int
make_dir(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	str_copy(f->dir, sizeof(f->dir), "/tmp/test_conf.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	str_printf(f->path, sizeof(f->path), "%s/x.ini", f->dir);
	*state = f;
	return 0;
}

static int
remove_dir(void **state)
{
	struct fixture *f = *state;

	conf_free(f->conf);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static struct conf *
load_bytes(struct fixture *f, const void *bytes, size_t n)
{
	FILE *out = fopen(f->path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	fclose(out);
	conf_free(f->conf);
	f->conf = conf_load(f->path);
	return f->conf;
}

static struct conf *
load(struct fixture *f, const char *text)
{
	return load_bytes(f, text, strlen(text));
}

/* All complaints, without the file's path in front, each with a newline. */
static const char *
complaints(struct fixture *f)
{
	static char text[65536];
	size_t n = conf_finish(f->conf), prefix = strlen(f->path);

	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		const char *c = conf_complaint(f->conf, i);

		assert_memory_equal(c, f->path, prefix);
		str_printf(text, sizeof(text), "%s\n", c + prefix);
	}
	assert_null(conf_complaint(f->conf, n));
	return text;
}

static const struct conf_range any = { .def = 7, .min = 0, .max = UINT64_MAX };

static void
test_values_are_read_with_their_types(void **state)
{
	static const char *const words[] = { "red", "green", NULL };
	struct fixture *f = *state;
	struct conf *c = load(f, "# comment\n"
				 "[s]\n"
				 "text = two words ; comment\n"
				 "quoted = \"a;b # c\"\n"
				 "single = 'x'\n"
				 "empty =\n"
				 "flag = Yes\n"
				 "number = 42\n"
				 "size = 16M\n"
				 "time = 30s\r\n"
				 "colour = green\n");

	assert_string_equal(conf_str(c, "s", "text", ""), "two words");
	assert_string_equal(conf_str(c, "s", "quoted", ""), "a;b # c");
	assert_string_equal(conf_str(c, "s", "single", ""), "x");
	assert_string_equal(conf_str(c, "s", "empty", "def"), "");
	assert_true(conf_bool(c, "s", "flag", false));
	assert_int_equal(conf_uint(c, "s", "number", any), 42);
	assert_int_equal(conf_size(c, "s", "size", any), 16 << 20);
	assert_int_equal(conf_time(c, "s", "time", any), 30000);
	assert_int_equal(conf_choice(c, "s", "colour", words, 0), 1);
	assert_string_equal(complaints(f), "");
}

static void
test_absent_keys_give_their_defaults(void **state)
{
	static const char *const words[] = { "red", "green", NULL };
	struct fixture *f = *state;
	struct conf *c = load(f, "[s]\n");

	assert_string_equal(conf_str(c, "s", "a", "def"), "def");
	assert_null(conf_str(c, "s", "a", NULL));
	assert_null(conf_str(c, "absent", "a", NULL));
	assert_true(conf_bool(c, "s", "b", true));
	assert_int_equal(conf_uint(c, "s", "c", any), 7);
	assert_int_equal(conf_choice(c, "s", "d", words, 1), 1);
	assert_false(conf_has(c, "s", "a"));
	assert_true(conf_has(c, "s", NULL));
	assert_false(conf_has(c, "absent", NULL));
	assert_string_equal(complaints(f), "");
}

static void
test_sections_keep_order_and_case(void **state)
{
	struct fixture *f = *state;
	struct conf *c =
		load(f, "[user.Zoe]\nHome = /Z\n[user.ann]\nhome=/a\n");

	assert_int_equal(conf_sections(c), 2);
	assert_string_equal(conf_section(c, 0), "user.Zoe");
	assert_string_equal(conf_section(c, 1), "user.ann");
	assert_null(conf_section(c, 2));
	assert_string_equal(conf_str(c, "user.Zoe", "home", ""), "/Z");
	assert_string_equal(conf_str(c, "user.zoe", "HOME", ""), "/Z");
	assert_true(conf_has(c, "user.Ann", "home"));
	assert_string_equal(complaints(f), "");
}

static void
test_unknown_keys_and_sections_are_complaints(void **state)
{
	struct fixture *f = *state;
	struct conf *c = load(f, "[a]\nknown = 1\nknwon = 2\n[b]\nx = 1\n"
				 "[c]\nabsent_is_asked_for = 1\n");

	conf_str(c, "a", "known", "");
	conf_str(c, "c", "other", "");
	assert_string_equal(
		complaints(f),
		": [a] knwon: unknown key (line 3)\n"
		": [b]: unknown section (line 4)\n"
		": [c] absent_is_asked_for: unknown key (line 7)\n");
}

static void
test_missing_needed_key_is_a_complaint(void **state)
{
	struct fixture *f = *state;
	struct conf *c = load(f, "[s]\nempty = \"\"\nthere = x\n");

	assert_string_equal(conf_need(c, "s", "absent"), "");
	assert_string_equal(conf_need(c, "s", "empty"), "");
	assert_string_equal(conf_need(c, "s", "there"), "x");
	assert_string_equal(conf_need(c, "t", "key"), "");
	assert_string_equal(complaints(f),
			    ": [s] absent: it is missing; it has no default\n"
			    ": [s] empty: it is empty; it has no default\n"
			    ": [t] key: it is missing; it has no default\n");
}

static void
test_bad_values_say_what_was_expected(void **state)
{
	static const char *const words[] = { "red", "green", NULL };
	static const struct conf_range sizes = { 9, 1 << 20, 5ULL << 30 };
	static const struct conf_range times = { 9, 1000, 86400000 };
	static const struct conf_range numbers = { 9, 1, 65535 };
	struct fixture *f = *state;
	struct conf *c = load(f, "[s]\nb = maybe\nn = 0\nn2 = -1\nn3 = 1x\n"
				 "z = 100K\nz2 = 1MB\nt = 30\nt2 = 2d\n"
				 "c = blue\n");

	assert_true(conf_bool(c, "s", "b", true));
	assert_int_equal(conf_uint(c, "s", "n", numbers), 9);
	assert_int_equal(conf_uint(c, "s", "n2", numbers), 9);
	assert_int_equal(conf_uint(c, "s", "n3", numbers), 9);
	assert_int_equal(conf_size(c, "s", "z", sizes), 9);
	assert_int_equal(conf_size(c, "s", "z2", sizes), 9);
	assert_int_equal(conf_time(c, "s", "t", times), 9);
	assert_int_equal(conf_time(c, "s", "t2", times), 9);
	assert_int_equal(conf_choice(c, "s", "c", words, 0), 0);
#define NUMBER ", expected a whole number from 1 to 65535\n"
#define SIZE ", expected a size in bytes or with K, M, G, T from 1M to 5G\n"
#define TIME ", expected a time with ms, s, m, h or d from 1s to 1d\n"
	assert_string_equal(
		complaints(f),
		": [s] b: found \"maybe\", expected true or false\n"
		": [s] n: found \"0\"" NUMBER ": [s] n2: found \"-1\"" NUMBER
		": [s] n3: found \"1x\"" NUMBER ": [s] z: found \"100K\"" SIZE
		": [s] z2: found \"1MB\"" SIZE ": [s] t: found \"30\"" TIME
		": [s] t2: found \"2d\"" TIME
		": [s] c: found \"blue\", expected one of: red green\n");
}

static void
test_callers_complaints_join_the_list(void **state)
{
	struct fixture *f = *state;
	struct conf *c = load(f, "[s]\na=1\n");

	conf_complain(c, "s", "a", "no such bucket: %s", "x");
	conf_complain(c, "s", NULL, "two stores");
	conf_has(c, "s", "a");
	assert_string_equal(complaints(f), ": [s] a: no such bucket: x\n"
					   ": [s]: two stores\n");
}

static void
test_unreadable_files_are_one_clear_complaint(void **state)
{
	struct fixture *f = *state;

	f->conf = conf_load(f->path);
	assert_string_equal(conf_need(f->conf, "a", "b"), "");
	conf_complain(f->conf, "a", NULL, "not of interest");
	assert_string_equal(complaints(f), ": No such file or directory\n");
	conf_free(f->conf);
	assert_int_equal(mkdir(f->path, 0700), 0);
	f->conf = conf_load(f->path);
	assert_string_equal(complaints(f),
			    ": it is a directory; expected a file\n");
	rmdir(f->path);
	conf_free(f->conf);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	f->conf = conf_load(f->path);
	assert_string_equal(complaints(f), ": it is not a regular file\n");
}

static void
test_binary_file_is_one_clear_complaint(void **state)
{
	struct fixture *f = *state;

	load_bytes(f,
		   "[s]\na = 1\n\x7f"
		   "ELF\x02\x01\0\0\0[\xff=\xfe",
		   20);
	assert_string_equal(complaints(f), ":3: byte 0x7f; expected text\n");
	load_bytes(f, "[s]\na = \0b\n", 10);
	assert_string_equal(complaints(f), ":2: byte 0x00; expected text\n");
}

static void
test_syntax_errors_name_their_lines(void **state)
{
	struct fixture *f = *state;

	load(f, "early = 1\n"
		"[s]\n"
		"no equals sign\n"
		"= value\n"
		"two words = value\n"
		"[unclosed\n"
		"[]\n"
		"[a:b]\n"
		"[x] ; comment\n");
	assert_string_equal(
		complaints(f),
		":1: a key before any [section]\n"
		":3: expected key = value\n"
		":4: expected key = value\n"
		":5: \"two words\" cannot be a key: expected key = value\n"
		":6: expected [section] alone\n"
		":7: expected a name without [ ] and : between [ and ]\n"
		":8: expected a name without [ ] and : between [ and ]\n"
		":9: expected [section] alone\n");
}

static void
test_what_the_parser_would_cut_is_a_complaint(void **state)
{
	struct fixture *f = *state;

	load(f, "[s]\n"
		"a = pass#word\n"
		"b = \"open\n"
		"c = \"one\" two\n"
		"d = fine # comment\n"
		"e = \"fine\" ; comment\n"
		"f = continued \\\n"
		"g = 1\n");
	assert_string_equal(
		complaints(f),
		":2: a value with ; or # needs quotes around it, a comment a "
		"space before it\n"
		":3: the quote is not closed\n"
		":4: text behind the closing quote\n"
		":7: a line must not end in \\\n");
}

static void
test_duplicates_are_complaints(void **state)
{
	struct fixture *f = *state;

	load(f, "[s]\na = 1\nA = 2\n[t]\na = 3\n[S]\nb = 4\n");
	assert_string_equal(complaints(f),
			    ":3: \"A\" stands in line 2 already; upper and "
			    "lower case count as the same\n"
			    ":6: \"S\" stands in line 1 already; upper and "
			    "lower case count as the same\n");
}

static void
test_long_line_is_a_complaint_and_the_longest_is_kept(void **state)
{
	struct fixture *f = *state;
	char text[2048] = "[s]\na = ", value[997];

	memset(value, 'x', sizeof(value));
	value[996] = '\0';
	strcat(text, value);
	load(f, text);
	assert_string_equal(conf_str(f->conf, "s", "a", ""), value);
	assert_string_equal(complaints(f), "");
	strcat(text, "y\nb = 1\n");
	load(f, text);
	assert_string_equal(complaints(f), ":2: longer than 1000 bytes\n");
}

static void
test_complaints_are_bounded(void **state)
{
	struct fixture *f = *state;
	char *text = calloc(10000, 4);

	for (int i = 0; i < 10000; i++)
		memcpy(text + 4 * i, "bad\n", 4);
	load_bytes(f, text, 40000);
	assert_int_equal(conf_finish(f->conf), 100);
	free(text);
}

static void
test_values_come_from_the_environment(void **state)
{
	struct fixture *f = *state;
	struct conf *c = load(f, "[s]\na = env:TEST_CONF_A\n"
				 "b = env:TEST_CONF_ABSENT\n"
				 "n = env:TEST_CONF_A\n");

	setenv("TEST_CONF_A", "s3cret #;", 1);
	unsetenv("TEST_CONF_ABSENT");
	assert_string_equal(conf_need(c, "s", "a"), "s3cret #;");
	assert_string_equal(conf_need(c, "s", "a"), "s3cret #;");
	assert_string_equal(conf_need(c, "s", "b"), "");
	conf_uint(c, "s", "n", (struct conf_range){ 0, 0, 9 });
	/* The secret itself must not show up. */
	assert_string_equal(complaints(f),
			    ": [s] b: env:TEST_CONF_ABSENT: no such variable "
			    "in the environment\n"
			    ": [s] n: what env:TEST_CONF_A gives is not "
			    "valid; expected a whole number from 0 to 9\n");
}

static void
test_values_come_from_files(void **state)
{
	struct fixture *f = *state;
	char text[512] = "", secret[128] = "", expected[512] = "";
	struct conf *c;
	FILE *out;

	str_printf(secret, sizeof(secret), "%s/secret", f->dir);
	str_printf(text, sizeof(text),
		   "[s]\na = file:%s\nb = file:%s.absent\nc = file:%s\n"
		   "d = file:relative\n",
		   secret, secret, f->dir);
	out = fopen(secret, "w");
	fputs("first line \nsecond\n", out);
	fclose(out);
	c = load(f, text);
	assert_string_equal(conf_need(c, "s", "a"), "first line ");
	assert_string_equal(conf_need(c, "s", "b"), "");
	assert_string_equal(conf_str(c, "s", "c", "def"), "def");
	assert_string_equal(conf_str(c, "s", "d", ""), "file:relative");
	str_printf(expected, sizeof(expected),
		   ": [s] b: file:%s.absent: No such file or directory\n"
		   ": [s] c: file:%s: it is a directory; expected a file\n",
		   secret, f->dir);
	assert_string_equal(complaints(f), expected);
	unlink(secret);
}

struct files {
	unsigned n;
	char last[200];
};

static void
on_file(void *arg, const char *section, const char *key, const char *path)
{
	struct files *all = arg;

	all->n++;
	snprintf(all->last, sizeof(all->last), "%s/%s=%s", section, key, path);
}

static void
test_files_of_values_are_told(void **state)
{
	struct fixture *f = *state;
	struct conf *c = load(f, "[s]\na = file:relative\nb = x\n"
				 "[t]\nc = file:/a/secret\n");
	struct files all = { 0 };

	conf_files(c, on_file, &all);
	assert_int_equal(all.n, 1);
	assert_string_equal(all.last, "t/c=/a/secret");
	/* The same once its value was asked for, whether it is there or not. */
	conf_str(c, "t", "c", NULL);
	conf_files(c, on_file, &all);
	assert_int_equal(all.n, 2);
}

struct key_list {
	struct conf *conf;
	char text[128];
};

static void
on_key(void *arg, const char *key)
{
	struct key_list *l = arg;

	str_printf(l->text, sizeof(l->text), "%s=%s ", key,
		   conf_str(l->conf, "s", key, ""));
}

static void
test_keys_with_a_prefix_are_told_in_order(void **state)
{
	struct fixture *f = *state;
	struct conf *c = load(f, "[s]\nx.b = 1\nx.a = 2\nz = 3\nX.c = 4\n"
				 "[t]\nx.d = 5\n");
	struct key_list l = { .conf = c };

	conf_keys(c, "S", "x.", on_key, &l);
	conf_keys(c, "none", "x.", on_key, &l);
	conf_str(c, "t", "x.d", "");
	/* Looking is not knowing. */
	assert_string_equal(conf_peek(c, "s", "z"), "3");
	assert_null(conf_peek(c, "s", "y"));
	assert_string_equal(l.text, "x.b=1 x.a=2 X.c=4 ");
	assert_string_equal(complaints(f), ": [s] z: unknown key (line 4)\n");
}

static void
test_keys_of_a_forgiven_section_are_not_unknown(void **state)
{
	struct fixture *f = *state;
	struct conf *c = load(f, "[a]\nx = 1\n[b]\ny = 1\n");

	conf_str(c, "a", "type", "");
	conf_str(c, "b", "type", "");
	conf_forgive(c, "a");
	conf_forgive(c, "none");
	assert_string_equal(complaints(f), ": [b] y: unknown key (line 4)\n");
}

static void
test_sizes_are_parsed_strictly(void **state)
{
	static const char *const bad[] = {
		"",    "M",    "-1",	    "1.5M",
		"1MB", "1M M", "0x10",	    "18446744073709551616",
		"+1",  " 1",   "16777216T",
	};
	uint64_t v;

	(void)state;
	assert_int_equal(conf_parse_size("0", &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(conf_parse_size("3k", &v), 0);
	assert_int_equal(v, 3072);
	assert_int_equal(conf_parse_size("5 G", &v), 0);
	assert_int_equal(v, 5ULL << 30);
	assert_int_equal(conf_parse_size("16777215T", &v), 0);
	assert_int_equal(v, 16777215ULL << 40);
	assert_int_equal(conf_parse_size("18446744073709551615", &v), 0);
	assert_true(v == UINT64_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (conf_parse_size(bad[i], &v) != -1)
			fail_msg("\"%s\" was taken", bad[i]);
}

static void
test_times_need_their_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = { { "0", 0 },	{ "250ms", 250 },  { "2s", 2000 },
		     { "10m", 600000 }, { "1h", 3600000 }, { "7d", 604800000 },
		     { "1 S", 1000 },	{ "0s", 0 } };
	static const char *const bad[] = {
		"", "30", "s", "1.5s", "-1s", "1w", "1s1", "213503982335d"
	};
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(conf_parse_time(good[i].text, &v), 0);
		assert_true(v == good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (conf_parse_time(bad[i], &v) != -1)
			fail_msg("\"%s\" was taken", bad[i]);
}

#define CONF_TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CONF_TEST(test_values_are_read_with_their_types),
		CONF_TEST(test_absent_keys_give_their_defaults),
		CONF_TEST(test_sections_keep_order_and_case),
		CONF_TEST(test_unknown_keys_and_sections_are_complaints),
		CONF_TEST(test_files_of_values_are_told),
		CONF_TEST(test_keys_with_a_prefix_are_told_in_order),
		CONF_TEST(test_keys_of_a_forgiven_section_are_not_unknown),
		CONF_TEST(test_missing_needed_key_is_a_complaint),
		CONF_TEST(test_bad_values_say_what_was_expected),
		CONF_TEST(test_callers_complaints_join_the_list),
		CONF_TEST(test_unreadable_files_are_one_clear_complaint),
		CONF_TEST(test_binary_file_is_one_clear_complaint),
		CONF_TEST(test_syntax_errors_name_their_lines),
		CONF_TEST(test_what_the_parser_would_cut_is_a_complaint),
		CONF_TEST(test_duplicates_are_complaints),
		CONF_TEST(
			test_long_line_is_a_complaint_and_the_longest_is_kept),
		CONF_TEST(test_complaints_are_bounded),
		CONF_TEST(test_values_come_from_the_environment),
		CONF_TEST(test_values_come_from_files),
		cmocka_unit_test(test_sizes_are_parsed_strictly),
		cmocka_unit_test(test_times_need_their_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
