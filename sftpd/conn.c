/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/conn.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "bridge/ledger.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "sftpd/channel.h"
#include "sftpd/conn_timer.h"

/*
 * libssh reads 4 KiB at a time. A run takes at most READS of them before other
 * connections have their turn.
 */
#define READS 64
#define ROUNDS 4 /* of replies, and of what comes in while they are sent */

/*
 * By a timer that is due at once: an event that is made active by hand runs
 * before the loop looks at any descriptor again, and could keep it from that.
 */
void
conn_wake(struct conn *c)
{
	const struct timeval now = { 0, 0 };

	if (c->busy)
		c->again = true;
	else if (c->wake != NULL && !event_pending(c->wake, EV_TIMEOUT, NULL))
		event_add(c->wake, &now);
}

void
conn_end(struct conn *c, const char *why)
{
	if (c->ending == NULL)
		c->ending = why;
	conn_wake(c);
}

void
conn_stop(struct conn *c, enum conn_stop why)
{
	c->stops |= why;
}

void
conn_go(struct conn *c, enum conn_stop why)
{
	c->stops &= ~(unsigned)why;
	conn_wake(c);
}

void
conn_pause(struct conn *c, bool paused)
{
	if (!paused) {
		if (--c->paused == 0)
			conn_go(c, STOP_FILE);
		return;
	}
	if (c->paused++ > 0)
		return;
	conn_stop(c, STOP_FILE);
	c->life_at = clock_ms();
	conn_timer_soon(c);
	conn_wake(c);
}

/* True when the connection is no more, as far as libssh can tell. */
static bool
lost(struct conn *c, int rc)
{
	if (rc != SSH_ERROR && ssh_is_connected(c->ssh) &&
	    !(ssh_get_status(c->ssh) & (SSH_CLOSED | SSH_CLOSED_ERROR)))
		return false;
	c->gone = true;
	return true;
}

/*
 * When output waits for the client to open a channel's window, its word may
 * lie behind input that cannot be taken: then reading goes on, and libssh
 * keeps that input, which is at most the window we gave.
 */
static bool
may_read(const struct conn *c)
{
	const struct chan *ch;

	if (c->stops == 0)
		return true;
	if (c->stops != STOP_INPUT)
		return false;
	DL_FOREACH (c->chans, ch) {
		if (chan_window_shut(ch))
			return true;
	}
	return false;
}

static void
read_input(struct conn *c)
{
	int reads = READS, rc;

	/* With output to be sent and no reading, one call sends it. */
	c->active = clock_ms();
	if (!may_read(c))
		reads = ssh_get_status(c->ssh) & SSH_WRITE_PENDING ? 1 : 0;
	while (reads-- > 0) {
		rc = ssh_event_dopoll(c->poll, 0);
		if (lost(c, rc) || rc == SSH_AGAIN)
			return;
		if (!c->auth.done)
			auth_run(c);
		if (!may_read(c) || lost(c, SSH_OK))
			return;
	}
}

/* libssh holds the second packet of a burst back until it is polled again. */
static void
send_output(struct conn *c)
{
	int reads = c->stops != 0 ? 1 : ROUNDS, rc;

	while (reads-- > 0) {
		rc = ssh_event_dopoll(c->poll, 0);
		if (lost(c, rc) || rc == SSH_AGAIN)
			return;
	}
}

static void
run_chans(struct conn *c)
{
	struct chan *ch, *next;

	c->stops &= ~(unsigned)STOP_INPUT;
	DL_FOREACH_SAFE (c->chans, ch, next) {
		chan_run(ch);
	}
	DL_FOREACH (c->chans, ch) {
		if (!ch->ended &&
		    (ch->left || buf_len(&ch->rest) > 0 || chan_stalled(ch)))
			c->stops |= STOP_INPUT;
	}
}

/*
 * A DISCONNECT can overtake a reply inside the client. So the channels are
 * closed first, each when nothing is under way on it, and the client has some
 * time to close them too.
 */
static void
leave(struct conn *c)
{
	const struct chan *ch;

	if (!c->auth.done || c->chans == NULL) {
		conn_end(c, "the server is going down");
		return;
	}
	DL_FOREACH (c->chans, ch) {
		if (!ch->close_sent)
			return;
	}
	if (!c->leaving)
		conn_timer_leave(c);
	c->leaving = true;
}

static void
run_ssh(struct conn *c, bool input)
{
	int rounds = ROUNDS;

	if (!c->auth.done)
		auth_run(c);
	if (input && !lost(c, SSH_OK))
		read_input(c);
	while (!c->gone && rounds-- > 0) {
		c->again = false;
		c->wrote = false;
		run_chans(c);
		if (lost(c, SSH_OK) || !c->wrote)
			break;
		send_output(c);
		c->again = true; /* unless another round follows */
	}
	if (c->d->draining)
		leave(c);
}

/* Listens for what can be acted on, and nothing else. */
static void
arm_events(struct conn *c)
{
	const bool pending = ssh_get_status(c->ssh) & SSH_WRITE_PENDING;

	if (may_read(c) && !pending)
		event_add(c->readable, NULL);
	else
		event_del(c->readable);
	if (pending)
		event_add(c->writable, NULL);
	else
		event_del(c->writable);
}

static void
free_event(struct event **e)
{
	if (*e != NULL)
		event_free(*e);
	*e = NULL;
}

