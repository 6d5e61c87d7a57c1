/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared memory behind bridge/ledger.h. There is no lock in it: a process
 * may be killed, or stopped for minutes, at any instruction, and the others
 * go on. A worker alone writes its slot, so what it counts needs no more than
 * atomic stores, and is gone when the master wipes the slot. The two tables
 * of the node, failed log-ins and pins, are changed by compare-and-swap.
 */
#ifndef BRIDGE_LEDGER_PRIVATE_H
#define BRIDGE_LEDGER_PRIVATE_H

#include <stdatomic.h>

#include "bridge/ledger.h"

#define LEDGER_CONNS 8192	 /* addresses with connections, a slot */
#define LEDGER_PROBE 64		 /* places of a slot's table for one hash */
#define LEDGER_NODE_PROBE 16	 /* places of a node's table for one hash */
#define LEDGER_FAILURE_UNIT 1024 /* ms: how exactly failures are dated */

/* hash 0: never used, and nothing lies behind it. */
struct ledger_user {
	_Atomic uint64_t hash;
	_Atomic uint64_t spool;
	_Atomic int32_t sessions, requests;
};

struct ledger_conn {
	_Atomic uint64_t hash;
	_Atomic uint32_t count; /* not logged in yet */
	_Atomic uint32_t all;	/* where that is limited */
};

/* key 0: free. */
struct ledger_upload {
	_Atomic uint64_t key;
	_Atomic uint64_t id[2];
};

struct ledger_slot {
	_Atomic int pid; /* 0: free, -1: found for a worker to come */
	_Atomic bool draining;
	_Atomic uint64_t beat; /* clock_ms() */
	_Atomic uint32_t stores_down;
	_Atomic int64_t gauges[LEDGER_GAUGES];
	_Atomic uint64_t spool;	  /* bytes of all users */
	_Atomic int32_t sessions; /* of all users */
	_Atomic uint32_t conns_sum;
	_Atomic uint32_t uploads_sum;
	_Atomic uint32_t uploads_high; /* one behind the last one in use */
	char session[16], user[64];
	struct ledger_user users[LEDGER_USERS];
	struct ledger_conn conns[LEDGER_CONNS];
	struct ledger_upload uploads[LEDGER_UPLOADS];
} __attribute__((aligned(4096)));

/*
 * claim: even when the pin may be read, odd (with the writer's slot) while it
 * is written, and another value after each write.
 */
struct ledger_pin {
	_Atomic uint64_t claim;
	_Atomic uint64_t id[2];
	_Atomic uint64_t off;
	_Atomic uint64_t until; /* clock_ms() */
};

/* due: when what was moved is due, ns behind an arbitrary time. */
struct ledger_rate {
	_Atomic uint64_t hash;
	_Atomic uint64_t due;
};

struct ledger_shared {
	uint64_t seed[2];
	_Atomic uint64_t spool_max, spool_reserve;
	_Atomic int64_t parked; /* spool bytes that no slot counts */
	_Atomic unsigned user_sessions, addr_unauth, unauth_max;
	_Atomic unsigned addr_connections;
	_Atomic unsigned failure_max, failure_window_ms;
	_Atomic uint64_t failures[LEDGER_ADDRS]; /* see ledger_login.c */
	struct ledger_pin pins[LEDGER_PINS];
	struct ledger_rate rates[LEDGER_RATES];
	struct ledger_slot slots[LEDGER_WORKERS];
};

struct ledger {
	struct ledger_shared *sh;
	int slot; /* this process's; -1: none, then nothing is counted */
};

struct ledger_slot *ledger_mine(const struct ledger *l); /* NULL: none */

/* The slots that have a worker; start with -1, ends with -1. */
int ledger_next(const struct ledger *l, int slot);

/* Never 0. Keyed: what peers choose cannot be aimed at one place. */
uint64_t ledger_hash(const struct ledger *l, const void *data, size_t n);
uint64_t ledger_hash_user(const struct ledger *l, const char *user);
/* IPv4: the address; IPv6: its /64, which is one customer's. */
uint64_t ledger_hash_addr(const struct ledger *l, const struct sockaddr *sa);

/* What a process that died here was writing. */
void ledger_pins_wipe(struct ledger *l, int slot);

#endif
