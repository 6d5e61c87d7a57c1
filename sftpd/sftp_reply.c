/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/sftp_reply.h"

#include <string.h>

#define BLOCK 4096u
#define FILES_TOLD 1000000000u
#define NAME_MAX_TOLD 255u
#define ST_NOSUID_TOLD 2u

static uint32_t
u32_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

/* Starts a packet whose type byte and id are followed by `rest` bytes. */
static void
begin(struct buf *out, enum sftp_type type, uint32_t id, size_t rest)
{
	/* All of it or nothing: a packet cut short would be believed. */
	if (buf_reserve(out, 9 + rest) == NULL)
		return;
	buf_add_u32(out, (uint32_t)(5 + rest));
	buf_add_u8(out, (uint8_t)type);
	buf_add_u32(out, id);
}

static void
put_bytes(struct buf *out, const void *data, size_t n)
{
	buf_add_u32(out, (uint32_t)n);
	buf_add(out, data, n);
}

static size_t
attrs_len(const struct sftp_attrs *a)
{
	size_t n = 4;

	if (a->flags & SFTP_ATTR_SIZE)
		n += 8;
	if (a->flags & SFTP_ATTR_UIDGID)
		n += 8;
	if (a->flags & SFTP_ATTR_PERMISSIONS)
		n += 4;
	if (a->flags & SFTP_ATTR_ACMODTIME)
		n += 8;
	return n;
}

static void
put_attrs(struct buf *out, const struct sftp_attrs *a)
{
	buf_add_u32(out, a->flags);
	if (a->flags & SFTP_ATTR_SIZE)
		buf_add_u64(out, a->size);
	if (a->flags & SFTP_ATTR_UIDGID) {
		buf_add_u32(out, a->uid);
		buf_add_u32(out, a->gid);
	}
	if (a->flags & SFTP_ATTR_PERMISSIONS)
		buf_add_u32(out, a->permissions);
	if (a->flags & SFTP_ATTR_ACMODTIME) {
		buf_add_u32(out, a->atime);
		buf_add_u32(out, a->mtime);
	}
}

void
sftp_reply_version(struct buf *out, const struct sftp_extension *ext, size_t n)
{
	size_t i, len = 5;

	for (i = 0; i < n; i++)
		len += 8 + strlen(ext[i].name) + strlen(ext[i].data);
	if (buf_reserve(out, 4 + len) == NULL)
		return;
	buf_add_u32(out, (uint32_t)len);
	buf_add_u8(out, SFTP_VERSION);
	buf_add_u32(out, SFTP_VERSION_3);
	for (i = 0; i < n; i++) {
		buf_add_string(out, ext[i].name);
		buf_add_string(out, ext[i].data);
	}
}

void
sftp_reply_status(struct buf *out, uint32_t id, enum sftp_fx code,
		  const char *text)
{
	begin(out, SFTP_STATUS, id, 4 + 4 + strlen(text) + 4);
	buf_add_u32(out, code);
	buf_add_string(out, text);
	buf_add_u32(out, 0); /* no language tag */
}

void
sftp_reply_handle(struct buf *out, uint32_t id, const void *handle, size_t len)
{
	begin(out, SFTP_HANDLE, id, 4 + len);
	put_bytes(out, handle, len);
}

void
sftp_reply_data(struct buf *out, uint32_t id, const void *data, size_t n)
{
	begin(out, SFTP_DATA, id, 4 + n);
	put_bytes(out, data, n);
}

void
sftp_reply_attrs(struct buf *out, uint32_t id, const struct sftp_attrs *a)
{
	begin(out, SFTP_ATTRS, id, attrs_len(a));
	put_attrs(out, a);
}

void
sftp_put_entry(struct buf *entries, const char *name, const char *longname,
	       const struct sftp_attrs *a)
{
	size_t n = 8 + strlen(name) + strlen(longname) + attrs_len(a);

	if (buf_reserve(entries, n) == NULL)
		return;
	buf_add_string(entries, name);
	buf_add_string(entries, longname);
	put_attrs(entries, a);
}

size_t
sftp_entry_len(const uint8_t *entry)
{
	struct sftp_attrs a = { 0 };
	size_t n;

	n = 4 + u32_at(entry);
	n += 4 + u32_at(entry + n);
	a.flags = u32_at(entry + n);
	return n + attrs_len(&a);
}

void
sftp_reply_entries(struct buf *out, uint32_t id, uint32_t count,
		   const void *entries, size_t len)
{
	begin(out, SFTP_NAME, id, 4 + len);
	buf_add_u32(out, count);
	buf_add(out, entries, len);
}

void
sftp_reply_name(struct buf *out, uint32_t id, const char *name)
{
	const struct sftp_attrs none = { 0 };

	begin(out, SFTP_NAME, id, 4 + 8 + 2 * strlen(name) + attrs_len(&none));
	buf_add_u32(out, 1);
	sftp_put_entry(out, name, name, &none);
}

void
sftp_reply_limits(struct buf *out, uint32_t id)
{
	begin(out, SFTP_EXTENDED_REPLY, id, 4 * 8);
	buf_add_u64(out, SFTP_PACKET_TOLD);
	buf_add_u64(out, SFTP_DATA_MAX); /* of one READ */
	buf_add_u64(out, SFTP_DATA_MAX); /* of one WRITE */
	buf_add_u64(out, 0);		 /* handles: nothing is said */
}

void
sftp_reply_id_names(struct buf *out, uint32_t id, const struct buf *users,
		    const struct buf *groups)
{
	begin(out, SFTP_EXTENDED_REPLY, id,
	      8 + buf_len(users) + buf_len(groups));
	put_bytes(out, buf_data(users), buf_len(users));
	put_bytes(out, buf_data(groups), buf_len(groups));
}

void
sftp_reply_statvfs(struct buf *out, uint32_t id, const struct vfs_space *space)
{
	/* Clients multiply blocks by their size: stay below 2^63 bytes. */
	const uint64_t all = (space->total < INT64_MAX ? space->total
						       : (uint64_t)INT64_MAX) /
			     BLOCK;
	const uint64_t gone = space->used / BLOCK;
	const uint64_t left = all > gone ? all - gone : 0;
	uint64_t files = FILES_TOLD, free_files = FILES_TOLD;

	if (space->files_total != UINT64_MAX) {
		files = space->files_total;
		free_files = files > space->files_used
				     ? files - space->files_used
				     : 0;
	}

	begin(out, SFTP_EXTENDED_REPLY, id, 11 * 8);
	buf_add_u64(out, BLOCK); /* f_bsize, f_frsize */
	buf_add_u64(out, BLOCK);
	buf_add_u64(out, all); /* f_blocks, f_bfree, f_bavail */
	buf_add_u64(out, left);
	buf_add_u64(out, left);
	buf_add_u64(out, files); /* f_files, f_ffree, f_favail */
	buf_add_u64(out, free_files);
	buf_add_u64(out, free_files);
	buf_add_u64(out, 0);		  /* f_fsid */
	buf_add_u64(out, ST_NOSUID_TOLD); /* f_flag */
	buf_add_u64(out, NAME_MAX_TOLD);
}
