/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The free list: files whose bytes are no longer needed keep their pages and
 * are written over by the next segment, which saves the allocation and the
 * zeroing of pages. A free file is called free.<id>; its owner holds an OFD
 * lock on it, so a starting worker can tell what a dead one left.
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

#define FREE_PREFIX "free."

bool
spool_lock_file(int fd, bool on)
{
	struct flock lk = {
		.l_type = on ? F_WRLCK : F_UNLCK,
		.l_whence = SEEK_SET,
		.l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &lk) == 0;
}

bool
spool_free_room(const struct spool *s, uint64_t size)
{
	uint64_t kept = s->free_bytes + s->slack;

	return !s->closed && s->nfree < SPOOL_FREE_FILES &&
	       kept <= s->free_max && size <= s->free_max - kept;
}

void
spool_free_put(struct spool *s, int fd, const char *name, uint64_t size)
{
	struct spool_free_file *f;

	if (!spool_free_room(s, size)) {
		unlinkat(s->dirfd, name, 0);
		spool_retire(s, fd);
		return;
	}
	f = &s->free[s->nfree++];
	f->fd = fd;
	f->size = size;
	str_copy(f->name, sizeof(f->name), name);
	s->free_bytes += size;
}

/* True when a is the better file for a part of that capacity. */
static bool
fits_better(const struct spool_free_file *a, const struct spool_free_file *b,
	    uint64_t capacity)
{
	if (a->size >= capacity && b->size >= capacity)
		return a->size < b->size;
	return a->size > b->size;
}

bool
spool_free_get(struct spool *s, uint64_t capacity, struct spool_free_file *out)
{
	unsigned best = 0;

	if (s->nfree == 0)
		return false;
	for (unsigned i = 1; i < s->nfree; i++)
		if (fits_better(&s->free[i], &s->free[best], capacity))
			best = i;
	*out = s->free[best];
	s->free[best] = s->free[--s->nfree];
	s->free_bytes -= out->size;
	return true;
}

bool
spool_free_drop(struct spool *s)
{
	bool any = s->nfree > 0;

	while (s->nfree > 0) {
		struct spool_free_file *f = &s->free[--s->nfree];

		unlinkat(s->dirfd, f->name, 0);
		close(f->fd);
	}
	s->free_bytes = 0;
	return any;
}

void
spool_trim(struct spool *s, uint64_t keep)
{
	struct spool_free_file f;

	while (s->free_bytes > keep && spool_free_get(s, 0, &f)) {
		unlinkat(s->dirfd, f.name, 0);
		spool_retire(s, f.fd);
	}
}

/*
 * The name is looked at again with the lock held: its owner may have given the
 * file to a segment between our open and our lock.
 */
static bool
adoptable(const struct spool *s, int fd, const char *name, struct stat *st)
{
	struct stat now;

	if (!spool_lock_file(fd, true) || fstat(fd, st) != 0)
		return false;
	if (fstatat(s->dirfd, name, &now, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	return S_ISREG(st->st_mode) && st->st_ino == now.st_ino &&
	       st->st_dev == now.st_dev;
}

static void
adopt(struct spool *s, const char *name)
{
	static const unsigned char zeroes[SEGMENT_HEADER];
	struct stat st;
	int fd;

	fd = openat(s->dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (!adoptable(s, fd, name, &st)) {
		close(fd);
		return;
	}
	if (st.st_size < SEGMENT_HEADER ||
	    spool_pwrite(fd, zeroes, sizeof(zeroes), 0) != ERR_OK) {
		unlinkat(s->dirfd, name, 0);
		close(fd);
		return;
	}
	spool_free_put(s, fd, name, (uint64_t)st.st_size - SEGMENT_HEADER);
}

void
spool_free_adopt(struct spool *s)
{
	struct dirent *e;
	DIR *d;
	int fd;

	fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		log_warn("spool", NULL, "list", KV_ERRNO(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, FREE_PREFIX, strlen(FREE_PREFIX)) == 0 &&
		    strlen(e->d_name) < SPOOL_NAME_MAX)
			adopt(s, e->d_name);
	closedir(d);
}

struct retire_job {
	struct work work; /* first */
	struct spool *spool;
	int fd;
};

static void
retire_run(struct work *w)
{
	close(((struct retire_job *)w)->fd);
}

static void
retire_done(struct work *w)
{
	spool_unref(((struct retire_job *)w)->spool);
	free(w);
}

void
spool_retire(struct spool *s, int fd)
{
	struct retire_job *j = mem_alloc(sizeof(*j));

	j->work.run = retire_run;
	j->work.done = retire_done;
	j->spool = s;
	j->fd = fd;
	spool_ref(s);
	work_submit(s->pool, &j->work);
}
