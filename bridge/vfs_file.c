/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "bridge/download.h"
#include "bridge/vfs_private.h"
#include "lib/clock.h"

#define READ_BACK_MAX (1u << 20)

static void
file_gone(void *arg)
{
	struct vfs_file *f = arg;

	if (f->w)
		upload_file_drop(f->w);
	vfs_read_end(f, false);
	free(f);
}

struct vfs_file *
vfs_file_new(struct vfs_call *c)
{
	struct vfs_file *f = mem_alloc(sizeof(*f));

	f->s = c->s;
	f->name = c->name;
	f->gone.gone = file_gone;
	f->gone.arg = f;
	session_attach(c->s, &f->gone);
	return f;
}

static void
opened_for_writing(void *arg, enum err err, const char *why,
		   struct upload_file *w)
{
	struct vfs_call *c = arg;

	c->uc = NULL;
	if (!err) {
		c->file = vfs_file_new(c);
		c->file->w = w;
		c->file->readable = c->flags & VFS_READ;
	}
	vfs_call_end(c, err, why);
}

static void
open_for_writing(struct vfs_call *c)
{
	struct upload_open o = { .who = vfs_who(c->s),
				 .name = vfs_upload_name(&c->name) };

	o.flags = (c->flags & VFS_CREAT ? UPLOAD_F_CREAT : 0) |
		  (c->flags & VFS_TRUNC ? UPLOAD_F_TRUNC : 0) |
		  (c->flags & VFS_EXCL ? UPLOAD_F_EXCL : 0) |
		  (c->flags & VFS_RESTART ? UPLOAD_F_RESTART : 0) |
		  (c->flags & VFS_APPEND ? UPLOAD_F_APPEND : 0);
	o.declared = c->attrs.set & VFS_SET_SIZE;
	o.size = c->attrs.size;
	o.mtime = c->attrs.set & VFS_SET_MTIME ? c->attrs.mtime : 0;
	o.pause = c->events->pause;
	o.ready = c->events->ready;
	o.events_arg = c->events_arg;
	c->uc = upload_open(c->us, &o, opened_for_writing, c);
}

void
vfs_open(struct session *s, const struct vfs_open *o, vfs_open_fn *fn,
	 void *arg)
{
	struct vfs_call *c = vfs_call_new(s);

	c->open = fn;
	c->arg = arg;
	c->flags = o->flags;
	c->attrs = o->attrs;
	c->events = o->events;
	c->events_arg = o->events_arg;
	if (!vfs_call_name(c, &c->name, o->path,
			   o->flags & VFS_WRITE ? USER_WRITE : USER_READ))
		return;
	if (!strcmp(c->name.path, "/"))
		vfs_call_end_soon(c, ERR_IS_DIR, NULL);
	else if (!(o->flags & VFS_WRITE))
		vfs_open_read(c);
	else if (!o->events)
		vfs_call_end_soon(c, ERR_INVALID, NULL);
	else
		open_for_writing(c);
}

uint64_t
vfs_file_size(const struct vfs_file *f)
{
	return f->w ? upload_file_size(f->w) : download_size(f->r);
}

void
vfs_file_look(const struct vfs_file *f, struct vfs_look *out)
{
	struct store_object o;
	struct upload_view v;

	*out = (struct vfs_look){ .size = vfs_file_size(f), .mtime = f->mtime };
	if (f->w) {
		upload_file_view(f->w, &v);
		out->in_flight = true;
		str_copy(out->id, sizeof(out->id), v.id);
		out->declared = v.declared;
		out->total = v.total;
	} else {
		download_source(f->r, &o);
		str_copy(out->etag, sizeof(out->etag), o.etag);
	}
}

enum err
vfs_file_write(struct vfs_file *f, uint64_t off, const void *data, size_t n,
	       const char **why)
{
	if (!f->w) {
		*why = "the file is open for reading";
		return ERR_DENIED;
	}
	if (n > UINT64_MAX - off || off + n > INT64_MAX) {
		*why = "the offset is too large";
		return ERR_TOO_LARGE;
	}
	return upload_file_write(f->w, off, data, n, why);
}

bool
vfs_file_acks(const struct vfs_file *f)
{
	return f->w ? upload_file_acks(f->w) : true;
}

static void
synced(void *arg, enum err err, const char *why)
{
	struct vfs_call *c = arg;

	c->uc = NULL;
	vfs_call_end(c, err, why);
}

