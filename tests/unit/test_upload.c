/* SPDX-License-Identifier: Apache-2.0 */
/* The conductor on a store that behaves: what each call makes of a file. */
#include "tests/unit/upload_world.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEW (VFS_CREAT | VFS_TRUNC)

static void
test_small_file_is_one_put(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	assert_int_equal(do_put(s, "/a.bin", 1000, 1), ERR_OK);
	check_object("a.bin", 1000, 1);
	assert_int_equal(w.calls[STORE_CALL_PUT], 1);
	assert_int_equal(w.calls[STORE_CALL_BEGIN], 0);
	assert_int_equal(count_events("published"), 1);
	world_logout(s);
	check_clean();
}

static void
test_file_of_exactly_one_part_is_one_put(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	assert_int_equal(do_put(s, "/a.bin", PART, 1), ERR_OK);
	check_object("a.bin", PART, 1);
	assert_int_equal(w.calls[STORE_CALL_BEGIN], 0);
	world_logout(s);
	check_clean();
}

static void
test_empty_file_is_published(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	assert_int_equal(do_put(s, "/empty", 0, 1), ERR_OK);
	check_object("empty", 0, 1);
	assert_int_equal(do_put(s, "/e.filepart", 0, 1), ERR_OK);
	check_no_object("e");
	assert_int_equal(do_rename(s, "/e.filepart", "/e", false), ERR_OK);
	check_object("e", 0, 1);
	world_logout(s);
	check_clean();
}

static void
test_large_file_goes_by_parts(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;

	(void)state;
	assert_int_equal(do_put(s, "/d/big.bin", 10 * PART + 77, 2), ERR_OK);
	check_object("d/big.bin", 10 * PART + 77, 2);
	assert_int_equal(w.calls[STORE_CALL_PUT_PART], 11);
	assert_int_equal(do_stat(s, "/d/big.bin", &st), ERR_OK);
	assert_int_equal(st.size, 10 * PART + 77);
	assert_false(st.in_flight);
	assert_int_equal(count_events("published"), 1);
	world_logout(s);
	check_clean();
}

