/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A double of session.h and vfs.h in memory, for front ends that are tested
 * alone: one user, one tree of files, uploads that park and resume. What a
 * path contains makes a file behave in a certain way:
 *
 *   "null"   bytes are counted and dropped: for measuring
 *   "quota"  the write that passes 1 MiB fails with ERR_QUOTA
 *   "slow"   publishing takes two seconds
 *   "pause"  each MiB is followed by a pause of 50 ms
 *   "busy"   opening fails with ERR_IN_USE
 */
#include "tests/fake/fake_vfs.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

#include "bridge/names.h"
#include "bridge/vfs.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mem.h"

#define FILE_MAX (1u << 30) /* bytes of one file */
#define MIB (1u << 20)
#define PAGE 100 /* entries */

struct bytes {
	unsigned char *p;
	uint64_t len, size;
};

struct node {
	struct node *prev, *next;
	char path[JOURNAL_PATH_MAX + 1];
	bool dir, published, uploading;
	struct bytes object, upload;
	int64_t mtime;
	uint32_t mode;
	bool busy;
};

struct call {
	struct call *prev, *next;
	struct session *s;
	struct loop_timer *timer;
	void (*run)(struct call *c);
	enum err err;
	char why[200];
	vfs_done_fn *done;
	vfs_stat_fn *stat;
	vfs_open_fn *open;
	vfs_dir_fn *dir;
	vfs_page_fn *page;
	vfs_read_fn *read;
	session_login_fn *login;
	void *arg;
	struct vfs_stat st;
	struct vfs_file *file;
	struct vfs_dir *folder;
	uint64_t off;
	size_t n;
};

struct session {
	struct bridge *b;
	char id[9];
	char peer[64];
	struct sockaddr_storage sa;
	const char *protocol;
	struct user user;
	bool logged_in;
	struct call *calls;
	struct vfs_file *files;
	struct vfs_dir *dirs;
};

struct vfs_file {
	struct vfs_file *prev, *next;
	struct session *s;
	struct node *node;
	unsigned flags;
	uint64_t end, paused_at;
	bool declared, failed, null, paused;
	uint64_t want;
	const struct vfs_file_events *events;
	void *events_arg;
	struct loop_timer *timer;
	struct call *reading;
};

struct vfs_dir {
	struct vfs_dir *prev, *next;
	struct session *s;
	char path[JOURNAL_PATH_MAX + 1];
	struct node *at;
	struct call *call;
};

static struct node *nodes;

static struct node *
find(const char *path)
{
	struct node *n;

	DL_FOREACH (nodes, n)
		if (strcmp(n->path, path) == 0)
			return n;
	return NULL;
}

static struct node *
add(const char *path, bool dir)
{
	struct node *n = mem_alloc(sizeof(*n));

	str_copy(n->path, sizeof(n->path), path);
	n->dir = dir;
	n->mode = dir ? S_IFDIR | 0755 : S_IFREG | 0644;
	n->mtime = clock_wall_ms() / 1000;
	DL_APPEND(nodes, n);
	return n;
}

static void
drop(struct node *n)
{
	DL_DELETE(nodes, n);
	free(n->object.p);
	free(n->upload.p);
	free(n);
}

void
fake_vfs_clear(void)
{
	while (nodes)
		drop(nodes);
}

/* Directly below the folder? */
static const char *
child_name(const char *folder, const char *path)
{
	size_t len = strcmp(folder, "/") == 0 ? 0 : strlen(folder);

	if (strncmp(folder, path, len) != 0 || path[len] != '/' ||
	    path[len + 1] == '\0' || strchr(path + len + 1, '/'))
		return NULL;
	return path + len + 1;
}

static bool
is_dir(const char *path)
{
	struct node *n = find(path);
	size_t len = strlen(path);

	if (strcmp(path, "/") == 0 || (n && n->dir))
		return true;
	DL_FOREACH (nodes, n)
		if (strncmp(n->path, path, len) == 0 && n->path[len] == '/')
			return true;
	return false;
}

static bool
fill_stat(const char *path, struct vfs_stat *st)
{
	struct node *n = find(path);

	if (n && !n->dir) {
		*st = (struct vfs_stat){
			.size = n->uploading ? n->upload.len : n->object.len,
			.mtime = n->mtime,
			.mode = n->mode,
			.in_flight = n->uploading,
		};
		return n->uploading || n->published;
	}
	*st = (struct vfs_stat){ .mode = S_IFDIR | 0755, .is_dir = true };
	if (n)
		st->mtime = n->mtime;
	return is_dir(path);
}

/* Completions: from the loop, never after the session. */

static void
call_end(struct call *c)
{
	DL_DELETE(c->s->calls, c);
	loop_timer_free(c->timer);
	free(c);
}

static void
call_fire(void *arg)
{
	struct call copy = *(struct call *)arg;

	call_end(arg);
	copy.run(&copy);
}

