/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings. First the owner's uploads in flight are looked at, then the store
 * is: an upload that is published in between shows as what it was before, but
 * never vanishes. Pages of the store come through dir_pages.h and are merged
 * with the uploads by vfs_merge.h.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/dir_pages.h"
#include "bridge/vfs_merge.h"
#include "bridge/vfs_private.h"

struct vfs_dir {
	struct session_call gone;
	struct session *s;
	struct store *store;
	char prefix[STORE_KEY_MAX + 2]; /* key prefix: "" or ends in '/' */
	char literal[STORE_KEY_MAX + 1];
	struct store_op *op; /* is it a file? */
	struct upload_call *uc;
	struct dir_pages *pages;
	struct vfs_merge *merge;
	bool root, last, dead;
	struct loop_call post;

	vfs_dir_fn *opened;
	vfs_page_fn *fn;
	void *arg;
};

static void
dir_free(struct vfs_dir *d)
{
	vfs_merge_free(d->merge);
	free(d);
}

/* Also when the session is gone: nothing is delivered any more. */
static void
dir_stop(void *arg)
{
	struct vfs_dir *d = arg;

	d->dead = true;
	store_cancel(d->op);
	if (d->uc)
		upload_call_drop(d->uc);
	dir_pages_free(d->pages);
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

/* Pages. */

static void
page_end(struct vfs_dir *d, enum err err, const char *why,
	 const struct vfs_entry *entries, size_t n)
{
	vfs_page_fn *fn = d->fn;

	d->fn = NULL;
	fn(d->arg, err, why ? why : err_text(err), entries, n);
}

static void
page_come(void *arg, const struct dir_page *page)
{
	struct vfs_dir *d = arg;
	const struct vfs_entry *entries;
	size_t n;

	if (page->err) {
		page_end(d, page->err, page->why, NULL, 0);
		return;
	}
	d->last = page->last;
	n = vfs_merge_page(d->merge, page, &entries);
	if (n || d->last)
		page_end(d, ERR_OK, NULL, entries, n);
	else /* all of it was hidden: go on */
		dir_pages_next(d->pages, page_come, d);
}

static void
page_nothing(void *arg)
{
	struct vfs_dir *d = arg;

	d->post.fn = NULL;
	if (d->dead)
		dir_free(d);
	else
		page_end(d, ERR_OK, NULL, NULL, 0);
}

void
vfs_dir_next(struct vfs_dir *d, vfs_page_fn *fn, void *arg)
{
	d->fn = fn;
	d->arg = arg;
	if (!d->last) {
		dir_pages_next(d->pages, page_come, d);
		return;
	}
	d->post.fn = page_nothing;
	d->post.arg = d;
	loop_post(session_bridge(d->s)->loop, &d->post);
}

/* Opening. */

static void
open_end(struct vfs_dir *d, enum err err, const char *why)
{
	vfs_dir_fn *fn = d->opened;
	void *fn_arg = d->arg;

	d->opened = NULL;
	if (err)
		session_detach(&d->gone);
	fn(fn_arg, err, why ? why : err_text(err), err ? NULL : d);
	if (err)
		dir_stop(d);
}

static void
not_a_folder(void *arg, const struct store_result *res)
{
	struct vfs_dir *d = arg;

	d->op = NULL;
	open_end(d, res->err ? res->err : ERR_NOT_DIR,
		 res->err ? res->why : NULL);
}

static void
folder_seen(void *arg, enum err err, const char *why, bool exists)
{
	struct vfs_dir *d = arg;

	/* An upload needs no parent, so it may be the first of its folder. */
	if (err || exists || vfs_merge_shows(d->merge))
		open_end(d, err, why);
	else
		d->op = store_head(d->store, d->literal, not_a_folder, d);
}

static void
scanned(void *arg, enum err err, const char *why, const struct upload_view *v,
	size_t n)
{
	struct vfs_dir *d = arg;
	struct bridge *b = session_bridge(d->s);
	struct dir_pages_config cfg = { b->loop, d->store, b->journal,
					b->recent, d->prefix };

	d->uc = NULL;
	if (err) {
		open_end(d, err, why);
		return;
	}
	d->merge = vfs_merge_new(d->prefix, v, n);
	d->pages = dir_pages_new(&cfg);
	if (d->root)
		open_end(d, ERR_OK, NULL);
	else
		dir_pages_exists(d->pages, folder_seen, d);
}

static struct vfs_dir *
dir_new(struct session *s, const struct vfs_name *n)
{
	struct vfs_dir *d = mem_alloc(sizeof(*d));

	d->s = s;
	d->store = n->store;
	d->root = strcmp(n->path, "/") == 0;
	str_copy(d->literal, sizeof(d->literal), n->literal);
	str_printf(d->prefix, sizeof(d->prefix), "%s%s", n->literal,
		   d->root ? "" : "/");
	d->gone.gone = dir_stop;
	d->gone.arg = d;
	session_attach(s, &d->gone);
	return d;
}

void
vfs_dir_open(struct session *s, const char *path, vfs_dir_fn *fn, void *arg)
{
	struct vfs_call *c = vfs_call_new(s);
	struct vfs_dir *d;

	c->dir = fn;
	c->arg = arg;
	if (!vfs_call_name(c, &c->name, path, USER_LIST))
		return;
	d = dir_new(s, &c->name);
	vfs_call_drop(c);
	d->opened = fn;
	d->arg = arg;
	d->uc = upload_scan(session_bridge(s)->uploads, vfs_who(s), d->store,
			    d->prefix, scanned, d);
}
