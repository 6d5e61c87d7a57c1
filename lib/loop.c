/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/mem.h"

struct loop {
	struct event_base *base;
	struct event *wake;
	int wake_fd;
	bool stopped;
	pthread_mutex_t lock; /* guards the queue of calls */
	struct loop_call *first;
	struct loop_call **last;
	size_t queued;
};

struct loop_timer {
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

/* Without its loop a process can do nothing; none of these can be mended. */
static _Noreturn void
give_up(const char *what)
{
	fprintf(stderr, "sluice: loop: %s: %s\n", what, strerror(errno));
	abort();
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)n;
	(void)what;
	loop_flush(arg);
}

static void
wake(struct loop *l)
{
	const uint64_t one = 1;
	ssize_t n = write(l->wake_fd, &one, sizeof(one));

	/* EAGAIN means that the counter is full: the loop will wake. */
	(void)n;
}

struct loop *
loop_new(void)
{
	struct loop *l = mem_alloc(sizeof(*l));

	l->last = &l->first;
	pthread_mutex_init(&l->lock, NULL);
	l->base = event_base_new();
	if (!l->base)
		give_up("event_base_new");
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->wake_fd < 0)
		give_up("eventfd");
	l->wake = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake,
			    l);
	if (!l->wake || event_add(l->wake, NULL) < 0)
		give_up("event_new");
	return l;
}

void
loop_free(struct loop *l)
{
	if (!l)
		return;
	event_free(l->wake);
	close(l->wake_fd);
	event_base_free(l->base);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

void
loop_run(struct loop *l)
{
	while (!l->stopped)
		if (event_base_loop(l->base, 0) < 0)
			give_up("event_base_loop");
	l->stopped = false;
}

void
loop_stop(struct loop *l)
{
	l->stopped = true;
	event_base_loopbreak(l->base);
}

void
loop_post(struct loop *l, struct loop_call *call)
{
	bool was_empty;

	call->next = NULL;
	pthread_mutex_lock(&l->lock);
	was_empty = !l->first;
	*l->last = call;
	l->last = &call->next;
	l->queued++;
	pthread_mutex_unlock(&l->lock);
	if (was_empty)
		wake(l);
}

static struct loop_call *
take(struct loop *l)
{
	struct loop_call *call;

	pthread_mutex_lock(&l->lock);
	call = l->first;
	if (call) {
		l->first = call->next;
		l->queued--;
		if (!l->first)
			l->last = &l->first;
	}
	pthread_mutex_unlock(&l->lock);
	return call;
}

static size_t
queued(struct loop *l)
{
	size_t n;

	pthread_mutex_lock(&l->lock);
	n = l->queued;
	pthread_mutex_unlock(&l->lock);
	return n;
}

/*
 * Only as many as are in the queue now: a call that posts itself again does
 * not keep the sockets waiting. One at a time, so that a call may flush too.
 */
void
loop_flush(struct loop *l)
{
	struct loop_call *call;

	for (size_t n = queued(l); n > 0 && (call = take(l)); n--)
		call->fn(call->arg);
	if (queued(l) > 0)
		wake(l);
}

static void
on_turn_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

void
loop_turn(struct loop *l, unsigned timeout_ms)
{
	struct timeval tv = { .tv_sec = timeout_ms / 1000,
			      .tv_usec = timeout_ms % 1000 * 1000 };
	struct event *timeout;

	if (timeout_ms == 0) {
		/* Without ONCE it would go on for as long as events come. */
		event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		return;
	}
	timeout = evtimer_new(l->base, on_turn_timeout, NULL);
	if (!timeout || evtimer_add(timeout, &tv) < 0)
		give_up("evtimer_new");
	event_base_loop(l->base, EVLOOP_ONCE);
	event_free(timeout);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

struct loop_timer *
loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = mem_alloc(sizeof(*t));

	t->fn = fn;
	t->arg = arg;
	t->event = evtimer_new(l->base, on_timer, t);
	if (!t->event)
		give_up("evtimer_new");
	return t;
}

void
loop_timer_set(struct loop_timer *t, unsigned ms)
{
	struct timeval tv = { .tv_sec = ms / 1000,
			      .tv_usec = ms % 1000 * 1000 };

	if (evtimer_add(t->event, &tv) < 0)
		give_up("evtimer_add");
}

void
loop_timer_clear(struct loop_timer *t)
{
	evtimer_del(t->event);
}

void
loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	event_free(t->event);
	free(t);
}
