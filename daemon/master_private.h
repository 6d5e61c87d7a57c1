/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master's inside, shared by master*.c only.
 *
 * What a generation of workers needs is brought up in the same steps at the
 * start and at a reload: the stores are asked, a courier opens the journal, the
 * workers start; when all have said that they are ready, the older generation
 * is told to leave. A step that fails ends the daemon at the start, and a
 * reload with everything as it was.
 */
#ifndef DAEMON_MASTER_PRIVATE_H
#define DAEMON_MASTER_PRIVATE_H

#include "daemon/children.h"
#include "daemon/ctlsocket.h"
#include "daemon/listener.h"
#include "daemon/master.h"
#include "daemon/privileges.h"
#include "daemon/storecheck.h"

#define COURIER_END_MS 10000 /* for the courier's last checkpoint */

enum master_state {
	MASTER_STARTING,
	MASTER_RUNNING,
	MASTER_RELOADING,
	MASTER_DRAINING, /* without a time limit */
	MASTER_STOPPING
};

/* What one generation serves with. */
struct serving {
	struct settings *settings; /* a reference */
	struct listener *listeners[LISTENERS_MAX];
	size_t nlisteners;
	struct store_state stores[BRIDGE_STORES_MAX];
	size_t nstores;
	unsigned generation;
};

enum bringup_step {
	BRINGUP_NONE,
	BRINGUP_STORES,
	BRINGUP_COURIER,
	BRINGUP_WORKERS
};

struct bringup {
	enum bringup_step step;
	struct serving next;
	struct storecheck check;
	struct ctlsocket_client *client; /* who asked, or NULL */
};

struct master {
	enum master_state state;
	struct privileges privileges;
	struct serving now; /* generation 0: nothing serves yet */
	struct bringup up;
	struct ledger *ledger;
	struct children *children;
	struct ctlsocket *control;
	int signal_fd;
	int spool_lock, state_lock; /* the same folder: only one */
	unsigned generation;	    /* the highest given out */
	int64_t started_wall;
	uint64_t started, watchdog_ms, watchdog_at;
	bool reload_again; /* SIGHUP came while a reload was under way */
	bool stop_asked;   /* a further SIGTERM hastens */
	int code;
};

void master_enter(struct master *m, enum master_state state);

/* master_bringup.c */

/* Opens the listeners that s names; those of `now` are used where equal. */
enum err serving_open(struct serving *out, struct master *m,
		      struct settings *s);
/* Lets go of what `kept` (may be NULL) does not have as well. */
void serving_close(struct serving *s, const struct serving *kept);
void serving_unlisten(struct serving *s);

/*
 * Keys and certificates of what is listened for: those that must be there,
 * which perhaps only root can read, and those that are made when missing,
 * which are to belong to the daemon's account.
 */
enum { SECRETS_FOUND = 1, SECRETS_MADE = 2 };
enum err master_secrets(struct settings *s, unsigned which);

/* m->up.next is open. */
void bringup_start(struct master *m, struct ctlsocket_client *client);
void bringup_tick(struct master *m);
void bringup_fail(struct master *m, enum err err, const char *why);
void master_reload(struct master *m, struct ctlsocket_client *client);

/* master_status.c */

/* The JSON of `status`; the caller frees. */
char *master_status(const struct master *m);

#endif
