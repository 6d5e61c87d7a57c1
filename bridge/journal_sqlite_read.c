/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/journal_sqlite.h"

#include <stdint.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

#define LIVE_STATES ((1u << UPLOAD_ABORTING) - 1)
#define ACTIVE_STATES (LIVE_STATES | 1u << UPLOAD_ABORTING)
#define FAILED_STATES (1u << UPLOAD_ABORTED | 1u << UPLOAD_LOST)
#define FOLDERS_MAX 4000 /* left in one answer; a page has fewer */
#define ENDED_STATES (FAILED_STATES | 1u << UPLOAD_PUBLISHED)

enum err
journal_sqlite_bad_row(struct journal_sqlite_db *db, const char *table)
{
	log_error("journal", NULL, "bad_row", KV_S("file", db->path),
		  KV_S("table", table));
	return ERR_CORRUPT;
}

enum err
journal_sqlite_end_read(struct journal_sqlite_db *db, sqlite3_stmt *st, int rc,
			const char *what)
{
	enum err err = ERR_OK;

	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		err = journal_sqlite_fail(db, rc, what);
	sqlite3_reset(st);
	return err;
}

static enum err
read_uploads(struct journal_sqlite_db *db, sqlite3_stmt *st, size_t max,
	     struct journal_rows *rows)
{
	struct journal_upload *u;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (rows->nuploads == max) {
			rows->more = true;
			break;
		}
		u = journal_rows_upload(rows);
		if (journal_sqlite_take_row(st, u) != ERR_OK) {
			sqlite3_reset(st);
			return journal_sqlite_bad_row(db, "uploads");
		}
	}
	return journal_sqlite_end_read(db, st, rc, "read uploads");
}

static enum err
take_part(sqlite3_stmt *st, struct store_part *p)
{
	enum err err;

	p->no = (uint32_t)sqlite3_column_int64(st, 0);
	p->off = (uint64_t)sqlite3_column_int64(st, 1);
	p->len = (uint64_t)sqlite3_column_int64(st, 2);
	err = journal_sqlite_text(st, 3, p->etag, sizeof(p->etag));
	if (err == ERR_OK)
		err = journal_sqlite_text(st, 4, p->sum, sizeof(p->sum));
	return err;
}

static enum err
read_parts(struct journal_sqlite_db *db, struct journal_rows *rows)
{
	sqlite3_stmt *st = db->stmts[STMT_PARTS];
	int rc;

	if (rows->nuploads == 0)
		return ERR_OK;
	journal_sqlite_bind_text(st, 1, rows->uploads[0].id);
	sqlite3_bind_int(st, 2, JOURNAL_PARTS_MAX);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (take_part(st, journal_rows_part(rows)) != ERR_OK) {
			sqlite3_reset(st);
			return journal_sqlite_bad_row(db, "parts");
		}
	}
	return journal_sqlite_end_read(db, st, rc, "read parts");
}

enum err
journal_sqlite_find(void *arg, const char *store, const char *key, bool ended,
		    struct journal_rows *rows)
{
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = db->stmts[ended ? STMT_FIND_ENDED : STMT_FIND_LIVE];
	enum err err;

	journal_sqlite_bind_text(st, 1, store);
	journal_sqlite_bind_text(st, 2, key);
	err = read_uploads(db, st, 1, rows);
	return err == ERR_OK && !ended ? read_parts(db, rows) : err;
}

enum err
journal_sqlite_get(void *arg, const char *id, struct journal_rows *rows)
{
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = db->stmts[STMT_GET];
	enum err err;

	journal_sqlite_bind_text(st, 1, id);
	err = read_uploads(db, st, 1, rows);
	return err == ERR_OK ? read_parts(db, rows) : err;
}

/*
 * Binds the range of keys that begin with prefix: from it (n) to the first
 * text behind them (n + 1). A prefix of 0xff bytes, or none, has no such text;
 * an empty blob is behind every text.
 */
void
journal_sqlite_bind_prefix(sqlite3_stmt *st, int n, const char *prefix)
{
	size_t len = prefix != NULL ? strlen(prefix) : 0;
	char end[STORE_KEY_MAX + 1];

	sqlite3_bind_text(st, n, prefix != NULL ? prefix : "", -1,
			  SQLITE_STATIC);
	while (len > 0 && (unsigned char)prefix[len - 1] == 0xff)
		len--;
	if (len == 0 || len > STORE_KEY_MAX) {
		sqlite3_bind_zeroblob(st, n + 1, 0);
		return;
	}
	memcpy(end, prefix, len);
	end[len - 1] = (char)((unsigned char)end[len - 1] + 1);
	sqlite3_bind_text(st, n + 1, end, (int)len, SQLITE_TRANSIENT);
}

static bool
within(unsigned states, unsigned set)
{
	return (states & ~set) == 0;
}

/* The index with the fewest rows that holds all that can match. */
static enum journal_stmt
choose_list(const struct journal_query *q)
{
	bool keys = q->store != NULL && q->key_prefix != NULL;

	if (q->source_pending || q->hidden || q->create_unknown)
		return STMT_LIST_CHORES;
	if (keys && within(q->states, LIVE_STATES))
		return STMT_LIST_LIVE_KEYS;
	if (keys && within(q->states, ENDED_STATES))
		return STMT_LIST_ENDED_KEYS;
	if (within(q->states, ACTIVE_STATES))
		return STMT_LIST_ACTIVE;
	if (within(q->states, FAILED_STATES))
		return STMT_LIST_FAILED;
	return STMT_LIST_ALL;
}

