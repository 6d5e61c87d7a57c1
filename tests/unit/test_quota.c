/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quotas: what is refused, what is counted, and that the sums agree with the
 * store whatever happened. User quo has 300 KiB and 4 files.
 */
#include "tests/unit/upload_world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bridge/quota.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define NEW (VFS_CREAT | VFS_TRUNC)
#define KIB 1024u

struct asked {
	bool done;
	enum err err;
	struct journal_usage usage;
};

static void
answered(void *arg, const struct journal_reply *r)
{
	struct asked *a = arg;

	a->done = true;
	a->err = r->err;
	a->usage = *r->usage;
}

static struct journal_usage
usage(void)
{
	struct asked a = { 0 };

	journal_usage(w.b->journal, "main", "quo/", answered, &a);
	world_wait(&a.done);
	assert_int_equal(a.err, ERR_OK);
	return a.usage;
}

#define check_usage(bytes_, files_, live_)              \
	do {                                            \
		struct journal_usage u_ = usage();      \
		assert_true(u_.counted);                \
		assert_int_equal(u_.bytes, bytes_);     \
		assert_int_equal(u_.files, files_);     \
		assert_int_equal(u_.live_bytes, live_); \
		assert_int_equal(u_.doubts, 0);         \
	} while (0)

static enum err
commit(const struct journal_tx *tx)
{
	struct asked a = { 0 };

	journal_commit(w.b->journal, tx, answered, &a);
	world_wait(&a.done);
	return a.err;
}

/* Counts what is due until nothing is. */
static void
count(void)
{
	struct asked a = { 0 };

	do {
		quota_count_now(w.b->quota);
		while (quota_counting(w.b->quota))
			world_run(5);
		a.done = false;
		journal_usage_due(w.b->journal, clock_wall_ms(), answered, &a);
		world_wait(&a.done);
	} while (a.usage.known);
}

static void
recount(void)
{
	struct journal_count c = { .what = COUNT_DEFER,
				   .store = "main",
				   .home = "quo/" };
	struct journal_tx tx = { .count = &c };

	assert_int_equal(commit(&tx), ERR_OK);
	count();
}

static struct session *
quo(void)
{
	count();
	return world_login("quo");
}

static void
test_write_beyond_the_quota_is_refused_and_parks(void **state)
{
	struct session *s = quo();
	struct writer x;
	struct vfs_stat st;

	(void)state;
	assert_int_equal(do_put(s, "/a", 200 * KIB, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/b", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 90 * KIB, 2), ERR_OK);
	assert_int_equal(writer_write(&x, 90 * KIB, 20 * KIB, 2), ERR_QUOTA);
	assert_non_null(strstr(x.why, "the quota of 300 KiB"));
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_QUOTA);
	assert_int_equal(do_stat(s, "/b", &st), ERR_OK);
	assert_int_equal(st.size, 90 * KIB);
	check_no_object("quo/b");
	check_usage(200 * KIB, 1, 90 * KIB);
	world_logout(s);
}

static void
test_parked_upload_goes_on_once_there_is_room(void **state)
{
	struct session *s = quo();
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a", 200 * KIB, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/b", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 90 * KIB, 2), ERR_OK);
	assert_int_equal(writer_write(&x, 90 * KIB, 60 * KIB, 2), ERR_QUOTA);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_QUOTA);
	/* Still none: what it has already may stay. */
	assert_int_equal(writer_open(&x, s, "/b", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 90 * KIB, 60 * KIB, 2), ERR_QUOTA);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_QUOTA);
	assert_int_equal(do_remove(s, "/a"), ERR_OK);
	check_usage(0, 0, 90 * KIB);
	assert_int_equal(writer_open(&x, s, "/b", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 90 * KIB, 60 * KIB, 2), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("quo/b", 150 * KIB, 2);
	check_usage(150 * KIB, 1, 0);
	world_logout(s);
	check_clean();
}

