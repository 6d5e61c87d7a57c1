/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE of a file, with conditions if the request has any. */
#include "httpd/cond.h"
#include "httpd/handler.h"

struct removal {
	struct exchange x;
};

static void
removed(void *arg, enum err err, const char *why)
{
	struct removal *r = arg;

	if (err) {
		exchange_error(&r->x, err, why);
		return;
	}
	reply_begin(r->x.c, 204);
	reply_empty(r->x.c);
	exchange_end(&r->x);
}

static void
looked(void *arg, enum err err, const char *why, const struct vfs_look *look)
{
	struct removal *r = arg;
	struct http_subject s = { .exists = !err };
	int status;

	if (err && err != ERR_NOT_FOUND) {
		exchange_error(&r->x, err, why);
		return;
	}
	s.etag = err ? "" : look->etag;
	s.mtime = err ? 0 : look->mtime;
	status = http_conditions(&r->x.c->head, &s);
	if (status)
		exchange_problem(&r->x, status,
				 "The file is not as was expected.");
	else
		vfs_remove(r->x.c->session, r->x.path.text, removed, r);
}

static const struct exchange_ops remove_ops = { .body = NULL };

void
handle_delete(struct client *c, const struct http_path *path)
{
	const struct http_head *h = &c->head;
	struct removal *r;

	if (path->folder) {
		route_problem(c, 409, "That names a folder.");
		return;
	}
	r = exchange_new(c, &remove_ops, sizeof(*r));
	r->x.path = *path;
	if (http_head_get(h, "if-match") || http_head_get(h, "if-none-match") ||
	    http_head_get(h, "if-unmodified-since"))
		vfs_look(c->session, r->x.path.text, looked, r);
	else
		vfs_remove(c->session, r->x.path.text, removed, r);
}
