/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery: which file is the part's, and how many of its bytes can be
 * trusted. A file that does not fit the question is passed over; a disk that
 * cannot be read is an error, never a guess.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/spool_private.h"
#include "lib/log.h"
#include "lib/mem.h"

/* A file that was opened and whose header fits. */
struct found {
	int fd; /* -1: none */
	char name[SPOOL_NAME_MAX];
	struct segment_header h;
	uint64_t size; /* bytes of data */
};

struct open_job {
	struct work work; /* first */
	struct spool *spool;
	struct segment_id id;
	struct spool_opening opening;
	segment_open_fn *fn;
	void *arg;
	enum err err;
	struct found f;
	uint64_t trusted; /* bytes */
	uint32_t crc;
	unsigned flags;
	uint64_t synced; /* bytes of a SYNC record that holds */
};

/*
 * A header of zeros is a discarded file's, or one that a crash left before it
 * was written; anything else that is no header once was one.
 */
static void
tell_damage(const struct found *f, off_t size)
{
	unsigned char sector[SEGMENT_SECTOR];
	size_t i = 0;

	if (spool_pread(f->fd, sector, sizeof(sector), 0) != ERR_OK)
		return;
	while (i < sizeof(sector) && sector[i] == 0)
		i++;
	if (i < sizeof(sector))
		log_error("spool", NULL, "segment_damaged",
			  KV_S("name", f->name),
			  KV_I("bytes", size - SEGMENT_HEADER),
			  KV_S("why", "its header is not what was written"),
			  KV_S("do", "look at the disk; the client sends "
				     "these bytes again"));
}

/*
 * The header counts and not the name: after a rewind that was cut short the
 * name may lag behind. ERR_NOT_FOUND when it is another segment's or none.
 */
static enum err
try_name(const struct spool *s, const struct segment_id *id, const char *name,
	 struct found *out)
{
	struct stat st;
	enum err err;

