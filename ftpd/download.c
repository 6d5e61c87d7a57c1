/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RETR: while one chunk is being sent the next one is fetched, and no more
 * than that is held.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ftpd/handler.h"
#include "ftpd/reply.h"
#include "ftpd/transfer.h"
#include "lib/mem.h"

#define CHUNK (1024 * 1024)	      /* bytes in one read of the store */
#define DOWNLOAD_BUDGET (1024 * 1024) /* bytes at a time, then others */

struct download {
	struct transfer t;
	struct vfs_file *file;
	uint64_t off; /* of the next read */
	struct buf out;
	bool convert;
	bool reading; /* a read is under way */
	bool eof;
};

static void download_pump(void *arg);
static void download_read(struct download *d);

static void
download_closed(void *arg, enum err err, const char *why)
{
	(void)arg, (void)err, (void)why;
}

static void
download_end(struct download *d, int code, const char *text)
{
	struct vfs_file *file = d->file;

	d->file = NULL;
	if (file)
		vfs_file_close(file, code < 400 ? VFS_COMPLETE : VFS_BROKEN,
			       download_closed, NULL);
	transfer_end(&d->t, code, "%s", text);
}

/* A read under way has to come back before the file may be closed. */
static void
download_stop(struct transfer *t, int code, const char *why)
{
	struct download *d = (struct download *)t;

	transfer_stopped(t, code, why);
	data_free(t->data);
	t->data = NULL;
	if (t->state != TRANSFER_OPENING && !d->reading)
		download_end(d, t->stop_code, t->stop_text);
}

static void
download_add(struct download *d, const unsigned char *p, size_t n)
{
	size_t i;

	if (!d->convert) {
		buf_add(&d->out, p, n);
		return;
	}
	for (i = 0; i < n; i++) {
		if (p[i] == '\n')
			buf_add_u8(&d->out, '\r');
		buf_add_u8(&d->out, p[i]);
	}
}

static void
download_got(void *arg, enum err err, const char *why, const void *data,
	     size_t n)
{
	struct download *d = arg;
	struct transfer *t = &d->t;
	bool idle = buf_len(&d->out) == 0;

	d->reading = false;
	if (t->stop_code) {
		download_end(d, t->stop_code, t->stop_text);
		return;
	}
	if (err) {
		download_end(d, reply_transfer_code(err), why);
		return;
	}
	d->eof = n == 0;
	download_add(d, data, n);
	d->off += n;
	if (idle)
		download_pump(d);
	else
		download_read(d);
}

static void
download_read(struct download *d)
{
	if (d->reading || d->eof || buf_len(&d->out) >= CHUNK)
		return;
	d->reading = true;
	vfs_file_read(d->file, d->off, CHUNK, download_got, d);
}

static void
download_finish(struct download *d)
{
	if (data_finish(d->t.data) == DATA_WAIT)
		data_watch(d->t.data, true, download_pump, d);
	else
		download_end(d, 226, "Transfer complete.");
}

static void
download_pump(void *arg)
{
	struct download *d = arg;
	size_t total = 0, n;
	enum data_io io = DATA_OK;

	while (buf_len(&d->out) > 0 && total < DOWNLOAD_BUDGET) {
		io = data_write(d->t.data, buf_data(&d->out), buf_len(&d->out),
				&n);
		if (io != DATA_OK)
			break;
		buf_consume(&d->out, n);
		total += n;
	}
	d->t.moved += total;
	if (io != DATA_OK && io != DATA_WAIT) {
		download_stop(&d->t, 426, "The data connection broke.");
		return;
	}
	download_read(d);
	if (buf_len(&d->out) > 0)
		data_watch(d->t.data, true, download_pump, d);
	else if (d->eof)
		download_finish(d);
	else
		data_watch(d->t.data, false, NULL, NULL);
}

static void
download_begin(struct transfer *t)
{
	download_pump(t);
}

static void
download_abort(struct transfer *t)
{
	download_stop(t, 426, "Transfer aborted.");
}

static void
download_lost(struct transfer *t)
{
	download_stop(t, 426, "The control connection was closed.");
}

static bool
download_waits(const struct transfer *t)
{
	const struct download *d = (const struct download *)t;

	return d->reading && buf_len(&d->out) == 0;
}

static void
download_status(const struct transfer *t)
{
	control_reply(t->control, 213, "Status: %" PRIu64 " bytes sent of %s",
		      t->moved, t->path);
}

static void
download_clear(struct transfer *t)
{
	buf_free(&((struct download *)t)->out);
}

static const struct transfer_ops download_ops = {
	.event = "download",
	.success = LOG_LEVEL_DEBUG, /* the bridge tells of them */
	.failure = LOG_LEVEL_INFO,
	.begin = download_begin,
	.stop = download_stop,
	.abort = download_abort,
	.lost = download_lost,
	.waits = download_waits,
	.status = download_status,
	.clear = download_clear,
};

static void
download_opened(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct download *d = arg;
	struct transfer *t = &d->t;
	uint64_t size;

	d->file = err ? NULL : f;
	if (t->stop_code) {
		download_end(d, t->stop_code, t->stop_text);
		return;
	}
	if (err) {
		download_end(d, reply_code(err), why);
		return;
	}
	size = vfs_file_size(f);
	if (d->off > size)
		download_end(d, 554, "The restart offset is behind the end.");
	else
		transfer_connect(t, "Sending %s (%" PRIu64 " bytes).", t->path,
				 size - d->off);
}

void
handle_retr(struct control *c, const char *arg)
{
	struct vfs_open o = { .flags = VFS_READ };
	uint64_t rest = c->rest;
	struct download *d;

	if (!transfer_allowed(c) || !control_path(c, arg))
		return;
	if (rest > 0 && control_converts(c)) {
		control_reply(c, 554, "No restart with TYPE A.");
		return;
	}
	d = transfer_new(c, &download_ops, sizeof(*d));
	d->off = rest;
	d->convert = control_converts(c);
	buf_init(&d->out, 4 * CHUNK); /* conversion may double a chunk */
	o.path = d->t.path;
	vfs_open(c->session, &o, download_opened, d);
}
