/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A null S3 server for benchmarks: it answers like one, discards every body in
 * the kernel, checks no signature, and costs so little that what is measured
 * is the client.
 *
 *   null_s3 [-p PORT] [-k KEYS] [-l MS] [-e PERMILLE]
 *
 * listens on loopback, prints its URL, runs until SIGTERM. -k puts so many
 * empty objects into bench/many/; -l answers every request only after MS ms,
 * as a store that is far away does. -e answers so many of a thousand requests
 * with 503, always the same ones. From SIGUSR1 to SIGUSR2 it is away: every
 * connection breaks.
 *
 * Bodies of at most NULL_S3_CHECKED_BODY bytes are read and their SHA-256 and
 * CRC-32C compared, so that a client that asks finds a server that checks.
 * GET /-/stats counts what came. One thread; no chunked bodies.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mem.h"
#include "tests/fake/null_s3.h"

#define HEAD_MAX (64u << 10)
#define READ_BYTES (16u << 10)
#define DISCARD_BYTES (8u << 20)
#define OUT_MAX (64u << 20)
#define EVENTS 64
#define BACKLOG 512
#define ZEROS_BYTES (1u << 20)

struct conn {
	int fd;
	struct buf in, kept, out;
	bool in_body, keeps, closing, wants_write;
	uint64_t left; /* of the body */
	struct null_s3_request request;
	uint64_t zeros;		  /* still to be sent behind out */
	uint64_t due;		  /* when out may be sent, ms; 0: at once */
	struct conn *prev, *next; /* in the list of those that wait */
};

static struct null_s3 *bucket;
static unsigned latency_ms, refusals;
static int zeros_fd;
static struct conn *late; /* by due */
static volatile sig_atomic_t stopped, away;

static void
on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

static void
on_usr(int sig)
{
	away = sig == SIGUSR1;
}

/* A linear congruential generator: the same requests in each run. */
static bool
refuses(void)
{
	static uint32_t dice = 1;

	dice = dice * 1664525u + 1013904223u;
	return (dice >> 8) % 1000 < refusals;
}

static void
refuse(struct null_s3_reply *r)
{
	r->status = 503;
	buf_add_text(&r->body, "<Error><Code>SlowDown</Code></Error>");
}

static void
request_clear(struct null_s3_request *r)
{
	free(r->bucket);
	free(r->key);
	for (unsigned i = 0; i < r->nquery; i++) {
		free(r->query[i].name);
		free(r->query[i].value);
	}
	free(r->sha256);
	free(r->crc32c);
	free(r->range);
	free(r->if_match);
	free(r->if_none_match);
	free(r->copy_source);
	free(r->copy_range);
	free(r->copy_if_match);
	free(r->type);
	free(r->algorithm);
	free(r->sluice_id);
	free(r->mtime);
	memset(r, 0, sizeof(*r));
}

static void
conn_free(struct conn *c)
{
	close(c->fd);
	if (c->due)
		DL_DELETE(late, c);
	request_clear(&c->request);
	buf_free(&c->in);
	buf_free(&c->kept);
	buf_free(&c->out);
	free(c);
}

static char *
decoded(const char *s, size_t n)
{
	char *out = mem_strndup(s, n), *r = out, *w = out;

	for (; *r; r++, w++) {
		*w = *r;
		if (*r == '%' && hex_decode(r + 1, 2, w) == 0)
			r += 2;
	}
	*w = '\0';
	return out;
}

static void
parse_query(struct null_s3_request *r, char *q)
{
	char *save = NULL, *item, *eq;

	for (item = strtok_r(q, "&", &save);
	     item && r->nquery < NULL_S3_QUERY_MAX;
	     item = strtok_r(NULL, "&", &save)) {
		eq = strchr(item, '=');
		if (eq)
			*eq++ = '\0';
		r->query[r->nquery].name = decoded(item, strlen(item));
		r->query[r->nquery].value =
			decoded(eq ? eq : "", eq ? strlen(eq) : 0);
		r->nquery++;
	}
}

/* "PUT /bucket/key?query HTTP/1.1" */
static bool
parse_line(struct null_s3_request *r, char *line)
{
	char *path = strchr(line, ' '), *end, *query, *slash;

	if (!path || (size_t)(path - line) >= sizeof(r->method))
		return false;
	memcpy(r->method, line, (size_t)(path - line));
	end = strchr(++path, ' ');
	if (*path != '/' || !end)
		return false;
	*end = '\0';
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	path++;
	slash = strchr(path, '/');
	if (!slash)
		slash = path + strlen(path);
	r->bucket = decoded(path, (size_t)(slash - path));
	path = *slash ? slash + 1 : slash;
	r->key = decoded(path, strlen(path));
	if (query)
		parse_query(r, query);
	return true;
}

