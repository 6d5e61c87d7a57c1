/* SPDX-License-Identifier: Apache-2.0 */
/* The conductor on a store that fails: before, or after it took effect. */
#include "tests/unit/upload_world.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge/spool_private.h"

#define NEW (VFS_CREAT | VFS_TRUNC)

static void
test_lost_answer_to_the_one_put_publishes_once(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	world_fault((struct fault){ .kind = STORE_CALL_PUT,
				    .times = 1,
				    .err = ERR_AGAIN,
				    .after = true });
	assert_int_equal(do_put(s, "/a", 100, 1), ERR_OK);
	check_object("a", 100, 1);
	assert_int_equal(w.calls[STORE_CALL_PUT], 1); /* found by HEAD */
	assert_int_equal(count_events("published"), 1);
	world_logout(s);
	check_clean();
}

static void
test_put_is_repeated_while_the_store_is_busy(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	world_fault((struct fault){
		.kind = STORE_CALL_PUT, .times = 2, .err = ERR_AGAIN });
	assert_int_equal(do_put(s, "/a", 100, 1), ERR_OK);
	check_object("a", 100, 1);
	world_logout(s);
	check_clean();
}

static void
test_refused_put_parks_and_says_why(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	world_fault((struct fault){
		.kind = STORE_CALL_PUT, .times = 1, .err = ERR_NO_SPACE });
	assert_int_equal(do_put(s, "/a", 100, 1), ERR_NO_SPACE);
	assert_non_null(strstr(world_why, "made to fail"));
	check_no_object("a");
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_int_equal(st.size, 100);
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 100, 10, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 110, 1);
	world_logout(s);
	check_clean();
}

static void
test_parts_are_repeated(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	world_fault((struct fault){ .kind = STORE_CALL_PUT_PART,
				    .skip = 1,
				    .times = 5,
				    .err = ERR_AGAIN });
	assert_int_equal(do_put(s, "/a", 4 * PART, 1), ERR_OK);
	check_object("a", 4 * PART, 1);
	world_logout(s);
	check_clean();
}

static void
test_create_with_an_unknown_outcome_leaves_no_orphan(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	world_fault((struct fault){ .kind = STORE_CALL_BEGIN,
				    .times = 1,
				    .err = ERR_AGAIN,
				    .after = true });
	assert_int_equal(do_put(s, "/a", 4 * PART, 1), ERR_OK);
	check_object("a", 4 * PART, 1);
	assert_int_equal(w.calls[STORE_CALL_BEGIN], 2);
	world_logout(s);
	check_clean(); /* the first one was found and aborted */
}

static void
test_lost_answer_to_complete_publishes_once(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	world_fault((struct fault){ .kind = STORE_CALL_COMPLETE,
				    .times = 1,
				    .err = ERR_AGAIN,
				    .after = true });
	assert_int_equal(do_put(s, "/a", 4 * PART, 1), ERR_OK);
	check_object("a", 4 * PART, 1);
	assert_int_equal(w.calls[STORE_CALL_COMPLETE], 2); /* 404, then HEAD */
	assert_int_equal(count_events("published"), 1);
	world_logout(s);
	check_clean();
}

/* What stands before the first part's record. */
static void
keep_header(const char *path)
{
	char text[8192] = "";
	FILE *f = fopen(path, "r");
	char *part;

	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	part = strstr(text, "\nP ");
	assert_non_null(part);
	assert_int_equal(truncate(path, part + 1 - text), 0);
}

/* The store lost a part behind our back. */
static void
drop_part_records(void)
{
	char path[512];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/objects/.sluice/uploads", w.dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d))) {
		size_t n = strlen(e->d_name);

		snprintf(path, sizeof(path), "%s/objects/.sluice/uploads/%s",
			 w.dir, e->d_name);
		if (n > 6 && !strcmp(e->d_name + n - 6, ".parts"))
			keep_header(path);
	}
	closedir(d);
}

static void
test_part_that_the_store_lost_is_asked_for_again(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 4 * PART + 10, 1), ERR_OK);
	world_until_parts(4);
	drop_part_records();
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_INCOMPLETE);
	check_no_object("a");
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_int_equal(st.size, 0);
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 4 * PART + 10, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 4 * PART + 10, 1);
	world_logout(s);
	check_clean();
}

