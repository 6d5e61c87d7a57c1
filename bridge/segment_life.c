/* SPDX-License-Identifier: Apache-2.0 */
/* How a segment begins, and how it ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/spool_private.h"
#include "lib/crashpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

/* A reused file counts against the spool until its part is paid for. */
uint64_t
segment_slack(const struct segment *g)
{
	return g->received < SPOOL_CHARGED ? g->reused : 0;
}

struct segment *
segment_make(struct spool *s, const struct segment_identity *who,
	     const char *name, int fd)
{
	struct segment *g = mem_alloc(sizeof(*g));

	g->spool = s;
	g->who = *who;
	str_copy(g->name, sizeof(g->name), name);
	g->fd = fd;
	g->refs = 1;
	atomic_init(&g->gone, false);
	g->name_dirty = true;
	g->next = s->segments;
	if (g->next)
		g->next->prev = g;
	s->segments = g;
	spool_ref(s);
	return g;
}

static void
unlist(struct segment *g)
{
	if (g->prev)
		g->prev->next = g->next;
	else
		g->spool->segments = g->next;
	if (g->next)
		g->next->prev = g->prev;
	g->prev = g->next = NULL;
}

/* Identity and first LIVE record in one write: there is no time between. */
static enum err
header_write(const struct spool *s, int fd, const struct segment_identity *who)
{
	unsigned char raw[SEGMENT_HEADER];
	struct segment_record rec = { .seq = 1, .rewind = who->id.rewind };

	memcpy(rec.boot, s->boot, sizeof(rec.boot));
	segment_header_build(raw, who);
	segment_record_build(raw + segment_record_offset(SEGMENT_LIVE, 0), who,
			     SEGMENT_LIVE, &rec);
	return spool_pwrite(fd, raw, sizeof(raw), 0);
}

/*
 * The file's records were voided when it came to the free list. It gets its
 * new name last: whoever finds it under that name finds a whole header.
 */
static enum err
create_reused(struct spool *s, const struct segment_identity *who,
	      const char *name, struct spool_free_file *f)
{
	enum err err = ERR_OK;

	if (f->size > who->id.capacity) {
		f->size = who->id.capacity;
		if (ftruncate(f->fd, (off_t)(SEGMENT_HEADER + f->size)) != 0)
			err = ERR_IO;
	}
	if (err == ERR_OK)
		err = header_write(s, f->fd, who);
	if (err == ERR_OK && renameat(s->dirfd, f->name, s->dirfd, name) != 0)
		err = ERR_IO;
	if (err != ERR_OK) {
		log_warn("spool", NULL, "reuse", KV_S("file", f->name),
			 KV_ERRNO(errno));
		unlinkat(s->dirfd, f->name, 0);
		spool_retire(s, f->fd);
		return err;
	}
	spool_lock_file(f->fd, false);
	return ERR_OK;
}

static int
open_new(const struct spool *s, const char *name)
{
	const int how = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	fd = openat(s->dirfd, name, how, 0600);
	if (fd < 0 && errno == EEXIST && unlinkat(s->dirfd, name, 0) == 0)
		fd = openat(s->dirfd, name, how, 0600);
	return fd;
}

static enum err
create_new(struct spool *s, const struct segment_identity *who,
	   const char *name, int *out)
{
	enum err err;
	int fd;

	fd = open_new(s, name);
	if (fd < 0 && (errno == ENOSPC || errno == EDQUOT)) {
		spool_no_space(s);
		return ERR_NO_SPACE;
	}
	if (fd < 0) {
		log_error("spool", NULL, "create", KV_S("name", name),
			  KV_ERRNO(errno));
		return ERR_IO;
	}
	err = header_write(s, fd, who);
	if (err != ERR_OK) {
		if (err == ERR_NO_SPACE)
			spool_no_space(s);
		unlinkat(s->dirfd, name, 0);
		close(fd);
		return err;
	}
	*out = fd;
	return ERR_OK;
}

enum err
segment_create(struct spool *s, const struct segment_id *id,
	       struct segment **out)
{
	struct segment_identity who = { .id = *id };
	struct spool_free_file f = { .fd = -1 };
	char name[SPOOL_NAME_MAX];
	struct segment *g;
	bool reused;
	enum err err;

