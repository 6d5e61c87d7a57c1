/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/log.h"

/*
 * Standard error is a datagram socket while a line is written: each write()
 * becomes one message, so a line in two writes would be seen.
 */
static int reader = -1;
static int saved_stderr = -1;

static int
catch_stderr(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
		return -1;
	saved_stderr = dup(STDERR_FILENO);
	dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	reader = pair[0];
	log_open("test", "stderr", LOG_LEVEL_INFO);
	return 0;
}

static int
release_stderr(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(reader);
	return 0;
}

/* The next line without its time and pid, which vary; "" if there is none. */
static const char *
line(void)
{
	static char text[8192];
	ssize_t n = recv(reader, text, sizeof(text) - 1, MSG_DONTWAIT);
	char *p, *rest;

	if (n <= 0)
		return "";
	text[n] = '\0';
	assert_int_equal(strcspn(text, "\n"), n - 1);
	text[n - 1] = '\0';
	assert_int_equal(strncmp(text, "time=2", 6), 0);
	p = strstr(text, " level=");
	assert_non_null(p);
	rest = strstr(p, " pid=");
	assert_non_null(rest);
	assert_int_equal(strtol(rest + 5, &rest, 10), getpid());
	memmove(p + strcspn(p + 1, " ") + 1, rest, strlen(rest) + 1);
	return p + 1;
}

static void
test_line_has_its_fields_in_order(void **state)
{
	(void)state;
	log_info("sftpd", "4f2a", "login", KV_S("user", "ann"), KV_I("i", -5),
		 KV_U("u", UINT64_MAX), KV_F("f", 1.5), KV_ERR(ERR_NOT_FOUND));
	assert_string_equal(line(), "level=info part=sftpd event=login "
				    "session=4f2a user=ann i=-5 "
				    "u=18446744073709551615 f=1.5 "
				    "err=not_found");
	log_error("sftpd", NULL, "start");
	assert_string_equal(line(), "level=error part=sftpd event=start");
}

