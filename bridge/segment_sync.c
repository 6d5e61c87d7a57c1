/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power-loss safety. A round has two trips to the disk: the data (and, once,
 * the folder's entry), then the SYNC record that vouches for it. The record is
 * written by the loop between the two, and only if no byte it speaks of was
 * changed meanwhile; else the round starts over. Who asks while a round is
 * under way waits for the next one, because the bytes of now may have come
 * after this round's fdatasync().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bridge/spool_private.h"
#include "lib/crashpoint.h"
#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/mem.h"

struct segment_sync_job {
	struct work work; /* first */
	struct segment *g;
	struct segment_waiter *waiters;
	/* Copies for the pool. */
	int fd;
	int dirfd; /* -1: the folder's entry is on disk */
	uint64_t crc_from;
	/* What the round vouches for. */
	uint64_t received;
	uint32_t crc;
	unsigned edits;
	/* Results. */
	enum err err;
	bool lost; /* the disk may not have what it was given */
	uint32_t prefix;
};

static void round_start(struct segment_sync_job *j);

static enum err
flush(int fd, bool folder)
{
	if ((folder ? fsync(fd) : fdatasync(fd)) == 0)
		return ERR_OK;
	log_error("spool", NULL, folder ? "fsync_folder" : "fdatasync",
		  KV_ERRNO(errno));
	return errno == ENOSPC || errno == EDQUOT ? ERR_NO_SPACE : ERR_IO;
}

static void
waiters_free(struct segment_waiter *w)
{
	while (w) {
		struct segment_waiter *next = w->next;

		free(w);
		w = next;
	}
}

/* In the order of their asking; one of them may let go of the segment. */
static void
round_answer(struct segment_sync_job *j, enum err err)
{
	while (j->waiters) {
		struct segment_waiter *w = j->waiters;
		segment_done_fn *fn = w->fn;
		void *arg = w->arg;

		j->waiters = w->next;
		free(w);
		if (fn)
			fn(arg, err);
	}
}

static void
round_end(struct segment_sync_job *j, enum err err)
{
	struct segment *g = j->g;

	if (j->lost)
		g->sync_failed = true;
	round_answer(j, err);
	if (atomic_load(&g->gone) || !g->sync_next) {
		g->sync_job = NULL;
		waiters_free(j->waiters);
		free(j);
		segment_unref(g);
		return;
	}
	j->waiters = g->sync_next;
	g->sync_next = NULL;
	round_start(j);
}

static void
record_run(struct work *w)
{
	struct segment_sync_job *j = (struct segment_sync_job *)w;

	CRASH_POINT("spool", "sync", "before");
	j->err = flush(j->fd, false);
	j->lost = j->err != ERR_OK;
	CRASH_POINT("spool", "sync", "after");
}

static void
record_done(struct work *w)
{
	struct segment_sync_job *j = (struct segment_sync_job *)w;
	struct segment *g = j->g;

	if (j->err == ERR_OK && j->edits != g->edits &&
	    !atomic_load(&g->gone)) {
		round_start(j); /* the record was voided under way */
		return;
	}
	if (j->err == ERR_OK)
		g->synced = j->received;
	round_end(j, j->err);
}

static enum err
record_write(struct segment *g, const struct segment_sync_job *j)
{
	unsigned char sector[SEGMENT_SECTOR];
	struct segment_record rec = {
		.seq = g->sync_seq + 1,
		.received = j->received,
		.crc = j->crc,
		.rewind = g->who.id.rewind,
	};
	enum err err;

	memcpy(rec.boot, g->spool->boot, sizeof(rec.boot));
	segment_record_build(sector, &g->who, SEGMENT_SYNC, &rec);
	g->sync_written = true;
	err = spool_pwrite(g->fd, sector, sizeof(sector),
			   segment_record_offset(SEGMENT_SYNC, g->sync_slot));
	if (err != ERR_OK)
		return err;
	g->sync_seq++;
	g->sync_slot ^= 1;
	return ERR_OK;
}

static void
data_run(struct work *w)
{
	struct segment_sync_job *j = (struct segment_sync_job *)w;

	j->err = flush(j->fd, false);
	if (j->err == ERR_OK && j->dirfd >= 0)
		j->err = flush(j->dirfd, true);
	j->lost = j->err != ERR_OK;
	if (j->err == ERR_OK && j->crc_from > 0)
		j->err = spool_data_crc(j->fd, 0, j->crc_from, &j->prefix);
}

static void
data_done(struct work *w)
{
	struct segment_sync_job *j = (struct segment_sync_job *)w;
	struct segment *g = j->g;

	if (j->err != ERR_OK || atomic_load(&g->gone)) {
		round_end(j, j->err);
		return;
	}
	if (j->edits != g->edits) {
		round_start(j);
		return;
	}
	if (j->dirfd >= 0)
		g->name_dirty = false;
	if (j->crc_from > 0) {
		j->crc = crc32c_combine(j->prefix, j->crc,
					j->received - j->crc_from);
		if (g->crc_from > 0)
			segment_crc_known(g, j->prefix);
	}
	j->err = record_write(g, j);
	if (j->err != ERR_OK) {
		round_end(j, j->err);
		return;
	}
	j->work.run = record_run;
	j->work.done = record_done;
	work_submit(g->spool->pool, &j->work);
}

static void
nothing_run(struct work *w)
{
	(void)w;
}

static void
nothing_done(struct work *w)
{
	struct segment_sync_job *j = (struct segment_sync_job *)w;

	round_end(j, j->err);
}

static bool
up_to_date(const struct segment *g)
{
	return g->sync_written && g->synced == g->received && !g->name_dirty;
}

/*
 * The kernel tells of a lost page once and calls it clean then, so after one
 * failure no later success can be believed.
 */
static void
round_start(struct segment_sync_job *j)
{
	struct segment *g = j->g;

	j->fd = g->fd;
	j->dirfd = g->name_dirty ? g->spool->dirfd : -1;
	j->crc_from = g->crc_from;
	j->received = g->received;
	j->crc = g->crc;
	j->edits = g->edits;
	j->err = g->sync_failed ? ERR_IO : ERR_OK;
	if (g->sync_failed || up_to_date(g)) {
		j->work.run = nothing_run;
		j->work.done = nothing_done;
	} else {
		j->work.run = data_run;
		j->work.done = data_done;
	}
	work_submit(g->spool->pool, &j->work);
}

static void
waiter_add(struct segment_waiter **at, segment_done_fn *fn, void *arg)
{
	struct segment_waiter *w = mem_alloc(sizeof(*w));

	while (*at)
		at = &(*at)->next;
	w->fn = fn;
	w->arg = arg;
	*at = w;
}

void
segment_sync(struct segment *g, segment_done_fn *fn, void *arg)
{
	struct segment_sync_job *j;

	if (g->sync_job) {
		waiter_add(&g->sync_next, fn, arg);
		return;
	}
	j = mem_alloc(sizeof(*j));
	j->g = g;
	g->refs++;
	g->sync_job = j;
	waiter_add(&j->waiters, fn, arg);
	round_start(j);
}

void
segment_sync_forget(struct segment *g)
{
	waiters_free(g->sync_next);
	g->sync_next = NULL;
	if (g->sync_job) {
		waiters_free(g->sync_job->waiters);
		g->sync_job->waiters = NULL;
	}
}

/*
 * Waits for the disk, in the loop: one page, and only when bytes that a SYNC
 * record vouches for are about to change, which the record's absence makes
 * happen once between two syncs.
 */
enum err
segment_sync_void(struct segment *g)
{
	static unsigned char zeroes[2 * SEGMENT_SECTOR];
	struct iovec iov = { zeroes, sizeof(zeroes) };
	off_t at = segment_record_offset(SEGMENT_SYNC, 0);
	ssize_t n;

	if (!g->sync_written)
		return ERR_OK;
	n = pwritev2(g->fd, &iov, 1, at, RWF_DSYNC);
	if (n != (ssize_t)sizeof(zeroes)) {
		log_error("spool", NULL, "void_sync", KV_S("name", g->name),
			  KV_ERRNO(errno));
		return ERR_IO;
	}
	g->sync_written = false;
	g->synced = 0;
	return ERR_OK;
}
