/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/data_socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "ftpd/address.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TRIES_MAX 2048 /* ports tried for one PASV */

static int
new_socket(int family)
{
	int on = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return fd;
}

/* A peer that vanished is found out even while nothing is being sent. */
static void
keep_alive(int fd)
{
	int on = 1, idle = 60, interval = 20, count = 6;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/*
 * The range is shared by all workers, and SO_REUSEADDR (for the sake of
 * TIME_WAIT) lets two sockets bind to one port: the second listen() is what
 * says that it is taken.
 */
static int
try_port(const struct sockaddr_storage *at)
{
	int fd = new_socket(at->ss_family), err;

	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)at,
		 address_len((const struct sockaddr *)at)) == 0 &&
	    listen(fd, 4) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

enum err
data_socket_listen(const struct data_env *env, int *fd, uint16_t *port)
{
	unsigned n = (unsigned)(env->port_last - env->port_first) + 1, i;
	struct sockaddr_storage at = { 0 };
	uint32_t start;

	memcpy(&at, env->local, address_len(env->local));
	id_random(&start, sizeof(start));
	for (i = 0; i < n && i < TRIES_MAX; i++) {
		*port = (uint16_t)(env->port_first + (start + i) % n);
		address_set_port(&at, *port);
		*fd = try_port(&at);
		if (*fd >= 0)
			return ERR_OK;
		if (errno != EADDRINUSE && errno != EACCES)
			break;
	}
	log_warn("ftpd", env->session, "passive_port", KV_U("tried", i),
		 KV_ERRNO(errno));
	return errno == EADDRINUSE ? ERR_AGAIN : ERR_IO;
}

int
data_socket_accept(int listener, struct sockaddr_storage *from)
{
	socklen_t len = sizeof(*from);
	int fd = accept4(listener, (struct sockaddr *)from, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		keep_alive(fd);
	return fd;
}

/* From the address that the client's control connection knows us by. */
int
data_socket_connect(const struct data_env *env,
		    const struct sockaddr_storage *to)
{
	struct sockaddr_storage at = { 0 }, dest = *to;
	const struct sockaddr *sa = (const struct sockaddr *)&dest;
	int fd;

	memcpy(&at, env->local, address_len(env->local));
	address_set_port(&at, 0);
	/* The peer is the control connection's, in that socket's own form. */
	memcpy(&dest, env->peer, address_len(env->peer));
	address_set_port(&dest, address_port((const struct sockaddr *)to));
	fd = new_socket(dest.ss_family);
	if (fd < 0)
		return -1;
	keep_alive(fd);
	if (bind(fd, (const struct sockaddr *)&at,
		 address_len((const struct sockaddr *)&at)) == 0 &&
	    (connect(fd, sa, address_len(sa)) == 0 || errno == EINPROGRESS))
		return fd;
	close(fd);
	return -1;
}

void
data_socket_text(const struct sockaddr_storage *ss, char *out, size_t size)
{
	if (getnameinfo((const struct sockaddr *)ss,
			address_len((const struct sockaddr *)ss), out,
			(socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
		str_copy(out, size, "?");
}
