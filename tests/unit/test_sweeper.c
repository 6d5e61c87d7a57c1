/* SPDX-License-Identifier: Apache-2.0 */
/* What nobody comes back for: times are set back in the journal. */
#include "tests/unit/upload_world.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bridge/sweeper.h"
#include "bridge/upload_private.h"
#include "lib/clock.h"

#define NEW (VFS_CREAT | VFS_TRUNC)
#define DAY_MS (24 * 3600000LL)

static void
set_back(const char *column, int64_t ago_ms, const char *where)
{
	char text[256];

	snprintf(text, sizeof(text), "UPDATE uploads SET %s = %lld WHERE %s",
		 column, (long long)(clock_wall_ms() - ago_ms), where);
	world_sql(text);
}

static void
sweep(void)
{
	sweeper_now(w.b->sweeper);
	world_until(!sweeper_busy(w.b->sweeper) &&
		    !aborts_running(w.b->uploads));
}

static void
settle(void)
{
	world_until(!uploads_driven(w.b->uploads));
}

/* Parked, and no longer driven. */
static void
broken(struct session *s, const char *path, size_t n)
{
	struct writer x;

	assert_int_equal(writer_open(&x, s, path, NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, n, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	settle();
}

static unsigned
segments(void)
{
	char path[128];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/spool", w.dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && strcmp(e->d_name, "lock") &&
		    strncmp(e->d_name, "free.", 5))
			n++;
	closedir(d);
	return n;
}

/* The pool removes them. */
static void
no_segments(void)
{
	world_until(!segments());
}

static void
test_parked_upload_ends_when_its_time_is_up(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	broken(s, "/a", 3 * PART + 1);
	set_back("parked_at", 8 * DAY_MS, "1");
	sweep();
	check_clean();
	assert_int_equal(count_events("aborted"), 1);
	world_logout(s);
}

static void
test_parked_upload_stays_before_its_time_is_up(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;

	(void)state;
	broken(s, "/a", 3 * PART + 1);
	set_back("parked_at", 6 * DAY_MS, "1");
	sweep();
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_int_equal(st.size, 3 * PART + 1);
	world_logout(s);
}

static void
test_resumed_upload_is_not_ended(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	broken(s, "/a", 3 * PART + 1);
	set_back("parked_at", 8 * DAY_MS, "1");
	/* Open again, but nothing is written yet: the row says parked. */
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(count_rows("state = 1"), 1);
	sweep();
	assert_int_equal(count_rows("state = 1"), 1);
	assert_int_equal(writer_write(&x, 3 * PART + 1, 10, 1), ERR_OK);
	sweep();
	assert_int_equal(count_rows("state = 0"), 1);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 3 * PART + 11, 1);
	world_logout(s);
	check_clean();
}

static void
test_many_parked_uploads_end_in_one_sweep(void **state)
{
	struct session *s = world_login("ann");
	char path[16];
	int i;

	(void)state;
	for (i = 0; i < 120; i++) {
		snprintf(path, sizeof(path), "/a%d", i);
		broken(s, path, 10);
		set_back("parked_at", 8 * DAY_MS,
			 "id = (SELECT max(id) FROM uploads)");
	}
	sweep();
	check_clean();
	assert_int_equal(count_events("aborted"), 120);
	world_logout(s);
}

static void
test_open_upload_with_a_driver_stays_open(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, PART + 1, 1), ERR_OK);
	sweep();
	assert_int_equal(count_rows("state = 0"), 1);
	assert_int_equal(writer_write(&x, PART + 1, PART, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 2 * PART + 1, 1);
	world_logout(s);
	check_clean();
}

