/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/lifeline.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

struct lifeline {
	int fd;
	struct event *master;
	lifeline_order_fn *fn;
	void *arg;
};

static void
on_master(evutil_socket_t fd, short what, void *arg)
{
	struct lifeline *l = arg;
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		log_error("lifeline", NULL, "master_gone");
		event_del(l->master);
	}
	l->fn(l->arg, n > 0 ? (enum child_order)byte : CHILD_PARK);
}

struct lifeline *
lifeline_new(struct loop *loop, int fd, lifeline_order_fn *fn, void *arg)
{
	struct lifeline *l = mem_alloc(sizeof(*l));

	l->fd = fd;
	l->fn = fn;
	l->arg = arg;
	l->master = event_new(loop_base(loop), fd, EV_READ | EV_PERSIST,
			      on_master, l);
	if (!l->master || event_add(l->master, NULL) != 0)
		abort();
	return l;
}

void
lifeline_free(struct lifeline *l)
{
	if (!l)
		return;
	event_free(l->master);
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
