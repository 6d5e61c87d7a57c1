/* SPDX-License-Identifier: Apache-2.0 */
/* File names and whole reads and writes: what every part of the spool needs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/spool_private.h"
#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/mem.h"

void
spool_name(char out[SPOOL_NAME_MAX], const struct segment_id *id)
{
	snprintf(out, SPOOL_NAME_MAX, "%.32s.%u.%u", id->upload, id->no,
		 id->rewind);
}

/* Digits as spool_name() writes them: no sign, no leading zero. */
static const char *
number_parse(const char *p, uint32_t *out)
{
	uint64_t v = 0;

	if (*p == '0' && p[1] >= '0' && p[1] <= '9')
		return NULL;
	if (*p < '0' || *p > '9')
		return NULL;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > UINT32_MAX)
			return NULL;
	}
	*out = (uint32_t)v;
	return p;
}

enum err
spool_name_parse(const char *name, struct segment_id *id)
{
	const char *p;

	memset(id, 0, sizeof(*id));
	if (strnlen(name, ID_LEN + 1) <= ID_LEN || name[ID_LEN] != '.')
		return ERR_INVALID;
	memcpy(id->upload, name, ID_LEN);
	if (!id_valid(id->upload))
		return ERR_INVALID;
	p = number_parse(name + ID_LEN + 1, &id->no);
	if (!p || *p != '.' || id->no == 0)
		return ERR_INVALID;
	p = number_parse(p + 1, &id->rewind);
	return p && *p == '\0' ? ERR_OK : ERR_INVALID;
}

static enum err
write_error(int errnum, uint64_t off)
{
	if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG)
		return ERR_NO_SPACE;
	log_error("spool", NULL, "write", KV_U("offset", off),
		  KV_ERRNO(errnum));
	return ERR_IO;
}

enum err
spool_pwrite(int fd, const void *data, size_t n, uint64_t off)
{
	const char *p = data;

	while (n > 0) {
		ssize_t w = pwrite(fd, p, n, (off_t)off);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return write_error(errno, off);
		if (w == 0)
			return write_error(ENOSPC, off);
		p += w;
		off += (uint64_t)w;
		n -= (size_t)w;
	}
	return ERR_OK;
}

enum err
spool_pread(int fd, void *data, size_t n, uint64_t off)
{
	char *p = data;

	while (n > 0) {
		ssize_t r = pread(fd, p, n, (off_t)off);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			log_error("spool", NULL, "read", KV_U("offset", off),
				  KV_ERRNO(errno));
			return ERR_IO;
		}
		if (r == 0)
			return ERR_CORRUPT;
		p += r;
		off += (uint64_t)r;
		n -= (size_t)r;
	}
	return ERR_OK;
}

enum err
spool_read_header(int fd, struct segment_header *out)
{
	unsigned char raw[SEGMENT_HEADER];
	enum err err;

	err = spool_pread(fd, raw, sizeof(raw), 0);
	if (err != ERR_OK)
		return err;
	return segment_header_parse(raw, out);
}

enum err
spool_read_data(int fd, uint64_t from, uint64_t to, spool_piece_fn *fn,
		void *arg)
{
	enum err err = ERR_OK;
	void *buf;

	if (from >= to)
		return ERR_OK;
	buf = mem_alloc(SPOOL_IO);
	while (err == ERR_OK && from < to) {
		size_t n =
			to - from < SPOOL_IO ? (size_t)(to - from) : SPOOL_IO;

		err = spool_pread(fd, buf, n, SEGMENT_HEADER + from);
		if (err == ERR_OK)
			err = fn(arg, buf, n);
		from += n;
	}
	free(buf);
	return err;
}

static enum err
crc_piece(void *arg, const void *data, size_t n)
{
	uint32_t *crc = arg;

	*crc = crc32c(*crc, data, n);
	return ERR_OK;
}

enum err
spool_data_crc(int fd, uint64_t from, uint64_t to, uint32_t *crc)
{
	*crc = 0;
	return spool_read_data(fd, from, to, crc_piece, crc);
}
