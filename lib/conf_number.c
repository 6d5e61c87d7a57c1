/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf_number.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/conf.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* From the largest down: the first that divides a value is the one to show. */
static const struct unit size_units[] = {
	{ "T", 1ULL << 40 }, { "G", 1ULL << 30 }, { "M", 1ULL << 20 },
	{ "K", 1ULL << 10 }, { "", 1 },		  { NULL, 0 },
};

/* A bare number is no time: nobody could tell its unit. */
static const struct unit time_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
	{ "s", 1000 },	   { "ms", 1 },	     { NULL, 0 },
};

static int
parse_digits(const char **s, uint64_t *out)
{
	uint64_t v = 0;
	const char *p = *s;

	if (!isdigit((unsigned char)*p))
		return -1;
	for (; isdigit((unsigned char)*p); p++) {
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -1;
	}
	*s = p;
	*out = v;
	return 0;
}

static int
parse_with_unit(const char *s, const struct unit *u, uint64_t *out)
{
	uint64_t v;

	if (parse_digits(&s, &v) < 0)
		return -1;
	while (*s == ' ')
		s++;
	for (; u->name; u++)
		if (strcasecmp(s, u->name) == 0)
			return __builtin_mul_overflow(v, u->factor, out) ? -1
									 : 0;
	return -1;
}

int
conf_parse_uint(const char *s, uint64_t *out)
{
	uint64_t v;

	if (parse_digits(&s, &v) < 0 || *s)
		return -1;
	*out = v;
	return 0;
}

int
conf_parse_size(const char *s, uint64_t *out)
{
	return parse_with_unit(s, size_units, out);
}

int
conf_parse_time(const char *s, uint64_t *out)
{
	if (strcmp(s, "0") == 0) {
		*out = 0;
		return 0;
	}
	return parse_with_unit(s, time_units, out);
}

static void
show(uint64_t v, const struct unit *u, char *dst, size_t size)
{
	while (u->factor > 1 && (v == 0 || v % u->factor))
		u++;
	snprintf(dst, size, "%" PRIu64 "%s", v / u->factor, u->name);
}

void
conf_show_uint(uint64_t v, char *dst, size_t size)
{
	snprintf(dst, size, "%" PRIu64, v);
}

void
conf_show_size(uint64_t v, char *dst, size_t size)
{
	show(v, size_units, dst, size);
}

void
conf_show_time(uint64_t v, char *dst, size_t size)
{
	show(v, time_units, dst, size);
}