static void
test_broken_upload_is_kept_and_goes_on(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/r.bin", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 5 * PART + 100, 3), ERR_OK);
	world_logout(s); /* the connection is gone */
	s = world_login("ann");
	assert_int_equal(do_stat(s, "/r.bin", &st), ERR_OK);
	assert_int_equal(st.size, 5 * PART + 100);
	assert_true(st.in_flight);
	check_no_object("r.bin");

	assert_int_equal(writer_open(&x, s, "/r.bin", 0, 0), ERR_OK);
	assert_int_equal(vfs_file_size(x.f), 5 * PART + 100);
	assert_int_equal(writer_write(&x, 5 * PART + 100, 3 * PART, 3), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("r.bin", 8 * PART + 100, 3);
	world_logout(s);
	check_clean();
}

static void
test_rewind_overwrites_what_the_spool_holds(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/r.bin", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 2 * PART + 5000, 3), ERR_OK);
	assert_int_equal(writer_write(&x, 2 * PART + 5000, 50, 9), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/r.bin", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 2 * PART + 4000, PART, 3), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("r.bin", 3 * PART + 4000, 3);
	world_logout(s);
	check_clean();
}

static void
test_rewind_to_a_part_that_is_stored_sends_it_again(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/r.bin", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 4 * PART + 10, 9), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	/* Full parts are stored, their segments gone. */
	world_until(!uploads_driven(w.b->uploads));
	assert_int_equal(writer_open(&x, s, "/r.bin", 0, 0), ERR_OK);
	/* In the middle of a stored part: refused, with the offset. */
	assert_int_equal(writer_write(&x, PART + 1, 10, 3), ERR_INVALID);
	assert_non_null(strstr(x.why, "262154"));
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_INVALID);
	/* From 0: a new file. */
	assert_int_equal(writer_open(&x, s, "/r.bin", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 4 * PART, 3), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("r.bin", 4 * PART, 3);
	world_logout(s);
	check_clean();
	assert_int_equal(count_events("aborted"), 1);
}

static void
test_writes_ahead_are_held_until_the_gap_closes(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/o.bin", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 3 * PART, PART / 2, 4), ERR_OK);
	assert_int_equal(writer_write(&x, PART / 2, PART, 4), ERR_OK);
	assert_int_equal(vfs_file_size(x.f), 0);
	assert_int_equal(writer_write(&x, 0, PART / 2, 4), ERR_OK);
	assert_int_equal(vfs_file_size(x.f), PART + PART / 2);
	assert_int_equal(writer_write(&x, PART + PART / 2, PART + PART / 2, 4),
			 ERR_OK);
	assert_int_equal(vfs_file_size(x.f), 3 * PART + PART / 2);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("o.bin", 3 * PART + PART / 2, 4);
	world_logout(s);
	check_clean();
}

/* Seed 4 throughout, but for [PART + 50, PART + 100) of seed 9. */
static void
check_mixed(const char *key)
{
	unsigned char got[PART + 400];
	char path[256];
	size_t i;
	FILE *f;

	snprintf(path, sizeof(path), "%s/objects/%s", w.dir, key);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fread(got, 1, sizeof(got), f), sizeof(got));
	assert_int_equal(getc(f), EOF);
	fclose(f);
	for (i = 0; i < sizeof(got); i++)
		if (got[i] !=
		    pattern(i, i >= PART + 50 && i < PART + 100 ? 9 : 4))
			fail_msg("byte %zu differs", i);
}

static void
test_bytes_held_twice_count_once(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/o.bin", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, PART, 100, 9), ERR_OK);
	assert_int_equal(writer_write(&x, PART + 300, 100, 4), ERR_OK);
	assert_int_equal(writer_write(&x, 0, PART + 50, 4), ERR_OK);
	assert_int_equal(vfs_file_size(x.f), PART + 100);
	assert_int_equal(writer_write(&x, PART + 100, 250, 4), ERR_OK);
	assert_int_equal(vfs_file_size(x.f), PART + 400);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	world_logout(s);
	check_clean();
	check_mixed("o.bin");
}

static void
test_gap_at_close_parks(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/g.bin", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 100, 4), ERR_OK);
	assert_int_equal(writer_write(&x, 200, 100, 4), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_INCOMPLETE);
	assert_non_null(strstr(x.why, "offset 100"));
	check_no_object("g.bin");
	assert_int_equal(do_stat(s, "/g.bin", &st), ERR_OK);
	assert_int_equal(st.size, 100);
	world_logout(s);
}

static void
test_write_too_far_ahead_is_refused(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/f.bin", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 17u << 20, 10, 4), ERR_TOO_LARGE);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_TOO_LARGE);
	check_no_object("f.bin");
	world_logout(s);
}

static void
test_small_file_may_be_changed_in_place(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_attrs a = { .set = VFS_SET_SIZE, .size = 500 };
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/p.bin", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 1000, 9), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 400, 4), ERR_OK);
	assert_int_equal(writer_write(&x, 400, 800, 4), ERR_OK);
	vfs_file_setstat(x.f, &a, NULL, NULL);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("p.bin", 500, 4);
	world_logout(s);
	check_clean();
}

static void
test_declared_size_must_be_met(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/d.bin", NEW, 1000), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 900, 4), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_INCOMPLETE);
	check_no_object("d.bin");
	assert_int_equal(writer_open(&x, s, "/d.bin", 0, 1000), ERR_OK);
	assert_int_equal(writer_write(&x, 900, 100, 4), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("d.bin", 1000, 4);
	world_logout(s);
	check_clean();
}

static void
test_publish_policy_of_the_user_holds(void **state)
{
	struct session *s = world_login("dec");
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/u.bin", 100, 1), ERR_INCOMPLETE);
	check_no_object("u.bin");
	world_logout(s);
	s = world_login("ren");
	assert_int_equal(writer_open(&x, s, "/v.bin", NEW, 0), ERR_DENIED);
	assert_int_equal(do_put(s, "/v.bin.filepart", 100, 1), ERR_OK);
	assert_int_equal(do_rename(s, "/v.bin.filepart", "/v.bin", false),
			 ERR_OK);
	check_object("v.bin", 100, 1);
	world_logout(s);
}

static void
test_no_trunc_shorter_than_the_object_parks(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_attrs a = { .set = VFS_SET_SIZE, .size = 60 };
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/n.bin", 100, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/n.bin", VFS_CREAT, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 60, 2), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_INCOMPLETE);
	check_object("n.bin", 100, 1);
	/* With the size said, as scp does, it is the new file. */
	assert_int_equal(writer_open(&x, s, "/n.bin", VFS_CREAT, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 60, 3), ERR_OK);
	vfs_file_setstat(x.f, &a, NULL, NULL);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("n.bin", 60, 3);
	world_logout(s);
	check_clean();
}

static void
test_size_zero_confirms_an_empty_upload(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_attrs a = { .set = VFS_SET_SIZE, .size = 0 };
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/e.bin", NEW, 0), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(count_rows("state = 1"), 1);
	assert_int_equal(writer_open(&x, s, "/e.bin", VFS_CREAT, 0), ERR_OK);
	vfs_file_setstat(x.f, &a, NULL, NULL);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("e.bin", 0, 1);
	assert_int_equal(count_events("published"), 1);
	world_logout(s);
	check_clean();
}

