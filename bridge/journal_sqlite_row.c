/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of table uploads as struct journal_upload. One table of columns gives
 * the lists of names in every statement, what is bound and what is read.
 */
#include "bridge/journal_sqlite.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/log.h"

#define SQL_MAX 4096

enum column_type { COLUMN_TEXT, COLUMN_32, COLUMN_64 };

struct column {
	const char *name;
	enum column_type type;
	size_t off, size; /* in struct journal_upload */
	unsigned set;	  /* the JSET_* that changes it; 0: none */
};

#define COLUMN(type, member, set)                                         \
	{                                                                 \
#member, type, offsetof(struct journal_upload, member),   \
			sizeof(((struct journal_upload *)0)->member), set \
	}
#define TEXT(member, set) COLUMN(COLUMN_TEXT, member, set)
#define NUMBER32(member, set) COLUMN(COLUMN_32, member, set)
#define NUMBER64(member, set) COLUMN(COLUMN_64, member, set)

static const struct column columns[] = {
	TEXT(id, 0),
	NUMBER64(epoch, JSET_EPOCH),
	NUMBER32(rewind, JSET_REWIND),
	NUMBER32(kind, 0),
	NUMBER32(state, JSET_STATE),
	NUMBER32(flags, JSET_FLAGS),
	TEXT(owner, JSET_OWNER),
	TEXT(user, 0),
	TEXT(protocol, JSET_OWNER),
	TEXT(store, 0),
	TEXT(key, 0),
	TEXT(path, JSET_PATHS),
	TEXT(final_path, JSET_PATHS),
	TEXT(backend_id, JSET_BACKEND),
	NUMBER64(declared, JSET_DECLARED),
	NUMBER64(end, JSET_END),
	TEXT(hidden_etag, JSET_HIDDEN),
	TEXT(etag, JSET_ETAG),
	TEXT(source, 0),
	TEXT(source_etag, 0),
	NUMBER64(mtime, JSET_MTIME),
	NUMBER64(created_at, 0),
	NUMBER64(creating_at, JSET_CREATING),
	NUMBER64(verified_at, JSET_VERIFIED),
	NUMBER64(parked_at, JSET_PARKED),
	NUMBER64(ended_at, JSET_ENDED),
	NUMBER64(charged, JSET_CHARGED),
	NUMBER64(replaces, 0),
};
#define COLUMNS ((int)(sizeof(columns) / sizeof(columns[0])))

/* Enums and unsigned are read and written as 32 bits. */
static_assert(sizeof(enum upload_state) == 4 && sizeof(unsigned) == 4,
	      "rows hold 32-bit numbers");

/* What every listing filters by; its parameters are numbered in read.c. */
#define FILTER                                               \
	"(?1 >> state) & 1 AND id > ?2"                      \
	" AND (?3 IS NULL OR user = ?3) AND flags & ?4 = ?4" \
	" AND (?5 = 0 OR hidden_etag <> '')"
#define STORE " AND (?7 IS NULL OR store = ?7) AND key >= ?8 AND key < ?9"
#define ONE_STORE " AND store = ?7 AND key >= ?8 AND key < ?9"
#define BY_ID " ORDER BY id LIMIT ?6"

