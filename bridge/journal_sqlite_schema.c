/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables and their versions. PRAGMA user_version counts the steps that were
 * taken, application_id tells a journal from any other database. A step that
 * was released is never edited: the next one is added behind it.
 *
 * Names, keys and paths are TEXT in UTF-8 with the BINARY collation: compared
 * byte by byte as memcmp(3), and legible in a shell. 64-bit sizes are stored as
 * their two's complement. Times are Unix ms, mtime Unix seconds.
 */
#include "bridge/journal_sqlite.h"

#include <stdio.h>

#include "lib/log.h"

/*
 * States by number: 0..4 live, 5 aborting, 6..8 ended. Listings and lookups
 * each have an index that holds only the rows they can be about, ordered as
 * they are read; the statements name them, so a plan cannot change.
 */
static const char version_1[] =
	"CREATE TABLE uploads ("
	" id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 32),"
	" epoch INTEGER NOT NULL CHECK (epoch >= 0),"
	" rewind INTEGER NOT NULL CHECK (rewind >= 0),"
	" kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 1),"
	" state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 8),"
	" flags INTEGER NOT NULL,"
	" owner TEXT NOT NULL,"
	" user TEXT NOT NULL,"
	" protocol TEXT NOT NULL,"
	" store TEXT NOT NULL CHECK (store <> ''),"
	" key TEXT NOT NULL CHECK"
	"  (length(CAST(key AS BLOB)) BETWEEN 1 AND 1024),"
	" path TEXT NOT NULL,"
	" final_path TEXT NOT NULL,"
	" backend_id TEXT NOT NULL,"
	" declared INTEGER NOT NULL,"
	" end INTEGER NOT NULL,"
	" hidden_etag TEXT NOT NULL,"
	" etag TEXT NOT NULL,"
	" source TEXT NOT NULL,"
	" source_etag TEXT NOT NULL,"
	" mtime INTEGER NOT NULL,"
	" created_at INTEGER NOT NULL,"
	" creating_at INTEGER NOT NULL,"
	" verified_at INTEGER NOT NULL,"
	" parked_at INTEGER NOT NULL,"
	" ended_at INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX uploads_live ON uploads(store, key)"
	" WHERE state < 5;"
	"CREATE INDEX uploads_ended ON uploads(store, key, id)"
	" WHERE state >= 6;"
	"CREATE INDEX uploads_active ON uploads(id) WHERE state < 6;"
	"CREATE INDEX uploads_failed ON uploads(id) WHERE state > 6;"
	"CREATE INDEX uploads_chores ON uploads(id)"
	" WHERE flags & 20 <> 0 OR hidden_etag <> '';"
	"CREATE INDEX uploads_ended_at ON uploads(ended_at)"
	" WHERE state >= 6;"

	"CREATE TABLE parts ("
	" upload TEXT NOT NULL REFERENCES uploads(id) ON DELETE CASCADE,"
	" no INTEGER NOT NULL CHECK (no BETWEEN 1 AND 10000),"
	" off INTEGER NOT NULL CHECK (off >= 0),"
	" len INTEGER NOT NULL CHECK (len >= 0),"
	" etag TEXT NOT NULL,"
	" sum TEXT NOT NULL,"
	" PRIMARY KEY (upload, no)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE events ("
	" seq INTEGER PRIMARY KEY NOT NULL,"
	" id TEXT NOT NULL CHECK (length(id) = 32),"
	" upload TEXT NOT NULL CHECK (length(upload) = 32),"
	" kind TEXT NOT NULL CHECK (kind <> ''),"
	" at INTEGER NOT NULL,"
	" body TEXT NOT NULL,"
	" UNIQUE (upload, kind)"
	") STRICT;"

	"CREATE TABLE deliveries ("
	" event INTEGER NOT NULL REFERENCES events(seq) ON DELETE CASCADE,"
	" sink TEXT NOT NULL CHECK (sink <> ''),"
	" attempts INTEGER NOT NULL CHECK (attempts >= 0),"
	" next_at INTEGER NOT NULL,"
	/* 0 waiting, 1 delivered, 2 dead */
	" state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),"
	" PRIMARY KEY (event, sink)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX deliveries_due ON deliveries(sink, next_at)"
	" WHERE state = 0;"

	"CREATE TABLE media ("
	" upload TEXT PRIMARY KEY NOT NULL"
	"  REFERENCES uploads(id) ON DELETE CASCADE,"
	" at INTEGER NOT NULL,"
	" body TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;"

	/* seq grows with each change, so the lowest are the oldest. */
	"CREATE TABLE attributes ("
	" seq INTEGER PRIMARY KEY NOT NULL,"
	" store TEXT NOT NULL,"
	" key TEXT NOT NULL,"
	" etag TEXT NOT NULL,"
	" mtime INTEGER NOT NULL,"
	" mode INTEGER NOT NULL CHECK (mode >= 0),"
	" UNIQUE (store, key)"
	") STRICT;";

