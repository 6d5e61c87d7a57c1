/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that die: which are started again, and which are hopeless. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/children.h"
#include "lib/mem.h"

enum fate { DIES_BY_SIGNAL, SAYS_WHY_AND_ENDS, READY_THEN_DIES };

struct fixture {
	char ini[64], users[64];
	struct settings *s;
	struct ledger *ledger;
	struct children *cs;
	enum fate fate;
	unsigned deaths;  /* of the one child */
	unsigned allowed; /* it is not started again behind so many */
	bool hopeless;
};

static void
complain(void *arg, const char *text)
{
	(void)arg;
	print_error("%s\n", text);
}

static void
file_make(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int
child_run(void *arg, const struct child *c, int fd)
{
	struct fixture *f = arg;

	(void)c;
	if (f->fate == SAYS_WHY_AND_ENDS)
		_exit(1);
	if (f->fate == READY_THEN_DIES)
		(void)!write(fd, "R", 1);
	raise(SIGKILL);
	return 0;
}

static bool
on_death(void *arg, const struct child *c)
{
	struct fixture *f = arg;

	f->hopeless = child_hopeless(c);
	return ++f->deaths < f->allowed && !f->hopeless;
}

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	char text[400];

	strcpy(f->ini, "/tmp/sluice-children-XXXXXX");
	strcpy(f->users, "/tmp/sluice-children-XXXXXX");
	file_make(f->users, "");
	snprintf(text, sizeof(text),
		 "[daemon]\nsftp = 127.0.0.1:2022\nusers_file = %s\n"
		 "[sftp]\nhost_key = /tmp/none\n"
		 "[store.main]\ntype = local\npath = /tmp\n",
		 f->users);
	file_make(f->ini, text);
	assert_int_equal(settings_load(&f->s, f->ini, complain, NULL), ERR_OK);
	f->ledger = ledger_new(&f->s->limits);
	f->cs = children_new(f->ledger, child_run, on_death, f);
	f->allowed = 20;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	children_free(f->cs);
	ledger_free(f->ledger);
	settings_unref(f->s);
	unlink(f->ini);
	unlink(f->users);
	free(f);
	return 0;
}

/* The master's loop, until the child is given up. */
static void
run(struct fixture *f, enum fate fate)
{
	f->fate = fate;
	assert_int_equal(children_start(f->cs, CHILD_WORKER, f->s, 1), ERR_OK);
	while (children_count(f->cs, CHILD_WORKER) > 0) {
		struct pollfd fds[CHILDREN_MAX];
		size_t n = children_poll_fill(f->cs, fds);
		int status;
		pid_t pid;

		children_tick(f->cs);
		poll(fds, n, 10);
		children_poll_done(f->cs, fds, n);
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			assert_true(children_reap(f->cs, pid, status));
	}
}

static void
test_killed_child_is_tried_again_before_it_is_given_up(void **state)
{
	struct fixture *f = *state;

	run(f, DIES_BY_SIGNAL);
	assert_int_equal(f->deaths, CHILD_DEATHS_MAX);
	assert_true(f->hopeless);
}

static void
test_child_that_ends_by_itself_is_hopeless_at_once(void **state)
{
	struct fixture *f = *state;

	run(f, SAYS_WHY_AND_ENDS);
	assert_int_equal(f->deaths, 1);
	assert_true(f->hopeless);
}

static void
test_child_that_was_ready_is_never_hopeless(void **state)
{
	struct fixture *f = *state;

	f->allowed = 2;
	run(f, READY_THEN_DIES);
	assert_int_equal(f->deaths, 2);
	assert_false(f->hopeless);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_killed_child_is_tried_again_before_it_is_given_up,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_child_that_ends_by_itself_is_hopeless_at_once,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_child_that_was_ready_is_never_hopeless, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
