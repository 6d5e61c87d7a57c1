/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings: a page of the store, with what the owner's uploads in flight add
 * to it, hide from it and put in the place of objects.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/vfs_private.h"

struct vfs_dir {
	struct session_call gone;
	struct session *s;
	struct store *store;
	char path[JOURNAL_PATH_MAX + 1];
	char prefix[STORE_KEY_MAX + 2]; /* key prefix: "" or ends in '/' */
	char marker[STORE_KEY_MAX + 2]; /* of the next page */
	bool first, last, root;
	struct store_op *op;
	struct upload_call *uc;
	bool journal, dead;
	struct loop_call post;

	struct upload_view *views;
	char **names, **keys;
	size_t nviews;
	struct journal_attr *attrs;
	size_t nattrs;
	struct vfs_entry *entries;
	size_t nentries;

	vfs_page_fn *fn;
	void *arg;
};

static void
views_free(struct vfs_dir *d)
{
	size_t i;

	for (i = 0; i < d->nviews; i++)
		free(d->names[i]);
	for (i = 0; i < d->nviews; i++)
		free(d->keys[i]);
	free(d->names);
	free(d->keys);
	free(d->views);
	free(d->attrs);
}

static void
entries_free(struct vfs_dir *d)
{
	size_t i;

	for (i = 0; i < d->nentries; i++)
		free((char *)d->entries[i].name);
	free(d->entries);
	d->entries = NULL;
	d->nentries = 0;
}

static void
dir_free(struct vfs_dir *d)
{
	views_free(d);
	entries_free(d);
	free(d);
}

static void
dir_stop(void *arg)
{
	struct vfs_dir *d = arg;

	d->dead = true;
	store_cancel(d->op);
	if (d->uc)
		upload_call_drop(d->uc);
	if (d->journal)
		journal_forget(session_bridge(d->s)->journal, d);
	if (!d->post.fn)
		dir_free(d);
}

void
vfs_dir_close(struct vfs_dir *d)
{
	if (!d)
		return;
	session_detach(&d->gone);
	dir_stop(d);
}

static void
page_end(struct vfs_dir *d, enum err err, const char *why)
{
	vfs_page_fn *fn = d->fn;

	d->fn = NULL;
	fn(d->arg, err, why ? why : err_text(err), d->entries,
	   err ? 0 : d->nentries);
}

/* The view of an upload that stands at this name; NULL: none. */
static struct upload_view *
view_named(struct vfs_dir *d, const char *name)
{
	size_t i;

	for (i = 0; i < d->nviews; i++)
		if (d->views[i].found && !strcmp(d->names[i], name))
			return &d->views[i];
	return NULL;
}

/* Does a whole key name this entry, whose key counts from the prefix? */
static bool
names_entry(struct vfs_dir *d, const char *key, const struct store_entry *e)
{
	size_t n = strlen(d->prefix);

	return !strncmp(key, d->prefix, n) && !strcmp(key + n, e->key);
}

static bool
hidden(struct vfs_dir *d, const struct store_entry *e)
{
	size_t i;

	for (i = 0; i < d->nviews; i++)
		if (d->views[i].hidden && names_entry(d, d->views[i].key, e) &&
		    (!e->etag || !strcmp(d->views[i].hidden_etag, e->etag)))
			return true;
	return false;
}

static int64_t
attr_mtime(struct vfs_dir *d, const struct store_entry *e)
{
	size_t i;

	for (i = 0; i < d->nattrs; i++)
		if (names_entry(d, d->attrs[i].key, e) && d->attrs[i].mtime &&
		    e->etag && !strcmp(d->attrs[i].etag, e->etag))
			return d->attrs[i].mtime;
	return e->mtime;
}

static void
add_entry(struct vfs_dir *d, const struct store_entry *e)
{
	const char *name = e->key;
	struct vfs_entry *out = &d->entries[d->nentries];
	size_t n = strlen(name);
	char *copy;

	if (!n || view_named(d, name) || hidden(d, e))
		return;
	copy = mem_strndup(name, e->is_dir && name[n - 1] == '/' ? n - 1 : n);
	if (!*copy || strchr(copy, '/')) {
		free(copy);
		return;
	}
	out->name = copy;
	if (e->is_dir) {
		vfs_stat_dir(&out->st, e->mtime);
	} else {
		struct store_object o = { .size = e->size,
					  .mtime = attr_mtime(d, e) };

		vfs_stat_object(&out->st, &o);
	}
	d->nentries++;
}

static void
add_views(struct vfs_dir *d)
{
	size_t i;

	for (i = 0; i < d->nviews; i++) {
		struct vfs_entry *out = &d->entries[d->nentries];

		if (!d->views[i].found)
			continue;
		out->name = mem_strdup(d->names[i]);
		vfs_stat_upload(&out->st, &d->views[i]);
		d->nentries++;
	}
}

