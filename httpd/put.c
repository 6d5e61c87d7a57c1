/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT: a file as the body of one request. The reply comes only when the object
 * is published. A body that breaks off parks the upload, which any door can
 * go on with; another PUT begins anew.
 */
#include <string.h>

#include "httpd/cond.h"
#include "httpd/intake.h"
#include "lib/mem.h"

struct put {
	struct intake in;
	bool known, exists; /* was there an object before? */
	bool received;	    /* all of the body */
	bool fresh;	    /* If-None-Match: * */
	bool opening;
	enum err failed; /* the look at what was there, while opening */
	char why[256];
};

static void
put_published(struct intake *in, enum err err, const char *why)
{
	struct put *p = (struct put *)in;
	struct client *c = in->x.c;

	if (err) {
		exchange_error(&in->x, err, why);
		return;
	}
	reply_begin(c, p->exists ? 204 : 201);
	reply_empty(c);
	exchange_end(&in->x);
}

static void
put_finish(struct put *p)
{
	if (p->received && p->known && p->in.file)
		intake_close(&p->in, VFS_COMPLETE, put_published);
}

static void
put_body(struct exchange *x, const void *data, size_t n)
{
	intake_write((struct intake *)x, data, n);
}

static void
put_body_end(struct exchange *x)
{
	struct put *p = (struct put *)x;

	p->received = true;
	put_finish(p);
}

static const struct exchange_ops put_ops = { .full = intake_full,
					     .body = put_body,
					     .body_end = put_body_end };

static void
put_opened(struct intake *in, enum err err, const char *why)
{
	struct put *p = (struct put *)in;

	p->opening = false;
	if (err == ERR_EXISTS) {
		exchange_problem(&in->x, 412, "The file is there already.");
	} else if (err) {
		exchange_error(&in->x, err, why);
	} else if (p->failed) {
		intake_fail(in, p->failed, p->why);
	} else {
		exchange_take(&in->x);
		if (in->x.c->body_done)
			put_body_end(&in->x);
	}
}

static void
put_open(struct put *p)
{
	const struct http_head *h = &p->in.x.c->head;
	struct vfs_open o = { .flags = VFS_WRITE | VFS_CREAT | VFS_TRUNC };

	if (p->fresh)
		o.flags |= VFS_EXCL | VFS_RESTART;
	if (h->body != HTTP_BODY_CHUNKED) {
		o.attrs.set = VFS_SET_SIZE;
		o.attrs.size = h->length;
	}
	p->opening = true;
	intake_open(&p->in, &o, put_opened);
}

static void
closed(void *arg, enum err err, const char *why)
{
	(void)arg, (void)err, (void)why;
}

/* What a user who may not read is not told of counts as new. */
static enum err
found(struct put *p, enum err err, struct vfs_file *f, struct vfs_look *look)
{
	p->in.x.busy--;
	if (!err) {
		vfs_file_look(f, look);
		vfs_file_close(f, VFS_COMPLETE, closed, NULL);
		p->exists = true;
	}
	if (err == ERR_NOT_FOUND || err == ERR_DENIED)
		err = ERR_OK;
	p->known = !err;
	return err;
}

/* Beside the body: only the reply waits for it. */
static void
peeked(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct put *p = arg;
	struct vfs_look look;

	err = found(p, err, f, &look);
	if (!err) {
		put_finish(p);
	} else if (p->in.file) {
		intake_fail(&p->in, err, why);
	} else if (p->opening) {
		p->failed = err;
		str_copy(p->why, sizeof(p->why), why);
	}
	client_soon(p->in.x.c);
}

/* Before anything else: whether the upload may begin depends on it. */
static void
judged(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct put *p = arg;
	struct vfs_look look = { .size = 0 };
	struct http_subject s = { .etag = look.etag };
	int status;

	err = found(p, err, f, &look);
	if (err) {
		exchange_error(&p->in.x, err, why);
		return;
	}
	s.exists = p->exists;
	s.mtime = look.mtime;
	status = http_conditions(&p->in.x.c->head, &s);
	if (status)
		exchange_problem(&p->in.x, status,
				 "The file is not as was expected.");
	else
		put_open(p);
}

static const char *
fault(const struct client *c, const struct http_path *path)
{
	if (path->folder)
		return "That names a folder.";
	if (http_head_get(&c->head, "content-range"))
		return "A part of a file cannot be put.";
	return NULL;
}

void
handle_put(struct client *c, const struct http_path *path)
{
	struct vfs_open o = { .flags = VFS_READ };
	const char *none = http_head_get(&c->head, "if-none-match");
	struct put *p;

	if (fault(c, path)) {
		route_problem(c, 400, fault(c, path));
		return;
	}
	if (c->head.body == HTTP_BODY_NONE &&
	    !http_head_get(&c->head, "content-length")) {
		route_problem(c, 411, "Content-Length is missing.");
		return;
	}
	p = exchange_new(c, &put_ops, sizeof(*p));
	p->in.x.path = *path;
	p->fresh = none && strcmp(none, "*") == 0;
	o.path = p->in.x.path.text;
	p->in.x.busy++;
	if ((none && !p->fresh) || http_head_get(&c->head, "if-match") ||
	    http_head_get(&c->head, "if-unmodified-since")) {
		vfs_open(c->session, &o, judged, p);
		return;
	}
	vfs_open(c->session, &o, peeked, p);
	put_open(p);
}
