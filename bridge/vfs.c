/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/vfs_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/clock.h"
#include "lib/log.h"

static void
call_free(struct vfs_call *c)
{
	free(c);
}

/* The session is gone: nothing is delivered any more. */
static void
call_gone(void *arg)
{
	struct vfs_call *c = arg;

	c->dead = true;
	store_cancel(c->op);
	c->op = NULL;
	if (c->uc)
		upload_call_drop(c->uc);
	if (c->journal)
		journal_forget(session_bridge(c->s)->journal, c);
	if (!c->post.fn)
		call_free(c);
}

struct vfs_call *
vfs_call_new(struct session *s)
{
	struct vfs_call *c = mem_alloc(sizeof(*c));

	c->s = s;
	c->us = session_bridge(s)->uploads;
	c->gone.gone = call_gone;
	c->gone.arg = c;
	session_attach(s, &c->gone);
	return c;
}

void
vfs_call_end(struct vfs_call *c, enum err err, const char *why)
{
	if (!why)
		why = err_text(err);
	session_detach(&c->gone);
	if (c->stat)
		c->stat(c->arg, err, why, err ? NULL : &c->st);
	else if (c->open)
		c->open(c->arg, err, why, err ? NULL : c->file);
	else if (c->dir)
		c->dir(c->arg, err, why, err ? NULL : c->folder);
	else if (c->read)
		c->read(c->arg, err, why, NULL, 0);
	else if (c->done)
		c->done(c->arg, err, why);
	call_free(c);
}

static void
call_post(void *arg)
{
	struct vfs_call *c = arg;

	c->post.fn = NULL;
	if (c->dead)
		call_free(c);
	else
		vfs_call_end(c, c->err, c->why);
}

void
vfs_call_end_soon(struct vfs_call *c, enum err err, const char *why)
{
	c->err = err;
	str_copy(c->why, sizeof(c->why), why ? why : err_text(err));
	c->post.fn = call_post;
	c->post.arg = c;
	loop_post(session_bridge(c->s)->loop, &c->post);
}

struct upload_who
vfs_who(const struct session *s)
{
	/* Only the reference count of a user ever changes. */
	return (struct upload_who){ (struct user *)session_user(s),
				    session_id(s), session_protocol(s) };
}

struct upload_name
vfs_upload_name(const struct vfs_name *n)
{
	return (struct upload_name){ n->store, n->key, n->path, n->final_path,
				     n->temp };
}

static enum err
resolve(struct session *s, struct vfs_name *n, const char *path)
{
	const struct user *u = session_user(s);
	struct bridge *b = session_bridge(s);
	enum err err = names_path("/", path, strlen(path), n->path);

	if (err)
		return err;
	n->store = bridge_store(b, u->store);
	if (!n->store)
		return ERR_IO;
	n->temp = names_temporary(b->config->temp_patterns, n->path,
				  n->final_path);
	if (!n->temp)
		str_copy(n->final_path, sizeof(n->final_path), n->path);
	err = names_key(u->home, n->final_path, n->key);
	return err ? err : names_key(u->home, n->path, n->literal);
}

bool
vfs_call_name(struct vfs_call *c, struct vfs_name *n, const char *path,
	      unsigned right)
{
	const struct user *u = session_user(c->s);
	enum err err = u && (u->rights & right) == right
			       ? resolve(c->s, n, path)
			       : ERR_DENIED;

	if (err)
		vfs_call_end_soon(
			c, err,
			err == ERR_INVALID     ? "that is no valid path here"
			: err == ERR_TOO_LARGE ? "the path is too long"
					       : NULL);
	return err == ERR_OK;
}

void
vfs_stat_object(struct vfs_stat *st, const struct store_object *o)
{
	st->size = o->size;
	st->mtime = o->mtime;
	st->mode = S_IFREG | 0644;
	st->is_dir = st->in_flight = false;
}

void
vfs_stat_dir(struct vfs_stat *st, int64_t mtime)
{
	st->size = 0;
	st->mtime = mtime;
	st->mode = S_IFDIR | 0755;
	st->is_dir = true;
	st->in_flight = false;
}

void
vfs_stat_upload(struct vfs_stat *st, const struct upload_view *v)
{
	st->size = v->end;
	st->mtime = v->mtime;
	st->mode = S_IFREG | 0644;
	st->is_dir = false;
	st->in_flight = true;
}

/* Folders. */

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

/* STAT. */

