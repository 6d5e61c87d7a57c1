/* SPDX-License-Identifier: Apache-2.0 */
/* The conductor where several things happen to one key at once. */
#include "tests/unit/upload_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "bridge/upload_private.h"

#define NEW (VFS_CREAT | VFS_TRUNC)

struct found {
	bool done;
	struct journal_upload row;
};

static void
row_found(void *arg, const struct journal_reply *r)
{
	struct found *f = arg;

	if (r->upload)
		f->row = *r->upload;
	f->done = true;
}

/* The live row of a key; without an id when there is none. */
static struct journal_upload
live_row(const char *key)
{
	struct found f = { .done = false };

	journal_find(w.b->journal, "main", key, row_found, &f);
	world_wait(&f.done);
	return f.row;
}

struct ended {
	bool done;
	enum err err;
};

static void
call_ended(void *arg, enum err err, const char *why)
{
	struct ended *e = arg;

	(void)why;
	e->err = err;
	e->done = true;
}

static enum err
abort_row(const struct journal_upload *row)
{
	struct ended e = { .done = false };

	upload_abort_row(w.b->uploads, row, call_ended, &e);
	world_wait(&e.done);
	return e.err;
}

/* A broken upload of n bytes, as it is in the journal. */
static struct journal_upload
broken(struct session *s, const char *path, size_t n, int seed)
{
	struct writer x;

	assert_int_equal(writer_open(&x, s, path, NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, n, seed), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	return live_row(path + 1);
}

static void
test_abort_spares_what_was_published_meanwhile(void **state)
{
	struct session *s = world_login("ann");
	struct journal_upload row = broken(s, "/a", 100, 1);
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 100, 10, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	assert_int_equal(abort_row(&row), ERR_CONFLICT);
	check_object("a", 110, 1);
	assert_int_equal(count_events("deleted"), 0);
	world_logout(s);
	check_clean();
}

static void
test_abort_spares_the_next_generation(void **state)
{
	struct session *s = world_login("ann");
	struct journal_upload row = broken(s, "/a", 100, 1);
	struct journal_upload next = broken(s, "/a", 200, 2);

	(void)state;
	assert_string_not_equal(row.id, next.id);
	assert_int_equal(abort_row(&row), ERR_CONFLICT);
	assert_string_equal(live_row("a").id, next.id);
	assert_int_equal(abort_row(&next), ERR_OK);
	world_logout(s);
	check_clean();
	assert_int_equal(count_events("aborted"), 2);
}

/* The session is gone and the worker leaves: the call still comes to its end. */
static void
test_drain_waits_for_calls_that_were_dropped(void **state)
{
	struct session *s = world_login("ann");

	(void)state;
	assert_int_equal(do_put(s, "/a", 10, 1), ERR_OK);
	vfs_rename(s, "/a", "/b", false, NULL, NULL);
	world_logout(s);
	world_close();
	world_open();
	check_object("b", 10, 1);
	check_no_object("a");
	assert_int_equal(count_events("renamed"), 1);
	check_clean();
}

static void
test_remove_beside_a_broken_upload_takes_the_object_too(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;

	(void)state;
	assert_int_equal(do_put(s, "/a", 10, 1), ERR_OK);
	broken(s, "/a", 3 * PART, 2);
	check_object("a", 10, 1);
	assert_int_equal(do_remove(s, "/a"), ERR_OK);
	assert_int_equal(do_stat(s, "/a", &st), ERR_NOT_FOUND);
	check_no_object("a");
	assert_int_equal(count_events("deleted"), 1);
	world_logout(s);
	check_clean();
	assert_int_equal(count_rows("hidden_etag <> ''"), 0);
}

static void
test_remove_says_when_the_object_cannot_be_deleted(void **state)
{
	struct session *s = world_login("ann");
	enum err err;

	(void)state;
	assert_int_equal(do_put(s, "/a", 10, 1), ERR_OK);
	broken(s, "/a", 100, 2);
	world_fault((struct fault){
		.kind = STORE_CALL_DELETE, .times = 2, .err = ERR_DENIED });
	assert_int_equal(do_remove(s, "/a"), ERR_DENIED);
	check_object("a", 10, 1);
	world_fault((struct fault){ .times = 0 });
	err = do_remove(s, "/a");
	/* The end of the upload may have taken it along by now. */
	assert_true(err == ERR_OK || err == ERR_NOT_FOUND);
	check_no_object("a");
	world_logout(s);
	check_clean();
}

/* A call to the store that is held back. */
static struct store_call *held_call;
static const struct store_ops *before_hold;
static struct store_ops holding;

static void
hold_start(struct store *s, struct store_call *c)
{
	(void)s;
	held_call = c;
}

static void
hold(enum store_call_kind kind)
{
	struct store *store = w.b->stores[0];

	before_hold = store->ops;
	holding = *before_hold;
	holding.start[kind] = hold_start;
	holding.start[STORE_CALL_MOVE] = NULL;
	store->ops = &holding;
	held_call = NULL;
}

static void
wait_for_held_call(void)
{
	world_until(held_call);
}

static void
let_go(void)
{
	struct store *store = w.b->stores[0];

	store->ops = before_hold;
	store->ops->start[held_call->kind](store, held_call);
}

static void
wait_for_backend_id(const char *key)
{
	world_until(*live_row(key).backend_id);
}

static void
wait_until_nothing_is_driven(void)
{
	world_until(!uploads_driven(w.b->uploads));
}

static void
test_sweep_spares_what_the_next_generation_creates(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	broken(s, "/a", 3 * PART, 1);
	wait_until_nothing_is_driven();
	world_sql("UPDATE uploads SET flags = flags | 4"); /* create_unknown */
	hold(STORE_CALL_LIST_UPLOADS);
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	wait_for_held_call();
	assert_int_equal(writer_write(&x, 0, 3 * PART, 2), ERR_OK);
	wait_for_backend_id("a");
	let_go();
	world_run(200);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 3 * PART, 2);
	world_logout(s);
	check_clean();
	assert_int_equal(count_rows("flags & 4 <> 0"), 0);
}

