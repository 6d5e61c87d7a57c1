/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/bridge.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/download.h"
#include "bridge/http.h"
#include "bridge/keylock.h"
#include "bridge/quota.h"
#include "bridge/recent.h"
#include "bridge/spool.h"
#include "bridge/sweeper.h"
#include "bridge/upload.h"
#include "bridge/xferlog.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SETTLE_MS 10000 /* for jobs of the pool when the bridge closes */

static enum err
journal_start(struct bridge *b)
{
	char *path = mem_printf("%s/journal.db", b->config->state_dir);
	char *lock = mem_printf("%s/journal.lock", b->config->state_dir);
	struct journal_config cfg = {
		.path = path,
		.lock_path = lock,
		.loop = b->loop,
	};
	enum err err = journal_open(&b->journal, &cfg);

	free(path);
	free(lock);
	return err;
}

static enum err
spool_start(struct bridge *b)
{
	struct spool_config cfg = {
		.dir = b->config->spool_dir,
		.free_max = b->config->spool_free_max,
		.loop = b->loop,
		.pool = b->pool,
	};
	enum err err = spool_open(&b->spool, &cfg);

	if (err)
		return err;
	return keylock_table_open(&b->locks, b->config->spool_dir);
}

static enum err
stores_start(struct bridge *b, struct conf *conf)
{
	struct store_env env = { b->loop, b->pool, NULL };
	char **name;
	enum err err;

	b->http = http_new(b->loop);
	env.http = b->http;
	b->stores = mem_array(BRIDGE_STORES_MAX, sizeof(*b->stores));
	for (name = b->config->stores; *name; name++) {
		err = store_open(&b->stores[b->nstores], conf, *name, &env);
		if (err) {
			log_error("bridge", NULL, "store_open",
				  KV_S("store", *name), KV_ERR(err));
			return err;
		}
		b->nstores++;
	}
	return ERR_OK;
}

static enum err
users_start(struct bridge *b, const char *users_file)
{
	struct auth_config cfg = {
		.users_file = users_file,
		.stores = (const char *const *)b->config->stores,
		.default_store = b->config->default_store,
		.user_ca_keys = b->config->user_ca_keys,
		.revoked_keys = b->config->revoked_keys,
		.loop = b->loop,
		.pool = b->logins,
	};

	return auth_open(&b->auth, &cfg);
}

enum err
bridge_open(struct bridge **out, struct conf *conf,
	    const struct bridge_config *cfg, struct ledger *ledger,
	    const char *users_file)
{
	struct bridge *b = mem_alloc(sizeof(*b));
	enum err err;

	b->config = cfg;
	b->ledger = ledger;
	b->loop = loop_new();
	b->pool = work_pool_new(b->loop, cfg->pool_threads);
	/*
	 * A hash takes 16 MiB and tens of ms of a core: log-ins wait for each
	 * other, and a flood of them does not keep the spool waiting.
	 */
	b->logins = work_pool_new(b->loop, 1);
	err = journal_start(b);
	if (!err)
		err = spool_start(b);
	if (!err)
		err = stores_start(b, conf);
	if (!err)
		err = users_start(b, users_file);
	if (err) {
		bridge_close(b);
		return err;
	}
	b->downloads = downloads_new(b->loop);
	b->uploads = uploads_new(b);
	b->sweeper = sweeper_new(b->uploads);
	b->quota = quota_new(b->uploads);
	b->recent = recent_new(b->journal);
	if (cfg->xferlog)
		b->xferlog = xferlog_new(b->pool, cfg->xferlog);
	*out = b;
	return ERR_OK;
}

/* What the pool still does may use the modules that close after this. */
static void
pool_settle(struct bridge *b)
{
	uint64_t end = clock_ms() + SETTLE_MS;

	loop_turn(b->loop, 0);
	while (work_pool_pending(b->pool) + work_pool_pending(b->logins) > 0 &&
	       clock_ms() < end)
		loop_turn(b->loop, 10);
}

void
bridge_close(struct bridge *b)
{
	size_t i;

	if (!b)
		return;
	pool_settle(b);
	sweeper_free(b->sweeper);
	quota_free(b->quota);
	recent_free(b->recent);
	if (b->uploads)
		uploads_free(b->uploads);
	downloads_free(b->downloads);
	auth_close(b->auth);
	xferlog_free(b->xferlog);
	for (i = 0; i < b->nstores; i++)
		store_close(b->stores[i]);
	free(b->stores);
	http_free(b->http);
	if (b->locks)
		keylock_table_close(b->locks);
	if (b->spool)
		spool_close(b->spool);
	if (b->journal)
		journal_close(b->journal);
	loop_flush(b->loop); /* what frees itself when it is called */
	work_pool_free(b->logins);
	work_pool_free(b->pool);
	loop_free(b->loop);
	free(b);
}

struct store *
bridge_store(const struct bridge *b, const char *name)
{
	size_t i;

	for (i = 0; i < b->nstores; i++) {
		if (strcmp(store_name(b->stores[i]), name) == 0)
			return b->stores[i];
	}
	return NULL;
}
