/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A double of session.h and vfs.h in memory, for front ends that are tested
 * alone: one user, one tree of files, uploads that park and resume. What a
 * path contains makes a file behave in a certain way:
 *
 *   "null"   bytes are counted and dropped: for measuring
 *   "quota"  the write that passes 1 MiB fails with ERR_QUOTA
 *   "slow"   publishing takes two seconds
 *   "pause"  each MiB is followed by a pause of 50 ms
 *   "busy"   opening fails with ERR_IN_USE
 */
#include "tests/fake/fake_vfs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/fake/fake_vfs_private.h"

#define PAGE 100 /* entries */

static struct node *nodes;

struct node *
fake_find(const char *path)
{
	struct node *n;

	DL_FOREACH (nodes, n)
		if (strcmp(n->path, path) == 0)
			return n;
	return NULL;
}

struct node *
fake_add(const char *path, bool dir)
{
	struct node *n = mem_alloc(sizeof(*n));

	str_copy(n->path, sizeof(n->path), path);
	n->dir = dir;
	n->mode = dir ? S_IFDIR | 0755 : S_IFREG | 0644;
	n->mtime = clock_wall_ms() / 1000;
	DL_APPEND(nodes, n);
	return n;
}

static void
drop(struct node *n)
{
	DL_DELETE(nodes, n);
	free(n->object.p);
	free(n->upload.p);
	free(n);
}

void
fake_vfs_clear(void)
{
	while (nodes)
		drop(nodes);
}

/* Directly below the folder? */
static const char *
child_name(const char *folder, const char *path)
{
	size_t len = strcmp(folder, "/") == 0 ? 0 : strlen(folder);

	if (strncmp(folder, path, len) != 0 || path[len] != '/' ||
	    path[len + 1] == '\0' || strchr(path + len + 1, '/'))
		return NULL;
	return path + len + 1;
}

bool
fake_is_dir(const char *path)
{
	struct node *n = fake_find(path);
	size_t len = strlen(path);

	if (strcmp(path, "/") == 0 || (n && n->dir))
		return true;
	DL_FOREACH (nodes, n)
		if (strncmp(n->path, path, len) == 0 && n->path[len] == '/')
			return true;
	return false;
}

static bool
fill_stat(const char *path, struct vfs_stat *st)
{
	struct node *n = fake_find(path);

	if (n && !n->dir) {
		*st = (struct vfs_stat){
			.size = n->uploading ? n->upload.len : n->object.len,
			.mtime = n->mtime,
			.mode = n->mode,
			.in_flight = n->uploading,
		};
		return n->uploading || n->published;
	}
	*st = (struct vfs_stat){ .mode = S_IFDIR | 0755, .is_dir = true };
	if (n)
		st->mtime = n->mtime;
	return fake_is_dir(path);
}

static void
run_stat(struct call *c)
{
	c->stat(c->arg, c->err, c->why, &c->st);
}

static void
run_dir(struct call *c)
{
	c->dir(c->arg, c->err, c->why, c->folder);
}

void
vfs_stat(struct session *s, const char *path, vfs_stat_fn *fn, void *arg)
{
	struct call *c = fake_call_new(s, run_stat, arg, 0);

	c->stat = fn;
	fake_result(c, fill_stat(path, &c->st) ? ERR_OK : ERR_NOT_FOUND);
}

void
vfs_remove(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	struct node *n = fake_find(path);
	enum err err = ERR_OK;

	if (!n)
		err = fake_is_dir(path) ? ERR_IS_DIR : ERR_NOT_FOUND;
	else if (n->dir)
		err = ERR_IS_DIR;
	else if (n->busy)
		err = ERR_IN_USE;
	else
		drop(n);
	fake_finish(s, err, fn, arg);
}

void
vfs_mkdir(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	enum err err =
		fake_is_dir(path) || fake_find(path) ? ERR_EXISTS : ERR_OK;

	if (!err)
		fake_add(path, true);
	fake_finish(s, err, fn, arg);
}

void
vfs_rmdir(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	struct node *n = fake_find(path), *other;
	enum err err = ERR_OK;

	if (!fake_is_dir(path))
		err = n ? ERR_NOT_DIR : ERR_NOT_FOUND;
	DL_FOREACH (nodes, other)
		if (child_name(path, other->path))
			err = ERR_NOT_EMPTY;
	if (!err && n)
		drop(n);
	fake_finish(s, err, fn, arg);
}

void
vfs_rename(struct session *s, const char *from, const char *to, bool replace,
	   vfs_done_fn *fn, void *arg)
{
	struct node *n = fake_find(from), *old = fake_find(to);
	enum err err = ERR_OK;

	if (!n)
		err = ERR_NOT_FOUND;
	else if (old && old != n && (!replace || old->dir))
		err = ERR_EXISTS;
	else if (n->busy || (old && old->busy))
		err = ERR_IN_USE;
	if (!err && old && old != n)
		drop(old);
	if (!err)
		str_copy(n->path, sizeof(n->path), to);
	fake_finish(s, err, fn, arg);
}

void
fake_set_attrs(struct node *n, const struct vfs_attrs *a)
{
	if (a->set & VFS_SET_MTIME)
		n->mtime = a->mtime;
	if (a->set & VFS_SET_MODE)
		n->mode = (n->mode & S_IFMT) | (a->mode & 07777);
}

void
vfs_setstat(struct session *s, const char *path, const struct vfs_attrs *a,
	    vfs_done_fn *fn, void *arg)
{
	struct node *n = fake_find(path);

	if (n)
		fake_set_attrs(n, a);
	fake_finish(s, n || fake_is_dir(path) ? ERR_OK : ERR_NOT_FOUND, fn,
		    arg);
}

static void
run_space(struct call *c)
{
	struct vfs_space space = { .total = UINT64_MAX,
				   .files_total = UINT64_MAX };

	c->space(c->arg, c->err, c->why, &space);
}

void
vfs_space(struct session *s, vfs_space_fn *fn, void *arg)
{
	struct call *c = fake_call_new(s, run_space, arg, 0);

	c->space = fn;
	fake_result(c, ERR_OK);
}

void
vfs_dir_open(struct session *s, const char *path, vfs_dir_fn *fn, void *arg)
{
	struct call *c = fake_call_new(s, run_dir, arg, 0);
	struct vfs_dir *d;

	c->dir = fn;
	if (!fake_is_dir(path)) {
		fake_result(c, fake_find(path) ? ERR_NOT_DIR : ERR_NOT_FOUND);
		return;
	}
	d = mem_alloc(sizeof(*d));
	d->s = s;
	d->at = nodes;
	str_copy(d->path, sizeof(d->path), path);
	DL_APPEND(s->dirs, d);
	c->folder = d;
	fake_result(c, ERR_OK);
}

static void
run_page(struct call *c)
{
	struct vfs_dir *d = c->folder;
	struct vfs_entry page[PAGE];
	size_t n = 0;

	d->call = NULL;
	for (; d->at && n < PAGE; d->at = d->at->next) {
		const char *name = child_name(d->path, d->at->path);

		if (!name || !fill_stat(d->at->path, &page[n].st))
			continue;
		page[n++].name = name;
	}
	c->page(c->arg, ERR_OK, "", page, n);
}

void
vfs_dir_next(struct vfs_dir *d, vfs_page_fn *fn, void *arg)
{
	d->call = fake_call_new(d->s, run_page, arg, 0);
	d->call->page = fn;
	d->call->folder = d;
}

void
vfs_dir_close(struct vfs_dir *d)
{
	if (d->call)
		fake_call_end(d->call);
	DL_DELETE(d->s->dirs, d);
	free(d);
}
