/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/acceptor.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PART "acceptor"
#define YIELD_MS 20	   /* for a less loaded worker to be quicker */
#define FULL_MS 100	   /* until it is tried again without room */
#define COMPLAIN_MS 10000  /* between two warnings about a lack of room */
#define KEEPALIVE_IDLE 120 /* s before the first probe */

/* One listener in this worker. */
struct door {
	struct acceptor *a;
	struct listener *listener;
	struct event *readable;
	struct loop_timer *again;
	bool yielded; /* the next connection is taken whatever the load is */
};

struct acceptor {
	struct acceptor_config cfg;
	acceptor_fn *fn;
	void *arg;
	uint64_t complained; /* clock_ms() of the last warning */
	size_t n;
	struct door *doors;
};

static void
door_pause(struct door *d, unsigned ms)
{
	event_del(d->readable);
	loop_timer_set(d->again, ms);
}

static void
door_again(void *arg)
{
	struct door *d = arg;

	event_add(d->readable, NULL);
}

/* A flood must not become a flood of log lines. */
static void
complain(struct acceptor *a, const char *what, int errnum)
{
	uint64_t now = clock_ms();

	if (a->complained && now - a->complained < COMPLAIN_MS)
		return;
	a->complained = now;
	log_warn(PART, NULL, what, KV_U("connections", a->cfg.connections_max),
		 KV_ERRNO(errnum));
}

static bool
transient(int errnum)
{
	return errnum == EAGAIN || errnum == EINTR || errnum == ECONNABORTED ||
	       errnum == EPROTO || errnum == ENETDOWN ||
	       errnum == EHOSTUNREACH || errnum == ENETUNREACH;
}

/* A peer whose host is gone must not hold its session for ever. */
static void
socket_tune(int fd)
{
	static const int on = 1, idle = KEEPALIVE_IDLE;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
}

static void
door_accept(struct door *d)
{
	struct acceptor *a = d->a;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd;

	fd = accept4(listener_fd(d->listener), (struct sockaddr *)&ss, &len,
		     SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		socket_tune(fd);
		a->fn(a->arg, listener_protocol(d->listener), fd,
		      (struct sockaddr *)&ss);
	} else if (!transient(errno)) {
		complain(a, "accept", errno);
		door_pause(d, FULL_MS);
	}
}

/* One connection a wake-up: the others of the burst are for the others. */
static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct door *d = arg;
	struct acceptor *a = d->a;

	(void)fd;
	(void)what;
	if (a->cfg.connections(a->arg) >= a->cfg.connections_max) {
		complain(a, "connections_full", 0);
		door_pause(d, FULL_MS);
	} else if (!d->yielded && !ledger_may_accept(a->cfg.ledger)) {
		d->yielded = true;
		door_pause(d, YIELD_MS);
	} else {
		d->yielded = false;
		door_accept(d);
	}
}

struct acceptor *
acceptor_new(const struct acceptor_config *cfg, acceptor_fn *fn, void *arg)
{
	struct acceptor *a = mem_alloc(sizeof(*a));
	struct door *d;
	size_t i;

	a->cfg = *cfg;
	a->fn = fn;
	a->arg = arg;
	a->n = cfg->nlisteners;
	a->doors = mem_array(a->n, sizeof(*a->doors));
	for (i = 0; i < a->n; i++) {
		d = &a->doors[i];
		d->a = a;
		d->listener = cfg->listeners[i];
		d->again = loop_timer_new(cfg->loop, door_again, d);
		d->readable = event_new(loop_base(cfg->loop),
					listener_fd(d->listener),
					EV_READ | EV_PERSIST, on_readable, d);
		if (!d->readable || event_add(d->readable, NULL) != 0)
			abort();
	}
	return a;
}

void
acceptor_free(struct acceptor *a)
{
	size_t i;

	if (!a)
		return;
	for (i = 0; i < a->n; i++) {
		event_free(a->doors[i].readable);
		loop_timer_free(a->doors[i].again);
	}
	free(a->doors);
	free(a);
}
