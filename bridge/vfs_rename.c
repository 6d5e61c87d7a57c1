/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RENAME: of a file by the conductor; of a folder where the store can move one,
 * elsewhere only of an empty one.
 */
#include <string.h>

#include "bridge/quota.h"
#include "bridge/vfs_private.h"

static void
dir_marker_gone(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	vfs_call_end(c, res->err, res->why);
}

static void
dir_marker_made(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;
	char from[STORE_KEY_MAX + 2] = "";

	c->op = NULL;
	if (res->err) {
		vfs_call_end(c, res->err, res->why);
		return;
	}
	str_printf(from, sizeof(from), "%s/", c->name.literal);
	c->op = store_delete(c->name.store, from, dir_marker_gone, c);
}

static void
dir_listed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;
	struct store_body body;
	struct store_meta meta = { 0 };
	char to[STORE_KEY_MAX + 2] = "";

	c->op = NULL;
	if (res->err) {
		vfs_call_end(c, res->err, res->why);
	} else if (res->nentries || res->next) {
		vfs_call_end(c, ERR_UNSUPPORTED,
			     "only an empty folder can be renamed in this "
			     "store");
	} else {
		store_body_empty(&body);
		str_printf(to, sizeof(to), "%s/", c->to.literal);
		c->op = store_put(c->to.store, to, &meta, &body,
				  dir_marker_made, c);
	}
}

static void
dir_move(struct vfs_call *c)
{
	char from[STORE_KEY_MAX + 2] = "", to[STORE_KEY_MAX + 2] = "";

	str_printf(from, sizeof(from), "%s/", c->name.literal);
	str_printf(to, sizeof(to), "%s/", c->to.literal);
	c->op = store_move(c->name.store, from, to, dir_marker_gone, c);
}

static void
dir_doubted(void *arg, const struct journal_reply *r)
{
	struct vfs_call *c = arg;

	c->journal = false;
	if (r->err)
		vfs_call_end(c, ERR_AGAIN, NULL);
	else
		dir_move(c);
}

/*
 * What lies in the folder is not known, so homes that hold it, or lie in it,
 * are counted anew when it has moved. One that holds both ends sees nothing.
 */
static void
dir_doubt(struct vfs_call *c)
{
	struct bridge *b = session_bridge(c->s);
	struct journal_change changes[2];
	struct journal_tx tx = { .changes = changes, .nchanges = 2 };
	char key[STORE_KEY_MAX + 2];
	const struct vfs_name *names[2] = { &c->name, &c->to };
	int i;

	for (i = 0; i < 2; i++) {
		key[0] = '\0';
		str_printf(key, sizeof(key), "%s/", names[i]->literal);
		quota_change(&changes[i], store_name(names[i]->store), key,
			     JOURNAL_DOUBT_ALL);
	}
	c->journal = true;
	journal_commit(b->journal, &tx, dir_doubted, c);
}

static void
dir_rename(struct vfs_call *c)
{
	char from[STORE_KEY_MAX + 2] = "";

	str_printf(from, sizeof(from), "%s/", c->name.literal);
	if (store_can_move(c->name.store))
		dir_doubt(c);
	else
		c->op = store_list(c->name.store, from, NULL, dir_listed, c);
}

/* Uploads in flight below the folder know their keys: it stays put. */
static void
dir_uploads(void *arg, const struct journal_reply *r)
{
	struct vfs_call *c = arg;

	c->journal = false;
	if (r->err)
		vfs_call_end(c, ERR_AGAIN, NULL);
	else if (r->n)
		vfs_call_end(c, ERR_IN_USE,
			     "uploads into that folder are in progress");
	else
		dir_rename(c);
}

static void
dir_target_headed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	if (res->err == ERR_NOT_FOUND)
		vfs_live_below(c, dir_uploads);
	else
		vfs_call_end(c, res->err ? res->err : ERR_EXISTS, NULL);
}

static void
rename_folder(struct vfs_call *c)
{
	char to[STORE_KEY_MAX + 2] = "";

	if (c->err) {
		vfs_call_end(c, c->err, NULL);
		return;
	}
	str_printf(to, sizeof(to), "%s/", c->to.literal);
	c->op = store_head(c->to.store, to, dir_target_headed, c);
}

static void
renamed(void *arg, enum err err, const char *why)
{
	struct vfs_call *c = arg;

	c->uc = NULL;
	if (err == ERR_NOT_FOUND && !c->name.temp)
		vfs_folder_look(c, rename_folder);
	else
		vfs_call_end(c, err, why);
}

void
vfs_rename(struct session *s, const char *from, const char *to, bool replace,
	   vfs_done_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);
	struct upload_name a, b;

	c->done = fn;
	c->arg = arg;
	if (!vfs_call_name(c, &c->name, from, 0) ||
	    !vfs_call_name(c, &c->to, to, 0))
		return;
	/* Completing one's own upload needs no right to rename. */
	if (!(session_user(s)->rights &
	      (c->name.temp ? USER_WRITE : USER_RENAME))) {
		vfs_call_end_soon(c, ERR_DENIED, NULL);
		return;
	}
	if (!strcmp(c->name.path, "/") || !strcmp(c->to.path, "/")) {
		vfs_call_end_soon(c, ERR_DENIED, NULL);
		return;
	}
	a = vfs_upload_name(&c->name);
	b = vfs_upload_name(&c->to);
	c->uc = upload_rename(c->us, vfs_who(s),
			      (struct upload_move){ &a, &b, replace }, renamed,
			      c);
}
