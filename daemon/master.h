/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master: binds the ports, reads keys and configuration, gives up its
 * privileges, forks workers and a courier and watches them. It starts no
 * thread and opens no database, so that a fork is always safe, and it touches
 * nothing that a client sent.
 */
#ifndef DAEMON_MASTER_H
#define DAEMON_MASTER_H

#include "daemon/settings.h"

/* Returns the process's exit code when the daemon has ended. Keeps s. */
int master_run(struct settings *s);

#endif