static void
test_lines_above_the_level_are_not_written(void **state)
{
	(void)state;
	log_debug("a", NULL, "hidden");
	assert_string_equal(line(), "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("a", NULL, "shown");
	assert_string_equal(line(), "level=debug part=a event=shown");
	log_set_level(LOG_LEVEL_ERROR);
	log_warn("a", NULL, "hidden");
	assert_string_equal(line(), "");
}

static void
check_value(const char *value, const char *written)
{
	char expected[2048];

	log_info("a", NULL, "e", KV_S("v", value));
	snprintf(expected, sizeof(expected), "level=info part=a event=e v=%s",
		 written);
	assert_string_equal(line(), expected);
}

static void
test_values_are_quoted_where_they_need_it(void **state)
{
	(void)state;
	check_value("plain/path-1.2,3:4", "plain/path-1.2,3:4");
	check_value(NULL, "\"\"");
	check_value("", "\"\"");
	check_value("two words", "\"two words\"");
	check_value("a=b", "\"a=b\"");
	check_value("say \"hi\"", "\"say \\\"hi\\\"\"");
	check_value("back\\slash", "\"back\\\\slash\"");
}

static void
test_a_peer_cannot_forge_a_line(void **state)
{
	(void)state;
	check_value("x\ntime=2026 level=error",
		    "\"x\\ntime=2026 level=error\"");
	check_value("x\r\x1b[2J\x7f\t", "\"x\\x0d\\x1b[2J\\x7f\\x09\"");
	/* C1 controls, a line separator, a bidirectional override. */
	check_value("\xc2\x9b", "\"\\xc2\\x9b\"");
	check_value("\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\"");
	check_value("\xe2\x80\xae", "\"\\xe2\\x80\\xae\"");
}

static void
test_utf8_stays_and_malformed_bytes_are_escaped(void **state)
{
	(void)state;
	check_value("Gr\xc3\xbc\xc3\x9f"
		    "e \xe2\x82\xac \xf0\x9f\x8e\xac",
		    "\"Gr\xc3\xbc\xc3\x9f"
		    "e \xe2\x82\xac \xf0\x9f\x8e\xac\"");
	check_value("\xff", "\"\\xff\"");
	check_value("\xc3", "\"\\xc3\"");
	check_value("\xc0\xaf", "\"\\xc0\\xaf\"");
	check_value("\xe0\x80\xaf", "\"\\xe0\\x80\\xaf\"");
	check_value("\xed\xa0\x80", "\"\\xed\\xa0\\x80\"");
	check_value("\xf0\x80\x80\xaf", "\"\\xf0\\x80\\x80\\xaf\"");
	check_value("\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"");
	check_value("\xf8\x88\x80\x80\x80", "\"\\xf8\\x88\\x80\\x80\\x80\"");
	check_value("\xe2\x82", "\"\\xe2\\x82\"");
}

static void
test_a_long_value_is_cut_and_later_fields_stay(void **state)
{
	char value[5001];
	const char *text;

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_info("a", NULL, "e", KV_S("v", value), KV_U("after", 1));
	text = line();
	assert_true(strlen(text) < 1200);
	assert_non_null(strstr(text, "xxx...\" after=1"));
	memset(value, '\x01', sizeof(value) - 1);
	log_info("a", NULL, "e", KV_S("v", value), KV_U("after", 1));
	text = line();
	assert_true(strlen(text) < 1200);
	assert_non_null(strstr(text, "\\x01...\" after=1"));
}

static void
test_a_line_never_exceeds_its_ceiling(void **state)
{
	char value[1001], raw[8192];
	ssize_t n;

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_info("a", NULL, "e", KV_S("a", value), KV_S("b", value),
		 KV_S("c", value), KV_S("d", value), KV_S("e", value),
		 KV_U("small", 7));
	n = recv(reader, raw, sizeof(raw) - 1, MSG_DONTWAIT);
	assert_in_range(n, 3000, 4096);
	raw[n] = '\0';
	assert_non_null(strstr(raw, " small=7 cut=true\n"));
	assert_null(strstr(raw, " e=xxx"));
}

static void
test_levels_are_parsed_by_name(void **state)
{
	enum log_level level;

	(void)state;
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("ERROR", &level), 0);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_int_equal(log_level_parse("verbose", &level), -1);
	assert_int_equal(log_level_parse("", &level), -1);
}

enum { THREADS = 4, LINES = 50 };

static void *
write_lines(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_info("thread", arg, "line", KV_I("i", i));
	return NULL;
}

static void
test_lines_of_threads_do_not_mix(void **state)
{
	static char *const names[THREADS] = { "a", "b", "c", "d" };
	int next[THREADS] = { 0 }, total = 0;
	pthread_t threads[THREADS];
	char expected[64], name;
	int i;

	(void)state;
	/* The socket holds fewer messages than that: the writers wait. */
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, write_lines, names[i]);
	while (total < THREADS * LINES) {
		const char *text = line();

		if (!*text)
			continue;
		assert_int_equal(sscanf(text,
					"level=info part=thread event=line "
					"session=%c i=%d",
					&name, &i),
				 2);
		assert_int_equal(next[name - 'a']++, i);
		snprintf(expected, sizeof(expected),
			 "level=info part=thread event=line session=%c i=%d",
			 name, i);
		assert_string_equal(text, expected);
		total++;
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

#define LOG_TEST(f) \
	cmocka_unit_test_setup_teardown(f, catch_stderr, release_stderr)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(test_line_has_its_fields_in_order),
		LOG_TEST(test_lines_above_the_level_are_not_written),
		LOG_TEST(test_values_are_quoted_where_they_need_it),
		LOG_TEST(test_a_peer_cannot_forge_a_line),
		LOG_TEST(test_utf8_stays_and_malformed_bytes_are_escaped),
		LOG_TEST(test_a_long_value_is_cut_and_later_fields_stay),
		LOG_TEST(test_a_line_never_exceeds_its_ceiling),
		LOG_TEST(test_levels_are_parsed_by_name),
		LOG_TEST(test_lines_of_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
