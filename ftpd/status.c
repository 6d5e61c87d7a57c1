/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STAT with a path: a listing over the control connection (RFC 959 section
 * 4.1.3), for clients that cannot open a data connection. It is short.
 */
#include <stdlib.h>

#include "auth/user.h"
#include "ftpd/handler.h"
#include "ftpd/listing.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define STATUS_ENTRIES_MAX 1000
#define STATUS_OUT_MAX (2u << 20) /* bytes */

struct status {
	struct control *control;
	struct vfs_dir *dir;
	struct listing style;
	struct buf out;
	size_t entries;
};

static void
status_end(struct status *s, enum err err, const char *why)
{
	struct control *c = s->control;

	if (s->dir)
		vfs_dir_close(s->dir);
	if (err) {
		control_result(c, err, why, "");
	} else {
		buf_add_text(&s->out, "213 End.\r\n");
		control_send(c, &s->out);
	}
	buf_free(&s->out);
	c->status = NULL;
	free(s);
	control_done(c);
}

void
status_drop(struct status *s)
{
	if (!s)
		return;
	if (s->dir)
		vfs_dir_close(s->dir);
	buf_free(&s->out);
	free(s);
}

static void
status_add(struct status *s, const struct vfs_entry *e)
{
	buf_add_u8(&s->out, ' ');
	listing_entry(&s->out, &s->style, e);
	s->entries++;
}

static void
status_page(void *arg, enum err err, const char *why,
	    const struct vfs_entry *entries, size_t n)
{
	struct status *s = arg;
	size_t i;

	for (i = 0; !err && i < n && s->entries < STATUS_ENTRIES_MAX; i++)
		status_add(s, &entries[i]);
	if (err || n == 0) {
		status_end(s, err, why);
	} else if (s->entries >= STATUS_ENTRIES_MAX) {
		buf_add_text(&s->out, " ... and more: use MLSD or LIST.\r\n");
		status_end(s, ERR_OK, "");
	} else {
		vfs_dir_next(s->dir, status_page, s);
	}
}

static void
status_file(void *arg, enum err err, const char *why, const struct vfs_stat *st)
{
	struct status *s = arg;
	struct vfs_entry e = { .name = s->control->path };

	if (!err) {
		e.st = *st;
		status_add(s, &e);
	}
	status_end(s, err, why);
}

static void
status_opened(void *arg, enum err err, const char *why, struct vfs_dir *dir)
{
	struct status *s = arg;

	if (err == ERR_NOT_DIR) {
		vfs_stat(s->control->session, s->control->path, status_file, s);
	} else if (err) {
		status_end(s, err, why);
	} else {
		s->dir = dir;
		vfs_dir_next(dir, status_page, s);
	}
}

void
handle_stat_path(struct control *c, const char *arg)
{
	struct status *s;

	if (!(session_user(c->session)->rights & USER_LIST)) {
		control_reply(c, 550, "You may not do that.");
		return;
	}
	if (!control_options(c, &arg) || !control_path(c, arg))
		return;
	s = mem_alloc(sizeof(*s));
	s->control = c;
	s->style = (struct listing){ .kind = LISTING_LIST,
				     .now = clock_wall_ms() / 1000,
				     .owner = "ftp",
				     .prefix = "" };
	buf_init(&s->out, STATUS_OUT_MAX);
	buf_add_text(&s->out, "213-Listing:\r\n");
	c->status = s;
	c->busy = true;
	vfs_dir_open(c->session, c->path, status_opened, s);
}
