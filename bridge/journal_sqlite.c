/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal in a SQLite file: write-ahead log, synchronous=FULL, no mmap, no
 * checkpoint but the courier's. Each writing transaction is made under
 * flock(2) of a file beside it, in which processes take their turn without
 * SQLite's polling.
 *
 * A commit that failed must never be seen later. SQLite wrote its frames, but
 * not their place in the index in shared memory, so no connection looks at
 * them and the next commit overwrites them. Only recovery would read them: it
 * runs when the last connection is gone. So a connection is replaced by opening
 * the new one before the old one is closed, and a transaction that changes
 * nothing is written over what failed, before anybody hears of it.
 */
#include "bridge/journal_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

/* Errors. */

static int
last_errno(sqlite3_file *file)
{
	int errnum = 0;

	if (file == NULL || file->pMethods == NULL)
		return 0;
	file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &errnum);
	return errnum;
}

/* sqlite3_system_errno() knows nothing of a COMMIT; the files may. */
static int
system_errno(const struct journal_sqlite_db *db)
{
	sqlite3_file *file = NULL;
	int errnum;

	if (db->sql == NULL)
		return 0;
	errnum = sqlite3_system_errno(db->sql);
	if (errnum != 0)
		return errnum;
	sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_JOURNAL_POINTER,
			     &file);
	errnum = last_errno(file);
	if (errnum != 0)
		return errnum;
	file = NULL;
	sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	return last_errno(file);
}

static enum err
err_from_sqlite(int rc, int errnum)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return ERR_OK;
	case SQLITE_FULL:
		return ERR_NO_SPACE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_AGAIN;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return ERR_DENIED;
	default:
		break;
	}
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_NO_SPACE;
	default:
		return ERR_IO;
	}
}

/* What a constraint refuses is the caller's affair and is not logged. */
static enum err
err_from_constraint(int rc)
{
	switch (rc) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
		return ERR_EXISTS;
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return ERR_NOT_FOUND;
	default:
		return ERR_INVALID;
	}
}

enum err
journal_sqlite_fail(struct journal_sqlite_db *db, int rc, const char *what)
{
	enum log_level level = LOG_LEVEL_ERROR;
	int errnum = system_errno(db);
	enum err err;

	if ((rc & 0xff) == SQLITE_CONSTRAINT)
		return err_from_constraint(rc);
	err = err_from_sqlite(rc, errnum);
	if (rc == db->reported)
		level = LOG_LEVEL_DEBUG;
	db->reported = rc;
	LOG_AT(level, "journal", NULL, "failed", KV_S("doing", what),
	       KV_S("file", db->path), KV_ERR(err), KV_I("code", rc),
	       KV_S("text",
		    db->sql ? sqlite3_errmsg(db->sql) : sqlite3_errstr(rc)),
	       KV_ERRNO(errnum));
	return err;
}

/* Statements. */

enum err
journal_sqlite_run(struct journal_sqlite_db *db, sqlite3_stmt *st,
		   const char *what)
{
	int rc = sqlite3_step(st);
	enum err err = ERR_OK;

	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		err = journal_sqlite_fail(db, rc, what);
	sqlite3_reset(st);
	return err;
}

enum err
journal_sqlite_exec(struct journal_sqlite_db *db, const char *sql,
		    const char *what)
{
	int rc = sqlite3_exec(db->sql, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? ERR_OK : journal_sqlite_fail(db, rc, what);
}

enum err
journal_sqlite_number(struct journal_sqlite_db *db, const char *sql,
		      long long *out)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL);

	*out = 0;
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? ERR_OK : journal_sqlite_fail(db, rc, sql);
}

/* The lock. */

enum err
journal_sqlite_lock(struct journal_sqlite_db *db)
{
	int rc;

	do
		rc = flock(db->lock_fd, LOCK_EX);
	while (rc != 0 && errno == EINTR);
	if (rc != 0) {
		log_error("journal", NULL, "lock_failed", KV_ERRNO(errno));
		return ERR_IO;
	}
	db->locked = true;
	return ERR_OK;
}

void
journal_sqlite_unlock(struct journal_sqlite_db *db)
{
	if (db->locked)
		flock(db->lock_fd, LOCK_UN);
	db->locked = false;
}

/* The connection. */

static int
remember_frames(void *arg, sqlite3 *sql, const char *name, int frames)
{
	struct journal_sqlite_db *db = arg;

	(void)sql;
	(void)name;
	if (frames < db->wal_frames)
		db->wal_reserved = 0; /* begun anew, perhaps cut before */
	db->wal_frames = frames;
	return SQLITE_OK;
}

