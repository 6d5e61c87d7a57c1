/* SPDX-License-Identifier: Apache-2.0 */
/* The folder as a whole: what is there, and getting rid of an upload. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/spool_private.h"
#include "lib/crashpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

/* As many names as the folder holds, which the spool's quota bounds. */
struct names {
	struct entry {
		char name[SPOOL_NAME_MAX];
		uint64_t bytes;
	} * at;
	size_t count, room;
};

static void
names_add(struct names *n, const char *name, off_t size)
{
	struct entry *e;

	if (n->count == n->room) {
		n->room = n->room ? 2 * n->room : 16;
		n->at = mem_resize(n->at, n->room * sizeof(*n->at));
	}
	e = &n->at[n->count++];
	str_copy(e->name, sizeof(e->name), name);
	e->bytes = size > SEGMENT_HEADER ? (uint64_t)size - SEGMENT_HEADER : 0;
}

/* Called with each segment's name. */
typedef void entry_fn(void *arg, int dirfd, const char *name,
		      const struct segment_id *id);

/* Takes over fd. */
static enum err
folder_list(int fd, entry_fn *fn, void *arg)
{
	struct segment_id id;
	struct dirent *e;
	enum err err = ERR_OK;
	DIR *d;

	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return ERR_IO;
	}
	for (;;) {
		errno = 0;
		e = readdir(d);
		if (!e)
			break;
		if (spool_name_parse(e->d_name, &id) == ERR_OK)
			fn(arg, dirfd(d), e->d_name, &id);
	}
	if (errno != 0)
		err = ERR_IO;
	closedir(d);
	return err;
}

