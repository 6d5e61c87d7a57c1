/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that nobody needs any more, some hundreds at once. */
#include "bridge/journal_sqlite.h"

#include <stdint.h>

static enum err
prune(struct journal_sqlite_db *db, enum journal_stmt which, int64_t limit,
      bool *more)
{
	sqlite3_stmt *st = db->stmts[which];
	enum err err;

	sqlite3_bind_int64(st, 1, limit);
	sqlite3_bind_int(st, 2, JOURNAL_PRUNE_MAX);
	err = journal_sqlite_run(db, st, "prune");
	if (err == ERR_OK && sqlite3_changes(db->sql) == JOURNAL_PRUNE_MAX)
		*more = true;
	return err;
}

struct page {
	int64_t count, last, newest_at;
};

static enum err
next_page(struct journal_sqlite_db *db, struct page *p)
{
	sqlite3_stmt *st = db->stmts[STMT_PRUNE_PAGE];
	int rc;

	sqlite3_bind_int64(st, 1, db->prune_after);
	sqlite3_bind_int(st, 2, JOURNAL_PRUNE_MAX);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		p->count = sqlite3_column_int64(st, 0);
		p->last = sqlite3_column_int64(st, 1);
		p->newest_at = sqlite3_column_int64(st, 2);
	}
	return journal_sqlite_end_read(db, st, rc, "prune");
}

/*
 * Events are walked by number, a page at a call, and not by age, so that they
 * need no index that each commit would have to write: the oldest come first.
 * Each series begins anew, with what earlier ones had to leave.
 */
static enum err
prune_events(struct journal_sqlite_db *db, const struct journal_ages *ages,
	     bool *more)
{
	sqlite3_stmt *st = db->stmts[STMT_PRUNE_EVENTS];
	struct page p = { 0, 0, 0 };
	enum err err = next_page(db, &p);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, db->prune_after);
	sqlite3_bind_int64(st, 2, p.last);
	sqlite3_bind_int64(st, 3, ages->events_ms);
	sqlite3_bind_int64(st, 4, ages->dead_ms);
	err = journal_sqlite_run(db, st, "prune");
	db->prune_after = 0;
	if (err == ERR_OK && p.count == JOURNAL_PRUNE_MAX &&
	    p.newest_at < ages->events_ms) {
		db->prune_after = p.last;
		*more = true;
	}
	return err;
}

static enum err
prune_sinks(struct journal_sqlite_db *db, int64_t before_ms, bool *more)
{
	sqlite3_stmt *st = db->stmts[STMT_PRUNE_SINKS];
	enum err err;

	sqlite3_bind_int64(st, 1, before_ms);
	err = journal_sqlite_run(db, st, "prune");
	return err == ERR_OK
		       ? prune(db, STMT_PRUNE_LEFT, JOURNAL_PRUNE_MAX, more)
		       : err;
}

enum err
journal_sqlite_prune(void *arg, const struct journal_ages *ages, bool *more)
{
	struct journal_sqlite_db *db = arg;
	enum err err;

	*more = false;
	err = prune(db, STMT_PRUNE_UPLOADS, ages->before_ms, more);
	if (err == ERR_OK)
		err = prune_sinks(db, ages->events_ms, more);
	if (err == ERR_OK)
		err = prune_events(db, ages, more);
	if (err == ERR_OK)
		err = prune(db, STMT_PRUNE_ATTRS, (int64_t)ages->attrs_max,
			    more);
	if (err == ERR_OK)
		err = prune(db, STMT_PRUNE_MEDIA, (int64_t)ages->media_max,
			    more);
	return err;
}
