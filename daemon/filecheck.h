/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the files and folders that the configuration names are there, and
 * may be used by the account that the daemon will run as. filecheck() is for
 * "sluiced -t": it makes and changes nothing. The daemon itself finds out by
 * using them, but for what filecheck_folders() looks at.
 */
#ifndef DAEMON_FILECHECK_H
#define DAEMON_FILECHECK_H

#include <stddef.h>

#include "daemon/privileges.h"
#include "daemon/settings.h"

/*
 * Host keys, certificate and its key, the users file, secrets in files, and
 * the three folders. Looks in a child process, which becomes the account.
 * Gives the number of complaints; what will do but should not stay so is
 * logged as a warning.
 */
size_t filecheck(struct settings *s, const struct privileges *account,
		 settings_complain_fn *fn, void *arg);

/*
 * That spool and state lie on file systems of this machine, and that the spool
 * can hold two of the largest parts. For the start too.
 */
size_t filecheck_folders(const struct settings *s, settings_complain_fn *fn,
			 void *arg);

#endif
