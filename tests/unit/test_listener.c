/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses to listen on, and sockets on loopback with ports that are free. */
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

#include "daemon/listener.h"
#include "lib/mem.h"

static struct listener_spec
spec(enum listener_protocol protocol, const char *text)
{
	struct listener_spec s = { .protocol = protocol };

	assert_int_equal(str_copy(s.text, sizeof(s.text), text), 0);
	return s;
}

static struct listener *
open_one(const char *text)
{
	struct listener_spec s = spec(LISTENER_SFTP, text);
	struct listener *list[4];
	size_t n = 0;

	assert_int_equal(listener_open(&s, list, &n, 4), ERR_OK);
	assert_int_equal(n, 1);
	return list[0];
}

static void
test_spec_forms_are_taken(void **state)
{
	static const char *const good[] = {
		"127.0.0.1:22", "[::1]:2022",	     "*:0",
		"localhost:22", "a-b.example:65535", "[fe80::1%lo]:22",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!listener_spec_valid(good[i]))
			fail_msg("%s", good[i]);
	}
}

static void
test_spec_forms_are_refused(void **state)
{
	static const char *const bad[] = {
		"",	    "22",	  "nowhere",	 ":22",
		"::1:22",   "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
		"[::1]",    "[]:22",	  "a b:22",	 "**:22",
		"*.a.b:22", "a:-1",	  "a:+22",	 "a:000022",
		"a/b:22",
	};
	char long_name[400];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (listener_spec_valid(bad[i]))
			fail_msg("%s", bad[i]);
	}
	memset(long_name, 'a', sizeof(long_name));
	strcpy(long_name + sizeof(long_name) - 4, ":22");
	assert_false(listener_spec_valid(long_name));
}

static void
test_open_takes_a_free_port_and_tells_it(void **state)
{
	struct listener *l = open_one("127.0.0.1:0");
	const char *address = listener_address(l);

	(void)state;
	assert_int_equal(strncmp(address, "127.0.0.1:", 10), 0);
	assert_true(atoi(address + 10) > 0);
	assert_int_equal(listener_protocol(l), LISTENER_SFTP);
	listener_close(l);
}

static void
test_open_accepts_connections(void **state)
{
	struct listener *l = open_one("127.0.0.1:0");
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd, peer;

	(void)state;
	assert_int_equal(
		getsockname(listener_fd(l), (struct sockaddr *)&ss, &len), 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	peer = accept(listener_fd(l), NULL, NULL);
	assert_true(peer >= 0);
	close(peer);
	close(fd);
	listener_close(l);
}

static void
test_open_of_a_port_in_use_says_so(void **state)
{
	struct listener *l = open_one("127.0.0.1:0");
	struct listener_spec s = spec(LISTENER_FTP, listener_address(l));
	struct listener *list[1];
	size_t n = 0;

	(void)state;
	assert_int_equal(listener_open(&s, list, &n, 1), ERR_IN_USE);
	assert_int_equal(n, 0);
	listener_close(l);
}

static void
test_open_keeps_to_the_room_in_the_list(void **state)
{
	struct listener_spec s = spec(LISTENER_SFTP, "127.0.0.1:0");
	struct listener *list[1];
	size_t n = 0;

	(void)state;
	assert_int_equal(listener_open(&s, list, &n, 1), ERR_OK);
	assert_int_equal(listener_open(&s, list, &n, 1), ERR_TOO_LARGE);
	assert_int_equal(n, 1);
	listener_close(list[0]);
}

static void
test_matches_compares_protocol_and_text(void **state)
{
	struct listener_spec sftp = spec(LISTENER_SFTP, "127.0.0.1:0");
	struct listener_spec ftp = spec(LISTENER_FTP, "127.0.0.1:0");
	struct listener_spec other = spec(LISTENER_SFTP, "127.0.0.1:1");
	struct listener *l = open_one("127.0.0.1:0");

	(void)state;
	assert_true(listener_matches(l, &sftp));
	assert_false(listener_matches(l, &ftp));
	assert_false(listener_matches(l, &other));
	listener_close(l);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spec_forms_are_taken),
		cmocka_unit_test(test_spec_forms_are_refused),
		cmocka_unit_test(test_open_takes_a_free_port_and_tells_it),
		cmocka_unit_test(test_open_accepts_connections),
		cmocka_unit_test(test_open_of_a_port_in_use_says_so),
		cmocka_unit_test(test_open_keeps_to_the_room_in_the_list),
		cmocka_unit_test(test_matches_compares_protocol_and_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
