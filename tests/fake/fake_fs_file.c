/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/mem.h"
#include "tests/fake/fake_fs_private.h"

void
fake_file_free(struct vfs_file *file)
{
	DL_DELETE(file->s->f->open, file);
	file->s->f->files--;
	free(file->path);
	free(file);
}

void
fake_pause(struct fake *f, bool paused)
{
	struct vfs_file *file;

	DL_FOREACH (f->open, file) {
		if (file->events != NULL)
			file->events->pause(file->events_arg, paused);
	}
}

void
fake_ready(struct fake *f, enum err err)
{
	struct vfs_file *file, *next; /* a front end may close it */

	f->hold_acks = false;
	DL_FOREACH_SAFE (f->open, file, next) {
		if (file->events != NULL)
			file->events->ready(file->events_arg, err,
					    err == ERR_OK ? "" : err_text(err));
	}
}

static enum err
open_node(struct fake *f, const struct vfs_open *o)
{
	struct fake_node *n = fake_find(f, o->path);

	if (n != NULL && n->is_dir)
		return ERR_IS_DIR;
	if (n != NULL && o->flags & VFS_EXCL)
		return ERR_EXISTS;
	if (n == NULL && !(o->flags & VFS_CREAT))
		return ERR_NOT_FOUND;
	if (n == NULL)
		n = fake_make(f, o->path, false);
	if (o->flags & VFS_TRUNC)
		fake_node_size(n, 0, false);
	return ERR_OK;
}

void
vfs_open(struct session *s, const struct vfs_open *o, vfs_open_fn *fn,
	 void *arg)
{
	struct fake_call *c = fake_call_new(s, ERR_OK, arg);
	struct vfs_file *file;

	fake_note(s->f, "open", o->path, NULL);
	c->open = fn;
	c->err = open_node(s->f, o);
	if (c->err == ERR_OK) {
		file = mem_alloc(sizeof(*file));
		file->s = s;
		file->path = mem_strdup(o->path);
		file->flags = o->flags;
		file->events = o->events;
		file->events_arg = o->events_arg;
		DL_APPEND(s->f->open, file);
		s->f->files++;
		c->file = file;
	}
	fake_call_go(c);
}

uint64_t
vfs_file_size(const struct vfs_file *file)
{
	const struct fake_node *n = fake_find(file->s->f, file->path);

	return n == NULL ? 0 : n->size;
}

void
vfs_file_look(const struct vfs_file *file, struct vfs_look *out)
{
	*out = (struct vfs_look){ .size = vfs_file_size(file),
				  .in_flight = file->flags & VFS_WRITE };
	str_copy(out->etag, sizeof(out->etag), "fake");
}

enum err
vfs_file_write(struct vfs_file *file, uint64_t off, const void *data, size_t n,
	       const char **why)
{
	struct fake *f = file->s->f;
	struct fake_node *node = fake_make(f, file->path, false);
	const bool keep = !f->discard && off + n <= FAKE_FILE_MAX;

	*why = "";
	if (f->write_err != ERR_OK && off + n > f->write_err_from) {
		file->failed = true;
		*why = "the write was made to fail";
		return f->write_err;
	}
	if (off + n > node->size)
		fake_node_size(node, off + n, keep);
	if (keep && n > 0)
		memcpy(node->data + off, data, n);
	f->written += n;
	return ERR_OK;
}

bool
vfs_file_acks(const struct vfs_file *file)
{
	return !file->s->f->hold_acks;
}

bool
vfs_file_paused(const struct vfs_file *file)
{
	const struct fake *f = file->s->f;

	return f->full_at > 0 && f->written == f->full_at;
}

void
vfs_file_read(struct vfs_file *file, uint64_t off, size_t n, vfs_read_fn *fn,
	      void *arg)
{
	struct fake *f = file->s->f;
	const struct fake_node *node = fake_find(f, file->path);
	struct fake_call *c = fake_call_new(
		file->s, node == NULL ? ERR_NOT_FOUND : ERR_OK, arg);

	c->read = fn;
	if (f->read_max != 0 && n > f->read_max)
		n = f->read_max;
	if (node != NULL && off < node->size) {
		c->n = n < node->size - off ? n : node->size - off;
		c->data = mem_alloc(c->n);
		if (c->n > 0 && off + c->n <= node->room)
			memcpy(c->data, node->data + off, c->n);
	}
	fake_call_go(c);
}

void
vfs_file_copy(const struct vfs_copy *copy, vfs_done_fn *fn, void *arg)
{
	struct fake *f = copy->to->s->f;
	const struct fake_node *from = fake_find(f, copy->from->path);
	const bool whole = copy->from_off == 0 && copy->to_off == 0 &&
			   (copy->len == 0 || copy->len == from->size);
	struct fake_call *c = fake_call_new(
		copy->to->s, whole ? ERR_OK : ERR_UNSUPPORTED, arg);
	struct fake_node *to = fake_find(f, copy->to->path);

	fake_note(f, "copy", copy->from->path, copy->to->path);
	c->done = fn;
	if (whole) {
		fake_node_size(to, from->size, true);
		memcpy(to->data, from->data, from->size);
	}
	fake_call_go(c);
}

void
vfs_file_stat(struct vfs_file *file, vfs_stat_fn *fn, void *arg)
{
	vfs_stat(file->s, file->path, fn, arg);
}

void
vfs_file_setstat(struct vfs_file *file, const struct vfs_attrs *a,
		 vfs_done_fn *fn, void *arg)
{
	vfs_setstat(file->s, file->path, a, fn, arg);
}

void
vfs_file_sync(struct vfs_file *file, vfs_done_fn *fn, void *arg)
{
	struct fake_call *c = fake_call_new(file->s, ERR_OK, arg);

	fake_note(file->s->f, "sync", file->path, NULL);
	c->done = fn;
	fake_call_go(c);
}

void
vfs_file_close(struct vfs_file *file, enum vfs_end how, vfs_done_fn *fn,
	       void *arg)
{
	struct session *s = file->s;
	struct fake *f = s->f;
	struct fake_call *c = fake_call_new(s, ERR_OK, arg);

	fake_note(f, how == VFS_BROKEN ? "broken" : "close", file->path, NULL);
	c->done = fn;
	if (how == VFS_BROKEN)
		f->broken++;
	else if (file->failed)
		c->err = ERR_INCOMPLETE;
	else if (file->flags & VFS_WRITE)
		c->err = f->close_err;
	fake_file_free(file);
	fake_call_go(c);
}