/*
 * Quotas: one row for each home that has one. due_at is the next count,
 * doubt_at when a doubt is taken for left over; counted_at 0: never.
 */
static const char version_2[] =
	"ALTER TABLE uploads ADD COLUMN charged INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE uploads ADD COLUMN replaces INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE usage ("
	" store TEXT NOT NULL CHECK (store <> ''),"
	" home TEXT NOT NULL,"
	" bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),"
	" files INTEGER NOT NULL DEFAULT 0 CHECK (files >= 0),"
	" changes INTEGER NOT NULL DEFAULT 0,"
	" doubts INTEGER NOT NULL DEFAULT 0 CHECK (doubts >= 0),"
	" doubt_at INTEGER NOT NULL DEFAULT 0,"
	" counted_at INTEGER NOT NULL DEFAULT 0,"
	" due_at INTEGER NOT NULL DEFAULT 0,"
	" PRIMARY KEY (store, home)"
	") STRICT, WITHOUT ROWID;";

/*
 * Delivery: what no sink had until now. The events are copied for the sake of
 * kinds that may come again for an upload, which are told apart by nr. Rows
 * that wait have an index with those that are due, and one by key; a media row
 * outlives the upload's, for its event may still wait.
 */
static const char version_3[] =
	"DROP TABLE deliveries;"
	"DROP TABLE media;"
	"ALTER TABLE events RENAME TO events_2;"
	"CREATE TABLE events ("
	" seq INTEGER PRIMARY KEY NOT NULL,"
	" id TEXT NOT NULL CHECK (length(id) = 32),"
	" upload TEXT NOT NULL CHECK (length(upload) = 32),"
	" kind TEXT NOT NULL CHECK (kind <> ''),"
	" nr INTEGER NOT NULL DEFAULT 0,"
	" at INTEGER NOT NULL,"
	" body TEXT NOT NULL,"
	" UNIQUE (upload, kind, nr)"
	") STRICT;"
	"INSERT INTO events(seq, id, upload, kind, at, body)"
	" SELECT seq, id, upload, kind, at, body FROM events_2 ORDER BY seq;"
	"DROP TABLE events_2;"

	"CREATE TABLE sinks ("
	" name TEXT PRIMARY KEY NOT NULL CHECK (name <> ''),"
	" cursor INTEGER NOT NULL CHECK (cursor >= 0),"
	" active INTEGER NOT NULL DEFAULT 1 CHECK (active BETWEEN 0 AND 1),"
	/* 0 on, 1 down, 2 disabled */
	" state INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 2),"
	" reason TEXT NOT NULL DEFAULT '',"
	" config TEXT NOT NULL DEFAULT '',"
	" since INTEGER NOT NULL DEFAULT 0,"
	" touched INTEGER NOT NULL DEFAULT 0"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE deliveries ("
	" event INTEGER NOT NULL REFERENCES events(seq) ON DELETE CASCADE,"
	" sink TEXT NOT NULL CHECK (sink <> ''),"
	" key TEXT NOT NULL,"
	/* 0 waiting, 2 dead */
	" state INTEGER NOT NULL CHECK (state IN (0, 2)),"
	" attempts INTEGER NOT NULL CHECK (attempts >= 0),"
	" first_at INTEGER NOT NULL,"
	" next_at INTEGER NOT NULL,"
	" reason TEXT NOT NULL,"
	" PRIMARY KEY (event, sink)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX deliveries_due ON deliveries(sink, next_at)"
	" WHERE state = 0;"
	"CREATE INDEX deliveries_keys ON deliveries(sink, key, event)"
	" WHERE state = 0;"
	"CREATE INDEX deliveries_dead ON deliveries(event, sink)"
	" WHERE state = 2;"

	"CREATE TABLE media ("
	" seq INTEGER PRIMARY KEY NOT NULL,"
	" upload TEXT NOT NULL CHECK (length(upload) = 32),"
	" store TEXT NOT NULL,"
	" key TEXT NOT NULL,"
	" etag TEXT NOT NULL,"
	" at INTEGER NOT NULL,"
	" body TEXT NOT NULL,"
	" UNIQUE (upload)"
	") STRICT;"
	"CREATE INDEX media_keys ON media(store, key, seq);";

static const char *const steps[] = { version_1, version_2, version_3 };
#define VERSION ((int)(sizeof(steps) / sizeof(steps[0])))

static enum err
not_a_journal(struct journal_sqlite_db *db)
{
	log_error("journal", NULL, "not_a_journal", KV_S("file", db->path),
		  KV_S("text", "the database of another program"));
	return ERR_CORRUPT;
}

static enum err
too_new(struct journal_sqlite_db *db, long long version)
{
	log_error("journal", NULL, "too_new", KV_S("file", db->path),
		  KV_I("version", version), KV_I("known", VERSION),
		  KV_S("hint", "a newer version of this program made it: "
			       "install that version again"));
	return ERR_UNSUPPORTED;
}

/* A database without tables is nobody's; any other must carry our mark. */
static enum err
identify(struct journal_sqlite_db *db, long long *version)
{
	long long app, tables;
	enum err err;

	err = journal_sqlite_number(db, "PRAGMA application_id", &app);
	if (err == ERR_OK)
		err = journal_sqlite_number(db, "PRAGMA user_version", version);
	if (err == ERR_OK)
		err = journal_sqlite_number(
			db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (err != ERR_OK)
		return err;
	if (app == JOURNAL_SQLITE_ID && *version > VERSION)
		return too_new(db, *version);
	if (app == JOURNAL_SQLITE_ID && *version > 0)
		return ERR_OK;
	if (app != 0 || *version != 0 || tables != 0)
		return not_a_journal(db);
	return ERR_OK;
}

enum err
journal_sqlite_set_version(struct journal_sqlite_db *db, long long version)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "PRAGMA user_version = %lld", version);
	return journal_sqlite_exec(db, sql, "set the version");
}

