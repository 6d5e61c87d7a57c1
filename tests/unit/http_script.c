/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http_script.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"

#define CONNS_MAX 32
#define REQUESTS_MAX 4096
#define BYTES_MAX (64u << 20)
#define NO_STEP                                                        \
	{                                                              \
		.reply = "HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n" \
	}

struct request {
	char *head;
	unsigned char *body;
	size_t len;
};

struct conn {
	int fd; /* -1: free */
	struct buf in;
	bool held;
	struct script_step step; /* that is held */
	int index;		 /* of the request that is being read; -1 */
};

struct script {
	struct script_step *steps; /* with replies of their own */
	size_t nsteps;
	int listener, wake[2];
	unsigned port;
	pthread_t thread;
	pthread_mutex_t lock; /* for what follows */
	struct conn conns[CONNS_MAX];
	struct request requests[REQUESTS_MAX];
	unsigned nrequests, nconns, nheld;
	bool released, stop;
};

static void
conn_close(struct conn *c)
{
	close(c->fd);
	buf_free(&c->in);
	c->fd = -1;
}

static void
send_all(int fd, const char *p, size_t n)
{
	ssize_t sent;

	while (n && (sent = send(fd, p, n, MSG_NOSIGNAL)) > 0) {
		p += sent;
		n -= (size_t)sent;
	}
}

static void
answer(struct script *s, struct conn *c, const struct script_step *step)
{
	if (step->holds && !s->released) {
		c->held = true;
		c->step = *step;
		s->nheld++;
		return;
	}
	if (step->reply)
		send_all(c->fd, step->reply, strlen(step->reply));
	if (!step->reply || step->closes)
		conn_close(c);
}

static size_t
body_length(const char *head)
{
	const char *p = strcasestr(head, "\r\ncontent-length:");

	return p ? strtoul(p + 17, NULL, 10) : 0;
}

/* Takes the head of a request out of what was read. */
static bool
take_head(struct script *s, struct conn *c)
{
	const char *p = (const char *)buf_data(&c->in);
	const char *end = memmem(p, buf_len(&c->in), "\r\n\r\n", 4);
	struct request *r;

	if (!end || s->nrequests == REQUESTS_MAX)
		return false;
	c->index = (int)s->nrequests++;
	r = &s->requests[c->index];
	r->head = mem_strndup(p, (size_t)(end - p) + 2);
	buf_consume(&c->in, (size_t)(end - p) + 4);
	return true;
}

static struct script_step
step_of(const struct script *s, int index)
{
	const struct script_step none = NO_STEP;

	return (size_t)index < s->nsteps ? s->steps[index] : none;
}

/* Answers as many whole requests as were read. */
static void
work_on(struct script *s, struct conn *c)
{
	while (c->fd >= 0 && !c->held) {
		struct script_step step;
		struct request *r;
		size_t len;

		if (c->index < 0 && !take_head(s, c))
			return;
		step = step_of(s, c->index);
		r = &s->requests[c->index];
		len = body_length(r->head);
		if (step.cut_after && buf_len(&c->in) >= step.cut_after) {
			conn_close(c);
			return;
		}
		if (buf_len(&c->in) < len)
			return;
		r->len = len;
		r->body = mem_alloc(len + 1);
		memcpy(r->body, buf_data(&c->in), len);
		buf_consume(&c->in, len);
		c->index = -1;
		answer(s, c, &step);
	}
}

static void
read_conn(struct script *s, struct conn *c)
{
	void *room = buf_reserve(&c->in, 256 << 10);
	ssize_t n = room ? recv(c->fd, room, 256 << 10, 0) : -1;

	if (n <= 0) {
		if (c->held)
			s->nheld--;
		c->held = false;
		conn_close(c);
		return;
	}
	buf_commit(&c->in, (size_t)n);
	work_on(s, c);
}

static void
accept_conn(struct script *s)
{
	for (size_t i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &s->conns[i];

		if (c->fd >= 0)
			continue;
		c->fd = accept(s->listener, NULL, NULL);
		c->index = -1;
		c->held = false;
		buf_init(&c->in, BYTES_MAX);
		s->nconns++;
		return;
	}
}

