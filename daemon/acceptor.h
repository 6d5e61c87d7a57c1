/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's side of the listeners: accepts connections and hands them to the
 * front ends. A worker that has clearly more connections than the least loaded
 * one yields for a moment, but never so long that a connection would stay
 * unanswered should the others be stuck.
 */
#ifndef DAEMON_ACCEPTOR_H
#define DAEMON_ACCEPTOR_H

#include <sys/socket.h>

#include "bridge/ledger.h"
#include "daemon/listener.h"
#include "lib/loop.h"

struct acceptor;

/* Takes ownership of fd: a TCP socket, non-blocking, without Nagle. */
typedef void acceptor_fn(void *arg, enum listener_protocol protocol, int fd,
			 const struct sockaddr *peer);

struct acceptor_config {
	struct loop *loop;
	struct ledger *ledger;
	struct listener *const *listeners; /* borrowed, until it is closed */
	size_t nlisteners;
	/* Connections of this worker now, and the most it takes. */
	unsigned (*connections)(void *arg);
	unsigned connections_max;
};

struct acceptor *acceptor_new(const struct acceptor_config *cfg,
			      acceptor_fn *fn, void *arg);

/* Accepts no more; the listeners stay open. NULL is fine. */
void acceptor_free(struct acceptor *a);

#endif
