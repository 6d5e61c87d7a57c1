/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the SQLite driver only: the connection and its statements, shared by
 * the journal_sqlite_*.c files. doc/journal.md tells tables and pragmas.
 */
#ifndef BRIDGE_JOURNAL_SQLITE_H
#define BRIDGE_JOURNAL_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "bridge/journal_ops.h"

enum journal_stmt {
	STMT_BEGIN_WRITE,
	STMT_BEGIN_READ,
	STMT_COMMIT,
	STMT_SAVE,
	STMT_UNDO,
	STMT_RELEASE,
	/* writing */
	STMT_SUPERSEDE,
	STMT_INSERT,
	STMT_DRIVEN,
	STMT_DROP_PARTS,
	STMT_ADD_PART,
	STMT_ADD_EVENT,
	STMT_PUT_ATTR,
	STMT_DROP_ATTR,
	STMT_CHARGE,
	STMT_USAGE_MAKE,
	STMT_USAGE_ADD,
	STMT_USAGE_BELOW,
	STMT_USAGE_SET,
	STMT_USAGE_DEFER,
	STMT_USAGE_DROP,
	STMT_PRUNE_UPLOADS,
	STMT_PRUNE_PAGE,
	STMT_PRUNE_EVENTS,
	STMT_PRUNE_SINKS,
	STMT_PRUNE_LEFT,
	STMT_PRUNE_MEDIA,
	STMT_PRUNE_ATTRS,
	STMT_SINK_LEFT,
	STMT_SINK_DECLARE,
	STMT_SINK_CURSOR,
	STMT_SINK_STATE,
	STMT_SINK_TOUCH,
	STMT_SINK_ENABLE,
	STMT_DELIVERY_PUT,
	STMT_DELIVERY_DROP,
	STMT_DELIVERY_NEXT,
	STMT_REVIVE,
	STMT_PUT_MEDIA,
	/* reading */
	STMT_FIND_LIVE,
	STMT_FIND_ENDED,
	STMT_GET,
	STMT_PARTS,
	STMT_LIST_LIVE_KEYS,
	STMT_LIST_ENDED_KEYS,
	STMT_LIST_CHORES,
	STMT_LIST_ACTIVE,
	STMT_LIST_FAILED,
	STMT_LIST_ALL,
	STMT_ATTRS,
	STMT_EVENTS,
	STMT_PAGE_AFTER,
	STMT_PAGE_DUE,
	STMT_PAGE_WAITING,
	STMT_PAGE_DEAD,
	STMT_NEXT_DUE,
	STMT_NEWS,
	STMT_SINKS,
	STMT_SINK_COUNTS,
	STMT_MEDIA_BY_UPLOAD,
	STMT_MEDIA_BY_KEY,
	STMT_CHARGED,
	STMT_USAGE,
	STMT_USAGE_LIVE,
	STMT_USAGE_DUE,
	STMT_COUNT
};

/* Updates are prepared for the sets of fields that really occur. */
#define JOURNAL_UPDATES 32
struct journal_update_stmt {
	unsigned set;
	sqlite3_stmt *stmt;
};

struct journal_sqlite_db {
	char *path;
	char *wal_path;
	int lock_fd; /* -1 when read-only */
	bool read_only;
	bool locked;  /* flock(lock_fd) is ours */
	bool broken;  /* the connection must be replaced before it is used */
	int reported; /* the last SQLite code that was logged as an error */
	sqlite3 *sql;
	sqlite3_stmt *stmts[STMT_COUNT];
	struct journal_update_stmt updates[JOURNAL_UPDATES];
	unsigned next_update;	/* whose place a new set of fields takes */
	int wal_frames;		/* in the WAL, after the last commit */
	long long wal_reserved; /* bytes of WAL that exist as a file */
	int64_t prune_after;	/* seq: how far a series of prunes has come */
};

#define JOURNAL_SQLITE_ID 0x536c6365 /* "Slce", PRAGMA application_id */
#define JOURNAL_SQLITE_BUSY_MS 5000  /* for a shell that an operator uses */

/* journal_sqlite.c */

/* The lock that all writers and checkpointers of the node take in turn. */
enum err journal_sqlite_lock(struct journal_sqlite_db *db);
void journal_sqlite_unlock(struct journal_sqlite_db *db);
/* Replaces a broken connection; does nothing to a good one. */
enum err journal_sqlite_connect(struct journal_sqlite_db *db);

/* Logs a failure of SQLite (once while it lasts) and gives its enum err. */
enum err journal_sqlite_fail(struct journal_sqlite_db *db, int rc,
			     const char *what);
/* Steps a statement that gives no row, and resets it. */
enum err journal_sqlite_run(struct journal_sqlite_db *db, sqlite3_stmt *st,
			    const char *what);
enum err journal_sqlite_exec(struct journal_sqlite_db *db, const char *sql,
			     const char *what);
/* One integer from a statement's first column. */
enum err journal_sqlite_number(struct journal_sqlite_db *db, const char *sql,
			       long long *out);

/* journal_sqlite_schema.c: ERR_UNSUPPORTED, ERR_CORRUPT as journal_open(). */
enum err journal_sqlite_schema(struct journal_sqlite_db *db);
enum err journal_sqlite_set_version(struct journal_sqlite_db *db,
				    long long version);