static void
begun(void *arg, const struct store_result *res)
{
	assert_int_equal(res->err, ERR_OK);
	*(bool *)arg = true;
}

/* Its Create failed, it is parked, and may stay so for days. */
static void
test_sweep_does_not_wait_for_a_parked_upload(void **state)
{
	struct session *s = world_login("ann");
	struct store_meta meta = { .sluice_id = "x" };
	bool done = false;
	struct writer x;

	(void)state;
	broken(s, "/a", 3 * PART, 1);
	wait_until_nothing_is_driven();
	world_sql("UPDATE uploads SET flags = flags | 4"); /* create_unknown */
	store_begin(w.b->stores[0], "a", &meta, begun, &done);
	world_wait(&done);
	hold(STORE_CALL_LIST_UPLOADS);
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	wait_for_held_call();
	world_fault((struct fault){
		.kind = STORE_CALL_BEGIN, .times = 100, .err = ERR_DENIED });
	writer_write(&x, 0, 2 * PART, 2);
	world_until(w.calls[STORE_CALL_BEGIN]);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_DENIED);
	assert_int_equal(count_rows("state = 1 AND creating_at <> 0"), 1);
	let_go();
	world_until(!count_rows("state = 5"));
	world_fault((struct fault){ .times = 0 });
	assert_int_equal(do_remove(s, "/a"), ERR_OK);
	world_logout(s);
	check_clean();
}

static void
test_rename_never_deletes_what_comes_to_its_source(void **state)
{
	struct session *s = world_login("ann");
	struct ended e = { .done = false };

	(void)state;
	assert_int_equal(do_put(s, "/x", 10, 1), ERR_OK);
	hold(STORE_CALL_DELETE);
	vfs_rename(s, "/x", "/z", false, call_ended, &e);
	wait_for_held_call();
	assert_int_equal(do_put(s, "/x", 20, 2), ERR_IN_USE);
	let_go();
	world_wait(&e.done);
	assert_int_equal(e.err, ERR_OK);
	assert_int_equal(do_put(s, "/x", 20, 2), ERR_OK);
	check_object("x", 20, 2);
	check_object("z", 10, 1);
	world_logout(s);
	check_clean();
	assert_int_equal(count_rows("flags & 16 <> 0"), 0);
}

/*
 * The second of three parts is not copied, so what was appended never came: the
 * file is what it was, not the part of it that the new upload has.
 */
static void
test_append_that_broke_off_shows_the_whole_file(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a", 3 * PART + 10, 1), ERR_OK);
	world_fault((struct fault){ .kind = STORE_CALL_COPY_PART,
				    .skip = 1,
				    .times = 1000,
				    .err = ERR_DENIED });
	assert_int_equal(writer_open(&x, s, "/a", VFS_APPEND, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 3 * PART + 10, 100, 1), ERR_DENIED);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_DENIED);
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_false(st.in_flight);
	assert_int_equal(st.size, 3 * PART + 10);
	world_fault((struct fault){ .times = 0 });
	assert_int_equal(writer_open(&x, s, "/a", VFS_APPEND, 0), ERR_OK);
	assert_int_equal(vfs_file_size(x.f), 3 * PART + 10);
	assert_int_equal(writer_write(&x, 3 * PART + 10, 200, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 3 * PART + 210, 1);
	world_logout(s);
	check_clean();
	assert_int_equal(count_events("aborted"), 1);
}

