/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenEXR: after the magic and the version a list of attributes, each a name,
 * a type, a length and a value (openexr.com, "OpenEXR File Layout").
 */
#include <stdio.h>
#include <string.h>

#include "probe/source.h"
#include "probe/still.h"

#define EXR_NAME_MAX 255
#define ATTRIBUTES_MAX 1000
#define CHANNELS_MAX 1000

struct attribute {
	char name[EXR_NAME_MAX + 1], type[EXR_NAME_MAX + 1];
	uint64_t off; /* of the value */
	uint32_t len;
};

static uint32_t
le32(const unsigned char *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[1] << 8 | p[0];
}

/* A text that ends in NUL; *off goes behind it. */
static int
name_read(uint64_t *off, char name[EXR_NAME_MAX + 1])
{
	for (size_t i = 0; i <= EXR_NAME_MAX; i++) {
		if (source_take((*off)++, &name[i], 1) != 0)
			return -1;
		if (name[i] == '\0')
			return 0;
	}
	return -1;
}

/* 1: there is one; 0: that was the last; -1: broken. */
static int
attribute_next(uint64_t *off, struct attribute *a)
{
	unsigned char len[4];

	if (name_read(off, a->name) != 0)
		return -1;
	if (a->name[0] == '\0')
		return 0;
	if (name_read(off, a->type) != 0 || source_take(*off, len, 4) != 0)
		return -1;
	a->off = *off + 4;
	a->len = le32(len);
	if (a->len > source_size())
		return -1;
	*off = a->off + a->len;
	return 1;
}

static void
channels(struct still *s, const struct attribute *a)
{
	static const char *const types[] = { "uint", "half", "float" };
	static const unsigned bits[] = { 32, 16, 32 };
	uint64_t off = a->off;
	char name[EXR_NAME_MAX + 1];
	unsigned char h[16];
	uint32_t type;

	while (s->channels < CHANNELS_MAX && off < a->off + a->len) {
		if (name_read(&off, name) != 0 || name[0] == '\0' ||
		    source_take(off, h, sizeof(h)) != 0)
			return;
		off += sizeof(h);
		type = le32(h);
		if (s->channels++ == 0 && type < 3) {
			s->sample_type = types[type];
			s->bits = bits[type];
		}
	}
}

static void
compression(struct still *s, const struct attribute *a)
{
	static const char *const names[] = { "none", "rle",   "zips", "zip",
					     "piz",  "pxr24", "b44",  "b44a",
					     "dwaa", "dwab" };
	unsigned char c;

	if (source_take(a->off, &c, 1) == 0 &&
	    c < sizeof(names) / sizeof(names[0]))
		s->compression = names[c];
}

/* Pixels xMin, yMin to xMax, yMax inclusive. */
static void
data_window(struct still *s, const struct attribute *a)
{
	unsigned char b[16];

	if (a->len != 16 || source_take(a->off, b, sizeof(b)) != 0)
		return;
	s->width = le32(b + 8) - le32(b) + 1;
	s->height = le32(b + 12) - le32(b + 4) + 1;
}

static void
rate(struct still *s, const struct attribute *a)
{
	unsigned char b[8];
	double fps;

	if (a->len != 8 || source_take(a->off, b, sizeof(b)) != 0 ||
	    le32(b + 4) == 0)
		return;
	fps = (double)le32(b) / le32(b + 4);
	if (fps >= 1 && fps <= 1000)
		s->frame_rate = fps;
}

/* BCD, seconds and frames as SMPTE ST 12-1 packs them. */
static void
timecode(struct still *s, const struct attribute *a)
{
	unsigned char b[8];
	uint32_t t;

	if (a->len != 8 || source_take(a->off, b, sizeof(b)) != 0)
		return;
	t = le32(b);
	snprintf(s->timecode, sizeof(s->timecode), "%02x:%02x:%02x%c%02x",
		 t >> 24 & 0x3f, t >> 16 & 0x7f, t >> 8 & 0x7f,
		 t & 0x40 ? ';' : ':', t & 0x3f);
}

static void
attribute_use(struct still *s, const struct attribute *a)
{
	static const struct {
		const char *name, *type;
		void (*fn)(struct still *s, const struct attribute *a);
	} known[] = {
		{ "channels", "chlist", channels },
		{ "compression", "compression", compression },
		{ "dataWindow", "box2i", data_window },
		{ "framesPerSecond", "rational", rate },
		{ "timeCode", "timecode", timecode },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(a->name, known[i].name) == 0 &&
		    strcmp(a->type, known[i].type) == 0)
			known[i].fn(s, a);
	}
}

void
still_exr(struct still *s)
{
	struct attribute a;
	uint64_t off = 8;
	int more = 1;

	s->format = "exr";
	s->mime = "image/x-exr";
	for (int i = 0; i < ATTRIBUTES_MAX && more == 1; i++) {
		more = attribute_next(&off, &a);
		if (more == 1)
			attribute_use(s, &a);
	}
	if (more != 0 && s->width == 0)
		s->reason = "exr: the header is cut off or broken";
}