static struct call *
call_new(struct session *s, void (*run)(struct call *c), void *arg, unsigned ms)
{
	struct call *c = mem_alloc(sizeof(*c));

	c->s = s;
	c->run = run;
	c->arg = arg;
	c->timer = loop_timer_new(s->b->loop, call_fire, c);
	DL_APPEND(s->calls, c);
	loop_timer_set(c->timer, ms);
	return c;
}

static void
call_result(struct call *c, enum err err)
{
	c->err = err;
	str_copy(c->why, sizeof(c->why), err_text(err));
}

static void
run_done(struct call *c)
{
	c->done(c->arg, c->err, c->why);
}

static void
run_stat(struct call *c)
{
	c->stat(c->arg, c->err, c->why, &c->st);
}

static void
run_open(struct call *c)
{
	c->open(c->arg, c->err, c->why, c->file);
}

static void
run_dir(struct call *c)
{
	c->dir(c->arg, c->err, c->why, c->folder);
}

static void
run_login(struct call *c)
{
	c->login(c->arg, c->err);
}

static void
finish(struct session *s, enum err err, vfs_done_fn *fn, void *arg)
{
	struct call *c = call_new(s, run_done, arg, 0);

	c->done = fn;
	call_result(c, err);
}

/* session.h */

enum err
session_new(struct session **out, struct bridge *b, const char *protocol,
	    const struct sockaddr *peer)
{
	struct session *s = mem_alloc(sizeof(*s));
	unsigned char random[4];

	s->b = b;
	s->protocol = protocol;
	id_random(random, sizeof(random));
	hex_encode(random, sizeof(random), s->id);
	memcpy(&s->sa, peer,
	       peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					   : sizeof(struct sockaddr_in));
	if (getnameinfo((struct sockaddr *)&s->sa, sizeof(s->sa), s->peer,
			sizeof(s->peer), NULL, 0, NI_NUMERICHOST) != 0)
		str_copy(s->peer, sizeof(s->peer), "?");
	str_copy(s->user.name, sizeof(s->user.name), "demo");
	s->user.rights = USER_READ | USER_WRITE | USER_DELETE | USER_LIST |
			 USER_RENAME | USER_MKDIR;
	*out = s;
	return ERR_OK;
}

static void
file_free(struct vfs_file *f)
{
	DL_DELETE(f->s->files, f);
	f->node->busy = false;
	loop_timer_free(f->timer);
	free(f);
}

void
session_free(struct session *s)
{
	while (s->calls)
		call_end(s->calls);
	while (s->files)
		file_free(s->files);
	while (s->dirs)
		vfs_dir_close(s->dirs);
	free(s);
}

const char *
session_id(const struct session *s)
{
	return s->id;
}

const char *
session_peer(const struct session *s)
{
	return s->peer;
}

const struct sockaddr *
session_sockaddr(const struct session *s)
{
	return (const struct sockaddr *)&s->sa;
}

struct bridge *
session_bridge(const struct session *s)
{
	return s->b;
}

const struct user *
session_user(const struct session *s)
{
	return s->logged_in ? &s->user : NULL;
}

const char *
session_protocol(const struct session *s)
{
	return s->protocol;
}

void
session_set_protocol(struct session *s, const char *p)
{
	s->protocol = p;
}

void
session_login_password(struct session *s, const char *name,
		       const char *password, session_login_fn *fn, void *arg)
{
	bool ok = strcmp(name, "demo") == 0 && strcmp(password, "demo") == 0;
	struct call *c = call_new(s, run_login, arg, ok ? 0 : 300);

	c->login = fn;
	c->err = ok ? ERR_OK : ERR_DENIED;
	s->logged_in = ok;
}

void
session_login_pubkey(struct session *s, const char *name,
		     const struct auth_key *key, bool verified,
		     session_login_fn *fn, void *arg)
{
	struct call *c = call_new(s, run_login, arg, 0);

	(void)key;
	c->login = fn;
	c->err = strcmp(name, "demo") == 0 ? ERR_OK : ERR_DENIED;
	if (!c->err && verified)
		s->logged_in = true;
}

/* vfs.h: paths */

void
vfs_stat(struct session *s, const char *path, vfs_stat_fn *fn, void *arg)
{
	struct call *c = call_new(s, run_stat, arg, 0);

	c->stat = fn;
	call_result(c, fill_stat(path, &c->st) ? ERR_OK : ERR_NOT_FOUND);
}

void
vfs_remove(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	struct node *n = find(path);
	enum err err = ERR_OK;

	if (!n)
		err = is_dir(path) ? ERR_IS_DIR : ERR_NOT_FOUND;
	else if (n->dir)
		err = ERR_IS_DIR;
	else if (n->busy)
		err = ERR_IN_USE;
	else
		drop(n);
	finish(s, err, fn, arg);
}

void
vfs_mkdir(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	enum err err = is_dir(path) || find(path) ? ERR_EXISTS : ERR_OK;

	if (!err)
		add(path, true);
	finish(s, err, fn, arg);
}

