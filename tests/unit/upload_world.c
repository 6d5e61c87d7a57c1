/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/upload_world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/http.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Of the password "secret". */
#define BCRYPT "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

struct world w;
char world_why[200];

static struct store_ops wrapped;
static const struct store_ops *real;

/* Faults. */

static bool
strikes(const struct store_call *c)
{
	if (!w.fault.times || c->kind != w.fault.kind)
		return false;
	if (w.fault.skip) {
		w.fault.skip--;
		return false;
	}
	w.fault.times--;
	return true;
}

static void
faulty_start(struct store *s, struct store_call *c)
{
	w.calls[c->kind]++;
	if (!w.fault.after && strikes(c))
		store_call_fail(c, w.fault.err, "made to fail");
	else
		real->start[c->kind](s, c);
}

void __real_store_call_done(struct store_call *c,
			    const struct store_result *res);
void __wrap_store_call_done(struct store_call *c,
			    const struct store_result *res);

void
__wrap_store_call_done(struct store_call *c, const struct store_result *res)
{
	struct store_result lost = { .err = w.fault.err,
				     .ambiguous = true,
				     .why = "the answer was lost" };

	if (w.fault.after && strikes(c))
		__real_store_call_done(c, &lost);
	else
		__real_store_call_done(c, res);
}

void
world_fault(struct fault f)
{
	w.fault = f;
}

static void
wrap_store(struct store *s)
{
	int i;

	real = s->ops;
	wrapped = *real;
	for (i = 0; i < STORE_CALLS; i++)
		if (real->start[i])
			wrapped.start[i] = faulty_start;
	s->ops = &wrapped;
	s->tries = 2;
}

/* The world. */

static void
write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w.dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

void
world_open(void)
{
	struct ledger_limits limits = { .spool_max = 1u << 30,
					.failure_window_ms = 1000 };
	char path[128];

	snprintf(path, sizeof(path), "%s/sluice.ini", w.dir);
	w.conf = conf_load(path);
	bridge_config_read(w.conf, &w.cfg);
	w.ledger = ledger_new(&limits);
	ledger_enter(w.ledger, 0, getpid());
	snprintf(path, sizeof(path), "%s/users.ini", w.dir);
	assert_int_equal(bridge_open(&w.b, w.conf, &w.cfg, w.ledger, path),
			 ERR_OK);
	wrap_store(w.b->stores[0]);
	memset(w.calls, 0, sizeof(w.calls));
	memset(&w.fault, 0, sizeof(w.fault));
}

static void
drained(void *arg)
{
	*(bool *)arg = true;
}

void
world_close(void)
{
	bool done = false;

	uploads_drain(w.b->uploads, drained, &done);
	world_wait(&done);
	bridge_close(w.b);
	bridge_config_free(&w.cfg);
	conf_free(w.conf);
	ledger_free(w.ledger);
	w.b = NULL;
}

