/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one event loop with the front ends, the bridge and its threads,
 * from its birth after the fork to its end, which the master orders in steps
 * (children.h): a worker that retires takes no new connection and ends with its
 * last session; one that drains also ends sessions that have nothing under way;
 * one that parks, as it does when the master is gone, ends all of them at once,
 * and what they were uploading is resumable.
 */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include <stddef.h>

#include "bridge/ledger.h"
#include "daemon/listener.h"
#include "daemon/settings.h"
#include "daemon/storecheck.h"

struct worker_env {
	struct settings *settings;
	struct ledger *ledger;
	int slot;
	int fd; /* to the master: CHILD_READY goes out, its end means death */
	struct listener **listeners; /* owned: closed when it drains */
	size_t nlisteners;
	const struct store_state *stores;
	size_t nstores;
};

/* The process's exit code: 0 when it was told to end. */
int worker_run(const struct worker_env *env);

#endif