static void
page_listed(void *arg, const struct store_result *res)
{
	struct vfs_dir *d = arg;
	size_t i;

	d->op = NULL;
	if (res->err && !(res->err == ERR_NOT_FOUND && d->nviews)) {
		page_end(d, res->err, res->why);
		return;
	}
	entries_free(d);
	d->entries =
		mem_array(res->nentries + d->nviews + 1, sizeof(*d->entries));
	if (d->first)
		add_views(d);
	d->first = false;
	for (i = 0; i < res->nentries; i++)
		add_entry(d, &res->entries[i]);
	d->last = !res->next || res->err;
	if (!d->last)
		str_copy(d->marker, sizeof(d->marker), res->next);
	if (!d->nentries && !d->last) /* all of it was hidden: go on */
		d->op = store_list(d->store, d->prefix, d->marker, page_listed,
				   d);
	else
		page_end(d, ERR_OK, NULL);
}

static void
attrs_read(void *arg, const struct journal_reply *r)
{
	struct vfs_dir *d = arg;

	d->journal = false;
	if (!r->err && r->n) {
		d->attrs = mem_array(r->n, sizeof(*d->attrs));
		memcpy(d->attrs, r->attrs, r->n * sizeof(*d->attrs));
		d->nattrs = r->n;
	}
	d->op = store_list(d->store, d->prefix, NULL, page_listed, d);
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void
views_copy(struct vfs_dir *d, const struct upload_view *v, size_t n)
{
	size_t i;

	d->views = mem_array(n + 1, sizeof(*d->views));
	d->names = mem_array(n + 1, sizeof(*d->names));
	d->keys = mem_array(n + 1, sizeof(*d->keys));
	for (i = 0; i < n; i++) {
		d->views[i] = v[i];
		d->names[i] = mem_strdup(base_name(v[i].path));
		d->keys[i] = mem_strdup(v[i].key); /* outlives v */
		d->views[i].key = d->keys[i];
	}
	d->nviews = n;
}

static void
scanned(void *arg, enum err err, const char *why, const struct upload_view *v,
	size_t n)
{
	struct vfs_dir *d = arg;

	d->uc = NULL;
	if (err) {
		page_end(d, err, why);
		return;
	}
	views_copy(d, v, n);
	d->journal = true;
	journal_attrs(session_bridge(d->s)->journal, store_name(d->store),
		      d->prefix, attrs_read, d);
}

static void
page_nothing(void *arg)
{
	struct vfs_dir *d = arg;

	d->post.fn = NULL;
	if (d->dead)
		dir_free(d);
	else
		page_end(d, ERR_OK, NULL);
}

void
vfs_dir_next(struct vfs_dir *d, vfs_page_fn *fn, void *arg)
{
	d->fn = fn;
	d->arg = arg;
	if (d->last) {
		entries_free(d);
		d->post.fn = page_nothing;
		d->post.arg = d;
		loop_post(session_bridge(d->s)->loop, &d->post);
	} else if (d->first) {
		d->uc = upload_scan(session_bridge(d->s)->uploads,
				    vfs_who(d->s), d->store, d->prefix, scanned,
				    d);
	} else {
		d->op = store_list(d->store, d->prefix, d->marker, page_listed,
				   d);
	}
}

static struct vfs_dir *
dir_new(struct vfs_call *c)
{
	struct vfs_dir *d = mem_alloc(sizeof(*d));

	d->s = c->s;
	d->store = c->name.store;
	d->first = true;
	str_copy(d->path, sizeof(d->path), c->name.path);
	str_printf(d->prefix, sizeof(d->prefix), "%s", c->name.literal);
	if (strcmp(c->name.path, "/"))
		str_printf(d->prefix, sizeof(d->prefix), "/");
	d->gone.gone = dir_stop;
	d->gone.arg = d;
	session_attach(c->s, &d->gone);
	return d;
}

static void
not_a_folder(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	vfs_call_end(c, res->err ? res->err : ERR_NOT_DIR, NULL);
}

static void
dir_looked(struct vfs_call *c)
{
	if (c->err == ERR_NOT_FOUND) {
		c->op = store_head(c->name.store, c->name.literal, not_a_folder,
				   c);
		return;
	}
	if (!c->err)
		c->folder = dir_new(c);
	vfs_call_end(c, c->err, NULL);
}

void
vfs_dir_open(struct session *s, const char *path, vfs_dir_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);

	c->dir = fn;
	c->arg = arg;
	if (!vfs_call_name(c, &c->name, path, USER_LIST))
		return;
	if (strcmp(c->name.path, "/")) {
		vfs_folder_look(c, dir_looked);
		return;
	}
	c->folder = dir_new(c);
	vfs_call_end_soon(c, ERR_OK, NULL);
}
