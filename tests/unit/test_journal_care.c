/* SPDX-License-Identifier: Apache-2.0 */
/* What sluicectl asks of a journal: does it agree with itself, and copies. */
#include "tests/unit/journal_world.h"

#include <fcntl.h>

#include "bridge/journal_ops.h"
#include "lib/clock.h"

/* Faults, as text; a reader of its own, as sluicectl has it. */
struct faults {
	size_t n;
	enum journal_fault_kind kind;
	char upload[ID_LEN + 1];
};

static void
on_fault(void *arg, const struct journal_fault *f)
{
	struct faults *all = arg;

	all->n++;
	all->kind = f->kind;
	if (f->upload)
		strcpy(all->upload, f->upload);
}

static void *
reader(struct world *w)
{
	struct journal_place place = { .path = w->path, .read_only = true };
	void *db = NULL;

	assert_int_equal(journal_sqlite.open(&db, &place), ERR_OK);
	return db;
}

static struct faults
check(struct world *w)
{
	struct faults all = { 0 };
	void *db = reader(w);

	assert_int_equal(journal_sqlite.check(db, on_fault, &all), ERR_OK);
	journal_sqlite.close(db);
	return all;
}

static void
sql(struct world *w, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* A published row, with its event or without. */
static struct journal_upload
published(struct world *w, const char *key, bool told)
{
	struct journal_upload u = *row(key);
	struct journal_event e = event("published");
	struct journal_tx tx = { .insert = &u };

	u.state = UPLOAD_PUBLISHED;
	u.ended_at = clock_wall_ms();
	if (told)
		tx.event = &e;
	assert_int_equal(commit(w, &tx), ERR_OK);
	return u;
}

static void
test_a_sound_journal_has_no_faults(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	struct store_part parts[] = { part(1), part(2) };
	struct journal_tx tx = { .insert = &u, .add_parts = parts, .nadd = 2 };

	strcpy(u.backend_id, "b");
	u.state = UPLOAD_SEALED;
	u.end = 200;
	assert_int_equal(commit(w, &tx), ERR_OK);
	published(w, "y", true);
	assert_int_equal(check(w).n, 0);
}

static void
test_a_missing_event_is_found(void **state)
{
	struct world *w = *state;
	struct journal_upload u = published(w, "x", false);
	struct faults all = check(w);

	assert_int_equal(all.n, 1);
	assert_int_equal(all.kind, JOURNAL_FAULT_EVENT);
	assert_string_equal(all.upload, u.id);
	/* An old row's event may have been delivered, and pruned. */
	sql(w, "UPDATE uploads SET ended_at = 1");
	assert_int_equal(check(w).n, 0);
}

/* An upload that was given up has an event; a rename that failed has none. */
static void
test_a_failed_rename_needs_no_event(void **state)
{
	struct world *w = *state;
	struct journal_upload u = published(w, "x", false);

	sql(w, "UPDATE uploads SET state = 7, kind = 1");
	assert_int_equal(check(w).n, 0);
	sql(w, "UPDATE uploads SET kind = 0");
	assert_int_equal(check(w).n, 1);
	assert_string_equal(check(w).upload, u.id);
}

static void
test_parts_that_do_not_fit_are_found(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	struct store_part parts[] = { part(1), part(2) };
	struct journal_tx tx = { .insert = &u, .add_parts = parts, .nadd = 2 };

	strcpy(u.backend_id, "b");
	u.state = UPLOAD_SEALED;
	u.end = 199;
	assert_int_equal(commit(w, &tx), ERR_OK);
	assert_int_equal(check(w).kind, JOURNAL_FAULT_PARTS);
	sql(w, "UPDATE uploads SET end = 200; UPDATE parts SET off = 99"
	       " WHERE no = 2");
	assert_int_equal(check(w).n, 1);
	assert_string_equal(check(w).upload, u.id);
}

static void
test_a_damaged_file_is_found(void **state)
{
	struct world *w = *state;
	struct faults all;

	/* An index that lacks a row is what a torn page leaves. */
	published(w, "x", true);
	sql(w, "PRAGMA writable_schema = ON;"
	       "CREATE TABLE t(a); CREATE INDEX i ON t(a);"
	       "INSERT INTO t VALUES (1), (2);"
	       "UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(a)"
	       " WHERE a > 1' WHERE name = 'i'");
	reopen(w);
	all = check(w);
	assert_true(all.n > 0);
	assert_int_equal(all.kind, JOURNAL_FAULT_DAMAGE);
}

static void
test_an_object_that_was_removed_has_moved(void **state)
{
	struct world *w = *state;
	struct journal_upload u = published(w, "x", true);
	struct journal_event e = event("deleted");
	char id[ID_LEN + 1];
	struct journal_tx tx = { .event = &e, .event_upload = id };
	void *db = reader(w);
	bool moved;

	id_new(id);
	assert_int_equal(journal_sqlite.moved(db, &u, &moved), ERR_OK);
	assert_false(moved);
	e.body = "{\"store\":\"main\",\"key\":\"y\",\"source_key\":\"z\"}";
	assert_int_equal(commit(w, &tx), ERR_OK);
	assert_int_equal(journal_sqlite.moved(db, &u, &moved), ERR_OK);
	assert_false(moved);
	e = event("renamed");
	e.body = "{\"store\":\"main\",\"key\":\"y\",\"source_key\":\"x\"}";
	assert_int_equal(commit(w, &tx), ERR_OK);
	assert_int_equal(journal_sqlite.moved(db, &u, &moved), ERR_OK);
	assert_true(moved);
	u.ended_at = INT64_MAX; /* the clock was set back since */
	assert_int_equal(journal_sqlite.moved(db, &u, &moved), ERR_OK);
	assert_true(moved);
	journal_sqlite.close(db);
}

static int
owner(void *db, const char *key, const char *backend_id)
{
	int state;

	assert_int_equal(journal_sqlite.owner(db, "main", key, backend_id,
					      &state),
			 ERR_OK);
	return state;
}

static void
test_a_multipart_upload_has_an_owner(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	void *db = reader(w);

	assert_int_equal(owner(db, "x", "b"), -1);
	strcpy(u.backend_id, "b");
	u.state = UPLOAD_ABORTED;
	assert_int_equal(insert(w, &u), ERR_OK);
	assert_int_equal(owner(db, "x", "b"), UPLOAD_ABORTED);
	assert_int_equal(owner(db, "x", "c"), -1);
	/* Its Create was sent: any of the key's may be its. */
	u = *row("y");
	u.creating_at = 5;
	u.state = UPLOAD_PARKED;
	assert_int_equal(insert(w, &u), ERR_OK);
	assert_int_equal(owner(db, "y", "c"), UPLOAD_PARKED);
	assert_int_equal(owner(db, "z", "c"), -1);
	journal_sqlite.close(db);
}

/* The log. */

static enum err
check_log(const struct world *w)
{
	return journal_log_check(w->path, w->lock);
}

static void
spoil(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	char c;

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c = (char)(c ^ 0x20);
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

/* Where the frames end that bear the log's salts. */
static off_t
log_end(const struct world *w)
{
	unsigned char head[32], frame[24];
	int fd = open(w->wal, O_RDONLY);
	off_t off = sizeof(head);

	assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
	while (pread(fd, frame, sizeof(frame), off) == sizeof(frame) &&
	       memcmp(frame + 8, head + 16, 8) == 0)
		off += 4096 + (off_t)sizeof(frame);
	close(fd);
	return off;
}

static void
test_a_log_that_lost_commits_is_told(void **state)
{
	struct world *w = *state;
	off_t before, last, end;
	int i;

	assert_int_equal(check_log(w), ERR_OK);
	for (i = 0; i < 5; i++)
		published(w, "x", true);
	before = log_end(w);
	published(w, "y", true);
	last = log_end(w);
	published(w, "z", true);
	end = log_end(w);
	assert_true(before < last && last < end);
	assert_int_equal(check_log(w), ERR_OK);
	log_set_level(LOG_LEVEL_ERROR - 1);
	/* The end of what a crash cut off in its middle. */
	spoil(w->wal, last + 100);
	assert_int_equal(check_log(w), ERR_OK);
	spoil(w->wal, last + 100);
	spoil(w->wal, before + 100);
	assert_int_equal(check_log(w), ERR_CORRUPT);
	spoil(w->wal, before + 100);
	assert_int_equal(check_log(w), ERR_OK);
	assert_int_equal(truncate(w->wal, before), 0);
	assert_int_equal(check_log(w), ERR_CORRUPT);
}

/* Copies. */

static void
copy_path(const struct world *w, char out[128])
{
	snprintf(out, 128, "%s/copy", w->dir);
}

static void
test_a_copy_is_the_journal_and_stands_alone(void **state)
{
	struct world *w = *state;
	struct journal_upload u = published(w, "x", true);
	struct world copy = *w;
	char path[128];
	void *db = reader(w);
	struct stat st;

	copy_path(w, path);
	assert_int_equal(journal_sqlite.backup(db, path), ERR_OK);
	assert_int_equal(journal_sqlite.backup(db, path), ERR_EXISTS);
	journal_sqlite.close(db);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(journal_sqlite.verify(path), ERR_OK);
	/* What came behind the copy is not in it. */
	published(w, "y", true);
	memcpy(copy.path, path, sizeof(copy.path));
	assert_int_equal(ask(&copy, "SELECT count(*) FROM uploads"), 1);
	assert_int_equal(ask(&copy, "SELECT count(*) FROM uploads WHERE key ="
				    " 'x' AND state = 6"),
			 1);
	assert_string_not_equal(u.id, "");
	unlink(path);
}

static void
test_what_is_no_copy_is_refused(void **state)
{
	struct world *w = *state;
	void *db = reader(w);
	char path[128];

	copy_path(w, path);
	assert_int_equal(journal_sqlite.backup(db, path), ERR_OK);
	journal_sqlite.close(db);
	assert_int_equal(truncate(path, 8192), 0);
	log_set_level(LOG_LEVEL_ERROR - 1);
	assert_int_equal(journal_sqlite.verify(path), ERR_CORRUPT);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(journal_sqlite.verify(path), ERR_CORRUPT);
	unlink(path);
	assert_int_not_equal(journal_sqlite.verify(path), ERR_OK);
}

static void
test_a_newer_copy_is_refused(void **state)
{
	struct world *w = *state;
	struct world copy = *w;
	void *db = reader(w);
	char path[128];

	copy_path(w, path);
	assert_int_equal(journal_sqlite.backup(db, path), ERR_OK);
	journal_sqlite.close(db);
	memcpy(copy.path, path, sizeof(copy.path));
	sql(&copy, "PRAGMA user_version = 99");
	assert_int_equal(journal_sqlite.verify(path), ERR_UNSUPPORTED);
	unlink(path);
}

#define C(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		C(test_a_sound_journal_has_no_faults),
		C(test_a_missing_event_is_found),
		C(test_a_failed_rename_needs_no_event),
		C(test_parts_that_do_not_fit_are_found),
		C(test_a_damaged_file_is_found),
		C(test_an_object_that_was_removed_has_moved),
		C(test_a_multipart_upload_has_an_owner),
		C(test_a_log_that_lost_commits_is_told),
		C(test_a_copy_is_the_journal_and_stands_alone),
		C(test_what_is_no_copy_is_refused),
		C(test_a_newer_copy_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
