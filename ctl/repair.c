/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/repair.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

struct repair {
	const struct journal_ops *ops;
	void *db;
	struct keylock_table *locks;
	struct keylock *lock;
};

struct repair *
repair_open(const struct ctl *c)
{
	struct repair *r = mem_alloc(sizeof(*r));
	char *path = mem_printf("%s/journal.db", c->bridge.state_dir);
	char *lock = mem_printf("%s/journal.lock", c->bridge.state_dir);
	struct journal_place place = { .path = path, .lock_path = lock };
	enum err err;

	r->ops = &journal_sqlite;
	err = r->ops->open(&r->db, &place);
	if (err)
		ctl_error("%s: the journal cannot be written: %s", path,
			  err_text(err));
	else
		err = keylock_table_open(&r->locks, c->bridge.spool_dir);
	free(path);
	free(lock);
	if (!err)
		return r;
	repair_close(r);
	return NULL;
}

void
repair_close(struct repair *r)
{
	if (!r)
		return;
	repair_unlock(r);
	keylock_table_close(r->locks);
	if (r->db)
		r->ops->close(r->db);
	free(r);
}

enum err
repair_lock_key(struct repair *r, const char *store, const char *key)
{
	return keylock_take(r->locks, store, key, &r->lock);
}

void
repair_unlock(struct repair *r)
{
	keylock_drop(r->lock);
	r->lock = NULL;
}

static enum err
read_again(struct repair *r, const char *id, struct journal_rows *rows)
{
	enum err err = r->ops->begin(r->db, false);

	if (err)
		return err;
	err = r->ops->get(r->db, id, rows);
	if (!err)
		err = r->ops->commit(r->db);
	if (err)
		r->ops->mend(r->db);
	return err;
}

enum err
repair_lock(struct repair *r, const struct journal_upload *row,
	    struct journal_rows *rows)
{
	enum err err;

	memset(rows, 0, sizeof(*rows));
	err = repair_lock_key(r, row->store, row->key);
	if (!err)
		err = read_again(r, row->id, rows);
	if (!err &&
	    (rows->nuploads == 0 || rows->uploads[0].epoch != row->epoch ||
	     rows->uploads[0].state != row->state ||
	     rows->uploads[0].rewind != row->rewind))
		err = ERR_CONFLICT;
	if (err)
		repair_unlock(r);
	return err;
}

enum err
repair_apply(struct repair *r, const struct journal_tx *tx)
{
	enum err err = r->ops->begin(r->db, true), result;
	struct journal_usage usage;

	if (err)
		return err;
	result = r->ops->apply(r->db, tx, &usage);
	if (result && result != ERR_CONFLICT && result != ERR_EXISTS) {
		r->ops->mend(r->db);
		return result;
	}
	err = r->ops->commit(r->db);
	if (err)
		r->ops->mend(r->db);
	return err ? err : result;
}

const char *
repair_why(enum err err)
{
	if (err == ERR_IN_USE)
		return "a session or the daemon is at work on it";
	if (err == ERR_CONFLICT)
		return "it goes on meanwhile";
	return err_text(err);
}
