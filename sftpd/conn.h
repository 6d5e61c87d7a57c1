/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SSH connection: libssh's session driven from the worker's loop, the log-
 * in, and the channels on it. Nothing here is freed from inside a callback of
 * libssh or a completion of vfs: those only leave word and wake the
 * connection, which then runs from the loop.
 */
#ifndef SFTPD_CONN_H
#define SFTPD_CONN_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdbool.h>
#include <stdint.h>

#include "sftpd/auth.h"
#include "sftpd/server.h"

struct chan;
struct event;
struct loop_timer;

/* Why nothing is read from the socket: reading goes on when none is left. */
enum conn_stop {
	STOP_LOGIN = 1, /* an attempt is being checked */
	STOP_FILE = 2,	/* a file is paused */
	STOP_INPUT = 4	/* a channel cannot take what it was sent */
};

struct conn {
	struct conn *prev, *next; /* of sftpd's list */
	struct sftpd *d;
	struct session *session;
	ssh_session ssh; /* NULL: the connection is gone, requests end */
	ssh_event poll;
	int fd; /* libssh's */
	struct ssh_server_callbacks_struct callbacks;
	struct event *readable, *writable, *wake;
	struct loop_timer *timer;
	struct auth_state auth;
	struct chan *chans;
	unsigned nchans;
	unsigned stops; /* enum conn_stop */
	bool wrote;	/* libssh was given something to send */
	bool again;	/* woken while it ran */
	bool busy;
	bool gone;	       /* the connection is; c->ssh is not */
	unsigned paused;       /* files that asked for a pause */
	uint64_t life_at;      /* ms: the client waits for us since then */
	uint64_t born, active; /* ms: accepted, last heard of */
	bool leaving;	       /* draining: we have closed all channels */
	const char *ending;    /* to be disconnected: why */
};

/* Takes fd, also on failure, and session on success. */
struct conn *conn_new(struct sftpd *d, int fd, struct session *session);

/* Ends it now: uploads under way are broken off. */
void conn_free(struct conn *c);

/* Runs the connection from the loop, soon. */
void conn_wake(struct conn *c);

/* To be disconnected when it runs next. why is static text for the log. */
void conn_end(struct conn *c, const char *why);

void conn_stop(struct conn *c, enum conn_stop why);
void conn_go(struct conn *c, enum conn_stop why);

/* A file asks for a pause, or for its end. */
void conn_pause(struct conn *c, bool paused);

#endif
