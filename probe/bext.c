/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/bext.h"

#include <stdint.h>
#include <string.h>

#include "probe/source.h"
#include "probe/text.h"

#define CHUNKS_MAX 1000
#define FIXED 602 /* bytes in front of the coding history */
#define TIME_REFERENCE 338
#define VERSION 346
#define LOUDNESS 412 /* from version 2 on */

static uint32_t
le32(const unsigned char *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[1] << 8 | p[0];
}

static int
le16(const unsigned char *p)
{
	return (int16_t)(uint16_t)(p[1] << 8 | p[0]);
}

static void
texts(json_t *o, const unsigned char *b)
{
	static const struct {
		const char *key;
		size_t off, len;
	} fields[] = {
		{ "description", 0, 256 },
		{ "originator", 256, 32 },
		{ "originator_reference", 288, 32 },
		{ "origination_date", 320, 10 },
		{ "origination_time", 330, 8 },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (b[fields[i].off])
			json_object_set_new(
				o, fields[i].key,
				text_json((const char *)b + fields[i].off,
					  fields[i].len));
	}
}

/* Hundredths of LU, LUFS or dBTP. */
static void
loudness(json_t *o, const unsigned char *b)
{
	static const char *const keys[] = { "loudness_value", "loudness_range",
					    "max_true_peak_level",
					    "max_momentary_loudness",
					    "max_short_term_loudness" };

	for (int i = 0; i < 5; i++)
		json_object_set_new(
			o, keys[i],
			json_real(le16(b + LOUDNESS + 2 * i) / 100.0));
}

static void
history(json_t *o, uint64_t off, uint32_t len)
{
	char text[TEXT_MAX];
	size_t n = len < sizeof(text) ? len : sizeof(text);

	if (n > 0 && source_take(off, text, n) == 0 && text[0])
		json_object_set_new(o, "coding_history", text_json(text, n));
}

static void
chunk_use(json_t *result, uint64_t off, uint32_t len)
{
	unsigned char b[FIXED];
	uint64_t reference;
	json_t *o;

	if (len < FIXED || source_take(off, b, sizeof(b)) != 0)
		return;
	o = json_object();
	texts(o, b);
	reference = le32(b + TIME_REFERENCE) |
		    (uint64_t)le32(b + TIME_REFERENCE + 4) << 32;
	if (reference <= INT64_MAX)
		json_object_set_new(o, "time_reference",
				    json_integer((json_int_t)reference));
	json_object_set_new(o, "version", json_integer(le16(b + VERSION)));
	if (le16(b + VERSION) >= 2)
		loudness(o, b);
	history(o, off + FIXED, len - FIXED);
	json_object_set_new(result, "bext", o);
}

void
bext_read(json_t *result)
{
	unsigned char h[12];
	uint64_t off = sizeof(h);

	if (source_take(0, h, sizeof(h)) != 0 || memcmp(h + 8, "WAVE", 4) ||
	    (memcmp(h, "RIFF", 4) && memcmp(h, "RF64", 4) &&
	     memcmp(h, "BW64", 4)))
		return;
	for (int i = 0; i < CHUNKS_MAX && source_take(off, h, 8) == 0; i++) {
		if (memcmp(h, "bext", 4) == 0) {
			chunk_use(result, off + 8, le32(h + 4));
			return;
		}
		off += 8 + (uint64_t)le32(h + 4) + (h[4] & 1);
	}
}
