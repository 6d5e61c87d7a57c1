/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/channel_io.h"

#include <limits.h>

#include "lib/log.h"
#include "sftpd/conn.h"
#include "sftpd/req.h"
#include "sftpd/scp.h"
#include "sftpd/write.h"

#define WRITE_AT_ONCE (256u << 10) /* given to libssh, which copies it */
#define READ_AT_ONCE (64u << 10)

/* What libssh may hold for us while input waits: the window, and some. */
#define BACKLOG_SLACK (4u << 20)

/* Parses until the input ends or cannot be taken; returns what it took. */
static size_t
parse(struct chan *ch, const uint8_t *data, size_t len)
{
	size_t left = len;

	if (ch->kind == CHAN_SCP)
		return scp_input(ch->scp, data, len);
	while (!chan_stalled(ch) && ch->bad == NULL) {
		switch (sftp_parser_next(&ch->parser, &data, &left)) {
		case SFTP_EV_MORE:
			return len;
		case SFTP_EV_PACKET:
			req_packet(ch, &ch->parser.packet);
			reqs_run(ch);
			break;
		case SFTP_EV_WRITE_BEGIN:
			write_begin(ch);
			break;
		case SFTP_EV_WRITE_DATA:
			write_data(ch);
			break;
		case SFTP_EV_WRITE_END:
			write_end(ch);
			break;
		case SFTP_EV_BAD:
			chan_bad(ch, ch->parser.why);
			break;
		}
	}
	return ch->bad != NULL ? len : len - left;
}

int
chan_take(struct chan *ch, const void *data, uint32_t len, bool is_stderr)
{
	size_t n;

	if (is_stderr || ch->ended || ch->bad != NULL ||
	    (ch->kind != CHAN_SFTP && ch->kind != CHAN_SCP))
		return (int)len;
	if (len > ch->c->d->config->window + BACKLOG_SLACK || len > INT_MAX) {
		chan_bad(ch, "more data than the window allows");
		return 0;
	}
	n = buf_len(&ch->rest) > 0 ? 0 : parse(ch, data, len);
	ch->received += n;
	ch->left = n < len;
	if (ch->left || chan_stalled(ch))
		conn_stop(ch->c, STOP_INPUT);
	return (int)n;
}

/* Input that was read from libssh by a call. */
static void
feed(struct chan *ch, const uint8_t *data, size_t len)
{
	size_t n = parse(ch, data, len);

	ch->received += len;
	buf_add(&ch->rest, data + n, len - n);
	if (ch->rest.failed)
		chan_bad(ch, "more data than the window allows");
}

static void
resume(struct chan *ch)
{
	size_t n;
	int got;

	/* With no bytes too: the parser may have something to say yet. */
	n = parse(ch, buf_data(&ch->rest), buf_len(&ch->rest));
	if (ch->bad != NULL)
		return;
	buf_consume(&ch->rest, n);
	while (ch->left && buf_len(&ch->rest) == 0 && !chan_stalled(ch)) {
		got = ssh_channel_read_timeout(ch->ssh, ch->c->d->scratch,
					       READ_AT_ONCE, 0, 0);
		if (got <= 0) {
			ch->left = false;
			return;
		}
		feed(ch, ch->c->d->scratch, (size_t)got);
	}
}

/*
 * libssh 0.10 lets a client have 1.25 MiB under way, which is little on a long
 * line, and has no option for that. Being asked to read more than the window
 * holds makes it open the window that far.
 */
static void
raise_window(struct chan *ch)
{
	const struct sftpd *d = ch->c->d;
	const uint32_t window = d->config->window;
	int got;

	if (!d->window_trick || !ch->uploads || ch->eof || ch->left ||
	    ch->c->stops != 0 || buf_len(&ch->rest) > 0)
		return;
	if (ch->raised != 0 && ch->received - ch->raised < window / 4)
		return;
	ch->raised = ch->received;
	got = ssh_channel_read_timeout(ch->ssh, d->scratch, window, 0, 0);
	if (got > 0)
		feed(ch, d->scratch, (size_t)got);
}

/* Gives libssh what the client's window takes, if the last lot is gone. */
static void
send_out(struct chan *ch)
{
	size_t n = buf_len(&ch->out);
	int sent;

	if (n == 0 || ssh_get_status(ch->c->ssh) & SSH_WRITE_PENDING ||
	    ssh_channel_window_size(ch->ssh) == 0)
		return;
	if (n > WRITE_AT_ONCE)
		n = WRITE_AT_ONCE;
	sent = ch->to_stderr
		       ? ssh_channel_write_stderr(ch->ssh, buf_data(&ch->out),
						  (uint32_t)n)
		       : ssh_channel_write(ch->ssh, buf_data(&ch->out),
					   (uint32_t)n);
	if (sent < 0) {
		chan_bad(ch, "the channel cannot be written to");
		return;
	}
	/* Nothing goes while keys are changed: input will tell the end. */
	buf_consume(&ch->out, (size_t)sent);
	ch->c->wrote = ch->c->wrote || sent > 0;
}

static void
close_ssh(struct chan *ch, int status)
{
	if (!ch->closed)
		ssh_channel_request_send_exit_status(ch->ssh, status);
	ssh_channel_close(ch->ssh);
	ch->close_sent = true;
	ch->c->wrote = true;
	chan_end(ch);
}

/* Is it time for us to close, and with which exit status? */
static bool
is_over(const struct chan *ch, int *status)
{
	*status = ch->bad != NULL	  ? 1
		  : ch->kind == CHAN_TEXT ? ch->status
		  : ch->kind == CHAN_SCP  ? scp_status(ch->scp)
					  : ch->kind == CHAN_NEW;
	if (ch->bad != NULL || ch->closed)
		return true;
	if (buf_len(&ch->out) > 0)
		return false;
	if (ch->kind == CHAN_TEXT || (ch->scp != NULL && scp_over(ch->scp)))
		return true;
	if (ch->c->d->draining && chan_idle(ch)) {
		*status = 0;
		return true;
	}
	return ch->eof && !ch->left && ch->nreqs == 0 &&
	       buf_len(&ch->rest) == 0;
}

static void
run_ssh(struct chan *ch)
{
	int status;

	if (!ch->ended) {
		if (ch->kind == CHAN_SFTP || ch->kind == CHAN_SCP)
			resume(ch);
		if (ch->kind == CHAN_SCP)
			scp_run(ch->scp);
		/* Raising the window takes input in, whose replies go out. */
		raise_window(ch);
		reqs_run(ch);
		send_out(ch);
		if (ch->out.failed)
			chan_bad(ch, "more replies than can be kept");
		if (is_over(ch, &status))
			close_ssh(ch, status);
	}
	/* The number of channels is bounded by those not closed on both ends:
	 * a client that never closes its end gets no new ones. */
	if (ch->close_sent && ch->closed) {
		ssh_remove_channel_callbacks(ch->ssh, &ch->callbacks);
		ssh_channel_free(ch->ssh);
		ch->ssh = NULL;
	}
}

void
chan_run(struct chan *ch)
{
	if (ch->ssh != NULL)
		run_ssh(ch);
	if (ch->ended)
		reqs_run(ch);
	if (ch->ssh == NULL && ch->ended && ch->nreqs == 0 &&
	    ch->handles.used == 0)
		chan_free(ch);
}
