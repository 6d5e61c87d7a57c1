/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which account the daemon runs as. Started as root it becomes the configured
 * one and keeps nothing of root; started as anybody else it stays who it is.
 */
#ifndef DAEMON_PRIVILEGES_H
#define DAEMON_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

struct privileges {
	bool change; /* started as root, and to become somebody else */
	uid_t uid;
	gid_t gid;
	char *user; /* for initgroups(3) */
};

/*
 * user and group are as in sluice.ini; NULL: not given. ERR_INVALID: the log
 * says what is missing. The caller frees with privileges_free().
 */
enum err privileges_resolve(struct privileges *p, const char *user,
			    const char *group);
void privileges_free(struct privileges *p);

/* Makes a folder with mode 0700 for the account; one that exists is kept. */
enum err privileges_folder(const struct privileges *p, const char *path);

/* For good, with all capabilities, and proves it. ERR_DENIED. */
enum err privileges_drop(const struct privileges *p);

#endif
