/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/wire.h"

#include <string.h>

enum sftp_fx
wire_status(enum err err)
{
	switch (err) {
	case ERR_OK:
		return SFTP_FX_OK;
	case ERR_NOT_FOUND:
	case ERR_NOT_DIR:
		return SFTP_FX_NO_SUCH_FILE;
	case ERR_DENIED:
		return SFTP_FX_PERMISSION_DENIED;
	case ERR_UNSUPPORTED:
		return SFTP_FX_OP_UNSUPPORTED;
	case ERR_AGAIN:
	case ERR_EXISTS:
	case ERR_INVALID:
	case ERR_IN_USE:
	case ERR_PUBLISHING:
	case ERR_CONFLICT:
	case ERR_NO_SPACE:
	case ERR_QUOTA:
	case ERR_TOO_LARGE:
	case ERR_NOT_EMPTY:
	case ERR_IS_DIR:
	case ERR_CORRUPT:
	case ERR_INCOMPLETE:
	case ERR_IO:
	case ERR_CANCELED:
		return SFTP_FX_FAILURE;
	}
	return SFTP_FX_FAILURE;
}

static uint32_t
time_u32(int64_t t)
{
	if (t < 0)
		return 0;
	return t > UINT32_MAX ? UINT32_MAX : (uint32_t)t;
}

void
wire_attrs(struct sftp_attrs *out, const struct vfs_stat *st)
{
	memset(out, 0, sizeof(*out));
	out->flags = SFTP_ATTR_SIZE | SFTP_ATTR_UIDGID | SFTP_ATTR_PERMISSIONS |
		     SFTP_ATTR_ACMODTIME;
	out->uid = WIRE_ID;
	out->gid = WIRE_ID;
	out->size = st->size;
	out->permissions = st->mode;
	out->mtime = time_u32(st->mtime);
	out->atime = out->mtime;
}

void
wire_vfs_attrs(struct vfs_attrs *out, const struct sftp_attrs *a)
{
	memset(out, 0, sizeof(*out));
	if (a->flags & SFTP_ATTR_SIZE) {
		out->set |= VFS_SET_SIZE;
		out->size = a->size;
	}
	if (a->flags & SFTP_ATTR_UIDGID)
		out->set |= VFS_SET_OWNER;
	if (a->flags & SFTP_ATTR_PERMISSIONS) {
		out->set |= VFS_SET_MODE;
		out->mode = a->permissions & 07777;
	}
	if (a->flags & SFTP_ATTR_ACMODTIME) {
		out->set |= VFS_SET_MTIME;
		out->mtime = a->mtime;
	}
}

unsigned
wire_open_flags(uint32_t pflags)
{
	static const struct {
		uint32_t wire;
		unsigned vfs;
	} map[] = {
		{ SFTP_READ_FLAG, VFS_READ },
		{ SFTP_WRITE_FLAG, VFS_WRITE },
		{ SFTP_APPEND_FLAG, VFS_APPEND },
		{ SFTP_CREAT_FLAG, VFS_CREAT },
		{ SFTP_TRUNC_FLAG, VFS_TRUNC },
		{ SFTP_EXCL_FLAG, VFS_EXCL },
	};
	unsigned flags = 0;
	size_t i;

	for (i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		if (pflags & map[i].wire)
			flags |= map[i].vfs;
	}
	/* APPEND alone means writing: some clients leave WRITE out. */
	if (flags & VFS_APPEND)
		flags |= VFS_WRITE;
	if (!(flags & (VFS_READ | VFS_WRITE)))
		return 0;
	if (!(flags & VFS_WRITE))
		flags &= ~(unsigned)(VFS_CREAT | VFS_TRUNC | VFS_EXCL);
	return flags;
}