long long
journal_sqlite_version(void)
{
	return VERSION;
}

static enum err
mark(struct journal_sqlite_db *db)
{
	char sql[64];
	enum err err;

	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d",
		 JOURNAL_SQLITE_ID);
	err = journal_sqlite_exec(db, sql, "set the version");
	return err != ERR_OK ? err : journal_sqlite_set_version(db, VERSION);
}

static enum err
upgrade(struct journal_sqlite_db *db, long long version)
{
	enum err err = journal_sqlite_exec(db, "BEGIN IMMEDIATE", "begin");
	int i;

	for (i = (int)version; err == ERR_OK && i < VERSION; i++)
		err = journal_sqlite_exec(db, steps[i], "make tables");
	if (err == ERR_OK)
		err = mark(db);
	if (err == ERR_OK)
		err = journal_sqlite_exec(db, "COMMIT", "make tables");
	if (err != ERR_OK) {
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
		return err;
	}
	log_info("journal", NULL, version == 0 ? "created" : "upgraded",
		 KV_S("file", db->path), KV_I("version", VERSION));
	return ERR_OK;
}

enum err
journal_sqlite_schema(struct journal_sqlite_db *db)
{
	long long version = 0;
	enum err err = identify(db, &version);

	if (err != ERR_OK || version == VERSION)
		return err;
	if (db->read_only)
		return version == 0 ? ERR_NOT_FOUND : ERR_UNSUPPORTED;
	return upgrade(db, version);
}
