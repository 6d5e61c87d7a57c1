/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the write-ahead log lost something. SQLite takes the first frame that
 * is not sound for the log's end, which is right after a crash: a transaction
 * that was being written is in part there. But each of ours is synced before
 * the next one begins. So behind a frame that is not sound there may be the
 * rest of one transaction; where two of them end there, a commit that somebody
 * was told of is lost. The layout: www.sqlite.org/fileformat2.html#walformat.
 */
#include "bridge/journal_sqlite.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

#define WAL_HEADER 32
#define FRAME_HEADER 24
#define PAGE_MIN 512
#define PAGE_MAX 65536
#define MAGIC 0x377f0682 /* its lowest bit: sums of big-endian words */

struct log {
	int fd;
	uint32_t page; /* bytes */
	bool big;
	unsigned char salts[8];
	uint32_t sum[2]; /* running */
	unsigned char *frame;
};

static uint32_t
be32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static void
add_sum(struct log *l, const unsigned char *p, size_t n)
{
	uint32_t a = l->sum[0], b = l->sum[1], v[2];

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(v, p, sizeof(v));
		v[0] = l->big ? be32toh(v[0]) : le32toh(v[0]);
		v[1] = l->big ? be32toh(v[1]) : le32toh(v[1]);
		a += v[0] + b;
		b += v[1] + a;
	}
	l->sum[0] = a;
	l->sum[1] = b;
}

/* False: no log yet, or a header that says nothing. */
static bool
read_head(struct log *l)
{
	unsigned char h[WAL_HEADER];

	if (pread(l->fd, h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
	    (be32(h) & ~1u) != MAGIC)
		return false;
	l->big = be32(h) & 1;
	l->page = be32(h + 8);
	memcpy(l->salts, h + 16, sizeof(l->salts));
	add_sum(l, h, 24);
	return l->page >= PAGE_MIN && l->page <= PAGE_MAX &&
	       l->sum[0] == be32(h + 24) && l->sum[1] == be32(h + 28);
}

/* The frame at off; false at the file's end, or behind this log's frames. */
static bool
read_frame(struct log *l, off_t off)
{
	size_t n = FRAME_HEADER + l->page;

	return pread(l->fd, l->frame, n, off) == (ssize_t)n &&
	       memcmp(l->frame + 8, l->salts, sizeof(l->salts)) == 0;
}

static bool
is_sound(struct log *l)
{
	add_sum(l, l->frame, 8);
	add_sum(l, l->frame + FRAME_HEADER, l->page);
	return l->sum[0] == be32(l->frame + 16) &&
	       l->sum[1] == be32(l->frame + 20);
}

/* How many transactions end behind the first frame that is not sound. */
static unsigned
lost_commits(struct log *l)
{
	off_t off = WAL_HEADER;
	bool sound = true;
	unsigned lost = 0;

	l->frame = mem_alloc(FRAME_HEADER + l->page);
	for (; read_frame(l, off); off += FRAME_HEADER + (off_t)l->page) {
		sound = sound && is_sound(l);
		if (!sound && be32(l->frame + 4) != 0)
			lost++;
	}
	free(l->frame);
	return lost;
}

static enum err
look(struct log *l, const char *wal)
{
	unsigned lost;
	struct stat st;

	if (fstat(l->fd, &st) != 0 || st.st_size == 0)
		return ERR_OK;
	if (!read_head(l))
		return ERR_OK;
	lost = lost_commits(l);
	if (lost < 2 && st.st_size % JOURNAL_SQLITE_WAL_STEP == 0)
		return ERR_OK;
	log_error("journal", NULL, "log_damaged", KV_S("file", wal),
		  KV_U("commits_lost", lost < 2 ? 0 : lost),
		  KV_S("why", lost < 2 ? "it is shorter than it was made: it "
					 "was cut, or the disk was full"
				       : "a frame of it is not what was "
					 "written: what follows is lost"),
		  KV_S("do", "stop, run sluicectl check --repair: stores and "
			     "spool may know more than the journal"));
	return ERR_CORRUPT;
}

enum err
journal_sqlite_log_check(const char *path, const char *lock_path)
{
	char *wal = mem_printf("%s-wal", path);
	struct log l = { .fd = open(wal, O_RDONLY | O_CLOEXEC) };
	int lock = open(lock_path, O_RDWR | O_CLOEXEC);
	enum err err = ERR_OK;

	/* Who writes has the lock: nothing is half written while it is ours. */
	if (l.fd >= 0 && lock >= 0 && flock(lock, LOCK_EX) == 0)
		err = look(&l, wal);
	if (lock >= 0)
		close(lock);
	if (l.fd >= 0)
		close(l.fd);
	free(wal);
	return err;
}
