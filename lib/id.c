/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/id.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/clock.h"

void
id_random(void *out, size_t n)
{
	unsigned char *p = out;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno != EINTR) {
			fprintf(stderr, "sluice: getrandom: %s\n",
				strerror(errno));
			abort();
		}
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
}

void
id_new(char out[ID_LEN + 1])
{
	uint64_t ms = (uint64_t)clock_wall_ms();
	unsigned char b[16];

	id_random(b, sizeof(b));
	for (int i = 0; i < 6; i++)
		b[i] = (unsigned char)(ms >> (40 - 8 * i));
	b[6] = (unsigned char)(0x70 | (b[6] & 0x0f)); /* version 7 */
	b[8] = (unsigned char)(0x80 | (b[8] & 0x3f)); /* variant 2 */
	id_text(b, out);
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
id_valid(const char *s)
{
	return strlen(s) == ID_LEN &&
	       strspn(s, "0123456789abcdef") == (size_t)ID_LEN;
}

int
id_bytes(const char *id, unsigned char out[16])
{
	return id_valid(id) ? hex_decode(id, ID_LEN, out) : -1;
}

void
id_text(const unsigned char in[16], char out[ID_LEN + 1])
{
	hex_encode(in, 16, out);
}

void
hex_encode(const void *in, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = in;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

int
hex_decode(const char *in, size_t n, void *out)
{
	unsigned char *p = out;

	if (n % 2)
		return -1;
	for (size_t i = 0; i < n; i += 2) {
		int high = digit(in[i]), low = digit(in[i + 1]);

		if (high < 0 || low < 0)
			return -1;
		p[i / 2] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(const void *in, size_t n, char *out)
{
	const unsigned char *p = in;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)p[i] << 16;

		if (left > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (left > 2)
			v |= p[i + 2];
		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		*out++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
		*out++ = left > 2 ? alphabet[v & 63] : '=';
	}
	*out = '\0';
}

static int
base64_digit(char c)
{
	const char *p = c ? strchr(alphabet, c) : NULL;

	return p ? (int)(p - alphabet) : -1;
}

/* How many of the last group's characters are padding; -1: malformed. */
static int
base64_padding(const char *in, size_t n)
{
	int pad = 0;

	if (n % 4)
		return -1;
	while (pad < 2 && n > 0 && in[n - 1 - (size_t)pad] == '=')
		pad++;
	return pad;
}

long
base64_decode(const char *in, size_t n, void *out)
{
	int pad = base64_padding(in, n);
	size_t digits = n - (size_t)(pad > 0 ? pad : 0);
	unsigned char *p = out;
	uint32_t v = 0;
	long len = 0;

	if (pad < 0)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		int d = base64_digit(in[i]);

		if (d < 0)
			return -1;
		v = v << 6 | (uint32_t)d;
		/* Characters 1, 2 and 3 of a group complete a byte each. */
		if (i % 4)
			p[len++] = (unsigned char)(v >> (6 - 2 * (i % 4)));
	}
	/* Bits behind the last byte must be zero: one encoding for each text. */
	if (pad && v & ((1U << (2 * pad)) - 1))
		return -1;
	return len;
}