enum err
journal_sqlite_list(void *arg, const struct journal_query *q,
		    struct journal_rows *rows)
{
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = db->stmts[choose_list(q)];
	size_t max = q->max;
	unsigned flags = 0;

	if (max == 0 || max > JOURNAL_LIST_MAX)
		max = JOURNAL_LIST_MAX;
	if (q->source_pending)
		flags |= UPLOAD_SOURCE_PENDING;
	if (q->create_unknown)
		flags |= UPLOAD_CREATE_UNKNOWN;
	sqlite3_bind_int64(st, 1, q->states);
	journal_sqlite_bind_text(st, 2, q->after_id ? q->after_id : "");
	journal_sqlite_bind_text(st, 3, q->user); /* NULL binds NULL */
	sqlite3_bind_int64(st, 4, flags);
	sqlite3_bind_int(st, 5, q->hidden);
	sqlite3_bind_int64(st, 6, (int64_t)max + 1);
	journal_sqlite_bind_text(st, 7, q->store);
	journal_sqlite_bind_prefix(st, 8, q->key_prefix);
	return read_uploads(db, st, max, rows);
}

static enum err
take_attr(sqlite3_stmt *st, struct journal_attr *a)
{
	enum err err;

	err = journal_sqlite_text(st, 0, a->store, sizeof(a->store));
	if (err == ERR_OK)
		err = journal_sqlite_text(st, 1, a->key, sizeof(a->key));
	if (err == ERR_OK)
		err = journal_sqlite_text(st, 2, a->etag, sizeof(a->etag));
	a->mtime = sqlite3_column_int64(st, 3);
	a->mode = (uint32_t)sqlite3_column_int64(st, 4);
	return err;
}

/* A walk over attributes that leaves out what lies in deeper folders. */
struct attr_walk {
	struct journal_sqlite_db *db;
	sqlite3_stmt *st;
	size_t skip;		      /* bytes of the prefix */
	char next[STORE_KEY_MAX + 1]; /* where to go on behind a folder */
};

/* The first key behind the folder that holds this one: '0' follows '/'. */
static bool
leaves_folder(struct attr_walk *w, const char *key)
{
	size_t n = strlen(key);
	const char *slash = n < w->skip ? NULL : strchr(key + w->skip, '/');

	if (slash == NULL)
		return false;
	n = (size_t)(slash - key);
	memcpy(w->next, key, n);
	w->next[n] = '/' + 1;
	w->next[n + 1] = '\0';
	return true;
}

/* Reads from `from` on up to a deeper folder, which is then left; its rc. */
static int
walk_attrs(struct attr_walk *w, const char *from, struct journal_rows *rows,
	   enum err *err)
{
	struct journal_attr *a;
	int rc;

	journal_sqlite_bind_text(w->st, 2, from);
	w->next[0] = '\0';
	while ((rc = sqlite3_step(w->st)) == SQLITE_ROW) {
		if (rows->nattrs == JOURNAL_ATTRS_MAX) {
			rows->more = true;
			break;
		}
		a = journal_rows_attr(rows);
		*err = take_attr(w->st, a);
		if (*err != ERR_OK)
			break;
		if (leaves_folder(w, a->key)) {
			rows->nattrs--;
			break;
		}
	}
	return rc;
}

enum err
journal_sqlite_attrs(void *arg, const struct journal_range *range,
		     struct journal_rows *rows)
{
	struct journal_sqlite_db *db = arg;
	struct attr_walk w = { .db = db,
			       .st = db->stmts[STMT_ATTRS],
			       .skip = strlen(range->prefix) };
	char from[STORE_KEY_MAX + 1] = "";
	enum err err = ERR_OK;
	unsigned folders = 0;
	int rc;

	str_copy(from, sizeof(from), range->from);
	do {
		journal_sqlite_bind_text(w.st, 1, range->store);
		journal_sqlite_bind_text(w.st, 3, range->to);
		sqlite3_bind_int64(w.st, 4, JOURNAL_ATTRS_MAX + 1);
		rc = walk_attrs(&w, from, rows, &err);
		if (err != ERR_OK) {
			sqlite3_reset(w.st);
			return journal_sqlite_bad_row(db, "attributes");
		}
		err = journal_sqlite_end_read(db, w.st, rc, "read attributes");
		str_copy(from, sizeof(from), w.next);
	} while (err == ERR_OK && *from && ++folders < FOLDERS_MAX);
	rows->more = rows->more || *from;
	return err;
}

enum err
journal_sqlite_take_event(sqlite3_stmt *st, struct journal_event_row *e)
{
	const char *body = (const char *)sqlite3_column_text(st, 5);
	enum err err;

	e->seq = sqlite3_column_int64(st, 0);
	err = journal_sqlite_text(st, 1, e->id, sizeof(e->id));
	if (err == ERR_OK)
		err = journal_sqlite_text(st, 2, e->upload, sizeof(e->upload));
	if (err == ERR_OK)
		err = journal_sqlite_text(st, 3, e->kind, sizeof(e->kind));
	e->at = sqlite3_column_int64(st, 4);
	e->body = mem_strdup(body);
	return err;
}

enum err
journal_sqlite_events(void *arg, const char *upload, struct journal_rows *rows)
{
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = db->stmts[STMT_EVENTS];
	int rc;

	journal_sqlite_bind_text(st, 1, upload);
	sqlite3_bind_int(st, 2, JOURNAL_EVENTS_MAX);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (journal_sqlite_take_event(st, journal_rows_event(rows)) !=
		    ERR_OK) {
			sqlite3_reset(st);
			return journal_sqlite_bad_row(db, "events");
		}
	}
	return journal_sqlite_end_read(db, st, rc, "read events");
}
