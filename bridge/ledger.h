/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processes of a node know of each other, in shared memory: the
 * scoreboard. The master makes it before it forks. Each worker writes only its
 * own slot; readers sum over slots, so a dead worker's share vanishes when the
 * master wipes its slot. Fixed size: a full table refuses, it never grows.
 * Users are told apart by a 64-bit hash of their name.
 */
#ifndef BRIDGE_LEDGER_H
#define BRIDGE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "lib/err.h"
#include "lib/id.h"

#define LEDGER_WORKERS 64   /* slots, old generations that drain included */
#define LEDGER_USERS 1024   /* users with anything live, a slot */
#define LEDGER_UPLOADS 4096 /* uploads driven, a slot */
#define LEDGER_ADDRS 4096   /* addresses remembered, a node */
#define LEDGER_PINS 1024    /* reported offsets kept, a node */
#define LEDGER_RATES 4096   /* users with a limited rate at once, a node */

struct ledger;

struct ledger_limits {
	uint64_t spool_max;	/* node's spool bytes */
	uint64_t spool_reserve; /* one largest part, set aside */
	unsigned user_sessions; /* logged-in sessions of one user */
	unsigned addr_unauth;	/* unauthenticated connections, one address */
	unsigned addr_connections; /* all connections, one address */
	unsigned unauth_max;	   /* unauthenticated connections, the node */
	unsigned failure_max;	   /* failed log-ins before an address waits */
	unsigned failure_window_ms;
};

struct ledger *ledger_new(const struct ledger_limits *limits);
void ledger_free(struct ledger *l);
void ledger_set_limits(struct ledger *l, const struct ledger_limits *limits);

/* Slots. The master finds a free one, the worker enters it after the fork. */
int ledger_slot_find(struct ledger *l); /* -1: none free */
void ledger_enter(struct ledger *l, int slot, pid_t pid);
void ledger_wipe(struct ledger *l, int slot);
int ledger_slot(const struct ledger *l); /* this process's; -1: none */

/* Heartbeat: the worker beats from its loop; the master reads ages. */
void ledger_beat(struct ledger *l);
uint64_t ledger_beat_age_ms(const struct ledger *l, int slot);

/* Whose session the worker serves at this moment ("" when idle). */
void ledger_serving(struct ledger *l, const char *session, const char *user);

struct ledger_worker {
	pid_t pid; /* 0: free */
	bool draining;
	unsigned connections, sessions, uploads;
	uint64_t spool_bytes, received_bytes, stored_bytes;
	uint64_t published, failed;
	uint32_t stores_down; /* bit i: the i-th store of its configuration */
	char session[16], user[64]; /* being served */
};
void ledger_worker(const struct ledger *l, int slot, struct ledger_worker *out);
void ledger_set_draining(struct ledger *l, bool draining);

/* The index-th store of the configuration (below 32) does not answer, or does. */
void ledger_store_down(struct ledger *l, unsigned index, bool down);

/* Counters of this worker's slot; amounts may be negative for gauges. */
enum ledger_gauge {
	LEDGER_CONNECTIONS,
	LEDGER_RECEIVED,
	LEDGER_STORED,
	LEDGER_PUBLISHED,
	LEDGER_FAILED,
	LEDGER_OVERDRAFT, /* spool bytes received without room for them */
	LEDGER_UNSYNCED,  /* spool bytes that a loss of power would take */
	LEDGER_GAUGES
};
void ledger_add(struct ledger *l, enum ledger_gauge g, int64_t n);

/* True for the first of the workers that are not on their way out. */
bool ledger_is_first(const struct ledger *l);

/* True while this worker should accept: not clearly above the least loaded. */
bool ledger_may_accept(const struct ledger *l);

/* Unauthenticated connections and failed log-ins, by address. */
enum err ledger_conn_begin(struct ledger *l, const struct sockaddr *sa);
void ledger_conn_end(struct ledger *l, const struct sockaddr *sa);
void ledger_login_failed(struct ledger *l, const struct sockaddr *sa,
			 const char *user);
void ledger_login_ok(struct ledger *l, const struct sockaddr *sa,
		     const char *user);
/* How long the answer to a log-in must be held back, ms; grows per failure. */
unsigned ledger_login_delay(const struct ledger *l, const struct sockaddr *sa,
			    const char *user);
/* True when the address failed so often that it is refused for a while. */
bool ledger_login_blocked(const struct ledger *l, const struct sockaddr *sa);

/* All connections of an address; true: counted, to be ended. */
enum err ledger_addr_begin(struct ledger *l, const struct sockaddr *sa,
			   bool *counted);
void ledger_addr_end(struct ledger *l, const struct sockaddr *sa);

/* Sessions of a user over all workers: ERR_QUOTA when max is reached. */
enum err ledger_session_begin(struct ledger *l, const char *user, unsigned max);
void ledger_session_end(struct ledger *l, const char *user);

/*
 * Spool bytes, taken before they are written. ERR_QUOTA: the node's spool or
 * the user's fair share (spool_max / users with spool bytes, at least) is used
 * up. `finish` may also use the reserve: one upload at a time per node may
 * finish a part with it.
 */
enum err ledger_spool_take(struct ledger *l, const char *user, uint64_t n,
			   bool finish);
void ledger_spool_give(struct ledger *l, const char *user, uint64_t n);
/* Bytes that are in the spool already: counted, whether they fit or not. */
void ledger_spool_charge(struct ledger *l, const char *user, uint64_t n);

/*
 * Spool bytes of uploads that nobody drives, of the node. They count against
 * the quota, but never for more than half of it, so that what goes on can go
 * on. Who parks an upload or takes it up adjusts them; ledger_parked_set()
 * puts right what a process that was killed left out.
 */
void ledger_parked_add(struct ledger *l, int64_t n);
void ledger_parked_set(struct ledger *l, uint64_t n);
uint64_t ledger_parked(const struct ledger *l);

/* The node's, with parked ones and with overdrafts. */
uint64_t ledger_spool_used(const struct ledger *l);
uint64_t ledger_unsynced(const struct ledger *l); /* the node's */

/*
 * Bytes that a user has moved, at so many bytes a second over all workers;
 * rate 0: no limit. Returns how long the mover must wait now, ms. It may be
 * told late: then the wait is longer.
 */
struct ledger_flow {
	bool download;
	uint64_t bytes, rate;
};
unsigned ledger_rate_take(struct ledger *l, const char *user,
			  const struct ledger_flow *f, uint64_t now_ms);

/* Store requests in flight of a user over all workers, for fairness. */
void ledger_requests(struct ledger *l, const char *user, int n);

/* Uploads that this worker drives; any process can look one up. */
enum err ledger_upload_add(struct ledger *l, const char *id, uint64_t key);
void ledger_upload_remove(struct ledger *l, const char *id);
bool ledger_drives(const struct ledger *l, const char *id); /* any worker */
/* The slot that drives the key, or -1; id gets the upload's id. */
int ledger_upload_find(const struct ledger *l, uint64_t key,
		       char id[ID_LEN + 1]);

/*
 * Pins: an offset reported to another session stays usable until it expires.
 * A later pin of the same upload replaces the earlier one.
 */
void ledger_pin(struct ledger *l, const char *id, uint64_t off, unsigned ms);
bool ledger_pinned(const struct ledger *l, const char *id, uint64_t *off);

#endif