static void
test_declared_size_that_cannot_fit_is_refused_at_once(void **state)
{
	struct session *s = quo();
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a", 200 * KIB, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/b", NEW, 101 * KIB), ERR_QUOTA);
	assert_non_null(strstr(x.why, "100 KiB left"));
	/* In place of what is there it does fit. */
	assert_int_equal(writer_open(&x, s, "/a", NEW, 300 * KIB), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 300 * KIB, 2), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("quo/a", 300 * KIB, 2);
	check_usage(300 * KIB, 1, 0);
	world_logout(s);
	check_clean();
}

static void
set_done(void *arg, enum err err, const char *why)
{
	struct writer *x = arg;

	x->done = true;
	x->err = err;
	str_copy(x->why, sizeof(x->why), why);
}

static void
test_size_set_later_is_refused_too(void **state)
{
	struct vfs_attrs attrs = { .set = VFS_SET_SIZE, .size = 301 * KIB };
	struct session *s = quo();
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/b", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, KIB, 2), ERR_OK);
	x.done = false;
	vfs_file_setstat(x.f, &attrs, set_done, &x);
	world_wait(&x.done);
	assert_int_equal(x.err, ERR_QUOTA);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_usage(KIB, 1, 0);
	world_logout(s);
	check_clean();
}

static void
test_new_file_beyond_the_number_is_refused_at_open(void **state)
{
	struct session *s = quo();
	struct writer x;
	char path[16];
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		assert_int_equal(do_put(s, path, 10, i), ERR_OK);
	}
	/* One that is on its way counts. */
	assert_int_equal(writer_open(&x, s, "/3", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 10, 3), ERR_OK);
	assert_int_equal(do_put(s, "/4", 10, 4), ERR_QUOTA);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/4", NEW, 0), ERR_QUOTA);
	assert_string_equal(x.why, "the quota of 4 files is used up");
	/* What is there may be replaced, and renamed. */
	assert_int_equal(do_put(s, "/0", 20, 4), ERR_OK);
	assert_int_equal(do_rename(s, "/0", "/x", false), ERR_OK);
	assert_int_equal(do_rename(s, "/x", "/1", true), ERR_OK);
	check_usage(40, 3, 0);
	assert_int_equal(do_put(s, "/4", 10, 4), ERR_OK);
	world_logout(s);
	check_clean();
}

static void
test_uploads_at_the_same_time_share_the_quota(void **state)
{
	struct session *s = quo(), *t = world_login("quo");
	struct writer x, y;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/x", NEW, 0), ERR_OK);
	assert_int_equal(writer_open(&y, t, "/y", NEW, 200 * KIB), ERR_OK);
	assert_int_equal(writer_write(&y, 0, 10, 1), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 101 * KIB, 1), ERR_QUOTA);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_QUOTA);
	assert_int_equal(writer_write(&y, 10, 200 * KIB - 10, 1), ERR_OK);
	assert_int_equal(writer_close(&y, VFS_COMPLETE), ERR_OK);
	check_usage(200 * KIB, 1, 0);
	world_logout(s);
	world_logout(t);
}

