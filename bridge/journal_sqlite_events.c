/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of events, deliveries, sinks and media. */
#include "bridge/journal_sqlite.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define DELIVERY 6 /* the first column of a delivery */

static enum err
take_delivery(sqlite3_stmt *st, struct journal_event_row *e)
{
	struct journal_delivery *d;
	enum err err;

	if (sqlite3_column_type(st, DELIVERY) == SQLITE_NULL)
		return ERR_OK;
	e->delivery = d = mem_alloc(sizeof(*d));
	d->event = sqlite3_column_int64(st, DELIVERY);
	err = journal_sqlite_text(st, DELIVERY + 1, d->sink, sizeof(d->sink));
	if (err == ERR_OK)
		err = journal_sqlite_text(st, DELIVERY + 2, d->key,
					  sizeof(d->key));
	d->state = (enum delivery_state)sqlite3_column_int(st, DELIVERY + 3);
	d->attempts = (unsigned)sqlite3_column_int(st, DELIVERY + 4);
	d->first_at = sqlite3_column_int64(st, DELIVERY + 5);
	d->next_at = sqlite3_column_int64(st, DELIVERY + 6);
	if (err == ERR_OK)
		err = journal_sqlite_text(st, DELIVERY + 7, d->reason,
					  sizeof(d->reason));
	return err;
}

static enum err
take_row(sqlite3_stmt *st, struct journal_rows *rows)
{
	struct journal_event_row *e = journal_rows_event(rows);
	enum err err = journal_sqlite_take_event(st, e);

	if (err == ERR_OK)
		err = take_delivery(st, e);
	if (e->body != NULL)
		rows->event_bytes += strlen(e->body);
	if (e->delivery != NULL)
		rows->event_bytes += sizeof(*e->delivery);
	return err;
}

static enum err
next_due(struct journal_sqlite_db *db, const struct journal_event_query *q,
	 struct journal_rows *rows)
{
	sqlite3_stmt *st = db->stmts[STMT_NEXT_DUE];
	int rc;

	journal_sqlite_bind_text(st, 1, q->sink);
	sqlite3_bind_int64(st, 2, q->now);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		rows->next_at = sqlite3_column_int64(st, 0);
	return journal_sqlite_end_read(db, st, rc, "read deliveries");
}

enum err
journal_sqlite_page(void *arg, const struct journal_event_query *q,
		    struct journal_rows *rows)
{
	static const enum journal_stmt stmts[] = {
		[EVENTS_AFTER] = STMT_PAGE_AFTER,
		[EVENTS_DUE] = STMT_PAGE_DUE,
		[EVENTS_WAITING] = STMT_PAGE_WAITING,
		[EVENTS_DEAD] = STMT_PAGE_DEAD,
	};
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = db->stmts[stmts[q->which]];
	size_t max = q->max;
	enum err err;
	int rc;

	if (max == 0 || max > JOURNAL_PAGE_MAX)
		max = JOURNAL_PAGE_MAX;
	journal_sqlite_bind_text(st, 1, q->sink); /* NULL binds NULL */
	sqlite3_bind_int64(st, 2, q->after);
	sqlite3_bind_int64(st, 3, q->now);
	sqlite3_bind_int64(st, 4, (int64_t)max + 1);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (rows->nevents == max ||
		    rows->event_bytes >= JOURNAL_PAGE_BYTES) {
			rows->more = true;
			break;
		}
		if (take_row(st, rows) != ERR_OK) {
			sqlite3_reset(st);
			return journal_sqlite_bad_row(db, "events");
		}
	}
	err = journal_sqlite_end_read(db, st, rc, "read events");
	if (err == ERR_OK && q->which == EVENTS_DUE)
		err = next_due(db, q, rows);
	return err;
}

/* Sinks. */

