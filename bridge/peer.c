/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/peer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

#define PEER_BACKLOG 64
#define PEER_REQUESTS_MAX 256 /* served at once */
#define PEER_READ_MS 5000     /* for a request's line to come */
#define PEER_REST_MS 100      /* no accept while descriptors are short */

/* A request that came in; without a line yet, or being served. */
struct peer_request {
	struct peer_request *prev, *next;
	struct peer *peer; /* NULL: the socket was closed meanwhile */
	struct event *ev;
	int fd;
	bool serving;
	size_t n;
	char line[PEER_LINE];
};

/* A question of ours. */
struct peer_call {
	struct peer_call *prev, *next;
	struct peer *peer;
	struct event *ev;
	struct loop_call post;
	int fd;
	size_t n;
	char line[PEER_LINE];
	enum err err;
	peer_answer_fn *fn;
	void *arg;
};

struct peer {
	struct loop *loop;
	char *run_dir;
	int slot, fd; /* -1: it only asks */
	struct event *ev;
	struct loop_timer *rest;
	peer_serve_fn *fn;
	void *arg;
	struct peer_request *requests;
	struct peer_call *calls;
	unsigned nrequests;
};

static int
address(struct sockaddr_un *sun, const char *run_dir, int slot)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	return str_printf(sun->sun_path, sizeof(sun->sun_path), "%s/worker.%d",
			  run_dir, slot);
}

/* Requests. */

static void
request_free(struct peer_request *r)
{
	struct peer *p = r->peer;

	if (p) {
		if (r->prev)
			r->prev->next = r->next;
		else
			p->requests = r->next;
		if (r->next)
			r->next->prev = r->prev;
		p->nrequests--;
	}
	if (r->ev)
		event_free(r->ev);
	close(r->fd);
	free(r);
}

/* One line whatever the text: a longer one is cut, its end is kept. */
static size_t
answer_line(char line[PEER_LINE], enum err err, const char *text)
{
	size_t n;

	if (err)
		snprintf(line, PEER_LINE - 1, "err %s %s", err_name(err),
			 text ? text : err_text(err));
	else
		snprintf(line, PEER_LINE - 1, "ok %s", text ? text : "");
	for (n = 0; line[n]; n++)
		if (line[n] == '\n')
			line[n] = ' ';
	line[n++] = '\n';
	return n;
}

void
peer_answer(struct peer_request *r, enum err err, const char *text)
{
	char line[PEER_LINE];
	size_t n;

	/* One small write to a fresh socket: it never has to wait. */
	if (r->peer) {
		n = answer_line(line, err, text);
		if (send(r->fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			log_warn("peer", NULL, "answer", KV_ERRNO(errno));
	}
	request_free(r);
}

static void
request_readable(evutil_socket_t fd, short what, void *arg)
{
	struct peer_request *r = arg;
	ssize_t n;
	char *end;

	if (what & EV_TIMEOUT) {
		request_free(r);
		return;
	}
	n = recv(fd, r->line + r->n, sizeof(r->line) - 1 - r->n, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		request_free(r);
		return;
	}
	r->n += (size_t)n;
	r->line[r->n] = '\0';
	end = strchr(r->line, '\n');
	if (!end && r->n == sizeof(r->line) - 1) {
		peer_answer(r, ERR_TOO_LARGE, "the line is too long");
		return;
	}
	if (!end)
		return;
	*end = '\0';
	r->serving = true;
	event_free(r->ev);
	r->ev = NULL;
	r->peer->fn(r->peer->arg, r->line, r);
}

/* The same user as we, or root. */
static bool
known(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == geteuid() || cred.uid == 0);
}

static void
accept_one(struct peer *p, int fd)
{
	struct timeval limit = { PEER_READ_MS / 1000, 0 };
	struct peer_request *r;

	if (!known(fd) || p->nrequests >= PEER_REQUESTS_MAX) {
		log_warn("peer", NULL, "refused");
		close(fd);
		return;
	}
	r = mem_alloc(sizeof(*r));
	r->peer = p;
	r->fd = fd;
	r->next = p->requests;
	if (r->next)
		r->next->prev = r;
	p->requests = r;
	p->nrequests++;
	r->ev = event_new(loop_base(p->loop), fd, EV_READ | EV_PERSIST,
			  request_readable, r);
	event_add(r->ev, &limit);
}

/*
 * Out of descriptors the connection stays in the queue, and the socket would
 * wake the loop without end: so it is not looked at for a moment.
 */
static void
acceptable(evutil_socket_t lfd, short what, void *arg)
{
	struct peer *p = arg;
	int fd;

	(void)what;
	for (;;) {
		fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && errno == ECONNABORTED)
			continue;
		if (fd < 0)
			break;
		accept_one(p, fd);
	}
	if (errno == EAGAIN || errno == EINTR)
		return;
	log_warn("peer", NULL, "accept", KV_ERRNO(errno));
	event_del(p->ev);
	loop_timer_set(p->rest, PEER_REST_MS);
}