/* Once the file is copied, what was appended is kept like any upload. */
static void
test_append_that_broke_off_later_goes_on(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a", 3 * PART + 10, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a", VFS_APPEND, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 3 * PART + 10, PART, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_true(st.in_flight);
	assert_int_equal(st.size, 4 * PART + 10);
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 4 * PART + 10, 5, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 4 * PART + 15, 1);
	world_logout(s);
	check_clean();
}

/* As if the temporary upload were not there: its final name has nothing yet. */
static void
test_exclusive_open_sees_no_upload_of_another_name(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a.filepart", 10, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a.filepart", VFS_CREAT | VFS_EXCL,
				     0),
			 ERR_EXISTS);
	assert_int_equal(writer_open(&x, s, "/a", VFS_CREAT | VFS_EXCL, 0),
			 ERR_OK);
	assert_int_equal(writer_write(&x, 0, 20, 2), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 20, 2);
	world_logout(s);
	check_clean();
}

static void
test_no_trunc_is_remembered_over_a_break(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_attrs a = { .set = VFS_SET_SIZE, .size = 80 };
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a", 100, 1), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a", VFS_CREAT, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 60, 2), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 60, 10, 2), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_INCOMPLETE);
	check_object("a", 100, 1);
	/* With the size said, it is the new file. */
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 70, 10, 2), ERR_OK);
	vfs_file_setstat(x.f, &a, NULL, NULL);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 80, 2);
	world_logout(s);
	check_clean();
}

static void
test_no_trunc_holds_for_a_file_begun_anew(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(do_put(s, "/a", 100, 1), ERR_OK);
	broken(s, "/a", 50, 2);
	assert_int_equal(writer_open(&x, s, "/a", VFS_CREAT, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 20, 3), ERR_OK);
	/* The store is out of reach for a moment: CLOSE waits for it. */
	world_fault((struct fault){
		.kind = STORE_CALL_HEAD, .times = 3, .err = ERR_AGAIN });
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_INCOMPLETE);
	check_object("a", 100, 1);
	assert_int_equal(do_remove(s, "/a"), ERR_OK);
	world_logout(s);
	check_clean();
}

static void
test_file_begun_anew_inherits_no_declared_size(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 1000), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 10, 2), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	assert_int_equal(do_mtime(s, "/a", 1234567890), ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a", VFS_CREAT, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 500, 3), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 500, 3);
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_int_not_equal(st.mtime, 1234567890);
	/* What is said at the open counts. */
	broken(s, "/b", 10, 2);
	assert_int_equal(writer_open(&x, s, "/b", VFS_CREAT, 700), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 500, 3), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_INCOMPLETE);
	world_logout(s);
}

/* Another writer has its turn at the journal, for as long as fd is open. */
static int
journal_taken(void)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/state/journal.lock", w.dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	return fd;
}

static void
test_sync_covers_a_part_that_is_not_recorded_yet(void **state)
{
	struct session *s = world_login("ann");
	struct ended e = { .done = false };
	struct upload *u;
	struct useg *g;
	struct writer x;
	int fd;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 2 * PART, 1), ERR_OK);
	u = upload_by_key(w.b->uploads, keylock_hash("main", "a"));
	world_until(!u->segs);
	fd = journal_taken();
	assert_int_equal(writer_write(&x, 2 * PART, PART, 1), ERR_OK);
	g = u->segs;
	assert_non_null(g);
	world_until(g->state == USEG_STORED);
	assert_int_not_equal(g ? segment_unsynced(g->seg) : 0, 0);
	vfs_file_sync(x.f, call_ended, &e);
	world_wait(&e.done);
	assert_int_equal(e.err, ERR_OK);
	/* The power may fail now: the store has it, but no row says so. */
	assert_int_equal(g ? segment_unsynced(g->seg) : 1, 0);
	close(fd);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 3 * PART, 1);
	world_logout(s);
	check_clean();
}

