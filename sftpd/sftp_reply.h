/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the packets that a server sends (draft-ietf-secsh-filexfer-02,
 * section 7), each appended whole to a buffer. Pure. What does not fit below
 * the buffer's maximum sets its `failed`.
 */
#ifndef SFTPD_SFTP_REPLY_H
#define SFTPD_SFTP_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "bridge/vfs.h"
#include "lib/buf.h"
#include "sftpd/sftp_codec.h"

enum sftp_fx {
	SFTP_FX_OK,
	SFTP_FX_EOF,
	SFTP_FX_NO_SUCH_FILE,
	SFTP_FX_PERMISSION_DENIED,
	SFTP_FX_FAILURE,
	SFTP_FX_BAD_MESSAGE,
	SFTP_FX_NO_CONNECTION,
	SFTP_FX_CONNECTION_LOST,
	SFTP_FX_OP_UNSUPPORTED
};

#define SFTP_DATA_HEADER 13u  /* bytes of a DATA packet before its data */
#define SFTP_NAMES_HEADER 13u /* bytes of a NAME packet before its entries */

/* The extensions that VERSION announces: pairs of name and data. */
struct sftp_extension {
	const char *name, *data;
};

void sftp_reply_version(struct buf *out, const struct sftp_extension *ext,
			size_t n);
void sftp_reply_status(struct buf *out, uint32_t id, enum sftp_fx code,
		       const char *text);
void sftp_reply_handle(struct buf *out, uint32_t id, const void *handle,
		       size_t len);
void sftp_reply_data(struct buf *out, uint32_t id, const void *data, size_t n);
void sftp_reply_attrs(struct buf *out, uint32_t id, const struct sftp_attrs *a);

/* One name without attributes: the reply to REALPATH. */
void sftp_reply_name(struct buf *out, uint32_t id, const char *name);

/* An entry of a NAME packet by itself, and a packet of `count` of them. */
void sftp_put_entry(struct buf *entries, const char *name, const char *longname,
		    const struct sftp_attrs *a);
size_t sftp_entry_len(const uint8_t *entry); /* of one that was put */
void sftp_reply_entries(struct buf *out, uint32_t id, uint32_t count,
			const void *entries, size_t len);

/* The values of limits@openssh.com. */
void sftp_reply_limits(struct buf *out, uint32_t id);

/* users-groups-by-id@openssh.com: names of uids and of gids, as strings. */
void sftp_reply_id_names(struct buf *out, uint32_t id, const struct buf *users,
			 const struct buf *groups);

/* statvfs@openssh.com: sizes in bytes. */
void sftp_reply_statvfs(struct buf *out, uint32_t id,
			const struct vfs_space *space);

#endif
