/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define COMPONENT_MAX 255

/*
 * The second byte of a sequence has a narrower range behind some first bytes:
 * that refuses overlong forms, surrogates and what is above U+10FFFF (RFC
 * 3629, section 4).
 */
static bool
second_ok(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return (second & 0xc0) == 0x80;
	}
}

/* The length of the UTF-8 sequence at s, 0 when it is none. */
static size_t
utf8_len(const unsigned char *s, size_t left)
{
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (n > left || !second_ok(s[0], s[1]))
		return 0;
	for (i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* UTF-8 without control bytes (C0, DEL; C1 as U+0080..U+009F). */
static bool
text_ok(const char *in, size_t len)
{
	const unsigned char *s = (const unsigned char *)in;
	size_t i = 0;

	while (i < len) {
		size_t n = utf8_len(s + i, len - i);

		if (!n || s[i] < 0x20 || s[i] == 0x7f ||
		    (s[i] == 0xc2 && s[i + 1] < 0xa0))
			return false;
		i += n;
	}
	return true;
}

/* Appends one component to the clean path, or goes up one. */
static enum err
step(char *out, size_t *n, const char *part, size_t len)
{
	if (!len || (len == 1 && part[0] == '.'))
		return ERR_OK;
	if (len == 2 && part[0] == '.' && part[1] == '.') {
		while (*n && out[--*n] != '/')
			;
		return ERR_OK;
	}
	if (len > COMPONENT_MAX || *n + 1 + len > JOURNAL_PATH_MAX)
		return ERR_INVALID;
	out[(*n)++] = '/';
	memcpy(out + *n, part, len);
	*n += len;
	return ERR_OK;
}

static enum err
walk(char *out, size_t *n, const char *in, size_t len)
{
	size_t from = 0, i;

	for (i = 0; i <= len; i++) {
		enum err err;

		if (i < len && in[i] != '/')
			continue;
		err = step(out, n, in + from, i - from);
		if (err)
			return err;
		from = i + 1;
	}
	return ERR_OK;
}

enum err
names_path(const char *cwd, const char *in, size_t len,
	   char out[JOURNAL_PATH_MAX + 1])
{
	enum err err = ERR_OK;
	size_t n = 0;

	if (!text_ok(in, len))
		return ERR_INVALID;
	if (!len || in[0] != '/')
		err = walk(out, &n, cwd, strlen(cwd));
	if (!err)
		err = walk(out, &n, in, len);
	if (!n)
		out[n++] = '/';
	out[n] = '\0';
	return err;
}

enum err
names_key(const char *home, const char *path, char out[STORE_KEY_MAX + 1])
{
	size_t size = STORE_KEY_MAX + 1;

	out[0] = '\0';
	if (str_printf(out, size, "%s%s", home, path + 1))
		return ERR_TOO_LARGE;
	return ERR_OK;
}

/* The number N of a "<Nhex>" at p, and how long that is; 0: none there. */
static unsigned
hex_token(const char *p, size_t *len)
{
	char *end;
	unsigned long n;

	if (p[0] != '<' || !isdigit((unsigned char)p[1]))
		return 0;
	n = strtoul(p + 1, &end, 10);
	if (n < 1 || n > 64 || strncmp(end, "hex>", 4))
		return 0;
	*len = (size_t)(end + 4 - p);
	return (unsigned)n;
}

bool
names_pattern_valid(const char *pattern)
{
	const char *star = strchr(pattern, '*');
	const char *p;
	size_t len;

	if (!star || strchr(star + 1, '*') || strchr(pattern, '/') ||
	    !pattern[1])
		return false;
	for (p = strchr(pattern, '<'); p; p = strchr(p + 1, '<'))
		if (!hex_token(p, &len))
			return false;
	return true;
}

/*
 * How many characters of s the pattern's piece [p, end) takes from its start;
 * -1: it does not match there.
 */
static long
match_piece(const char *p, const char *end, const char *s, const char *stop)
{
	const char *begin = s;

	while (p < end) {
		size_t len;
		unsigned hex = hex_token(p, &len);

		if (hex) {
			for (; hex; hex--, s++)
				if (s == stop || !isxdigit((unsigned char)*s))
					return -1;
			p += len;
		} else if (s == stop || *s++ != *p++) {
			return -1;
		}
	}
	return s - begin;
}

static size_t
piece_len(const char *p)
{
	size_t n = 0, len;

	while (*p) {
		unsigned hex = hex_token(p, &len);

		n += hex ? hex : 1;
		p += hex ? len : 1;
	}
	return n;
}

static bool
match(const char *pattern, const char *name, size_t *from, size_t *len)
{
	const char *star = strchr(pattern, '*');
	size_t n = strlen(name), tail = piece_len(star + 1);
	long head = match_piece(pattern, star, name, name + n);

	if (head < 0 || n < tail || n - tail <= (size_t)head)
		return false;
	if (match_piece(star + 1, star + strlen(star), name + n - tail,
			name + n) != (long)tail)
		return false;
	*from = (size_t)head;
	*len = n - tail - (size_t)head;
	return true;
}

bool
names_temporary(char *const *patterns, const char *path,
		char final_path[JOURNAL_PATH_MAX + 1])
{
	const char *name = strrchr(path, '/');
	size_t from, len, dir;

	name = name ? name + 1 : path;
	dir = (size_t)(name - path);
	for (; *patterns; patterns++) {
		if (!match(*patterns, name, &from, &len))
			continue;
		memcpy(final_path, path, dir);
		memcpy(final_path + dir, name + from, len);
		final_path[dir + len] = '\0';
		/* "." and ".." are no names. */
		return strcmp(final_path + dir, ".") &&
		       strcmp(final_path + dir, "..");
	}
	return false;
}
