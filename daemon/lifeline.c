/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/lifeline.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/children.h"
#include "lib/mem.h"

struct lifeline {
	int fd;
	struct event *master;
	struct event *term;
	lifeline_end_fn *fn;
	void *arg;
};

/* The master never writes: readable means that it is gone. */
static void
on_master(evutil_socket_t fd, short what, void *arg)
{
	struct lifeline *l = arg;

	(void)fd;
	(void)what;
	event_del(l->master);
	l->fn(l->arg, true);
}

static void
on_term(evutil_socket_t sig, short what, void *arg)
{
	struct lifeline *l = arg;

	(void)sig;
	(void)what;
	l->fn(l->arg, false);
}

struct lifeline *
lifeline_new(struct loop *loop, int fd, lifeline_end_fn *fn, void *arg)
{
	struct lifeline *l = mem_alloc(sizeof(*l));
	struct event_base *base = loop_base(loop);

	l->fd = fd;
	l->fn = fn;
	l->arg = arg;
	l->master = event_new(base, fd, EV_READ | EV_PERSIST, on_master, l);
	l->term = evsignal_new(base, SIGTERM, on_term, l);
	if (!l->master || !l->term || event_add(l->master, NULL) != 0 ||
	    event_add(l->term, NULL) != 0)
		abort();
	return l;
}

void
lifeline_free(struct lifeline *l)
{
	if (!l)
		return;
	event_free(l->master);
	event_free(l->term);
	close(l->fd);
	free(l);
}

/* A full socket means that the master is stuck, not that we are. */
static void
tell(struct lifeline *l, char byte)
{
	ssize_t n = send(l->fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);

	(void)n;
}

void
lifeline_ready(struct lifeline *l)
{
	tell(l, CHILD_READY);
}

void
lifeline_beat(struct lifeline *l)
{
	tell(l, CHILD_BEAT);
}
