/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/address.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define PATTERN_MAX 64 /* an IPv6 network takes 43 bytes */

struct address {
	int family;
	unsigned char bytes[16];
	unsigned bits; /* 32 or 128 */
};

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0,    0,
					  0, 0, 0, 0, 0xff, 0xff };

/* An IPv4 address inside IPv6 (RFC 4291 section 2.5.5.2) counts as IPv4. */
static bool
address_parse(const char *text, struct address *a)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, a->bytes) == 1) {
		a->family = AF_INET;
		a->bits = 32;
		return true;
	}
	if (inet_pton(AF_INET6, text, a->bytes) != 1)
		return false;
	a->family = AF_INET6;
	a->bits = 128;
	if (memcmp(a->bytes, mapped, sizeof(mapped)) == 0) {
		memmove(a->bytes, a->bytes + 12, 4);
		a->family = AF_INET;
		a->bits = 32;
	}
	return true;
}

/* "ADDRESS" or "ADDRESS/BITS"; no bit behind the prefix may be set. */
static bool
network_parse(const char *text, struct address *net, unsigned *prefix)
{
	char copy[PATTERN_MAX];
	char *slash, *end;
	unsigned long n;
	unsigned i;

	if (str_copy(copy, sizeof(copy), text) != 0)
		return false;
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (!address_parse(copy, net))
		return false;
	*prefix = net->bits;
	if (!slash)
		return true;
	if (slash[1] < '0' || slash[1] > '9')
		return false;
	n = strtoul(slash + 1, &end, 10);
	if (*end != '\0' || n > net->bits)
		return false;
	for (i = (unsigned)n; i < net->bits; i++) {
		if (net->bytes[i / 8] & (0x80u >> (i % 8)))
			return false;
	}
	*prefix = (unsigned)n;
	return true;
}

static bool
network_contains(const struct address *net, unsigned prefix,
		 const struct address *a)
{
	unsigned whole = prefix / 8;
	unsigned rest = prefix % 8;

	if (net->family != a->family)
		return false;
	if (memcmp(net->bytes, a->bytes, whole) != 0)
		return false;
	return rest == 0 ||
	       ((net->bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}

static bool
wildcard_valid(const char *p)
{
	return strpbrk(p, "*?") &&
	       p[strspn(p, "0123456789abcdefABCDEF.:*?")] == '\0';
}

static bool
pattern_valid(const char *p)
{
	struct address net;
	unsigned prefix;

	return network_parse(p, &net, &prefix) || wildcard_valid(p);
}

static bool
pattern_match(const char *p, const struct address *a)
{
	char text[INET6_ADDRSTRLEN];
	struct address net;
	unsigned prefix;

	if (network_parse(p, &net, &prefix))
		return network_contains(&net, prefix, a);
	if (!wildcard_valid(p))
		return false;
	inet_ntop(a->family, a->bytes, text, sizeof(text));
	return fnmatch(p, text, FNM_CASEFOLD) == 0;
}

/* Cuts the next pattern off *rest into out; false at the end or on excess. */
static bool
pattern_next(const char **rest, char out[PATTERN_MAX], bool *negated)
{
	const char *p = *rest;
	size_t n;

	p += strspn(p, " ");
	*negated = *p == '!';
	if (*negated)
		p++;
	n = strcspn(p, ",");
	if (n == 0 || n >= PATTERN_MAX)
		return false;
	memcpy(out, p, n);
	out[n] = '\0';
	while (n > 0 && out[n - 1] == ' ')
		out[--n] = '\0';
	p += strcspn(p, ",");
	*rest = *p == ',' ? p + 1 : NULL;
	return true;
}

bool
address_list_valid(const char *list)
{
	char pattern[PATTERN_MAX];
	bool negated;

	if (strlen(list) > ADDRESS_LIST_MAX)
		return false;
	while (list) {
		if (!pattern_next(&list, pattern, &negated) ||
		    !pattern_valid(pattern))
			return false;
	}
	return true;
}

bool
address_list_match(const char *list, const char *addr)
{
	char pattern[PATTERN_MAX];
	struct address a;
	bool negated;
	bool found = false;

	if (!address_parse(addr, &a) || !address_list_valid(list))
		return false;
	while (list) {
		pattern_next(&list, pattern, &negated);
		if (!pattern_match(pattern, &a))
			continue;
		if (negated)
			return false;
		found = true;
	}
	return found;
}
