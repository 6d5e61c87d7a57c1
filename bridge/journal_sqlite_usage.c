/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quotas in the journal: what lies under a home, and what live uploads hold
 * of it. All of it changes in the transactions that it tells of, so a charge
 * sees every other one, of any process, and nothing is lost with a process.
 */
#include "bridge/journal_sqlite.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

static uint64_t
number(sqlite3_stmt *st, int col)
{
	int64_t n = sqlite3_column_int64(st, col);

	return n > 0 ? (uint64_t)n : 0;
}

static enum err
take_usage(struct journal_sqlite_db *db, sqlite3_stmt *st,
	   struct journal_usage *u)
{
	int rc = sqlite3_step(st);
	enum err err = ERR_OK;

	if (rc == SQLITE_ROW) {
		err = journal_sqlite_text(st, 0, u->store, sizeof(u->store));
		if (err == ERR_OK)
			err = journal_sqlite_text(st, 1, u->home,
						  sizeof(u->home));
		u->known = true;
		u->bytes = number(st, 2);
		u->files = number(st, 3);
		u->changes = number(st, 4);
		u->doubts = (unsigned)number(st, 5);
		u->counted_at = sqlite3_column_int64(st, 6);
		u->counted = u->counted_at != 0;
	} else if (rc != SQLITE_DONE) {
		err = journal_sqlite_fail(db, rc, "read usage");
	}
	sqlite3_reset(st);
	return err;
}

/* What live uploads below the home add; `skip` is left out. */
static enum err
take_live(struct journal_sqlite_db *db, const char *skip,
	  struct journal_usage *u)
{
	sqlite3_stmt *st = db->stmts[STMT_USAGE_LIVE];
	enum err err = ERR_OK;
	int rc;

	journal_sqlite_bind_text(st, 1, u->store);
	journal_sqlite_bind_prefix(st, 2, u->home);
	journal_sqlite_bind_text(st, 4, skip);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		u->live_bytes = number(st, 0);
		u->live_files = number(st, 1);
	} else {
		err = journal_sqlite_fail(db, rc, "sum up live uploads");
	}
	sqlite3_reset(st);
	return err;
}

static enum err
read_usage(struct journal_sqlite_db *db, const char *store, const char *home,
	   const char *skip, struct journal_usage *u)
{
	sqlite3_stmt *st = db->stmts[STMT_USAGE];
	enum err err;

	memset(u, 0, sizeof(*u));
	journal_sqlite_bind_text(st, 1, store);
	journal_sqlite_bind_text(st, 2, home);
	err = take_usage(db, st, u);
	str_copy(u->store, sizeof(u->store), store);
	str_copy(u->home, sizeof(u->home), home);
	return err == ERR_OK ? take_live(db, skip, u) : err;
}

enum err
journal_sqlite_usage(void *arg, const char *store, const char *home,
		     struct journal_usage *usage)
{
	return read_usage(arg, store, home, "", usage);
}

enum err
journal_sqlite_usage_due(void *arg, int64_t now, struct journal_usage *usage)
{
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = db->stmts[STMT_USAGE_DUE];

	sqlite3_bind_int64(st, 1, now);
	return take_usage(db, st, usage);
}

/* Charges. */

static enum err
charged_before(struct journal_sqlite_db *db, const char *id, uint64_t *out)
{
	sqlite3_stmt *st = db->stmts[STMT_CHARGED];
	enum err err = ERR_OK;
	int rc;

	*out = 0;
	journal_sqlite_bind_text(st, 1, id);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = number(st, 0);
	else
		err = journal_sqlite_fail(db, rc, "read a charge");
	sqlite3_reset(st);
	return err;
}

static uint64_t
less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* The most that the row may hold: what is free, and what it replaces. */
static uint64_t
most(const struct journal_charge *c, const struct journal_upload *row,
     const struct journal_usage *u)
{
	uint64_t room;

	if (c->bytes_max == 0 || !u->counted)
		return INT64_MAX;
	room = less(less(c->bytes_max, u->bytes), u->live_bytes);
	return room > INT64_MAX - row->replaces ? INT64_MAX
						: room + row->replaces;
}

/*
 * What is wanted ahead of need gets no more than a quarter of what is left, so
 * that one upload does not keep others out with bytes that never come.
 */
static uint64_t
grant(const struct journal_charge *c, uint64_t max)
{
	uint64_t ahead = c->want > c->need ? c->want - c->need : 0;
	uint64_t spare = less(max, c->need) / 4;

	return c->need + (ahead < spare ? ahead : spare);
}

static bool
file_fits(const struct journal_charge *c, const struct journal_upload *row,
	  const struct journal_usage *u)
{
	return c->files_max == 0 || !u->counted ||
	       row->flags & UPLOAD_REPLACES ||
	       u->files + u->live_files < c->files_max;
}

