/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users.ini as a file: read and replaced as a whole under a lock, so that two
 * sluicectl do not undo each other's work and sluiced never reads half of it.
 */
#ifndef CTL_USERS_FILE_H
#define CTL_USERS_FILE_H

#include <stdbool.h>

#include "ctl/ctl.h"

struct account;

struct users_file {
	char *path; /* symbolic links followed */
	int fd;	    /* locked */
	char *text;
};

/* All four print what is wrong. */

/* Makes the file where it is missing. */
bool users_file_open(struct users_file *u, const struct ctl *c);
void users_file_close(struct users_file *u); /* wipes the text */

/*
 * Puts text into the file's place, durably, if sluiced would accept it at
 * least as well as what is there; owner and mode stay.
 */
bool users_file_replace(struct users_file *u, const struct ctl *c,
			const char *text);

/* The users in the file's order; NULL when it cannot be read or is empty. */
struct account *users_file_accounts(const struct ctl *c);

#endif