static void
test_all_of_the_quota_can_be_used(void **state)
{
	struct session *s = quo();
	struct writer x;
	uint64_t off;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/x", NEW, 0), ERR_OK);
	for (off = 0; off < 300 * KIB; off += 3 * KIB)
		assert_int_equal(writer_write(&x, off, 3 * KIB, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_usage(300 * KIB, 1, 0);
	/* Over it already: smaller is still welcome. */
	assert_int_equal(do_put(s, "/x", 299 * KIB, 2), ERR_OK);
	check_usage(299 * KIB, 1, 0);
	world_logout(s);
	check_clean();
}

static void
test_sealed_upload_counts_until_it_is_renamed(void **state)
{
	struct session *s = quo();

	(void)state;
	assert_int_equal(do_put(s, "/a", 100 * KIB, 1), ERR_OK);
	/* The old object does not count beside what replaces it. */
	assert_int_equal(do_put(s, "/a.filepart", 250 * KIB, 2), ERR_OK);
	check_usage(100 * KIB, 1, 150 * KIB);
	assert_int_equal(do_put(s, "/b", 51 * KIB, 2), ERR_QUOTA);
	assert_int_equal(do_remove(s, "/b"), ERR_OK);
	assert_int_equal(do_rename(s, "/a.filepart", "/a", true), ERR_OK);
	check_object("quo/a", 250 * KIB, 2);
	check_usage(250 * KIB, 1, 0);
	world_logout(s);
	check_clean();
}

static void
test_hidden_object_counts_until_it_is_deleted(void **state)
{
	struct session *s = quo();
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a", 100 * KIB, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a.filepart", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 10, 1), ERR_OK);
	assert_int_equal(do_remove(s, "/a"), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	check_usage(100 * KIB, 1, 0);
	assert_int_equal(do_remove(s, "/a.filepart"), ERR_OK);
	check_usage(0, 0, 0);
	world_logout(s);
	check_clean();
}

static void
test_append_counts_what_it_adds(void **state)
{
	struct session *s = quo();
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a", 200 * KIB, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 200 * KIB, 90 * KIB, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("quo/a", 290 * KIB, 1);
	check_usage(290 * KIB, 1, 0);
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 290 * KIB, 11 * KIB, 1), ERR_QUOTA);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_QUOTA);
	world_logout(s);
}

static void
test_new_generation_takes_the_old_ones_room(void **state)
{
	struct session *s = quo();
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 250 * KIB, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	check_usage(0, 0, 250 * KIB);
	/* By a declared size at OPEN, and by a first write at 0. */
	assert_int_equal(writer_open(&x, s, "/a", NEW, 260 * KIB), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 250 * KIB, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 270 * KIB, 2), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_usage(270 * KIB, 1, 0);
	world_logout(s);
	check_clean();
}

static void
test_refused_size_leaves_the_old_upload_alone(void **state)
{
	struct session *s = quo();
	struct vfs_stat st;
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 100, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a", NEW, 301 * KIB), ERR_QUOTA);
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_int_equal(st.size, 100);
	check_usage(0, 0, 100);
	world_logout(s);
}

static void
test_other_users_of_the_home_are_counted(void **state)
{
	struct session *s = quo(), *ann = world_login("ann");

	(void)state;
	assert_int_equal(do_put(ann, "/quo/a", 400 * KIB, 1), ERR_OK);
	assert_int_equal(do_put(ann, "/other", 400 * KIB, 1), ERR_OK);
	check_usage(400 * KIB, 1, 0);
	assert_int_equal(do_put(s, "/b", 1, 1), ERR_QUOTA);
	/* Moved out, moved in, and over another. */
	assert_int_equal(do_rename(ann, "/quo/a", "/a", false), ERR_OK);
	check_usage(0, 0, 0);
	assert_int_equal(do_put(s, "/c", 100, 1), ERR_OK);
	assert_int_equal(do_rename(ann, "/a", "/quo/c", true), ERR_OK);
	check_usage(400 * KIB, 1, 0);
	world_logout(s);
	world_logout(ann);
}

static void
test_what_was_there_before_is_counted(void **state)
{
	struct session *ann = world_login("ann"), *s;

	(void)state;
	assert_int_equal(do_put(ann, "/quo/a", 100 * KIB, 1), ERR_OK);
	assert_int_equal(do_put(ann, "/quo/d/e/f", 150 * KIB, 1), ERR_OK);
	assert_false(usage().counted);
	/* Not known yet: not limited. */
	s = world_login("quo");
	assert_int_equal(do_put(s, "/x", 301 * KIB, 1), ERR_OK);
	assert_int_equal(do_remove(s, "/x"), ERR_OK);
	count();
	check_usage(250 * KIB, 2, 0);
	assert_int_equal(do_put(s, "/b", 51 * KIB, 1), ERR_QUOTA);
	world_logout(s);
	world_logout(ann);
}