static void
test_handle_that_writes_nothing_changes_nothing(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/n.bin", 100, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/n.bin", VFS_CREAT, 0), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("n.bin", 100, 1);
	assert_int_equal(writer_open(&x, s, "/n.bin", VFS_CREAT | VFS_EXCL, 0),
			 ERR_EXISTS);
	assert_int_equal(writer_open(&x, s, "/none.bin", 0, 0), ERR_NOT_FOUND);
	assert_int_equal(writer_open(&x, s, "/n.bin", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 50, 10, 1), ERR_UNSUPPORTED);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_UNSUPPORTED);
	check_object("n.bin", 100, 1);
	world_logout(s);
	check_clean();
}

static void
test_append_copies_and_goes_on(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a.bin", 3 * PART + 10, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a.bin", VFS_APPEND, 0), ERR_OK);
	assert_int_equal(vfs_file_size(x.f), 3 * PART + 10);
	assert_int_equal(writer_write(&x, 3 * PART + 10, 2 * PART, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a.bin", 5 * PART + 10, 1);
	assert_int_equal(w.calls[STORE_CALL_COPY_PART], 3);
	world_logout(s);
	check_clean();
}

static void
test_temporary_name_is_sealed_and_renamed_without_a_copy(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;

	(void)state;
	assert_int_equal(do_put(s, "/t.mov.filepart", 2 * PART + 9, 5), ERR_OK);
	check_no_object("t.mov");
	check_no_object("t.mov.filepart");
	assert_int_equal(do_stat(s, "/t.mov.filepart", &st), ERR_OK);
	assert_int_equal(st.size, 2 * PART + 9);
	assert_int_equal(do_stat(s, "/t.mov", &st), ERR_NOT_FOUND);
	assert_int_equal(count_events("published"), 0);
	assert_int_equal(do_rename(s, "/t.mov.filepart", "/u.mov", false),
			 ERR_INVALID);
	assert_non_null(strstr(world_why, "/t.mov"));
	assert_int_equal(do_rename(s, "/t.mov.filepart", "/t.mov", false),
			 ERR_OK);
	check_object("t.mov", 2 * PART + 9, 5);
	assert_int_equal(do_rename(s, "/t.mov.filepart", "/t.mov", false),
			 ERR_OK); /* once more: a success */
	assert_int_equal(w.calls[STORE_CALL_COPY], 0);
	assert_int_equal(w.calls[STORE_CALL_MOVE], 0);
	assert_int_equal(count_events("published"), 1);
	world_logout(s);
	check_clean();
}

static void
test_sealed_upload_can_be_written_on(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/t.filepart", 2 * PART + 9, 5), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/t.filepart", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 2 * PART + 9, PART, 5), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	assert_int_equal(do_rename(s, "/t.filepart", "/t", false), ERR_OK);
	check_object("t", 3 * PART + 9, 5);
	world_logout(s);
	check_clean();
}

static void
test_rename_of_a_seal_respects_what_is_there(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;

	(void)state;
	assert_int_equal(do_put(s, "/t", 10, 1), ERR_OK);
	assert_int_equal(do_put(s, "/t.filepart", 20, 2), ERR_OK);
	assert_int_equal(do_rename(s, "/t.filepart", "/t", false), ERR_EXISTS);
	check_object("t", 10, 1);
	/* As clients do: REMOVE the old one, then RENAME. It stays readable
	 * for others until it is replaced. */
	assert_int_equal(do_remove(s, "/t"), ERR_OK);
	check_object("t", 10, 1);
	assert_int_equal(do_stat(s, "/t", &st), ERR_NOT_FOUND);
	assert_int_equal(do_rename(s, "/t.filepart", "/t", false), ERR_OK);
	check_object("t", 20, 2);
	world_logout(s);
	check_clean();
}

static void
test_hidden_object_goes_when_its_upload_is_removed(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;

	(void)state;
	assert_int_equal(do_put(s, "/t", 10, 1), ERR_OK);
	assert_int_equal(do_put(s, "/t.filepart", 2 * PART, 2), ERR_OK);
	assert_int_equal(do_remove(s, "/t"), ERR_OK);
	assert_int_equal(do_remove(s, "/t.filepart"), ERR_OK);
	check_clean();
	world_until(!count_rows("hidden_etag <> ''"));
	check_no_object("t");
	assert_int_equal(do_stat(s, "/t.filepart", &st), ERR_NOT_FOUND);
	world_logout(s);
}

