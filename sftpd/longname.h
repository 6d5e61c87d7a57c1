/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The long name of a directory entry, as `ls -l` prints it. Version 3 says
 * that clients should not parse it; WinSCP and FileZilla do.
 */
#ifndef SFTPD_LONGNAME_H
#define SFTPD_LONGNAME_H

#include <stddef.h>
#include <stdint.h>

#include "bridge/vfs.h"

#define LONGNAME_MAX 1280 /* with a name of 1024 bytes and its NUL */

/*
 * "-rw-r--r--    1 ann      ann          1234 Jan 31 12:00 name"; a time that
 * is more than half a year from `now` shows its year instead of the hour.
 * owner stands in the place of user and group. Both times are Unix seconds.
 */
void longname_format(char dst[LONGNAME_MAX], const struct vfs_entry *e,
		     const char *owner, int64_t now);

#endif
