/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/peer.h"
#include "lib/mem.h"

struct world {
	char dir[64];
	struct loop *loop;
	struct peer *one, *two;
	/* What came in at `one`. */
	unsigned requests;
	char line[PEER_LINE];
	struct peer_request *held;
	bool hold;
	const char *text;
	enum err err;
};

struct got {
	unsigned calls;
	enum err err;
	char text[PEER_LINE];
};

static void
serve(void *arg, const char *line, struct peer_request *req)
{
	struct world *w = arg;

	w->requests++;
	str_copy(w->line, sizeof(w->line), line);
	if (w->hold)
		w->held = req;
	else
		peer_answer(req, w->err, w->text);
}

static void
answered(void *arg, enum err err, const char *text)
{
	struct got *g = arg;

	g->calls++;
	g->err = err;
	str_copy(g->text, sizeof(g->text), text);
}

static int
setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	strcpy(w->dir, "/tmp/sluice-peer-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->loop = loop_new();
	assert_int_equal(peer_open(&w->one, w->loop, w->dir, 1, serve, w),
			 ERR_OK);
	assert_int_equal(peer_open(&w->two, w->loop, w->dir, 2, serve, w),
			 ERR_OK);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	peer_close(w->one);
	peer_close(w->two);
	loop_turn(w->loop, 0);
	loop_free(w->loop);
	assert_int_equal(rmdir(w->dir), 0); /* no socket is left behind */
	free(w);
	return 0;
}

static void
wait_for(struct world *w, const unsigned *count, unsigned n)
{
	while (*count < n)
		loop_turn(w->loop, 50);
}

static struct got
ask(struct world *w, int slot, const char *line)
{
	struct got g = { 0 };

	peer_ask(w->two, slot, line, 5000, answered, &g);
	assert_int_equal(g.calls, 0);
	wait_for(w, &g.calls, 1);
	return g;
}

/* A client of another kind, sluicectl for one: bytes as they are. */
static int
client(const struct world *w)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/worker.1", w->dir);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

/* Until the worker has closed. */
static void
client_read(struct world *w, int fd, char *buf, size_t size)
{
	size_t n = 0;

	for (;;) {
		ssize_t r = recv(fd, buf + n, size - 1 - n, MSG_DONTWAIT);

		if (r == 0 || (r < 0 && errno == ECONNRESET))
			break;
		if (r > 0)
			n += (size_t)r;
		else
			loop_turn(w->loop, 50);
	}
	buf[n] = '\0';
	close(fd);
}

static void
test_answer_comes_back(void **state)
{
	struct world *w = *state;
	struct got g;

	w->text = "offset=77";
	g = ask(w, 1, "takeover 0123");
	assert_string_equal(w->line, "takeover 0123");
	assert_int_equal(g.err, ERR_OK);
	assert_string_equal(g.text, "offset=77");
	w->text = NULL;
	g = ask(w, 1, "");
	assert_string_equal(w->line, "");
	assert_int_equal(g.err, ERR_OK);
	assert_string_equal(g.text, "");
	g = ask(w, 2, "to myself");
	assert_int_equal(g.err, ERR_OK);
}

static void
test_every_error_comes_back(void **state)
{
	struct world *w = *state;

	for (int e = 1; e < ERR_COUNT; e++) {
		struct got g;

		w->err = (enum err)e;
		w->text = e % 2 ? "because of this" : NULL;
		g = ask(w, 1, "x");
		assert_int_equal(g.err, e);
		assert_string_equal(g.text, e % 2 ? "because of this"
						  : err_text((enum err)e));
	}
}

static void
test_answer_may_come_late(void **state)
{
	struct world *w = *state;
	struct got g = { 0 };

	w->hold = true;
	peer_ask(w->two, 1, "x", 5000, answered, &g);
	wait_for(w, &w->requests, 1);
	loop_turn(w->loop, 0);
	assert_int_equal(g.calls, 0);
	peer_answer(w->held, ERR_IN_USE, "busy");
	wait_for(w, &g.calls, 1);
	assert_int_equal(g.err, ERR_IN_USE);
}

static void
test_nobody_there_is_again(void **state)
{
	struct world *w = *state;
	struct got g;

	g = ask(w, 7, "x");
	assert_int_equal(g.err, ERR_AGAIN);
}

