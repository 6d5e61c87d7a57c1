/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TIFF 6.0 and BigTIFF: the header points at a directory of tagged values,
 * which may lie anywhere in the file. Only the first directory counts.
 */
#include <string.h>

#include "probe/source.h"
#include "probe/still.h"

#define ENTRIES_MAX 1000

enum { SHORT = 3, LONG = 4, LONG8 = 16 };
enum {
	TAG_WIDTH = 256,
	TAG_HEIGHT = 257,
	TAG_BITS = 258,
	TAG_COMPRESSION = 259,
	TAG_SAMPLES = 277,
	TAG_FORMAT = 339
};

struct tiff {
	bool big_endian, big; /* big: BigTIFF, with offsets of 8 bytes */
};

static uint64_t
number(const struct tiff *t, const unsigned char *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * (t->big_endian ? n - 1 - i : i);
	return v;
}

static const char *
compression(uint64_t code)
{
	static const struct {
		unsigned code;
		const char *name;
	} names[] = {
		{ 1, "none" },	      { 2, "ccitt" },	 { 3, "fax3" },
		{ 4, "fax4" },	      { 5, "lzw" },	 { 6, "jpeg" },
		{ 7, "jpeg" },	      { 8, "deflate" },	 { 32773, "packbits" },
		{ 32946, "deflate" }, { 50000, "zstd" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].code == code)
			return names[i].name;
	}
	return NULL;
}

/* The first value of an entry: in its place or where that points. */
static uint64_t
value(const struct tiff *t, const unsigned char *e)
{
	uint64_t type = number(t, e + 2, 2);
	uint64_t count = number(t, e + 4, t->big ? 8 : 4);
	const unsigned char *v = e + (t->big ? 12 : 8);
	unsigned room = t->big ? 8 : 4;
	unsigned n = type == SHORT ? 2 : type == LONG ? 4 : 8;
	unsigned char far[8];

	if (type != SHORT && type != LONG && type != LONG8)
		return 0;
	if (count == 0 || count > room / n) {
		if (count == 0 || source_take(number(t, v, room), far, n) != 0)
			return 0;
		v = far;
	}
	return number(t, v, n);
}

static void
entry_use(struct still *s, const struct tiff *t, const unsigned char *e)
{
	static const char *const types[] = { NULL, "uint", "int", "float" };
	uint64_t v = value(t, e);

	if (v > UINT32_MAX)
		v = 0;
	switch (number(t, e, 2)) {
	case TAG_WIDTH:
		s->width = (uint32_t)v;
		break;
	case TAG_HEIGHT:
		s->height = (uint32_t)v;
		break;
	case TAG_BITS:
		s->bits = v <= 64 ? (unsigned)v : 0;
		break;
	case TAG_COMPRESSION:
		s->compression = compression(v);
		break;
	case TAG_SAMPLES:
		s->channels = v <= 1000 ? (unsigned)v : 0;
		break;
	case TAG_FORMAT:
		s->sample_type = v < 4 ? types[v] : NULL;
		break;
	}
}

static int
directory(struct still *s, const struct tiff *t, uint64_t off)
{
	unsigned count_len = t->big ? 8 : 2, entry_len = t->big ? 20 : 12;
	unsigned char b[20];
	uint64_t n;

	if (source_take(off, b, count_len) != 0)
		return -1;
	n = number(t, b, count_len);
	off += count_len;
	if (n > ENTRIES_MAX)
		return -1;
	for (uint64_t i = 0; i < n; i++, off += entry_len) {
		if (source_take(off, b, entry_len) != 0)
			return -1;
		entry_use(s, t, b);
	}
	return 0;
}

void
still_tiff(struct still *s, bool big_endian)
{
	struct tiff t = { .big_endian = big_endian };
	unsigned char h[16];

	s->format = "tiff";
	s->mime = "image/tiff";
	s->sample_type = "uint";
	s->bits = s->channels = 1;
	if (source_take(0, h, sizeof(h)) != 0) {
		s->reason = "tiff: the header is cut off";
		return;
	}
	t.big = number(&t, h + 2, 2) == 43;
	if (directory(s, &t, number(&t, t.big ? h + 8 : h + 4, t.big ? 8 : 4)))
		s->reason = "tiff: the directory is cut off or broken";
}