static void
test_recount_finds_what_others_changed(void **state)
{
	struct session *s = quo();
	char path[128];

	(void)state;
	assert_int_equal(do_put(s, "/a", 100 * KIB, 1), ERR_OK);
	assert_int_equal(do_put(s, "/b", 10, 1), ERR_OK);
	snprintf(path, sizeof(path), "%s/objects/quo/a", w.dir);
	assert_int_equal(unlink(path), 0);
	check_usage(100 * KIB + 10, 2, 0);
	recount();
	check_usage(10, 1, 0);
	world_logout(s);
}

static void
test_count_is_refused_where_something_changed(void **state)
{
	struct session *s = quo();
	struct journal_count c = { .what = COUNT_SET,
				   .store = "main",
				   .home = "quo/",
				   .bytes = 77,
				   .changes = usage().changes };
	struct journal_tx tx = { .count = &c };
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a", 100, 1), ERR_OK);
	assert_int_equal(commit(&tx), ERR_CONFLICT);
	/* Its one PUT might be under way. */
	c.changes = usage().changes;
	assert_int_equal(writer_open(&x, s, "/b", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 10, 1), ERR_OK);
	assert_int_equal(commit(&tx), ERR_CONFLICT);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(commit(&tx), ERR_OK);
	assert_int_equal(usage().bytes, 77);
	world_logout(s);
}

static void
test_change_of_unknown_outcome_is_counted_anew(void **state)
{
	struct session *s = quo();
	struct journal_change ch;
	struct journal_tx tx = { .changes = &ch, .nchanges = 1 };
	struct asked a = { 0 };
	int64_t now;

	(void)state;
	/* As by a worker that was killed behind a DELETE. */
	quota_change(&ch, "main", "quo/a", JOURNAL_DOUBT);
	assert_int_equal(commit(&tx), ERR_OK);
	now = clock_wall_ms();
	journal_usage_due(w.b->journal, now, answered, &a);
	world_wait(&a.done);
	assert_false(a.usage.known);
	a.done = false;
	journal_usage_due(w.b->journal, now + JOURNAL_DOUBT_MS + 1000, answered,
			  &a);
	world_wait(&a.done);
	assert_true(a.usage.known);
	assert_string_equal(a.usage.home, "quo/");
	/* Settled after somebody counted: nobody knows what that saw. */
	ch.doubt = JOURNAL_SETTLE;
	ch.bytes = 5;
	assert_int_equal(commit(&tx), ERR_OK);
	assert_int_equal(usage().bytes, 5);
	assert_int_equal(commit(&tx), ERR_OK);
	assert_int_equal(usage().bytes, 5);
	assert_int_equal(usage().doubts, 1);
	count();
	check_usage(0, 0, 0);
	world_logout(s);
}

static void
test_renamed_folder_makes_homes_in_it_doubtful(void **state)
{
	struct session *s = quo(), *ann = world_login("ann");

	(void)state;
	assert_int_equal(do_put(s, "/a", 100, 1), ERR_OK);
	assert_int_equal(do_rename(ann, "/quo", "/away", false), ERR_OK);
	assert_true(usage().doubts > 0);
	world_logout(s);
	world_logout(ann);
}

static void
stored(void *arg, const struct store_result *res)
{
	assert_int_equal(res->err, ERR_OK);
	*(bool *)arg = true;
}