	if (!id_valid(id->upload) || id->no == 0 ||
	    id->capacity > SEGMENT_CAPACITY_MAX)
		return ERR_INVALID;
	id_random(&who.nonce, sizeof(who.nonce));
	spool_name(name, id);
	reused = spool_free_get(s, id->capacity, &f) &&
		 create_reused(s, &who, name, &f) == ERR_OK;
	if (!reused) {
		f.size = 0;
		err = create_new(s, &who, name, &f.fd);
		if (err != ERR_OK)
			return err;
	}
	g = segment_make(s, &who, name, f.fd);
	g->live_seq = 1;
	g->live_slot = 1;
	g->reused = g->extent = f.size;
	s->slack += segment_slack(g);
	*out = g;
	return ERR_OK;
}

/*
 * The records go first: should this process die before the name is gone, the
 * file says nothing. The name goes at once, even when a job still uses the
 * file, so that a new segment may have it.
 */
static void
discard_name(struct segment *g)
{
	static const unsigned char zeroes[SEGMENT_HEADER];
	char id[ID_LEN + 1], name[SPOOL_NAME_MAX];
	struct spool *s = g->spool;

	id_new(id);
	snprintf(name, sizeof(name), "free.%s", id);
	if (pwrite(g->fd, zeroes, sizeof(zeroes), 0) == sizeof(zeroes) &&
	    spool_free_room(s, g->extent) && spool_lock_file(g->fd, true) &&
	    renameat(s->dirfd, g->name, s->dirfd, name) == 0) {
		str_copy(g->name, sizeof(g->name), name);
		g->recycle = true;
		return;
	}
	if (unlinkat(s->dirfd, g->name, 0) != 0 && errno != ENOENT)
		log_error("spool", NULL, "unlink", KV_S("name", g->name),
			  KV_ERRNO(errno));
}

struct discard_job {
	struct work work; /* first */
	struct segment *g;
	enum err err;
};

static void
discard_last(struct segment *g, bool recycle)
{
	if (recycle)
		spool_free_put(g->spool, g->fd, g->name, g->extent);
	else
		spool_retire(g->spool, g->fd);
	spool_unref(g->spool);
	free(g);
}

static void
discard_run(struct work *w)
{
	struct discard_job *j = (struct discard_job *)w;

	j->err = segment_sync_void(j->g);
}

static void
discard_done(struct work *w)
{
	struct discard_job *j = (struct discard_job *)w;

	if (j->err != ERR_OK && j->g->recycle)
		unlinkat(j->g->spool->dirfd, j->g->name, 0);
	discard_last(j->g, j->g->recycle && j->err == ERR_OK);
	free(j);
}

/*
 * A SYNC record may be on the disk, and the folder's change may not be when
 * the power fails: it is voided durably, which waits for the disk.
 */
static void
discard_finish(struct segment *g)
{
	struct discard_job *j;

	if (!g->sync_written) {
		discard_last(g, g->recycle);
		return;
	}
	j = mem_alloc(sizeof(*j));
	j->work.run = discard_run;
	j->work.done = discard_done;
	j->g = g;
	work_submit(g->spool->pool, &j->work);
}

void
segment_unref(struct segment *g)
{
	if (--g->refs > 0)
		return;
	segment_hash_free(g);
	if (g->discarded) {
		discard_finish(g);
		return;
	}
	close(g->fd);
	spool_unref(g->spool);
	free(g);
}

static void
let_go(struct segment *g)
{
	atomic_store(&g->gone, true);
	segment_sync_forget(g);
	segment_hash_forget(g);
	g->spool->slack -= segment_slack(g);
	g->reused = 0;
	unlist(g);
}

void
segment_close(struct segment *g)
{
	if (!g)
		return;
	let_go(g);
	segment_unref(g);
}

void
segment_discard(struct segment *g)
{
	if (!g)
		return;
	let_go(g);
	g->discarded = true;
	g->edits++;
	CRASH_POINT("spool", "discard", "before");
	discard_name(g);
	CRASH_POINT("spool", "discard", "after");
	segment_unref(g);
}
