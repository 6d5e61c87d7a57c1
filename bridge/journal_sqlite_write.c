/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/journal_sqlite.h"

#include <stdint.h>

#include "lib/clock.h"

static enum err
one_row(struct journal_sqlite_db *db, sqlite3_stmt *st, const char *what)
{
	enum err err = journal_sqlite_run(db, st, what);

	if (err == ERR_OK && sqlite3_changes(db->sql) != 1)
		return ERR_CONFLICT;
	return err;
}

static enum err
supersede(struct journal_sqlite_db *db, const struct journal_tx *tx)
{
	sqlite3_stmt *st = db->stmts[STMT_SUPERSEDE];

	journal_sqlite_bind_text(st, 1, tx->supersede);
	sqlite3_bind_int64(st, 2, (int64_t)tx->supersede_epoch);
	return one_row(db, st, "supersede");
}

static enum err
insert(struct journal_sqlite_db *db, const struct journal_upload *u)
{
	sqlite3_stmt *st = db->stmts[STMT_INSERT];

	journal_sqlite_bind_row(st, u);
	return one_row(db, st, "insert");
}

/* With nothing to set, the row must still be this driver's. */
static enum err
check_driver(struct journal_sqlite_db *db, const struct journal_upload *u)
{
	sqlite3_stmt *st = db->stmts[STMT_DRIVEN];
	int rc;

	journal_sqlite_bind_text(st, 1, u->id);
	sqlite3_bind_int64(st, 2, (int64_t)u->epoch);
	rc = sqlite3_step(st);
	sqlite3_reset(st);
	if (rc == SQLITE_ROW)
		return ERR_OK;
	if (rc == SQLITE_DONE)
		return ERR_CONFLICT;
	return journal_sqlite_fail(db, rc, "check the driver");
}

static enum err
update(struct journal_sqlite_db *db, const struct journal_tx *tx)
{
	enum err err = ERR_OK;
	sqlite3_stmt *st;

	if (tx->set == 0)
		return check_driver(db, tx->update);
	st = journal_sqlite_update(db, tx, &err);
	return st != NULL ? one_row(db, st, "update") : err;
}

static enum err
drop_parts(struct journal_sqlite_db *db, const struct journal_tx *tx)
{
	sqlite3_stmt *st = db->stmts[STMT_DROP_PARTS];

	journal_sqlite_bind_text(st, 1, tx->update->id);
	sqlite3_bind_int64(st, 2, tx->drop_all_parts ? 0 : tx->drop_from);
	return journal_sqlite_run(db, st, "drop parts");
}

static enum err
add_part(struct journal_sqlite_db *db, const char *id,
	 const struct store_part *p)
{
	sqlite3_stmt *st = db->stmts[STMT_ADD_PART];

	journal_sqlite_bind_text(st, 1, id);
	sqlite3_bind_int64(st, 2, p->no);
	sqlite3_bind_int64(st, 3, (int64_t)p->off);
	sqlite3_bind_int64(st, 4, (int64_t)p->len);
	journal_sqlite_bind_text(st, 5, p->etag);
	journal_sqlite_bind_text(st, 6, p->sum);
	return journal_sqlite_run(db, st, "add a part");
}

static enum err
change_parts(struct journal_sqlite_db *db, const struct journal_tx *tx)
{
	const struct journal_upload *u = tx->update ? tx->update : tx->insert;
	enum err err = ERR_OK;
	size_t i;

	if (tx->drop_all_parts || tx->drop_from != 0)
		err = drop_parts(db, tx);
	for (i = 0; err == ERR_OK && i < tx->nadd; i++)
		err = add_part(db, u->id, &tx->add_parts[i]);
	return err;
}

static const char *
event_upload(const struct journal_tx *tx)
{
	if (tx->event_upload != NULL)
		return tx->event_upload;
	return tx->update != NULL ? tx->update->id : tx->insert->id;
}

static enum err
add_event(struct journal_sqlite_db *db, const struct journal_tx *tx)
{
	sqlite3_stmt *st = db->stmts[STMT_ADD_EVENT];

	journal_sqlite_bind_text(st, 1, tx->event->id);
	journal_sqlite_bind_text(st, 2, event_upload(tx));
	journal_sqlite_bind_text(st, 3, tx->event->kind);
	sqlite3_bind_int64(st, 4, clock_wall_ms());
	journal_sqlite_bind_text(st, 5, tx->event->body);
	return journal_sqlite_run(db, st, "add an event");
}

static enum err
put_attr(struct journal_sqlite_db *db, const struct journal_attr *a)
{
	sqlite3_stmt *st = db->stmts[STMT_PUT_ATTR];

	journal_sqlite_bind_text(st, 1, a->store);
	journal_sqlite_bind_text(st, 2, a->key);
	journal_sqlite_bind_text(st, 3, a->etag);
	sqlite3_bind_int64(st, 4, a->mtime);
	sqlite3_bind_int64(st, 5, a->mode);
	return journal_sqlite_run(db, st, "put an attribute");
}

static enum err
drop_attr(struct journal_sqlite_db *db, const struct journal_attr *a)
{
	sqlite3_stmt *st = db->stmts[STMT_DROP_ATTR];

	journal_sqlite_bind_text(st, 1, a->store);
	journal_sqlite_bind_text(st, 2, a->key);
	return journal_sqlite_run(db, st, "drop an attribute");
}

/* In this order: what is superseded makes room for what is inserted. */
static enum err
apply(struct journal_sqlite_db *db, const struct journal_tx *tx)
{
	enum err err = ERR_OK;

	if (tx->supersede != NULL)
		err = supersede(db, tx);
	if (err == ERR_OK && tx->insert != NULL)
		err = insert(db, tx->insert);
	if (err == ERR_OK && tx->update != NULL)
		err = update(db, tx);
	if (err == ERR_OK)
		err = change_parts(db, tx);
	if (err == ERR_OK && tx->event != NULL)
		err = add_event(db, tx);
	if (err == ERR_OK && tx->attr_drop != NULL)
		err = drop_attr(db, tx->attr_drop);
	if (err == ERR_OK && tx->attr != NULL)
		err = put_attr(db, tx->attr);
	return err;
}

/* What is superseded, or ends, has made its room by now. */
static enum err
apply_usage(struct journal_sqlite_db *db, const struct journal_tx *tx,
	    struct journal_usage *usage)
{
	enum err err = ERR_OK;
	size_t i;

	if (tx->charge != NULL)
		err = journal_sqlite_charge(db, tx, usage);
	for (i = 0; err == ERR_OK && i < tx->nchanges; i++)
		err = journal_sqlite_change(db, &tx->changes[i]);
	if (err == ERR_OK && tx->count != NULL)
		err = journal_sqlite_count(db, tx->count);
	return err;
}

enum err
journal_sqlite_apply(void *arg, const struct journal_tx *tx,
		     struct journal_usage *usage)
{
	struct journal_sqlite_db *db = arg;
	enum err err, undone;

	err = journal_sqlite_run(db, db->stmts[STMT_SAVE], "save");
	if (err != ERR_OK)
		return err;
	err = apply(db, tx);
	if (err == ERR_OK)
		err = apply_usage(db, tx, usage);
	/* Some failures have ended the whole transaction already. */
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