static void
parse_header(struct conn *c, const char *name, const char *value)
{
	struct null_s3_request *r = &c->request;
	const struct {
		const char *name;
		char **to;
	} known[] = {
		{ "x-amz-content-sha256", &r->sha256 },
		{ "x-amz-checksum-crc32c", &r->crc32c },
		{ "range", &r->range },
		{ "if-match", &r->if_match },
		{ "if-none-match", &r->if_none_match },
		{ "x-amz-copy-source", &r->copy_source },
		{ "x-amz-copy-source-range", &r->copy_range },
		{ "x-amz-copy-source-if-match", &r->copy_if_match },
		{ "content-type", &r->type },
		{ "x-amz-checksum-algorithm", &r->algorithm },
		{ "x-amz-meta-sluice-id", &r->sluice_id },
		{ "x-amz-meta-mtime", &r->mtime },
	};

	if (strcasecmp(name, "content-length") == 0)
		r->length = strtoull(value, NULL, 10);
	else if (strcasecmp(name, "expect") == 0)
		buf_add_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	else if (strcasecmp(name, "connection") == 0)
		c->closing = strcasecmp(value, "close") == 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcasecmp(name, known[i].name) == 0 && !*known[i].to)
			*known[i].to = mem_strdup(value);
	}
}

static bool
parse_head(struct conn *c, char *head)
{
	char *save = NULL, *line = strtok_r(head, "\r\n", &save), *value;

	if (!line || !parse_line(&c->request, line))
		return false;
	while ((line = strtok_r(NULL, "\r\n", &save))) {
		value = strchr(line, ':');
		if (!value)
			return false;
		*value++ = '\0';
		parse_header(c, line, value + strspn(value, " "));
	}
	return true;
}

static void
answer(struct conn *c)
{
	struct null_s3_reply r = { 0 };
	bool head = strcmp(c->request.method, "HEAD") == 0;

	buf_init(&r.headers, HEAD_MAX);
	buf_init(&r.body, OUT_MAX);
	c->request.body = c->keeps ? buf_data(&c->kept) : NULL;
	if (refusals && refuses())
		refuse(&r);
	else
		null_s3_serve(bucket, &c->request, &r);
	buf_printf(&c->out, "HTTP/1.1 %u x\r\nServer: null_s3\r\n", r.status);
	buf_add(&c->out, buf_data(&r.headers), buf_len(&r.headers));
	if (r.status != 204)
		buf_printf(&c->out, "Content-Length: %llu\r\n",
			   (unsigned long long)r.zeros + buf_len(&r.body));
	buf_add_text(&c->out, "\r\n");
	if (!head) {
		buf_add(&c->out, buf_data(&r.body), buf_len(&r.body));
		c->zeros = r.zeros;
	}
	buf_free(&r.headers);
	buf_free(&r.body);
	request_clear(&c->request);
	buf_clear(&c->kept);
	c->in_body = false;
	if (latency_ms && !c->due) {
		c->due = clock_ms() + latency_ms;
		DL_APPEND(late, c);
	}
}

/* Takes what came already of a body. */
static void
take_body(struct conn *c)
{
	size_t n = buf_len(&c->in);

	if (n > c->left)
		n = (size_t)c->left;
	if (c->keeps)
		buf_add(&c->kept, buf_data(&c->in), n);
	buf_consume(&c->in, n);
	c->left -= n;
	if (!c->left)
		answer(c);
}

/* Takes a whole head out of what was read; false when there is none yet. */
static bool
take_head(struct conn *c, bool *bad)
{
	const char *p = (const char *)buf_data(&c->in);
	const char *end = memmem(p, buf_len(&c->in), "\r\n\r\n", 4);
	char *head;

	if (!end) {
		*bad = buf_len(&c->in) >= HEAD_MAX;
		return false;
	}
	head = mem_strndup(p, (size_t)(end - p));
	buf_consume(&c->in, (size_t)(end - p) + 4);
	*bad = !parse_head(c, head);
	free(head);
	if (*bad)
		return false;
	c->left = c->request.length;
	c->keeps = null_s3_wants_body(&c->request);
	c->in_body = true;
	return true;
}

/* Sends what there is; false when the connection is to be closed. */
static bool
flush(struct conn *c)
{
	ssize_t n;
	off_t at;

	while (!c->due && (buf_len(&c->out) || c->zeros)) {
		if (buf_len(&c->out)) {
			n = send(c->fd, buf_data(&c->out), buf_len(&c->out),
				 MSG_NOSIGNAL);
			if (n > 0)
				buf_consume(&c->out, (size_t)n);
		} else {
			at = 0; /* from pages that are never copied */
			n = sendfile(c->fd, zeros_fd, &at,
				     c->zeros < ZEROS_BYTES ? (size_t)c->zeros
							    : ZEROS_BYTES);
			if (n > 0)
				c->zeros -= (uint64_t)n;
		}
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0) {
			c->wants_write = true;
			return true;
		}
	}
	c->wants_write = false;
	return !c->closing || c->in_body || c->due;
}

