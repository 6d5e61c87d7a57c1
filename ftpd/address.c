/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>

#include "ftpd/command.h"
#include "lib/mem.h"

bool
address_ipv4(const struct sockaddr *sa, unsigned char out[4])
{
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		memcpy(out, &in->sin_addr, 4);
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		memcpy(out, in6->sin6_addr.s6_addr + 12, 4);
		return IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
	}
	return false;
}

int
address_family(const struct sockaddr *sa)
{
	unsigned char v4[4];

	return address_ipv4(sa, v4) ? AF_INET : sa->sa_family;
}

bool
address_same_host(const struct sockaddr *a, const struct sockaddr *b)
{
	const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
	unsigned char va[4], vb[4];
	bool a4 = address_ipv4(a, va), b4 = address_ipv4(b, vb);

	if (a4 || b4)
		return a4 && b4 && memcmp(va, vb, 4) == 0;
	return a->sa_family == AF_INET6 && b->sa_family == AF_INET6 &&
	       memcmp(&x->sin6_addr, &y->sin6_addr, 16) == 0;
}

uint16_t
address_port(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)sa)
				     ->sin6_port);
	if (sa->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)sa)
				     ->sin_port);
	return 0;
}

void
address_set_port(struct sockaddr_storage *ss, uint16_t port)
{
	if (ss->ss_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)ss)->sin6_port = htons(port);
	else if (ss->ss_family == AF_INET)
		((struct sockaddr_in *)(void *)ss)->sin_port = htons(port);
}

socklen_t
address_len(const struct sockaddr *sa)
{
	return sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					 : sizeof(struct sockaddr_in);
}

/* One number of 0..255 and the comma behind it; NULL when it is not that. */
static const char *
port_byte(const char *s, unsigned char *out)
{
	unsigned v = 0, n = 0;

	for (; isdigit((unsigned char)*s) && n < 3; n++)
		v = v * 10 + (unsigned)(*s++ - '0');
	if (n == 0 || v > 255)
		return NULL;
	*out = (unsigned char)v;
	return s;
}

bool
address_parse_port(const char *arg, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (void *)out;
	unsigned char b[6];
	int i;

	for (i = 0; i < 6; i++) {
		arg = port_byte(arg, &b[i]);
		if (!arg || *arg != (i < 5 ? ',' : '\0'))
			return false;
		arg++;
	}
	*out = (struct sockaddr_storage){ .ss_family = AF_INET };
	memcpy(&in->sin_addr, b, 4);
	memcpy(&in->sin_port, b + 4, 2);
	return true;
}

/* Cuts "<d>net<d>addr<d>port<d>" into its three fields. */
static bool
eprt_fields(const char *arg, char field[3][INET6_ADDRSTRLEN])
{
	char d = *arg;
	int i;

	if (d < 33 || d > 126)
		return false;
	for (i = 0; i < 3; i++) {
		const char *end = strchr(++arg, d);
		size_t len = end ? (size_t)(end - arg) : 0;

		if (!end || len >= INET6_ADDRSTRLEN)
			return false;
		memcpy(field[i], arg, len);
		field[i][len] = '\0';
		arg = end;
	}
	return arg[1] == '\0';
}

enum address_eprt
address_parse_eprt(const char *arg, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (void *)out;
	struct sockaddr_in6 *in6 = (void *)out;
	char field[3][INET6_ADDRSTRLEN];
	uint64_t port;
	bool ok;

	if (!eprt_fields(arg, field) || !command_number(field[2], &port) ||
	    port == 0 || port > 65535)
		return EPRT_BAD;
	memset(out, 0, sizeof(*out));
	if (strcmp(field[0], "1") == 0) {
		out->ss_family = AF_INET;
		ok = inet_pton(AF_INET, field[1], &in->sin_addr) == 1;
	} else if (strcmp(field[0], "2") == 0) {
		out->ss_family = AF_INET6;
		ok = inet_pton(AF_INET6, field[1], &in6->sin6_addr) == 1;
	} else {
		return EPRT_FAMILY;
	}
	address_set_port(out, (uint16_t)port);
	return ok ? EPRT_OK : EPRT_BAD;
}
