/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker's sessions share: loop, pool, journal, spool, stores, users,
 * ledger, locks. Made by the worker after the fork, freed at its end.
 */
#ifndef BRIDGE_BRIDGE_H
#define BRIDGE_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/user.h"
#include "bridge/journal.h"
#include "bridge/ledger.h"
#include "bridge/store.h"
#include "lib/conf.h"
#include "lib/loop.h"
#include "lib/work.h"

struct spool;
struct http;
struct keylock_table;
struct peer;
struct downloads;
struct uploads; /* bridge/upload.h: all that this worker drives */
struct sweeper;
struct quota;
struct recent;
struct xferlog;

/*
 * [bridge] of sluice.ini, paths of [daemon] and the names of the [store.NAME]
 * sections, checked. Times in ms, sizes in bytes.
 */
struct bridge_config {
	char *state_dir; /* journal.db, journal.lock */
	char *spool_dir;
	char *run_dir; /* sockets */
	char *node;    /* this node's name */
	char *xferlog; /* file; NULL: none */
	uint64_t spool_max;
	uint64_t spool_free_max;     /* freed segments kept, per worker */
	unsigned spool_sync_ms;	     /* 2000 */
	uint64_t unsynced_max;	     /* bytes of the node */
	unsigned slow_patience_ms;   /* 300000: how long a client is slowed */
	uint64_t park_ttl_ms;	     /* 7 d */
	unsigned parts_in_flight;    /* per upload: 4 */
	unsigned requests_max;	     /* per worker: 16 */
	unsigned takeover_idle_ms;   /* 3000 */
	unsigned takeover_wait_ms;   /* 5000 */
	unsigned publishing_wait_ms; /* 10000 */
	uint64_t quota_recount_ms;   /* 1 d */
	unsigned pin_ms;	     /* 60000 */
	unsigned verify_after_ms;    /* cross-check when older: 60000 */
	unsigned pool_threads;	     /* per worker: 4 */
	bool park_events;	     /* [events] parked */
	char **temp_patterns;	     /* NULL-ended; see bridge/names.h */
	char **stores;		     /* names, NULL-ended; at least one */
	char *default_store;	     /* of users without one; NULL: none */
	char *user_ca_keys;	     /* of [daemon]: auth/user.h; or NULL */
	char *revoked_keys;
};

#define BRIDGE_STORES_MAX 32

/*
 * Complaints go into conf; *out is then incomplete but may be freed. The
 * sections of the stores themselves are checked by store_open() or
 * store_check(). The caller frees *out.
 */
void bridge_config_read(struct conf *conf, struct bridge_config *out);
void bridge_config_free(struct bridge_config *c);

struct bridge {
	struct loop *loop;
	struct work_pool *pool;
	struct work_pool *logins; /* hashes of passwords, one at a time */
	struct journal *journal;
	struct spool *spool;
	struct http *http;
	struct keylock_table *locks;
	struct ledger *ledger;
	struct auth *auth;
	struct peer *peer; /* NULL in tests without other workers */
	struct store **stores;
	size_t nstores;
	struct uploads *uploads;
	struct downloads *downloads;
	struct sweeper *sweeper;
	struct quota *quota;
	struct recent *recent;	 /* what became of objects just now */
	struct xferlog *xferlog; /* NULL: none is written */
	const struct bridge_config *config;
};

/*
 * Opens everything but the peer socket. The log says what failed. The caller
 * frees *out with bridge_close(), after its sessions are gone and
 * uploads_drain() has completed.
 */
enum err bridge_open(struct bridge **out, struct conf *conf,
		     const struct bridge_config *cfg, struct ledger *ledger,
		     const char *users_file);
void bridge_close(struct bridge *b);

/* NULL: no store has this name. */
struct store *bridge_store(const struct bridge *b, const char *name);

#endif