static void
remove_multipart_files(void)
{
	char path[512];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/objects/.sluice/uploads", w.dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/objects/.sluice/uploads/%s",
			 w.dir, e->d_name);
		if (e->d_name[0] != '.')
			assert_int_equal(unlink(path), 0);
	}
	closedir(d);
}

static void
test_multipart_upload_that_vanished_starts_over(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 4 * PART + 10, 1), ERR_OK);
	world_until_parts(4);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	world_until(!uploads_driven(w.b->uploads));
	remove_multipart_files();
	w.cfg.verify_after_ms = 0;
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_int_equal(st.size, 0);
	assert_int_equal(do_put(s, "/a", 2 * PART, 2), ERR_OK);
	check_object("a", 2 * PART, 2);
	world_logout(s);
	check_clean();
}

static void
test_multipart_upload_that_vanishes_in_use_is_noticed(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 4 * PART, 1), ERR_OK);
	world_until_parts(4);
	remove_multipart_files();
	writer_write(&x, 4 * PART, 2 * PART, 1);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_NOT_FOUND);
	/* Verified a moment ago, yet looked at again. */
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_int_equal(st.size, 0);
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 3 * PART, 2), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 3 * PART, 2);
	world_logout(s);
	check_clean();
}

static void
test_upload_lost_at_complete_is_told(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 4 * PART, 1), ERR_OK);
	world_until_parts(4);
	remove_multipart_files();
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_INCOMPLETE);
	check_no_object("a");
	assert_int_equal(count_events("lost"), 1);
	assert_int_equal(count_events("published"), 0);
	world_logout(s);
	check_clean();
}

static void
test_store_down_keeps_offset_and_bytes(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 2 * PART, 1), ERR_OK);
	world_run(300);
	world_fault((struct fault){ .kind = STORE_CALL_PUT_PART,
				    .times = 1000000,
				    .err = ERR_AGAIN });
	assert_int_equal(writer_write(&x, 2 * PART, 5 * PART + 3, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_int_equal(st.size, 7 * PART + 3);
	w.fault.times = 0;
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 7 * PART + 3, 5, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 7 * PART + 8, 1);
	world_logout(s);
	check_clean();
}

/*
 * The process is killed while CLOSE waits for a store that is down; the next
 * one publishes without the client.
 */
static void
killed_in_close(const char *path, size_t n, enum store_call_kind kind,
		bool after)
{
	struct session *s;
	struct writer x;

	world_open();
	s = world_login("ann");
	if (writer_open(&x, s, path, NEW, 0) || writer_write(&x, 0, n, 6))
		_exit(1);
	world_fault((struct fault){ .kind = kind,
				    .times = 1000000,
				    .err = ERR_AGAIN,
				    .after = after });
	x.done = false;
	vfs_file_close(x.f, VFS_COMPLETE, NULL, NULL);
	while (!w.calls[kind])
		loop_turn(w.b->loop, 10);
	world_run(200);
	raise(SIGKILL);
}

