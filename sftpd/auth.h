/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log-in over SSH (RFC 4252, RFC 4256): password, public key and
 * keyboard-interactive with one prompt. The requests are taken as libssh's
 * messages, not by its callbacks, because the answer comes later: while it is
 * awaited nothing is read from the client.
 */
#ifndef SFTPD_AUTH_H
#define SFTPD_AUTH_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>

#include "sftpd/auth_watch.h"

struct conn;

struct auth_state {
	ssh_message pending; /* its answer is being found */
	ssh_message spare;   /* to answer what libssh drops; or NULL */
	struct auth_watch watch;
	char *name;	    /* the user that a prompt was sent for */
	unsigned char *key; /* what is being checked, in wire format */
	size_t key_len;
	bool verified; /* the key's signature was */
	bool welcomed; /* the text before the log-in was sent */
	bool done;     /* logged in */
	unsigned failures;
	unsigned probes; /* keys asked about and not accepted */
};

/* Takes what libssh has queued. May end the connection. */
void auth_run(struct conn *c);
void auth_free(struct auth_state *a);

#endif
