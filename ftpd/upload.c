/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STOR and APPE. FTP ends a file by closing the data connection, and so does
 * a client that is killed. What tells them apart: over TLS close_notify; with
 * ALLO the size; else, after two round trips, whether the control connection
 * is still there. What has not ended well is kept and can be resumed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ftpd/handler.h"
#include "ftpd/reply.h"
#include "ftpd/transfer.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mem.h"

#define UPLOAD_BUDGET (1024 * 1024) /* bytes at a time, then others */
#define TRICKLE_MS 10000 /* how often a little is read while paused */
#define LOOK_MIN_MS 10
#define LOOK_MAX_MS 1000
#define DRAIN_IDLE_MS 100 /* without data, when the client has given up */
#define DRAIN_MAX_MS 2000

struct ftp_upload {
	struct transfer t;
	struct vfs_file *file; /* NULL: not open, or being closed */
	uint64_t rest;	       /* of REST */
	uint64_t told;	       /* by SIZE, before APPE; 0: not asked */
	uint64_t off;	       /* where the next byte goes */
	bool append, declared, paused;
	bool unique;	  /* STOU: the client is told the name */
	bool convert, cr; /* ASCII: a CR is kept back */
	bool looked;
	struct loop_timer *trickle;
	uint64_t kept;	      /* bytes, when it was given up */
	uint64_t drain_until; /* ms; 0: the client goes on */
};

static void upload_pump(void *arg);

static void
upload_watch(struct ftp_upload *u)
{
	data_watch(u->t.data, !u->paused, upload_pump, u);
}

static void
upload_closed(void *arg, enum err err, const char *why)
{
	struct ftp_upload *u = arg;
	struct transfer *t = &u->t;

	if (t->stop_code && u->kept == 0)
		transfer_end(t, t->stop_code, "%s", t->stop_text);
	else if (t->stop_code)
		transfer_end(t, t->stop_code,
			     "%s (%" PRIu64
			     " bytes are kept; a restart may go on from there)",
			     t->stop_text, u->kept);
	else if (err)
		transfer_end(t, reply_transfer_code(err), "%s", why);
	else
		transfer_end(t, 226, "Transfer complete.");
}

static void
upload_close(struct ftp_upload *u, enum vfs_end how)
{
	struct vfs_file *file = u->file;

	u->file = NULL;
	loop_timer_clear(u->trickle);
	u->kept = vfs_file_size(file);
	transfer_enter(&u->t, TRANSFER_CLOSING);
	loop_timer_clear(u->t.timer);
	data_free(u->t.data);
	u->t.data = NULL;
	vfs_file_close(file, how, upload_closed, u);
}

static void
upload_stop(struct transfer *t, int code, const char *why)
{
	struct ftp_upload *u = (struct ftp_upload *)t;

	transfer_stopped(t, code, why);
	if (u->file)
		upload_close(u, VFS_BROKEN);
}

static void
upload_fail(struct ftp_upload *u, enum err err, const char *why)
{
	upload_stop(&u->t, reply_transfer_code(err), why);
}

/*
 * The client gives up. What it has sent before is on its way still, and need
 * not be sent again.
 */
static void
upload_drain(struct ftp_upload *u, const char *why)
{
	if (u->t.state != TRANSFER_MOVING || u->paused || u->t.stop_code) {
		upload_stop(&u->t, 426, why);
		return;
	}
	transfer_stopped(&u->t, 426, why);
	u->drain_until = clock_ms() + DRAIN_MAX_MS;
	loop_timer_set(u->t.timer, DRAIN_IDLE_MS);
}

static void
upload_abort(struct transfer *t)
{
	upload_drain((struct ftp_upload *)t, "Transfer aborted.");
}

/*
 * All that was said to end the file has been said. A resumed upload to which
 * nothing was added is written to all the same, with no bytes: what is there
 * is the whole file now.
 */