void
vfs_rmdir(struct session *s, const char *path, vfs_done_fn *fn, void *arg)
{
	struct node *n = find(path), *other;
	enum err err = ERR_OK;

	if (!is_dir(path))
		err = n ? ERR_NOT_DIR : ERR_NOT_FOUND;
	DL_FOREACH (nodes, other)
		if (child_name(path, other->path))
			err = ERR_NOT_EMPTY;
	if (!err && n)
		drop(n);
	finish(s, err, fn, arg);
}

void
vfs_rename(struct session *s, const char *from, const char *to, bool replace,
	   vfs_done_fn *fn, void *arg)
{
	struct node *n = find(from), *old = find(to);
	enum err err = ERR_OK;

	if (!n)
		err = ERR_NOT_FOUND;
	else if (old && old != n && (!replace || old->dir))
		err = ERR_EXISTS;
	else if (n->busy || (old && old->busy))
		err = ERR_IN_USE;
	if (!err && old && old != n)
		drop(old);
	if (!err)
		str_copy(n->path, sizeof(n->path), to);
	finish(s, err, fn, arg);
}

static void
set_attrs(struct node *n, const struct vfs_attrs *a)
{
	if (a->set & VFS_SET_MTIME)
		n->mtime = a->mtime;
	if (a->set & VFS_SET_MODE)
		n->mode = (n->mode & S_IFMT) | (a->mode & 07777);
}

void
vfs_setstat(struct session *s, const char *path, const struct vfs_attrs *a,
	    vfs_done_fn *fn, void *arg)
{
	struct node *n = find(path);

	if (n)
		set_attrs(n, a);
	finish(s, n || is_dir(path) ? ERR_OK : ERR_NOT_FOUND, fn, arg);
}

void
vfs_space(struct session *s, struct vfs_space *out)
{
	(void)s;
	*out = (struct vfs_space){ .total = UINT64_MAX };
}

/* vfs.h: folders */

void
vfs_dir_open(struct session *s, const char *path, vfs_dir_fn *fn, void *arg)
{
	struct call *c = call_new(s, run_dir, arg, 0);
	struct vfs_dir *d;

	c->dir = fn;
	if (!is_dir(path)) {
		call_result(c, find(path) ? ERR_NOT_DIR : ERR_NOT_FOUND);
		return;
	}
	d = mem_alloc(sizeof(*d));
	d->s = s;
	d->at = nodes;
	str_copy(d->path, sizeof(d->path), path);
	DL_APPEND(s->dirs, d);
	c->folder = d;
	call_result(c, ERR_OK);
}

static void
run_page(struct call *c)
{
	struct vfs_dir *d = c->folder;
	struct vfs_entry page[PAGE];
	size_t n = 0;

	d->call = NULL;
	for (; d->at && n < PAGE; d->at = d->at->next) {
		const char *name = child_name(d->path, d->at->path);

		if (!name || !fill_stat(d->at->path, &page[n].st))
			continue;
		page[n++].name = name;
	}
	c->page(c->arg, ERR_OK, "", page, n);
}

void
vfs_dir_next(struct vfs_dir *d, vfs_page_fn *fn, void *arg)
{
	d->call = call_new(d->s, run_page, arg, 0);
	d->call->page = fn;
	d->call->folder = d;
}

void
vfs_dir_close(struct vfs_dir *d)
{
	if (d->call)
		call_end(d->call);
	DL_DELETE(d->s->dirs, d);
	free(d);
}

/* vfs.h: files */

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
	struct node *n = find(o->path);

	if (strstr(o->path, "busy") || (n && n->busy))
		return ERR_IN_USE;
	if (is_dir(o->path))
		return ERR_IS_DIR;
	if (!(o->flags & VFS_WRITE) && (!n || !n->published))
		return ERR_NOT_FOUND;
	if (!n && !(o->flags & VFS_CREAT))
		return ERR_NOT_FOUND;
	*out = n ? n : add(o->path, false);
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
	}
	n->uploading = true;
	if (f->end > n->upload.len) {
		struct bytes keep = n->upload;

		n->upload = n->object;
		n->upload.p = mem_alloc(n->object.len + 1);
		n->upload.size = n->object.len + 1;
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
	struct call *c = call_new(s, run_open, arg, 0);
	struct node *n = NULL;
	struct vfs_file *f;

	c->open = fn;
	call_result(c, open_node(o, &n));
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
	struct call *c = call_new(f->s, run_read, arg, 0);

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
	set_attrs(f->node, a);
	if (a->set & VFS_SET_SIZE) {
		f->declared = true;
		f->want = a->size;
	}
	finish(f->s, ERR_OK, fn, arg);
}

void
vfs_file_sync(struct vfs_file *f, vfs_done_fn *fn, void *arg)
{
	finish(f->s, ERR_OK, fn, arg);
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
	struct call *c = call_new(f->s, run_done, arg, slow ? 2000 : 0);

	c->done = fn;
	call_result(c, publish(f, how));
	if (f->reading)
		call_end(f->reading);
	file_free(f);
}