long long journal_sqlite_version(void); /* the newest that is known */

/* journal_sqlite_wal.c */

/* Extends the WAL file when its frames come near the end of it. */
void journal_sqlite_reserve(struct journal_sqlite_db *db);
enum err journal_sqlite_checkpoint(void *db);

/* journal_sqlite_row.c: rows of table uploads, and statements on them. */

/* Compiles all statements; what cannot be compiled is no journal. */
enum err journal_sqlite_prepare(struct journal_sqlite_db *db);
void journal_sqlite_finalize(struct journal_sqlite_db *db);

/* The statement that updates the fields in `set`, bound; NULL: *err. */
sqlite3_stmt *journal_sqlite_update(struct journal_sqlite_db *db,
				    const struct journal_tx *tx, enum err *err);
void journal_sqlite_bind_row(sqlite3_stmt *st, const struct journal_upload *u);
/* Takes the current row; ERR_CORRUPT when a value cannot be ours. */
enum err journal_sqlite_take_row(sqlite3_stmt *st, struct journal_upload *u);
/* Copies a text column; ERR_CORRUPT when it is longer than size - 1. */
enum err journal_sqlite_text(sqlite3_stmt *st, int col, char *dst, size_t size);
void journal_sqlite_bind_text(sqlite3_stmt *st, int n, const char *text);

/* journal_sqlite_write.c */
enum err journal_sqlite_apply(void *db, const struct journal_tx *tx,
			      struct journal_usage *usage);

/* journal_sqlite_prune.c */
enum err journal_sqlite_prune(void *db, const struct journal_ages *ages,
			      bool *more);

/* journal_sqlite_read.c */
enum err journal_sqlite_find(void *db, const char *store, const char *key,
			     bool ended, struct journal_rows *rows);
enum err journal_sqlite_get(void *db, const char *id,
			    struct journal_rows *rows);
enum err journal_sqlite_list(void *db, const struct journal_query *q,
			     struct journal_rows *rows);
enum err journal_sqlite_attrs(void *db, const struct journal_range *range,
			      struct journal_rows *rows);
enum err journal_sqlite_events(void *db, const char *upload,
			       struct journal_rows *rows);
/* Ends a read: rc is what the last step gave. Resets the statement. */
enum err journal_sqlite_end_read(struct journal_sqlite_db *db, sqlite3_stmt *st,
				 int rc, const char *what);
enum err journal_sqlite_bad_row(struct journal_sqlite_db *db,
				const char *table);
/* An event from columns 0 to 5: seq, id, upload, kind, at, body. */
enum err journal_sqlite_take_event(sqlite3_stmt *st,
				   struct journal_event_row *e);
/* Binds parameters n and n + 1 to the range of texts that begin so. */
void journal_sqlite_bind_prefix(sqlite3_stmt *st, int n, const char *prefix);

/* journal_sqlite_usage.c: the parts of a transaction that tell of quotas */
enum err journal_sqlite_charge(struct journal_sqlite_db *db,
			       const struct journal_tx *tx,
			       struct journal_usage *usage);
enum err journal_sqlite_change(struct journal_sqlite_db *db,
			       const struct journal_change *c);
enum err journal_sqlite_count(struct journal_sqlite_db *db,
			      const struct journal_count *c);
enum err journal_sqlite_usage(void *db, const char *store, const char *home,
			      struct journal_usage *usage);
enum err journal_sqlite_usage_due(void *db, int64_t now,
				  struct journal_usage *usage);

/* journal_sqlite_events.c: what is read for sinks */
enum err journal_sqlite_page(void *db, const struct journal_event_query *q,
			     struct journal_rows *rows);
enum err journal_sqlite_sinks(void *db, enum journal_sinks_what what,
			      struct journal_rows *rows);
enum err journal_sqlite_media(void *db, const char *upload, const char *store,
			      const char *key, struct journal_rows *rows);

/* journal_sqlite_settle.c: what is written for them */
enum err journal_sqlite_declare(void *db, const char *const *names,
				const bool *from_start, size_t n);
enum err journal_sqlite_settle(void *db, const struct journal_settle *s);
enum err journal_sqlite_put_media(void *db, const struct journal_media *m);
enum err journal_sqlite_revive(void *db, const char *event, const char *sink,
			       uint64_t *n);
enum err journal_sqlite_enable(void *db, const char *sink);

/* journal_sqlite_check.c */
enum err journal_sqlite_check(void *db, journal_fault_fn *fn, void *arg);
enum err journal_sqlite_moved(void *db, const struct journal_upload *row,
			      bool *out);
enum err journal_sqlite_owner(void *db, const char *store, const char *key,
			      const char *backend_id, int *state);

/* journal_sqlite_log.c */
#define JOURNAL_SQLITE_WAL_STEP (4ll << 20) /* the log's size, a multiple */
/* Before the first connection. ERR_CORRUPT: commits are lost; logged. */
enum err journal_sqlite_log_check(const char *path, const char *lock_path);

/* journal_sqlite_backup.c */
enum err journal_sqlite_backup(void *db, const char *path);
enum err journal_sqlite_verify(const char *path);

#endif
