/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/channel.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "sftpd/channel_io.h"
#include "sftpd/conn.h"
#include "sftpd/req.h"
#include "sftpd/scp.h"
#include "sftpd/write.h"

#define NOT_FOUND 127 /* what a shell says of a command it does not know */

static const char text_only[] = "This service allows sftp and scp only: there "
				"are no commands here.\r\n";

void
chan_bad(struct chan *ch, const char *why)
{
	if (ch->bad != NULL)
		return;
	ch->bad = why;
	log_warn("sftpd", session_id(ch->c->session), "protocol_error",
		 KV_S("why", why));
	conn_wake(ch->c);
}

bool
chan_stalled(const struct chan *ch)
{
	return ch->nreqs >= REQS_MAX || buf_len(&ch->out) >= CHAN_OUT_STALL ||
	       write_waits(ch) || (ch->scp != NULL && scp_waits(ch->scp));
}

bool
chan_window_shut(const struct chan *ch)
{
	return ch->ssh != NULL && buf_len(&ch->out) > 0 &&
	       ssh_channel_window_size(ch->ssh) == 0;
}

bool
chan_idle(const struct chan *ch)
{
	return ch->nreqs == 0 && ch->handles.used == 0 &&
	       (ch->ended || buf_len(&ch->out) == 0);
}

bool
chan_owes(const struct chan *ch)
{
	const struct req *r;

	for (r = ch->reqs; r != NULL; r = r->next) {
		if (!r->running && r->op->how & OP_CHANGES)
			return true;
	}
	return false;
}

void
chan_end(struct chan *ch)
{
	unsigned i;

	if (ch->ended)
		return;
	ch->ended = true;
	ch->write.h = NULL;
	reqs_drop(ch, false);
	for (i = 0; i < HANDLES_MAX; i++) {
		struct handle *h = ch->handles.slots[i];

		/* One that is being opened is closed when it is open. */
		if (h != NULL && (h->file != NULL || h->dir != NULL))
			req_abandon(h);
	}
	sftp_parser_free(&ch->parser);
	buf_free(&ch->rest);
	buf_free(&ch->out);
	ch->out.max = 0; /* replies are dropped from now on */
}

void
chan_cut(struct chan *ch)
{
	ch->ssh = NULL;
	ch->left = false;
	chan_end(ch);
}

static void
close_dir(struct handle *h)
{
	if (h != NULL && h->dir != NULL)
		vfs_dir_close(h->dir);
	if (h != NULL)
		h->dir = NULL;
}

void
chan_close_dirs(struct chan *ch)
{
	struct req *r;
	unsigned i;

	for (i = 0; i < HANDLES_MAX; i++)
		close_dir(ch->handles.slots[i]);
	for (r = ch->reqs; r != NULL; r = r->next)
		close_dir(r->h);
}

void
chan_free(struct chan *ch)
{
	struct handle *h;
	struct req *r;
	unsigned i;

	if (ch->ssh != NULL) {
		ssh_remove_channel_callbacks(ch->ssh, &ch->callbacks);
		ssh_channel_free(ch->ssh);
	}
	/* Handles being closed are known to their requests only. */
	for (r = ch->reqs; r != NULL; r = r->next) {
		if (r->h == NULL || !r->h->closing)
			continue;
		h = r->h;
		r->h = NULL;
		reqs_forget_handle(ch, h);
		handle_free(h);
	}
	reqs_drop(ch, true);
	for (i = 0; i < HANDLES_MAX; i++)
		handle_free(ch->handles.slots[i]);
	sftp_parser_free(&ch->parser);
	scp_free(ch->scp);
	buf_free(&ch->rest);
	buf_free(&ch->out);
	DL_DELETE(ch->c->chans, ch);
	ch->c->nchans--;
	free(ch);
}

/* libssh's callbacks. They only note what came, and parse. */

static int
on_data(ssh_session s, ssh_channel c, void *data, uint32_t len, int is_stderr,
	void *arg)
{
	(void)s;
	(void)c;
	return chan_take(arg, data, len, is_stderr != 0);
}