static void
test_remove_of_a_broken_upload_leaves_nothing(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/r.bin", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 3 * PART + 1, 3), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(do_remove(s, "/r.bin"), ERR_OK);
	assert_int_equal(do_remove(s, "/r.bin"), ERR_NOT_FOUND);
	check_clean();
	assert_int_equal(count_events("aborted"), 1);
	world_logout(s);
}

static void
test_remove_deletes_a_published_object(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	assert_int_equal(do_put(s, "/x", 10, 1), ERR_OK);
	assert_int_equal(do_remove(s, "/x"), ERR_OK);
	check_no_object("x");
	assert_int_equal(count_events("deleted"), 1);
	world_logout(s);
}

static void
test_rename_of_an_object_moves_it(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	assert_int_equal(do_put(s, "/x", 10, 1), ERR_OK);
	assert_int_equal(do_put(s, "/y", 20, 2), ERR_OK);
	assert_int_equal(do_rename(s, "/x", "/y", false), ERR_EXISTS);
	assert_int_equal(do_rename(s, "/x", "/z", false), ERR_OK);
	check_object("z", 10, 1);
	check_no_object("x");
	assert_int_equal(do_rename(s, "/z", "/y", true), ERR_OK);
	check_object("y", 10, 1);
	assert_int_equal(count_events("renamed"), 2);
	assert_int_equal(do_rename(s, "/none", "/y", true), ERR_NOT_FOUND);
	world_logout(s);
	check_clean();
}

static void
test_rename_without_moving_copies_then_deletes(void **state)
{
	struct session *s = world_login("ann");
	struct store_ops ops = *w.b->stores[0]->ops;

	(void)state;
	assert_int_equal(do_put(s, "/x", 3 * PART, 1), ERR_OK);
	ops.start[STORE_CALL_MOVE] = NULL;
	w.b->stores[0]->ops = &ops;
	assert_int_equal(do_rename(s, "/x", "/z", false), ERR_OK);
	check_object("z", 3 * PART, 1);
	check_no_object("x");
	assert_int_equal(count_events("renamed"), 1);
	world_logout(s);
	check_clean();
	world_close(); /* ops is gone with this function */
}

static void
test_old_object_stays_until_it_is_replaced(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/x", 100, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/x", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 2 * PART, 2), ERR_OK);
	check_object("x", 100, 1);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("x", 2 * PART, 2);
	world_logout(s);
	check_clean();
}

static void
test_second_session_takes_an_idle_upload_over(void **state)
{
	struct session *a = world_login("ann"), *b = world_login("ann");
	struct vfs_stat st;
	struct writer x, y;

	(void)state;
	assert_int_equal(writer_open(&x, a, "/x", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, PART + 7, 2), ERR_OK);
	assert_int_equal(do_stat(b, "/x", &st), ERR_OK);
	assert_int_equal(st.size, PART + 7);
	x.ready = false;
	assert_int_equal(writer_open(&y, b, "/x", 0, 0), ERR_OK);
	assert_int_equal(vfs_file_size(y.f), PART + 7);
	world_wait(&x.ready);
	assert_int_equal(x.ready_err, ERR_IN_USE);
	assert_int_equal(writer_write(&x, PART + 7, 1, 9), ERR_IN_USE);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_IN_USE);
	assert_int_equal(writer_write(&y, PART + 7, 5, 2), ERR_OK);
	assert_int_equal(writer_close(&y, VFS_COMPLETE), ERR_OK);
	check_object("x", PART + 12, 2);
	world_logout(a);
	world_logout(b);
	check_clean();
}

static void
test_another_user_finds_it_in_use(void **state)
{
	struct session *a = world_login("ann"), *b = world_login("bob");
	struct vfs_stat st;
	struct writer x, y;

	(void)state;
	assert_int_equal(writer_open(&x, a, "/x", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 7, 2), ERR_OK);
	assert_int_equal(writer_open(&y, b, "/x", NEW, 0), ERR_IN_USE);
	assert_int_equal(do_stat(b, "/x", &st), ERR_NOT_FOUND);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(writer_open(&y, b, "/x", NEW, 0), ERR_IN_USE);
	world_logout(a);
	world_logout(b);
}

static void
test_time_set_by_the_client_is_kept(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;

	(void)state;
	assert_int_equal(do_put(s, "/x", 3 * PART, 1), ERR_OK);
	assert_int_equal(do_mtime(s, "/x", 1234567890), ERR_OK);
	assert_int_equal(do_stat(s, "/x", &st), ERR_OK);
	assert_int_equal(st.mtime, 1234567890);
	assert_int_equal(do_put(s, "/y.filepart", 3 * PART, 1), ERR_OK);
	assert_int_equal(do_mtime(s, "/y.filepart", 1234567891), ERR_OK);
	assert_int_equal(do_rename(s, "/y.filepart", "/y", false), ERR_OK);
	assert_int_equal(do_stat(s, "/y", &st), ERR_OK);
	assert_int_equal(st.mtime, 1234567891);
	world_logout(s);
}

