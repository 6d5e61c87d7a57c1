/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master's table of the processes that it forked and keeps: workers and
 * courier. A child that dies is started again, later and later while it dies
 * at once; a child whose heart stops is killed. A child that was told to leave
 * is waited for, then told harder, then killed.
 */
#ifndef DAEMON_CHILDREN_H
#define DAEMON_CHILDREN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bridge/ledger.h"
#include "daemon/settings.h"

#define CHILDREN_MAX (LEDGER_WORKERS + 2) /* and two couriers */

/* What a child writes to its end of the pair, a byte each. */
#define CHILD_READY 'R'
#define CHILD_BEAT 'B' /* the courier; workers beat in the ledger */

/*
 * What the master writes, each harder than the one before. (Not signals: those
 * may also come from others, to all processes at once.)
 */
enum child_order {
	CHILD_STAYS,
	CHILD_RETIRE, /* takes no new connection, ends with its last one */
	CHILD_DRAIN,  /* also ends sessions that have nothing under way */
	CHILD_PARK    /* ends now; what is under way is parked */
};

enum child_kind { CHILD_WORKER, CHILD_COURIER };

struct child {
	bool used;
	enum child_kind kind;
	unsigned generation;
	struct settings *settings; /* a reference */
	int slot;		   /* in the ledger; -1: courier */
	pid_t pid;		   /* 0: dead, to be started again */
	int fd;			   /* the master's end; its end tells too */
	bool ready;
	bool came_up;		/* was ready, in this life or one before */
	bool killed;		/* its last life ended by a signal */
	enum child_order order; /* the last one given */
	unsigned deaths;	/* in a row, soon after the start */
	/* All clock_ms(); 0: not set. */
	uint64_t started, beat, restart_at, harder_at, kill_at;
};

struct children;

/* Runs in the child: lets go of the master's things, works, returns a code. */
typedef int children_run_fn(void *arg, const struct child *c, int fd);

/* A child that dies so often before it is ready will never be. */
#define CHILD_DEATHS_MAX 5

/*
 * Whether a child that is gone would not come up next time either: it ended by
 * itself, and has said why, or was killed again and again; and was never ready.
 */
bool child_hopeless(const struct child *c);

/* A child that was not told to leave is gone. True: start it again. */
typedef bool children_death_fn(void *arg, const struct child *c);

struct children *children_new(struct ledger *ledger, children_run_fn *run,
			      children_death_fn *death, void *arg);
void children_free(struct children *cs); /* all are gone */

/* ERR_TOO_LARGE: no slot is free; ERR_IO: fork failed. */
enum err children_start(struct children *cs, enum child_kind kind,
			struct settings *s, unsigned generation);

/* In a forked process: signal handlers and mask as a child wants them. */
void children_signals_reset(void);

/* In a forked process: closes what belongs to all children but `but`. */
void children_abandon(struct children *cs, const struct child *but);

/* Reaps; true when pid was one of them. */
bool children_reap(struct children *cs, pid_t pid, int status);

/*
 * Gives those of a kind older than the generation an order, unless they have a
 * harder one. After limit_ms (0: never) they get the next harder one.
 */
void children_order(struct children *cs, enum child_kind kind,
		    unsigned before_generation, enum child_order order,
		    uint64_t limit_ms);

/* SIGKILL: for a generation that did not come up. */
void children_drop(struct children *cs, unsigned generation);

/* Heartbeats, restarts, time limits. Returns ms until it wants to be called. */
unsigned children_tick(struct children *cs);

size_t children_poll_fill(const struct children *cs, struct pollfd *fds);
void children_poll_done(struct children *cs, const struct pollfd *fds,
			size_t n);

size_t children_count(const struct children *cs, enum child_kind kind);
/* How many of a generation have said that they are ready. */
size_t children_ready(const struct children *cs, enum child_kind kind,
		      unsigned generation);
/* The next entry in use at or behind *i, moving *i behind it; NULL: none. */
const struct child *children_next(const struct children *cs, size_t *i);

#endif
