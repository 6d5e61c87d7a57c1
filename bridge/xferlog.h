/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transfer log in the format of wu-ftpd, as proftpd and vsftpd write it
 * (xferlog(5)), for programs that read it. One struct xferlog per worker; all
 * append to one file, a line in one write. The pool writes, so a slow disk
 * holds nobody up; a file that was renamed or removed is made anew with the
 * next line, without a signal.
 */
#ifndef BRIDGE_XFERLOG_H
#define BRIDGE_XFERLOG_H

#include <stddef.h>

#include "bridge/transfer.h"
#include "lib/loop.h"
#include "lib/work.h"

#define XFERLOG_LINE_MAX 2048 /* bytes, with the end of the line */

struct xferlog;

/* Says in the log when the file cannot be written, and tries again. */
struct xferlog *xferlog_new(struct work_pool *pool, const char *path);
/* Writes what is left. No job of the pool runs any more. NULL is fine. */
void xferlog_free(struct xferlog *x);

void xferlog_add(struct xferlog *x, const struct transfer_end *t);

/* The line of a transfer that ended at that time (Unix s, local zone). */
void xferlog_line(char *out, size_t size, const struct transfer_end *t,
		  int64_t now);

#endif
