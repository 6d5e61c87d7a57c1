/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/fake_fs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/fake/fake_fs_private.h"

#define PAGE_MAX 1000u

void
fake_note(struct fake *f, const char *what, const char *path, const char *path2)
{
	buf_printf(&f->ops, "%s %s", what, path);
	if (path2 != NULL)
		buf_printf(&f->ops, " %s", path2);
	buf_add_text(&f->ops, "\n");
}

const char *
fake_ops(struct fake *f)
{
	const char *text = buf_cstr(&f->ops);

	f->ops.off = f->ops.end = 0;
	return text;
}

struct fake_node *
fake_find(const struct fake *f, const char *path)
{
	struct fake_node *n;

	HASH_FIND_STR(f->nodes, path, n);
	return n;
}

struct fake_node *
fake_make(struct fake *f, const char *path, bool is_dir)
{
	struct fake_node *n = fake_find(f, path);

	if (n != NULL)
		return n;
	n = mem_alloc(sizeof(*n));
	n->path = mem_strdup(path);
	n->is_dir = is_dir;
	n->mtime = clock_wall_ms() / 1000;
	n->mode = is_dir ? 0755 : 0644;
	HASH_ADD_KEYPTR(hh, f->nodes, n->path, strlen(n->path), n);
	return n;
}

void
fake_node_free(struct fake *f, struct fake_node *n)
{
	HASH_DEL(f->nodes, n);
	free(n->path);
	free(n->data);
	free(n);
}

/* keep: the bytes are kept, not only counted. */
void
fake_node_size(struct fake_node *n, uint64_t size, bool keep)
{
	uint64_t room = n->room == 0 ? 4096 : n->room;

	if (keep && size <= FAKE_FILE_MAX && size > n->room) {
		while (room < size)
			room *= 2;
		n->data = mem_resize(n->data, room);
		memset(n->data + n->room, 0, room - n->room);
		n->room = room;
	}
	if (n->data != NULL && size < n->size && n->size <= n->room)
		memset(n->data + size, 0, n->size - size);
	n->size = size;
}

void
fake_node_stat(const struct fake_node *n, struct vfs_stat *st)
{
	memset(st, 0, sizeof(*st));
	st->size = n->size;
	st->mtime = n->mtime;
	st->is_dir = n->is_dir;
	st->mode = n->mode | (n->is_dir ? S_IFDIR : S_IFREG);
}

void
fake_put(struct fake *f, const char *path, const void *data, size_t n)
{
	struct fake_node *node = fake_make(f, path, false);

	fake_node_size(node, n, true);
	if (n > 0)
		memcpy(node->data, data, n);
}

void
fake_put_dir(struct fake *f, const char *path)
{
	fake_make(f, path, true);
}

const void *
fake_get(const struct fake *f, const char *path, size_t *n)
{
	const struct fake_node *node = fake_find(f, path);

	if (node == NULL || node->is_dir)
		return NULL;
	*n = node->size;
	return node->data == NULL ? "" : (const void *)node->data;
}

static void
answer(struct session *s, enum err err, vfs_done_fn *fn, void *arg)
{
	struct fake_call *c = fake_call_new(s, err, arg);

	c->done = fn;
	fake_call_go(c);
}

void
vfs_stat(struct session *s, const char *path, vfs_stat_fn *fn, void *arg)
{
	const struct fake_node *n = fake_find(s->f, path);
	struct fake_call *c =
		fake_call_new(s, n == NULL ? ERR_NOT_FOUND : ERR_OK, arg);

	fake_note(s->f, "stat", path, NULL);
	if (n != NULL)
		fake_node_stat(n, &c->st);
	c->stat = fn;
	fake_call_go(c);
}

void
vfs_look(struct session *s, const char *path, vfs_look_fn *fn, void *arg)
{
	const struct fake_node *n = fake_find(s->f, path);
	struct fake_call *c =
		fake_call_new(s, n == NULL ? ERR_NOT_FOUND : ERR_OK, arg);

	fake_note(s->f, "look", path, NULL);
	if (n != NULL)
		fake_node_stat(n, &c->st);
	c->look = fn;
	fake_call_go(c);
}

/* What lies directly in the folder: its name, else NULL. */
static const char *
name_in(const char *dir, const char *path)
{
	size_t n = strlen(dir);
	const char *name;

	if (n == 1)
		n = 0;
	if (strncmp(path, dir, n) != 0 || path[n] != '/' || path[n + 1] == '\0')
		return NULL;
	name = path + n + 1;
	return strchr(name, '/') == NULL ? name : NULL;
}

static bool
is_empty(const struct fake *f, const char *dir)
{
	const struct fake_node *n;

	for (n = f->nodes; n != NULL; n = n->hh.next) {
		if (name_in(dir, n->path) != NULL)
			return false;
	}
	return true;
}

void
vfs_dir_open(struct session *s, const char *path, vfs_dir_fn *fn, void *arg)
{
	const struct fake_node *n = fake_find(s->f, path);
	struct fake_call *c = fake_call_new(s, ERR_OK, arg);

	fake_note(s->f, "opendir", path, NULL);
	c->dir_open = fn;
	if (n == NULL) {
		c->err = ERR_NOT_FOUND;
	} else if (!n->is_dir) {
		c->err = ERR_NOT_DIR;
	} else {
		c->dir = mem_alloc(sizeof(*c->dir));
		c->dir->s = s;
		c->dir->path = mem_strdup(path);
		c->dir->last = mem_strdup("");
		s->f->dirs++;
	}
	fake_call_go(c);
}

