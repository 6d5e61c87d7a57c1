/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

#define PART "listener"
#define BACKLOG 1024 /* the kernel cuts it at net.core.somaxconn */
#define ADDRESS_TEXT (INET6_ADDRSTRLEN + 10)

struct listener {
	struct listener_spec spec;
	int fd;
	char address[ADDRESS_TEXT];
};

const char *
listener_protocol_name(enum listener_protocol p)
{
	switch (p) {
	case LISTENER_SFTP:
		return "sftp";
	case LISTENER_FTP:
		return "ftp";
	case LISTENER_FTPS:
		return "ftps";
	case LISTENER_HTTP:
		return "http";
	case LISTENER_HTTPS:
		return "https";
	}
	return "unknown";
}

/* Splits "host:port"; an IPv6 address stands in brackets. */
static bool
spec_split(const char *text, char host[LISTENER_TEXT_MAX], char port[6])
{
	const char *colon = strrchr(text, ':');
	size_t n;
	char *end;

	if (!colon || strlen(text) >= LISTENER_TEXT_MAX || colon[1] < '0' ||
	    colon[1] > '9' || strlen(colon + 1) > 5 ||
	    strtoul(colon + 1, &end, 10) > UINT16_MAX || *end)
		return false;
	str_copy(port, 6, colon + 1);
	n = (size_t)(colon - text);
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	} else if (memchr(text, ':', n)) {
		return false;
	}
	if (n == 0)
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	return host[strspn(host, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789.:_*%-")] == '\0' &&
	       (!strchr(host, '*') || strcmp(host, "*") == 0);
}

bool
listener_spec_valid(const char *text)
{
	char host[LISTENER_TEXT_MAX], port[6];

	return spec_split(text, host, port);
}

static void
address_set(struct listener *l)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);
	char host[INET6_ADDRSTRLEN] = "?", port[8] = "?";
	bool v6;

	if (getsockname(l->fd, (struct sockaddr *)&ss, &len) != 0)
		return;
	getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	v6 = ss.ss_family == AF_INET6;
	l->address[0] = '\0';
	str_printf(l->address, sizeof(l->address), "%s%s%s:%s", v6 ? "[" : "",
		   host, v6 ? "]" : "", port);
}

/* A socket that listens, or -1 and errno. */
static int
socket_listen(const struct addrinfo *ai)
{
	static const int on = 1;
	int fd, saved;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static enum err
failure(const struct listener_spec *spec, int errnum)
{
	log_error(PART, NULL, "listen",
		  KV_S("protocol", listener_protocol_name(spec->protocol)),
		  KV_S("address", spec->text), KV_ERRNO(errnum));
	switch (errnum) {
	case EADDRINUSE:
		return ERR_IN_USE;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	default:
		return ERR_IO;
	}
}

static enum err
address_open(const struct listener_spec *spec, const struct addrinfo *ai,
	     struct listener **out)
{
	struct listener *l;
	int fd;

	fd = socket_listen(ai);
	if (fd < 0)
		return failure(spec, errno);
	l = mem_alloc(sizeof(*l));
	l->spec = *spec;
	l->fd = fd;
	address_set(l);
	*out = l;
	return ERR_OK;
}

/* A host without IPv6 listens on "*" with IPv4 alone. */
static bool
family_usable(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

enum err
listener_open(const struct listener_spec *spec, struct listener **list,
	      size_t *n, size_t max)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	char host[LISTENER_TEXT_MAX], port[6];
	struct addrinfo *found, *ai;
	enum err err = ERR_OK;
	int rc;

	if (!spec_split(spec->text, host, port))
		return ERR_INVALID;
	rc = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints,
			 &found);
	if (rc != 0) {
		log_error(PART, NULL, "listen", KV_S("address", spec->text),
			  KV_S("why", gai_strerror(rc)));
		return ERR_INVALID;
	}
	for (ai = found; ai && !err; ai = ai->ai_next) {
		if (!family_usable(ai->ai_family))
			continue;
		if (*n == max) {
			log_error(PART, NULL, "too_many", KV_U("max", max));
			err = ERR_TOO_LARGE;
		} else {
			err = address_open(spec, ai, &list[*n]);
			*n += err == ERR_OK;
		}
	}
	freeaddrinfo(found);
	return err;
}

void
listener_close(struct listener *l)
{
	if (!l)
		return;
	close(l->fd);
	free(l);
}

int
listener_fd(const struct listener *l)
{
	return l->fd;
}

enum listener_protocol
listener_protocol(const struct listener *l)
{
	return l->spec.protocol;
}

const char *
listener_address(const struct listener *l)
{
	return l->address;
}

bool
listener_matches(const struct listener *l, const struct listener_spec *spec)
{
	return l->spec.protocol == spec->protocol &&
	       strcmp(l->spec.text, spec->text) == 0;
}
