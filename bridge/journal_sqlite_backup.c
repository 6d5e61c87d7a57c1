/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of the journal, and whether a file can take its place. A copy is made
 * within one read transaction: it is the journal at one moment, whatever is
 * written meanwhile. It needs no lock, since it neither writes to the database
 * nor checkpoints it; a checkpoint that comes by leaves the log as long as the
 * copy takes.
 */
#include "bridge/journal_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

#define COPY_WAIT_MS 5000 /* for a page that is being moved */

static enum err
failed(sqlite3 *sql, int rc, const char *path, const char *what)
{
	log_error("journal", NULL, "copy", KV_S("doing", what),
		  KV_S("file", path), KV_I("code", rc),
		  KV_S("text", sql ? sqlite3_errmsg(sql) : sqlite3_errstr(rc)));
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return ERR_NO_SPACE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return ERR_DENIED;
	default:
		return ERR_IO;
	}
}

/* One pass, so that it is one moment of the source. */
static int
copy_pages(sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int rc;

	if (b == NULL)
		return sqlite3_errcode(to);
	sqlite3_backup_step(b, -1);
	rc = sqlite3_backup_finish(b);
	return rc;
}

static enum err
sync_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc = fd < 0 ? -1 : fsync(fd);

	if (rc != 0)
		log_error("journal", NULL, "copy", KV_S("file", path),
			  KV_ERRNO(errno));
	if (fd >= 0)
		close(fd);
	return rc == 0 ? ERR_OK : ERR_IO;
}

/* A file on its own, without a log that must stay beside it. */
static enum err
copy_to(struct journal_sqlite_db *db, const char *path)
{
	sqlite3 *to = NULL;
	enum err err = ERR_OK;
	int rc;

	rc = sqlite3_open_v2(path, &to,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK)
		rc = copy_pages(db->sql, to);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL,
				  NULL, NULL);
	if (rc != SQLITE_OK)
		err = failed(to, rc, path, "copy");
	sqlite3_close(to);
	return err != ERR_OK ? err : sync_file(path);
}

enum err
journal_sqlite_backup(void *arg, const char *path)
{
	struct journal_sqlite_db *db = arg;
	enum err err;
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		err = err_from_errno(errno);
		log_error("journal", NULL, "copy", KV_S("file", path),
			  KV_ERRNO(errno));
		return err;
	}
	close(fd);
	sqlite3_busy_timeout(db->sql, COPY_WAIT_MS);
	err = copy_to(db, path);
	if (err == ERR_OK)
		err = journal_sqlite_verify(path);
	if (err != ERR_OK)
		unlink(path);
	return err;
}

/* What the statement's first row says; "" when it cannot be asked. */
static void
ask_text(sqlite3 *sql, const char *text, char *out, size_t size)
{
	sqlite3_stmt *st = NULL;

	out[0] = '\0';
	if (sqlite3_prepare_v2(sql, text, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0))
		str_printf(out, size, "%s",
			   (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
}

static enum err
verify(sqlite3 *sql, const char *path)
{
	char text[200];
	long long version = 0, app = 0;

	ask_text(sql, "PRAGMA application_id", text, sizeof(text));
	app = strtoll(text, NULL, 10);
	ask_text(sql, "PRAGMA user_version", text, sizeof(text));
	version = strtoll(text, NULL, 10);
	if (app != JOURNAL_SQLITE_ID || version < 1) {
		log_error("journal", NULL, "not_a_journal", KV_S("file", path));
		return ERR_CORRUPT;
	}
	if (version > journal_sqlite_version())
		return ERR_UNSUPPORTED;
	ask_text(sql, "PRAGMA integrity_check(1)", text, sizeof(text));
	if (strcmp(text, "ok") == 0)
		return ERR_OK;
	log_error("journal", NULL, "damaged", KV_S("file", path),
		  KV_S("text", text),
		  KV_S("hint", "put a backup in its place: sluicectl "
			       "restore"));
	return ERR_CORRUPT;
}

enum err
journal_sqlite_verify(const char *path)
{
	sqlite3 *sql = NULL;
	enum err err;
	int rc = sqlite3_open_v2(
		path, &sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(sql, "SELECT count(*) FROM sqlite_schema",
				  NULL, NULL, NULL);
	err = rc == SQLITE_OK ? verify(sql, path)
			      : failed(sql, rc, path, "open");
	sqlite3_close(sql);
	return err;
}
