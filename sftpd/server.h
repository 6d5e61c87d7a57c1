/* SPDX-License-Identifier: Apache-2.0 */
/* What the connections of a worker share. */
#ifndef SFTPD_SERVER_H
#define SFTPD_SERVER_H

#include <libssh/server.h>

#include "sftpd/sftpd.h"

struct conn;
struct event;

struct sftpd {
	struct sftpd_config *config;
	struct bridge *bridge;
	ssh_bind bind;
	struct conn *conns;
	unsigned nconns;
	void *scratch;	   /* as large as the receive window; never filled */
	bool window_trick; /* the library has no option for the window */
	bool draining;
	sftpd_drained_fn *drained;
	void *drained_arg;
	struct event *drained_event; /* so that fn comes from the loop */
};

/* A connection is gone. */
void sftpd_forget(struct sftpd *d, struct conn *c);

#endif
