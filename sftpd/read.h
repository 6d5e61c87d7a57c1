/* SPDX-License-Identifier: Apache-2.0 */
/*
 * READ. Clients keep many in flight at rising offsets: those that follow each
 * other are fetched as one range and answered one by one. A READ is answered
 * in full unless the file ends: some clients take less for the end.
 */
#ifndef SFTPD_READ_H
#define SFTPD_READ_H

#include "sftpd/req.h"

#define READ_MERGE_MAX (1u << 20) /* bytes fetched at once */

enum err parse_read(struct req *r, struct sftp_reader *in);
void start_read(struct req *r);

#endif
