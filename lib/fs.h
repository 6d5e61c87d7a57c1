/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file systems keep what was written when a process is killed, and let
 * nobody else write: those of this machine. On a network file system neither
 * the page cache nor a lock means what spool and journal rely on.
 */
#ifndef LIB_FS_H
#define LIB_FS_H

#include <stdint.h>

#include "lib/err.h"

#define FS_EXPECTED "ext4, xfs, btrfs, zfs, f2fs or tmpfs of this machine"

/* f_type of statfs(2). ERR_UNSUPPORTED: not known to be of this machine. */
enum err fs_check(unsigned long f_type);

/* A file system's name, or "unknown". */
const char *fs_name(unsigned long f_type);

struct fs_info {
	unsigned long type;
	uint64_t size; /* bytes */
};

/* Of the file system that path lies on, or will: the nearest parent counts. */
enum err fs_of(const char *path, struct fs_info *out);

#endif