/* Of a file that is open for writing: the object, or what was written. */
static void
read_back(struct vfs_file *f, uint64_t off, size_t n, struct vfs_call *c)
{
	const char *why = NULL;
	enum err err;

	if (n > READ_BACK_MAX)
		n = READ_BACK_MAX;
	c->data = mem_alloc(n + 1);
	err = upload_file_read(f->w, off, c->data, n, &c->got, &why);
	vfs_call_end_soon(c, err, why);
}

bool
vfs_file_paused(const struct vfs_file *f)
{
	return f->w && upload_file_paused(f->w);
}

void
vfs_file_read(struct vfs_file *f, uint64_t off, size_t n, vfs_read_fn *fn,
	      void *arg)
{
	const struct store_object *o = f->w ? upload_file_object(f->w) : NULL;
	struct vfs_call *c;

	if (!f->r && o && f->readable)
		vfs_read_begin(f, o);
	if (f->r && (o || !f->w)) {
		download_read(f->r, off, n, fn, arg);
		return;
	}
	c = vfs_call_new(f->s);
	c->read = fn;
	c->arg = arg;
	if (f->readable)
		read_back(f, off, n, c);
	else
		vfs_call_end_soon(c, ERR_DENIED,
				  "the file is open for writing");
}

/* Why this is not a copy of a whole file within a store; NULL: it is. */
static const char *
copy_fault(const struct vfs_copy *c)
{
	const uint64_t size = c->from->r ? download_size(c->from->r) : 0;

	if (!c->from->r || c->from->w || !c->to->w)
		return "a copy goes from a file open for reading to one open "
		       "for writing";
	if (c->from->name.store != c->to->name.store)
		return "the two files are in different stores";
	if (c->from_off || c->to_off || (c->len && c->len < size))
		return "only whole files are copied here; read and write the "
		       "bytes instead";
	return NULL;
}

void
vfs_file_copy(const struct vfs_copy *copy, vfs_done_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(copy->to->s);
	const char *why = copy_fault(copy);

	c->done = fn;
	c->arg = arg;
	if (why) {
		vfs_call_end_soon(c, ERR_UNSUPPORTED, why);
		return;
	}
	download_source(copy->from->r, &c->object);
	c->object.mtime = copy->from->mtime;
	c->uc = upload_file_copy(copy->to->w, copy->from->name.literal,
				 &c->object, synced, c);
}

void
vfs_file_stat(struct vfs_file *f, vfs_stat_fn *fn, void *arg)
{
	const struct store_object *there =
		f->w ? upload_file_object(f->w) : NULL;
	struct vfs_call *c = vfs_call_new(f->s);

	c->stat = fn;
	c->arg = arg;
	if (there) {
		vfs_stat_object(&c->st, there);
	} else if (f->w) {
		struct upload_view v = { .end = upload_file_size(f->w),
					 .mtime = clock_wall_ms() / 1000 };

		vfs_stat_upload(&c->st, &v);
	} else {
		struct store_object o = { .size = download_size(f->r),
					  .mtime = f->mtime };

		vfs_stat_object(&c->st, &o);
	}
	vfs_call_end_soon(c, ERR_OK, NULL);
}

void
vfs_file_setstat(struct vfs_file *f, const struct vfs_attrs *a, vfs_done_fn *fn,
		 void *arg)
{
	struct vfs_call *c;
	const char *why = NULL;
	enum err err = ERR_OK;

	if (!f->w) {
		/* By its handle or its path: the same object. */
		vfs_setstat(f->s, f->name.path, a, fn, arg);
		return;
	}
	c = vfs_call_new(f->s);
	c->done = fn;
	c->arg = arg;
	if (a->set & VFS_SET_MTIME)
		upload_file_mtime(f->w, a->mtime);
	if (a->set & VFS_SET_SIZE)
		err = upload_file_truncate(f->w, a->size, &why);
	vfs_call_end_soon(c, err, why);
}

void
vfs_file_sync(struct vfs_file *f, vfs_done_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(f->s);

	c->done = fn;
	c->arg = arg;
	if (f->w)
		c->uc = upload_file_sync(f->w, synced, c);
	else
		vfs_call_end_soon(c, ERR_OK, NULL);
}

void
vfs_file_close(struct vfs_file *f, enum vfs_end how, vfs_done_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(f->s);

	c->done = fn;
	c->arg = arg;
	session_detach(&f->gone);
	if (f->w)
		c->uc = upload_file_close(f->w, how == VFS_COMPLETE, synced, c);
	else
		vfs_call_end_soon(c, ERR_OK, NULL);
	vfs_read_end(f, how == VFS_COMPLETE);
	free(f);
}
