/* SPDX-License-Identifier: Apache-2.0 */
/* What an enum err, a vfs_stat and attributes are on the wire. Pure. */
#ifndef SFTPD_WIRE_H
#define SFTPD_WIRE_H

#include "bridge/vfs.h"
#include "lib/err.h"
#include "sftpd/sftp_codec.h"
#include "sftpd/sftp_reply.h"

/* The number that stands for the user, and for the user's group. */
#define WIRE_ID 1000u

enum sftp_fx wire_status(enum err err);
void wire_attrs(struct sftp_attrs *out, const struct vfs_stat *st);

/* What a client asks to set. An access time is not kept. */
void wire_vfs_attrs(struct vfs_attrs *out, const struct sftp_attrs *a);

/* SFTP's pflags as VFS_*; 0: they make no sense. */
unsigned wire_open_flags(uint32_t pflags);

#endif
