/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIST, NLST and MLSD: a folder's pages one after the other; the next one is
 * asked for when the last has been sent.
 */
#include <stdio.h>
#include <string.h>

#include "ftpd/handler.h"
#include "ftpd/listing.h"
#include "ftpd/reply.h"
#include "ftpd/transfer.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define LIST_OUT_MAX (8u << 20) /* bytes of one page, written out */

struct list {
	struct transfer t;
	struct listing style;
	struct vfs_dir *dir;
	struct buf out;
	bool asking; /* a page, or the folder itself, is under way */
	bool eof;
	char shown[JOURNAL_PATH_MAX + 1];   /* a file, as the client named it */
	char prefix[JOURNAL_PATH_MAX + 1];  /* of NLST's names */
	char pattern[JOURNAL_PATH_MAX + 1]; /* "": all */
};

static void list_pump(void *arg);

static void
list_end(struct list *l, int code, const char *text)
{
	if (l->dir)
		vfs_dir_close(l->dir);
	l->dir = NULL;
	transfer_end(&l->t, code, "%s", text);
}

static void
list_stop(struct transfer *t, int code, const char *why)
{
	struct list *l = (struct list *)t;

	transfer_stopped(t, code, why);
	data_free(t->data);
	t->data = NULL;
	if (!l->asking)
		list_end(l, t->stop_code, t->stop_text);
}

static void
list_add(struct list *l, const struct vfs_entry *e)
{
	if (l->pattern[0] == '\0' || listing_match(l->pattern, e->name))
		listing_entry(&l->out, &l->style, e);
}

static void
list_page(void *arg, enum err err, const char *why,
	  const struct vfs_entry *entries, size_t n)
{
	struct list *l = arg;
	size_t i;

	l->asking = false;
	if (l->t.stop_code) {
		list_end(l, l->t.stop_code, l->t.stop_text);
		return;
	}
	if (err) {
		list_end(l, reply_transfer_code(err), why);
		return;
	}
	l->eof = n == 0;
	for (i = 0; i < n; i++)
		list_add(l, &entries[i]);
	if (l->out.failed)
		list_end(l, 451, "The listing is too long.");
	else
		list_pump(l);
}

static void
list_more(struct list *l)
{
	if (l->eof && data_finish(l->t.data) == DATA_WAIT) {
		data_watch(l->t.data, true, list_pump, l);
	} else if (l->eof) {
		list_end(l, 226, "Listing complete.");
	} else {
		data_watch(l->t.data, false, NULL, NULL);
		l->asking = true;
		vfs_dir_next(l->dir, list_page, l);
	}
}

static void
list_pump(void *arg)
{
	struct list *l = arg;
	enum data_io io = DATA_OK;
	size_t n;

	while (buf_len(&l->out) > 0 && io == DATA_OK) {
		io = data_write(l->t.data, buf_data(&l->out), buf_len(&l->out),
				&n);
		buf_consume(&l->out, n);
		l->t.moved += n;
	}
	if (io == DATA_WAIT)
		data_watch(l->t.data, true, list_pump, l);
	else if (io != DATA_OK)
		list_stop(&l->t, 426, "The data connection broke.");
	else
		list_more(l);
}

static void
list_begin(struct transfer *t)
{
	list_pump(t);
}

static void
list_abort(struct transfer *t)
{
	list_stop(t, 426, "Transfer aborted.");
}

static void
list_lost(struct transfer *t)
{
	list_stop(t, 426, "The control connection was closed.");
}

static bool
list_waits(const struct transfer *t)
{
	return ((const struct list *)t)->asking;
}

static void
list_status(const struct transfer *t)
{
	control_reply(t->control, 213, "Status: listing %s", t->path);
}

static void
list_clear(struct transfer *t)
{
	struct list *l = (struct list *)t;

	if (l->dir)
		vfs_dir_close(l->dir);
	buf_free(&l->out);
}