static void
check_killed_in_close(size_t n, enum store_call_kind kind, bool after)
{
	int status;
	pid_t pid;

	world_close();
	pid = fork();
	if (pid == 0) {
		killed_in_close("/k", n, kind, after);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	world_open();
	uploads_recover(w.b->uploads);
	world_until(count_events("published"));
	check_object("k", n, 6);
	assert_int_equal(count_events("published"), 1);
	check_clean();
}

/* A disk that takes not one byte more, or any number. */
static void
files_limit(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
disk_has_room(void *arg)
{
	(void)arg;
	files_limit(RLIM_INFINITY);
}

static void
test_removal_is_told_when_the_journal_can_be_written_again(void **state)
{
	struct session *s = world_login("ann");
	struct loop_timer *t = loop_timer_new(w.b->loop, disk_has_room, NULL);

	(void)state;
	assert_int_equal(do_put(s, "/a", 1000, 1), ERR_OK);
	loop_timer_set(t, 500);
	files_limit(1);
	assert_int_equal(do_remove(s, "/a"), ERR_OK);
	files_limit(RLIM_INFINITY);
	check_no_object("a");
	assert_int_equal(count_events("deleted"), 1);
	loop_timer_free(t);
	world_logout(s);
	check_clean();
}

static void
test_rename_is_told_when_the_journal_can_be_written_again(void **state)
{
	struct session *s = world_login("ann");
	struct loop_timer *t = loop_timer_new(w.b->loop, disk_has_room, NULL);

	(void)state;
	assert_int_equal(do_put(s, "/a", 1000, 1), ERR_OK);
	loop_timer_set(t, 500);
	files_limit(1);
	assert_int_equal(do_rename(s, "/a", "/b", false), ERR_OK);
	files_limit(RLIM_INFINITY);
	check_object("b", 1000, 1);
	assert_int_equal(count_events("renamed"), 1);
	loop_timer_free(t);
	world_logout(s);
	check_clean();
}

/* In a child that is killed with its client still sending. */
static void
killed_while_taking(size_t n)
{
	struct session *s;
	struct writer x;

	world_open();
	s = world_login("ann");
	if (writer_open(&x, s, "/k", NEW, 0) || writer_write(&x, 0, n, 6))
		_exit(1);
	raise(SIGKILL);
}

/* What a dead worker had not synced yet is synced for it. */
static void
check_abandoned_outlives_the_power(size_t n)
{
	const unsigned char next_boot[SEGMENT_BOOT_LEN] = { 1, 2, 3 };
	struct session *s;
	struct vfs_stat st;
	uint64_t rounds = 0;
	int status;
	pid_t pid;

	world_close();
	pid = fork();
	if (pid == 0) {
		killed_while_taking(n);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	world_open();
	uploads_recover(w.b->uploads);
	while (!count_rows("state = 1") && rounds++ < 200)
		world_run(50);
	world_close();
	spool_test_boot(next_boot);
	world_open();
	spool_test_boot(NULL);
	s = world_login("ann");
	assert_int_equal(do_stat(s, "/k", &st), ERR_OK);
	assert_int_equal(st.size, n);
	world_logout(s);
}

static void
test_abandoned_file_outlives_a_loss_of_power(void **state)
{
	(void)state;
	check_abandoned_outlives_the_power(1000);
}

static void
test_abandoned_parts_outlive_a_loss_of_power(void **state)
{
	(void)state;
	check_abandoned_outlives_the_power(3 * PART + 5);
}

static void
test_killed_before_the_put_is_published_later(void **state)
{
	(void)state;
	check_killed_in_close(1000, STORE_CALL_PUT, false);
}

static void
test_killed_after_the_put_is_published_later(void **state)
{
	(void)state;
	check_killed_in_close(1000, STORE_CALL_PUT, true);
}

static void
test_killed_before_complete_is_published_later(void **state)
{
	(void)state;
	check_killed_in_close(3 * PART + 5, STORE_CALL_COMPLETE, false);
}

static void
test_killed_after_complete_is_published_later(void **state)
{
	(void)state;
	check_killed_in_close(3 * PART + 5, STORE_CALL_COMPLETE, true);
}

static void
test_abort_is_repeated_until_the_store_obeys(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 3 * PART, 1), ERR_OK);
	world_run(300);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	world_fault((struct fault){
		.kind = STORE_CALL_ABORT, .times = 4, .err = ERR_AGAIN });
	assert_int_equal(do_remove(s, "/a"), ERR_OK);
	check_clean();
	world_logout(s);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lost_answer_to_the_one_put_publishes_once),
		TEST(test_put_is_repeated_while_the_store_is_busy),
		TEST(test_refused_put_parks_and_says_why),
		TEST(test_parts_are_repeated),
		TEST(test_create_with_an_unknown_outcome_leaves_no_orphan),
		TEST(test_lost_answer_to_complete_publishes_once),
		TEST(test_part_that_the_store_lost_is_asked_for_again),
		TEST(test_multipart_upload_that_vanished_starts_over),
		TEST(test_multipart_upload_that_vanishes_in_use_is_noticed),
		TEST(test_upload_lost_at_complete_is_told),
		TEST(test_store_down_keeps_offset_and_bytes),
		TEST(test_removal_is_told_when_the_journal_can_be_written_again),
		TEST(test_rename_is_told_when_the_journal_can_be_written_again),
		TEST(test_abandoned_file_outlives_a_loss_of_power),
		TEST(test_abandoned_parts_outlive_a_loss_of_power),
		TEST(test_killed_before_the_put_is_published_later),
		TEST(test_killed_after_the_put_is_published_later),
		TEST(test_killed_before_complete_is_published_later),
		TEST(test_killed_after_complete_is_published_later),
		TEST(test_abort_is_repeated_until_the_store_obeys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
