/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the local store: a store on a folder of its own, with a
 * loop and a pool, whose calls are waited for. The folder is made where the
 * tests run: /tmp may have no extended attributes.
 */
#ifndef TESTS_UNIT_LOCAL_WORLD_H
#define TESTS_UNIT_LOCAL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/store.h"
#include "lib/conf.h"
#include "lib/crc32c.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/work.h"

struct world {
	char dir[256];	/* all of the test's files */
	char root[300]; /* the store's folder, below it */
	struct loop *loop;
	struct work_pool *pool;
	struct conf *conf;
	struct store *store;
};

/* What a call came back with, copied. */
struct got {
	bool done;
	enum err err;
	char why[256];
	struct store_object object;
	struct store_part part;
	struct store_part parts[16];
	size_t nparts, nentries, nuploads;
	char backend_id[STORE_BACKEND_ID_MAX + 1];
	char upload_id[STORE_BACKEND_ID_MAX + 1]; /* the first of uploads */
	char names[256]; /* the first entries, each with a space behind */
	char first[300], last[300], next[300];
	char data[4096];
	size_t len;
};

static void
take(void *arg, const struct store_result *res)
{
	struct got *g = arg;

	assert_false(g->done);
	g->done = true;
	g->err = res->err;
	str_copy(g->why, sizeof(g->why), res->why ? res->why : "");
	g->object = res->object;
	g->part = res->part;
	g->nparts = res->nparts;
	for (size_t i = 0; i < res->nparts && i < 16; i++)
		g->parts[i] = res->parts[i];
	if (res->backend_id)
		str_copy(g->backend_id, sizeof(g->backend_id), res->backend_id);
	g->nuploads = res->nuploads;
	if (res->nuploads)
		str_copy(g->upload_id, sizeof(g->upload_id),
			 res->uploads[0].backend_id);
	g->nentries = res->nentries;
	for (size_t i = 0; i < res->nentries; i++) {
		if (i < 8)
			str_printf(g->names, sizeof(g->names), "%s ",
				   res->entries[i].key);
		str_copy(i ? g->last : g->first, sizeof(g->first),
			 res->entries[i].key);
	}
	if (res->next)
		str_copy(g->next, sizeof(g->next), res->next);
	g->len = res->len;
	if (res->len)
		memcpy(g->data, res->data,
		       res->len < sizeof(g->data) ? res->len : sizeof(g->data));
}

/* Runs the loop until the call is over; WAIT(w, g, store_head(...)). */
#define WAIT(w, g, call)                            \
	do {                                        \
		memset((g), 0, sizeof(*(g)));       \
		assert_non_null(call);              \
		while (!(g)->done)                  \
			loop_turn((w)->loop, 1000); \
	} while (0)

static inline void
world_start(struct world *w, const char *settings)
{
	struct store_env env = { 0 };
	char path[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/store.ini", w->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "[store.t]\ntype = local\npath = %s\n%s\n", w->root,
		settings);
	fclose(f);
	w->loop = loop_new();
	w->pool = work_pool_new(w->loop, 2);
	w->conf = conf_load(path);
	env.loop = w->loop;
	env.pool = w->pool;
	assert_int_equal(store_open(&w->store, w->conf, "t", &env), ERR_OK);
	assert_int_equal(conf_finish(w->conf), 0);
}

static inline void
world_stop(struct world *w)
{
	store_close(w->store);
	while (work_pool_pending(w->pool))
		loop_turn(w->loop, 1000);
	work_pool_free(w->pool);
	loop_free(w->loop);
	conf_free(w->conf);
}

static inline void
world_make(struct world *w)
{
	char cwd[200];

	memset(w, 0, sizeof(*w));
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(w->dir, sizeof(w->dir), "%s/local-test-XXXXXX", cwd);
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->root, sizeof(w->root), "%s/root", w->dir);
}

static inline void
world_remove(struct world *w)
{
	char command[400];

	snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
	assert_int_equal(system(command), 0);
}

static inline struct store_body
body_of(const char *text)
{
	struct store_body b = { .data = text, .fd = -1, .len = strlen(text) };

	b.crc32c = crc32c(0, text, b.len);
	return b;
}

static inline enum err
put(struct world *w, struct got *g, const char *key, const char *text)
{
	struct store_body b = body_of(text);

	WAIT(w, g, store_put(w->store, key, NULL, &b, take, g));
	return g->err;
}

static inline enum err
put_part(struct world *w, struct got *g, struct store_target t, uint32_t no,
	 uint64_t off, const char *text)
{
	struct store_body b = body_of(text);

	struct store_slot slot = { no, off };

	WAIT(w, g, store_put_part(w->store, t, slot, &b, take, g));
	return g->err;
}

static inline enum err
head(struct world *w, struct got *g, const char *key)
{
	WAIT(w, g, store_head(w->store, key, take, g));
	return g->err;
}

/* The object's text in g->data, NUL-ended. */
static inline enum err
get(struct world *w, struct got *g, const char *key)
{
	struct store_range range = { 0, sizeof(g->data) - 1 };

	WAIT(w, g, store_get(w->store, key, NULL, range, take, g));
	return g->err;
}

#endif
