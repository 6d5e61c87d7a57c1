/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/vfs_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void
call_free(struct vfs_call *c)
{
	free(c->data);
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

void
vfs_call_drop(struct vfs_call *c)
{
	session_detach(&c->gone);
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

/* c->object or c->view is what c->st was made from. */
static void
look_end(struct vfs_call *c, enum err err, const char *why)
{
	struct vfs_look l = { .is_dir = c->st.is_dir,
			      .in_flight = c->st.in_flight,
			      .size = c->st.size,
			      .mtime = c->st.mtime };

	if (l.in_flight) {
		str_copy(l.id, sizeof(l.id), c->view.id);
		l.declared = c->view.declared;
		l.total = c->view.total;
	} else if (!l.is_dir) {
		str_copy(l.id, sizeof(l.id), c->object.sluice_id);
		str_copy(l.etag, sizeof(l.etag), c->object.etag);
	}
	c->look(c->arg, err, why, err ? NULL : &l);
}

void
vfs_call_end(struct vfs_call *c, enum err err, const char *why)
{
	if (!why)
		why = err_text(err);
	session_detach(&c->gone);
	if (c->stat)
		c->stat(c->arg, err, why, err ? NULL : &c->st);
	else if (c->look)
		look_end(c, err, why);
	else if (c->open)
		c->open(c->arg, err, why, err ? NULL : c->file);
	else if (c->dir)
		c->dir(c->arg, err, why, NULL); /* only to refuse */
	else if (c->space)
		c->space(c->arg, err, why, err ? NULL : &c->room);
	else if (c->read)
		c->read(c->arg, err, why, c->data, err ? 0 : c->got);
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
				    session_id(s), session_protocol(s),
				    session_peer(s) };
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

/* STAT. */

static void
stat_folder(struct vfs_call *c)
{
	if (!c->err)
		vfs_stat_dir(&c->st, c->st.mtime);
	vfs_call_end(c, c->err, NULL);
}

static void
attrs_read(void *arg, const struct journal_reply *r)
{
	struct vfs_call *c = arg;
	size_t i;

	c->journal = false;
	for (i = 0; !r->err && i < r->n; i++)
		if (!strcmp(r->attrs[i].key, c->name.literal) &&
		    !strcmp(r->attrs[i].etag, c->object.etag) &&
		    r->attrs[i].mtime)
			c->st.mtime = r->attrs[i].mtime;
	c->then(c);
}

void
vfs_attrs_look(struct vfs_call *c, void (*then)(struct vfs_call *c))
{
	struct journal_range r = { store_name(c->name.store), c->name.literal,
				   c->name.literal, c->name.literal };

	c->then = then;
	c->journal = true;
	journal_attrs(session_bridge(c->s)->journal, &r, attrs_read, c);
}

static void
stat_done(struct vfs_call *c)
{
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
		vfs_attrs_look(c, stat_done);
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
		c->view = *v;
		vfs_call_end(c, ERR_OK, NULL);
	} else if (v->hidden && !c->name.temp) {
		vfs_call_end(c, ERR_NOT_FOUND, NULL);
	} else {
		c->op = store_head(c->name.store, c->name.literal, stat_headed,
				   c);
	}
}

static void
stat_start(struct vfs_call *c, const char *path)
{
	struct upload_name n;

	if (!vfs_call_name(c, &c->name, path, 0))
		return;
	if (!strcmp(c->name.path, "/")) {
		vfs_stat_dir(&c->st, 0);
		vfs_call_end_soon(c, ERR_OK, NULL);
		return;
	}
	n = vfs_upload_name(&c->name);
	c->uc = upload_look(c->us, vfs_who(c->s), &n, stat_looked, c);
}

void
vfs_stat(struct session *s, const char *path, vfs_stat_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);

	c->stat = fn;
	c->arg = arg;
	stat_start(c, path);
}

void
vfs_look(struct session *s, const char *path, vfs_look_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);

	c->look = fn;
	c->arg = arg;
	stat_start(c, path);
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

static void
terminated(void *arg, enum err err, const char *why)
{
	struct vfs_call *c = arg;

	c->uc = NULL;
	vfs_call_end(c, err, why);
}

void
vfs_terminate(struct session *s, const char *path, const char *id,
	      vfs_done_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);
	struct upload_name n;

	c->done = fn;
	c->arg = arg;
	if (!vfs_call_name(c, &c->name, path, USER_WRITE))
		return;
	n = vfs_upload_name(&c->name);
	c->uc = upload_terminate(c->us, vfs_who(s), &n, id, terminated, c);
}

/* What the home holds, and what uploads on their way will add. */

static void
space_read(void *arg, const struct journal_reply *r)
{
	struct vfs_call *c = arg;

	c->journal = false;
	if (!r->err) {
		c->room.counted = r->usage->counted;
		c->room.used = r->usage->bytes + r->usage->live_bytes;
		c->room.files_used = r->usage->files + r->usage->live_files;
	}
	vfs_call_end(c, r->err ? ERR_AGAIN : ERR_OK, NULL);
}

void
vfs_space(struct session *s, vfs_space_fn *fn, void *arg)
{
	const struct user *u = session_user(s);
	struct vfs_call *c = vfs_call_new(s);

	c->space = fn;
	c->arg = arg;
	c->room.total = u && u->quota_bytes ? u->quota_bytes : UINT64_MAX;
	c->room.files_total = u && u->quota_files ? u->quota_files : UINT64_MAX;
	if (!u || (!u->quota_bytes && !u->quota_files)) {
		vfs_call_end_soon(c, u ? ERR_OK : ERR_DENIED, NULL);
		return;
	}
	c->journal = true;
	journal_usage(session_bridge(s)->journal, u->store, u->home, space_read,
		      c);
}
