/* SPDX-License-Identifier: Apache-2.0 */
/* What is written of deliveries, sinks and media. */
#include "bridge/journal_sqlite.h"

#include <stdint.h>

#include "lib/buf.h"
#include "lib/clock.h"

#define LIST_MAX (JOURNAL_SINKS_MAX * (JOURNAL_SINK_MAX + 3) + 3)

/* Some failures end the whole transaction; any other is undone here. */
static enum err
end_save(struct journal_sqlite_db *db, enum err err)
{
	enum err undone;

	if (err != ERR_OK && sqlite3_get_autocommit(db->sql))
		return err;
	if (err != ERR_OK) {
		undone = journal_sqlite_run(db, db->stmts[STMT_UNDO], "undo");
		if (undone != ERR_OK)
			return undone;
	}
	undone = journal_sqlite_run(db, db->stmts[STMT_RELEASE], "release");
	return undone != ERR_OK ? undone : err;
}

static enum err
save(struct journal_sqlite_db *db)
{
	return journal_sqlite_run(db, db->stmts[STMT_SAVE], "save");
}

/* Sinks. */

static enum err
declare(struct journal_sqlite_db *db, const char *name, bool from_start)
{
	sqlite3_stmt *st = db->stmts[STMT_SINK_DECLARE];

	journal_sqlite_bind_text(st, 1, name);
	sqlite3_bind_int64(st, 2, clock_wall_ms());
	sqlite3_bind_int(st, 3, from_start);
	return journal_sqlite_run(db, st, "declare a sink");
}

/* Names hold nothing that JSON would escape. */
static enum err
leave_others(struct journal_sqlite_db *db, const char *const *names, size_t n)
{
	sqlite3_stmt *st = db->stmts[STMT_SINK_LEFT];
	struct buf list;
	enum err err;
	size_t i;

	buf_init(&list, LIST_MAX);
	for (i = 0; i < n; i++)
		buf_printf(&list, "%s\"%s\"", i == 0 ? "[" : ",", names[i]);
	buf_add_text(&list, n == 0 ? "[]" : "]");
	sqlite3_bind_int64(st, 1, clock_wall_ms());
	journal_sqlite_bind_text(st, 2, buf_cstr(&list));
	err = journal_sqlite_run(db, st, "declare sinks");
	buf_free(&list);
	return err;
}

enum err
journal_sqlite_declare(void *arg, const char *const *names,
		       const bool *from_start, size_t n)
{
	struct journal_sqlite_db *db = arg;
	enum err err = save(db);
	size_t i;

	if (err != ERR_OK)
		return err;
	err = leave_others(db, names, n);
	for (i = 0; err == ERR_OK && i < n; i++)
		err = declare(db, names[i], from_start[i]);
	return end_save(db, err);
}

static enum err
set_cursor(struct journal_sqlite_db *db, const struct journal_settle *s)
{
	sqlite3_stmt *st = db->stmts[STMT_SINK_CURSOR];

	journal_sqlite_bind_text(st, 1, s->sink);
	sqlite3_bind_int64(st, 2, s->cursor);
	return journal_sqlite_run(db, st, "move a cursor");
}

static enum err
set_state(struct journal_sqlite_db *db, const struct journal_settle *s)
{
	sqlite3_stmt *st = db->stmts[STMT_SINK_STATE];

	journal_sqlite_bind_text(st, 1, s->sink);
	sqlite3_bind_int(st, 2, (int)s->state);
	journal_sqlite_bind_text(st, 3, s->reason != NULL ? s->reason : "");
	journal_sqlite_bind_text(st, 4, s->config != NULL ? s->config : "");
	sqlite3_bind_int64(st, 5, s->now);
	return journal_sqlite_run(db, st, "set a sink's state");
}

/* Deliveries. */