static const struct transfer_ops list_ops = {
	.event = "list",
	.success = LOG_LEVEL_DEBUG,
	.failure = LOG_LEVEL_DEBUG,
	.begin = list_begin,
	.stop = list_stop,
	.abort = list_abort,
	.lost = list_lost,
	.waits = list_waits,
	.status = list_status,
	.clear = list_clear,
};

static bool
list_stopped(struct list *l, enum err err, const char *why)
{
	if (l->t.stop_code)
		list_end(l, l->t.stop_code, l->t.stop_text);
	else if (err)
		list_end(l, reply_code(err), why);
	return err || l->t.stop_code;
}

static void
list_file(void *arg, enum err err, const char *why, const struct vfs_stat *st)
{
	struct list *l = arg;
	struct vfs_entry e = { .name = l->shown };

	l->asking = false;
	if (l->t.stop_code || err) {
		(void)list_stopped(l, err, why);
		return;
	}
	e.st = *st;
	l->prefix[0] = '\0';
	l->eof = true;
	listing_entry(&l->out, &l->style, &e);
	transfer_connect(&l->t, "Here comes the listing.");
}

static void
list_opened(void *arg, enum err err, const char *why, struct vfs_dir *dir)
{
	struct list *l = arg;

	if (err == ERR_NOT_DIR && !l->t.stop_code &&
	    l->style.kind != LISTING_MLSD && l->pattern[0] == '\0') {
		vfs_stat(l->t.control->session, l->t.path, list_file, l);
		return;
	}
	l->asking = false;
	l->dir = err ? NULL : dir;
	if (err == ERR_NOT_DIR)
		/* RFC 3659 section 7.2.1 */
		list_end(l, 501, "Not a folder.");
	else if (l->t.stop_code || err)
		(void)list_stopped(l, err, why);
	else
		transfer_connect(&l->t, "Here comes the listing.");
}

/* Splits "dir/x*" into the folder and a pattern; NLST repeats the folder. */
static void
split(struct list *l, const char *arg, char *folder, size_t size)
{
	const char *slash = strrchr(arg, '/'), *last = slash ? slash + 1 : arg;

	str_copy(folder, size, arg);
	if (l->style.kind == LISTING_MLSD)
		return; /* RFC 3659 knows no patterns, and no folder before names */
	if (last[strcspn(last, "*?")] != '\0') {
		str_copy(l->pattern, sizeof(l->pattern), last);
		folder[last - arg] = '\0';
		str_copy(l->prefix, sizeof(l->prefix), folder);
	} else if (arg[0] != '\0' && strcmp(arg, ".") != 0) {
		snprintf(l->prefix, sizeof(l->prefix), "%.*s%s",
			 JOURNAL_PATH_MAX - 1, arg, *last ? "/" : "");
	}
}

static void
list_command(struct control *c, const char *arg, enum listing_kind kind)
{
	char folder[FTP_LINE_MAX + 1];
	struct list *l;

	if (!transfer_allowed(c) || !control_path(c, arg))
		return;
	l = transfer_new(c, &list_ops, sizeof(*l));
	l->style.kind = kind;
	str_copy(l->shown, sizeof(l->shown), arg);
	split(l, arg, folder, sizeof(folder));
	if (l->pattern[0] &&
	    names_path(c->cwd, folder, strlen(folder), l->t.path) != ERR_OK) {
		list_end(l, 553, "Not a valid name.");
		return;
	}
	l->style = (struct listing){ .kind = kind,
				     .facts = c->facts,
				     .rights = session_user(c->session)->rights,
				     .now = clock_wall_ms() / 1000,
				     .owner = "ftp",
				     .prefix = l->prefix };
	buf_init(&l->out, LIST_OUT_MAX);
	l->asking = true;
	vfs_dir_open(c->session, l->t.path, list_opened, l);
}

void
handle_list(struct control *c, const char *arg)
{
	if (control_options(c, &arg))
		list_command(c, arg, LISTING_LIST);
}

void
handle_nlst(struct control *c, const char *arg)
{
	if (control_options(c, &arg))
		list_command(c, arg, LISTING_NLST);
}

void
handle_mlsd(struct control *c, const char *arg)
{
	list_command(c, arg, LISTING_MLSD);
}
