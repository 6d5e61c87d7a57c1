/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a channel: how input is taken, output sent and the end met. */
#ifndef SFTPD_CHANNEL_IO_H
#define SFTPD_CHANNEL_IO_H

#include "sftpd/channel.h"

/* From libssh: how much of the data was taken; the rest is offered again. */
int chan_take(struct chan *ch, const void *data, uint32_t len, bool is_stderr);

#endif