static enum err
check_wal(struct journal_sqlite_db *db)
{
	sqlite3_stmt *st = NULL;
	const unsigned char *mode = NULL;
	enum err err = ERR_OK;
	int rc;

	rc = sqlite3_prepare_v2(db->sql,
				db->read_only ? "PRAGMA journal_mode"
					      : "PRAGMA journal_mode = WAL",
				-1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		mode = sqlite3_column_text(st, 0);
	if (rc != SQLITE_ROW) {
		err = journal_sqlite_fail(db, rc, "set WAL mode");
	} else if (db->read_only) {
		/* A restored copy has no log until a writer opens it. */
	} else if (mode == NULL || strcmp((const char *)mode, "wal") != 0) {
		log_error("journal", NULL, "no_wal", KV_S("file", db->path),
			  KV_S("hint", "state_dir must be on a local disk"));
		err = ERR_UNSUPPORTED;
	}
	sqlite3_finalize(st);
	return err;
}

static enum err
configure(struct journal_sqlite_db *db)
{
	int one = 1;
	enum err err;

	sqlite3_extended_result_codes(db->sql, 1);
	sqlite3_busy_timeout(db->sql, JOURNAL_SQLITE_BUSY_MS);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	err = journal_sqlite_exec(db,
				  "PRAGMA synchronous = FULL;"
				  "PRAGMA mmap_size = 0;"
				  "PRAGMA foreign_keys = ON;"
				  "PRAGMA temp_store = MEMORY;"
				  "PRAGMA cell_size_check = ON",
				  "configure");
	if (err == ERR_OK)
		err = check_wal(db);
	if (err != ERR_OK)
		return err;
	sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_PERSIST_WAL, &one);
	/* This also takes the place of the automatic checkpoint. */
	sqlite3_wal_hook(db->sql, remember_frames, db);
	return ERR_OK;
}

static void
disconnect(sqlite3 *sql)
{
	int rc = sqlite3_close(sql);

	if (rc != SQLITE_OK)
		log_error("journal", NULL, "close_failed", KV_I("code", rc));
}

/* Opens db->sql and prepares it; leaves NULL when that fails. */
static enum err
dial(struct journal_sqlite_db *db)
{
	int flags = SQLITE_OPEN_NOMUTEX;
	enum err err;
	int rc;

	flags |= db->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	rc = sqlite3_open_v2(db->path, &db->sql, flags, NULL);
	err = rc == SQLITE_OK ? ERR_OK : journal_sqlite_fail(db, rc, "open");
	if (err == ERR_OK)
		err = configure(db);
	if (err == ERR_OK)
		err = journal_sqlite_schema(db);
	if (err == ERR_OK)
		err = journal_sqlite_prepare(db);
	if (err == ERR_CORRUPT)
		log_error("journal", NULL, "unusable", KV_S("file", db->path),
			  KV_S("hint", "put a backup in its place "
				       "(sluicectl restore), or move the file "
				       "and its -wal away to begin with an "
				       "empty journal"));
	if (err != ERR_OK) {
		journal_sqlite_finalize(db);
		disconnect(db->sql);
		db->sql = NULL;
	}
	return err;
}

enum err
journal_sqlite_connect(struct journal_sqlite_db *db)
{
	sqlite3 *old = db->sql;
	enum err err;

	if (!db->broken)
		return ERR_OK;
	journal_sqlite_finalize(db);
	db->sql = NULL;
	err = dial(db);
	if (err != ERR_OK) {
		db->sql = old; /* broken as before, but it keeps the index */
		return err;
	}
	disconnect(old);
	db->broken = false;
	return ERR_OK;
}

/* Opening. */

static long long
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (long long)st.st_size : -1;
}

/*
 * A log without its database would be thrown away by SQLite, with everything
 * that was committed and not yet copied.
 */
static enum err
check_files(const struct journal_sqlite_db *db)
{
	if (size_of(db->path) > 0 || size_of(db->wal_path) <= 0)
		return ERR_OK;
	log_error("journal", NULL, "database_missing", KV_S("file", db->path),
		  KV_S("hint", "the file is missing or empty, but its -wal is "
			       "here: put it back, or a backup in its place "
			       "(sluicectl restore), or move the -wal away to "
			       "begin with an empty journal"));
	return ERR_CORRUPT;
}

/* SQLite gives the -wal and -shm files the mode of the database. */
static enum err
create_private(const char *path, int *out)
{
	*out = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*out >= 0)
		return ERR_OK;
	log_error("journal", NULL, "open_failed", KV_S("file", path),
		  KV_ERRNO(errno));
	return errno == ENOSPC ? ERR_NO_SPACE : ERR_IO;
}

