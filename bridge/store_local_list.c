/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One page of a folder. The names that come next after the marker are kept in
 * a heap while the folder is read, so a huge folder costs time, not memory.
 */
#include "bridge/store_local.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

/* A name as it is sorted and shown: a folder's ends in '/'. */
struct found {
	char name[LOCAL_NAME_MAX + 2];
	bool is_dir;
};

struct page {
	struct found *heap[STORE_LIST_MAX]; /* the largest is the first */
	size_t n;
	bool more;
};

static void
swap(struct page *p, size_t a, size_t b)
{
	struct found *f = p->heap[a];

	p->heap[a] = p->heap[b];
	p->heap[b] = f;
}

static bool
above(const struct page *p, size_t a, size_t b)
{
	return strcmp(p->heap[a]->name, p->heap[b]->name) > 0;
}

static void
sift_up(struct page *p, size_t i)
{
	for (; i && above(p, i, (i - 1) / 2); i = (i - 1) / 2)
		swap(p, i, (i - 1) / 2);
}

static void
sift_down(struct page *p)
{
	size_t i = 0, child;

	while ((child = 2 * i + 1) < p->n) {
		if (child + 1 < p->n && above(p, child + 1, child))
			child++;
		if (!above(p, child, i))
			break;
		swap(p, i, child);
		i = child;
	}
}

static void
keep(struct page *p, const struct found *f)
{
	if (p->n < STORE_LIST_MAX) {
		p->heap[p->n] = mem_alloc(sizeof(*f));
		*p->heap[p->n] = *f;
		sift_up(p, p->n++);
		return;
	}
	p->more = true;
	if (strcmp(f->name, p->heap[0]->name) >= 0)
		return;
	*p->heap[0] = *f;
	sift_down(p);
}

/* Control bytes would forge lines in a client's listing. */
static bool
printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static bool
wanted(const struct local_job *j, int dir, const struct dirent *d,
       struct found *f)
{
	unsigned char type = d->d_type;
	struct stat st;

	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
	    !printable(d->d_name) ||
	    (!j->key[0] && strcmp(d->d_name, LOCAL_RESERVED) == 0) ||
	    strlen(j->key) + strlen(d->d_name) + 1 > STORE_KEY_MAX)
		return false;
	if (type == DT_UNKNOWN) {
		if (fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return false;
		type = IFTODT(st.st_mode);
	}
	if (type != DT_REG && type != DT_DIR)
		return false;
	f->is_dir = type == DT_DIR;
	snprintf(f->name, sizeof(f->name), "%s%s", d->d_name,
		 f->is_dir ? "/" : "");
	return true;
}

static enum err
scan(struct local_job *j, DIR *dir, struct page *p)
{
	struct found f;
	struct dirent *d;

	errno = 0;
	while ((d = readdir(dir))) {
		if (wanted(j, dirfd(dir), d, &f) &&
		    (!j->marker || strcmp(f.name, j->marker) > 0))
			keep(p, &f);
		errno = 0;
	}
	return errno ? local_errno(j, "readdir") : ERR_OK;
}

static int
by_name(const void *a, const void *b)
{
	const struct found *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* What has vanished since the folder was read is left out. */
static bool
look(int dir, const struct found *f, struct store_object *o)
{
	int flags = O_RDONLY | (f->is_dir ? O_DIRECTORY : 0);
	int fd = local_open(dir, f->name, flags, 0);
	struct stat st;
	bool ok;

	if (fd < 0) {
		/* Unreadable, but there: it is shown without its ETag. */
		ok = fstatat(dir, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
		if (ok)
			local_describe(-1, &st, o);
		return ok;
	}
	ok = fstat(fd, &st) == 0 &&
	     (f->is_dir ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode));
	if (ok)
		local_describe(fd, &st, o);
	close(fd);
	return ok;
}

/* Entries point into one text, which is complete before they are made. */
static void
fill(struct local_job *j, int dir, const struct page *p)
{
	size_t room = (p->n + 1) * (sizeof(struct found) + STORE_ETAG_MAX + 1);
	struct store_object o;
	char *at = mem_alloc(room);

	j->text = at;
	j->out_entries = mem_array(p->n ? p->n : 1, sizeof(*j->out_entries));
	for (size_t i = 0; i < p->n; i++) {
		const struct found *f = p->heap[i];
		struct store_entry *e = &j->out_entries[j->res.nentries];

		if (i == p->n - 1 && p->more) {
			j->res.next = at;
			at = stpcpy(at, f->name) + 1;
		}
		if (!look(dir, f, &o))
			continue;
		e->key = at;
		at = stpcpy(at, f->name) + 1;
		e->etag = at;
		at = stpcpy(at, f->is_dir ? "" : o.etag) + 1;
		e->is_dir = f->is_dir;
		e->size = o.size;
		e->mtime = o.mtime;
		j->res.nentries++;
	}
	j->res.entries = j->out_entries;
}

static enum err
open_dir(struct local_job *j, DIR **out)
{
	int fd = local_open(j->tree->root, j->key[0] ? j->key : ".",
			    O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0) {
		if (errno == ENOTDIR || errno == ELOOP)
			errno = ENOENT;
		return local_errno(j, "open of a folder");
	}
	*out = fdopendir(fd);
	if (*out)
		return ERR_OK;
	local_errno(j, "fdopendir");
	close(fd);
	return ERR_AGAIN;
}

enum err
local_list(struct local_job *j)
{
	struct page *p;
	DIR *dir = NULL;
	enum err err = open_dir(j, &dir);

	/* As in a bucket: nothing lies below a folder that is not there. */
	if (err || !dir)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	p = mem_alloc(sizeof(*p));
	err = scan(j, dir, p);
	if (!err) {
		qsort(p->heap, p->n, sizeof(struct found *), by_name);
		fill(j, dirfd(dir), p);
		j->res.marker = true;
	}
	for (size_t i = 0; i < p->n; i++)
		free(p->heap[i]);
	free(p);
	closedir(dir);
	return err;
}
