/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that share a journal, and processes that are killed. */
#include "tests/unit/journal_world.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define UPLOADS_PER_CHILD 300
/* Without checkpoints their log has over 50 MiB. */
#define LOAD_UPLOADS 500
#define LOAD_LOG_MAX (24 << 20) /* on a busy machine */

/* An insert and its publication, as a small file makes them. */
static enum err
publish_one(struct world *w, char id[ID_LEN + 1])
{
	struct journal_upload u = *row("x");
	struct journal_event e = event("published");
	struct store_part p = part(1);
	struct journal_tx tx = { .update = &u,
				 .set = JSET_STATE,
				 .add_parts = &p,
				 .nadd = 1,
				 .event = &e };
	enum err err;

	strcpy(u.key, u.id);
	err = insert(w, &u);
	u.state = UPLOAD_PUBLISHED;
	if (err == ERR_OK)
		err = commit(w, &tx);
	memcpy(id, u.id, ID_LEN + 1);
	return err;
}

/* Forks; the child has a journal of its own and leaves with what fn gives. */
static pid_t
child(const struct world *w, int (*fn)(struct world *w, int fd), int fd)
{
	struct world own = *w;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	own.loop = loop_new();
	if (try_open(&own) != ERR_OK)
		_exit(99);
	_exit(fn(&own, fd));
}

static int
wait_child(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Tells each publication after it was acknowledged, for ever. */
static int
publish_and_tell(struct world *w, int fd)
{
	char id[ID_LEN + 1];

	while (publish_one(w, id) == ERR_OK)
		if (write(fd, id, sizeof(id)) != sizeof(id))
			return 1;
	return 2;
}

static int
expect_published(struct world *w, int fd)
{
	char id[ID_LEN + 1];
	int n = 0;

	while (read(fd, id, sizeof(id)) == sizeof(id)) {
		struct got g = get(w, id);

		assert_true(g.found);
		assert_int_equal(g.upload.state, UPLOAD_PUBLISHED);
		assert_int_equal(g.nparts, 1);
		n++;
	}
	return n;
}

/* Kills a child when it has told of n, at whatever it is doing then. */
static void
kill_after(struct world *w, int n)
{
	char id[ID_LEN + 1];
	int fds[2], told[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(told), 0);
	pid = child(w, publish_and_tell, fds[1]);
	close(fds[1]);
	for (; n > 0; n--) {
		assert_int_equal(read(fds[0], id, sizeof(id)), sizeof(id));
		assert_int_equal(write(told[1], id, sizeof(id)), sizeof(id));
	}
	close(told[1]);
	kill(pid, SIGKILL);
	assert_int_equal(wait_child(pid), 128 + SIGKILL);
	assert_int_equal(try_open(w), ERR_OK);
	expect_published(w, told[0]);
	expect_published(w, fds[0]);
	close(told[0]);
	close(fds[0]);
	close_journal(w);
}

static void
test_acknowledged_survives_a_kill(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 1; i < 20; i++)
		kill_after(w, i);
	/* One event for each that was published, and none without. */
	assert_int_equal(ask(w, "SELECT count(*) FROM uploads"
				" WHERE state = 6"),
			 ask(w, "SELECT count(*) FROM events e JOIN uploads u"
				" ON e.upload = u.id WHERE u.state = 6"));
	assert_int_equal(ask(w, "SELECT count(*) FROM events"),
			 ask(w, "SELECT count(*) FROM uploads"
				" WHERE state = 6"));
	assert_int_equal(ask(w, "SELECT count(*) FROM pragma_integrity_check"
				" WHERE integrity_check <> 'ok'"),
			 0);
}

static int
publish_many(struct world *w, int fd)
{
	char id[ID_LEN + 1];
	int i;

	(void)fd;
	for (i = 0; i < UPLOADS_PER_CHILD; i++)
		if (publish_one(w, id) != ERR_OK)
			return 1;
	close_journal(w);
	return 0;
}

/* Checkpoints until its pipe is closed. */
static int
checkpoint_always(struct world *w, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct got g = { 0 };
	int n = 0;

	while (poll(&p, 1, 0) == 0) {
		journal_checkpoint(w->journal, take, &g);
		wait_calls(w, &g, ++n);
		if (g.err != ERR_OK)
			return 1;
	}
	return n < 10;
}