static enum err
open_locked(struct journal_sqlite_db *db)
{
	enum err err = check_files(db);
	int fd;

	if (err == ERR_OK && size_of(db->path) < 0) {
		err = create_private(db->path, &fd);
		if (err == ERR_OK)
			close(fd);
	}
	if (err == ERR_OK)
		err = dial(db);
	if (err == ERR_OK)
		journal_sqlite_reserve(db);
	return err;
}

static enum err
open_writer(struct journal_sqlite_db *db, const char *lock_path)
{
	enum err err = create_private(lock_path, &db->lock_fd);

	if (err == ERR_OK)
		err = journal_sqlite_lock(db);
	if (err == ERR_OK)
		err = open_locked(db);
	journal_sqlite_unlock(db);
	return err;
}

static void
sqlite_close(void *arg)
{
	struct journal_sqlite_db *db = arg;

	journal_sqlite_finalize(db);
	if (db->sql != NULL)
		disconnect(db->sql);
	if (db->lock_fd >= 0)
		close(db->lock_fd);
	free(db->path);
	free(db->wal_path);
	free(db);
}

static enum err
sqlite_open(void **out, const struct journal_place *place)
{
	struct journal_sqlite_db *db = mem_alloc(sizeof(*db));
	enum err err;

	db->path = mem_strdup(place->path);
	db->wal_path = mem_printf("%s-wal", place->path);
	db->read_only = place->read_only;
	db->lock_fd = -1;
	if (!db->read_only)
		err = open_writer(db, place->lock_path);
	else
		err = size_of(db->path) > 0 ? dial(db) : ERR_NOT_FOUND;
	if (err != ERR_OK) {
		sqlite_close(db);
		return err;
	}
	*out = db;
	return ERR_OK;
}

/* Transactions. */

/*
 * Writes page 1 as it is. Even where its sync fails too, as the first frame it
 * breaks the chain of checksums that the frames behind it would need.
 */
static void
bury(struct journal_sqlite_db *db)
{
	long long version;

	if (journal_sqlite_number(db, "PRAGMA user_version", &version) ==
	    ERR_OK)
		journal_sqlite_set_version(db, version);
}

static void
sqlite_mend(void *arg)
{
	struct journal_sqlite_db *db = arg;

	if (!sqlite3_get_autocommit(db->sql))
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	db->broken = true;
	/* Where this fails, the next begin tries again. */
	if (journal_sqlite_connect(db) == ERR_OK && db->locked)
		bury(db);
	journal_sqlite_unlock(db);
}

static enum err
sqlite_begin(void *arg, bool write)
{
	struct journal_sqlite_db *db = arg;
	enum journal_stmt which = write ? STMT_BEGIN_WRITE : STMT_BEGIN_READ;
	enum err err = ERR_OK;

	if (write)
		err = journal_sqlite_lock(db);
	if (err == ERR_OK)
		err = journal_sqlite_connect(db);
	if (err == ERR_OK)
		err = journal_sqlite_run(db, db->stmts[which], "begin");
	if (err != ERR_OK)
		journal_sqlite_unlock(db);
	return err;
}

static enum err
sqlite_commit(void *arg)
{
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = db->stmts[STMT_COMMIT];
	enum err err = journal_sqlite_run(db, st, "commit");

	/* The lock stays until mend() has undone what failed. */
	if (err != ERR_OK || !db->locked)
		return err;
	journal_sqlite_reserve(db);
	journal_sqlite_unlock(db);
	if (db->reported != 0)
		log_info("journal", NULL, "works_again",
			 KV_S("file", db->path));
	db->reported = 0;
	return ERR_OK;
}

const struct journal_ops journal_sqlite = {
	.kind = "sqlite",
	.open = sqlite_open,
	.close = sqlite_close,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.mend = sqlite_mend,
	.apply = journal_sqlite_apply,
	.prune = journal_sqlite_prune,
	.declare = journal_sqlite_declare,
	.settle = journal_sqlite_settle,
	.put_media = journal_sqlite_put_media,
	.find = journal_sqlite_find,
	.get = journal_sqlite_get,
	.list = journal_sqlite_list,
	.attrs = journal_sqlite_attrs,
	.events = journal_sqlite_events,
	.page = journal_sqlite_page,
	.sinks = journal_sqlite_sinks,
	.media = journal_sqlite_media,
	.usage = journal_sqlite_usage,
	.usage_due = journal_sqlite_usage_due,
	.checkpoint = journal_sqlite_checkpoint,
	.check = journal_sqlite_check,
	.backup = journal_sqlite_backup,
	.revive = journal_sqlite_revive,
	.enable = journal_sqlite_enable,
	.moved = journal_sqlite_moved,
	.owner = journal_sqlite_owner,
	.log_check = journal_sqlite_log_check,
	.verify = journal_sqlite_verify,
};