/* libssh may have closed the descriptor already: its events go first. */
static void
drop_ssh(struct conn *c, bool politely)
{
	struct chan *ch;

	if (c->ssh == NULL)
		return;
	free_event(&c->readable);
	free_event(&c->writable);
	DL_FOREACH (c->chans, ch) {
		ch->ssh = NULL;
	}
	auth_free(&c->auth);
	if (c->poll != NULL) {
		ssh_event_remove_session(c->poll, c->ssh);
		ssh_event_free(c->poll);
		c->poll = NULL;
	}
	if (politely && c->ending != NULL)
		ssh_session_set_disconnect_message(c->ssh, c->ending);
	ssh_disconnect(c->ssh);
	ssh_free(c->ssh);
	c->ssh = NULL;
}

static bool
is_farewell(const char *why)
{
	return why[0] == '\0' || strncmp(why, "Socket error", 12) == 0 ||
	       strncmp(why, "Received SSH_MSG_DISCONNECT", 27) == 0;
}

/*
 * A client that leaves is no event. Other ends are: after the log-in one that
 * libssh finds (a MAC that is wrong, say) is not what happens every day.
 */
static void
log_loss(const struct conn *c)
{
	const char *why = c->gone ? ssh_get_error(c->ssh) : c->ending;
	const char *id = session_id(c->session);

	if (c->gone && is_farewell(why))
		log_debug("sftpd", id, "disconnected", KV_S("why", why));
	else if (c->gone && c->auth.done)
		log_warn("sftpd", id, "transport_error", KV_S("why", why));
	else
		log_info("sftpd", id, "connection_ended", KV_S("why", why));
}

/*
 * The connection is gone. Changes that the client asked for and that wait for
 * others are still carried out, a CLOSE above all: then the session lingers.
 */
static void
cut(struct conn *c)
{
	struct chan *ch, *next;
	bool owes = false;

	log_loss(c);
	DL_FOREACH (c->chans, ch) {
		owes = owes || chan_owes(ch);
	}
	drop_ssh(c, !c->gone);
	if (!owes) {
		conn_free(c);
		return;
	}
	DL_FOREACH_SAFE (c->chans, ch, next) {
		chan_cut(ch);
	}
	conn_timer_linger(c);
	conn_wake(c);
}

static void
serving(const struct conn *c, bool begins)
{
	const struct user *user = session_user(c->session);
	struct ledger *ledger = c->d->bridge->ledger;

	if (ledger == NULL)
		return;
	if (begins)
		ledger_serving(ledger, session_id(c->session),
			       user == NULL ? "" : user->name);
	else
		ledger_serving(ledger, "", "");
}

static void
run(struct conn *c, bool input)
{
	c->busy = true;
	serving(c, true);
	if (!c->auth.done)
		auth_watch_set(&c->auth.watch);
	if (c->ssh != NULL)
		run_ssh(c, input);
	else
		run_chans(c);
	auth_watch_set(NULL);
	serving(c, false);
	c->busy = false;
	if (c->ssh == NULL) {
		if (c->chans == NULL)
			conn_free(c);
		return;
	}
	if (c->gone || c->ending != NULL) {
		cut(c);
		return;
	}
	arm_events(c);
	if (c->again)
		conn_wake(c);
	c->again = false;
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run(arg, true);
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run(arg, false);
}

void
conn_free(struct conn *c)
{
	struct sftpd *d = c->d;
	struct chan *ch, *next;

	free_event(&c->wake);
	DL_FOREACH (c->chans, ch) {
		chan_close_dirs(ch);
	}
	/* No completion comes after this: what waited for one may go. */
	session_free(c->session);
	c->session = NULL;
	drop_ssh(c, false);
	DL_FOREACH_SAFE (c->chans, ch, next) {
		chan_free(ch);
	}
	loop_timer_free(c->timer);
	sftpd_forget(d, c);
	free(c);
}

static void
tune_socket(int fd)
{
	/* A client that vanished is noticed within two minutes. */
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 60 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 15 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 4 },
	};
	size_t i;

	evutil_make_socket_nonblocking(fd);
	evutil_make_socket_closeonexec(fd);
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].name,
			   &options[i].value, sizeof(options[i].value));
}

/* SSH up to the point where the loop drives it on. */
static bool
start_ssh(struct conn *c)
{
	const struct sftpd_config *config = c->d->config;
	uint64_t rekey = config->rekey_bytes;

	c->ssh = ssh_new();
	if (c->ssh == NULL)
		return false;
	ssh_options_set(c->ssh, SSH_OPTIONS_COMPRESSION, "none");
	if (rekey > 0)
		ssh_options_set(c->ssh, SSH_OPTIONS_REKEY_DATA, &rekey);
	if (ssh_bind_accept_fd(c->d->bind, c->ssh, c->fd) != SSH_OK) {
		/* libssh does not tell whether it took the descriptor. */
		if (ssh_get_fd(c->ssh) != c->fd)
			close(c->fd);
		return false;
	}
	ssh_set_blocking(c->ssh, 0);
	if (ssh_handle_key_exchange(c->ssh) == SSH_ERROR)
		return false;
	c->poll = ssh_event_new();
	return c->poll != NULL &&
	       ssh_event_add_session(c->poll, c->ssh) == SSH_OK;
}

struct conn *
conn_new(struct sftpd *d, int fd, struct session *session)
{
	struct event_base *base = loop_base(d->bridge->loop);
	struct conn *c = mem_alloc(sizeof(*c));

	c->d = d;
	c->fd = fd;
	c->session = session;
	c->born = c->active = clock_ms();
	tune_socket(fd);
	if (!start_ssh(c)) {
		drop_ssh(c, false);
		free(c);
		return NULL;
	}
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_socket, c);
	c->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_socket, c);
	c->wake = event_new(base, -1, 0, on_wake, c);
	c->timer = conn_timer_new(c);
	arm_events(c);
	return c;
}
