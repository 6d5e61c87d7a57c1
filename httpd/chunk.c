/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/chunk.h"

#include <stdbool.h>
#include <string.h>

#define DIGITS_MAX 15 /* below 2^60, so that sums stay below INT64_MAX */

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LF };

void
http_chunk_init(struct http_chunk *c)
{
	memset(c, 0, sizeof(*c));
	c->state = SIZE;
}

static int
hex_digit(unsigned char b)
{
	if (b >= '0' && b <= '9')
		return b - '0';
	if (b >= 'a' && b <= 'f')
		return b - 'a' + 10;
	if (b >= 'A' && b <= 'F')
		return b - 'A' + 10;
	return -1;
}

static bool
size_byte(struct http_chunk *c, unsigned char b)
{
	int digit = hex_digit(b);

	if (digit >= 0) {
		c->left = c->left << 4 | (unsigned)digit;
		return ++c->digits <= DIGITS_MAX;
	}
	if (c->digits == 0)
		return false;
	if (b == '\r')
		c->state = SIZE_LF;
	else if (b == ';')
		c->state = EXTENSION;
	else
		return false;
	return true;
}

/* Text without control bytes; CR ends it. */
static bool
text_byte(struct http_chunk *c, unsigned char b, int then)
{
	if (b == '\r') {
		c->state = then;
		return true;
	}
	return ++c->extra <= HTTP_CHUNK_EXTRA_MAX && (b >= ' ' || b == '\t') &&
	       b != 0x7f;
}

static bool
expect(struct http_chunk *c, unsigned char b, unsigned char want, int then)
{
	c->state = then;
	return b == want;
}

/* False: malformed. *end: that was the last byte of the body. */
static bool
feed(struct http_chunk *c, unsigned char b, bool *end)
{
	switch (c->state) {
	case SIZE:
		return size_byte(c, b);
	case EXTENSION:
		return text_byte(c, b, SIZE_LF);
	case SIZE_LF:
		c->digits = 0;
		c->trailer = 0;
		return expect(c, b, '\n', c->left ? DATA : TRAILER);
	case DATA_CR:
		return expect(c, b, '\r', DATA_LF);
	case DATA_LF:
		return expect(c, b, '\n', SIZE);
	case TRAILER:
		if (b != '\r')
			c->trailer++;
		return text_byte(c, b, TRAILER_LF);
	default:
		*end = c->trailer == 0;
		c->trailer = 0;
		return expect(c, b, '\n', TRAILER);
	}
}

enum http_chunk_status
http_chunk_next(struct http_chunk *c, const unsigned char *p, size_t n,
		size_t *used, size_t *len)
{
	size_t i;
	bool end = false;

	*len = 0;
	for (i = 0; i < n && c->state != DATA; i++) {
		if (!feed(c, p[i], &end))
			return HTTP_CHUNK_BAD;
		if (end) {
			*used = i + 1;
			return HTTP_CHUNK_END;
		}
	}
	*used = i;
	if (i == n)
		return HTTP_CHUNK_MORE;
	*len = n - i < c->left ? n - i : (size_t)c->left;
	*used = i + *len;
	c->left -= *len;
	if (c->left == 0)
		c->state = DATA_CR;
	return HTTP_CHUNK_DATA;
}
