/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/still.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "probe/source.h"

#define SIDE_MAX (1u << 24) /* no image is wider */
#define JPEG_SEGMENTS 1000  /* before the one with the size */
#define DPX_HEADER 2048

static uint32_t
be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static uint32_t
be16(const unsigned char *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void
png(struct still *s)
{
	/* By colour type: grey, -, RGB, palette, grey + alpha, -, RGBA. */
	static const unsigned channels[] = { 1, 0, 3, 1, 2, 0, 4 };
	unsigned char h[33];

	s->format = "png";
	s->mime = "image/png";
	s->compression = "deflate";
	if (source_take(0, h, sizeof(h)) != 0 || memcmp(h + 12, "IHDR", 4)) {
		s->reason = "png: no header";
		return;
	}
	s->width = be32(h + 16);
	s->height = be32(h + 20);
	s->bits = h[24];
	s->channels = h[25] < 7 ? channels[h[25]] : 0;
	s->sample_type = "uint";
}

/* SOF0 to SOF15 but DHT, JPG and DAC. */
static bool
is_sof(unsigned marker)
{
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 &&
	       marker != 0xc8 && marker != 0xcc;
}

static void
jpeg(struct still *s)
{
	unsigned char h[10];
	uint64_t off = 2;

	s->format = "jpeg";
	s->mime = "image/jpeg";
	s->compression = "jpeg";
	for (int i = 0; i < JPEG_SEGMENTS; i++) {
		if (source_take(off, h, sizeof(h)) != 0 || h[0] != 0xff)
			break;
		if (h[1] == 0xff) { /* fill byte */
			off++;
			continue;
		}
		if (is_sof(h[1])) {
			s->bits = h[4];
			s->height = be16(h + 5);
			s->width = be16(h + 7);
			s->channels = h[9];
			s->sample_type = "uint";
			return;
		}
		if (be16(h + 2) < 2)
			break;
		off += 2 + be16(h + 2);
	}
	s->reason = "jpeg: no frame header";
}

struct dpx {
	unsigned char h[DPX_HEADER];
	bool big;
};

static uint32_t
dpx32(const struct dpx *d, size_t at)
{
	const unsigned char *p = d->h + at;

	return d->big ? be32(p)
		      : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
				(uint32_t)p[1] << 8 | p[0];
}

static uint32_t
dpx16(const struct dpx *d, size_t at)
{
	const unsigned char *p = d->h + at;

	return d->big ? be16(p) : (uint32_t)p[1] << 8 | p[0];
}

/* Image element 0's descriptor, ST 268-1 table 1. */
static unsigned
dpx_channels(unsigned descriptor)
{
	switch (descriptor) {
	case 50:
		return 3;
	case 51:
	case 52:
		return 4;
	default:
		return descriptor < 10 ? 1 : 0;
	}
}

/* BCD digits, as the television header holds them; all ones: not set. */
static void
dpx_timecode(struct still *s, uint32_t bcd)
{
	for (int i = 0; i < 8; i++) {
		if ((bcd >> (4 * i) & 15) > 9)
			return;
	}
	snprintf(s->timecode, sizeof(s->timecode), "%02x:%02x:%02x:%02x",
		 bcd >> 24, bcd >> 16 & 0xff, bcd >> 8 & 0xff, bcd & 0xff);
}

static void
dpx(struct still *s, bool big)
{
	struct dpx d = { .big = big };
	uint32_t bits;
	float rate;

	s->format = "dpx";
	s->mime = "image/x-dpx";
	if (source_take(0, d.h, sizeof(d.h)) != 0) {
		s->reason = "dpx: the header is cut off";
		return;
	}
	s->width = dpx32(&d, 772);
	s->height = dpx32(&d, 776);
	s->channels = dpx_channels(d.h[800]);
	s->bits = d.h[803];
	s->sample_type = s->bits >= 32 ? "float" : "uint";
	s->compression = dpx16(&d, 806) ? "rle" : "none";
	if (dpx32(&d, 1920) != 0)
		dpx_timecode(s, dpx32(&d, 1920));
	bits = dpx32(&d, 1940);
	memcpy(&rate, &bits, sizeof(rate));
	if (isnormal(rate) && rate >= 1 && rate <= 1000)
		s->frame_rate = rate;
}

static bool
dispatch(struct still *s, const unsigned char h[8])
{
	if (memcmp(h, "\x89PNG\r\n\x1a\n", 8) == 0)
		png(s);
	else if (memcmp(h, "\xff\xd8\xff", 3) == 0)
		jpeg(s);
	else if (memcmp(h, "SDPX", 4) == 0 || memcmp(h, "XPDS", 4) == 0)
		dpx(s, h[0] == 'S');
	else if (memcmp(h, "\x76\x2f\x31\x01", 4) == 0)
		still_exr(s);
	else if (memcmp(h, "II*\0", 4) == 0 || memcmp(h, "II+\0", 4) == 0)
		still_tiff(s, false);
	else if (memcmp(h, "MM\0*", 4) == 0 || memcmp(h, "MM\0+", 4) == 0)
		still_tiff(s, true);
	else
		return false;
	return true;
}

bool
still_read(struct still *s)
{
	unsigned char h[8];

	memset(s, 0, sizeof(*s));
	if (source_take(0, h, sizeof(h)) != 0 || !dispatch(s, h))
		return false;
	if (!s->reason && (s->width == 0 || s->height == 0 ||
			   s->width > SIDE_MAX || s->height > SIDE_MAX))
		s->reason = "the image has no possible size";
	return true;
}
