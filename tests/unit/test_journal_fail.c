/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are no journal, disks that are full, syncs that fail. */
#include "tests/unit/journal_world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* A file system below SQLite whose log fails on demand, else the default. */

static bool fail_sync, fail_write;
static int syncs_failed;
static sqlite3_vfs faulty;
static const sqlite3_io_methods *real_methods;
static sqlite3_io_methods methods;

static int
faulty_sync(sqlite3_file *f, int flags)
{
	if (!fail_sync)
		return real_methods->xSync(f, flags);
	syncs_failed++;
	return SQLITE_IOERR_FSYNC;
}

static int
faulty_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 off)
{
	if (!fail_write)
		return real_methods->xWrite(f, data, n, off);
	return SQLITE_IOERR_WRITE;
}

static int
faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
	    int *out)
{
	sqlite3_vfs *real = vfs->pAppData;
	int rc = real->xOpen(real, name, f, flags, out);

	if (rc != SQLITE_OK || !(flags & SQLITE_OPEN_WAL))
		return rc;
	if (real_methods == NULL) {
		real_methods = f->pMethods;
		methods = *real_methods;
		methods.xSync = faulty_sync;
		methods.xWrite = faulty_write;
	}
	f->pMethods = &methods;
	return rc;
}

static void
install_faulty(void)
{
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);

	faulty = *real;
	faulty.zName = "faulty";
	faulty.pAppData = real;
	faulty.xOpen = faulty_open;
	sqlite3_vfs_register(&faulty, 1);
}

static void
copy_file(const char *from, const char *to)
{
	char block[4096];
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(block, 1, sizeof(block), in)) > 0)
		assert_int_equal(fwrite(block, 1, n, out), n);
	fclose(in);
	fclose(out);
}

/*
 * What a crash at this moment would leave: copies of the database and its log,
 * opened without the index in shared memory. The number of its uploads.
 */
static long long
uploads_after_crash(struct world *w)
{
	struct world copy = *w;
	long long n;

	snprintf(copy.path, sizeof(copy.path), "%s/copy.db", w->dir);
	snprintf(copy.wal, sizeof(copy.wal), "%s/copy.db-wal", w->dir);
	snprintf(copy.shm, sizeof(copy.shm), "%s/copy.db-shm", w->dir);
	copy_file(w->path, copy.path);
	copy_file(w->wal, copy.wal);
	n = ask(&copy, "SELECT count(*) FROM uploads");
	unlink(copy.path);
	unlink(copy.wal);
	unlink(copy.shm);
	return n;
}

static void
test_failed_sync_undoes_the_commit(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	struct journal_tx tx = { .insert = &u };

	assert_int_equal(insert(w, row("before")), ERR_OK);
	fail_sync = true;
	syncs_failed = 0;
	assert_int_equal(commit(w, &tx), ERR_IO);
	assert_true(syncs_failed > 0);
	/* Reading goes on, and nobody sees it, not even after a crash. */
	assert_false(find(w, "x").found);
	assert_int_equal(ask(w, "SELECT count(*) FROM uploads"), 1);
	assert_int_equal(uploads_after_crash(w), 1);
	fail_sync = false;
	assert_int_equal(commit(w, &tx), ERR_OK);
	assert_int_equal(uploads_after_crash(w), 2);
	reopen(w);
	assert_true(find(w, "x").found);
}

static void
test_failed_sync_is_not_seen_after_reopening(void **state)
{
	struct world *w = *state;

	fail_sync = true;
	assert_int_equal(insert(w, row("x")), ERR_IO);
	fail_sync = false;
	reopen(w);
	assert_false(find(w, "x").found);
}

/* A batch holds a read that saw what then was undone: it is read again. */
static void
test_failed_batch_is_not_seen_by_its_reads(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x"), v = *row("y");
	struct journal_tx tx = { .insert = &u }, ty = { .insert = &v };
	struct got g[4] = { 0 };
	int i;

	fail_sync = true;
	journal_commit(w->journal, &tx, take, &g[0]);
	journal_get(w->journal, u.id, take, &g[1]);
	journal_commit(w->journal, &ty, take, &g[2]);
	journal_get(w->journal, v.id, take, &g[3]);
	wait_calls(w, &g[3], 1);
	fail_sync = false;
	for (i = 0; i < 4; i++) {
		assert_int_equal(g[i].calls, 1);
		assert_int_equal(g[i].err, i % 2 == 0 ? ERR_IO : ERR_OK);
		assert_false(g[i].found);
	}
}

