/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the journal agrees with itself: pages and indexes as SQLite sees
 * them, and what no transaction of ours can leave behind.
 */
#include "bridge/journal_sqlite.h"

#include <stdint.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"

#define FAULTS_MAX 1000
/* An event may be pruned before its row, but never while both are young. */
#define YOUNG_MS (23 * 3600000LL)

/* Each gives an upload's id, and takes ?1, the time since when (Unix ms). */
static const struct question {
	enum journal_fault_kind kind;
	const char *sql;
	const char *text;
} questions[] = {
	{ JOURNAL_FAULT_EVENT,
	  "SELECT id FROM uploads u WHERE state = 6 AND ended_at > ?1"
	  " AND NOT EXISTS (SELECT 1 FROM events e WHERE e.upload = u.id"
	  " AND e.kind IN ('published', 'renamed'))",
	  "it is published, but no event tells of it" },
	{ JOURNAL_FAULT_STATE,
	  "SELECT id FROM uploads u WHERE state IN (7, 8) AND ended_at > ?1"
	  " AND kind = 0" /* a rename that did not come about has none */
	  " AND NOT EXISTS (SELECT 1 FROM events e WHERE e.upload = u.id"
	  " AND e.kind IN ('aborted', 'lost'))",
	  "it has ended, but no event tells of it" },
	{ JOURNAL_FAULT_STATE,
	  "SELECT u.id FROM uploads u JOIN events e ON e.upload = u.id"
	  " WHERE u.state < 6 AND ?1 > 0"
	  " AND e.kind IN ('published', 'aborted', 'lost')",
	  "an event says that it has ended, its row that it has not" },
	{ JOURNAL_FAULT_PARTS,
	  "SELECT id FROM uploads u WHERE state IN (3, 4) AND kind = 0"
	  " AND ?1 > 0 AND backend_id <> '' AND end <> (SELECT"
	  " ifnull(sum(len), 0) FROM parts p WHERE p.upload = u.id)",
	  "its parts do not add up to its size" },
	{ JOURNAL_FAULT_PARTS,
	  "SELECT DISTINCT a.upload FROM parts a JOIN parts b"
	  " ON b.upload = a.upload AND b.no = a.no + 1"
	  " WHERE b.off <> a.off + a.len AND ?1 > 0",
	  "two of its parts overlap, or leave a gap" },
	{ JOURNAL_FAULT_STATE,
	  "SELECT id FROM uploads WHERE ?1 > 0 AND"
	  " (state = 1 AND parked_at = 0 OR state >= 6 AND ended_at = 0)",
	  "the time of its state is missing" },
};
#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

struct asking {
	struct journal_sqlite_db *db;
	journal_fault_fn *fn;
	void *arg;
	size_t left; /* faults still told */
};

static void
tell(struct asking *a, const struct journal_fault *f)
{
	if (a->left == 0)
		return;
	a->left--;
	a->fn(a->arg, f);
}

static const char *
column(sqlite3_stmt *st, int n)
{
	const unsigned char *text = sqlite3_column_text(st, n);

	return text ? (const char *)text : "";
}

/* Every row of an answer, by fn; errors of SQLite end the asking. */
static enum err
each_row(struct asking *a, sqlite3_stmt *st, const struct question *q)
{
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct journal_fault f = { .kind = q->kind, .text = q->text };

		if (q->text != NULL)
			f.upload = column(st, 0);
		else
			f.text = column(st, 0);
		if (strcmp(f.text, "ok") != 0)
			tell(a, &f);
	}
	if (rc == SQLITE_DONE)
		return ERR_OK;
	return journal_sqlite_fail(a->db, rc, "check");
}

static enum err
ask(struct asking *a, const struct question *q)
{
	sqlite3_stmt *st = NULL;
	enum err err;
	int rc;

	rc = sqlite3_prepare_v2(a->db->sql, q->sql, -1, &st, NULL);
	if (rc != SQLITE_OK)
		return journal_sqlite_fail(a->db, rc, "check");
	if (sqlite3_bind_parameter_count(st) > 0)
		sqlite3_bind_int64(st, 1, clock_wall_ms() - YOUNG_MS);
	err = each_row(a, st, q);
	sqlite3_finalize(st);
	return err;
}

enum err
journal_sqlite_check(void *db, journal_fault_fn *fn, void *arg)
{
	static const struct question integrity = {
		JOURNAL_FAULT_DAMAGE, "PRAGMA integrity_check(100)", NULL
	};
	static const struct question references = {
		JOURNAL_FAULT_DAMAGE,
		"SELECT 'a row of table ' || \"table\" || ' belongs to none of'"
		" || ' table ' || parent FROM pragma_foreign_key_check",
		NULL
	};
	struct asking a = { db, fn, arg, FAULTS_MAX };
	enum err err = ask(&a, &integrity);
	size_t i;

	/* In a damaged file nothing else means anything. */
	if (err != ERR_OK || a.left < FAULTS_MAX)
		return err;
	err = ask(&a, &references);
	for (i = 0; err == ERR_OK && i < QUESTIONS; i++)
		err = ask(&a, &questions[i]);
	return err;
}

/* Steps a statement of one row or none, and ends it. */
static enum err
one_row(struct journal_sqlite_db *db, sqlite3_stmt *st, int rc, int *number)
{
	bool found;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	found = rc == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL;
	*number = found ? sqlite3_column_int(st, 0) : -1;
	sqlite3_finalize(st);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return ERR_OK;
	return journal_sqlite_fail(db, rc, "check");
}

enum err
journal_sqlite_moved(void *arg, const struct journal_upload *row, bool *out)
{
	static const char text[] =
		"SELECT 1 FROM events WHERE upload <> ?4"
		/* By number, for a clock may have been set back. */
		" AND coalesce(seq > (SELECT max(seq) FROM events"
		"  WHERE upload = ?4 AND kind IN ('published', 'renamed')),"
		"  at >= ?3)"
		" AND kind IN ('deleted', 'renamed', 'published')"
		" AND json_valid(body) AND json_extract(body, '$.store') = ?1"
		" AND ?2 IN (json_extract(body, '$.source_key'),"
		" json_extract(body, '$.key')) LIMIT 1";
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db->sql, text, -1, &st, NULL), number;
	enum err err;

	if (rc == SQLITE_OK) {
		journal_sqlite_bind_text(st, 1, row->store);
		journal_sqlite_bind_text(st, 2, row->key);
		sqlite3_bind_int64(st, 3, row->ended_at);
		journal_sqlite_bind_text(st, 4, row->id);
	}
	err = one_row(db, st, rc, &number);
	*out = number > 0;
	return err;
}

/*
 * A row without its id may be the one that began it: its Create was sent, and
 * the answer is not recorded.
 */
enum err
journal_sqlite_owner(void *arg, const char *store, const char *key,
		     const char *backend_id, int *state)
{
	static const char text[] =
		"SELECT min(state) FROM uploads WHERE store = ?1 AND key = ?2"
		" AND (backend_id = ?3 OR backend_id = '' AND creating_at <> 0"
		"      AND (state < 6 OR flags & 4))";
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db->sql, text, -1, &st, NULL);

	if (rc == SQLITE_OK) {
		journal_sqlite_bind_text(st, 1, store);
		journal_sqlite_bind_text(st, 2, key);
		journal_sqlite_bind_text(st, 3, backend_id);
	}
	return one_row(db, st, rc, state);
}