static void
upload_complete(struct ftp_upload *u)
{
	const char *why = "";
	enum err err = ERR_OK;

	if (u->convert && u->cr)
		err = vfs_file_write(u->file, u->off, "\r", 1, &why);
	else if (u->t.moved == 0 && u->off > 0)
		err = vfs_file_write(u->file, u->off, "", 0, &why);
	if (err)
		upload_fail(u, err, why);
	else
		upload_close(u, VFS_COMPLETE);
}

/*
 * Plain FTP without ALLO: had the client been killed, its control connection
 * would have ended too by now. QUIT behind the upload is as good as waiting
 * for the reply.
 */
static void
upload_look(struct transfer *t)
{
	struct ftp_upload *u = (struct ftp_upload *)t;
	enum control_peer peer = control_look(t->control);

	if (peer == CONTROL_SAYS && !u->looked && !t->control->quit) {
		/* It may be ABOR: let it be read first. */
		u->looked = true;
		loop_timer_set(t->timer, 0);
	} else if (peer == CONTROL_LOST && !t->control->quit) {
		upload_stop(t, 426, "The control connection was closed.");
	} else {
		upload_complete(u);
	}
}

static void
upload_wait(struct ftp_upload *u)
{
	unsigned ms = data_rtt_us(u->t.data) / 500;

	if (ms < LOOK_MIN_MS)
		ms = LOOK_MIN_MS;
	if (ms > LOOK_MAX_MS)
		ms = LOOK_MAX_MS;
	data_free(u->t.data);
	u->t.data = NULL;
	transfer_enter(&u->t, TRANSFER_LOOKING);
	loop_timer_set(u->t.timer, ms);
}

static void
upload_ended(struct ftp_upload *u, enum data_io how)
{
	const struct ftpd_config *cfg = u->t.control->ftpd->config;

	if (u->t.stop_code) {
		upload_close(u, VFS_BROKEN);
	} else if (how == DATA_EOF && data_secure(u->t.data)) {
		(void)data_finish(u->t.data);
		upload_complete(u);
	} else if (how == DATA_CUT && cfg->require_close_notify) {
		upload_stop(&u->t, 426,
			    "The data connection ended without close_notify.");
	} else if (how == DATA_BROKEN) {
		upload_stop(&u->t, 426, "The data connection broke.");
	} else if (u->declared) {
		upload_complete(u);
	} else {
		upload_wait(u);
	}
}

/* CR LF becomes LF, in place. A CR at the end waits for what follows. */
static size_t
from_ascii(struct ftp_upload *u, unsigned char *p, size_t n)
{
	size_t i, out = 0;

	for (i = 0; i < n; i++) {
		if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')
			continue;
		p[out++] = p[i];
	}
	u->cr = out > 0 && p[out - 1] == '\r';
	return u->cr ? out - 1 : out;
}

static enum err
upload_write(struct ftp_upload *u, size_t n, const char **why)
{
	unsigned char *p = u->t.control->ftpd->buffer;
	enum err err = ERR_OK;

	if (u->convert) {
		/* The byte in front of the buffer is kept for this CR. */
		if (u->cr) {
			*--p = '\r';
			n++;
		}
		n = from_ascii(u, p, n);
	}
	if (n > 0)
		err = vfs_file_write(u->file, u->off, p, n, why);
	u->off += n;
	return err;
}

static void
upload_go_on(struct ftp_upload *u)
{
	upload_watch(u);
	if (u->drain_until)
		loop_timer_set(u->t.timer, DRAIN_IDLE_MS);
}

static void
upload_pump(void *arg)
{
	struct ftp_upload *u = arg;
	unsigned char *p = u->t.control->ftpd->buffer;
	size_t n, total = 0;
	enum data_io io = DATA_OK;
	const char *why = "";
	enum err err = ERR_OK;

	while (total < UPLOAD_BUDGET && !err && !vfs_file_paused(u->file)) {
		io = data_read(u->t.data, p, FTPD_BUFFER, &n);
		if (io != DATA_OK)
			break;
		total += n;
		err = upload_write(u, n, &why);
		if (n < FTPD_BUFFER)
			break;
	}
	u->t.moved += total;
	if (err)
		upload_fail(u, err, why);
	else if (io != DATA_OK && io != DATA_WAIT)
		upload_ended(u, io);
	else if (u->drain_until && clock_ms() >= u->drain_until)
		upload_close(u, VFS_BROKEN);
	else
		upload_go_on(u);
}