static void
test_failed_write_is_an_error_and_heals(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	struct journal_tx tx = { .insert = &u };
	int i;

	fail_write = true;
	for (i = 0; i < 3; i++)
		assert_int_equal(commit(w, &tx), ERR_IO);
	fail_write = false;
	assert_int_equal(commit(w, &tx), ERR_OK);
	assert_true(find(w, "x").found);
}

/* The disk is full: in a child, for a limit on sizes is the process's. */

static int
fill_until_refused(struct world *w, int *kept)
{
	enum err err = ERR_OK;

	for (*kept = 0; err == ERR_OK && *kept < 100000; ++*kept) {
		struct journal_upload u = *row("x");

		strcpy(u.key, u.id);
		err = insert(w, &u);
	}
	--*kept;
	return err;
}

static int
full_disk(struct world *w)
{
	struct rlimit limit = { .rlim_max = RLIM_INFINITY };
	struct stat st;
	int kept = 0;

	signal(SIGXFSZ, SIG_IGN);
	if (stat(w->wal, &st) != 0)
		return 1;
	limit.rlim_cur = (rlim_t)st.st_size;
	setrlimit(RLIMIT_FSIZE, &limit);
	if (fill_until_refused(w, &kept) != ERR_NO_SPACE || kept < 10)
		return 2;
	if (ask(w, "SELECT count(*) FROM uploads") != kept)
		return 3;
	if (insert(w, row("full")) != ERR_NO_SPACE)
		return 4;
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	if (insert(w, row("room")) != ERR_OK)
		return 5;
	if (ask(w, "SELECT count(*) FROM uploads") != kept + 1)
		return 6;
	return 0;
}

static void
test_full_disk_refuses_and_then_works_again(void **state)
{
	struct world *w = *state;
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct world child = *w;

		child.loop = loop_new();
		if (try_open(&child) != ERR_OK)
			_exit(99);
		_exit(full_disk(&child));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(try_open(w), ERR_OK);
	assert_true(find(w, "room").found);
	assert_false(find(w, "full").found);
}

/* Files. */

static void
write_file(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

static void
sql(struct world *w, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db); /* checkpoints */
}

