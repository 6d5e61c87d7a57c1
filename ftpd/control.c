/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/control.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "bridge/ledger.h"
#include "ftpd/address.h"
#include "ftpd/control_io.h"
#include "ftpd/data.h"
#include "ftpd/handler.h"
#include "ftpd/listing.h"
#include "ftpd/reply.h"
#include "ftpd/transfer.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/mem.h"

#define LAST_WORDS_MS 5000 /* for the client to take the last reply */

static void
say(struct control *c, int code, const char *text)
{
	struct buf b;

	if (c->mute || c->dead || !c->bev)
		return;
	buf_init(&b, REPLY_TEXT_MAX + 16);
	reply_line(&b, code, text);
	bufferevent_write(c->bev, buf_data(&b), buf_len(&b));
	log_debug("ftpd", session_id(c->session), "reply", KV_I("code", code),
		  KV_S("text", text));
	buf_free(&b);
}

void
control_reply(struct control *c, int code, const char *fmt, ...)
{
	char text[REPLY_TEXT_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(c, code, text);
}

void
control_result(struct control *c, enum err err, const char *why,
	       const char *ok_text)
{
	say(c, reply_code(err), err ? why : ok_text);
}

void
control_send(struct control *c, struct buf *b)
{
	if (!c->mute && !c->dead && c->bev)
		bufferevent_write(c->bev, buf_data(b), buf_len(b));
	buf_clear(b);
}

void
control_kill(struct control *c)
{
	if (c->dead)
		return;
	c->dead = true;
	if (c->bev)
		bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	loop_timer_set(c->reaper, 0);
}

void
control_bye(struct control *c, int code, const char *text)
{
	if (c->closing)
		return;
	if (code)
		say(c, code, text);
	c->closing = true;
	loop_timer_set(c->timer, LAST_WORDS_MS);
	if (c->mute || !c->bev ||
	    evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		control_kill(c);
}

/*
 * FileZilla and WinSCP give up after 20 and 15 s without a word, however long
 * the store takes for the last part. No reply fits before the 226, as either
 * takes a second 1xx for a failure; but both skip lines that are too short
 * for a code, and count them as a sign of life.
 */
static void
control_ping(struct control *c)
{
	const struct transfer *t = c->transfer;
	struct evbuffer *out = bufferevent_get_output(c->bev);
	uint64_t moved = t ? t->moved : 0;
	bool still = moved == c->pinged || (t && t->state == TRANSFER_CLOSING);

	if (still && !c->mute && !c->gone && evbuffer_get_length(out) == 0)
		bufferevent_write(c->bev, "...\r\n", 5);
	c->pinged = moved;
	loop_timer_set(c->timer, CONTROL_PING_MS);
}

static void
control_timer(void *arg)
{
	struct control *c = arg;

	if (c->closing || c->shaking || c->upgrading)
		control_kill(c);
	else if (c->logged_in && c->busy)
		control_ping(c);
	else if (!c->logged_in)
		control_bye(c, 421, "The log-in took too long.");
	else
		control_bye(c, 421, "Idle for too long.");
}

static void
control_reap(void *arg)
{
	control_free(arg);
}

void
control_free(struct control *c)
{
	transfer_drop(c->transfer);
	status_drop(c->status);
	data_free(c->data);
	session_free(c->session);
	control_io_close(c);
	loop_timer_free(c->timer);
	loop_timer_free(c->reaper);
	DL_DELETE(c->ftpd->controls, c);
	c->ftpd->count--;
	mem_wipe(c, sizeof(*c));
	free(c);
}

/* Too many connections: a plain line where the client expects one. */
static void
turn_away(int fd, bool implicit, const char *why)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "421 %s\r\n", why);

	if (!implicit && n > 0)
		(void)!send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

/* Urgent data stays in line, where the line reader looks for Telnet's IP. */
static void
set_socket(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

void
control_begin(struct control *c)
{
	data_free(c->data);
	c->data = NULL;
	c->user[0] = c->path[0] = c->rename[0] = c->touch[0] = '\0';
	c->sized[0] = '\0';
	str_copy(c->cwd, sizeof(c->cwd), "/");
	c->logged_in = c->epsv_all = c->has_allo = false;
	c->rest = 0;
	c->timing = TIMING_ANEW;
	loop_timer_set(c->timer, c->ftpd->config->login_grace_ms);
}

static struct control *
control_new(struct ftpd *f, int fd, const struct sockaddr *peer)
{
	struct control *c = mem_alloc(sizeof(*c));
	socklen_t len = sizeof(c->local);

	c->ftpd = f;
	c->fd = fd;
	c->facts = FACT_ALL;
	line_init(&c->reader);
	id_random(c->tls_id, sizeof(c->tls_id));
	memcpy(&c->peer, peer, address_len(peer));
	if (getsockname(fd, (struct sockaddr *)&c->local, &len) != 0)
		memcpy(&c->local, peer, address_len(peer));
	c->timer = loop_timer_new(f->loop, control_timer, c);
	c->reaper = loop_timer_new(f->loop, control_reap, c);
	control_begin(c);
	DL_APPEND(f->controls, c);
	f->count++;
	return c;
}

void
control_accept(struct ftpd *f, int fd, const struct sockaddr *peer,
	       bool implicit)
{
	struct session *s;
	struct control *c;
	enum err err = f->draining ? ERR_AGAIN : ERR_OK;

	if (!err)
		err = session_new(&s, f->bridge, implicit ? "ftps" : "ftp",
				  peer);
	if (err || (implicit && !f->tls)) {
		if (!err)
			session_free(s);
		turn_away(fd, implicit,
			  err == ERR_QUOTA ? "Too many connections."
					   : "Not available, try again later.");
		return;
	}
	set_socket(fd);
	c = control_new(f, fd, peer);
	c->session = s;
	c->implicit = implicit;
	if (!control_io_open(c)) {
		close(fd);
		control_kill(c);
		return;
	}
	if (!implicit)
		say(c, 220, f->config->banner);
}

void
control_serving(const struct control *c, bool begins)
{
	struct ledger *ledger = c->ftpd->bridge->ledger;
	const struct user *user = session_user(c->session);

	if (!ledger)
		return;
	if (begins)
		ledger_serving(ledger, session_id(c->session),
			       user ? user->name : "");
	else
		ledger_serving(ledger, "", "");
}

void
control_done(struct control *c)
{
	c->busy = false;
	if (c->mute)
		control_kill(c);
	else
		control_run(c);
}

enum control_peer
control_look(const struct control *c)
{
	char byte;
	ssize_t n;

	if (c->gone || c->dead)
		return CONTROL_LOST;
	n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0)
		return CONTROL_SAYS;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? CONTROL_THERE
							    : CONTROL_LOST;
}

bool
control_converts(const struct control *c)
{
	return c->ascii && c->ftpd->config->convert_ascii;
}

bool
control_path(struct control *c, const char *arg)
{
	enum err err = names_path(c->cwd, arg, strlen(arg), c->path);

	if (err)
		control_reply(c, 553, "Not a valid name.");
	return err == ERR_OK;
}

bool
control_options(struct control *c, const char **arg)
{
	bool recursive = false;

	*arg = listing_options(*arg, &recursive);
	if (recursive)
		control_reply(c, 504, "-R is not offered.");
	return !recursive;
}