int
world_setup(void **state)
{
	char ini[1024];

	(void)state;
	log_set_level(getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	if (!getenv("TEST_LOG"))
		log_open("test", "stderr", LOG_LEVEL_ERROR);
	strcpy(w.dir, "/tmp/test-upload-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	snprintf(ini, sizeof(ini), "%s/state", w.dir);
	assert_int_equal(mkdir(ini, 0700), 0);
	snprintf(ini, sizeof(ini),
		 "[daemon]\nrun_dir = %s\n"
		 "[bridge]\nstate_dir = %s/state\nspool_dir = %s/spool\n"
		 "takeover_idle = 100ms\ntakeover_wait = 300ms\n"
		 "publishing_wait = 2s\n"
		 "[store.main]\ntype = local\npath = %s/objects\n"
		 "create = yes\npart_size = 64K\n",
		 w.dir, w.dir, w.dir, w.dir);
	write_file("sluice.ini", ini);
	write_file("users.ini", "[ann]\npassword = " BCRYPT "\nhome = /\n"
				"[bob]\npassword = " BCRYPT "\nhome = /\n"
				"[quo]\npassword = " BCRYPT
				"\nhome = /quo\nquota_bytes = 300K\n"
				"quota_files = 4\n"
				"[dec]\npassword = " BCRYPT
				"\nhome = /\npublish = declared\n"
				"[ren]\npassword = " BCRYPT
				"\nhome = /\npublish = rename\n");
	world_open();
	return 0;
}

static int
unlink_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void
world_logout(struct session *s)
{
	size_t i;

	for (i = 0; i < WORLD_SESSIONS; i++)
		if (w.sessions[i] == s)
			w.sessions[i] = NULL;
	session_free(s);
}

int
world_teardown(void **state)
{
	size_t i;

	(void)state;
	/* A test that failed left its sessions behind. */
	for (i = 0; w.b && i < WORLD_SESSIONS; i++)
		if (w.sessions[i])
			world_logout(w.sessions[i]);
	memset(w.sessions, 0, sizeof(w.sessions));
	if (w.b)
		world_close();
	nftw(w.dir, unlink_entry, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

void
world_wait(const bool *done)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	while (!*done) {
		if (clock_ms() > end)
			fail_msg("nothing came");
		loop_turn(w.b->loop, 50);
	}
}

void
world_run(unsigned ms)
{
	uint64_t end = clock_ms() + ms;

	while (clock_ms() < end)
		loop_turn(w.b->loop, 10);
}

/* Sessions and files. */

struct login {
	bool done;
	enum err err;
};

static void
logged_in(void *arg, enum err err)
{
	struct login *l = arg;

	l->done = true;
	l->err = err;
}

struct session *
world_login(const char *user)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct login l = { 0 };
	struct session *s;
	size_t i = 0;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(session_new(&s, w.b, "sftp", (struct sockaddr *)&sin),
			 ERR_OK);
	session_login_password(s, user, "secret", logged_in, &l);
	world_wait(&l.done);
	assert_int_equal(l.err, ERR_OK);
	while (w.sessions[i])
		i++;
	w.sessions[i] = s;
	return s;
}

static void
on_pause(void *arg, bool paused)
{
	((struct writer *)arg)->paused = paused;
}

static void
on_ready(void *arg, enum err err, const char *why)
{
	struct writer *x = arg;

	x->ready = true;
	x->ready_err = err;
	str_copy(x->why, sizeof(x->why), why);
}

static const struct vfs_file_events events = { on_pause, on_ready };

static void
opened(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct writer *x = arg;

	x->done = true;
	x->err = err;
	x->f = f;
	str_copy(x->why, sizeof(x->why), why);
}

enum err
writer_open(struct writer *x, struct session *s, const char *path,
	    unsigned flags, uint64_t declared)
{
	struct vfs_open o = { .path = path,
			      .flags = flags | VFS_WRITE,
			      .events = &events,
			      .events_arg = x };

	memset(x, 0, sizeof(*x));
	x->s = s;
	if (declared) {
		o.attrs.set = VFS_SET_SIZE;
		o.attrs.size = declared;
	}
	vfs_open(s, &o, opened, x);
	world_wait(&x->done);
	return x->err;
}

unsigned char
pattern(uint64_t off, int seed)
{
	return (unsigned char)((off * 31 + off / 251 + (uint64_t)seed * 7) ^
			       off >> 13);
}

enum err
writer_write(struct writer *x, uint64_t off, size_t n, int seed)
{
	unsigned char *data = mem_alloc(n + 1);
	const char *why;
	enum err err;
	size_t i;

	for (i = 0; i < n; i++)
		data[i] = pattern(off + i, seed);
	x->ready = false;
	err = vfs_file_write(x->f, off, data, n, &why);
	free(data);
	if (err) {
		str_copy(x->why, sizeof(x->why), why);
		return err;
	}
	if (!vfs_file_acks(x->f)) {
		world_wait(&x->ready);
		return x->ready_err;
	}
	return ERR_OK;
}

static void
call_done(void *arg, enum err err, const char *why)
{
	struct writer *x = arg;

	x->done = true;
	x->err = err;
	str_copy(x->why, sizeof(x->why), why);
	str_copy(world_why, sizeof(world_why), why);
}

enum err
writer_close(struct writer *x, enum vfs_end how)
{
	x->done = false;
	vfs_file_close(x->f, how, call_done, x);
	world_wait(&x->done);
	return x->err;
}

static void
stat_done(void *arg, enum err err, const char *why, const struct vfs_stat *st)
{
	struct writer *x = arg;

	if (st)
		x->st = *st;
	call_done(arg, err, why);
}

enum err
do_stat(struct session *s, const char *path, struct vfs_stat *st)
{
	struct writer x = { 0 };

	vfs_stat(s, path, stat_done, &x);
	world_wait(&x.done);
	*st = x.st;
	return x.err;
}

enum err
do_remove(struct session *s, const char *path)
{
	struct writer x = { 0 };

	vfs_remove(s, path, call_done, &x);
	world_wait(&x.done);
	return x.err;
}

enum err
do_rename(struct session *s, const char *from, const char *to, bool replace)
{
	struct writer x = { 0 };

	vfs_rename(s, from, to, replace, call_done, &x);
	world_wait(&x.done);
	return x.err;
}

enum err
do_mtime(struct session *s, const char *path, int64_t mtime)
{
	struct vfs_attrs a = { .set = VFS_SET_MTIME, .mtime = mtime };
	struct writer x = { 0 };

	vfs_setstat(s, path, &a, call_done, &x);
	world_wait(&x.done);
	return x.err;
}

enum err
do_put(struct session *s, const char *path, size_t n, int seed)
{
	struct writer x;
	enum err err;

	err = writer_open(&x, s, path, VFS_CREAT | VFS_TRUNC, 0);
	if (!err && n)
		err = writer_write(&x, 0, n, seed);
	return err ? err : writer_close(&x, VFS_COMPLETE);
}

/* What is left behind. */

void
check_object(const char *key, size_t n, int seed)
{
	char path[256];
	size_t i;
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "%s/objects/%s", w.dir, key);
	f = fopen(path, "r");
	assert_non_null(f);
	for (i = 0; (c = getc(f)) != EOF; i++)
		if (i >= n || (unsigned char)c != pattern(i, seed))
			fail_msg("%s differs at byte %zu of %zu", key, i, n);
	fclose(f);
	assert_int_equal(i, n);
}

void
check_no_object(const char *key)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/objects/%s", w.dir, key);
	assert_int_not_equal(access(path, F_OK), 0);
}

