/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SETSTAT by path: times are kept, sizes cannot change, modes and owners are
 * taken and not kept.
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
setstat_headed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	if (res->err == ERR_NOT_FOUND) {
		vfs_folder_look(c, setstat_folder);
	} else if (res->err) {
		vfs_call_end(c, res->err, res->why);
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

void
vfs_setstat(struct session *s, const char *path, const struct vfs_attrs *a,
	    vfs_done_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);
	struct upload_name n;

	c->done = fn;
	c->arg = arg;
	c->attrs = *a;
	if (!vfs_call_name(c, &c->name, path, USER_WRITE))
		return;
	if (!strcmp(c->name.path, "/")) {
		vfs_call_end_soon(c, ERR_OK, NULL);
		return;
	}
	n = vfs_upload_name(&c->name);
	c->uc = upload_set_mtime(c->us, vfs_who(s), &n,
				 a->set & VFS_SET_MTIME ? a->mtime : 0,
				 setstat_upload, c);
}
