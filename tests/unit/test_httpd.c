/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP connections over a file system in memory. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "httpd/httpd.h"
#include "lib/id.h"
#include "lib/mem.h"
#include "tests/fake/fake_fs.h"

#define TURNS 600 /* of the loop, well below what is read while paused */
#define REPLY_MAX 65536

struct world {
	struct loop *loop;
	struct fake *fake;
	struct httpd_config config;
	struct httpd *httpd;
	int fd;
	char auth[128];
	char reply[REPLY_MAX]; /* all that came so far */
	size_t n;
	bool closed;
};

static void
connect_client(struct world *w)
{
	struct sockaddr_in peer = { .sin_family = AF_INET };
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	w->fd = fds[0];
	w->n = 0;
	w->reply[0] = '\0';
	w->closed = false;
	httpd_accept(w->httpd, fds[1], (struct sockaddr *)&peer, false);
}

static int
set_up(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	char text[64];

	w->loop = loop_new();
	w->fake = fake_new(w->loop);
	str_copy(w->fake->user.name, sizeof(w->fake->user.name), "ann");
	w->fake->password = "secret";
	w->config.header_timeout_ms = w->config.body_timeout_ms = 3600000;
	w->config.idle_timeout_ms = 3600000;
	w->config.max_auth_tries = 2;
	assert_int_equal(httpd_open(&w->httpd, &w->config, &w->fake->bridge),
			 ERR_OK);
	base64_encode("ann:secret", 10, text);
	str_printf(w->auth, sizeof(w->auth),
		   "Host: h\r\nAuthorization: Basic %s\r\n", text);
	connect_client(w);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	if (w->fd >= 0)
		close(w->fd);
	httpd_close(w->httpd);
	assert_int_equal(w->fake->sessions, 0);
	assert_int_equal(w->fake->files, 0);
	fake_free(w->fake);
	loop_free(w->loop);
	free(w);
	return 0;
}

static void
turn(struct world *w)
{
	ssize_t n;

	loop_turn(w->loop, 1);
	n = recv(w->fd, w->reply + w->n, REPLY_MAX - 1 - w->n, 0);
	if (n == 0)
		w->closed = true;
	if (n > 0)
		w->n += (size_t)n;
	w->reply[w->n] = '\0';
}

static void
settle(struct world *w)
{
	int i;

	for (i = 0; i < 20; i++)
		turn(w);
}

static void
wait_text(struct world *w, const char *text)
{
	int i;

	for (i = 0; i < TURNS && !strstr(w->reply, text); i++)
		turn(w);
	if (!strstr(w->reply, text))
		fail_msg("no \"%s\" in: %s", text, w->reply);
}

static void
wait_closed(struct world *w)
{
	int i;

	for (i = 0; i < TURNS && !w->closed; i++)
		turn(w);
	assert_true(w->closed);
}

static void
say(struct world *w, const void *p, size_t n)
{
	const char *s = p;
	ssize_t put;
	int i;

	for (i = 0; i < TURNS && n > 0; i++) {
		put = send(w->fd, s, n, MSG_NOSIGNAL);
		if (put > 0) {
			s += put;
			n -= (size_t)put;
		}
		turn(w);
	}
	assert_int_equal(n, 0);
}

static void
say_text(struct world *w, const char *text)
{
	say(w, text, strlen(text));
}

static void
ask(struct world *w, const char *line, const char *fields)
{
	char text[1024] = "";

	str_printf(text, sizeof(text), "%s HTTP/1.1\r\n%s%s\r\n", line, w->auth,
		   fields);
	say(w, text, strlen(text));
}

static void
expect_file(struct world *w, const char *path, const void *data, size_t n)
{
	size_t size;
	const void *p = fake_get(w->fake, path, &size);

	assert_non_null(p);
	assert_int_equal(size, n);
	assert_memory_equal(p, data, n);
}

static void
test_put_is_answered_when_published(void **state)
{
	struct world *w = *state;

	ask(w, "PUT /files/a", "Content-Length: 5\r\n");
	settle(w);
	w->fake->hold = true;
	say_text(w, "hello");
	settle(w);
	assert_null(strstr(w->reply, "HTTP/1.1"));
	assert_non_null(strstr(fake_ops(w->fake), "close /a\n"));
	fake_release(w->fake);
	wait_text(w, "HTTP/1.1 201 ");
	expect_file(w, "/a", "hello", 5);
}

static void
test_chunked_put_is_put_together(void **state)
{
	struct world *w = *state;

	ask(w, "PUT /files/a", "Transfer-Encoding: chunked\r\n");
	say_text(w, "3\r\nhel\r\n2;x\r\nlo\r\n");
	settle(w);
	say_text(w, "0\r\n\r\n");
	wait_text(w, "HTTP/1.1 201 ");
	expect_file(w, "/a", "hello", 5);
}