static enum err
put(struct journal_sqlite_db *db, const char *sink,
    const struct journal_delivery *d)
{
	sqlite3_stmt *st = db->stmts[STMT_DELIVERY_PUT];

	sqlite3_bind_int64(st, 1, d->event);
	journal_sqlite_bind_text(st, 2, sink);
	journal_sqlite_bind_text(st, 3, d->key);
	sqlite3_bind_int(st, 4, (int)d->state);
	sqlite3_bind_int64(st, 5, d->attempts);
	sqlite3_bind_int64(st, 6, d->first_at);
	sqlite3_bind_int64(st, 7, d->next_at);
	journal_sqlite_bind_text(st, 8, d->reason);
	return journal_sqlite_run(db, st, "put a delivery");
}

static enum err
drop(struct journal_sqlite_db *db, const char *sink, int64_t event)
{
	sqlite3_stmt *st = db->stmts[STMT_DELIVERY_DROP];

	sqlite3_bind_int64(st, 1, event);
	journal_sqlite_bind_text(st, 2, sink);
	return journal_sqlite_run(db, st, "drop a delivery");
}

static enum err
make_due(struct journal_sqlite_db *db, const struct journal_settle *s,
	 const char *key)
{
	sqlite3_stmt *st = db->stmts[STMT_DELIVERY_NEXT];

	journal_sqlite_bind_text(st, 1, s->sink);
	journal_sqlite_bind_text(st, 2, key);
	sqlite3_bind_int64(st, 3, s->now);
	return journal_sqlite_run(db, st, "make a delivery due");
}

static enum err
change(struct journal_sqlite_db *db, const struct journal_settle *s,
       const struct journal_delivery *d)
{
	enum err err;

	err = d->state == DELIVERY_NONE ? drop(db, s->sink, d->event)
					: put(db, s->sink, d);
	if (err == ERR_OK && d->state != DELIVERY_WAITING)
		err = make_due(db, s, d->key);
	return err;
}

enum err
journal_sqlite_settle(void *arg, const struct journal_settle *s)
{
	struct journal_sqlite_db *db = arg;
	enum err err = save(db);
	size_t i;

	if (err != ERR_OK)
		return err;
	for (i = 0; err == ERR_OK && i < s->n; i++)
		err = change(db, s, &s->changes[i]);
	if (err == ERR_OK && s->cursor > 0)
		err = set_cursor(db, s);
	if (err == ERR_OK && s->set_state)
		err = set_state(db, s);
	return end_save(db, err);
}

/* What an operator says. */

static enum err
changed(struct journal_sqlite_db *db, sqlite3_stmt *st, uint64_t *n)
{
	enum err err = journal_sqlite_run(db, st, "change sinks");

	*n = err == ERR_OK ? (uint64_t)sqlite3_changes(db->sql) : 0;
	return err == ERR_OK && *n == 0 ? ERR_NOT_FOUND : err;
}

enum err
journal_sqlite_revive(void *arg, const char *event, const char *sink,
		      uint64_t *n)
{
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = db->stmts[STMT_REVIVE];
	sqlite3_stmt *touch = db->stmts[STMT_SINK_TOUCH];
	enum err err;

	journal_sqlite_bind_text(st, 1, event);
	journal_sqlite_bind_text(st, 2, sink);
	sqlite3_bind_int64(st, 3, clock_wall_ms());
	err = changed(db, st, n);
	if (err != ERR_OK)
		return err;
	journal_sqlite_bind_text(touch, 1, sink);
	return journal_sqlite_run(db, touch, "touch sinks");
}

enum err
journal_sqlite_enable(void *arg, const char *sink)
{
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = db->stmts[STMT_SINK_ENABLE];
	uint64_t n;

	journal_sqlite_bind_text(st, 1, sink);
	sqlite3_bind_int64(st, 2, clock_wall_ms());
	return changed(db, st, &n);
}

/* Media. */

enum err
journal_sqlite_put_media(void *arg, const struct journal_media *m)
{
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = db->stmts[STMT_PUT_MEDIA];

	journal_sqlite_bind_text(st, 1, m->upload);
	journal_sqlite_bind_text(st, 2, m->store);
	journal_sqlite_bind_text(st, 3, m->key);
	journal_sqlite_bind_text(st, 4, m->etag);
	sqlite3_bind_int64(st, 5, clock_wall_ms());
	journal_sqlite_bind_text(st, 6, m->body);
	return journal_sqlite_run(db, st, "put media");
}