	str_copy(out->name, sizeof(out->name), name);
	out->fd = openat(s->dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (out->fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	err = fstat(out->fd, &st) == 0 ? ERR_OK : ERR_IO;
	if (err == ERR_OK &&
	    (!S_ISREG(st.st_mode) || st.st_size < SEGMENT_HEADER))
		err = ERR_NOT_FOUND;
	if (err == ERR_OK)
		err = spool_read_header(out->fd, &out->h);
	if (err == ERR_CORRUPT) {
		tell_damage(out, st.st_size);
		err = ERR_NOT_FOUND;
	}
	if (err == ERR_OK &&
	    (strcmp(out->h.who.id.upload, id->upload) != 0 ||
	     out->h.who.id.no != id->no || out->h.who.id.base != id->base ||
	     segment_header_rewind(&out->h) > id->rewind))
		err = ERR_NOT_FOUND;
	if (err != ERR_OK) {
		close(out->fd);
		out->fd = -1;
		return err;
	}
	out->size = (uint64_t)st.st_size - SEGMENT_HEADER;
	return ERR_OK;
}

/* Keeps the better of two: the one of the higher rewind. */
static void
keep_better(struct found *best, const struct found *f)
{
	if (best->fd >= 0 &&
	    segment_header_rewind(&best->h) >= segment_header_rewind(&f->h)) {
		close(f->fd);
		return;
	}
	if (best->fd >= 0)
		close(best->fd);
	*best = *f;
}

static enum err
find_listed(const struct spool *s, const struct segment_id *id,
	    struct found *best)
{
	struct segment_id named;
	struct found f;
	struct dirent *e;
	enum err err = ERR_OK;
	DIR *d;
	int fd;

	fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	while (err == ERR_OK && (errno = 0, e = readdir(d)) != NULL) {
		if (spool_name_parse(e->d_name, &named) != ERR_OK ||
		    named.no != id->no || named.rewind > id->rewind ||
		    strcmp(named.upload, id->upload) != 0)
			continue;
		err = try_name(s, id, e->d_name, &f);
		if (err == ERR_OK)
			keep_better(best, &f);
		if (err == ERR_NOT_FOUND)
			err = ERR_OK;
	}
	if (err == ERR_OK && errno != 0)
		err = ERR_IO;
	closedir(d);
	return err;
}

/* Most uploads were never rewound: one open, no listing. */
static enum err
find(const struct spool *s, const struct segment_id *id, struct found *best)
{
	char name[SPOOL_NAME_MAX];
	enum err err;

	best->fd = -1;
	spool_name(name, id);
	err = try_name(s, id, name, best);
	if (err != ERR_NOT_FOUND && err != ERR_OK)
		return err;
	if (err == ERR_OK && segment_header_rewind(&best->h) == id->rewind)
		return ERR_OK;
	if (id->rewind > 0)
		err = find_listed(s, id, best);
	else
		err = ERR_OK;
	if (err == ERR_OK && best->fd < 0)
		err = ERR_NOT_FOUND;
	return err;
}

/*
 * This boot's LIVE record speaks for the page cache. Bytes that it counts and
 * the file does not have mean that someone else cut the file.
 */
static bool
live_holds(const struct open_job *j)
{
	const struct segment_pair *p = &j->f.h.live;

	if (p->count == 0 ||
	    memcmp(p->rec[0].boot, j->spool->boot, SEGMENT_BOOT_LEN) != 0)
		return false;
	if (p->rec[0].received <= j->f.size)
		return true;
	log_error("spool", NULL, "segment_cut_short", KV_S("name", j->f.name),
		  KV_U("received", p->rec[0].received),
		  KV_U("found", j->f.size));
	return false;
}

static enum err
trust_live(struct open_job *j)
{
	const struct segment_record *r = &j->f.h.live.rec[0];

	j->trusted = r->received;
	j->crc = r->crc;
	j->flags = r->flags & SEGMENT_CLOSING;
	if (!(r->flags & SEGMENT_DIRTY))
		return ERR_OK;
	return spool_data_crc(j->f.fd, 0, r->received, &j->crc);
}

/* The newest record whose bytes are still what it says, or nothing. */
static enum err
trust_sync(struct open_job *j)
{
	const struct segment_pair *p = &j->f.h.sync;

	for (unsigned i = 0; i < p->count; i++) {
		const struct segment_record *r = &p->rec[i];
		uint32_t crc;
		enum err err;

		if (r->received > j->f.size)
			continue;
		err = spool_data_crc(j->f.fd, 0, r->received, &crc);
		if (err != ERR_OK && err != ERR_CORRUPT)
			return err;
		if (err == ERR_OK && crc == r->crc) {
			j->trusted = j->synced = r->received;
			j->crc = crc;
			return ERR_OK;
		}
		log_warn("spool", NULL, "sync_differs", KV_S("name", j->f.name),
			 KV_U("bytes", r->received));
	}
	return ERR_OK;
}

static void
open_run(struct work *w)
{
	struct open_job *j = (struct open_job *)w;

	j->err = find(j->spool, &j->id, &j->f);
	if (j->err != ERR_OK) {
		if (j->f.fd >= 0)
			close(j->f.fd);
		j->f.fd = -1;
		return;
	}
	j->err = live_holds(j) ? trust_live(j) : trust_sync(j);
	if (j->err == ERR_CORRUPT)
		j->err = ERR_IO;
}

static uint64_t
last_seq(const struct segment_pair *p)
{
	return p->count > 0 ? p->rec[0].seq : 0;
}

static unsigned
next_slot(const struct segment_pair *p)
{
	return p->count > 0 ? p->slot[0] ^ 1u : 0;
}

/* From here on this boot's LIVE record says what was found out. */
static enum err
open_make(struct open_job *j, struct segment **out)
{
	struct segment_state st = { .received = j->trusted,
				    .crc = j->crc,
				    .flags = j->flags };
	struct segment_header *h = &j->f.h;
	struct segment *g;
	enum err err;

	h->who.id.rewind = segment_header_rewind(h);
	g = segment_make(j->spool, &h->who, j->f.name, j->f.fd);
	g->extent = j->f.size;
	g->live_seq = last_seq(&h->live);
	g->live_slot = next_slot(&h->live);
	g->sync_seq = last_seq(&h->sync);
	g->sync_slot = next_slot(&h->sync);
	g->sync_written = h->sync.count > 0;
	g->synced = j->synced;
	err = segment_live(g, &st);
	if (err != ERR_OK) {
		segment_close(g);
		return err;
	}
	*out = g;
	return ERR_OK;
}

static void
open_done(struct work *w)
{
	struct open_job *j = (struct open_job *)w;
	struct spool_opening **at = &j->spool->opening;
	struct segment *g = NULL;
	bool closed = j->spool->closed;

	while (*at != &j->opening)
		at = &(*at)->next;
	*at = j->opening.next;
	if (j->err == ERR_OK && !closed)
		j->err = open_make(j, &g);
	else if (j->f.fd >= 0)
		close(j->f.fd);
	if (!closed)
		j->fn(j->arg, j->err, g);
	spool_unref(j->spool);
	free(j);
}

void
segment_open(struct spool *s, const struct segment_id *id, segment_open_fn *fn,
	     void *arg)
{
	struct open_job *j = mem_alloc(sizeof(*j));

	j->spool = s;
	j->id = *id;
	j->fn = fn;
	j->arg = arg;
	j->f.fd = -1;
	j->opening.id = &j->id;
	j->opening.next = s->opening;
	s->opening = &j->opening;
	j->work.run = open_run;
	j->work.done = open_done;
	spool_ref(s);
	work_submit(s->pool, &j->work);
}

/*
 * The record may be torn by a writer that is faster than this reader, and so
 * may its twin; then it is read again.
 */
static bool
peek_file(const struct spool *s, const struct segment_id *id, int fd,
	  struct segment_record *out)
{
	struct segment_header h;

	for (int tries = 0; tries < 4; tries++) {
		if (spool_read_header(fd, &h) != ERR_OK)
			return false;
		if (strcmp(h.who.id.upload, id->upload) != 0 ||
		    h.who.id.no != id->no || h.who.id.base != id->base)
			return false;
		if (h.live.count == 0)
			continue;
		*out = h.live.rec[0];
		return memcmp(out->boot, s->boot, SEGMENT_BOOT_LEN) == 0;
	}
	return false;
}

uint64_t
segment_peek(struct spool *s, const struct segment_id *id, unsigned *flags)
{
	struct segment_id look = *id;
	struct segment_record rec = { .received = 0 };
	char name[SPOOL_NAME_MAX];
	bool ok = false;
	int fd = -1;

	for (unsigned i = 0; fd < 0 && i < SPOOL_PEEK_REWINDS; i++) {
		spool_name(name, &look);
		fd = openat(s->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (look.rewind-- == 0)
			break;
	}
	if (fd >= 0) {
		ok = peek_file(s, id, fd, &rec);
		close(fd);
	}
	if (flags)
		*flags = ok ? rec.flags : 0;
	return ok ? rec.received : 0;
}
