/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local store killed at every point. The program is linked so that each
 * system call that changes something goes through the functions below: a
 * child process kills itself before its n-th one, for n = 1, 2, ... until it
 * gets through; after each death the parent checks that the old object or the
 * new one is there, whole, and that the work can be repeated. The same
 * functions note the order of the calls.
 */
#include "tests/unit/local_world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <sys/wait.h>

#define NEW_ID "00112233445566778899aabbccddeeff"

static atomic_int calls; /* that changed something, so far */
static int die_at;	 /* 0: never */
static bool in_child;
static char trace[4096]; /* their names, each with a space behind */

static void
count(const char *name)
{
	if (atomic_fetch_add(&calls, 1) + 1 == die_at)
		kill(getpid(), SIGKILL);
	if (!die_at)
		str_printf(trace, sizeof(trace), "%s ", name);
}

int __real_renameat(int a, const char *b, int c, const char *d);
int __wrap_renameat(int a, const char *b, int c, const char *d);
int
__wrap_renameat(int a, const char *b, int c, const char *d)
{
	count("rename");
	return __real_renameat(a, b, c, d);
}

int __real_unlinkat(int a, const char *b, int c);
int __wrap_unlinkat(int a, const char *b, int c);
int
__wrap_unlinkat(int a, const char *b, int c)
{
	count("unlink");
	return __real_unlinkat(a, b, c);
}

