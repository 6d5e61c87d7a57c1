/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the journal: a folder, a loop, journals on the same file,
 * and calls that are waited for. A test reads the tables behind the journal's
 * back through a connection of its own.
 */
#ifndef TESTS_UNIT_JOURNAL_WORLD_H
#define TESTS_UNIT_JOURNAL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <sqlite3.h>

#include "bridge/journal.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

struct world {
	char dir[64], path[96], wal[128], shm[128], lock[96];
	struct loop *loop;
	struct journal *journal;
};

/* What a completion said, copied. */
struct got {
	int calls;
	enum err err;
	bool found, more;
	struct journal_upload upload;
	struct store_part parts[32];
	size_t nparts, n;
	char (*ids)[ID_LEN + 1]; /* of a list; freed by the next one */
	struct journal_attr attrs[8];
};

static inline void
take(void *arg, const struct journal_reply *r)
{
	struct got *g = arg;
	size_t i;

	g->calls++;
	g->err = r->err;
	g->found = r->upload != NULL;
	g->more = r->more;
	g->n = r->n;
	if (r->upload)
		g->upload = *r->upload;
	g->nparts = r->nparts;
	for (i = 0; i < r->nparts && i < 32; i++)
		g->parts[i] = r->parts[i];
	if (r->uploads && !r->upload) {
		g->ids = mem_resize(g->ids, r->n * sizeof(*g->ids));
		for (i = 0; i < r->n; i++)
			memcpy(g->ids[i], r->uploads[i].id, ID_LEN + 1);
	}
	for (i = 0; r->attrs && i < r->n && i < 8; i++)
		g->attrs[i] = r->attrs[i];
}

static inline void
wait_calls(struct world *w, const struct got *g, int calls)
{
	while (g->calls < calls)
		loop_turn(w->loop, 1000);
}

static inline enum err
try_open(struct world *w)
{
	struct journal_config cfg = { .path = w->path,
				      .lock_path = w->lock,
				      .loop = w->loop };

	return journal_open(&w->journal, &cfg);
}

static inline struct world *
world_new(void)
{
	struct world *w = mem_alloc(sizeof(*w));

	log_set_level(LOG_LEVEL_ERROR);
	strcpy(w->dir, "journal-test.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/journal.db", w->dir);
	snprintf(w->wal, sizeof(w->wal), "%s-wal", w->path);
	snprintf(w->shm, sizeof(w->shm), "%s-shm", w->path);
	snprintf(w->lock, sizeof(w->lock), "%s/journal.lock", w->dir);
	w->loop = loop_new();
	return w;
}

static inline int
setup(void **state)
{
	struct world *w = world_new();

	*state = w;
	return try_open(w) == ERR_OK ? 0 : -1;
}

static inline int
setup_closed(void **state)
{
	*state = world_new();
	return 0;
}

static inline void
close_journal(struct world *w)
{
	journal_close(w->journal);
	w->journal = NULL;
	loop_flush(w->loop);
}

static inline void
reopen(struct world *w)
{
	close_journal(w);
	assert_int_equal(try_open(w), ERR_OK);
}

static inline int
teardown(void **state)
{
	struct world *w = *state;

	close_journal(w);
	loop_free(w->loop);
	unlink(w->path);
	unlink(w->wal);
	unlink(w->shm);
	unlink(w->lock);
	rmdir(w->dir);
	free(w);
	return 0;
}

/* Rows. */

static inline struct journal_upload *
row(const char *key)
{
	static struct journal_upload u;

	memset(&u, 0, sizeof(u));
	id_new(u.id);
	u.epoch = 1;
	strcpy(u.owner, "node-a");
	strcpy(u.user, "ann");
	strcpy(u.protocol, "sftp");
	strcpy(u.store, "main");
	snprintf(u.key, sizeof(u.key), "%s", key);
	snprintf(u.path, sizeof(u.path), "/%s", key);
	snprintf(u.final_path, sizeof(u.final_path), "/%s", key);
	u.created_at = 1000;
	return &u;
}

static inline struct store_part
part(uint32_t no)
{
	struct store_part p = { .no = no, .off = (no - 1) * 100, .len = 100 };

	snprintf(p.etag, sizeof(p.etag), "etag-%u", no);
	snprintf(p.sum, sizeof(p.sum), "sum-%u", no);
	return p;
}

static inline struct journal_event
event(const char *kind)
{
	struct journal_event e = { .kind = kind, .body = "{\"a\":1}" };

	id_new(e.id);
	return e;
}

/* Calls. */

static inline enum err
commit(struct world *w, const struct journal_tx *tx)
{
	struct got g = { 0 };

	journal_commit(w->journal, tx, take, &g);
	assert_int_equal(g.calls, 0);
	wait_calls(w, &g, 1);
	return g.err;
}

static inline enum err
insert(struct world *w, const struct journal_upload *u)
{
	struct journal_tx tx = { .insert = u };

	return commit(w, &tx);
}

static inline enum err
set_state(struct world *w, const struct journal_upload *u,
	  enum upload_state state)
{
	struct journal_upload row = *u;
	struct journal_tx tx = { .update = &row, .set = JSET_STATE };

	row.state = state;
	return commit(w, &tx);
}

static inline struct got
get(struct world *w, const char *id)
{
	struct got g = { 0 };

	journal_get(w->journal, id, take, &g);
	wait_calls(w, &g, 1);
	return g;
}

static inline struct got
find(struct world *w, const char *key)
{
	struct got g = { 0 };

	journal_find(w->journal, "main", key, take, &g);
	wait_calls(w, &g, 1);
	return g;
}

/* One number, by a connection of the test's own. */
static inline long long
ask(struct world *w, const char *sql)
{
	sqlite3_stmt *st;
	long long n = -1;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

#endif
