/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the socket to command lines, with the queue of those that must wait,
 * and the change to TLS.
 */
#include "ftpd/control_io.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "ftpd/handler.h"
#include "ftpd/transfer.h"
#include "lib/log.h"
#include "lib/mem.h"

static void
drop_pending(struct control *c)
{
	struct pending *p, *next;

	for (p = c->first; p; p = next) {
		next = p->next;
		mem_wipe(p->line, p->len);
		free(p);
	}
	c->first = c->last = NULL;
	c->npending = 0;
}

static void
enqueue(struct control *c, const char *line, size_t len)
{
	struct pending *p = mem_alloc(sizeof(*p) + len + 1);

	memcpy(p->line, line, len);
	p->len = len;
	if (c->last)
		c->last->next = p;
	else
		c->first = p;
	c->last = p;
	c->npending++;
	if (strcasecmp(p->line, "QUIT") == 0)
		c->quit = true;
}

static void
run_pending(struct control *c)
{
	struct pending *p = c->first;

	c->first = p->next;
	if (!c->first)
		c->last = NULL;
	c->npending--;
	control_dispatch(c, p->line);
	mem_wipe(p->line, p->len);
	free(p);
}

static void
bad_line(struct control *c, enum line_status status)
{
	if (status == LINE_LONG)
		control_reply(c, 500, "The line is longer than %d bytes.",
			      FTP_LINE_MAX);
	else
		control_reply(c, 501, "The line has control bytes in it.");
	log_debug("ftpd", session_id(c->session), "bad_line",
		  KV_S("why", status == LINE_LONG ? "long" : "control bytes"));
	if (++c->bad >= CONTROL_BAD_MAX)
		control_bye(c, 421, "Too many lines that are not commands.");
}

/* ABOR and a bare STAT are for the transfer under way. */
static bool
goes_past(const struct control *c, const char *line)
{
	struct command cmd;

	if (!c->transfer)
		return false;
	command_parse(line, &cmd);
	return cmd.row && cmd.row->flags & COMMAND_NOW && cmd.arg[0] == '\0';
}

static void
take_line(struct control *c, enum line_status status)
{
	struct line_reader *r = &c->reader;

	if (c->timing == TIMING_IDLE)
		c->timing = TIMING_ANEW;
	if (status != LINE_READY)
		bad_line(c, status);
	else if (c->busy && !goes_past(c, r->text))
		enqueue(c, r->text, r->len);
	else
		control_dispatch(c, r->text);
	if (strncasecmp(r->text, "PASS", 4) == 0)
		line_wipe(r);
}

/* One line of what has been read. False: there is none, or it must wait. */
static bool
read_line(struct control *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t n = evbuffer_get_contiguous_space(in);
	enum line_status status;

	if (n == 0 || c->npending >= CONTROL_PENDING_MAX)
		return false;
	n = line_feed(&c->reader, evbuffer_pullup(in, (ev_ssize_t)n), n,
		      &status);
	evbuffer_drain(in, n);
	if (status != LINE_MORE)
		take_line(c, status);
	return true;
}

static bool
may_run(const struct control *c)
{
	return !c->dead && !c->closing && !c->mute && !c->upgrading &&
	       !c->shaking &&
	       evbuffer_get_length(bufferevent_get_output(c->bev)) <
		       CONTROL_OUTPUT_MAX;
}

/* One command or one line. False: nothing can be done now. */
static bool
step(struct control *c)
{
	if (!may_run(c))
		return false;
	if (!c->busy && c->first)
		run_pending(c);
	else if (!c->busy && c->ftpd->draining)
		control_bye(c, 421, "The server is being restarted.");
	else
		return read_line(c);
	return true;
}

/* The idle time goes on while a line comes byte by byte. */
static void
set_timer(struct control *c)
{
	if (!c->logged_in || c->closing || c->dead)
		return;
	if (c->busy && c->timing != TIMING_BUSY) {
		if (c->pings)
			loop_timer_set(c->timer, CONTROL_PING_MS);
		else
			loop_timer_clear(c->timer);
		c->timing = TIMING_BUSY;
	} else if (!c->busy && c->timing != TIMING_IDLE) {
		loop_timer_set(c->timer, c->ftpd->config->idle_timeout_ms);
		c->timing = TIMING_IDLE;
	}
}