static void
test_silence_is_again(void **state)
{
	struct world *w = *state;
	struct got g = { 0 };

	w->hold = true;
	peer_ask(w->two, 1, "x", 20, answered, &g);
	wait_for(w, &g.calls, 1);
	assert_int_equal(g.err, ERR_AGAIN);
	peer_answer(w->held, ERR_OK, "too late");
	loop_turn(w->loop, 0);
	assert_int_equal(g.calls, 1);
}

static void
test_worker_that_closes_is_again(void **state)
{
	struct world *w = *state;
	struct got g = { 0 };

	w->hold = true;
	peer_ask(w->two, 1, "x", 5000, answered, &g);
	wait_for(w, &w->requests, 1);
	peer_close(w->one);
	w->one = NULL;
	peer_answer(w->held, ERR_OK, "for nobody"); /* still its duty */
	wait_for(w, &g.calls, 1);
	assert_int_equal(g.err, ERR_AGAIN);
}

static void
test_no_answer_after_close(void **state)
{
	struct world *w = *state;
	struct got g = { 0 };

	peer_ask(w->two, 1, "x", 5000, answered, &g);
	peer_ask(w->two, 7, "x", 5000, answered, &g);
	peer_close(w->two);
	w->two = NULL;
	wait_for(w, &w->requests, 1);
	loop_turn(w->loop, 0);
	loop_turn(w->loop, 0);
	assert_int_equal(g.calls, 0);
}

static void
test_long_lines_are_refused_or_cut(void **state)
{
	struct world *w = *state;
	char line[PEER_LINE + 1];
	struct got g;

	memset(line, 'x', sizeof(line));
	line[PEER_LINE] = '\0';
	g = ask(w, 1, line);
	assert_int_equal(g.err, ERR_TOO_LARGE);
	assert_int_equal(w->requests, 0);
	w->text = line;
	g = ask(w, 1, "x");
	assert_int_equal(g.err, ERR_OK);
	assert_true(strlen(g.text) > PEER_LINE - 10);
	w->text = "two\nlines";
	g = ask(w, 1, "x");
	assert_string_equal(g.text, "two lines");
	line[PEER_LINE - 2] = '\0';
	g = ask(w, 1, line);
	assert_int_equal(g.err, ERR_OK);
	assert_string_equal(w->line, line);
}

static void
test_request_without_end_is_refused(void **state)
{
	struct world *w = *state;
	char junk[PEER_LINE], back[256];
	int fd = client(w);

	memset(junk, 'x', sizeof(junk));
	assert_int_equal(send(fd, junk, sizeof(junk), MSG_NOSIGNAL),
			 (ssize_t)sizeof(junk));
	client_read(w, fd, back, sizeof(back));
	assert_int_equal(w->requests, 0);
	/* Its rest may be unread, then there is a reset instead. */
	if (*back)
		assert_int_equal(strncmp(back, "err too_large ", 14), 0);
}

static void
test_request_in_pieces_is_one(void **state)
{
	struct world *w = *state;
	char back[64];
	int fd = client(w);

	w->text = "fine";
	assert_int_equal(send(fd, "stat", 4, 0), 4);
	loop_turn(w->loop, 50);
	loop_turn(w->loop, 0);
	assert_int_equal(w->requests, 0);
	assert_int_equal(send(fd, "us\n", 3, 0), 3);
	client_read(w, fd, back, sizeof(back));
	assert_string_equal(w->line, "status");
	assert_string_equal(back, "ok fine\n");
}

static void
test_client_that_hangs_up_is_forgotten(void **state)
{
	struct world *w = *state;
	struct got g;

	close(client(w));
	for (int i = 0; i < 3; i++)
		loop_turn(w->loop, 0);
	g = ask(w, 1, "x");
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(w->requests, 1);
}

/* As another user; that needs root to be played. */
static void
test_stranger_is_refused(void **state)
{
	struct world *w = *state;
	char path[96], back[64] = "";
	int status, fds[2];
	pid_t pid;

	if (geteuid() != 0)
		skip();
	snprintf(path, sizeof(path), "%s/worker.1", w->dir);
	assert_int_equal(chmod(w->dir, 0755), 0);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setuid(65534) != 0)
			_exit(1);
		if (dup2(client(w), fds[1]) < 0 ||
		    send(fds[1], "status\n", 7, MSG_NOSIGNAL) < 0)
			_exit(2);
		_exit(recv(fds[1], back, sizeof(back), 0) > 0 ? 3 : 0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		loop_turn(w->loop, 10);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(chmod(w->dir, 0700), 0);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2);
	assert_int_equal(w->requests, 0);
}

