/* SPDX-License-Identifier: Apache-2.0 */
/* What libmagic makes of the first bytes of a file. */
#ifndef PROBE_MIME_H
#define PROBE_MIME_H

#include <stddef.h>

#define MIME_LOOK 65536 /* bytes that are looked at */

/* Reads the database; 0 or -1. Before the sandbox closes. */
int mime_load(void);

/* "video/mp4" and so on, or "application/octet-stream". */
const char *mime_of(const void *data, size_t n);

#endif
