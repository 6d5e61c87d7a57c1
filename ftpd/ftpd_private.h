/* SPDX-License-Identifier: Apache-2.0 */
/* What the sessions of a worker share. */
#ifndef FTPD_FTPD_PRIVATE_H
#define FTPD_FTPD_PRIVATE_H

#include "ftpd/ftp_tls.h"
#include "ftpd/ftpd.h"
#include "lib/loop.h"

#define FTPD_BUFFER (256 * 1024) /* bytes, one buffer per worker */

struct control;

struct ftpd {
	const struct ftpd_config *config;
	struct bridge *bridge;
	struct loop *loop;
	struct ftp_tls *tls; /* NULL: off */
	struct public_addresses *public;
	struct control *controls;
	unsigned count;
	bool draining;
	unsigned char *buffer; /* for what is consumed at once */
};

#endif
