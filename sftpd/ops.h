/* SPDX-License-Identifier: Apache-2.0 */
/* The table of packets: which request is which row, and the first packet. */
#ifndef SFTPD_OPS_H
#define SFTPD_OPS_H

#include <stdint.h>

#include "sftpd/req.h"

/* The row, or NULL. Reads the name of an extension from `in`. */
const struct op *ops_find(uint8_t type, struct sftp_reader *in);

/* INIT, which must be the first packet and comes once. */
void ops_init(struct chan *ch, uint8_t type, struct sftp_reader *in);

/* What is done to a handle that the client left open. */
extern const struct op op_abandon;

#endif