static void
stat_folder(struct vfs_call *c)
{
	if (!c->err)
		vfs_stat_dir(&c->st, c->st.mtime);
	vfs_call_end(c, c->err, NULL);
}

static void
stat_attrs(void *arg, const struct journal_reply *r)
{
	struct vfs_call *c = arg;
	size_t i;

	c->journal = false;
	for (i = 0; !r->err && i < r->n; i++)
		if (!strcmp(r->attrs[i].key, c->name.literal) &&
		    !strcmp(r->attrs[i].etag, c->object.etag) &&
		    r->attrs[i].mtime)
			c->st.mtime = r->attrs[i].mtime;
	vfs_call_end(c, ERR_OK, NULL);
}

static void
stat_headed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	if (res->err == ERR_NOT_FOUND) {
		vfs_folder_look(c, stat_folder);
	} else if (res->err) {
		vfs_call_end(c, res->err, res->why);
	} else {
		c->object = res->object;
		vfs_stat_object(&c->st, &res->object);
		c->journal = true;
		journal_attrs(session_bridge(c->s)->journal,
			      store_name(c->name.store), c->name.literal,
			      stat_attrs, c);
	}
}

static void
stat_looked(void *arg, enum err err, const char *why,
	    const struct upload_view *v)
{
	struct vfs_call *c = arg;

	c->uc = NULL;
	if (err) {
		vfs_call_end(c, err, why);
	} else if (v->found) {
		vfs_stat_upload(&c->st, v);
		vfs_call_end(c, ERR_OK, NULL);
	} else if (v->hidden && !c->name.temp) {
		vfs_call_end(c, ERR_NOT_FOUND, NULL);
	} else {
		c->op = store_head(c->name.store, c->name.literal, stat_headed,
				   c);
	}
}

void
vfs_stat(struct session *s, const char *path, vfs_stat_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);
	struct upload_name n;

	c->stat = fn;
	c->arg = arg;
	if (!vfs_call_name(c, &c->name, path, 0))
		return;
	if (!strcmp(c->name.path, "/")) {
		vfs_stat_dir(&c->st, 0);
		vfs_call_end_soon(c, ERR_OK, NULL);
		return;
	}
	n = vfs_upload_name(&c->name);
	c->uc = upload_look(c->us, vfs_who(s), &n, stat_looked, c);
}

/* REMOVE. */

static void
removed(void *arg, enum err err, const char *why)
{
	struct vfs_call *c = arg;

	c->uc = NULL;
	if (err == ERR_NOT_FOUND && c->name.temp) {
		/* No upload; perhaps an object of that very name. */
		struct upload_name n = { c->name.store, c->name.literal,
					 c->name.path, c->name.path, false };

		c->name.temp = false;
		c->uc = upload_remove(c->us, vfs_who(c->s), &n, removed, c);
		return;
	}
	vfs_call_end(c, err, why);
}

void
vfs_remove(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);
	struct upload_name n;

	c->done = fn;
	c->arg = arg;
	if (!vfs_call_name(c, &c->name, path, USER_DELETE))
		return;
	if (!strcmp(c->name.path, "/")) {
		vfs_call_end_soon(c, ERR_IS_DIR, NULL);
		return;
	}
	n = vfs_upload_name(&c->name);
	c->uc = upload_remove(c->us, vfs_who(s), &n, removed, c);
}

/* RENAME. */

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
dir_rename(struct vfs_call *c)
{
	char from[STORE_KEY_MAX + 2] = "", to[STORE_KEY_MAX + 2] = "";

	str_printf(from, sizeof(from), "%s/", c->name.literal);
	str_printf(to, sizeof(to), "%s/", c->to.literal);
	if (store_can_move(c->name.store))
		c->op = store_move(c->name.store, from, to, dir_marker_gone, c);
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
live_below(struct vfs_call *c, journal_done_fn *fn)
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
dir_target_headed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	if (res->err == ERR_NOT_FOUND)
		live_below(c, dir_uploads);
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
	c->uc = upload_rename(c->us, vfs_who(s), &a, &b, replace, renamed, c);
}

/* MKDIR, RMDIR. */

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
		live_below(c, rmdir_uploads);
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

/* SETSTAT. */

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

void
vfs_space(struct session *s, struct vfs_space *out)
{
	const struct user *u = session_user(s);

	out->total = u && u->quota_bytes ? u->quota_bytes : UINT64_MAX;
	out->used = 0;
}
