/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SETSTAT by path: times are kept; the size of an upload can change as far as
 * its own handle could change it, and a published file can be emptied; modes and
 * owners are taken and not kept.
 */
#include <string.h>

#include "bridge/vfs_private.h"

static void
setstat_folder(struct vfs_call *c)
{
	vfs_call_end(c, c->err, NULL);
}

static void
attr_kept(void *arg, const struct journal_reply *r)
{
	struct vfs_call *c = arg;

	c->journal = false;
	vfs_call_end(c, r->err ? ERR_AGAIN : ERR_OK, NULL);
}

static void
touched(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;
	struct journal_attr a = { 0 };
	struct journal_tx tx = { .attr = &a };

	c->op = NULL;
	if (res->err != ERR_UNSUPPORTED) {
		vfs_call_end(c, res->err, res->why);
		return;
	}
	str_copy(a.store, sizeof(a.store), store_name(c->name.store));
	str_copy(a.key, sizeof(a.key), c->name.literal);
	str_copy(a.etag, sizeof(a.etag), c->object.etag);
	a.mtime = c->attrs.mtime;
	c->journal = true;
	journal_commit(session_bridge(c->s)->journal, &tx, attr_kept, c);
}

static void
emptied(void *arg, enum err err, const char *why)
{
	struct vfs_call *c = arg;

	c->uc = NULL;
	vfs_call_end(c, err, why);
}

static void
no_pause(void *arg, bool paused)
{
	(void)arg;
	(void)paused;
}

static void
no_ready(void *arg, enum err err, const char *why)
{
	(void)arg;
	(void)err;
	(void)why;
}

static void
opened_to_empty(void *arg, enum err err, const char *why, struct upload_file *f)
{
	struct vfs_call *c = arg;

	c->uc = NULL;
	if (err)
		vfs_call_end(c, err, why);
	else
		c->uc = upload_file_close(f, true, emptied, c);
}

/* To the size 0 is to be replaced by an empty file, as with OPEN and TRUNC. */
static void
empty(struct vfs_call *c)
{
	struct upload_open o = { .who = vfs_who(c->s),
				 .name = vfs_upload_name(&c->name) };

	o.flags = UPLOAD_F_CREAT | UPLOAD_F_TRUNC;
	o.declared = true;
	o.mtime = c->attrs.set & VFS_SET_MTIME ? c->attrs.mtime : 0;
	o.pause = no_pause;
	o.ready = no_ready;
	c->uc = upload_open(c->us, &o, opened_to_empty, c);
}

static void
setstat_headed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	if (res->err == ERR_NOT_FOUND) {
		vfs_folder_look(c, setstat_folder);
	} else if (res->err) {
		vfs_call_end(c, res->err, res->why);
	} else if (c->attrs.set & VFS_SET_SIZE && c->attrs.size == 0 &&
		   res->object.size != 0) {
		empty(c);
	} else if (c->attrs.set & VFS_SET_SIZE &&
		   c->attrs.size != res->object.size) {
		vfs_call_end(c, ERR_UNSUPPORTED,
			     "a published file cannot change its size");
	} else if (!(c->attrs.set & VFS_SET_MTIME)) {
		vfs_call_end(c, ERR_OK, NULL); /* mode, owner: not kept */
	} else {
		c->object = res->object;
		c->op = store_touch(c->name.store, c->name.literal,
				    c->attrs.mtime, touched, c);
	}
}

static void
setstat_upload(void *arg, enum err err, const char *why)
{
	struct vfs_call *c = arg;

	(void)why;
	c->uc = NULL;
	if (err == ERR_OK)
		vfs_call_end(c, ERR_OK, NULL);
	else
		c->op = store_head(c->name.store, c->name.literal,
				   setstat_headed, c);
}

static void
set_time(struct vfs_call *c)
{
	const struct upload_name n = vfs_upload_name(&c->name);

	c->uc = upload_set_mtime(c->us, vfs_who(c->s), &n,
				 c->attrs.set & VFS_SET_MTIME ? c->attrs.mtime
							      : 0,
				 setstat_upload, c);
}

/* The size of an upload that is not driven here, or of what is published. */
static void
size_looked(void *arg, enum err err, const char *why,
	    const struct upload_view *v)
{
	struct vfs_call *c = arg;

	c->uc = NULL;
	if (err)
		vfs_call_end(c, err, why);
	else if (v->found && v->end != c->attrs.size)
		vfs_call_end(c, ERR_UNSUPPORTED,
			     "only the session that uploads it can change its "
			     "size");
	else if (v->found && !(c->attrs.set & VFS_SET_MTIME))
		vfs_call_end(c, ERR_OK, NULL);
	else
		set_time(c);
}

static void
set_size(struct vfs_call *c)
{
	const struct upload_name n = vfs_upload_name(&c->name);
	const char *why = NULL;
	enum err err;

	err = upload_truncate(c->us, vfs_who(c->s), &n, c->attrs.size, &why);
	if (err == ERR_NOT_FOUND)
		c->uc = upload_look(c->us, vfs_who(c->s), &n, size_looked, c);
	else if (err)
		vfs_call_end_soon(c, err, why);
	else
		set_time(c);
}

void
vfs_setstat(struct session *s, const char *path, const struct vfs_attrs *a,
	    vfs_done_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);

	c->done = fn;
	c->arg = arg;
	c->attrs = *a;
	if (!vfs_call_name(c, &c->name, path, USER_WRITE))
		return;
	if (!strcmp(c->name.path, "/")) {
		vfs_call_end_soon(c, ERR_OK, NULL);
		return;
	}
	if (a->set & VFS_SET_SIZE)
		set_size(c);
	else
		set_time(c);
}
