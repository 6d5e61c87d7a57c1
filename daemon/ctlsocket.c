/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ctlsocket.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PART "control"
#define BACKLOG 16

/*
 * A client is reading (its line), waiting (for the answer, perhaps long) or
 * writing (the rest of the answer). A connection lost while waiting is noticed
 * when the answer is written.
 */
struct ctlsocket_client {
	int fd; /* -1: a free entry */
	enum { CLIENT_READS, CLIENT_WAITS, CLIENT_WRITES } phase;
	uint64_t since; /* clock_ms() of the phase */
	struct buf in, out;
};

struct ctlsocket {
	int fd;
	uid_t uid;
	char *path;
	ctlsocket_serve_fn *fn;
	void *arg;
	struct ctlsocket_client clients[CONTROL_CLIENTS];
};

static enum err
failure(const char *path)
{
	log_error(PART, NULL, "socket", KV_S("path", path), KV_ERRNO(errno));
	return err_from_errno(errno);
}

/* The spool's lock says that no other daemon uses an old socket. */
static enum err
socket_open(struct ctlsocket *c)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t mask;
	int rc;

	if (str_copy(sun.sun_path, sizeof(sun.sun_path), c->path) != 0) {
		errno = ENAMETOOLONG;
		return failure(c->path);
	}
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return failure(c->path);
	unlink(c->path);
	mask = umask(0177);
	rc = bind(c->fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(mask);
	if (rc != 0 || listen(c->fd, BACKLOG) != 0)
		return failure(c->path);
	return ERR_OK;
}

enum err
ctlsocket_open(struct ctlsocket **out, const char *run_dir, uid_t uid,
	       ctlsocket_serve_fn *fn, void *arg)
{
	struct ctlsocket *c = mem_alloc(sizeof(*c));
	enum err err;
	size_t i;

	c->uid = uid;
	c->fn = fn;
	c->arg = arg;
	c->path = mem_printf("%s/" CONTROL_SOCKET, run_dir);
	for (i = 0; i < CONTROL_CLIENTS; i++)
		c->clients[i].fd = -1;
	err = socket_open(c);
	if (err) {
		ctlsocket_abandon(c);
		c = NULL;
	}
	*out = c;
	return err;
}

static void
client_close(struct ctlsocket_client *cl)
{
	close(cl->fd);
	cl->fd = -1;
	buf_free(&cl->in);
	buf_free(&cl->out);
}

void
ctlsocket_abandon(struct ctlsocket *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < CONTROL_CLIENTS; i++) {
		if (c->clients[i].fd >= 0)
			client_close(&c->clients[i]);
	}
	if (c->fd >= 0)
		close(c->fd);
	free(c->path);
	free(c);
}

void
ctlsocket_close(struct ctlsocket *c)
{
	if (!c)
		return;
	unlink(c->path);
	ctlsocket_abandon(c);
}

static bool
peer_allowed(const struct ctlsocket *c, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == 0 || cred.uid == c->uid);
}

static struct ctlsocket_client *
client_free_entry(struct ctlsocket *c)
{
	size_t i;

	for (i = 0; i < CONTROL_CLIENTS; i++) {
		if (c->clients[i].fd < 0)
			return &c->clients[i];
	}
	return NULL;
}

static void
client_accept(struct ctlsocket *c)
{
	struct ctlsocket_client *cl = client_free_entry(c);
	int fd;

	if (!cl)
		return;
	fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (!peer_allowed(c, fd)) {
		log_warn(PART, NULL, "refused");
		close(fd);
		return;
	}
	cl->fd = fd;
	cl->phase = CLIENT_READS;
	cl->since = clock_ms();
	buf_init(&cl->in, CONTROL_LINE);
	buf_init(&cl->out, CONTROL_REPLY + 64);
}

/* What does not fit the socket's buffer goes out when poll says so. */
static void
client_write(struct ctlsocket_client *cl)
{
	ssize_t n;

	n = send(cl->fd, buf_data(&cl->out), buf_len(&cl->out), MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		buf_consume(&cl->out, (size_t)n);
	if (n <= 0 || buf_len(&cl->out) == 0)
		client_close(cl);
}

void
ctlsocket_answer(struct ctlsocket_client *client, enum err err,
		 const char *text)
{
	if (client->fd < 0 || client->phase != CLIENT_WAITS)
		return;
	if (err)
		buf_printf(&client->out, "err %s %s\n", err_name(err),
			   text ? text : err_text(err));
	else
		buf_printf(&client->out, "ok%s%s\n", text ? " " : "",
			   text ? text : "");
	if (client->out.failed) {
		buf_clear(&client->out);
		client->out.failed = false;
		buf_printf(&client->out, "err %s the answer is too long\n",
			   err_name(ERR_TOO_LARGE));
	}
	client->phase = CLIENT_WRITES;
	client->since = clock_ms();
	client_write(client);
}

static void
client_read(struct ctlsocket *c, struct ctlsocket_client *cl)
{
	char *room = buf_reserve(&cl->in, 1);
	char line[CONTROL_LINE + 1];
	ssize_t n;

	n = room ? recv(cl->fd, room, 1, 0) : 0;
	while (n == 1 && *room != '\n') {
		buf_commit(&cl->in, 1);
		room = buf_reserve(&cl->in, 1);
		n = room ? recv(cl->fd, room, 1, 0) : 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != 1) {
		client_close(cl);
		return;
	}
	str_copy(line, sizeof(line), buf_cstr(&cl->in));
	cl->phase = CLIENT_WAITS;
	c->fn(c->arg, line, cl);
}

size_t
ctlsocket_poll_fill(const struct ctlsocket *c, struct pollfd *fds)
{
	const struct ctlsocket_client *cl;
	size_t i, n = 1;
	bool room = false;

	for (i = 0; i < CONTROL_CLIENTS; i++) {
		cl = &c->clients[i];
		room |= cl->fd < 0;
		if (cl->fd < 0 || cl->phase == CLIENT_WAITS)
			continue;
		fds[n].fd = cl->fd;
		fds[n].events = cl->phase == CLIENT_READS ? POLLIN : POLLOUT;
		fds[n++].revents = 0;
	}
	fds[0].fd = room ? c->fd : -1;
	fds[0].events = POLLIN;
	fds[0].revents = 0;
	return n;
}

static bool
ready(const struct pollfd *fds, size_t n, int fd)
{
	size_t i;

	for (i = 1; i < n; i++) {
		if (fds[i].fd == fd)
			return fds[i].revents != 0;
	}
	return false;
}

void
ctlsocket_poll_done(struct ctlsocket *c, const struct pollfd *fds, size_t n)
{
	struct ctlsocket_client *cl;
	uint64_t now = clock_ms();
	size_t i;

	for (i = 0; i < CONTROL_CLIENTS; i++) {
		cl = &c->clients[i];
		if (cl->fd < 0 || cl->phase == CLIENT_WAITS)
			continue;
		if (!ready(fds, n, cl->fd)) {
			if (now - cl->since > CONTROL_TIMEOUT_MS)
				client_close(cl);
		} else if (cl->phase == CLIENT_READS) {
			client_read(c, cl);
		} else {
			client_write(cl);
		}
	}
	if (n > 0 && fds[0].revents)
		client_accept(c);
}
