/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long line in user space, for where the kernel has no netem: forwards TCP
 * connections on loopback and hands every byte on DELAY ms after it came, in
 * both directions. What is on its way is held in a ring of RING_BYTES, as much
 * as a line of 800 MB/s would hold at 40 ms, so it is never what limits.
 *
 *   relay LISTEN_PORT TARGET_PORT DELAY_MS     runs until SIGTERM
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/mem.h"

#define RING_BYTES ((size_t)32 << 20)
#define READ_BYTES ((size_t)256 << 10)
#define MARKS 65536u
#define LINKS_MAX 64
#define BACKLOG 64
#define MS 1000000u

/* Bytes up to `end` came at `at`. */
struct mark {
	uint64_t end, at;
};

/* One direction: counters of all bytes that came and that went. */
struct way {
	int from, to;
	uint64_t in, out;
	unsigned first, last; /* marks, modulo MARKS */
	bool eof, shut;
	unsigned char *ring;
	struct mark *marks;
};

struct link {
	struct way ways[2];
};

static struct link *links[LINKS_MAX];
static unsigned nlinks;
static uint64_t delay_ns;
static volatile sig_atomic_t stopped;

static void
on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

static void
prepare(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(fd, F_SETFL, O_NONBLOCK);
}

static struct sockaddr_in
loopback(unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };

	sa.sin_port = htons((uint16_t)port);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sa;
}

static void
way_init(struct way *w, int from, int to)
{
	w->from = from;
	w->to = to;
	w->ring = mem_alloc(RING_BYTES);
	w->marks = mem_array(MARKS, sizeof(w->marks[0]));
}

static void
link_accept(int listener, unsigned target)
{
	struct sockaddr_in sa = loopback(target);
	int a = accept(listener, NULL, NULL), b;

	if (a < 0)
		return;
	b = socket(AF_INET, SOCK_STREAM, 0);
	if (nlinks == LINKS_MAX || b < 0 ||
	    connect(b, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		close(a);
		if (b >= 0)
			close(b);
		return;
	}
	prepare(a);
	prepare(b);
	links[nlinks] = mem_alloc(sizeof(*links[0]));
	way_init(&links[nlinks]->ways[0], a, b);
	way_init(&links[nlinks]->ways[1], b, a);
	nlinks++;
}

static void
link_free(unsigned i)
{
	struct link *l = links[i];

	close(l->ways[0].from);
	close(l->ways[0].to);
	for (int k = 0; k < 2; k++) {
		free(l->ways[k].ring);
		free(l->ways[k].marks);
	}
	free(l);
	links[i] = links[--nlinks];
}

static bool
has_room(const struct way *w)
{
	return !w->eof && w->in - w->out <= RING_BYTES - READ_BYTES &&
	       w->last - w->first < MARKS;
}

/* Takes what came; false when the connection is broken. */
static bool
take(struct way *w)
{
	size_t at = w->in % RING_BYTES, room = RING_BYTES - at;
	struct mark *m;
	ssize_t n;

	if (!has_room(w))
		return true;
	n = recv(w->from, w->ring + at, room < READ_BYTES ? room : READ_BYTES,
		 0);
	if (n < 0)
		return errno == EAGAIN;
	w->eof = n == 0;
	w->in += (uint64_t)n;
	m = &w->marks[w->last++ % MARKS];
	m->end = w->in;
	m->at = now_ns();
	return true;
}

/* The time from which on there is something to hand on; 0: nothing is held. */
static uint64_t
due(const struct way *w)
{
	if (w->first == w->last)
		return 0;
	return w->marks[w->first % MARKS].at + delay_ns;
}

/* Hands on what is due; false when the connection is broken. */
static bool
give(struct way *w, uint64_t now)
{
	while (w->first != w->last && due(w) <= now) {
		const struct mark *m = &w->marks[w->first % MARKS];
		size_t at = w->out % RING_BYTES, n = RING_BYTES - at;
		ssize_t sent;

		if (n > m->end - w->out)
			n = (size_t)(m->end - w->out);
		sent = n ? send(w->to, w->ring + at, n, MSG_NOSIGNAL) : 0;
		if (sent < 0)
			return errno == EAGAIN;
		w->out += (uint64_t)sent;
		if (w->out == m->end)
			w->first++;
	}
	if (w->eof && !w->shut && w->first == w->last) {
		shutdown(w->to, SHUT_WR);
		w->shut = true;
	}
	return true;
}

/* What to wait for on both ends of a link; lowers *wake to its next time. */
static void
watch(const struct link *l, struct pollfd *p, uint64_t now, uint64_t *wake)
{
	p[0] = (struct pollfd){ .fd = l->ways[0].from };
	p[1] = (struct pollfd){ .fd = l->ways[1].from };
	for (int k = 0; k < 2; k++) {
		const struct way *w = &l->ways[k];
		uint64_t at = due(w);

		if (has_room(w))
			p[k].events |= POLLIN;
		if (at && at <= now)
			p[1 - k].events |= POLLOUT;
		else if (at && at < *wake)
			*wake = at;
	}
}

static void
serve(struct pollfd *p)
{
	for (unsigned i = nlinks; i-- > 0;) {
		struct way *a = &links[i]->ways[0], *b = &links[i]->ways[1];
		uint64_t now;

		if (((p[2 * i].revents & (POLLIN | POLLHUP | POLLERR)) &&
		     !take(a)) ||
		    ((p[2 * i + 1].revents & (POLLIN | POLLHUP | POLLERR)) &&
		     !take(b))) {
			link_free(i);
			continue;
		}
		now = now_ns();
		if (!give(a, now) || !give(b, now) || (a->shut && b->shut))
			link_free(i);
	}
}

static void
run(int listener, unsigned target)
{
	struct pollfd p[1 + 2 * LINKS_MAX];

	while (!stopped) {
		uint64_t now = now_ns(), wake = now + 1000 * (uint64_t)MS;
		struct timespec wait = { 0 };
		unsigned before = nlinks;

		p[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (unsigned i = 0; i < nlinks; i++)
			watch(links[i], &p[1 + 2 * i], now, &wake);
		wait.tv_sec = (time_t)((wake - now) / 1000 / MS);
		wait.tv_nsec = (long)((wake - now) % (1000 * (uint64_t)MS));
		if (ppoll(p, 1 + 2 * nlinks, &wait, NULL) < 0)
			continue;
		serve(p + 1);
		if (nlinks == before && p[0].revents)
			link_accept(listener, target);
	}
}

int
main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_term };
	struct sockaddr_in at;
	int listener, one = 1;

	if (argc != 4) {
		fprintf(stderr,
			"usage: relay LISTEN_PORT TARGET_PORT DELAY_MS\n");
		return 2;
	}
	delay_ns = strtoull(argv[3], NULL, 10) * MS;
	sigaction(SIGTERM, &sa, NULL);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	at = loopback((unsigned)strtoul(argv[1], NULL, 10));
	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(listener, BACKLOG) < 0) {
		perror("relay");
		return 1;
	}
	run(listener, (unsigned)strtoul(argv[2], NULL, 10));
	while (nlinks)
		link_free(0);
	close(listener);
	return 0;
}
