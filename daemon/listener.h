/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listening socket: opened by the master, inherited by every worker of a
 * generation. Addresses are written "192.0.2.1:22", "[2001:db8::1]:22",
 * "name:22" or "*:22" (all addresses, IPv4 and IPv6: two sockets). Port 0 takes
 * a free port; listener_address() then tells which.
 */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

#define LISTENERS_MAX 32
#define LISTENER_TEXT_MAX 280 /* a host name of 255 bytes and a port */

enum listener_protocol {
	LISTENER_SFTP,
	LISTENER_FTP,
	LISTENER_FTPS,
	LISTENER_HTTP,
	LISTENER_HTTPS
};

/*
 * "sftp", "ftp", "ftps" (implicit TLS), "http", "https"; also the keys of
 * sluice.ini.
 */
const char *listener_protocol_name(enum listener_protocol p);

struct listener_spec {
	enum listener_protocol protocol;
	char text[LISTENER_TEXT_MAX]; /* as configured */
};

/* Only the form; the name may still be unknown. */
bool listener_spec_valid(const char *text);

struct listener;

/*
 * Opens the sockets of one spec and appends them to list, of which *n are used
 * and max may be. The log says what failed: ERR_INVALID (no such name),
 * ERR_IN_USE (somebody listens there), ERR_DENIED (a port below 1024), ERR_IO.
 * Blocks while a name is looked up.
 */
enum err listener_open(const struct listener_spec *spec, struct listener **list,
		       size_t *n, size_t max);
void listener_close(struct listener *l); /* NULL is fine */

int listener_fd(const struct listener *l);
enum listener_protocol listener_protocol(const struct listener *l);
const char *listener_address(const struct listener *l); /* "[::1]:2022" */

/* True when l was opened from an equal spec: a reload keeps it then. */
bool listener_matches(const struct listener *l,
		      const struct listener_spec *spec);

#endif
