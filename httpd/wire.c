/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/wire.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mem.h"

#define SIP_MIN ((size_t)64 << 10)

struct wire {
	struct loop *loop;
	int fd;
	SSL *ssl;
	struct event *ev;
	short armed;		 /* what ev is registered for */
	short read_on, write_on; /* what the socket has to be ready for */
	bool more;		 /* bytes may be at hand without the socket */
	enum wire_io ended;	 /* how a TLS stream ended; WIRE_OK: not yet */
	struct loop_timer *again;
	wire_fn *fn;
	void *arg;
};

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct wire *w = arg;

	(void)fd, (void)what;
	w->fn(w->arg);
}

static void
on_again(void *arg)
{
	struct wire *w = arg;

	w->fn(w->arg);
}

struct wire *
wire_new(struct loop *loop, int fd, SSL *ssl, wire_fn *fn, void *arg)
{
	struct wire *w = mem_alloc(sizeof(*w));

	w->loop = loop;
	w->fd = fd;
	w->ssl = ssl;
	w->read_on = EV_READ;
	w->write_on = EV_WRITE;
	w->fn = fn;
	w->arg = arg;
	w->again = loop_timer_new(loop, on_again, w);
	if (ssl && SSL_set_fd(ssl, fd) != 1)
		w->ended = WIRE_BROKEN;
	return w;
}

void
wire_free(struct wire *w)
{
	if (!w)
		return;
	if (w->ev)
		event_free(w->ev);
	loop_timer_free(w->again);
	SSL_free(w->ssl);
	close(w->fd);
	free(w);
}

/* True: wait; *on is what for. */
static bool
tls_wants(struct wire *w, short *on)
{
	switch (SSL_get_error(w->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		*on = EV_READ;
		return true;
	case SSL_ERROR_WANT_WRITE:
		*on = EV_WRITE;
		return true;
	default:
		return false;
	}
}

static enum wire_io
tls_ended(struct wire *w)
{
	bool closed = SSL_get_error(w->ssl, 0) == SSL_ERROR_ZERO_RETURN;

	ERR_clear_error();
	return closed ? WIRE_EOF : WIRE_BROKEN;
}

static enum wire_io
tls_read(struct wire *w, void *p, size_t n, size_t *done)
{
	size_t got;

	ERR_clear_error();
	w->more = false;
	while (*done < n && w->ended == WIRE_OK) {
		if (SSL_read_ex(w->ssl, (char *)p + *done, n - *done, &got) ==
		    1)
			*done += got;
		else if (tls_wants(w, &w->read_on))
			break;
		else
			w->ended = tls_ended(w);
	}
	w->more = *done == n || w->ended != WIRE_OK;
	if (*done > 0)
		return WIRE_OK;
	return w->ended != WIRE_OK ? w->ended : WIRE_WAIT;
}

enum wire_io
wire_read(struct wire *w, void *p, size_t n, size_t *done)
{
	ssize_t got;

	*done = 0;
	if (w->ssl)
		return tls_read(w, p, n, done);
	do
		got = recv(w->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		*done = (size_t)got;
	if (got >= 0)
		return got > 0 ? WIRE_OK : WIRE_EOF;
	return errno == EAGAIN ? WIRE_WAIT : WIRE_BROKEN;
}

enum wire_io
wire_write(struct wire *w, const void *p, size_t n, size_t *done)
{
	ssize_t put;

	*done = 0;
	if (w->ssl) {
		ERR_clear_error();
		if (SSL_write_ex(w->ssl, p, n, done) == 1)
			return WIRE_OK;
		return tls_wants(w, &w->write_on) ? WIRE_WAIT : WIRE_BROKEN;
	}
	do
		put = send(w->fd, p, n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put >= 0) {
		*done = (size_t)put;
		return WIRE_OK;
	}
	return errno == EAGAIN ? WIRE_WAIT : WIRE_BROKEN;
}

void
wire_finish(struct wire *w)
{
	if (w->ssl && w->ended != WIRE_BROKEN) {
		ERR_clear_error();
		SSL_shutdown(w->ssl);
		ERR_clear_error();
	}
	shutdown(w->fd, SHUT_WR);
}

static void
arm(struct wire *w, short what)
{
	if (w->armed == what)
		return;
	if (w->ev)
		event_free(w->ev);
	w->ev = NULL;
	w->armed = what;
	if (!what)
		return;
	w->ev = event_new(loop_base(w->loop), w->fd, what | EV_PERSIST,
			  on_event, w);
	if (!w->ev || event_add(w->ev, NULL) != 0)
		abort(); /* out of memory, as mem_alloc() ends too */
}

void
wire_watch(struct wire *w, bool read, bool write)
{
	arm(w, (short)((read ? w->read_on : 0) | (write ? w->write_on : 0)));
	if (read && w->more)
		wire_again(w);
}

void
wire_again(struct wire *w)
{
	loop_timer_set(w->again, 0);
}

bool
wire_secure(const struct wire *w)
{
	return w->ssl != NULL;
}

/*
 * Linux opens a shut window when a sixteenth of what the buffer may hold is
 * free, and that is about half of SO_RCVBUF.
 */
size_t
wire_sip(const struct wire *w)
{
	int size = 0;
	socklen_t len = sizeof(size);

	if (getsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &size, &len) != 0)
		size = 0;
	return (size_t)size / 24 > SIP_MIN ? (size_t)size / 24 : SIP_MIN;
}
