/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/data.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ftpd/address.h"
#include "ftpd/data_socket.h"
#include "ftpd/ftp_tls.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/tls.h"

#define SIP_MIN ((size_t)64 << 10)
#define STRANGERS_MAX 16 /* connections from elsewhere before we give up */

struct data {
	struct data_env env;
	struct sockaddr_storage to; /* active: where to */
	int listener, fd;	    /* -1: none */
	bool passive, connecting;
	bool dry;	  /* the last call said DATA_WAIT */
	short want;	  /* what it waits for */
	short armed;	  /* what ev is registered for */
	struct event *ev; /* of the listener, then of fd */
	struct loop_timer *again;
	SSL *ssl;
	enum data_io ended; /* how a TLS stream ended; DATA_OK: not yet */
	unsigned strangers;
	data_ready_fn *ready;
	void *ready_arg;
	data_fn *fn;
	void *arg;
};

static void data_event(evutil_socket_t fd, short what, void *arg);
static void data_again(void *arg);

static struct data *
data_new(const struct data_env *env)
{
	struct data *d = mem_alloc(sizeof(*d));

	d->env = *env;
	d->listener = d->fd = -1;
	d->want = EV_READ;
	d->again = loop_timer_new(env->loop, data_again, d);
	return d;
}

static void
disarm(struct data *d)
{
	if (d->ev)
		event_free(d->ev);
	d->ev = NULL;
	d->armed = 0;
}

static void
arm(struct data *d, int fd, short what)
{
	if (d->ev && d->armed == what)
		return;
	disarm(d);
	d->ev = event_new(loop_base(d->env.loop), fd, what | EV_PERSIST,
			  data_event, d);
	if (!d->ev || event_add(d->ev, NULL) != 0)
		abort(); /* out of memory, as mem_alloc() ends too */
	d->armed = what;
}

void
data_free(struct data *d)
{
	if (!d)
		return;
	disarm(d);
	loop_timer_free(d->again);
	SSL_free(d->ssl);
	if (d->fd >= 0)
		close(d->fd);
	if (d->listener >= 0)
		close(d->listener);
	free(d);
}

enum err
data_listen(struct data **out, const struct data_env *env, uint16_t *port)
{
	struct data *d;
	int fd;
	enum err err = data_socket_listen(env, &fd, port);

	if (err)
		return err;
	d = data_new(env);
	d->listener = fd;
	d->passive = true;
	arm(d, fd, EV_READ);
	*out = d;
	return ERR_OK;
}

struct data *
data_active(const struct data_env *env, const struct sockaddr_storage *to)
{
	struct data *d = data_new(env);

	d->to = *to;
	return d;
}

/* Tells how waiting for the connection went; d may be gone afterwards. */
static void
data_ready(struct data *d, enum err err, const char *why)
{
	data_ready_fn *fn = d->ready;

	if (!fn)
		return;
	d->ready = NULL;
	d->dry = false;
	disarm(d);
	fn(d->ready_arg, err, why);
}

