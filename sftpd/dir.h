/* SPDX-License-Identifier: Apache-2.0 */
/* OPENDIR and READDIR: a page of the vfs is encoded as it comes and sent in
 * packets that every client takes. */
#ifndef SFTPD_DIR_H
#define SFTPD_DIR_H

#include "sftpd/req.h"

#define DIR_PAGE_MAX (4u << 20)	   /* bytes of one page, encoded */
#define DIR_PACKET_MAX (32u << 10) /* bytes of one NAME packet */

enum err parse_readdir(struct req *r, struct sftp_reader *in);
void start_opendir(struct req *r);
void start_readdir(struct req *r);

#endif
