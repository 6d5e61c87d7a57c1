/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WRITE, whose data goes from libssh's buffer to the vfs as it comes. The
 * three steps are called as the parser meets them.
 */
#ifndef SFTPD_WRITE_H
#define SFTPD_WRITE_H

#include "sftpd/channel.h"

void write_begin(struct chan *ch);
void write_data(struct chan *ch);
void write_end(struct chan *ch);

/* True while its data may not be written yet. */
bool write_waits(const struct chan *ch);

#endif
