/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts what a control connection brings into command lines. Pure: bytes in,
 * lines out. Telnet commands (RFC 854) are swallowed: clients send IP and
 * Synch before ABOR, with or without TLS. A line ends with CR LF or with LF
 * alone; other control bytes make it a bad one.
 */
#ifndef FTPD_LINE_H
#define FTPD_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define FTP_LINE_MAX 4096  /* bytes, without the line's end */
#define FTP_SKIP_MAX 65536 /* bytes of a longer line before it counts again */

enum line_status {
	LINE_MORE,  /* all bytes are used; the line has not ended */
	LINE_READY, /* text and len hold a line, until the next call */
	LINE_LONG,  /* a line was too long and has been skipped */
	LINE_BAD,   /* a line with NUL or control bytes has been skipped */
};

enum line_telnet {
	TELNET_NONE,
	TELNET_IAC,
	TELNET_OPTION, /* behind WILL, WONT, DO, DONT */
	TELNET_SUB,    /* between SB and IAC SE */
	TELNET_SUB_IAC,
};

struct line_reader {
	size_t len;
	size_t skipped; /* bytes beyond the maximum */
	enum line_telnet telnet;
	bool done, cr, bad;
	char text[FTP_LINE_MAX + 1];
};

void line_init(struct line_reader *r);

/* Uses bytes up to the end of one line; returns how many. */
size_t line_feed(struct line_reader *r, const void *data, size_t n,
		 enum line_status *status);

/* Wipes the line that was read: it held a password. */
void line_wipe(struct line_reader *r);

#endif
