/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one event loop with the front ends, the bridge and its threads,
 * from its birth after the fork to its end. When the master tells it to drain
 * it takes no new connection, lets sessions finish what they do, and ends. When
 * it is told to park, or the master is gone, it closes the sessions at once;
 * what they were uploading is resumable.
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