static void
rested(void *arg)
{
	event_add(((struct peer *)arg)->ev, NULL);
}

/* Whoever may write to the folder may put a socket of its own there. */
static enum err
folder_check(const char *run_dir)
{
	struct stat st;

	if (stat(run_dir, &st) != 0) {
		log_error("peer", NULL, "stat", KV_S("run_dir", run_dir),
			  KV_ERRNO(errno));
		return err_from_errno(errno);
	}
	if ((st.st_uid == geteuid() || st.st_uid == 0) &&
	    !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return ERR_OK;
	log_error("peer", NULL, "folder_not_ours", KV_S("run_dir", run_dir),
		  KV_S("do", "chown it to the service's user and chmod it to "
			     "0700"));
	return ERR_DENIED;
}

static enum err
listen_at(const char *run_dir, int slot, int *out)
{
	struct sockaddr_un sun;
	enum err err = folder_check(run_dir);
	int fd, rc;

	if (err)
		return err;
	if (address(&sun, run_dir, slot)) {
		log_error("peer", NULL, "path_too_long",
			  KV_S("run_dir", run_dir));
		return ERR_INVALID;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_from_errno(errno);
	unlink(sun.sun_path); /* of a worker that died in this slot */
	rc = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	if (rc == 0)
		rc = chmod(sun.sun_path, 0600);
	if (rc == 0)
		rc = listen(fd, PEER_BACKLOG);
	if (rc != 0) {
		err = err_from_errno(errno);
		log_error("peer", NULL, "listen", KV_S("path", sun.sun_path),
			  KV_ERRNO(errno));
		close(fd);
		return err;
	}
	*out = fd;
	return ERR_OK;
}

enum err
peer_open(struct peer **out, struct loop *loop, const char *run_dir, int slot,
	  peer_serve_fn *fn, void *arg)
{
	struct peer *p;
	enum err err;
	int fd = -1;

	if (slot >= 0) {
		err = listen_at(run_dir, slot, &fd);
		if (err)
			return err;
	}
	p = mem_alloc(sizeof(*p));
	p->loop = loop;
	p->run_dir = mem_strdup(run_dir);
	p->slot = slot;
	p->fd = fd;
	p->fn = fn;
	p->arg = arg;
	*out = p;
	if (fd < 0)
		return ERR_OK;
	p->ev = event_new(loop_base(loop), fd, EV_READ | EV_PERSIST, acceptable,
			  p);
	p->rest = loop_timer_new(loop, rested, p);
	event_add(p->ev, NULL);
	return ERR_OK;
}

/* Questions. */

static void
call_unlink(struct peer *p, struct peer_call *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		p->calls = c->next;
	if (c->next)
		c->next->prev = c->prev;
	if (c->ev)
		event_free(c->ev);
	c->ev = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void
call_done(struct peer_call *c, enum err err, const char *text)
{
	call_unlink(c->peer, c);
	c->fn(c->arg, err, text);
	free(c);
}

/* "ok text" or "err name text". */
static void
call_answered(struct peer_call *c)
{
	char *text, *name;
	int i;

	if (!strncmp(c->line, "ok", 2) && (!c->line[2] || c->line[2] == ' ')) {
		call_done(c, ERR_OK, c->line + (c->line[2] ? 3 : 2));
		return;
	}
	name = !strncmp(c->line, "err ", 4) ? c->line + 4 : c->line;
	text = strchr(name, ' ');
	if (text)
		*text++ = '\0';
	for (i = ERR_OK + 1; i < ERR_COUNT; i++)
		if (!strcmp(name, err_name((enum err)i)))
			break;
	call_done(c, i < ERR_COUNT ? (enum err)i : ERR_IO, text ? text : "");
}

static void
call_ready(evutil_socket_t fd, short what, void *arg)
{
	struct peer_call *c = arg;
	ssize_t n;

	if (what & EV_TIMEOUT) {
		call_done(c, ERR_AGAIN, "the worker does not answer");
		return;
	}
	n = recv(fd, c->line + c->n, sizeof(c->line) - 1 - c->n, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		call_done(c, ERR_AGAIN, "the worker is gone");
		return;
	}
	c->n += (size_t)n;
	c->line[c->n] = '\0';
	if (strchr(c->line, '\n')) {
		*strchr(c->line, '\n') = '\0';
		call_answered(c);
	} else if (c->n == sizeof(c->line) - 1) {
		call_done(c, ERR_IO, "the answer is too long");
	}
}

static void
call_failed(void *arg)
{
	struct peer_call *c = arg;

	if (!c->peer)
		free(c);
	else if (c->err == ERR_TOO_LARGE)
		call_done(c, c->err, "the question is too long");
	else
		call_done(c, c->err, "the worker is gone");
}

/* Connects and sends; both are done at once on a Unix socket. */
static enum err
call_send(struct peer_call *c, int slot, const char *line)
{
	struct sockaddr_un sun;
	size_t n;

	n = (size_t)snprintf(c->line, sizeof(c->line), "%s\n", line);
	if (n >= sizeof(c->line))
		return ERR_TOO_LARGE;
	if (address(&sun, c->peer->run_dir, slot))
		return ERR_AGAIN;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0 ||
	    connect(c->fd, (struct sockaddr *)&sun, sizeof(sun)) != 0)
		return ERR_AGAIN;
	if (send(c->fd, c->line, n, MSG_NOSIGNAL) != (ssize_t)n)
		return ERR_AGAIN;
	return ERR_OK;
}

void
peer_ask(struct peer *p, int slot, const char *line, unsigned timeout_ms,
	 peer_answer_fn *fn, void *arg)
{
	struct timeval limit = { timeout_ms / 1000,
				 (timeout_ms % 1000) * 1000 };
	struct peer_call *c = mem_alloc(sizeof(*c));

	c->peer = p;
	c->fd = -1;
	c->fn = fn;
	c->arg = arg;
	c->next = p->calls;
	if (c->next)
		c->next->prev = c;
	p->calls = c;
	c->err = call_send(c, slot, line);
	if (c->err) {
		c->post.fn = call_failed;
		c->post.arg = c;
		loop_post(p->loop, &c->post);
		return;
	}
	c->n = 0;
	c->ev = event_new(loop_base(p->loop), c->fd, EV_READ | EV_PERSIST,
			  call_ready, c);
	event_add(c->ev, &limit);
}

void
peer_close(struct peer *p)
{
	struct sockaddr_un sun;
	struct peer_request *r, *next;
	struct peer_call *c;

	if (!p)
		return;
	if (p->fd >= 0) {
		event_free(p->ev);
		loop_timer_free(p->rest);
		close(p->fd);
		if (address(&sun, p->run_dir, p->slot) == 0)
			unlink(sun.sun_path);
	}
	for (r = p->requests; r; r = next) {
		next = r->next;
		if (!r->serving)
			request_free(r);
		else
			r->peer = NULL; /* its server still answers it */
	}
	while ((c = p->calls)) {
		bool posted = c->post.fn != NULL;

		call_unlink(p, c);
		c->peer = NULL;
		if (!posted)
			free(c);
	}
	free(p->run_dir);
	free(p);
}