/*
 * A client that is not read from for long takes us for dead. So a paused one
 * gets rid of a packet now and then, out of the upload's reserve; and one that
 * has left is noticed.
 */
static void
upload_trickle(void *arg)
{
	struct ftp_upload *u = arg;
	enum data_io io = DATA_OK;
	const char *why = "";
	enum err err = ERR_OK;
	size_t n, total, sip;

	if (!u->paused || u->t.state != TRANSFER_MOVING || u->t.stop_code)
		return;
	sip = data_sip(u->t.data);
	for (total = 0; total < sip && !err; total += n) {
		io = data_read(u->t.data, u->t.control->ftpd->buffer,
			       FTPD_BUFFER, &n);
		if (io != DATA_OK)
			break;
		err = upload_write(u, n, &why);
	}
	u->t.moved += total;
	if (err)
		upload_fail(u, err, why);
	else if (io != DATA_OK && io != DATA_WAIT)
		upload_ended(u, io);
	else
		loop_timer_set(u->trickle, TRICKLE_MS);
}

static void
upload_begin(struct transfer *t)
{
	struct ftp_upload *u = (struct ftp_upload *)t;

	if (u->paused)
		loop_timer_set(u->trickle, TRICKLE_MS);
	upload_pump(u);
}

static void
upload_pause(void *arg, bool paused)
{
	struct ftp_upload *u = arg;

	u->paused = paused;
	if (!paused)
		loop_timer_clear(u->trickle);
	if (u->t.state != TRANSFER_MOVING)
		return;
	if (paused)
		loop_timer_set(u->trickle, TRICKLE_MS);
	if (paused && u->t.stop_code)
		upload_close(u, VFS_BROKEN);
	else
		upload_watch(u);
}

static void
upload_ready(void *arg, enum err err, const char *why)
{
	struct ftp_upload *u = arg;

	if (err && u->t.state != TRANSFER_CLOSING)
		upload_fail(u, err, why);
}

/*
 * The data connection alone tells how an upload over TLS or of a declared
 * size ends, and a client that has said QUIT wants nothing more.
 */
static void
upload_lost(struct transfer *t)
{
	struct ftp_upload *u = (struct ftp_upload *)t;
	bool known = u->declared || t->control->quit ||
		     (t->data && data_secure(t->data));

	if (t->state == TRANSFER_CLOSING || (known && u->file))
		return;
	upload_drain(u, "The control connection was closed.");
}

static bool
upload_waits(const struct transfer *t)
{
	return ((const struct ftp_upload *)t)->paused;
}

/* In the words of Serv-U, which lftp understands. */
static void
upload_status(const struct transfer *t)
{
	const struct ftp_upload *u = (const struct ftp_upload *)t;

	control_reply(t->control, 213, "Status: %s file %s (%" PRIu64 " bytes)",
		      t->state == TRANSFER_CLOSING ? "Storing" : "Receiving",
		      t->path, u->file ? vfs_file_size(u->file) : u->kept);
}

static void
upload_clear(struct transfer *t)
{
	/* An open file ends with the session: as broken off. */
	loop_timer_free(((struct ftp_upload *)t)->trickle);
}

static const struct transfer_ops upload_ops = {
	.event = "upload",
	.success = LOG_LEVEL_DEBUG,
	.failure = LOG_LEVEL_INFO,
	.begin = upload_begin,
	.stop = upload_stop,
	.abort = upload_abort,
	.lost = upload_lost,
	.waits = upload_waits,
	.look = upload_look,
	.status = upload_status,
	.clear = upload_clear,
};

