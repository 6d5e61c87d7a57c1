/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared memory behind bridge/ledger.h. No locks: a process may be killed
 * at any instruction. A worker alone writes its slot; everything else is
 * claimed by compare-and-swap. Open addressing throughout: an entry once used
 * keeps its place in its chain, so a reader never loses its way.
 */
#ifndef BRIDGE_LEDGER_PRIVATE_H
#define BRIDGE_LEDGER_PRIVATE_H

#include <stdatomic.h>

#include "bridge/ledger.h"

#define LEDGER_CONNS 1024 /* addresses with unauthenticated ones, a slot */
#define LEDGER_PROBE 64	  /* places tried for one hash */

/* A user with anything live in a slot; hash 0: never used. */
struct ledger_user {
	_Atomic uint64_t hash;
	_Atomic int64_t sessions, requests;
	_Atomic uint64_t spool;
};

struct ledger_conn {
	_Atomic uint64_t hash;
	_Atomic int64_t count;
};

/* key 0: never used, 1: free again. */
struct ledger_upload {
	_Atomic uint64_t key;
	char id[ID_LEN + 1];
};

struct ledger_slot {
	_Atomic int pid;
	_Atomic bool draining;
	_Atomic uint64_t beat;
	_Atomic int64_t gauges[LEDGER_GAUGES];
	_Atomic unsigned uploads_n;
	char session[16], user[64];
	struct ledger_user users[LEDGER_USERS];
	struct ledger_conn conns[LEDGER_CONNS];
	struct ledger_upload uploads[LEDGER_UPLOADS];
};

/* Failed log-ins of an address or a user name. */
struct ledger_failure {
	_Atomic uint64_t hash;
	_Atomic unsigned count;
	_Atomic uint64_t last; /* clock_ms() */
};

struct ledger_pin {
	_Atomic uint64_t hash; /* of the upload's id */
	_Atomic uint64_t off;
	_Atomic uint64_t until; /* clock_ms() */
};

struct ledger_shared {
	uint64_t seed;
	_Atomic uint64_t spool_max, spool_reserve;
	_Atomic unsigned user_sessions, addr_unauth, unauth_max;
	_Atomic unsigned failure_max, failure_window_ms;
	struct ledger_slot slots[LEDGER_WORKERS];
	struct ledger_failure failures[LEDGER_ADDRS];
	struct ledger_pin pins[LEDGER_PINS];
};

struct ledger {
	struct ledger_shared *sh;
	int slot; /* this process's */
};

struct ledger_slot *ledger_mine(const struct ledger *l); /* NULL: none */
uint64_t ledger_hash(const struct ledger *l, const void *data, size_t n);
uint64_t ledger_hash_user(const struct ledger *l, const char *user);
/* IPv4: the address; IPv6: its /64, which one customer has. */
uint64_t ledger_hash_addr(const struct ledger *l, const struct sockaddr *sa);

#endif
