/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks every store, in a child process of the master, whether bucket and
 * credentials work and what the server can do. The child starts the threads
 * that this takes and ends with it; what it found comes back through a pipe as
 * plain data, which the master hands to its workers.
 */
#ifndef DAEMON_STORECHECK_H
#define DAEMON_STORECHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bridge/store.h"
#include "daemon/settings.h"

struct store_state {
	char name[STORE_NAME_MAX + 1];
	char kind[16];
	enum err err; /* ERR_AGAIN: out of reach, caps are not known */
	char why[STORE_WHY_MAX];
	struct store_caps caps;
};

struct storecheck {
	pid_t pid; /* 0: none runs */
	int fd;	   /* readable when there is something for storecheck_read() */
	uint64_t deadline; /* clock_ms() */
	size_t n, got;
	struct store_state states[BRIDGE_STORES_MAX];
};

/*
 * in_child is called in the child before anything else, to let go of what is
 * the master's. ERR_IO.
 */
enum err storecheck_start(struct storecheck *c, struct settings *s,
			  void (*in_child)(void *arg), void *arg);

/* True when the check is over; stores without a result are ERR_AGAIN then. */
bool storecheck_read(struct storecheck *c);

/* Waits until it is over; for who has nothing else to do. */
void storecheck_wait(struct storecheck *c);

/* Gives up: kills the child. Harmless when none runs. */
void storecheck_stop(struct storecheck *c);

/*
 * Logs what each store answered. False when one of them can never work: wrong
 * credentials, no such bucket or folder.
 */
bool storecheck_log(const struct storecheck *c);

#endif
