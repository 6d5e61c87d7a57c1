/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/operate.h"

#include <stdlib.h>

#include "bridge/journal_ops.h"
#include "lib/mem.h"

static void *
journal_write(struct ctl *c)
{
	char *path, *lock;
	struct journal_place place = { .read_only = false };
	void *db = NULL;
	enum err err;

	if (!ctl_config(c))
		return NULL;
	path = mem_printf("%s/journal.db", c->bridge.state_dir);
	lock = mem_printf("%s/journal.lock", c->bridge.state_dir);
	place.path = path;
	place.lock_path = lock;
	err = journal_sqlite.open(&db, &place);
	if (err == ERR_OK) {
		err = journal_sqlite.begin(db, true);
		if (err) {
			journal_sqlite.close(db);
			db = NULL;
		}
	}
	if (err)
		ctl_error("%s: the journal cannot be written: %s", path,
			  err_text(err));
	free(path);
	free(lock);
	return db;
}

static bool
journal_end(void *db, enum err err, const char *none)
{
	if (err == ERR_OK)
		err = journal_sqlite.commit(db);
	if (err != ERR_OK)
		journal_sqlite.mend(db);
	journal_sqlite.close(db);
	if (err == ERR_NOT_FOUND)
		ctl_error("%s", none);
	else if (err)
		ctl_error("the journal cannot be written: %s", err_text(err));
	return err == ERR_OK;
}

bool
operate_revive(struct ctl *c, const char *event, const char *sink, uint64_t *n)
{
	void *db = journal_write(c);

	return db && journal_end(db, journal_sqlite.revive(db, event, sink, n),
				 "no such event is dead");
}

bool
operate_enable(struct ctl *c, const char *sink)
{
	void *db = journal_write(c);

	return db && journal_end(db, journal_sqlite.enable(db, sink),
				 "the daemon never knew this sink");
}