/* In a child that is killed; says over a pipe how much was acknowledged. */
static void
write_and_wait_for_death(int fd, const char *path, size_t n, unsigned flags)
{
	struct session *s;
	struct writer x;
	uint64_t off = 0;

	world_open();
	s = world_login("ann");
	if (writer_open(&x, s, path, flags, 0))
		_exit(1);
	while (off < n) {
		if (writer_write(&x, off, 5000, 6))
			_exit(1);
		off += 5000;
		if (write(fd, &off, sizeof(off)) != sizeof(off))
			_exit(1);
	}
	pause();
}

static uint64_t
killed_upload(const char *path, size_t n, unsigned flags)
{
	uint64_t off = 0, got;
	int fds[2];
	pid_t pid;

	world_close();
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		write_and_wait_for_death(fds[1], path, n, flags);
		_exit(0);
	}
	close(fds[1]);
	while (off + 5000 <= n && read(fds[0], &got, sizeof(got)) == 8)
		off = got;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fds[0]);
	world_open();
	return off;
}

static void
test_sigkill_keeps_every_acknowledged_byte(void **state)
{
	static const size_t sizes[] = { 5000, PART - 20, 7 * PART };
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		uint64_t off = killed_upload("/k.bin", sizes[i], NEW);
		struct session *s = world_login("ann");
		struct vfs_stat st;
		struct writer x;

		assert_int_equal(do_stat(s, "/k.bin", &st), ERR_OK);
		assert_true(st.size >= off);
		assert_int_equal(writer_open(&x, s, "/k.bin", 0, 0), ERR_OK);
		assert_int_equal(vfs_file_size(x.f), st.size);
		assert_int_equal(writer_write(&x, st.size, 3 * PART, 6),
				 ERR_OK);
		assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
		check_object("k.bin", (size_t)st.size + 3 * PART, 6);
		world_logout(s);
		check_clean();
	}
}

static void
test_drain_parks_and_the_next_worker_goes_on(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/x", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 2 * PART + 3, 2), ERR_OK);
	world_logout(s);
	world_close();
	world_open();
	s = world_login("ann");
	assert_int_equal(do_stat(s, "/x", &st), ERR_OK);
	assert_int_equal(st.size, 2 * PART + 3);
	assert_int_equal(count_rows("state = 1"), 1);
	world_logout(s);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_small_file_is_one_put),
		TEST(test_file_of_exactly_one_part_is_one_put),
		TEST(test_empty_file_is_published),
		TEST(test_large_file_goes_by_parts),
		TEST(test_broken_upload_is_kept_and_goes_on),
		TEST(test_rewind_overwrites_what_the_spool_holds),
		TEST(test_rewind_to_a_part_that_is_stored_sends_it_again),
		TEST(test_writes_ahead_are_held_until_the_gap_closes),
		TEST(test_bytes_held_twice_count_once),
		TEST(test_gap_at_close_parks),
		TEST(test_write_too_far_ahead_is_refused),
		TEST(test_small_file_may_be_changed_in_place),
		TEST(test_declared_size_must_be_met),
		TEST(test_publish_policy_of_the_user_holds),
		TEST(test_no_trunc_shorter_than_the_object_parks),
		TEST(test_size_zero_confirms_an_empty_upload),
		TEST(test_handle_that_writes_nothing_changes_nothing),
		TEST(test_append_copies_and_goes_on),
		TEST(test_temporary_name_is_sealed_and_renamed_without_a_copy),
		TEST(test_sealed_upload_can_be_written_on),
		TEST(test_rename_of_a_seal_respects_what_is_there),
		TEST(test_hidden_object_goes_when_its_upload_is_removed),
		TEST(test_remove_of_a_broken_upload_leaves_nothing),
		TEST(test_remove_deletes_a_published_object),
		TEST(test_rename_of_an_object_moves_it),
		TEST(test_rename_without_moving_copies_then_deletes),
		TEST(test_old_object_stays_until_it_is_replaced),
		TEST(test_second_session_takes_an_idle_upload_over),
		TEST(test_another_user_finds_it_in_use),
		TEST(test_time_set_by_the_client_is_kept),
		TEST(test_sigkill_keeps_every_acknowledged_byte),
		TEST(test_drain_parks_and_the_next_worker_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
