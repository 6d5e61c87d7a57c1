/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The courier: the one process that checkpoints the journal and prunes its
 * ended rows. Probing of published files and delivery of their events have
 * their place here too. Ends when the master says so, or with it.
 */
#ifndef DAEMON_COURIER_H
#define DAEMON_COURIER_H

#include "daemon/settings.h"

/* fd: to the master, as a worker's. The process's exit code. */
int courier_run(const struct settings *s, int fd);

#endif
