/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bridge/spool_private.h"
#include "lib/crashpoint.h"
#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/mem.h"

struct segment_state
segment_state(const struct segment *g)
{
	return (struct segment_state){ .received = g->received,
				       .crc_from = g->crc_from,
				       .crc = g->crc,
				       .flags = g->flags };
}

/*
 * A full disk may be full of our own free files: they go before a client is
 * told.
 */
static enum err
file_write(struct segment *g, const void *data, size_t n, uint64_t off)
{
	enum err err = spool_pwrite(g->fd, data, n, off);

	if (err == ERR_NO_SPACE && spool_free_drop(g->spool))
		err = spool_pwrite(g->fd, data, n, off);
	if (err == ERR_NO_SPACE)
		spool_no_space(g->spool);
	return err;
}

/*
 * The record goes to the slot that does not hold the newest one, in one
 * pwrite(2) within one page: a process killed at any instruction leaves either
 * the old record or the new one as the newest valid.
 */
enum err
segment_live(struct segment *g, const struct segment_state *st)
{
	unsigned char sector[SEGMENT_SECTOR];
	struct segment_record rec = {
		.seq = g->live_seq + 1,
		.received = st->received,
		.crc = st->crc_from == 0 ? st->crc : 0,
		.rewind = g->who.id.rewind,
		.flags = st->flags & SEGMENT_CLOSING,
	};
	enum err err;

	if (st->crc_from > 0)
		rec.flags |= SEGMENT_DIRTY;
	memcpy(rec.boot, g->spool->boot, sizeof(rec.boot));
	segment_record_build(sector, &g->who, SEGMENT_LIVE, &rec);
	err = file_write(g, sector, sizeof(sector),
			 segment_record_offset(SEGMENT_LIVE, g->live_slot));
	if (err != ERR_OK)
		return err;
	g->live_seq++;
	g->live_slot ^= 1;
	g->spool->slack -= segment_slack(g);
	g->received = st->received;
	g->crc_from = st->crc_from;
	g->crc = st->crc;
	g->flags = rec.flags;
	g->spool->slack += segment_slack(g);
	return ERR_OK;
}

static enum err
data_write(struct segment *g, uint64_t off, const void *data, size_t n)
{
	enum err err;

	err = file_write(g, data, n, SEGMENT_HEADER + off);
	if (err != ERR_OK)
		return err;
	spool_took(g->spool);
	if (off + n > g->extent)
		g->extent = off + n;
	return ERR_OK;
}

enum err
segment_append(struct segment *g, const void *data, size_t n)
{
	struct segment_state st = segment_state(g);
	enum err err;

	if (n > g->who.id.capacity - g->received)
		return ERR_TOO_LARGE;
	err = data_write(g, g->received, data, n);
	if (err != ERR_OK)
		return err;
	st.received += n;
	st.crc = crc32c(st.crc, data, n);
	CRASH_POINT("spool", "live", "before");
	err = segment_live(g, &st);
	CRASH_POINT("spool", "live", "after");
	return err;
}

/*
 * The next power failure must not bring back a SYNC record that vouches for
 * the bytes as they were, and the next crash not a LIVE record with their CRC:
 * so both go before the first byte is changed.
 */
static enum err
edit_begin(struct segment *g, uint64_t keep)
{
	struct segment_state st = segment_state(g);
	enum err err;

	g->edits++;
	err = segment_sync_void(g);
	if (err != ERR_OK)
		return err;
	st.received = keep;
	st.crc_from = keep;
	st.crc = 0;
	return segment_live(g, &st);
}

enum err
segment_write_at(struct segment *g, uint64_t off, const void *data, size_t n)
{
	uint64_t below;
	enum err err;

	if (off > g->who.id.capacity || n > g->who.id.capacity - off)
		return ERR_TOO_LARGE;
	if (off > g->received)
		return data_write(g, off, data, n);
	below = g->received - off < n ? g->received - off : n;
	if (below > 0) {
		err = edit_begin(g, g->received);
		if (err == ERR_OK)
			err = data_write(g, off, data, (size_t)below);
		if (err != ERR_OK || below == n)
			return err;
	}
	return segment_append(g, (const char *)data + below, n - (size_t)below);
}

static enum err
adopt_piece(void *arg, const void *data, size_t n)
{
	struct segment_state *st = arg;

	st->crc = crc32c(st->crc, data, n);
	st->received += n;
	return ERR_OK;
}

enum err
segment_adopt(struct segment *g, uint64_t n)
{
	struct segment_state st = segment_state(g);
	enum err err;

	if (n > g->who.id.capacity - g->received)
		return ERR_TOO_LARGE;
	err = spool_read_data(g->fd, g->received, g->received + n, adopt_piece,
			      &st);
	if (err != ERR_OK)
		return err == ERR_CORRUPT ? ERR_IO : err;
	return segment_live(g, &st);
}

enum err
segment_cut(struct segment *g, uint64_t n)
{
	if (n > g->received)
		return ERR_INVALID;
	return n == g->received ? ERR_OK : edit_begin(g, n);
}

enum err
segment_set_flags(struct segment *g, unsigned flags)
{
	struct segment_state st = segment_state(g);

	st.flags = flags;
	return segment_live(g, &st);
}

/*
 * The header counts, the name only helps to find it; so the header is first.
 * A file that has the new name already is of a rewind that did not take place.
 */
enum err
segment_set_rewind(struct segment *g, uint32_t rewind)
{
	struct segment_state st = segment_state(g);
	uint32_t before = g->who.id.rewind;
	char name[SPOOL_NAME_MAX];
	enum err err;

	if (rewind < before)
		return ERR_INVALID;
	g->who.id.rewind = rewind;
	err = segment_live(g, &st);
	if (err != ERR_OK) {
		g->who.id.rewind = before;
		return err;
	}
	spool_name(name, &g->who.id);
	if (renameat(g->spool->dirfd, g->name, g->spool->dirfd, name) != 0) {
		log_error("spool", NULL, "rename", KV_S("name", g->name),
			  KV_ERRNO(errno));
		return ERR_IO;
	}
	str_copy(g->name, sizeof(g->name), name);
	g->name_dirty = true;
	return ERR_OK;
}

const struct segment_id *
segment_ident(const struct segment *g)
{
	return &g->who.id;
}

uint64_t
segment_received(const struct segment *g)
{
	return g->received;
}

uint64_t
segment_unsynced(const struct segment *g)
{
	return g->received > g->synced ? g->received - g->synced : 0;
}

unsigned
segment_flags(const struct segment *g)
{
	return g->flags;
}

int
segment_fd(const struct segment *g)
{
	return g->fd;
}

void
segment_crc_known(struct segment *g, uint32_t prefix)
{
	struct segment_state st = segment_state(g);

	st.crc = crc32c_combine(prefix, g->crc, g->received - g->crc_from);
	st.crc_from = 0;
	/* A record that says "dirty" still is only slower to recover. */
	if (segment_live(g, &st) != ERR_OK) {
		g->crc = st.crc;
		g->crc_from = 0;
	}
}

/* Reads in the loop; after a sync or a hash there is nothing to be read. */
uint32_t
segment_crc(struct segment *g)
{
	uint32_t prefix;

	if (g->crc_from == 0)
		return g->crc;
	if (spool_data_crc(g->fd, 0, g->crc_from, &prefix) != ERR_OK)
		return ~g->crc; /* logged; the store will refuse the part */
	segment_crc_known(g, prefix);
	return g->crc;
}