static void
add_with_size(void *arg, int dirfd_, const char *name,
	      const struct segment_id *id)
{
	struct stat st;

	(void)id;
	if (fstatat(dirfd_, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		names_add(arg, name, st.st_size);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name,
		      ((const struct entry *)b)->name);
}

enum err
spool_walk(const char *dir, spool_walk_fn *fn, void *arg)
{
	struct names n = { 0 };
	char upload[ID_LEN + 1];
	enum err err;
	int fd;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : err_from_errno(errno);
	err = folder_list(fd, add_with_size, &n);
	if (n.count > 0)
		qsort(n.at, n.count, sizeof(*n.at), by_name);
	for (size_t i = 0; err == ERR_OK && i < n.count;) {
		uint64_t bytes = 0;

		memcpy(upload, n.at[i].name, ID_LEN);
		upload[ID_LEN] = '\0';
		for (; i < n.count && !strncmp(upload, n.at[i].name, ID_LEN);
		     i++)
			bytes += n.at[i].bytes;
		fn(arg, upload, bytes);
	}
	free(n.at);
	return err;
}

/*
 * Removing takes three steps: the pool lists the folder; the loop, which knows
 * what is open, unlinks the rest; the pool closes what was unlinked, which is
 * when the disk's blocks go, and makes the folder's change durable, so that a
 * power failure does not bring an old segment back. The last two take turns,
 * a few files at a time. All that wait when a listing begins share it: behind a
 * crash a thousand uploads are asked for in a folder of a thousand segments.
 */
#define REMOVE_AT_ONCE 32

struct remove_job {
	struct work work;	   /* first */
	struct remove_job *sharer; /* of the same listing */
	struct spool *spool;
	char upload[ID_LEN + 1];
	struct names names;
	size_t next; /* in names: not looked at yet */
	int fds[REMOVE_AT_ONCE];
	size_t nfds;
	bool changed; /* unlinked since the last fsync of the folder */
	enum err err;
	segment_done_fn *fn;
	void *arg;
};

static void
remove_settle(struct work *w)
{
	struct remove_job *j = (struct remove_job *)w;

	for (size_t i = 0; i < j->nfds; i++)
		close(j->fds[i]);
	j->nfds = 0;
	j->changed = false;
	if (fsync(j->spool->dirfd) != 0) {
		log_error("spool", NULL, "fsync_folder", KV_ERRNO(errno));
		j->err = ERR_IO;
	}
}

static void
remove_one(struct remove_job *j, const char *name)
{
	int fd;

	if (spool_has_open(j->spool, name))
		return;
	fd = openat(j->spool->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	j->changed = true;
	if (unlinkat(j->spool->dirfd, name, 0) != 0 && errno != ENOENT) {
		log_error("spool", NULL, "unlink", KV_S("name", name),
			  KV_ERRNO(errno));
		j->err = ERR_IO;
	}
	if (fd >= 0)
		j->fds[j->nfds++] = fd;
}

static void
remove_finish(struct remove_job *j)
{
	bool closed = j->spool->closed;

	spool_unref(j->spool);
	if (!closed && j->fn)
		j->fn(j->arg, j->err);
	free(j->names.at);
	free(j);
}

static void
remove_unlink(struct work *w)
{
	struct remove_job *j = (struct remove_job *)w;

	while (j->next < j->names.count && j->nfds < REMOVE_AT_ONCE)
		remove_one(j, j->names.at[j->next++].name);
	if (!j->changed) {
		remove_finish(j);
		return;
	}
	j->work.run = remove_settle;
	work_submit(j->spool->pool, &j->work);
}

struct listing {
	struct work work; /* first */
	struct spool *spool;
	struct remove_job *jobs, **sorted;
	size_t n;
};

static int
by_upload(const void *a, const void *b)
{
	const struct remove_job *const *x = a, *const *y = b;

	return strcmp((*x)->upload, (*y)->upload);
}

static int
upload_cmp(const void *key, const void *at)
{
	const struct remove_job *const *j = at;

	return strcmp(key, (*j)->upload);
}

/* Two may ask for the same upload: each gets its names. */
static void
listing_entry(void *arg, int dirfd_, const char *name,
	      const struct segment_id *id)
{
	struct listing *l = arg;
	struct remove_job **end = l->sorted + l->n, **at;

	(void)dirfd_;
	at = bsearch(id->upload, l->sorted, l->n, sizeof(struct remove_job *),
		     upload_cmp);
	while (at && at > l->sorted && !upload_cmp(id->upload, at - 1))
		at--;
	for (; at && at < end && !upload_cmp(id->upload, at); at++)
		names_add(&(*at)->names, name, 0);
}

static void
listing_run(struct work *w)
{
	struct listing *l = (struct listing *)w;
	struct remove_job *j;
	enum err err = ERR_IO;
	size_t i = 0;
	int fd;

	CRASH_POINT("spool", "remove", "before");
	for (j = l->jobs; j; j = j->sharer)
		l->sorted[i++] = j;
	qsort(l->sorted, l->n, sizeof(struct remove_job *), by_upload);
	fd = openat(l->spool->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		err = folder_list(fd, listing_entry, l);
	for (j = l->jobs; j; j = j->sharer)
		j->err = err;
}

static void listing_start(struct spool *s);

static void
listing_done(struct work *w)
{
	struct listing *l = (struct listing *)w;
	struct spool *s = l->spool;
	struct remove_job *j, *next;

	s->listing = false;
	for (j = l->jobs; j; j = next) {
		next = j->sharer;
		remove_unlink(&j->work);
	}
	free(l->sorted);
	free(l);
	if (s->removing && !s->listing)
		listing_start(s);
	spool_unref(s);
}

static void
listing_start(struct spool *s)
{
	struct listing *l = mem_alloc(sizeof(*l));
	struct remove_job *j;

	l->work.run = listing_run;
	l->work.done = listing_done;
	l->spool = s;
	l->jobs = s->removing;
	s->removing = NULL;
	s->listing = true;
	for (j = l->jobs; j; j = j->sharer)
		l->n++;
	l->sorted = mem_array(l->n, sizeof(struct remove_job *));
	spool_ref(s);
	work_submit(s->pool, &l->work);
}

void
spool_remove(struct spool *s, const char *upload, segment_done_fn *fn,
	     void *arg)
{
	struct remove_job *j = mem_alloc(sizeof(*j));

	j->spool = s;
	str_copy(j->upload, sizeof(j->upload), upload);
	j->fn = fn;
	j->arg = arg;
	j->work.done = remove_unlink;
	j->sharer = s->removing;
	s->removing = j;
	spool_ref(s);
	if (!s->listing)
		listing_start(s);
}