/*
 * Reads once: 1 when bytes came, 0 when there are none now, -1 at the end. A
 * body that nobody wants is thrown away by the kernel (tcp(7), MSG_TRUNC).
 */
static int
receive(struct conn *c)
{
	ssize_t n;

	if (c->in_body && !c->keeps && !buf_len(&c->in)) {
		/* cppcheck-suppress nullPointer */
		n = recv(c->fd, NULL,
			 c->left < DISCARD_BYTES ? (size_t)c->left
						 : DISCARD_BYTES,
			 MSG_TRUNC);
		if (n > 0)
			c->left -= (uint64_t)n;
		if (n > 0 && !c->left)
			answer(c);
	} else {
		void *room = buf_reserve(&c->in, READ_BYTES);

		if (!room)
			return -1;
		n = recv(c->fd, room, READ_BYTES, 0);
		if (n > 0)
			buf_commit(&c->in, (size_t)n);
	}
	if (n > 0)
		return 1;
	return n < 0 && errno == EAGAIN ? 0 : -1;
}

/* Works on one connection until it would block; false closes it. */
static bool
serve(struct conn *c)
{
	bool bad = false;
	int got;

	if (away)
		return false;
	for (;;) {
		while (buf_len(&c->in) || (c->in_body && !c->left)) {
			if (c->in_body)
				take_body(c);
			else if (!take_head(c, &bad))
				break;
		}
		if (bad || !flush(c))
			return false;
		if (c->wants_write)
			return true;
		got = receive(c);
		if (got <= 0)
			return got == 0;
	}
}

static void
watch(int ep, struct conn *c, int op)
{
	struct epoll_event ev = { .events = c->wants_write ? EPOLLOUT : EPOLLIN,
				  .data.ptr = c };

	if (epoll_ctl(ep, op, c->fd, &ev) < 0)
		abort();
}

static void
accept_one(int ep, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c;
	int one = 1;

	if (fd >= 0 && away)
		close(fd);
	if (fd < 0 || away)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = mem_alloc(sizeof(*c));
	c->fd = fd;
	buf_init(&c->in, HEAD_MAX + READ_BYTES);
	buf_init(&c->kept, NULL_S3_KEPT_BODY + 1);
	buf_init(&c->out, OUT_MAX + HEAD_MAX);
	watch(ep, c, EPOLL_CTL_ADD);
}

static int
listen_on(unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	sa.sin_port = htons((uint16_t)port);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0) {
		perror("null_s3");
		exit(1);
	}
	printf("http://127.0.0.1:%u\n", ntohs(sa.sin_port));
	fflush(stdout);
	return fd;
}

static void
serve_event(int ep, struct conn *c)
{
	bool wrote = c->wants_write;

	if (!serve(c))
		conn_free(c);
	else if (wrote != c->wants_write)
		watch(ep, c, EPOLL_CTL_MOD);
}

/* Serves who has waited long enough; returns the ms to wait for the next. */
static int
serve_late(int ep)
{
	struct conn *c;
	uint64_t now = clock_ms();

	while ((c = late) && c->due <= now) {
		DL_DELETE(late, c);
		c->due = 0;
		serve_event(ep, c);
	}
	return late ? (int)(late->due - now) : -1;
}

static void
run(int listener)
{
	struct epoll_event ev = { .events = EPOLLIN }, events[EVENTS];
	int ep = epoll_create1(EPOLL_CLOEXEC), n;

	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
	while (!stopped) {
		n = epoll_wait(ep, events, EVENTS, serve_late(ep));
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				serve_event(ep, events[i].data.ptr);
			else
				accept_one(ep, listener);
		}
	}
	close(ep);
}

int
main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_term };
	unsigned port = 0, keys = 0;
	int opt, listener;

	while ((opt = getopt(argc, argv, "p:k:l:e:")) != -1) {
		if (opt == 'p') {
			port = (unsigned)strtoul(optarg, NULL, 10);
		} else if (opt == 'k') {
			keys = (unsigned)strtoul(optarg, NULL, 10);
		} else if (opt == 'l') {
			latency_ms = (unsigned)strtoul(optarg, NULL, 10);
		} else if (opt == 'e') {
			refusals = (unsigned)strtoul(optarg, NULL, 10);
		} else {
			fprintf(stderr,
				"usage: null_s3 [-p PORT] [-k KEYS] [-l MS] "
				"[-e PERMILLE]\n");
			return 2;
		}
	}
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sa.sa_handler = on_usr;
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	signal(SIGPIPE, SIG_IGN); /* sendfile(2) knows no MSG_NOSIGNAL */
	zeros_fd = memfd_create("zeros", MFD_CLOEXEC);
	if (zeros_fd < 0 || ftruncate(zeros_fd, ZEROS_BYTES) < 0) {
		perror("null_s3");
		return 1;
	}
	bucket = null_s3_new();
	null_s3_fill(bucket, keys);
	listener = listen_on(port);
	run(listener);
	close(listener);
	close(zeros_fd);
	null_s3_free(bucket);
	return 0;
}