enum err
journal_sqlite_charge(struct journal_sqlite_db *db, const struct journal_tx *tx,
		      struct journal_usage *u)
{
	const struct journal_upload *row = tx->insert ? tx->insert : tx->update;
	const struct journal_charge *c = tx->charge;
	sqlite3_stmt *st = db->stmts[STMT_CHARGE];
	uint64_t before, max;
	enum err err;

	err = charged_before(db, row->id, &before);
	if (err == ERR_OK)
		err = read_usage(db, row->store, c->home, row->id, u);
	if (err != ERR_OK)
		return err;
	max = most(c, row, u);
	u->room = less(max, row->replaces);
	if ((c->need > max && c->need > before) ||
	    (tx->insert && !file_fits(c, row, u)))
		return ERR_QUOTA;
	u->charged = grant(c, max);
	u->room = max == INT64_MAX ? UINT64_MAX : less(max, u->charged);
	journal_sqlite_bind_text(st, 1, row->id);
	sqlite3_bind_int64(st, 2, (int64_t)u->charged);
	return journal_sqlite_run(db, st, "charge");
}

/* Changes. */

static enum err
change_home(struct journal_sqlite_db *db, const struct journal_change *c,
	    size_t len)
{
	sqlite3_stmt *st = db->stmts[STMT_USAGE_ADD];
	int doubt = c->doubt == JOURNAL_DOUBT_ALL ? 1 : (int)c->doubt;

	journal_sqlite_bind_text(st, 1, c->store);
	sqlite3_bind_text(st, 2, c->key, (int)len, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, c->bytes);
	sqlite3_bind_int64(st, 4, c->files);
	sqlite3_bind_int(st, 5, doubt);
	sqlite3_bind_int64(st, 6, clock_wall_ms() + JOURNAL_DOUBT_MS);
	return journal_sqlite_run(db, st, "change usage");
}

static enum err
change_below(struct journal_sqlite_db *db, const struct journal_change *c)
{
	sqlite3_stmt *st = db->stmts[STMT_USAGE_BELOW];

	journal_sqlite_bind_text(st, 1, c->store);
	journal_sqlite_bind_prefix(st, 2, c->key);
	sqlite3_bind_int64(st, 4, clock_wall_ms() + JOURNAL_DOUBT_MS);
	return journal_sqlite_run(db, st, "doubt usage");
}

/* Homes that hold the key are its own beginnings, up to each slash. */
enum err
journal_sqlite_change(struct journal_sqlite_db *db,
		      const struct journal_change *c)
{
	enum err err = change_home(db, c, 0);
	size_t i;

	for (i = 0; err == ERR_OK && c->key[i]; i++)
		if (c->key[i] == '/')
			err = change_home(db, c, i + 1);
	if (err == ERR_OK && c->doubt == JOURNAL_DOUBT_ALL)
		err = change_below(db, c);
	return err;
}

/* Counts. */

static enum err
count_set(struct journal_sqlite_db *db, const struct journal_count *c)
{
	bool force = c->what == COUNT_FORCE;
	sqlite3_stmt *st = db->stmts[STMT_USAGE_SET];
	enum err err;

	journal_sqlite_bind_text(st, 1, c->store);
	journal_sqlite_bind_prefix(st, 2, c->home);
	sqlite3_bind_int64(st, 4, (int64_t)c->bytes);
	sqlite3_bind_int64(st, 5, (int64_t)c->files);
	sqlite3_bind_int64(st, 7, clock_wall_ms());
	sqlite3_bind_int64(st, 8, c->due_at);
	sqlite3_bind_int64(st, 9, force ? -1 : (int64_t)c->changes);
	err = journal_sqlite_run(db, st, "set usage");
	if (err == ERR_OK && sqlite3_changes(db->sql) != 1)
		return ERR_CONFLICT;
	return err;
}

enum err
journal_sqlite_count(struct journal_sqlite_db *db,
		     const struct journal_count *c)
{
	static const enum journal_stmt which[] = {
		[COUNT_BEGIN] = STMT_USAGE_MAKE,
		[COUNT_DEFER] = STMT_USAGE_DEFER,
		[COUNT_DROP] = STMT_USAGE_DROP,
	};
	sqlite3_stmt *st;

	if (c->what == COUNT_SET || c->what == COUNT_FORCE)
		return count_set(db, c);
	st = db->stmts[which[c->what]];
	journal_sqlite_bind_text(st, 1, c->store);
	journal_sqlite_bind_text(st, 2, c->home);
	if (c->what == COUNT_DEFER)
		sqlite3_bind_int64(st, 3, c->due_at);
	return journal_sqlite_run(db, st, "keep usage");
}
