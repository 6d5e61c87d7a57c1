/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/text.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* The length of the UTF-8 sequence at s, or 0 when it is none (RFC 3629). */
static size_t
sequence(const unsigned char *s, size_t n)
{
	static const struct {
		unsigned char first, last, low, high; /* low..high: 2nd byte */
		unsigned char len;
	} forms[] = {
		{ 0x20, 0x7e, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i, k;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (forms[i].len > n)
			return 0;
		if (forms[i].len > 1 &&
		    (s[1] < forms[i].low || s[1] > forms[i].high))
			return 0;
		for (k = 2; k < forms[i].len; k++) {
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		}
		return forms[i].len;
	}
	return 0;
}

json_t *
text_json(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	char out[TEXT_MAX + 1];
	size_t used = 0, take, put;
	const void *from;

	n = strnlen(s, n);
	while (n > 0) {
		take = sequence(p, n);
		put = take ? take : strlen(REPLACEMENT);
		from = take ? (const void *)p : REPLACEMENT;
		if (!take && (p[0] < 0x20 || p[0] == 0x7f)) {
			put = 1;
			from = " ";
		}
		if (used + put > TEXT_MAX)
			break;
		memcpy(out + used, from, put);
		used += put;
		take = take ? take : 1;
		p += take;
		n -= take;
	}
	return json_stringn(out, used);
}

void
text_set(json_t *o, const char *key, const char *s)
{
	if (s && s[0])
		json_object_set_new(o, key, text_json(s, strlen(s)));
}
