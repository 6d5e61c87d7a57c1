/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/mem.h"

struct range {
	unsigned char bytes[16];
	unsigned bits;
};

/* IANA's "IPv4 Special-Purpose Address Registry", and multicast. */
static const struct range not_public4[] = {
	{ { 0 }, 8 },		  /* this network */
	{ { 10 }, 8 },		  /* private */
	{ { 100, 64 }, 10 },	  /* shared, between carriers and homes */
	{ { 127 }, 8 },		  /* loopback */
	{ { 169, 254 }, 16 },	  /* link-local; clouds' metadata */
	{ { 172, 16 }, 12 },	  /* private */
	{ { 192, 0, 0 }, 24 },	  /* protocol assignments */
	{ { 192, 0, 2 }, 24 },	  /* documentation */
	{ { 192, 88, 99 }, 24 },  /* relays of 6to4 */
	{ { 192, 168 }, 16 },	  /* private */
	{ { 198, 18 }, 15 },	  /* benchmarks */
	{ { 198, 51, 100 }, 24 }, /* documentation */
	{ { 203, 0, 113 }, 24 },  /* documentation */
	{ { 224 }, 4 },		  /* multicast */
	{ { 240 }, 4 },		  /* reserved, broadcast */
};

/*
 * Of IPv6, 2000::/3 alone is routed; these parts of it are not ("IPv6
 * Special-Purpose Address Registry").
 */
static const struct range global6 = { { 0x20 }, 3 };
static const struct range not_public6[] = {
	{ { 0x20, 0x01 }, 23 },		    /* protocols, Teredo among them */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
	{ { 0x3f, 0xff }, 20 },		    /* documentation */
};

/* IPv6 addresses that stand for the IPv4 address at a place inside. */
static const struct {
	struct range range;
	unsigned at;
} inside6[] = {
	{ { { [10] = 0xff, 0xff }, 96 }, 12 },	    /* mapped */
	{ { { 0x00, 0x64, 0xff, 0x9b }, 96 }, 12 }, /* NAT64 */
	{ { { 0x20, 0x02 }, 16 }, 2 },		    /* 6to4 */
};

static bool
within(const unsigned char *a, const struct range *r)
{
	unsigned whole = r->bits / 8, rest = r->bits % 8;

	if (memcmp(a, r->bytes, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ r->bytes[whole]) >> (8 - rest)) == 0;
}

static bool
public4(const unsigned char *a)
{
	for (size_t i = 0; i < sizeof(not_public4) / sizeof(*not_public4); i++)
		if (within(a, &not_public4[i]))
			return false;
	return true;
}

static bool
public6(const unsigned char *a)
{
	for (size_t i = 0; i < sizeof(not_public6) / sizeof(*not_public6); i++)
		if (within(a, &not_public6[i]))
			return false;
	return within(a, &global6);
}

/* The bytes of an address and their number, 0 for another family. */
static size_t
bytes_of(const struct sockaddr *sa, const unsigned char **out)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;

	if (sa->sa_family == AF_INET) {
		*out = (const unsigned char *)&v4->sin_addr;
		return 4;
	}
	if (sa->sa_family == AF_INET6) {
		*out = v6->sin6_addr.s6_addr;
		return 16;
	}
	return 0;
}

/* Asked anew each time: addresses come and go. */
static bool
is_own(const void *bytes, size_t n)
{
	struct ifaddrs *list, *i;
	const unsigned char *own;
	bool found = false;

	if (getifaddrs(&list) != 0)
		return true;
	for (i = list; i && !found; i = i->ifa_next)
		found = i->ifa_addr && bytes_of(i->ifa_addr, &own) == n &&
			memcmp(own, bytes, n) == 0;
	freeifaddrs(list);
	return found;
}

/* The IPv4 address that an IPv6 address stands for, or NULL. */
static const unsigned char *
inside(const unsigned char *a)
{
	for (size_t i = 0; i < sizeof(inside6) / sizeof(*inside6); i++)
		if (within(a, &inside6[i].range))
			return a + inside6[i].at;
	return NULL;
}

static bool
bytes_are_public(const unsigned char *a, size_t n)
{
	const unsigned char *v4 = n == 4 ? a : NULL;

	if (n == 16)
		v4 = inside(a);
	if (v4)
		return public4(v4) && !is_own(v4, 4);
	return n == 16 && public6(a) && !is_own(a, 16);
}

bool
address_is_public(const struct sockaddr *sa)
{
	const unsigned char *bytes = NULL;
	size_t n = bytes_of(sa, &bytes);

	return bytes_are_public(bytes, n);
}

bool
address_text_is_public(const char *ip)
{
	unsigned char bytes[16];

	if (ip && inet_pton(AF_INET, ip, bytes) == 1)
		return bytes_are_public(bytes, 4);
	if (ip && inet_pton(AF_INET6, ip, bytes) == 1)
		return bytes_are_public(bytes, 16);
	return false;
}

void
address_text(const struct sockaddr *sa, char dst[ADDRESS_TEXT_MAX])
{
	const unsigned char *bytes;

	if (bytes_of(sa, &bytes) == 0 ||
	    !inet_ntop(sa->sa_family, bytes, dst, ADDRESS_TEXT_MAX))
		str_copy(dst, ADDRESS_TEXT_MAX, "(no IP address)");
}