static void
test_open_makes_private_files(void **state)
{
	struct world *w = *state;
	const char *files[] = { w->path, w->wal, w->shm, w->lock };
	struct stat st;
	size_t i;

	umask(0);
	assert_int_equal(try_open(w), ERR_OK);
	for (i = 0; i < 4; i++) {
		assert_int_equal(stat(files[i], &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	assert_int_equal(ask(w, "PRAGMA user_version"), 3);
	umask(022);
}

static void
test_open_without_its_folder_fails(void **state)
{
	struct world *w = *state;
	struct world gone = *w;

	strcpy(gone.path, "no-such-folder/journal.db");
	assert_int_equal(try_open(&gone), ERR_IO);
	strcpy(gone.lock, "no-such-folder/journal.lock");
	assert_int_equal(try_open(&gone), ERR_IO);
}

static void
test_open_refuses_what_is_no_database(void **state)
{
	struct world *w = *state;
	char text[8192];

	memset(text, 'x', sizeof(text));
	write_file(w->path, text, sizeof(text));
	assert_int_equal(try_open(w), ERR_CORRUPT);
	write_file(w->path, "short", 5);
	assert_int_equal(try_open(w), ERR_CORRUPT);
}

static void
test_open_refuses_another_programs_database(void **state)
{
	struct world *w = *state;

	sql(w, "CREATE TABLE uploads (id)");
	assert_int_equal(try_open(w), ERR_CORRUPT);
	assert_int_equal(ask(w, "SELECT count(*) FROM sqlite_schema"), 1);
	sql(w, "PRAGMA application_id = 7");
	assert_int_equal(try_open(w), ERR_CORRUPT);
}

static void
test_open_refuses_a_newer_version(void **state)
{
	struct world *w = *state;

	assert_int_equal(try_open(w), ERR_OK);
	close_journal(w);
	sql(w, "PRAGMA user_version = 4");
	assert_int_equal(try_open(w), ERR_UNSUPPORTED);
	sql(w, "PRAGMA user_version = 3");
	assert_int_equal(try_open(w), ERR_OK);
}

/* The tables of the third version as the second had them. */
#define BACK_TO_2                                                           \
	"DROP TABLE sinks; DROP TABLE deliveries; DROP TABLE media;"        \
	"DROP TABLE events;"                                                \
	"CREATE TABLE events (seq INTEGER PRIMARY KEY NOT NULL,"            \
	" id TEXT NOT NULL CHECK (length(id) = 32),"                        \
	" upload TEXT NOT NULL CHECK (length(upload) = 32),"                \
	" kind TEXT NOT NULL CHECK (kind <> ''), at INTEGER NOT NULL,"      \
	" body TEXT NOT NULL, UNIQUE (upload, kind)) STRICT;"               \
	"CREATE TABLE deliveries ("                                         \
	" event INTEGER NOT NULL REFERENCES events(seq) ON DELETE CASCADE," \
	" sink TEXT NOT NULL CHECK (sink <> ''),"                           \
	" attempts INTEGER NOT NULL, next_at INTEGER NOT NULL,"             \
	" state INTEGER NOT NULL, PRIMARY KEY (event, sink)"                \
	") STRICT, WITHOUT ROWID;"                                          \
	"CREATE INDEX deliveries_due ON deliveries(sink, next_at)"          \
	" WHERE state = 0;"                                                 \
	"CREATE TABLE media (upload TEXT PRIMARY KEY NOT NULL"              \
	"  REFERENCES uploads(id) ON DELETE CASCADE,"                       \
	" at INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID;"  \
	"INSERT INTO events WITH RECURSIVE n(i) AS"                         \
	" (SELECT 7 UNION ALL SELECT i + 1 FROM n WHERE i < 9)"             \
	" SELECT i, printf('%032x', i), printf('%032x', 1), 'k' || i, i,"   \
	" '{}' FROM n;"

static void
test_open_brings_the_first_version_up_to_date(void **state)
{
	struct world *w = *state;

	assert_int_equal(try_open(w), ERR_OK);
	close_journal(w);
	sql(w,
	    BACK_TO_2 "DROP TABLE usage;"
		      "ALTER TABLE uploads DROP COLUMN charged;"
		      "ALTER TABLE uploads DROP COLUMN replaces;"
		      "INSERT INTO attributes VALUES (1, 's', 'k', 'e', 7, 0);"
		      "PRAGMA user_version = 1");
	assert_int_equal(try_open(w), ERR_OK);
	assert_int_equal(ask(w, "PRAGMA user_version"), 3);
	assert_int_equal(ask(w, "SELECT mtime FROM attributes"), 7);
	assert_int_equal(ask(w, "SELECT count(charged + replaces)"
				" FROM uploads"),
			 0);
	assert_int_equal(ask(w, "SELECT count(home) FROM usage"), 0);
}

static void
test_open_keeps_the_events_of_the_second_version(void **state)
{
	struct world *w = *state;
	const char *names[] = { "s" };
	bool start = true;
	struct got g = { 0 };

	assert_int_equal(try_open(w), ERR_OK);
	close_journal(w);
	sql(w, BACK_TO_2 "PRAGMA user_version = 2");
	assert_int_equal(try_open(w), ERR_OK);
	assert_int_equal(ask(w, "PRAGMA user_version"), 3);
	assert_int_equal(ask(w, "SELECT count(*) FROM events WHERE seq = at"
				" AND nr = 0 AND kind = 'k' || seq"),
			 3);
	assert_int_equal(ask(w, "SELECT count(*) FROM sqlite_schema"
				" WHERE name LIKE '%_2'"),
			 0);
	journal_sinks_declare(w->journal, names, &start, 1, take, &g);
	wait_calls(w, &g, 1);
	assert_int_equal(ask(w, "SELECT cursor FROM sinks"), 0);
	assert_int_equal(ask(w, "PRAGMA foreign_key_check"), -1);
}

static void
test_open_refuses_missing_tables(void **state)
{
	struct world *w = *state;

	assert_int_equal(try_open(w), ERR_OK);
	close_journal(w);
	sql(w, "DROP TABLE events");
	assert_int_equal(try_open(w), ERR_CORRUPT);
}

static void
test_open_refuses_a_truncated_database(void **state)
{
	struct world *w = *state;

	assert_int_equal(try_open(w), ERR_OK);
	close_journal(w);
	sql(w, "PRAGMA wal_checkpoint(TRUNCATE)");
	assert_int_equal(truncate(w->path, 4096 * 3), 0);
	assert_int_equal(try_open(w), ERR_CORRUPT);
}

/* SQLite would delete a log whose database is gone. */
static void
test_open_keeps_a_log_without_its_database(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(try_open(w), ERR_OK);
	close_journal(w);
	assert_int_equal(truncate(w->path, 0), 0);
	assert_int_equal(try_open(w), ERR_CORRUPT);
	unlink(w->path);
	assert_int_equal(try_open(w), ERR_CORRUPT);
	assert_int_equal(stat(w->wal, &st), 0);
	assert_true(st.st_size > 0);
	unlink(w->wal);
	assert_int_equal(try_open(w), ERR_OK);
}

static void
test_damaged_page_is_an_error(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	char junk[4096];
	long long page;
	FILE *f;

	assert_int_equal(try_open(w), ERR_OK);
	assert_int_equal(insert(w, &u), ERR_OK);
	page = ask(w, "SELECT rootpage FROM sqlite_schema"
		      " WHERE name = 'uploads'");
	close_journal(w);
	sql(w, "PRAGMA wal_checkpoint(TRUNCATE)");
	memset(junk, 0x5a, sizeof(junk));
	f = fopen(w->path, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, (page - 1) * 4096, SEEK_SET), 0);
	assert_int_equal(fwrite(junk, sizeof(junk), 1, f), 1);
	fclose(f);
	assert_int_equal(try_open(w), ERR_OK);
	assert_int_equal(get(w, u.id).err, ERR_CORRUPT);
	assert_int_equal(set_state(w, &u, UPLOAD_PARKED), ERR_CORRUPT);
}

static void
test_row_too_long_for_us_is_an_error(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");

	assert_int_equal(insert(w, &u), ERR_OK);
	ask(w, "UPDATE uploads SET owner = hex(zeroblob(40))");
	assert_int_equal(get(w, u.id).err, ERR_CORRUPT);
	ask(w, "UPDATE uploads SET owner = 'n', rewind = 1 << 40");
	assert_int_equal(get(w, u.id).err, ERR_CORRUPT);
	ask(w, "UPDATE uploads SET rewind = 1");
	assert_int_equal(get(w, u.id).err, ERR_OK);
}

/* A test that failed may have left the file system broken. */
static int
mended(void **state)
{
	fail_sync = fail_write = false;
	return teardown(state);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, mended)
#define C(f) cmocka_unit_test_setup_teardown(f, setup_closed, mended)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_failed_sync_undoes_the_commit),
		T(test_failed_sync_is_not_seen_after_reopening),
		T(test_failed_batch_is_not_seen_by_its_reads),
		T(test_failed_write_is_an_error_and_heals),
		C(test_full_disk_refuses_and_then_works_again),
		C(test_open_makes_private_files),
		C(test_open_without_its_folder_fails),
		C(test_open_refuses_what_is_no_database),
		C(test_open_refuses_another_programs_database),
		C(test_open_refuses_a_newer_version),
		C(test_open_brings_the_first_version_up_to_date),
		C(test_open_keeps_the_events_of_the_second_version),
		C(test_open_refuses_missing_tables),
		C(test_open_refuses_a_truncated_database),
		C(test_open_keeps_a_log_without_its_database),
		C(test_damaged_page_is_an_error),
		T(test_row_too_long_for_us_is_an_error),
	};

	install_faulty();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