static void
release_held(struct script *s)
{
	for (size_t i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &s->conns[i];

		if (c->fd < 0 || !c->held)
			continue;
		c->held = false;
		s->nheld--;
		answer(s, c, &c->step);
		work_on(s, c);
	}
}

static void *
thread_main(void *arg)
{
	struct script *s = arg;
	struct pollfd p[CONNS_MAX + 2];
	char byte;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		if (s->released)
			release_held(s);
		p[0] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = s->wake[0], .events = POLLIN };
		for (size_t i = 0; i < CONNS_MAX; i++)
			p[i + 2] = (struct pollfd){ .fd = s->conns[i].fd,
						    .events = POLLIN };
		pthread_mutex_unlock(&s->lock);
		poll(p, CONNS_MAX + 2, -1);
		pthread_mutex_lock(&s->lock);
		if (p[1].revents && read(s->wake[0], &byte, 1) < 0)
			abort();
		for (size_t i = 0; i < CONNS_MAX; i++) {
			if (p[i + 2].revents)
				read_conn(s, &s->conns[i]);
		}
		if (p[0].revents)
			accept_conn(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void
start_listening(struct script *s)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(s->listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(s->listener, CONNS_MAX) < 0 ||
	    getsockname(s->listener, (struct sockaddr *)&sa, &len) < 0 ||
	    pipe(s->wake) < 0)
		abort();
	s->port = ntohs(sa.sin_port);
}

struct script *
script_new(const struct script_step *steps, size_t n)
{
	struct script *s = mem_alloc(sizeof(*s));

	s->steps = mem_array(n, sizeof(*steps));
	s->nsteps = n;
	for (size_t i = 0; i < n; i++) {
		s->steps[i] = steps[i];
		s->steps[i].reply = mem_strdup(steps[i].reply);
	}
	for (size_t i = 0; i < CONNS_MAX; i++)
		s->conns[i].fd = -1;
	start_listening(s);
	pthread_mutex_init(&s->lock, NULL);
	if (pthread_create(&s->thread, NULL, thread_main, s) != 0)
		abort();
	return s;
}

static void
poke(struct script *s)
{
	if (write(s->wake[1], "x", 1) != 1)
		abort();
}

void
script_free(struct script *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_mutex_unlock(&s->lock);
	poke(s);
	pthread_join(s->thread, NULL);
	for (size_t i = 0; i < CONNS_MAX; i++) {
		if (s->conns[i].fd >= 0)
			conn_close(&s->conns[i]);
	}
	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		free(s->requests[i].head);
		free(s->requests[i].body);
	}
	for (size_t i = 0; i < s->nsteps; i++)
		free((void *)s->steps[i].reply);
	free(s->steps);
	close(s->listener);
	close(s->wake[0]);
	close(s->wake[1]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

unsigned
script_port(const struct script *s)
{
	return s->port;
}

void
script_release(struct script *s)
{
	pthread_mutex_lock(&s->lock);
	s->released = true;
	pthread_mutex_unlock(&s->lock);
	poke(s);
}

static unsigned
get(struct script *s, const unsigned *value)
{
	unsigned v;

	pthread_mutex_lock(&s->lock);
	v = *value;
	pthread_mutex_unlock(&s->lock);
	return v;
}

unsigned
script_requests(struct script *s)
{
	return get(s, &s->nrequests);
}

unsigned
script_connections(struct script *s)
{
	return get(s, &s->nconns);
}

unsigned
script_held(struct script *s)
{
	return get(s, &s->nheld);
}

const char *
script_head(struct script *s, unsigned i)
{
	const char *head;

	pthread_mutex_lock(&s->lock);
	head = s->requests[i].head;
	pthread_mutex_unlock(&s->lock);
	return head ? head : "";
}

const void *
script_body(struct script *s, unsigned i, size_t *len)
{
	const void *body;

	pthread_mutex_lock(&s->lock);
	body = s->requests[i].body;
	*len = s->requests[i].len;
	pthread_mutex_unlock(&s->lock);
	return body;
}