/* True: wait for d->want. */
static bool
tls_wants(struct data *d, int ret)
{
	switch (SSL_get_error(d->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		d->want = EV_READ;
		return true;
	case SSL_ERROR_WANT_WRITE:
		d->want = EV_WRITE;
		return true;
	default:
		return false;
	}
}

static void
handshake(struct data *d)
{
	int ret;

	ERR_clear_error();
	ret = SSL_accept(d->ssl);
	if (ret == 1) {
		data_ready(d, ERR_OK, "");
	} else if (tls_wants(d, ret)) {
		arm(d, d->fd, d->want);
	} else {
		log_debug("ftpd", d->env.session, "data_handshake",
			  KV_S("why", tls_error()));
		data_ready(d, ERR_IO, "TLS handshake failed");
	}
}

/* fd is connected; the listener has done its work. */
static void
connected(struct data *d)
{
	if (d->listener >= 0)
		close(d->listener);
	d->listener = -1;
	d->connecting = false;
	disarm(d);
	if (!d->ready)
		return;
	if (!d->ssl)
		data_ready(d, ERR_OK, "");
	else if (SSL_set_fd(d->ssl, d->fd) == 1)
		handshake(d);
	else
		data_ready(d, ERR_IO, "out of resources");
}

static void
stop_listening(struct data *d, const char *why)
{
	close(d->listener);
	d->listener = -1;
	disarm(d);
	data_ready(d, ERR_IO, why);
}

static void
accepted(struct data *d)
{
	struct sockaddr_storage from;
	char text[64];
	int fd = data_socket_accept(d->listener, &from);

	if (fd < 0 &&
	    (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (fd < 0) {
		log_warn("ftpd", d->env.session, "data_accept",
			 KV_ERRNO(errno));
		stop_listening(d, "out of resources");
		return;
	}
	if (address_same_host((struct sockaddr *)&from, d->env.peer)) {
		d->fd = fd;
		connected(d);
		return;
	}
	close(fd);
	data_socket_text(&from, text, sizeof(text));
	log_warn("ftpd", d->env.session, "data_stranger", KV_S("addr", text));
	if (++d->strangers >= STRANGERS_MAX)
		stop_listening(d, "too many connections from elsewhere");
}

static void
connect_done(struct data *d)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	if (err == 0) {
		connected(d);
		return;
	}
	log_debug("ftpd", d->env.session, "data_connect", KV_ERRNO(err));
	data_ready(d, ERR_IO, "cannot connect to the client");
}

static void
data_event(evutil_socket_t fd, short what, void *arg)
{
	struct data *d = arg;
	data_fn *fn = d->fn;

	(void)fd, (void)what;
	if (d->listener >= 0) {
		accepted(d);
	} else if (d->connecting) {
		connect_done(d);
	} else if (d->ready) {
		handshake(d);
	} else if (fn) {
		d->dry = false;
		fn(d->arg);
	}
}

/* From the loop: what could be done inside a call of the user's. */
static void
data_again(void *arg)
{
	struct data *d = arg;
	data_fn *fn = d->fn;

	if (!d->ready) {
		if (fn)
			fn(d->arg);
	} else if (d->fd >= 0 && !d->connecting) {
		connected(d);
	} else if (d->listener < 0 && !d->connecting) {
		data_ready(d, ERR_IO, "cannot connect to the client");
	}
}

void
data_start(struct data *d, SSL *ssl, data_ready_fn *fn, void *arg)
{
	d->ssl = ssl;
	d->ready = fn;
	d->ready_arg = arg;
	if (!d->passive) {
		d->fd = data_socket_connect(&d->env, &d->to);
		d->connecting = d->fd >= 0;
		if (d->connecting)
			arm(d, d->fd, EV_WRITE);
	}
	if (!d->connecting && d->listener < 0)
		loop_timer_set(d->again, 0);
}

static enum data_io
plain_read(struct data *d, void *p, size_t n, size_t *done)
{
	ssize_t got;

	do
		got = recv(d->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		*done = (size_t)got;
		/* A short read has emptied the socket: save the next call. */
		d->dry = (size_t)got < n;
		d->want = EV_READ;
		return DATA_OK;
	}
	if (got == 0)
		return DATA_EOF;
	if (errno != EAGAIN)
		return DATA_BROKEN;
	d->dry = true;
	d->want = EV_READ;
	return DATA_WAIT;
}

/* How a TLS stream ended: close_notify, a bare FIN, or something else. */
static enum data_io
tls_ended(struct data *d, int ret)
{
	int err = errno, why = SSL_get_error(d->ssl, ret);
	unsigned long e = ERR_peek_error();

	if (why == SSL_ERROR_ZERO_RETURN)
		return DATA_EOF;
	if (why == SSL_ERROR_SSL &&
	    ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		return DATA_CUT;
	}
	log_debug("ftpd", d->env.session, "data_tls",
		  KV_S("why", why == SSL_ERROR_SYSCALL ? log_errno(err)
						       : tls_error()));
	return DATA_BROKEN;
}

static enum data_io
tls_read(struct data *d, void *p, size_t n, size_t *done)
{
	size_t got, total = 0;

	ERR_clear_error();
	while (total < n && d->ended == DATA_OK) {
		if (SSL_read_ex(d->ssl, (char *)p + total, n - total, &got) ==
		    1) {
			total += got;
		} else if (tls_wants(d, 0)) {
			d->dry = true;
			break;
		} else {
			d->ended = tls_ended(d, 0);
		}
	}
	*done = total;
	if (total > 0)
		return DATA_OK;
	return d->ended != DATA_OK ? d->ended : DATA_WAIT;
}

enum data_io
data_read(struct data *d, void *p, size_t n, size_t *done)
{
	*done = 0;
	d->dry = false;
	return d->ssl ? tls_read(d, p, n, done) : plain_read(d, p, n, done);
}

static enum data_io
plain_write(struct data *d, const void *p, size_t n, size_t *done)
{
	ssize_t put;

	do
		put = send(d->fd, p, n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put >= 0) {
		*done = (size_t)put;
		return DATA_OK;
	}
	if (errno != EAGAIN)
		return DATA_BROKEN;
	d->dry = true;
	d->want = EV_WRITE;
	return DATA_WAIT;
}

enum data_io
data_write(struct data *d, const void *p, size_t n, size_t *done)
{
	*done = 0;
	d->dry = false;
	if (!d->ssl)
		return plain_write(d, p, n, done);
	ERR_clear_error();
	if (SSL_write_ex(d->ssl, p, n, done) == 1)
		return DATA_OK;
	d->dry = tls_wants(d, 0);
	return d->dry ? DATA_WAIT : tls_ended(d, 0);
}

enum data_io
data_finish(struct data *d)
{
	int ret;

	d->dry = false;
	if (d->ssl && d->ended != DATA_BROKEN) {
		ERR_clear_error();
		ret = SSL_shutdown(d->ssl);
		if (ret < 0 && tls_wants(d, ret) && d->want == EV_WRITE) {
			d->dry = true;
			return DATA_WAIT;
		}
		ERR_clear_error();
	}
	if (d->fd >= 0)
		shutdown(d->fd, SHUT_WR);
	return DATA_OK;
}

void
data_watch(struct data *d, bool on, data_fn *fn, void *arg)
{
	d->fn = on ? fn : NULL;
	d->arg = arg;
	if (!on) {
		loop_timer_clear(d->again);
		disarm(d);
	} else if (d->dry || (!d->ssl && d->armed == d->want)) {
		arm(d, d->fd, d->want);
	} else {
		loop_timer_set(d->again, 0);
	}
}

bool
data_secure(const struct data *d)
{
	return d->ssl != NULL;
}

SSL *
data_ssl(const struct data *d)
{
	return d->ssl;
}

unsigned
data_rtt_us(const struct data *d)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(d->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	return info.tcpi_rtt;
}

/*
 * Linux opens a shut window when a sixteenth of what the buffer may hold is
 * free, and that is about half of SO_RCVBUF; a client wants a third of its own
 * send buffer back before it is woken.
 */
size_t
data_sip(const struct data *d)
{
	int size = 0;
	socklen_t len = sizeof(size);

	if (getsockopt(d->fd, SOL_SOCKET, SO_RCVBUF, &size, &len) != 0)
		size = 0;
	return (size_t)size / 24 > SIP_MIN ? (size_t)size / 24 : SIP_MIN;
}