/* '@' stands for the names of all columns. */
static const char *const texts[STMT_COUNT] = {
	[STMT_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[STMT_BEGIN_READ] = "BEGIN",
	[STMT_COMMIT] = "COMMIT",
	[STMT_SAVE] = "SAVEPOINT one",
	[STMT_UNDO] = "ROLLBACK TO one",
	[STMT_RELEASE] = "RELEASE one",
	/* open, parked, sealed -> aborting */
	[STMT_SUPERSEDE] = "UPDATE uploads SET state = 5, epoch = epoch + 1"
			   " WHERE id = ?1 AND epoch = ?2"
			   " AND state IN (0, 1, 3)",
	[STMT_DRIVEN] = "SELECT 1 FROM uploads"
			" WHERE id = ?1 AND epoch = ?2 AND state < 6",
	[STMT_DROP_PARTS] = "DELETE FROM parts WHERE upload = ?1 AND no >= ?2",
	[STMT_ADD_PART] = "INSERT OR REPLACE INTO parts"
			  "(upload, no, off, len, etag, sum)"
			  " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	/* An upload may be parked again and again; all else happens once. */
	[STMT_ADD_EVENT] = "INSERT INTO events(id, upload, kind, at, body, nr)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, iif(?3 <> 'parked', 0,"
			   " (SELECT coalesce(max(nr), 0) + 1 FROM events"
			   "  WHERE upload = ?2 AND kind = ?3)))",
	[STMT_PUT_ATTR] = "INSERT OR REPLACE INTO attributes"
			  "(store, key, etag, mtime, mode)"
			  " VALUES (?1, ?2, ?3, ?4, ?5)",
	[STMT_DROP_ATTR] = "DELETE FROM attributes"
			   " WHERE store = ?1 AND key = ?2",
	[STMT_CHARGE] = "UPDATE uploads SET charged = ?2 WHERE id = ?1",
	[STMT_USAGE_MAKE] = "INSERT OR IGNORE INTO usage(store, home)"
			    " VALUES (?1, ?2)",
	/*
	 * A doubt that is gone when it is settled: the home was counted in
	 * between, with or without this change, so it must be again.
	 */
	[STMT_USAGE_ADD] =
		"UPDATE usage SET changes = changes + 1,"
		" bytes = iif(?5 < 0 AND doubts = 0, bytes, max(bytes + ?3, "
		"0)),"
		" files = iif(?5 < 0 AND doubts = 0, files, max(files + ?4, "
		"0)),"
		" doubts = iif(?5 < 0 AND doubts = 0, 1, doubts + ?5),"
		" doubt_at = iif(?5 > 0, ?6,"
		"  iif(?5 < 0 AND doubts = 0, 0, doubt_at))"
		" WHERE store = ?1 AND home = ?2",
	[STMT_USAGE_BELOW] = "UPDATE usage SET changes = changes + 1,"
			     " doubts = doubts + 1, doubt_at = ?4"
			     " WHERE store = ?1 AND home >= ?2 AND home < ?3",
	/* Not while an object may be there that no row tells of, or the
	 * other way round. */
	[STMT_USAGE_SET] =
		"UPDATE usage SET bytes = ?4, files = ?5, doubts = ?9 < 0,"
		" doubt_at = ?8, counted_at = ?7, due_at = ?8"
		" WHERE store = ?1 AND home = ?2 AND (?9 < 0 OR"
		" (changes = ?9 AND (doubts = 0 OR doubt_at <= ?7)"
		" AND NOT EXISTS (SELECT 1 FROM uploads INDEXED BY"
		" uploads_live WHERE state < 5 AND uploads.store = ?1"
		" AND key >= ?2 AND key < ?3"
		" AND (state = 4 OR (state = 0 AND backend_id = '')))))",
	[STMT_USAGE_DEFER] = "UPDATE usage SET due_at = ?3,"
			     " doubt_at = max(doubt_at, ?3)"
			     " WHERE store = ?1 AND home = ?2",
	[STMT_USAGE_DROP] = "DELETE FROM usage WHERE store = ?1 AND home = ?2",
	[STMT_PRUNE_UPLOADS] =
		"DELETE FROM uploads WHERE id IN (SELECT id FROM uploads"
		" INDEXED BY uploads_ended_at WHERE state >= 6"
		" AND ended_at < ?1 AND flags & 20 = 0 AND hidden_etag = ''"
		" ORDER BY ended_at LIMIT ?2)",
	/*
	 * What lies between two numbers, seen by STMT_PRUNE_PAGE before. The
	 * newest event stays, so that no number comes twice.
	 */
	[STMT_PRUNE_PAGE] =
		"SELECT count(*), coalesce(max(seq), 0), coalesce(max(at), 0)"
		" FROM (SELECT seq, at FROM events WHERE seq > ?1"
		" AND seq < (SELECT max(seq) FROM events) AND seq <="
		" coalesce((SELECT min(cursor) FROM sinks WHERE active AND "
		"state < 2),"
		"  9223372036854775807) ORDER BY seq LIMIT ?2)",
	[STMT_PRUNE_EVENTS] =
		"DELETE FROM events WHERE seq > ?1 AND seq <= ?2 AND at < ?3"
		" AND NOT EXISTS (SELECT 1 FROM deliveries"
		" WHERE event = seq AND (state = 0 OR next_at >= ?4))",
	/* Waiting rows of a sink that nobody configures any more. */
	[STMT_PRUNE_SINKS] =
		"DELETE FROM sinks WHERE NOT active AND since < ?1",
	[STMT_PRUNE_LEFT] =
		"DELETE FROM deliveries WHERE (event, sink) IN"
		" (SELECT event, sink FROM deliveries"
		" WHERE sink NOT IN (SELECT name FROM sinks) LIMIT ?1)",
	[STMT_PRUNE_MEDIA] =
		"DELETE FROM media WHERE seq IN (SELECT seq FROM"
		" media WHERE seq <= (SELECT seq FROM media"
		" ORDER BY seq DESC LIMIT 1 OFFSET ?1) AND NOT EXISTS"
		" (SELECT 1 FROM events WHERE events.upload = media.upload"
		"  AND kind IN ('published', 'renamed'))"
		" ORDER BY seq LIMIT ?2)",
	[STMT_PRUNE_ATTRS] =
		"DELETE FROM attributes WHERE seq IN (SELECT seq FROM"
		" attributes WHERE seq <= (SELECT seq FROM attributes"
		" ORDER BY seq DESC LIMIT 1 OFFSET ?1) ORDER BY seq LIMIT ?2)",

	[STMT_SINK_LEFT] = "UPDATE sinks SET active = 0, since = ?1"
			   " WHERE active AND name NOT IN"
			   " (SELECT value FROM json_each(?2))",
	[STMT_SINK_DECLARE] =
		"INSERT INTO sinks(name, cursor, since) VALUES (?1, iif(?3, 0,"
		" coalesce((SELECT max(seq) FROM events), 0)), ?2)"
		" ON CONFLICT(name) DO UPDATE SET active = 1",
	[STMT_SINK_CURSOR] = "UPDATE sinks SET cursor = max(cursor, ?2)"
			     " WHERE name = ?1",
	[STMT_SINK_STATE] = "UPDATE sinks SET since = iif(state = ?2,"
			    " since, ?5), state = ?2, reason = ?3,"
			    " config = ?4 WHERE name = ?1",
	[STMT_SINK_TOUCH] = "UPDATE sinks SET touched = touched + 1"
			    " WHERE ?1 IS NULL OR name = ?1",
	[STMT_SINK_ENABLE] = "UPDATE sinks SET touched = touched + 1,"
			     " state = 0, reason = '', since = ?2"
			     " WHERE name = ?1",
	/* An event that somebody deleted by hand is owed no more. */
	[STMT_DELIVERY_PUT] =
		"INSERT OR REPLACE INTO deliveries(event, sink, key, state,"
		" attempts, first_at, next_at, reason)"
		" SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8"
		" WHERE EXISTS (SELECT 1 FROM events WHERE seq = ?1)",
	[STMT_DELIVERY_DROP] = "DELETE FROM deliveries"
			       " WHERE event = ?1 AND sink = ?2",
	[STMT_DELIVERY_NEXT] =
		"UPDATE deliveries SET next_at = ?3 WHERE sink = ?1"
		" AND next_at = 9223372036854775807 AND event ="
		" (SELECT min(event) FROM deliveries INDEXED BY"
		" deliveries_keys WHERE sink = ?1 AND key = ?2 AND state = 0)",
	[STMT_REVIVE] =
		"UPDATE deliveries SET state = 0, next_at = ?3, first_at = ?3"
		" WHERE state = 2 AND (?2 IS NULL OR sink = ?2) AND"
		" (?1 IS NULL OR (SELECT id FROM events WHERE seq = event) = "
		"?1)",
	[STMT_PUT_MEDIA] = "INSERT OR REPLACE INTO media"
			   "(upload, store, key, etag, at, body)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",

	[STMT_FIND_LIVE] = "SELECT @ FROM uploads INDEXED BY uploads_live"
			   " WHERE state < 5 AND store = ?1 AND key = ?2",
	[STMT_FIND_ENDED] = "SELECT @ FROM uploads INDEXED BY uploads_ended"
			    " WHERE state >= 6 AND store = ?1 AND key = ?2"
			    " ORDER BY id DESC LIMIT 1",
	[STMT_GET] = "SELECT @ FROM uploads WHERE id = ?1",
	[STMT_PARTS] = "SELECT no, off, len, etag, sum FROM parts"
		       " WHERE upload = ?1 ORDER BY no LIMIT ?2",
	[STMT_LIST_LIVE_KEYS] = "SELECT @ FROM uploads INDEXED BY uploads_live"
				" WHERE state < 5 AND " FILTER ONE_STORE BY_ID,
	[STMT_LIST_ENDED_KEYS] =
		"SELECT @ FROM uploads INDEXED BY uploads_ended"
		" WHERE state >= 6 AND " FILTER ONE_STORE BY_ID,
	[STMT_LIST_CHORES] =
		"SELECT @ FROM uploads INDEXED BY uploads_chores"
		" WHERE (flags & 20 <> 0 OR hidden_etag <> '') AND " FILTER
			STORE BY_ID,
	[STMT_LIST_ACTIVE] = "SELECT @ FROM uploads INDEXED BY uploads_active"
			     " WHERE state < 6 AND " FILTER STORE BY_ID,
	[STMT_LIST_FAILED] = "SELECT @ FROM uploads INDEXED BY uploads_failed"
			     " WHERE state > 6 AND " FILTER STORE BY_ID,
	[STMT_LIST_ALL] = "SELECT @ FROM uploads WHERE " FILTER STORE BY_ID,
	[STMT_ATTRS] = "SELECT store, key, etag, mtime, mode FROM attributes"
		       " WHERE store = ?1 AND key >= ?2 AND key <= ?3"
		       " ORDER BY key LIMIT ?4",
	[STMT_CHARGED] = "SELECT charged FROM uploads WHERE id = ?1",
	[STMT_USAGE] = "SELECT store, home, bytes, files, changes, doubts,"
		       " counted_at FROM usage WHERE store = ?1 AND home = ?2",
	/* 384: counted, and replaces something or not */
	[STMT_USAGE_LIVE] =
		"SELECT coalesce(sum(max(charged - replaces, 0)), 0),"
		" coalesce(sum(flags & 384 = 256), 0)"
		" FROM uploads INDEXED BY uploads_live WHERE state < 5"
		" AND store = ?1 AND key >= ?2 AND key < ?3 AND id <> ?4"
		" AND kind = 0",
	[STMT_USAGE_DUE] = "SELECT store, home, bytes, files, changes, doubts,"
			   " counted_at FROM usage WHERE due_at <= ?1"
			   " OR (doubts > 0 AND doubt_at <= ?1)"
			   " ORDER BY counted_at LIMIT 1",
	[STMT_EVENTS] = "SELECT seq, id, upload, kind, at, body FROM events"
			" WHERE upload = ?1 ORDER BY seq LIMIT ?2",
	/* Columns behind the sixth are those of a delivery. */
	[STMT_PAGE_AFTER] =
		"SELECT seq, id, upload, kind, at, body, event, sink, key,"
		" state, attempts, first_at, next_at, reason FROM events"
		" LEFT JOIN deliveries ON event = seq AND sink = ?1"
		" WHERE seq > ?2 ORDER BY seq LIMIT ?4",
	[STMT_PAGE_DUE] =
		"SELECT seq, id, upload, kind, at, body, event, sink, key,"
		" state, attempts, first_at, next_at, reason"
		" FROM deliveries INDEXED BY deliveries_due"
		" JOIN events ON seq = event WHERE sink = ?1 AND state = 0"
		" AND next_at <= ?3 ORDER BY next_at LIMIT ?4",
	[STMT_PAGE_WAITING] =
		"SELECT event, '', '', '', 0, NULL, event, sink, key,"
		" state, attempts, first_at, next_at, reason FROM deliveries"
		" WHERE sink = ?1 AND state = 0 AND event > ?2"
		" ORDER BY event LIMIT ?4",
	[STMT_PAGE_DEAD] =
		"SELECT seq, id, upload, kind, at, body, event, sink, key,"
		" state, attempts, first_at, next_at, reason"
		" FROM deliveries INDEXED BY deliveries_dead"
		" JOIN events ON seq = event WHERE state = 2"
		" AND event > ?2 AND (?1 IS NULL OR sink = ?1)"
		" ORDER BY event, sink LIMIT ?4",
	[STMT_NEXT_DUE] = "SELECT coalesce(min(next_at), 0) FROM deliveries"
			  " INDEXED BY deliveries_due WHERE sink = ?1"
			  " AND state = 0 AND next_at > ?2",
	[STMT_NEWS] = "SELECT coalesce((SELECT max(seq) FROM events), 0),"
		      " coalesce((SELECT sum(touched) FROM sinks), 0)",
	[STMT_SINKS] = "SELECT name, cursor, active, state, reason, config,"
		       " since, touched FROM sinks ORDER BY name",
	[STMT_SINK_COUNTS] =
		"SELECT (SELECT count(*) FROM events WHERE seq >"
		"  (SELECT cursor FROM sinks WHERE name = ?1)),"
		" coalesce(sum(state = 0), 0), coalesce(sum(state = 2), 0)"
		" FROM deliveries WHERE sink = ?1",
	[STMT_MEDIA_BY_UPLOAD] = "SELECT upload, store, key, etag, at, body"
				 " FROM media WHERE upload = ?1",
	[STMT_MEDIA_BY_KEY] = "SELECT upload, store, key, etag, at, body"
			      " FROM media WHERE store = ?1 AND key = ?2"
			      " ORDER BY seq DESC LIMIT 1",
};

static void
add_names(struct buf *sql)
{
	int i;

	for (i = 0; i < COLUMNS; i++)
		buf_printf(sql, "%s%s", i == 0 ? "" : ", ", columns[i].name);
}

static void
insert_text(struct buf *sql)
{
	int i;

	buf_add_text(sql, "INSERT INTO uploads(");
	add_names(sql);
	buf_add_text(sql, ") VALUES (");
	for (i = 1; i <= COLUMNS; i++)
		buf_printf(sql, "%s?%d", i == 1 ? "" : ", ", i);
	buf_add_text(sql, ")");
}

static void
expand(struct buf *sql, const char *text)
{
	const char *at = strchr(text, '@');

	if (at == NULL) {
		buf_add_text(sql, text);
		return;
	}
	buf_add(sql, text, (size_t)(at - text));
	add_names(sql);
	buf_add_text(sql, at + 1);
}

static enum err
compile(struct journal_sqlite_db *db, struct buf *sql, sqlite3_stmt **out)
{
	const char *text = buf_cstr(sql);
	int rc;

	assert(!sql->failed);
	rc = sqlite3_prepare_v3(db->sql, text, -1, SQLITE_PREPARE_PERSISTENT,
				out, NULL);
	if (rc == SQLITE_OK)
		return ERR_OK;
	/* A table or a column is not what this program made. */
	if ((rc & 0xff) == SQLITE_ERROR) {
		log_error("journal", NULL, "damaged", KV_S("file", db->path),
			  KV_S("text", sqlite3_errmsg(db->sql)));
		return ERR_CORRUPT;
	}
	return journal_sqlite_fail(db, rc, text);
}

enum err
journal_sqlite_prepare(struct journal_sqlite_db *db)
{
	struct buf sql;
	enum err err = ERR_OK;
	int i;

	buf_init(&sql, SQL_MAX);
	for (i = 0; err == ERR_OK && i < STMT_COUNT; i++) {
		buf_clear(&sql);
		if (i == STMT_INSERT)
			insert_text(&sql);
		else
			expand(&sql, texts[i]);
		err = compile(db, &sql, &db->stmts[i]);
	}
	buf_free(&sql);
	return err;
}

void
journal_sqlite_finalize(struct journal_sqlite_db *db)
{
	int i;

	for (i = 0; i < STMT_COUNT; i++) {
		sqlite3_finalize(db->stmts[i]);
		db->stmts[i] = NULL;
	}
	for (i = 0; i < JOURNAL_UPDATES; i++)
		sqlite3_finalize(db->updates[i].stmt);
	memset(db->updates, 0, sizeof(db->updates));
}

/* Values. */

void
journal_sqlite_bind_text(sqlite3_stmt *st, int n, const char *text)
{
	sqlite3_bind_text(st, n, text, -1, SQLITE_STATIC);
}

/* u outlives the statement's use; numbers keep their 64 bits. */
static void
bind_column(sqlite3_stmt *st, int n, const struct column *c,
	    const struct journal_upload *u)
{
	const char *p = (const char *)u + c->off;
	uint32_t number32;
	int64_t number64;

	switch (c->type) {
	case COLUMN_TEXT:
		journal_sqlite_bind_text(st, n, p);
		break;
	case COLUMN_32:
		memcpy(&number32, p, sizeof(number32));
		sqlite3_bind_int64(st, n, number32);
		break;
	case COLUMN_64:
		memcpy(&number64, p, sizeof(number64));
		sqlite3_bind_int64(st, n, number64);
		break;
	}
}

void
journal_sqlite_bind_row(sqlite3_stmt *st, const struct journal_upload *u)
{
	int i;

	for (i = 0; i < COLUMNS; i++)
		bind_column(st, i + 1, &columns[i], u);
}

enum err
journal_sqlite_text(sqlite3_stmt *st, int col, char *dst, size_t size)
{
	const unsigned char *text = sqlite3_column_text(st, col);
	size_t n = (size_t)sqlite3_column_bytes(st, col);

	if (text == NULL || n >= size)
		return ERR_CORRUPT;
	memcpy(dst, text, n);
	dst[n] = '\0';
	return ERR_OK;
}

static enum err
take_column(sqlite3_stmt *st, int col, const struct column *c,
	    struct journal_upload *u)
{
	char *p = (char *)u + c->off;
	int64_t number64;
	uint32_t number32;

	if (c->type == COLUMN_TEXT)
		return journal_sqlite_text(st, col, p, c->size);
	number64 = sqlite3_column_int64(st, col);
	if (c->type == COLUMN_64) {
		memcpy(p, &number64, sizeof(number64));
		return ERR_OK;
	}
	if (number64 < 0 || number64 > UINT32_MAX)
		return ERR_CORRUPT;
	number32 = (uint32_t)number64;
	memcpy(p, &number32, sizeof(number32));
	return ERR_OK;
}

enum err
journal_sqlite_take_row(sqlite3_stmt *st, struct journal_upload *u)
{
	enum err err = ERR_OK;
	int i;

	for (i = 0; err == ERR_OK && i < COLUMNS; i++)
		err = take_column(st, i, &columns[i], u);
	if (err == ERR_OK && (unsigned)u->state >= UPLOAD_STATES)
		err = ERR_CORRUPT;
	return err;
}

/* Updates. */

/*
 * Flags and the hidden ETag stand for work that outlives an upload, so these
 * alone may change in a row that has ended.
 */
static bool
ended_too(unsigned set)
{
	return (set & ~(unsigned)(JSET_FLAGS | JSET_HIDDEN)) == 0;
}

static void
update_text(struct buf *sql, unsigned set)
{
	const char *comma = "";
	int i;

	buf_add_text(sql, "UPDATE uploads SET ");
	for (i = 0; i < COLUMNS; i++) {
		if ((columns[i].set & set) == 0)
			continue;
		buf_printf(sql, "%s%s = ?%d", comma, columns[i].name, i + 3);
		comma = ", ";
	}
	buf_printf(sql, " WHERE id = ?1 AND epoch = ?2%s",
		   ended_too(set) ? "" : " AND state < 6");
}

static struct journal_update_stmt *
prepared_update(struct journal_sqlite_db *db, unsigned set, enum err *err)
{
	struct journal_update_stmt *u;
	struct buf sql;
	int i;

	for (i = 0; i < JOURNAL_UPDATES; i++)
		if (db->updates[i].stmt != NULL && db->updates[i].set == set)
			return &db->updates[i];
	u = &db->updates[db->next_update++ % JOURNAL_UPDATES];
	sqlite3_finalize(u->stmt);
	u->stmt = NULL;
	u->set = set;
	buf_init(&sql, SQL_MAX);
	update_text(&sql, set);
	*err = compile(db, &sql, &u->stmt);
	buf_free(&sql);
	return *err == ERR_OK ? u : NULL;
}

sqlite3_stmt *
journal_sqlite_update(struct journal_sqlite_db *db, const struct journal_tx *tx,
		      enum err *err)
{
	struct journal_update_stmt *u = prepared_update(db, tx->set, err);
	int i;

	if (u == NULL)
		return NULL;
	journal_sqlite_bind_text(u->stmt, 1, tx->update->id);
	sqlite3_bind_int64(u->stmt, 2, (int64_t)tx->update->epoch);
	for (i = 0; i < COLUMNS; i++) {
		if ((columns[i].set & tx->set) == 0)
			continue;
		if (columns[i].set == JSET_EPOCH)
			sqlite3_bind_int64(u->stmt, i + 3,
					   (int64_t)tx->new_epoch);
		else
			bind_column(u->stmt, i + 3, &columns[i], tx->update);
	}
	return u->stmt;
}