static void
test_two_commit_while_a_third_checkpoints(void **state)
{
	struct world *w = *state;
	pid_t a, b, courier;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	courier = child(w, checkpoint_always, fds[0]);
	a = child(w, publish_many, -1);
	b = child(w, publish_many, -1);
	assert_int_equal(wait_child(a), 0);
	assert_int_equal(wait_child(b), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(wait_child(courier), 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(ask(w, "SELECT count(*) FROM uploads WHERE state = 6"),
			 2 * UPLOADS_PER_CHILD);
	assert_int_equal(ask(w, "SELECT count(*) FROM events"),
			 2 * UPLOADS_PER_CHILD);
	assert_int_equal(ask(w, "SELECT count(*) FROM pragma_integrity_check"
				" WHERE integrity_check <> 'ok'"),
			 0);
}

/* All want the same key: one row lives, whoever made it. */
static int
fight_for_a_key(struct world *w, int fd)
{
	enum err err;
	int i, won = 0;

	(void)fd;
	for (i = 0; i < 50; i++) {
		struct journal_upload u = *row("x");

		snprintf(u.key, sizeof(u.key), "key-%d", i);
		err = insert(w, &u);
		if (err == ERR_OK)
			won++;
		else if (err != ERR_EXISTS)
			return 99;
	}
	return won;
}

static void
test_one_of_two_processes_gets_a_key(void **state)
{
	struct world *w = *state;
	pid_t a = child(w, fight_for_a_key, -1);
	pid_t b = child(w, fight_for_a_key, -1);

	assert_int_equal(wait_child(a) + wait_child(b), 50);
	assert_int_equal(ask(w, "SELECT count(*) FROM uploads"), 50);
}

static void
test_processes_may_make_the_journal_at_once(void **state)
{
	struct world *w = *state;
	pid_t pids[4];
	int i;

	for (i = 0; i < 4; i++)
		pids[i] = child(w, fight_for_a_key, -1);
	for (i = 0; i < 4; i++)
		assert_true(wait_child(pids[i]) <= 50);
	assert_int_equal(ask(w, "SELECT count(*) FROM uploads"), 50);
}

/* As many publications as there are, as fast as they go. */
static int
publish_load(struct world *w, int fd)
{
	char id[ID_LEN + 1];
	int i;

	(void)fd;
	for (i = 0; i < LOAD_UPLOADS; i++)
		if (publish_one(w, id) != ERR_OK)
			return 1;
	return 0;
}

static long long
wal_bytes(const struct world *w)
{
	struct stat st;

	assert_int_equal(stat(w->wal, &st), 0);
	return st.st_size;
}

/*
 * With writers that never pause, each checkpoint must catch a moment in which
 * the log can begin anew: else it would grow as long as the load lasts.
 */
static void
test_the_log_is_bounded_under_constant_load(void **state)
{
	struct world *w = *state;
	long long largest = 0, now;
	pid_t pids[2];
	int status, left = 2, i;

	for (i = 0; i < 2; i++)
		pids[i] = child(w, publish_load, -1);
	assert_int_equal(try_open(w), ERR_OK);
	while (left > 0) {
		struct got g = { 0 };

		journal_checkpoint(w->journal, take, &g);
		wait_calls(w, &g, 1);
		assert_int_equal(g.err, ERR_OK);
		now = wal_bytes(w);
		largest = now > largest ? now : largest;
		for (i = 0; i < 2; i++) {
			if (pids[i] == 0 ||
			    waitpid(pids[i], &status, WNOHANG) == 0)
				continue;
			assert_int_equal(status, 0);
			pids[i] = 0;
			left--;
		}
	}
	assert_int_equal(ask(w, "SELECT count(*) FROM uploads"),
			 2 * LOAD_UPLOADS);
	assert_in_range(largest, 1, LOAD_LOG_MAX);
}

/* The log stays a file of some size, and is used again after a checkpoint. */
static void
test_checkpoint_lets_the_log_begin_anew(void **state)
{
	struct world *w = *state;
	char id[ID_LEN + 1];
	struct got g = { 0 };
	struct stat before, after;
	int i, j;

	assert_int_equal(try_open(w), ERR_OK);
	assert_int_equal(stat(w->wal, &before), 0);
	assert_true(before.st_size >= 4 << 20);
	for (i = 0; i < 8; i++) {
		for (j = 0; j < 40; j++)
			assert_int_equal(publish_one(w, id), ERR_OK);
		journal_checkpoint(w->journal, take, &g);
		wait_calls(w, &g, i + 1);
		assert_int_equal(g.err, ERR_OK);
	}
	/* 640 commits of 5 pages are 13 MB. */
	assert_int_equal(stat(w->wal, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_true(get(w, id).found);
}

#define C(f) cmocka_unit_test_setup_teardown(f, setup_closed, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		C(test_acknowledged_survives_a_kill),
		C(test_two_commit_while_a_third_checkpoints),
		C(test_one_of_two_processes_gets_a_key),
		C(test_processes_may_make_the_journal_at_once),
		C(test_checkpoint_lets_the_log_begin_anew),
		C(test_the_log_is_bounded_under_constant_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