void
control_run(struct control *c)
{
	if (c->running)
		return;
	c->running = true;
	control_serving(c, true);
	while (step(c))
		;
	if (c->gone && !c->busy && !c->first && may_run(c))
		control_bye(c, 0, "");
	control_serving(c, false);
	c->running = false;
	set_timer(c);
}

/*
 * The client sends nothing more. A transfer may have all that it needs to end
 * well, and what was sent before is carried out; a client that half-closes
 * gets its replies.
 */
static void
control_lost(struct control *c, bool broken)
{
	if (c->dead || c->mute || (c->gone && !broken))
		return;
	c->mute = broken || c->shaking;
	bufferevent_disable(c->bev, c->mute ? EV_READ | EV_WRITE : EV_READ);
	if (!c->gone && c->transfer)
		transfer_control_lost(c->transfer);
	c->gone = true;
	if (!c->mute)
		control_run(c);
	else if (c->closing || !c->transfer)
		control_kill(c);
}

static void
handshake_done(struct control *c)
{
	session_set_protocol(c->session, "ftps");
	log_debug("ftpd", session_id(c->session), "tls",
		  KV_S("version", SSL_get_version(c->ssl)),
		  KV_S("cipher", SSL_get_cipher_name(c->ssl)));
	c->shaking = false;
	if (c->implicit)
		control_reply(c, 220, "%s", c->ftpd->config->banner);
	c->implicit = false;
	control_run(c);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct control *c = arg;
	char why[256] = "closed";
	unsigned long e;

	if (what & BEV_EVENT_CONNECTED) {
		handshake_done(c);
		return;
	}
	if (c->shaking) {
		e = bufferevent_get_openssl_error(bev);
		if (e)
			ERR_error_string_n(e, why, sizeof(why));
		log_debug("ftpd", session_id(c->session), "handshake",
			  KV_S("why", why));
	}
	ERR_clear_error();
	control_lost(c, what & BEV_EVENT_ERROR);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	control_run(arg);
}

static void set_callbacks(struct control *c);

/* From here on the handshake's bytes are the only ones that count. */
static bool
open_tls(struct control *c)
{
	SSL *ssl = ftp_tls_new(c->ftpd->tls, c->tls_id);

	if (!ssl)
		return false;
	c->bev = bufferevent_openssl_socket_new(loop_base(c->ftpd->loop), c->fd,
						ssl, BUFFEREVENT_SSL_ACCEPTING,
						BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev) {
		SSL_free(ssl);
		return false;
	}
	c->ssl = ssl;
	c->shaking = true;
	set_callbacks(c);
	return true;
}

/*
 * What came before the handshake was not protected, and must not be taken for
 * commands that were: it is dropped, with what waits.
 */
static void
start_tls(struct control *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t left = evbuffer_get_length(in);

	if (left > 0 || c->first)
		log_warn("ftpd", session_id(c->session), "early_plaintext",
			 KV_U("bytes", left), KV_U("lines", c->npending));
	drop_pending(c);
	line_init(&c->reader);
	bufferevent_setfd(c->bev, -1);
	bufferevent_free(c->bev);
	c->bev = NULL;
	c->upgrading = false;
	c->busy = false;
	if (!open_tls(c)) {
		close(c->fd);
		control_kill(c);
	}
}

/*
 * All that was to be sent has been handed to the kernel, unless more has come
 * since: over TLS the call is deferred, and comes again for that.
 */
static void
on_written(struct bufferevent *bev, void *arg)
{
	struct control *c = arg;

	if (evbuffer_get_length(bufferevent_get_output(bev)) > 0)
		return;
	if (c->closing) {
		if (c->ssl)
			SSL_shutdown(c->ssl);
		ERR_clear_error();
		shutdown(c->fd, SHUT_WR);
		control_kill(c);
	} else if (c->upgrading) {
		start_tls(c);
	} else {
		control_run(c);
	}
}

static void
set_callbacks(struct control *c)
{
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, CONTROL_INPUT_MAX);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

bool
control_io_open(struct control *c)
{
	if (c->implicit)
		return open_tls(c);
	c->bev = bufferevent_socket_new(loop_base(c->ftpd->loop), c->fd,
					BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev)
		return false;
	set_callbacks(c);
	return true;
}

void
control_io_close(struct control *c)
{
	if (c->bev)
		bufferevent_free(c->bev);
	c->bev = NULL;
	c->ssl = NULL;
	drop_pending(c);
}