int __real_mkdirat(int a, const char *b, mode_t c);
int __wrap_mkdirat(int a, const char *b, mode_t c);
int
__wrap_mkdirat(int a, const char *b, mode_t c)
{
	count("mkdir");
	return __real_mkdirat(a, b, c);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int
__wrap_fsync(int fd)
{
	struct stat st;

	count(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? "syncdir" : "sync");
	return __real_fsync(fd);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int
__wrap_fdatasync(int fd)
{
	count("datasync");
	return __real_fdatasync(fd);
}

int __real_ftruncate(int fd, off_t n);
int __wrap_ftruncate(int fd, off_t n);
int
__wrap_ftruncate(int fd, off_t n)
{
	count("truncate");
	return __real_ftruncate(fd, n);
}

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t
__wrap_write(int fd, const void *p, size_t n)
{
	struct stat st;

	/* The loop wakes itself through a descriptor: that is no change. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		count("write");
	return __real_write(fd, p, n);
}

ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t
__wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	count("pwrite");
	return __real_pwrite(fd, p, n, at);
}

int __real_fsetxattr(int fd, const char *a, const void *b, size_t c, int d);
int __wrap_fsetxattr(int fd, const char *a, const void *b, size_t c, int d);
int
__wrap_fsetxattr(int fd, const char *a, const void *b, size_t c, int d)
{
	count("xattr");
	return __real_fsetxattr(fd, a, b, c, d);
}

/* A failed assertion in a child must not run the tests that come next. */
static void
must(bool ok)
{
	if (!ok && in_child)
		_exit(1);
	assert_true(ok);
}

/* Puts the two parts of the new object again and completes. */
static enum err
finish(struct world *w, const char *id)
{
	struct store_target t = { .key = "d/e/x", .backend_id = id };
	struct store_part parts[2];
	struct got g;

	if (put_part(w, &g, t, 1, 0, "new ") != ERR_OK)
		return g.err;
	parts[0] = g.part;
	if (put_part(w, &g, t, 2, 4, "object") != ERR_OK)
		return g.err;
	parts[1] = g.part;
	WAIT(w, &g, store_complete(w->store, t, parts, 2, take, &g));
	return g.err;
}

/* The child's work. The id goes to the parent as soon as it is known. */
static void
upload(struct world *w, int out)
{
	struct store_meta meta = { .sluice_id = NEW_ID };
	struct got g;

	WAIT(w, &g, store_begin(w->store, "d/e/x", &meta, take, &g));
	must(g.err == ERR_OK);
	must(__real_write(out, g.backend_id, ID_LEN) == ID_LEN);
	must(finish(w, g.backend_id) == ERR_OK);
}

static void
replace(struct world *w, int out)
{
	struct store_meta meta = { .sluice_id = NEW_ID };
	struct store_body b = body_of("new object");
	struct got g;

	(void)out;
	WAIT(w, &g, store_put(w->store, "d/e/x", &meta, &b, take, &g));
	must(g.err == ERR_OK);
}

/* True when the child was killed; id gets what it wrote, or "". */
static bool
run_child(struct world *w, int point, void (*work)(struct world *w, int out),
	  char id[ID_LEN + 1])
{
	int fd[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		in_child = true;
		world_start(w, "create = yes");
		atomic_store(&calls, 0);
		die_at = point;
		work(w, fd[1]);
		_exit(0);
	}
	close(fd[1]);
	n = read(fd[0], id, ID_LEN);
	id[n > 0 ? n : 0] = '\0';
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void
check_old_or_new(struct world *w, bool had_old)
{
	struct got g;

	if (get(w, &g, "d/e/x") == ERR_NOT_FOUND && !had_old)
		return;
	assert_int_equal(g.err, ERR_OK);
	if (strcmp(g.object.sluice_id, NEW_ID) == 0)
		assert_string_equal(g.data, "new object");
	else
		assert_string_equal(g.data, had_old ? "old" : "");
}

static void
check_new(struct world *w)
{
	struct got g;

	assert_int_equal(get(w, &g, "d/e/x"), ERR_OK);
	assert_string_equal(g.data, "new object");
	assert_string_equal(g.object.sluice_id, NEW_ID);
}

/* What the conductor does after a crash: the id known or not. */
static void
recover_upload(struct world *w, const char *id)
{
	struct store_target t = { .key = "d/e/x" };
	char left[ID_LEN + 1];
	enum err err;
	struct got g;

	if (id[0]) {
		err = finish(w, id);
		assert_true(err == ERR_OK || err == ERR_NOT_FOUND);
		check_new(w);
	}
	WAIT(w, &g, store_list_uploads(w->store, "d/e/x", take, &g));
	assert_int_equal(g.err, ERR_OK);
	assert_true(g.nuploads == 0 || !id[0]);
	if (g.nuploads) {
		str_copy(left, sizeof(left), g.upload_id);
		t.backend_id = left;
		WAIT(w, &g, store_abort(w->store, t, take, &g));
		assert_int_equal(g.err, ERR_OK);
	}
}

static bool
survive(int point, bool had_old)
{
	char id[ID_LEN + 1];
	struct world w;
	struct got g;
	bool killed;

	world_make(&w);
	if (had_old) {
		world_start(&w, "create = yes");
		assert_int_equal(put(&w, &g, "d/e/x", "old"), ERR_OK);
		world_stop(&w);
	}
	killed = run_child(&w, point, upload, id);
	world_start(&w, "create = yes");
	check_old_or_new(&w, had_old);
	recover_upload(&w, id);
	world_stop(&w);
	world_remove(&w);
	return killed;
}

static void
test_upload_survives_a_kill_at_every_point(void **state)
{
	int point = 1;

	(void)state;
	while (survive(point, true))
		point++;
	assert_true(point > 20); /* the wrapping works */
}

static void
test_upload_into_a_new_folder_survives_too(void **state)
{
	int point = 1;

	(void)state;
	while (survive(point, false))
		point++;
	assert_true(point > 20);
}

static void
test_put_survives_a_kill_at_every_point(void **state)
{
	char id[ID_LEN + 1];
	bool killed = true;
	struct world w;
	struct got g;
	int point;

	(void)state;
	for (point = 1; killed; point++) {
		world_make(&w);
		world_start(&w, "create = yes");
		assert_int_equal(put(&w, &g, "d/e/x", "old"), ERR_OK);
		world_stop(&w);
		killed = run_child(&w, point, replace, id);
		world_start(&w, "create = yes");
		check_old_or_new(&w, true);
		replace(&w, -1);
		check_new(&w);
		world_stop(&w);
		world_remove(&w);
	}
	assert_true(point > 8);
}

/* A power cut keeps only what was synced: so the order matters. */
static void
test_syncs_come_before_what_relies_on_them(void **state)
{
	struct world w;
	struct got g;

	(void)state;
	world_make(&w);
	world_start(&w, "create = yes");
	assert_int_equal(put(&w, &g, "y", ""), ERR_OK);
	trace[0] = '\0';
	upload(&w, open("/dev/null", O_WRONLY));
	assert_string_equal(trace,
			    /* begin: id, file, record file, their folder */
			    "xattr sync write sync syncdir "
			    /* two parts: the bytes, then the record */
			    "pwrite datasync write datasync "
			    "pwrite datasync write datasync "
			    /* complete: all of the file before its name */
			    "truncate xattr xattr sync "
			    "mkdir syncdir mkdir syncdir "
			    "rename syncdir unlink syncdir ");
	trace[0] = '\0';
	replace(&w, -1);
	assert_string_equal(trace,
			    "pwrite xattr xattr xattr sync rename syncdir ");
	world_stop(&w);
	world_remove(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syncs_come_before_what_relies_on_them),
		cmocka_unit_test(test_put_survives_a_kill_at_every_point),
		cmocka_unit_test(test_upload_survives_a_kill_at_every_point),
		cmocka_unit_test(test_upload_into_a_new_folder_survives_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