static enum err
take_sink(sqlite3_stmt *st, struct journal_sink *s)
{
	enum err err = journal_sqlite_text(st, 0, s->name, sizeof(s->name));

	s->cursor = sqlite3_column_int64(st, 1);
	s->active = sqlite3_column_int(st, 2) != 0;
	s->state = (enum journal_sink_state)sqlite3_column_int(st, 3);
	if (err == ERR_OK)
		err = journal_sqlite_text(st, 4, s->reason, sizeof(s->reason));
	if (err == ERR_OK)
		err = journal_sqlite_text(st, 5, s->config, sizeof(s->config));
	s->since = sqlite3_column_int64(st, 6);
	s->touched = (uint64_t)sqlite3_column_int64(st, 7);
	return err;
}

static enum err
read_news(struct journal_sqlite_db *db, struct journal_rows *rows)
{
	sqlite3_stmt *st = db->stmts[STMT_NEWS];
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW) {
		rows->newest = sqlite3_column_int64(st, 0);
		rows->touched = (uint64_t)sqlite3_column_int64(st, 1);
	}
	return journal_sqlite_end_read(db, st, rc, "read the newest event");
}

static enum err
count(struct journal_sqlite_db *db, struct journal_sink *s)
{
	sqlite3_stmt *st = db->stmts[STMT_SINK_COUNTS];
	int rc;

	journal_sqlite_bind_text(st, 1, s->name);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		s->lag = (uint64_t)sqlite3_column_int64(st, 0);
		s->waiting = (uint64_t)sqlite3_column_int64(st, 1);
		s->dead = (uint64_t)sqlite3_column_int64(st, 2);
	}
	return journal_sqlite_end_read(db, st, rc, "count deliveries");
}

static enum err
read_sinks(struct journal_sqlite_db *db, struct journal_rows *rows)
{
	sqlite3_stmt *st = db->stmts[STMT_SINKS];
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (take_sink(st, journal_rows_sink(rows)) != ERR_OK) {
			sqlite3_reset(st);
			return journal_sqlite_bad_row(db, "sinks");
		}
	}
	return journal_sqlite_end_read(db, st, rc, "read sinks");
}

enum err
journal_sqlite_sinks(void *arg, enum journal_sinks_what what,
		     struct journal_rows *rows)
{
	struct journal_sqlite_db *db = arg;
	enum err err = read_news(db, rows);
	size_t i;

	if (err == ERR_OK && what != SINKS_NEWS)
		err = read_sinks(db, rows);
	for (i = 0; what == SINKS_COUNTS && err == ERR_OK && i < rows->nsinks;
	     i++)
		err = count(db, &rows->sinks[i]);
	return err;
}

/* Media. */

static enum err
take_media(sqlite3_stmt *st, struct journal_media *m)
{
	enum err err = journal_sqlite_text(st, 0, m->upload, sizeof(m->upload));

	if (err == ERR_OK)
		err = journal_sqlite_text(st, 1, m->store, sizeof(m->store));
	if (err == ERR_OK)
		err = journal_sqlite_text(st, 2, m->key, sizeof(m->key));
	if (err == ERR_OK)
		err = journal_sqlite_text(st, 3, m->etag, sizeof(m->etag));
	m->at = sqlite3_column_int64(st, 4);
	m->body = mem_strdup((const char *)sqlite3_column_text(st, 5));
	return m->body != NULL ? err : ERR_CORRUPT;
}

enum err
journal_sqlite_media(void *arg, const char *upload, const char *store,
		     const char *key, struct journal_rows *rows)
{
	struct journal_sqlite_db *db = arg;
	sqlite3_stmt *st = db->stmts[upload != NULL ? STMT_MEDIA_BY_UPLOAD
						    : STMT_MEDIA_BY_KEY];
	int rc;

	journal_sqlite_bind_text(st, 1, upload != NULL ? upload : store);
	if (upload == NULL)
		journal_sqlite_bind_text(st, 2, key);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW && take_media(st, &rows->media) != ERR_OK) {
		sqlite3_reset(st);
		return journal_sqlite_bad_row(db, "media");
	}
	return journal_sqlite_end_read(db, st, rc, "read media");
}
