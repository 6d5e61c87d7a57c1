/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders: a marker object, or any key below. MKDIR and RMDIR make and delete
 * the marker.
 */
#include <string.h>

#include "bridge/vfs_private.h"

static void
folder_listed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	c->err = res->err				     ? res->err
		 : res->marker || res->nentries || res->next ? ERR_OK
							     : ERR_NOT_FOUND;
	c->then(c);
}

void
vfs_folder_look(struct vfs_call *c, void (*then)(struct vfs_call *c))
{
	char prefix[STORE_KEY_MAX + 2] = "";

	c->then = then;
	str_printf(prefix, sizeof(prefix), "%s/", c->name.literal);
	c->op = store_list(c->name.store, prefix, NULL, folder_listed, c);
}

void
vfs_live_below(struct vfs_call *c, journal_done_fn *fn)
{
	char prefix[STORE_KEY_MAX + 2] = "";
	struct journal_query q = { 0 };

	str_printf(prefix, sizeof(prefix), "%s/", c->name.literal);
	q.states = 1u << UPLOAD_OPEN | 1u << UPLOAD_PARKED |
		   1u << UPLOAD_CLOSING | 1u << UPLOAD_SEALED |
		   1u << UPLOAD_COMPLETING;
	q.store = store_name(c->name.store);
	q.key_prefix = prefix;
	q.max = 1;
	c->journal = true;
	journal_list(session_bridge(c->s)->journal, &q, fn, c);
}

static void
dir_changed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	vfs_call_end(c, res->err, res->why);
}

static void
mkdir_file_headed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;
	struct store_body body;
	struct store_meta meta = { .content_type = "application/x-directory" };
	char marker[STORE_KEY_MAX + 2] = "";

	c->op = NULL;
	if (res->err != ERR_NOT_FOUND) {
		vfs_call_end(c, res->err ? res->err : ERR_EXISTS, NULL);
		return;
	}
	store_body_empty(&body);
	str_printf(marker, sizeof(marker), "%s/", c->name.literal);
	c->op = store_put(c->name.store, marker, &meta, &body, dir_changed, c);
}

static void
mkdir_looked(struct vfs_call *c)
{
	if (c->err == ERR_NOT_FOUND)
		c->op = store_head(c->name.store, c->name.literal,
				   mkdir_file_headed, c);
	else
		vfs_call_end(c, c->err ? c->err : ERR_EXISTS, NULL);
}

void
vfs_mkdir(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);

	c->done = fn;
	c->arg = arg;
	if (!vfs_call_name(c, &c->name, path, USER_MKDIR))
		return;
	if (!strcmp(c->name.path, "/"))
		vfs_call_end_soon(c, ERR_EXISTS, NULL);
	else
		vfs_folder_look(c, mkdir_looked);
}

static void
rmdir_uploads(void *arg, const struct journal_reply *r)
{
	struct vfs_call *c = arg;
	char marker[STORE_KEY_MAX + 2] = "";

	c->journal = false;
	if (r->err || r->n) {
		vfs_call_end(c, r->err ? ERR_AGAIN : ERR_NOT_EMPTY, NULL);
		return;
	}
	str_printf(marker, sizeof(marker), "%s/", c->name.literal);
	c->op = store_delete(c->name.store, marker, dir_changed, c);
}

static void
rmdir_listed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	if (res->err)
		vfs_call_end(c, res->err, res->why);
	else if (res->nentries || res->next)
		vfs_call_end(c, ERR_NOT_EMPTY, NULL);
	else
		vfs_live_below(c, rmdir_uploads);
}

static void
rmdir_looked(struct vfs_call *c)
{
	char prefix[STORE_KEY_MAX + 2] = "";

	if (c->err) {
		vfs_call_end(c, c->err, NULL);
		return;
	}
	str_printf(prefix, sizeof(prefix), "%s/", c->name.literal);
	c->op = store_list(c->name.store, prefix, NULL, rmdir_listed, c);
}

void
vfs_rmdir(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);

	c->done = fn;
	c->arg = arg;
	if (!vfs_call_name(c, &c->name, path, USER_DELETE))
		return;
	if (!strcmp(c->name.path, "/"))
		vfs_call_end_soon(c, ERR_DENIED, NULL);
	else
		vfs_folder_look(c, rmdir_looked);
}