/* Its one PUT was done, and its worker killed before it said so. */
static void
test_object_of_a_killed_worker_is_published_before_it_is_removed(void **state)
{
	struct journal_upload row = { .epoch = 1,
				      .flags = UPLOAD_COUNTED,
				      .user = "quo",
				      .store = "main",
				      .key = "quo/a",
				      .path = "/a",
				      .final_path = "/a",
				      .protocol = "sftp",
				      .charged = 100 };
	struct journal_tx tx = { .insert = &row };
	struct store_meta meta = { .sluice_id = row.id };
	struct session *s = quo();
	struct store_body body;
	bool done = false;

	(void)state;
	id_new(row.id);
	assert_int_equal(commit(&tx), ERR_OK);
	store_body_empty(&body);
	store_put(w.b->stores[0], "quo/a", &meta, &body, stored, &done);
	world_wait(&done);
	assert_int_equal(do_remove(s, "/a"), ERR_OK);
	check_no_object("quo/a");
	assert_int_equal(count_events("published"), 1);
	assert_int_equal(count_events("deleted"), 1);
	check_usage(0, 0, 0);
	world_logout(s);
	check_clean();
}

static void
test_sums_outlive_the_worker(void **state)
{
	struct session *s = quo();
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a", 100 * KIB, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/b", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 150 * KIB, 1), ERR_OK);
	world_logout(s); /* with its file open: parked */
	world_close();
	world_open();
	check_usage(100 * KIB, 1, 150 * KIB);
	s = world_login("quo");
	assert_int_equal(do_put(s, "/c", 51 * KIB, 1), ERR_QUOTA);
	world_logout(s);
}

static struct vfs_space space;

static void
space_known(void *arg, enum err err, const char *why,
	    const struct vfs_space *known)
{
	(void)why;
	assert_int_equal(err, ERR_OK);
	space = *known;
	*(bool *)arg = true;
}

static void
test_space_tells_use_and_limit(void **state)
{
	struct session *s = quo(), *ann = world_login("ann");
	bool done = false;

	(void)state;
	assert_int_equal(do_put(s, "/a", 100, 1), ERR_OK);
	vfs_space(s, space_known, &done);
	world_wait(&done);
	assert_int_equal(space.total, 300 * KIB);
	assert_int_equal(space.used, 100);
	assert_int_equal(space.files_total, 4);
	assert_int_equal(space.files_used, 1);
	done = false;
	vfs_space(ann, space_known, &done);
	world_wait(&done);
	assert_true(space.total == UINT64_MAX);
	world_logout(s);
	world_logout(ann);
}

static void
test_covers_the_home_and_nothing_beside_it(void **state)
{
	(void)state;
	assert_true(quota_covers(w.b->quota, "main", "quo/a"));
	assert_true(quota_covers(w.b->quota, "main", "quo/d/a"));
	assert_false(quota_covers(w.b->quota, "main", "quo"));
	assert_false(quota_covers(w.b->quota, "main", "quoa/b"));
	assert_false(quota_covers(w.b->quota, "main", "a/quo/b"));
	assert_false(quota_covers(w.b->quota, "main2", "quo/a"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_write_beyond_the_quota_is_refused_and_parks),
		T(test_parked_upload_goes_on_once_there_is_room),
		T(test_declared_size_that_cannot_fit_is_refused_at_once),
		T(test_size_set_later_is_refused_too),
		T(test_new_file_beyond_the_number_is_refused_at_open),
		T(test_uploads_at_the_same_time_share_the_quota),
		T(test_all_of_the_quota_can_be_used),
		T(test_sealed_upload_counts_until_it_is_renamed),
		T(test_hidden_object_counts_until_it_is_deleted),
		T(test_append_counts_what_it_adds),
		T(test_new_generation_takes_the_old_ones_room),
		T(test_refused_size_leaves_the_old_upload_alone),
		T(test_other_users_of_the_home_are_counted),
		T(test_what_was_there_before_is_counted),
		T(test_recount_finds_what_others_changed),
		T(test_count_is_refused_where_something_changed),
		T(test_change_of_unknown_outcome_is_counted_anew),
		T(test_renamed_folder_makes_homes_in_it_doubtful),
		T(test_object_of_a_killed_worker_is_published_before_it_is_removed),
		T(test_sums_outlive_the_worker),
		T(test_space_tells_use_and_limit),
		T(test_covers_the_home_and_nothing_beside_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
