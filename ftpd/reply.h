/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies of the control connection (RFC 959 section 4.2), as text. Pure.
 */
#ifndef FTPD_REPLY_H
#define FTPD_REPLY_H

#include "lib/buf.h"
#include "lib/err.h"

#define REPLY_TEXT_MAX 2200 /* bytes in one line: a path, all quotes */

/* The reply to a command that ended with this error; ERR_OK gives 250. */
int reply_code(enum err err);

/* The same where a transfer had begun (behind the 150); ERR_OK gives 226. */
int reply_transfer_code(enum err err);

/*
 * "CODE text". What could end the line or be taken for Telnet is replaced;
 * text beyond the maximum is cut.
 */
void reply_line(struct buf *b, int code, const char *text);

/* A path between double quotes, which are doubled inside (RFC 959 app. II). */
void reply_quote(struct buf *b, const char *path);

#endif
