/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET and HEAD: the published object, whole or a range of it. While one block
 * is being sent the next one is fetched, and no more than that is held.
 */
#include <inttypes.h>
#include <string.h>

#include "httpd/cond.h"
#include "httpd/handler.h"

#define BLOCK (1024 * 1024) /* bytes in one read of the store */

struct get {
	struct exchange x;
	struct vfs_file *file;
	uint64_t off, end; /* what is left to send */
	bool reading;
};

static void
closed(void *arg, enum err err, const char *why)
{
	(void)arg, (void)err, (void)why;
}

static void
get_end(struct get *g, enum vfs_end how)
{
	vfs_file_close(g->file, how, closed, NULL);
	g->file = NULL;
	exchange_end(&g->x);
}

/* The head has gone out: only the connection's end tells of the failure. */
static void
get_cut(struct get *g)
{
	vfs_file_close(g->file, VFS_BROKEN, closed, NULL);
	g->file = NULL;
	client_kill(g->x.c);
}

static void
get_got(void *arg, enum err err, const char *why, const void *data, size_t n)
{
	struct get *g = arg;

	(void)why;
	g->reading = false;
	if (err || n == 0) {
		get_cut(g);
		return;
	}
	g->off += n;
	client_write(g->x.c, data, n);
	if (g->off == g->end)
		get_end(g, VFS_COMPLETE);
	else
		client_soon(g->x.c);
}

static void
get_drained(struct exchange *x)
{
	struct get *g = (struct get *)x;
	uint64_t n = g->end - g->off;

	if (g->reading || !g->file || n == 0)
		return;
	g->reading = true;
	vfs_file_read(g->file, g->off, n < BLOCK ? (size_t)n : BLOCK, get_got,
		      g);
}

static const struct exchange_ops get_ops = { .drained = get_drained };

static void
describe(struct client *c, const struct vfs_look *l)
{
	char date[HTTP_DATE_MAX];

	http_date(l->mtime, date);
	reply_field(c, "Last-Modified", "%s", date);
	if (*l->etag)
		reply_field(c, "ETag", "\"%s\"", l->etag);
	reply_field(c, "Accept-Ranges", "bytes");
	/* A private file: only who may read it may have it, and freshly. */
	reply_field(c, "Cache-Control", "private, no-cache");
}

static void
get_start(struct get *g, int status, const struct vfs_look *l)
{
	struct client *c = g->x.c;

	reply_begin(c, status);
	describe(c, l);
	reply_field(c, "Content-Type", "application/octet-stream");
	reply_field(c, "X-Content-Type-Options", "nosniff");
	if (status == 206)
		reply_field(c, "Content-Range",
			    "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, g->off,
			    g->end - 1, l->size);
	reply_body(c, g->end - g->off);
	if (c->head.method == HTTP_HEAD || g->off == g->end)
		get_end(g, VFS_COMPLETE);
	else
		client_soon(c);
}

static void
get_not_modified(struct get *g, const struct vfs_look *l)
{
	reply_begin(g->x.c, 304);
	describe(g->x.c, l);
	reply_empty(g->x.c);
	get_end(g, VFS_COMPLETE);
}

static void
get_refuse(struct get *g, int status, const char *detail)
{
	vfs_file_close(g->file, VFS_COMPLETE, closed, NULL);
	g->file = NULL;
	exchange_problem(&g->x, status, detail);
}

static void
get_opened(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct get *g = arg;
	const struct http_head *h = &g->x.c->head;
	struct vfs_look look;
	struct http_subject s = { .exists = true };
	int status;

	if (err) {
		exchange_error(&g->x, err, why);
		return;
	}
	g->file = f;
	vfs_file_look(f, &look);
	s.etag = look.etag;
	s.mtime = look.mtime;
	status = http_conditions(h, &s);
	if (status == 304) {
		get_not_modified(g, &look);
		return;
	}
	if (status) {
		get_refuse(g, status, "The file is not as was expected.");
		return;
	}
	status = http_range(h, &s, look.size, &g->off, &g->end);
	if (status == 416) {
		get_refuse(g, 416, "The range is behind the end.");
		return;
	}
	g->end = look.size > 0 ? g->end + 1 : 0;
	get_start(g, status, &look);
}

void
handle_get(struct client *c, const struct http_path *path)
{
	struct vfs_open o = { .flags = VFS_READ };
	struct get *g = exchange_new(c, &get_ops, sizeof(*g));

	g->x.path = *path;
	o.path = g->x.path.text;
	vfs_open(c->session, &o, get_opened, g);
}