static void
test_continue_comes_when_the_file_is_open(void **state)
{
	struct world *w = *state;

	w->fake->hold = true;
	ask(w, "PUT /files/a", "Content-Length: 5\r\nExpect: 100-continue\r\n");
	settle(w);
	assert_int_equal(w->n, 0);
	fake_release(w->fake);
	wait_text(w, "HTTP/1.1 100 Continue\r\n\r\n");
	say_text(w, "hello");
	wait_text(w, "HTTP/1.1 201 ");
}

static void
test_a_body_that_breaks_off_is_not_published(void **state)
{
	struct world *w = *state;

	ask(w, "PUT /files/a", "Content-Length: 5\r\n");
	say_text(w, "hel");
	settle(w);
	close(w->fd);
	connect_client(w);
	settle(w);
	assert_int_equal(w->fake->broken, 1);
	assert_int_equal(w->fake->sessions, 1);
	assert_null(strstr(fake_ops(w->fake), "close /a\n"));
}

static void
test_a_malformed_body_is_not_published(void **state)
{
	struct world *w = *state;

	ask(w, "PUT /files/a", "Transfer-Encoding: chunked\r\n");
	say_text(w, "3\r\nhel\r\nX\r\n");
	wait_text(w, "HTTP/1.1 400 ");
	wait_text(w, "Connection: close");
	wait_closed(w);
	assert_int_equal(w->fake->broken, 1);
}

static void
test_a_paused_file_is_not_fed(void **state)
{
	static char block[1 << 20];
	struct world *w = *state;
	uint64_t before;

	ask(w, "PUT /files/a", "Content-Length: 1048581\r\n");
	say_text(w, "hello");
	settle(w);
	fake_pause(w->fake, true);
	before = w->fake->written;
	assert_true(send(w->fd, block, 1000, MSG_NOSIGNAL) == 1000);
	settle(w);
	assert_int_equal(w->fake->written, before);
	fake_pause(w->fake, false);
	say(w, block + 1000, sizeof(block) - 1000);
	wait_text(w, "HTTP/1.1 201 ");
	assert_int_equal(w->fake->written, sizeof(block) + 5);
}

/* What is over before it could be told is never told. */
static void
test_a_pause_that_is_never_told_is_waited_for(void **state)
{
	struct world *w = *state;

	ask(w, "PUT /files/a", "Content-Length: 10\r\n");
	settle(w);
	w->fake->full_at = 5;
	say_text(w, "hello");
	settle(w);
	w->fake->full_at = 0;
	settle(w);
	assert_int_equal(w->fake->written, 5);
	say_text(w, "hello");
	wait_text(w, "HTTP/1.1 201 ");
	expect_file(w, "/a", "hellohello", 10);
}

static void
test_a_failed_write_is_told_at_once(void **state)
{
	struct world *w = *state;

	w->fake->write_err = ERR_QUOTA;
	ask(w, "PUT /files/a", "Content-Length: 1000\r\n");
	say_text(w, "hello");
	wait_text(w, "HTTP/1.1 507 ");
	wait_text(w, "\"detail\":\"the write was made to fail\"");
	wait_closed(w);
	assert_non_null(strstr(fake_ops(w->fake), "broken /a\n"));
}

static void
test_a_failure_in_between_is_told(void **state)
{
	struct world *w = *state;

	ask(w, "PUT /files/a", "Content-Length: 1000\r\n");
	say_text(w, "hello");
	settle(w);
	fake_ready(w->fake, ERR_IN_USE);
	wait_text(w, "HTTP/1.1 423 ");
	wait_closed(w);
}

static void
test_a_failed_close_is_no_success(void **state)
{
	struct world *w = *state;

	w->fake->close_err = ERR_INCOMPLETE;
	ask(w, "PUT /files/a", "Content-Length: 5\r\n");
	say_text(w, "hello");
	wait_text(w, "HTTP/1.1 409 ");
}

static void
test_pipelined_requests_keep_their_order(void **state)
{
	struct world *w = *state;
	char text[1024] = "";

	fake_put(w->fake, "/a", "first", 5);
	fake_put(w->fake, "/b", "second", 6);
	str_printf(text, sizeof(text),
		   "GET /files/a HTTP/1.1\r\n%s\r\n"
		   "HEAD /files/a HTTP/1.1\r\n%s\r\n"
		   "GET /files/b HTTP/1.1\r\n%s\r\n",
		   w->auth, w->auth, w->auth);
	say(w, text, strlen(text));
	wait_text(w, "\r\n\r\nsecond");
	assert_true(strstr(w->reply, "first") < strstr(w->reply, "second"));
	assert_null(strstr(strstr(w->reply, "first") + 1, "first"));
	assert_int_equal(w->fake->sessions, 1);
}