/*
 * A client that has asked for the size appends what is missing behind that: if
 * the upload grew since, by bytes of a session that was just ending, they come
 * again. An object that grew is appended to.
 */
static uint64_t
upload_end(const struct ftp_upload *u)
{
	uint64_t size = vfs_file_size(u->file);
	struct vfs_look look;

	vfs_file_look(u->file, &look);
	return look.id[0] && u->told && u->told < size ? u->told : size;
}

static void
upload_opened(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct ftp_upload *u = arg;
	struct transfer *t = &u->t;
	char text[128];
	uint64_t size;

	if (err) {
		transfer_end(t, t->stop_code ? t->stop_code : reply_code(err),
			     "%s", t->stop_code ? t->stop_text : why);
		return;
	}
	u->file = f;
	size = vfs_file_size(f);
	u->off = u->append ? upload_end(u) : u->rest;
	if (t->stop_code) {
		upload_close(u, VFS_BROKEN);
	} else if (u->off > size) {
		snprintf(text, sizeof(text),
			 "Cannot restart at %" PRIu64
			 ": the restart offset is %" PRIu64 ".",
			 u->off, size);
		upload_stop(t, 554, text);
	} else if (u->unique) {
		/* RFC 1123 section 4.1.2.9 */
		transfer_connect(t, "FILE: %s", t->path);
	} else {
		transfer_connect(t, "Ready to receive, from byte %" PRIu64 ".",
				 u->off);
	}
}

/*
 * ALLO tells the whole size of the file, also behind REST (as lftp sends it);
 * one that lies below the restart offset cannot mean that.
 */
static void
upload_start(struct control *c, enum ftp_verb verb)
{
	static const struct vfs_file_events events = { .pause = upload_pause,
						       .ready = upload_ready };
	bool append = verb == FTP_APPE, unique = verb == FTP_STOU;
	uint64_t rest = append || unique ? 0 : c->rest, allo = c->allo;
	bool declared = c->has_allo && !append && allo >= rest;
	struct vfs_open o = { .events = &events };
	struct ftp_upload *u;

	u = transfer_new(c, &upload_ops, sizeof(*u));
	u->trickle = loop_timer_new(c->ftpd->loop, upload_trickle, u);
	u->rest = rest;
	u->append = append;
	if (strcmp(c->sized, c->path) == 0)
		u->told = c->size;
	c->sized[0] = '\0';
	u->unique = unique;
	u->declared = declared;
	u->convert = control_converts(c);
	o.path = u->t.path;
	o.flags = VFS_WRITE | VFS_CREAT;
	if (append)
		o.flags |= VFS_APPEND;
	else if (rest == 0)
		o.flags |= unique ? VFS_TRUNC | VFS_EXCL : VFS_TRUNC;
	if (declared)
		o.attrs =
			(struct vfs_attrs){ .set = VFS_SET_SIZE, .size = allo };
	o.events_arg = u;
	vfs_open(c->session, &o, upload_opened, u);
}

static void
upload_command(struct control *c, const char *arg, enum ftp_verb verb)
{
	if (!transfer_allowed(c) || !control_path(c, arg))
		return;
	if (c->rest > 0 && control_converts(c) && verb == FTP_STOR) {
		control_reply(c, 554, "No restart with TYPE A.");
		return;
	}
	upload_start(c, verb);
}

void
handle_stor(struct control *c, const char *arg)
{
	upload_command(c, arg, FTP_STOR);
}

void
handle_appe(struct control *c, const char *arg)
{
	upload_command(c, arg, FTP_APPE);
}

/* A name that nobody has, in the working folder or behind the one given. */
void
handle_stou(struct control *c, const char *arg)
{
	char name[FTP_LINE_MAX + 32];
	uint64_t random;

	id_random(&random, sizeof(random));
	snprintf(name, sizeof(name), "%s.%016" PRIx64, arg[0] ? arg : "ftp",
		 random);
	upload_command(c, name, FTP_STOU);
}
