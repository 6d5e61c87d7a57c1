/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record file of a multipart upload: text, one record a line, only ever
 * appended to. Each line ends with its own CRC32C, and begins with a newline:
 * so what a crash or a full disk cut short spoils no other line. The last
 * record of a part counts.
 *
 *   U 1 <initiated, ms> <mtime, s> <key in hex> <crc>
 *   P <number> <offset> <length> <CRC32C of the bytes> <crc>
 */
#include "bridge/store_local_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/crc32c.h"
#include "lib/id.h"
#include "lib/mem.h"

#define LINE_MAX_BYTES (2 * STORE_KEY_MAX + 128)

/* One write: lines of several threads do not mix in an append-only file. */
static enum err
add_line(struct local_job *j, int fd, const char *text)
{
	char line[LINE_MAX_BYTES];
	ssize_t put;
	int n = snprintf(line, sizeof(line), "\n%s %08x\n", text,
			 crc32c(0, text, strlen(text)));

	if (n < 0 || (size_t)n >= sizeof(line))
		return ERR_INVALID;
	put = write(fd, line, (size_t)n);
	if (put == n)
		return ERR_OK;
	if (put >= 0)
		errno = ENOSPC;
	return local_errno(j, "write of a part's record");
}

enum err
local_records_start(struct local_job *j, int fd)
{
	char text[LINE_MAX_BYTES];
	char key[2 * STORE_KEY_MAX + 1];
	enum err err;

	hex_encode(j->key, strlen(j->key), key);
	snprintf(text, sizeof(text), "U 1 %" PRId64 " %" PRId64 " %s",
		 clock_wall_ms(), j->mtime, key);
	err = add_line(j, fd, text);
	if (!err && fsync(fd) < 0)
		err = local_errno(j, "fsync");
	return err;
}

enum err
local_records_add(struct local_job *j, int fd)
{
	char text[128];
	enum err err;

	snprintf(text, sizeof(text), "P %u %" PRIu64 " %" PRIu64 " %08x", j->no,
		 j->dst_off, j->total, j->crc);
	pthread_mutex_lock(&j->lock);
	err = j->canceled ? ERR_CANCELED : add_line(j, fd, text);
	pthread_mutex_unlock(&j->lock);
	if (!err && fdatasync(fd) < 0)
		err = local_errno(j, "fdatasync");
	return err;
}

/* Cuts the line's CRC off; false when it does not match. */
static bool
line_valid(char *line)
{
	char *crc = strrchr(line, ' ');
	char *end;
	unsigned long want;

	if (!crc)
		return false;
	*crc++ = '\0';
	if (strlen(crc) != 9 || crc[8] != '\n')
		return false;
	want = strtoul(crc, &end, 16);
	return end == crc + 8 && want == crc32c(0, line, strlen(line));
}

static bool
take_header(const char *line, struct local_records *r)
{
	static const char format[] = "U 1 %" SCNd64 " %" SCNd64 " %n";
	int at = 0;
	size_t n;

	if (sscanf(line, format, &r->initiated, &r->mtime, &at) != 2 || !at)
		return false;
	n = strlen(line + at) / 2;
	free(r->key);
	r->key = mem_alloc(n + 1);
	return hex_decode(line + at, 2 * n, r->key) == 0;
}

static void
take_part(const char *line, struct local_records *r)
{
	struct local_record p = { .known = true };
	uint32_t no;

	if (sscanf(line, "P %" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNx32, &no,
		   &p.off, &p.len, &p.crc) != 4 ||
	    no < 1 || no > LOCAL_PARTS_MAX)
		return;
	if (!r->part)
		r->part = mem_array(LOCAL_PARTS_MAX, sizeof(*r->part));
	r->part[no - 1] = p;
	if (no > r->n)
		r->n = no;
}

enum err
local_records_read(struct local_job *j, int fd, bool parts,
		   struct local_records *out)
{
	char line[LINE_MAX_BYTES];
	FILE *f = fdopen(fd, "r");
	enum err err = ERR_OK;

	memset(out, 0, sizeof(*out));
	if (!f) {
		close(fd);
		return local_errno(j, "fdopen");
	}
	while ((parts || !out->key) && fgets(line, sizeof(line), f)) {
		if (!line_valid(line))
			continue;
		if (line[0] == 'U')
			take_header(line, out);
		else if (line[0] == 'P')
			take_part(line, out);
	}
	if (ferror(f))
		err = local_errno(j, "read of the parts' records");
	else if (!out->key)
		err = local_fail(j, ERR_CORRUPT,
				 "the upload's record file has no header");
	fclose(f);
	return err;
}

void
local_records_free(struct local_records *r)
{
	free(r->key);
	free(r->part);
	memset(r, 0, sizeof(*r));
}

void
local_part_describe(const struct local_record *r, uint32_t no,
		    struct store_part *out)
{
	unsigned char crc[4] = { (unsigned char)(r->crc >> 24),
				 (unsigned char)(r->crc >> 16),
				 (unsigned char)(r->crc >> 8),
				 (unsigned char)r->crc };

	memset(out, 0, sizeof(*out));
	out->no = no;
	out->off = r->off;
	out->len = r->len;
	snprintf(out->etag, sizeof(out->etag), "%08x-%" PRIx64, r->crc, r->len);
	base64_encode(crc, sizeof(crc), out->sum);
}