static void
test_parks_are_told_of_where_that_is_configured(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	broken(s, "/a", 10, 1);
	assert_int_equal(count_events("parked"), 0);
	w.cfg.park_events = true;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(writer_open(&x, s, "/a", VFS_CREAT, 0),
				 ERR_OK);
		assert_int_equal(writer_write(&x, 10 + (uint64_t)i, 1, 1),
				 ERR_OK);
		assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	}
	world_until(count_events("parked") == 2);
	world_logout(s);
}

/* The slot that is said to have the upload belongs to no worker any more. */
static void
test_open_gives_up_on_a_worker_that_never_answers(void **state)
{
	struct session *s = world_login("ann");
	struct keylock_table *table;
	char dir[128], id[ID_LEN + 1];
	struct keylock *lock;
	struct writer x;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/spool", w.dir);
	assert_int_equal(keylock_table_open(&table, dir), ERR_OK);
	assert_int_equal(keylock_take(table, "main", "a", &lock), ERR_OK);
	id_new(id);
	ledger_enter(w.ledger, 1, getpid());
	ledger_upload_add(w.ledger, id, keylock_hash("main", "a"));
	ledger_enter(w.ledger, 0, getpid());
	assert_int_equal(peer_open(&w.b->peer, w.b->loop, w.dir, -1, NULL,
				   NULL),
			 ERR_OK);
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_IN_USE);
	keylock_drop(lock);
	keylock_table_close(table);
	assert_int_equal(do_put(s, "/a", 10, 1), ERR_OK);
	world_logout(s);
	peer_close(w.b->peer);
	w.b->peer = NULL;
}

static void
remove_segments(void)
{
	char path[512];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/spool", w.dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/spool/%s", w.dir, e->d_name);
		if (e->d_name[0] != '.' && strcmp(e->d_name, "lock"))
			assert_int_equal(unlink(path), 0);
	}
	closedir(d);
}