/* The least name in the folder that is greater than `after`. */
static const struct fake_node *
next_in(const struct vfs_dir *d, const char *after)
{
	const struct fake_node *n, *best = NULL;
	const char *name, *best_name = NULL;

	for (n = d->s->f->nodes; n != NULL; n = n->hh.next) {
		name = name_in(d->path, n->path);
		if (name == NULL || strcmp(name, after) <= 0 ||
		    (best != NULL && strcmp(name, best_name) >= 0))
			continue;
		best = n;
		best_name = name;
	}
	return best;
}

void
vfs_dir_next(struct vfs_dir *d, vfs_page_fn *fn, void *arg)
{
	const struct fake *f = d->s->f;
	const size_t max = f->page_max == 0 ? PAGE_MAX : f->page_max;
	struct fake_call *c = fake_call_new(d->s, ERR_OK, arg);
	const struct fake_node *n;
	struct vfs_entry *e;

	c->page = fn;
	c->dir = d;
	c->entries = mem_array(max, sizeof(*c->entries));
	while (c->n < max && (n = next_in(d, d->last)) != NULL) {
		e = &c->entries[c->n++];
		e->name = mem_strdup(name_in(d->path, n->path));
		fake_node_stat(n, &e->st);
		free(d->last);
		d->last = mem_strdup(e->name);
	}
	fake_call_go(c);
}

void
vfs_dir_close(struct vfs_dir *d)
{
	struct fake *f;

	if (d == NULL)
		return;
	f = d->s->f;
	f->dirs--;
	/* Its page, if one is on the way; not the opening: that gave it. */
	for (struct fake_call *c = f->calls; c != NULL; c = c->next) {
		if (c->dir_open != NULL && c->dir == d)
			c->dir = NULL;
	}
	fake_calls_drop(f, d->s, d);
	free(d->path);
	free(d->last);
	free(d);
}

void
vfs_remove(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	struct fake_node *n = fake_find(s->f, path);
	enum err err = ERR_OK;

	fake_note(s->f, "remove", path, NULL);
	if (n == NULL)
		err = ERR_NOT_FOUND;
	else if (n->is_dir)
		err = ERR_IS_DIR;
	else
		fake_node_free(s->f, n);
	answer(s, err, fn, arg);
}

void
vfs_terminate(struct session *s, const char *path, const char *id,
	      vfs_done_fn *fn, void *arg)
{
	fake_note(s->f, "terminate", path, id);
	answer(s, ERR_CONFLICT, fn, arg);
}

void
vfs_mkdir(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	const bool there = fake_find(s->f, path) != NULL;

	fake_note(s->f, "mkdir", path, NULL);
	if (!there)
		fake_make(s->f, path, true);
	answer(s, there ? ERR_EXISTS : ERR_OK, fn, arg);
}

void
vfs_rmdir(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	struct fake_node *n = fake_find(s->f, path);
	enum err err = ERR_OK;

	fake_note(s->f, "rmdir", path, NULL);
	if (n == NULL)
		err = ERR_NOT_FOUND;
	else if (!n->is_dir)
		err = ERR_NOT_DIR;
	else if (!is_empty(s->f, path) || strcmp(path, "/") == 0)
		err = ERR_NOT_EMPTY;
	else
		fake_node_free(s->f, n);
	answer(s, err, fn, arg);
}

void
vfs_rename(struct session *s, const char *from, const char *to, bool replace,
	   vfs_done_fn *fn, void *arg)
{
	struct fake_node *n = fake_find(s->f, from), *old;
	enum err err = ERR_OK;

	fake_note(s->f, replace ? "replace" : "rename", from, to);
	old = fake_find(s->f, to);
	if (n == NULL) {
		err = ERR_NOT_FOUND;
	} else if (old != NULL && !replace) {
		err = ERR_EXISTS;
	} else if (old != n) {
		if (old != NULL)
			fake_node_free(s->f, old);
		HASH_DEL(s->f->nodes, n);
		free(n->path);
		n->path = mem_strdup(to);
		HASH_ADD_KEYPTR(hh, s->f->nodes, n->path, strlen(to), n);
	}
	answer(s, err, fn, arg);
}

void
vfs_setstat(struct session *s, const char *path, const struct vfs_attrs *a,
	    vfs_done_fn *fn, void *arg)
{
	struct fake_node *n = fake_find(s->f, path);

	fake_note(s->f, "setstat", path, NULL);
	if (n != NULL && a->set & VFS_SET_SIZE)
		fake_node_size(n, a->size, !s->f->discard);
	if (n != NULL && a->set & VFS_SET_MTIME)
		n->mtime = a->mtime;
	if (n != NULL && a->set & VFS_SET_MODE)
		n->mode = a->mode;
	answer(s, n == NULL ? ERR_NOT_FOUND : ERR_OK, fn, arg);
}

void
vfs_space(struct session *s, vfs_space_fn *fn, void *arg)
{
	struct fake_call *c = fake_call_new(s, ERR_OK, arg);

	c->space = fn;
	fake_call_go(c);
}