static void
test_wrong_passwords_end_the_connection(void **state)
{
	static const char wrong[] = "GET /files/a HTTP/1.1\r\nHost: h\r\n"
				    "Authorization: Basic YW5uOndyb25n\r\n\r\n";
	struct world *w = *state;

	say(w, wrong, sizeof(wrong) - 1);
	wait_text(w, "HTTP/1.1 401 ");
	wait_text(w, "WWW-Authenticate: Basic ");
	settle(w);
	assert_false(w->closed);
	say(w, wrong, sizeof(wrong) - 1);
	wait_closed(w);
	assert_string_equal(fake_ops(w->fake), "");
}

static void
test_other_credentials_are_another_session(void **state)
{
	struct world *w = *state;

	fake_put(w->fake, "/a", "first", 5);
	ask(w, "GET /files/a", "");
	wait_text(w, "first");
	say_text(w, "GET /files/a HTTP/1.1\r\nHost: h\r\n"
		    "Authorization: Basic YW5uOndyb25n\r\n\r\n");
	wait_text(w, "HTTP/1.1 401 ");
	say_text(w, "GET /files/a HTTP/1.1\r\nHost: h\r\n\r\n");
	settle(w);
	assert_null(strstr(strstr(w->reply, "first") + 1, "first"));
}

static void
test_a_slow_head_is_given_up(void **state)
{
	struct world *w = *state;

	w->config.header_timeout_ms = 10;
	connect_client((close(w->fd), w));
	say_text(w, "GET / HT");
	wait_text(w, "HTTP/1.1 408 ");
	wait_closed(w);
}

static void
test_a_slow_body_is_given_up(void **state)
{
	struct world *w = *state;

	w->config.body_timeout_ms = 10;
	ask(w, "PUT /files/a", "Content-Length: 5\r\n");
	say_text(w, "hel");
	wait_text(w, "HTTP/1.1 408 ");
	wait_closed(w);
	assert_int_equal(w->fake->broken, 1);
}

static void
test_draining_ends_what_is_idle(void **state)
{
	struct world *w = *state;

	ask(w, "PUT /files/a", "Content-Length: 5\r\n");
	settle(w);
	httpd_drain(w->httpd);
	settle(w);
	assert_false(w->closed);
	say_text(w, "hello");
	wait_text(w, "HTTP/1.1 201 ");
	wait_text(w, "Connection: close");
	wait_closed(w);
	shutdown(w->fd, SHUT_RDWR);
	settle(w);
	assert_int_equal(httpd_sessions(w->httpd), 0);
}

static void
test_a_download_waits_for_its_client(void **state)
{
	static char data[8 << 20];
	struct world *w = *state;
	size_t got = 0;
	ssize_t n;
	int i;

	memset(data, 'x', sizeof(data));
	fake_put(w->fake, "/a", data, sizeof(data));
	ask(w, "GET /files/a", "");
	for (i = 0; i < 100; i++)
		loop_turn(w->loop, 1);
	/* Much is left, and comes as it is taken. */
	got = w->n;
	for (i = 0; i < 100 * TURNS && got < sizeof(data); i++) {
		n = recv(w->fd, w->reply, REPLY_MAX, 0);
		if (n > 0)
			got += (size_t)n;
		else
			loop_turn(w->loop, 1);
	}
	assert_true(got > sizeof(data));
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(test_put_is_answered_when_published),
		ROW(test_chunked_put_is_put_together),
		ROW(test_continue_comes_when_the_file_is_open),
		ROW(test_a_body_that_breaks_off_is_not_published),
		ROW(test_a_malformed_body_is_not_published),
		ROW(test_a_paused_file_is_not_fed),
		ROW(test_a_pause_that_is_never_told_is_waited_for),
		ROW(test_a_failed_write_is_told_at_once),
		ROW(test_a_failure_in_between_is_told),
		ROW(test_a_failed_close_is_no_success),
		ROW(test_pipelined_requests_keep_their_order),
		ROW(test_wrong_passwords_end_the_connection),
		ROW(test_other_credentials_are_another_session),
		ROW(test_a_slow_head_is_given_up),
		ROW(test_a_slow_body_is_given_up),
		ROW(test_draining_ends_what_is_idle),
		ROW(test_a_download_waits_for_its_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