/* As after a power failure, on a store with a smallest length for parts. */
static void
test_short_last_part_comes_again_when_its_segment_is_lost(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	w.b->stores[0]->limits.part_min = PART;
	assert_int_equal(do_put(s, "/a.filepart", 2 * PART + 9, 1), ERR_OK);
	remove_segments();
	assert_int_equal(writer_open(&x, s, "/a.filepart", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 2 * PART + 9, PART, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_INCOMPLETE);
	assert_int_equal(do_stat(s, "/a.filepart", &st), ERR_OK);
	assert_int_equal(st.size, 2 * PART);
	assert_int_equal(writer_open(&x, s, "/a.filepart", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 2 * PART, PART + 9, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	assert_int_equal(do_rename(s, "/a.filepart", "/a", false), ERR_OK);
	check_object("a", 3 * PART + 9, 1);
	world_logout(s);
	check_clean();
}

/* A client that sees its whole file may say so instead of sending it again. */
static void
test_size_confirms_a_file_whose_last_segment_is_lost(void **state)
{
	struct vfs_attrs a = { .set = VFS_SET_SIZE, .size = 2 * PART + 9 };
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	w.b->stores[0]->limits.part_min = PART;
	assert_int_equal(do_put(s, "/a.filepart", 2 * PART + 9, 1), ERR_OK);
	remove_segments();
	assert_int_equal(writer_open(&x, s, "/a.filepart", 0, 0), ERR_OK);
	vfs_file_setstat(x.f, &a, NULL, NULL);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	assert_int_equal(do_stat(s, "/a.filepart", &st), ERR_OK);
	assert_int_equal(st.size, 2 * PART + 9);
	assert_int_equal(do_rename(s, "/a.filepart", "/a", false), ERR_OK);
	check_object("a", 2 * PART + 9, 1);
	world_logout(s);
	check_clean();
}

/* Killed between the last part's row and the next one. */
static void
test_short_last_part_is_kept_while_closing(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	w.b->stores[0]->limits.part_min = PART;
	assert_int_equal(do_put(s, "/a.filepart", 2 * PART + 9, 1), ERR_OK);
	world_logout(s);
	world_close();
	world_sql("UPDATE uploads SET state = 2");
	world_open();
	w.b->stores[0]->limits.part_min = PART;
	s = world_login("ann");
	uploads_recover(w.b->uploads);
	world_until(count_rows("state = 3"));
	assert_int_equal(do_stat(s, "/a.filepart", &st), ERR_OK);
	assert_int_equal(st.size, 2 * PART + 9);
	assert_int_equal(writer_open(&x, s, "/a.filepart", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 2 * PART + 9, PART, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	assert_int_equal(do_rename(s, "/a.filepart", "/a", false), ERR_OK);
	check_object("a", 3 * PART + 9, 1);
	world_logout(s);
	check_clean();
}

/* A client that comes back must not take a whole file for an empty one. */
static void
test_size_is_whole_while_completing_is_carried_on(void **state)
{
	struct fault f = { .kind = STORE_CALL_COMPLETE,
			   .times = 2,
			   .err = ERR_AGAIN };
	struct session *s = world_login("ann");
	struct vfs_stat st;

	(void)state;
	assert_int_equal(do_put(s, "/a.filepart", 2 * PART + 9, 1), ERR_OK);
	world_logout(s);
	world_close();
	world_sql("UPDATE uploads SET state = 4");
	world_open();
	s = world_login("ann");
	world_fault(f);
	uploads_recover(w.b->uploads);
	world_until(w.calls[STORE_CALL_COMPLETE]);
	assert_int_equal(do_stat(s, "/a.filepart", &st), ERR_OK);
	assert_int_equal(st.size, 2 * PART + 9);
	world_logout(s);
	check_clean();
	check_object("a", 2 * PART + 9, 1);
}

static void
serve(void *arg, const char *line, struct peer_request *req)
{
	uploads_serve(arg, line, req);
}

struct answered {
	bool done;
	enum err err;
	char text[64];
};

static void
answered(void *arg, enum err err, const char *text)
{
	struct answered *a = arg;

	a->err = err;
	str_copy(a->text, sizeof(a->text), text);
	a->done = true;
}

/* What a worker says to a question about an upload. */
static struct answered
ask(const char *question, const char *id)
{
	struct answered a = { .done = false };
	char line[128] = "";
	struct peer *peer;

	assert_int_equal(peer_open(&peer, w.b->loop, w.dir, 0, serve,
				   w.b->uploads),
			 ERR_OK);
	str_printf(line, sizeof(line), "%s %s", question, id);
	peer_ask(peer, 0, line, 5000, answered, &a);
	world_wait(&a.done);
	peer_close(peer);
	return a;
}

static void
test_worker_tells_an_offset(void **state)
{
	struct session *s = world_login("ann");
	struct answered a;
	struct writer x;
	char id[ID_LEN + 1];

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 2 * PART + 77, 1), ERR_OK);
	str_copy(id, sizeof(id), live_row("a").id);
	a = ask("offset", id); /* from memory */
	assert_int_equal(a.err, ERR_OK);
	assert_string_equal(a.text, "131149");
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	wait_until_nothing_is_driven();
	a = ask("offset", id); /* from rows and LIVE records */
	assert_int_equal(a.err, ERR_OK);
	assert_string_equal(a.text, "131149");
	assert_int_equal(do_remove(s, "/a"), ERR_OK);
	assert_int_equal(ask("offset", id).err, ERR_NOT_FOUND);
	assert_int_equal(ask("offset", "11112222333344445555666677778888").err,
			 ERR_NOT_FOUND);
	assert_int_equal(ask("offset", "nothing").err, ERR_INVALID);
	world_logout(s);
	check_clean();
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_abort_spares_what_was_published_meanwhile),
		TEST(test_abort_spares_the_next_generation),
		TEST(test_drain_waits_for_calls_that_were_dropped),
		TEST(test_remove_beside_a_broken_upload_takes_the_object_too),
		TEST(test_remove_says_when_the_object_cannot_be_deleted),
		TEST(test_sweep_spares_what_the_next_generation_creates),
		TEST(test_sweep_does_not_wait_for_a_parked_upload),
		TEST(test_rename_never_deletes_what_comes_to_its_source),
		TEST(test_append_that_broke_off_shows_the_whole_file),
		TEST(test_append_that_broke_off_later_goes_on),
		TEST(test_exclusive_open_sees_no_upload_of_another_name),
		TEST(test_no_trunc_is_remembered_over_a_break),
		TEST(test_no_trunc_holds_for_a_file_begun_anew),
		TEST(test_file_begun_anew_inherits_no_declared_size),
		TEST(test_sync_covers_a_part_that_is_not_recorded_yet),
		TEST(test_parks_are_told_of_where_that_is_configured),
		TEST(test_open_gives_up_on_a_worker_that_never_answers),
		TEST(test_short_last_part_comes_again_when_its_segment_is_lost),
		TEST(test_size_confirms_a_file_whose_last_segment_is_lost),
		TEST(test_short_last_part_is_kept_while_closing),
		TEST(test_size_is_whole_while_completing_is_carried_on),
		TEST(test_worker_tells_an_offset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