static void
test_sealed_upload_is_reported_once_and_kept(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a.filepart", 100, 1), ERR_OK);
	set_back("parked_at", 6 * DAY_MS, "1");
	sweep();
	assert_int_equal(count_events("unclaimed"), 0);
	set_back("parked_at", 400 * DAY_MS, "1");
	sweep();
	assert_int_equal(count_events("unclaimed"), 1);
	sweep();
	assert_int_equal(count_rows("state = 3"), 1);
	/* Written on, and forgotten again: it is not told twice. */
	assert_int_equal(writer_open(&x, s, "/a.filepart", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 100, 10, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	set_back("parked_at", 400 * DAY_MS, "1");
	sweep();
	assert_int_equal(count_events("unclaimed"), 1);
	assert_int_equal(do_rename(s, "/a.filepart", "/a", false), ERR_OK);
	check_object("a", 110, 1);
	world_logout(s);
	check_clean();
}

static void
test_hidden_object_goes_when_its_delete_had_failed(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	assert_int_equal(do_put(s, "/a", 10, 1), ERR_OK);
	broken(s, "/a", 100);
	world_fault((struct fault){
		.kind = STORE_CALL_DELETE, .times = 100, .err = ERR_DENIED });
	assert_int_equal(do_remove(s, "/a"), ERR_DENIED);
	world_until(count_rows("state = 7"));
	sweep();
	check_object("a", 10, 1);
	assert_int_equal(count_rows("hidden_etag <> ''"), 1);
	world_fault((struct fault){ .times = 0 });
	sweep();
	check_no_object("a");
	assert_int_equal(count_rows("hidden_etag <> ''"), 0);
	assert_int_equal(count_events("deleted"), 1);
	world_logout(s);
	check_clean();
}

static void
test_hidden_object_stays_when_it_was_replaced(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	assert_int_equal(do_put(s, "/a", 10, 1), ERR_OK);
	world_sql("UPDATE uploads SET hidden_etag = 'another'");
	sweep();
	check_object("a", 10, 1);
	assert_int_equal(count_rows("hidden_etag <> ''"), 0);
	assert_int_equal(count_events("deleted"), 0);
	world_logout(s);
}

static void
begun(void *arg, const struct store_result *res)
{
	assert_int_equal(res->err, ERR_OK);
	*(bool *)arg = true;
}

static void
test_orphan_that_showed_late_is_aborted(void **state)
{
	struct session *s = world_login("ann");
	struct store_meta meta = { .sluice_id = "x" };
	bool done = false;

	(void)state;
	assert_int_equal(do_put(s, "/a", 2 * PART, 1), ERR_OK);
	world_sql("UPDATE uploads SET flags = flags | 4");
	store_begin(w.b->stores[0], "a", &meta, begun, &done);
	world_wait(&done);
	sweep();
	check_clean();
	assert_int_equal(count_rows("flags & 4 <> 0"), 0);
	check_object("a", 2 * PART, 1);
	world_logout(s);
}

/* The answer to Create is lost, and its driver gone before it asks again. */
static void
test_create_that_was_cut_off_is_swept_once_more(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	world_fault((struct fault){ .kind = STORE_CALL_BEGIN,
				    .times = 1000,
				    .err = ERR_AGAIN,
				    .after = true });
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 2 * PART, 1), ERR_OK);
	world_until(w.calls[STORE_CALL_BEGIN]);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	world_fault((struct fault){ .times = 0 });
	assert_int_equal(writer_write(&x, 2 * PART, 10, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 2 * PART + 10, 1);
	assert_int_equal(count_rows("flags & 4 <> 0"), 1);
	sweep();
	assert_int_equal(count_rows("flags & 4 <> 0"), 0);
	world_logout(s);
	check_clean();
}

static void
test_segments_of_an_ended_upload_are_removed(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	broken(s, "/a", 100);
	set_back("state = 7, ended_at", 1000, "1");
	sweep();
	world_run(50);
	assert_int_equal(segments(), 1); /* its worker may not be done yet */
	set_back("ended_at", 3600000, "1");
	sweep();
	no_segments();
	world_logout(s);
}

/* Gives the only segment a name of long ago. */
static void
age_segment(void)
{
	char from[512], to[512], path[128];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/spool", w.dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' || !strcmp(e->d_name, "lock") ||
		    !strncmp(e->d_name, "free.", 5))
			continue;
		snprintf(from, sizeof(from), "%s/%s", path, e->d_name);
		snprintf(to, sizeof(to), "%s/00000000%s", path, e->d_name + 8);
		assert_int_equal(rename(from, to), 0);
	}
	closedir(d);
}

static void
test_segments_without_a_row_are_removed_in_time(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	broken(s, "/a", 100);
	world_sql("DELETE FROM uploads");
	sweep();
	world_run(50);
	assert_int_equal(segments(), 1); /* its row may still be coming */
	age_segment();
	sweep();
	no_segments();
	world_logout(s);
}

static void
test_segments_of_a_live_upload_stay(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;

	(void)state;
	broken(s, "/a", 100);
	sweep();
	world_run(50);
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_int_equal(st.size, 100);
	world_logout(s);
}

static void
test_drain_in_a_sweep_is_clean(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	broken(s, "/a", 100);
	set_back("parked_at", 8 * DAY_MS, "1");
	assert_int_equal(do_put(s, "/b.filepart", 10, 1), ERR_OK);
	set_back("parked_at", 8 * DAY_MS, "state = 3");
	world_logout(s);
	sweeper_now(w.b->sweeper);
	world_close();
	world_open();
	sweep();
	world_until(count_events("aborted"));
	assert_int_equal(count_events("aborted"), 1);
	assert_int_equal(count_events("unclaimed"), 1);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

static void
test_upload_of_a_dead_worker_has_time_from_its_parking(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;

	(void)state;
	broken(s, "/a", 3 * PART + 1);
	set_back("state = 0, parked_at", 9 * DAY_MS, "1");
	uploads_recover(w.b->uploads);
	while (count_rows("state = 1") == 0)
		world_run(20);
	sweep(); /* its time has only begun */
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_int_equal(st.size, 3 * PART + 1);
	world_logout(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_parked_upload_ends_when_its_time_is_up),
		TEST(test_parked_upload_stays_before_its_time_is_up),
		TEST(test_resumed_upload_is_not_ended),
		TEST(test_many_parked_uploads_end_in_one_sweep),
		TEST(test_open_upload_with_a_driver_stays_open),
		TEST(test_sealed_upload_is_reported_once_and_kept),
		TEST(test_hidden_object_goes_when_its_delete_had_failed),
		TEST(test_hidden_object_stays_when_it_was_replaced),
		TEST(test_orphan_that_showed_late_is_aborted),
		TEST(test_create_that_was_cut_off_is_swept_once_more),
		TEST(test_segments_of_an_ended_upload_are_removed),
		TEST(test_segments_without_a_row_are_removed_in_time),
		TEST(test_segments_of_a_live_upload_stay),
		TEST(test_drain_in_a_sweep_is_clean),
		TEST(test_upload_of_a_dead_worker_has_time_from_its_parking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