static void
on_eof(ssh_session s, ssh_channel c, void *arg)
{
	struct chan *ch = arg;

	(void)s;
	(void)c;
	ch->eof = true;
	conn_wake(ch->c);
}

static void
on_close(ssh_session s, ssh_channel c, void *arg)
{
	struct chan *ch = arg;

	(void)s;
	(void)c;
	ch->closed = true;
	conn_wake(ch->c);
}

static int
on_subsystem(ssh_session s, ssh_channel c, const char *name, void *arg)
{
	struct chan *ch = arg;

	(void)s;
	(void)c;
	if (ch->kind != CHAN_NEW || strcmp(name, "sftp") != 0)
		return 1;
	ch->kind = CHAN_SFTP;
	return 0;
}

/* NOLINTBEGIN(readability-function-size): the signature is libssh's */
static int
on_pty(ssh_session s, ssh_channel c, const char *term, int width, int height,
       int pxwidth, int pxheight, void *arg)
{
	(void)s;
	(void)c;
	(void)term;
	(void)width;
	(void)height;
	(void)pxwidth;
	(void)pxheight;
	(void)arg;
	return 0;
}
/* NOLINTEND(readability-function-size) */

/* Someone at a terminal is told what this is, and that is all. */
static int
on_shell(ssh_session s, ssh_channel c, void *arg)
{
	struct chan *ch = arg;

	(void)s;
	(void)c;
	if (ch->kind != CHAN_NEW)
		return 1;
	ch->kind = CHAN_TEXT;
	ch->status = 1;
	buf_add_text(&ch->out, text_only);
	conn_wake(ch->c);
	return 0;
}

/*
 * scp is what we are ourselves. Any other command is answered as by a shell
 * that does not know it: programs that try one (rclone: md5sum) go on without,
 * and people read why.
 */
static int
on_exec(ssh_session s, ssh_channel c, const char *command, void *arg)
{
	struct chan *ch = arg;

	(void)s;
	(void)c;
	if (ch->kind != CHAN_NEW)
		return 1;
	conn_wake(ch->c);
	ch->scp = scp_new(ch, command);
	if (ch->scp != NULL) {
		ch->kind = CHAN_SCP;
		return 0;
	}
	log_debug("sftpd", session_id(ch->c->session), "exec_refused",
		  KV_S("command", command));
	ch->kind = CHAN_TEXT;
	ch->status = NOT_FOUND;
	ch->to_stderr = true;
	buf_add_text(&ch->out, text_only);
	return 0;
}

struct chan *
chan_new(struct conn *c)
{
	struct chan *ch = mem_alloc(sizeof(*ch));

	ch->c = c;
	sftp_parser_init(&ch->parser);
	buf_init(&ch->rest, CHAN_REST_MAX);
	buf_init(&ch->out, CHAN_OUT_MAX);
	DL_APPEND(c->chans, ch);
	c->nchans++;
	return ch;
}

static ssh_channel
on_open(ssh_session s, void *arg)
{
	struct conn *c = arg;
	struct chan *ch;
	ssh_channel ssh;

	if (c->nchans >= c->d->config->max_channels || c->d->draining)
		return NULL;
	ssh = ssh_channel_new(s);
	if (ssh == NULL)
		return NULL;
	ch = chan_new(c);
	ch->ssh = ssh;
	ch->callbacks = (struct ssh_channel_callbacks_struct){
		.userdata = ch,
		.channel_data_function = on_data,
		.channel_eof_function = on_eof,
		.channel_close_function = on_close,
		.channel_subsystem_request_function = on_subsystem,
		.channel_pty_request_function = on_pty,
		.channel_shell_request_function = on_shell,
		.channel_exec_request_function = on_exec,
	};
	ssh_callbacks_init(&ch->callbacks);
	ssh_set_channel_callbacks(ssh, &ch->callbacks);
	return ssh;
}

void
chan_accept_on(struct conn *c)
{
	c->callbacks = (struct ssh_server_callbacks_struct){
		.userdata = c,
		.channel_open_request_session_function = on_open,
	};
	ssh_callbacks_init(&c->callbacks);
	ssh_set_server_callbacks(c->ssh, &c->callbacks);
}
