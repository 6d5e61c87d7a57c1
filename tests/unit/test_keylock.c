/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/keylock.h"

struct world {
	char dir[64];
	struct keylock_table *t;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	strcpy(w->dir, "/tmp/sluice-keylock-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(keylock_table_open(&w->t, w->dir), ERR_OK);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;
	char path[80];

	keylock_table_close(w->t);
	snprintf(path, sizeof(path), "%s/lock", w->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(w->dir), 0);
	free(w);
	return 0;
}

/* printf 'local\0in/file' | sha256sum, its last 8 bytes without two bits. */
static void
test_hash_is_the_documented_one(void **state)
{
	(void)state;
	assert_int_equal(keylock_hash("local", "in/file"), 0x22fa4fd5cd5212fe);
	assert_true(keylock_hash("local", "in/file") !=
		    keylock_hash("locali", "n/file"));
	for (char c[2] = "a"; c[0] <= 'z'; c[0]++)
		assert_true(keylock_hash("s", c) < UINT64_C(1) << 62);
}

static void
test_second_lock_in_the_process_is_refused(void **state)
{
	struct world *w = *state;
	struct keylock *a = NULL, *b = NULL, *c = NULL;

	assert_int_equal(keylock_take(w->t, "s", "k", &a), ERR_OK);
	assert_int_equal(keylock_take(w->t, "s", "k", &b), ERR_IN_USE);
	assert_null(b);
	assert_int_equal(keylock_take(w->t, "s", "other", &c), ERR_OK);
	keylock_drop(a);
	assert_int_equal(keylock_take(w->t, "s", "other", &b), ERR_IN_USE);
	assert_int_equal(keylock_take(w->t, "s", "k", &a), ERR_OK);
	keylock_drop(a);
	keylock_drop(c);
	keylock_drop(NULL);
}

/* Two tables are as two processes, but for who the kernel thinks they are. */
static void
test_lock_holds_against_another_table(void **state)
{
	struct world *w = *state;
	struct keylock_table *t;
	struct keylock *a, *b;

	assert_int_equal(keylock_table_open(&t, w->dir), ERR_OK);
	assert_int_equal(keylock_take(w->t, "s", "k", &a), ERR_OK);
	assert_int_equal(keylock_take(t, "s", "k", &b), ERR_IN_USE);
	assert_true(keylock_held(t, "s", "k"));
	assert_true(keylock_held(t, "s", "k")); /* asking takes nothing */
	assert_false(keylock_held(t, "s", "l"));
	assert_int_equal(keylock_take(t, "s", "l", &b), ERR_OK);
	keylock_drop(b); /* must not take the other's lock with it */
	assert_int_equal(keylock_take(t, "s", "k", &b), ERR_IN_USE);
	keylock_drop(a);
	assert_false(keylock_held(t, "s", "k"));
	assert_int_equal(keylock_take(t, "s", "k", &b), ERR_OK);
	keylock_drop(b);
	keylock_table_close(t);
}

static void
child(const char *dir, int out, int in)
{
	struct keylock_table *t;
	struct keylock *l;
	char c = 'x';

	if (keylock_table_open(&t, dir) != ERR_OK ||
	    keylock_take(t, "s", "k", &l) != ERR_OK)
		c = '?';
	if (write(out, &c, 1) != 1 || read(in, &c, 1) < 0)
		_exit(1);
	_exit(0);
}

static void
test_lock_goes_with_the_process(void **state)
{
	struct world *w = *state;
	struct keylock *l;
	int out[2], in[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(in), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(w->dir, out[1], in[0]);
	assert_int_equal(read(out[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(keylock_take(w->t, "s", "k", &l), ERR_IN_USE);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(keylock_take(w->t, "s", "k", &l), ERR_OK);
	keylock_drop(l);
	for (int i = 0; i < 2; i++) {
		close(out[i]);
		close(in[i]);
	}
}

static void
test_many_locks_at_once(void **state)
{
	struct world *w = *state;
	struct keylock *l[500];
	char key[16];

	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		assert_int_equal(keylock_take(w->t, "s", key, &l[i]), ERR_OK);
	}
	for (int i = 0; i < 500; i += 2)
		keylock_drop(l[i]);
	for (int i = 0; i < 500; i++) {
		struct keylock *again;

		snprintf(key, sizeof(key), "key%d", i);
		assert_int_equal(keylock_take(w->t, "s", key, &again),
				 i % 2 ? ERR_IN_USE : ERR_OK);
		keylock_drop(i % 2 ? l[i] : again);
	}
}

static void
test_folder_that_is_not_there_is_an_error(void **state)
{
	struct keylock_table *t;

	(void)state;
	assert_int_equal(keylock_table_open(&t, "/nowhere/at/all"),
			 ERR_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		cmocka_unit_test(test_hash_is_the_documented_one),
		WORLD(test_second_lock_in_the_process_is_refused),
		WORLD(test_lock_holds_against_another_table),
		WORLD(test_lock_goes_with_the_process),
		WORLD(test_many_locks_at_once),
		cmocka_unit_test(test_folder_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
