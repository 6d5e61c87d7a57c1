/* SPDX-License-Identifier: Apache-2.0 */
/* What requests of tus have in common, HEAD and DELETE. */
#include "httpd/tus.h"

#include <inttypes.h>
#include <string.h>

#include "bridge/bridge.h"
#include "httpd/cond.h"
#include "lib/clock.h"
#include "lib/mem.h"

bool
tus_target(const char *target)
{
	return target && (strncmp(target, TUS_PREFIX, 5) == 0 ||
			  strcmp(target, "/tus") == 0);
}

void
tus_options(struct client *c)
{
	reply_field(c, "Tus-Version", TUS_VERSION);
	reply_field(c, "Tus-Extension", TUS_EXTENSIONS);
	reply_field(c, "Tus-Checksum-Algorithm", TUS_ALGORITHMS);
}

bool
tus_id(struct client *c, char id[ID_LEN + 1])
{
	id[0] = '\0';
	if (!strchr(c->head.target, '?'))
		return true;
	if (http_query(c->head.target, "upload", id, ID_LEN + 1) &&
	    id_valid(id))
		return true;
	route_problem(c, 404, "There is no such upload.");
	return false;
}

/* Without it a client could not tell an upload from one that was given up. */
static void
add_expiry(struct client *c)
{
	const struct bridge_config *cfg = c->httpd->bridge->config;
	char date[HTTP_DATE_MAX];

	if (!cfg)
		return;
	http_date((clock_wall_ms() + (int64_t)cfg->park_ttl_ms) / 1000, date);
	reply_field(c, "Upload-Expires", "%s", date);
}

static void
add_location(struct tus *t)
{
	struct buf b;

	buf_init(&b, 4 * JOURNAL_PATH_MAX);
	buf_add_text(&b, "/tus");
	http_path_add(&b, t->in.x.path.text);
	buf_printf(&b, "?upload=%s", t->id);
	reply_field(t->in.x.c, "Location", "%s", buf_cstr(&b));
	buf_free(&b);
}

void
tus_reply(struct tus *t, int status)
{
	struct client *c = t->in.x.c;

	reply_begin(c, status);
	if (t->creates)
		add_location(t);
	reply_field(c, "Upload-Offset", "%" PRIu64, t->in.off);
	if (!t->published)
		add_expiry(c);
	reply_empty(c);
	exchange_end(&t->in.x);
}

/* HEAD. */

static void head_look(struct tus *t);

static void
add_metadata(struct tus *t)
{
	const char *name = strrchr(t->in.x.path.text, '/') + 1;
	char text[4 * JOURNAL_PATH_MAX / 3 + 5];

	base64_encode(name, strlen(name), text);
	reply_field(t->in.x.c, "Upload-Metadata", "filename %s", text);
}

static void
head_reply(struct tus *t, const struct vfs_look *l)
{
	struct client *c = t->in.x.c;

	reply_begin(c, 200);
	reply_field(c, "Upload-Offset", "%" PRIu64, l->size);
	if (!l->in_flight)
		reply_field(c, "Upload-Length", "%" PRIu64, l->size);
	else if (l->declared)
		reply_field(c, "Upload-Length", "%" PRIu64, l->total);
	else
		reply_field(c, "Upload-Defer-Length", "1");
	add_metadata(t);
	reply_field(c, "Cache-Control", "no-store");
	reply_empty(c);
	exchange_end(&t->in.x);
}

static void
head_published(struct intake *in, enum err err, const char *why)
{
	if (err)
		exchange_error(&in->x, err, why);
	else
		head_look((struct tus *)in);
}

static void
head_unused(struct intake *in, enum err err, const char *why)
{
	(void)err, (void)why;
	head_look((struct tus *)in);
}

/* It is what was looked at, and still complete: now it is published. */
static void
head_opened(struct intake *in, enum err err, const char *why)
{
	struct tus *t = (struct tus *)in;
	struct vfs_look l;

	if (err == ERR_NOT_FOUND) {
		head_look(t);
		return;
	}
	if (err) {
		exchange_error(&in->x, err, why);
		return;
	}
	vfs_file_look(in->file, &l);
	if (strcmp(l.id, t->id) != 0 || l.size != t->total) {
		intake_close(in, VFS_BROKEN, head_unused);
		return;
	}
	in->off = l.size;
	if (intake_write(in, "", 0))
		intake_close(in, VFS_COMPLETE, head_published);
}

/*
 * A client that is told that all bytes are there takes its file for published.
 * So one that was left unpublished with all of them, by a gateway that was
 * killed or a store that was down, is published first.
 */
static void
head_publish(struct tus *t, const struct vfs_look *l)
{
	struct vfs_open o = { .flags = VFS_WRITE };

	if (t->again) {
		exchange_problem(&t->in.x, 423,
				 "The file is still being published.");
		return;
	}
	t->again = true;
	t->total = l->total;
	str_copy(t->id, sizeof(t->id), l->id);
	intake_open(&t->in, &o, head_opened);
}

static void
head_looked(void *arg, enum err err, const char *why, const struct vfs_look *l)
{
	struct tus *t = arg;

	if (err)
		exchange_error(&t->in.x, err, why);
	else if (l->is_dir ||
		 (*t->id ? strcmp(t->id, l->id) != 0 : !l->in_flight))
		exchange_problem(&t->in.x, 404, "There is no such upload.");
	else if (l->in_flight && l->declared && l->size >= l->total)
		head_publish(t, l);
	else
		head_reply(t, l);
}

static void
head_look(struct tus *t)
{
	vfs_look(t->in.x.c->session, t->in.x.path.text, head_looked, t);
}

static const struct exchange_ops short_ops = { .body = NULL };

static struct tus *
begin(struct client *c, const struct http_path *path)
{
	struct tus *t;
	char id[ID_LEN + 1];

	if (!tus_id(c, id))
		return NULL;
	t = exchange_new(c, &short_ops, sizeof(*t));
	t->in.x.path = *path;
	str_copy(t->id, sizeof(t->id), id);
	return t;
}

void
handle_tus_head(struct client *c, const struct http_path *path)
{
	struct tus *t = begin(c, path);

	if (t)
		head_look(t);
}

/* DELETE. */

static void
terminated(void *arg, enum err err, const char *why)
{
	struct tus *t = arg;

	if (err == ERR_CONFLICT) {
		exchange_problem(&t->in.x, 404, "There is no such upload.");
	} else if (err) {
		exchange_error(&t->in.x, err, why);
	} else {
		reply_begin(t->in.x.c, 204);
		reply_empty(t->in.x.c);
		exchange_end(&t->in.x);
	}
}

static void
delete_looked(void *arg, enum err err, const char *why,
	      const struct vfs_look *l)
{
	struct tus *t = arg;

	if (err)
		exchange_error(&t->in.x, err, why);
	else if (!l->in_flight)
		terminated(t, ERR_CONFLICT, "");
	else
		vfs_terminate(t->in.x.c->session, t->in.x.path.text, l->id,
			      terminated, t);
}

void
handle_tus_delete(struct client *c, const struct http_path *path)
{
	struct tus *t = begin(c, path);

	if (!t)
		return;
	if (*t->id)
		vfs_terminate(c->session, t->in.x.path.text, t->id, terminated,
			      t);
	else
		vfs_look(c->session, t->in.x.path.text, delete_looked, t);
}