static void
test_folder_open_to_others_is_refused(void **state)
{
	struct world *w = *state;
	char path[128];
	struct peer *p;
	struct stat st;

	snprintf(path, sizeof(path), "%s/worker.1", w->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(w->dir, 0770), 0);
	assert_int_equal(peer_open(&p, w->loop, w->dir, 3, serve, w),
			 ERR_DENIED);
	assert_int_equal(chmod(w->dir, 0700), 0);
	assert_int_equal(peer_open(&p, w->loop, "/nowhere/at/all", 3, serve, w),
			 ERR_NOT_FOUND);
}

static void
test_path_too_long_is_invalid(void **state)
{
	struct world *w = *state;
	char path[256];
	struct peer *p;

	snprintf(path, sizeof(path), "%s/%0*d", w->dir, 100, 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(peer_open(&p, w->loop, path, 3, serve, w),
			 ERR_INVALID);
	assert_int_equal(rmdir(path), 0);
}

static void
test_socket_of_a_dead_worker_is_replaced(void **state)
{
	struct world *w = *state;
	struct peer *again;
	struct got g;

	/* The old one is not closed, as if its worker had been killed. */
	w->text = "new";
	assert_int_equal(peer_open(&again, w->loop, w->dir, 1, serve, w),
			 ERR_OK);
	g = ask(w, 1, "x");
	assert_int_equal(g.err, ERR_OK);
	assert_string_equal(g.text, "new");
	peer_close(again);
}

static void
test_peer_without_socket_only_asks(void **state)
{
	struct world *w = *state;
	struct got g = { 0 };
	struct peer *p;

	w->text = "yes";
	assert_int_equal(peer_open(&p, w->loop, w->dir, -1, NULL, NULL),
			 ERR_OK);
	peer_ask(p, 1, "x", 5000, answered, &g);
	wait_for(w, &g.calls, 1);
	assert_int_equal(g.err, ERR_OK);
	assert_string_equal(g.text, "yes");
	peer_close(p);
}

static void
test_many_at_once_are_all_answered(void **state)
{
	struct world *w = *state;
	struct got g[40] = { 0 };
	unsigned done = 0;

	for (int i = 0; i < 40; i++)
		peer_ask(w->two, 1, "x", 5000, answered, &g[i]);
	while (done < 40) {
		loop_turn(w->loop, 50);
		done = 0;
		for (int i = 0; i < 40; i++)
			done += g[i].calls;
	}
	for (int i = 0; i < 40; i++)
		assert_int_equal(g[i].err, ERR_OK);
}

/* Without a free descriptor the worker neither spins nor stops serving. */
static void
test_no_descriptor_left_is_survived(void **state)
{
	struct world *w = *state;
	struct rlimit was, none;
	struct got g = { 0 };
	int fds[64], n = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	peer_ask(w->two, 1, "x", 60000, answered, &g); /* has connected */
	none = was;
	none.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	while (n < 64 && (fds[n] = dup(0)) >= 0)
		n++;
	loop_turn(w->loop, 0);
	loop_turn(w->loop, 0);
	assert_int_equal(w->requests, 0);
	assert_int_equal(g.calls, 0);
	while (n > 0)
		close(fds[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	wait_for(w, &g.calls, 1);
	assert_int_equal(g.err, ERR_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		WORLD(test_answer_comes_back),
		WORLD(test_every_error_comes_back),
		WORLD(test_answer_may_come_late),
		WORLD(test_nobody_there_is_again),
		WORLD(test_silence_is_again),
		WORLD(test_worker_that_closes_is_again),
		WORLD(test_no_answer_after_close),
		WORLD(test_long_lines_are_refused_or_cut),
		WORLD(test_request_without_end_is_refused),
		WORLD(test_request_in_pieces_is_one),
		WORLD(test_client_that_hangs_up_is_forgotten),
		WORLD(test_stranger_is_refused),
		WORLD(test_folder_open_to_others_is_refused),
		WORLD(test_path_too_long_is_invalid),
		WORLD(test_socket_of_a_dead_worker_is_replaced),
		WORLD(test_peer_without_socket_only_asks),
		WORLD(test_many_at_once_are_all_answered),
		WORLD(test_no_descriptor_left_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
