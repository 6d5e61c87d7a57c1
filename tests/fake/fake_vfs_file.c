/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/mem.h"
#include "tests/fake/fake_vfs_private.h"

#define FILE_MAX (1u << 30) /* bytes of one file */
#define MIB (1u << 20)

void
fake_file_free(struct vfs_file *f)
{
	DL_DELETE(f->s->files, f);
	f->node->busy = false;
	loop_timer_free(f->timer);
	free(f);
}

static void
run_open(struct call *c)
{
	c->open(c->arg, c->err, c->why, c->file);
}

static void
go_on(void *arg)
{
	struct vfs_file *f = arg;

	f->paused = !f->paused;
	if (f->paused)
		loop_timer_set(f->timer, 50);
	f->events->pause(f->events_arg, f->paused);
}

static enum err
open_node(const struct vfs_open *o, struct node **out)
{
	struct node *n = fake_find(o->path);

	if (strstr(o->path, "busy") || (n && n->busy))
		return ERR_IN_USE;
	if (fake_is_dir(o->path))
		return ERR_IS_DIR;
	if (!(o->flags & VFS_WRITE) && (!n || !n->published))
		return ERR_NOT_FOUND;
	if (!n && !(o->flags & VFS_CREAT))
		return ERR_NOT_FOUND;
	*out = n ? n : fake_add(o->path, false);
	return ERR_OK;
}

static void
begin_upload(struct vfs_file *f, const struct vfs_open *o)
{
	struct node *n = f->node;

	n->busy = true;
	if (o->flags & VFS_TRUNC || !n->uploading) {
		n->upload.len = 0;
		if (!(o->flags & VFS_TRUNC) && n->published)
			f->end = n->object.len;
	} else {
		f->end = n->upload.len;
		f->resumed = true;
	}
	n->uploading = true;
	if (f->end > n->upload.len) {
		struct bytes keep = n->upload;

		n->upload = n->object;
		n->upload.p = mem_alloc(n->object.len + 1);
		n->upload.size = n->object.len + 1;
		if (n->object.p) /* that of a "null" file has none */
			memcpy(n->upload.p, n->object.p, n->object.len);
		free(keep.p);
	}
	f->declared = o->attrs.set & VFS_SET_SIZE;
	f->want = o->attrs.size;
}

void
vfs_open(struct session *s, const struct vfs_open *o, vfs_open_fn *fn,
	 void *arg)
{
	struct call *c = fake_call_new(s, run_open, arg, 0);
	struct node *n = NULL;
	struct vfs_file *f;

	c->open = fn;
	fake_result(c, open_node(o, &n));
	if (!n)
		return;
	f = mem_alloc(sizeof(*f));
	f->s = s;
	f->node = n;
	f->flags = o->flags;
	f->events = o->events;
	f->events_arg = o->events_arg;
	f->null = strstr(o->path, "null") != NULL;
	f->timer = loop_timer_new(s->b->loop, go_on, f);
	DL_APPEND(s->files, f);
	if (o->flags & VFS_WRITE)
		begin_upload(f, o);
	else
		f->end = n->object.len;
	c->file = f;
}

uint64_t
vfs_file_size(const struct vfs_file *f)
{
	return f->end;
}

/* What an append to an object makes anew has no id yet. */
void
vfs_file_look(const struct vfs_file *f, struct vfs_look *out)
{
	*out = (struct vfs_look){ .in_flight = f->flags & VFS_WRITE,
				  .size = f->end };
	if (f->resumed)
		str_copy(out->id, sizeof(out->id), "an upload");
}

static enum err
write_error(struct vfs_file *f, uint64_t off, size_t n, const char **why)
{
	*why = "the write failed";
	if (f->failed)
		return ERR_IO;
	if (off > f->end) {
		*why = "there would be a gap";
		return ERR_INVALID;
	}
	if (strstr(f->node->path, "quota") && off + n > MIB) {
		*why = "your quota is used up";
		return ERR_QUOTA;
	}
	if (!f->null && off + n > FILE_MAX)
		return ERR_TOO_LARGE;
	return ERR_OK;
}

enum err
vfs_file_write(struct vfs_file *f, uint64_t off, const void *data, size_t n,
	       const char **why)
{
	struct bytes *b = &f->node->upload;
	enum err err = write_error(f, off, n, why);

	if (err) {
		f->failed = true;
		return err;
	}
	f->end = off + n;
	if (!f->null && f->end > b->size) {
		b->size = f->end * 2;
		b->p = mem_resize(b->p, b->size);
	}
	if (!f->null && n > 0)
		memcpy(b->p + off, data, n);
	b->len = f->end;
	if (strstr(f->node->path, "pause") && !f->paused &&
	    f->end >= f->paused_at + MIB) {
		f->paused_at = f->end;
		loop_timer_set(f->timer, 0);
	}
	return ERR_OK;
}

bool
vfs_file_paused(const struct vfs_file *f)
{
	return f->paused;
}

bool
vfs_file_acks(const struct vfs_file *f)
{
	(void)f;
	return true;
}

static void
run_read(struct call *c)
{
	struct vfs_file *f = c->file;
	const struct bytes *b = &f->node->object;
	uint64_t left = c->off < b->len ? b->len - c->off : 0;
	static const unsigned char nothing[MIB];

	f->reading = NULL;
	if (c->n > left)
		c->n = (size_t)left;
	if (f->null && c->n > MIB)
		c->n = MIB;
	c->read(c->arg, ERR_OK, "",
		f->null || c->n == 0 ? nothing : b->p + c->off, c->n);
}

void
vfs_file_read(struct vfs_file *f, uint64_t off, size_t n, vfs_read_fn *fn,
	      void *arg)
{
	struct call *c = fake_call_new(f->s, run_read, arg, 0);

	c->read = fn;
	c->file = f;
	c->off = off;
	c->n = n;
	f->reading = c;
}

void
vfs_file_stat(struct vfs_file *f, vfs_stat_fn *fn, void *arg)
{
	vfs_stat(f->s, f->node->path, fn, arg);
}

void
vfs_file_setstat(struct vfs_file *f, const struct vfs_attrs *a, vfs_done_fn *fn,
		 void *arg)
{
	fake_set_attrs(f->node, a);
	if (a->set & VFS_SET_SIZE) {
		f->declared = true;
		f->want = a->size;
	}
	fake_finish(f->s, ERR_OK, fn, arg);
}

void
vfs_file_sync(struct vfs_file *f, vfs_done_fn *fn, void *arg)
{
	fake_finish(f->s, ERR_OK, fn, arg);
}

static enum err
publish(struct vfs_file *f, enum vfs_end how)
{
	struct node *n = f->node;

	if (!(f->flags & VFS_WRITE) || how == VFS_BROKEN)
		return ERR_OK;
	if (f->failed || (f->declared && f->want != f->end))
		return ERR_INCOMPLETE;
	free(n->object.p);
	n->object = n->upload;
	n->upload = (struct bytes){ 0 };
	n->published = true;
	n->uploading = false;
	return ERR_OK;
}

void
vfs_file_close(struct vfs_file *f, enum vfs_end how, vfs_done_fn *fn, void *arg)
{
	bool slow = how == VFS_COMPLETE && strstr(f->node->path, "slow");
	struct call *c =
		fake_call_new(f->s, fake_run_done, arg, slow ? 2000 : 0);

	c->done = fn;
	fake_result(c, publish(f, how));
	if (f->reading)
		fake_call_end(f->reading);
	fake_file_free(f);
}