static unsigned
count_files(const char *folder, const char *not_prefix)
{
	char path[256];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", w.dir, folder);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && strcmp(e->d_name, "lock") &&
		    (!not_prefix ||
		     strncmp(e->d_name, not_prefix, strlen(not_prefix))))
			n++;
	if (d)
		closedir(d);
	return n;
}

static unsigned
count_sql(const char *sql)
{
	char path[128];
	sqlite3_stmt *st;
	sqlite3 *db;
	unsigned n;

	snprintf(path, sizeof(path), "%s/state/journal.db", w.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, PATIENCE_MS);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = (unsigned)sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

unsigned
count_events(const char *kind)
{
	char sql[128];

	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM events WHERE kind = '%s'", kind);
	return count_sql(sql);
}

unsigned
count_rows(const char *where)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM uploads WHERE %s",
		 where);
	return count_sql(sql);
}

void
world_sql(const char *text)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/state/journal.db", w.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, PATIENCE_MS); /* the journal writes too */
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_true(sqlite3_changes(db) > 0);
	sqlite3_close(db);
}

void
world_until_parts(unsigned n)
{
	world_until(count_sql("SELECT count(*) FROM parts") >= n);
	world_run(50); /* and their segments are let go of */
}

void
check_clean(void)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	while (count_rows("state < 6") ||
	       count_files("objects/.sluice/uploads", NULL) ||
	       count_files("spool", "free.")) {
		if (clock_ms() > end)
			fail_msg("left: %u rows, %u multipart files, "
				 "%u segments",
				 count_rows("state < 6"),
				 count_files("objects/.sluice/uploads", NULL),
				 count_files("spool", "free."));
		world_run(20);
	}
	assert_int_equal(count_sql("SELECT count(*) FROM parts"), 0);
}
