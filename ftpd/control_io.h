/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of the control connection; for control.c alone. */
#ifndef FTPD_CONTROL_IO_H
#define FTPD_CONTROL_IO_H

#include "ftpd/control.h"

#define CONTROL_PENDING_MAX 32	       /* command lines that wait */
#define CONTROL_INPUT_MAX 8192	       /* bytes read and not yet cut */
#define CONTROL_OUTPUT_MAX (64 * 1024) /* bytes: above, no command starts */

/* A command line that waits. */
struct pending {
	struct pending *next;
	size_t len;
	char line[];
};

bool control_io_open(struct control *c);

/* Closes the socket too, and drops what waits. */
void control_io_close(struct control *c);

#endif
