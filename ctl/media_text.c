/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/media_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctl/table.h"
#include "ctl/text.h"
#include "lib/mem.h"

#define CELL_MAX 200

static const struct table_column columns[] = {
	{ "#", true, 1 },	 { "TYPE", false, 8 }, { "CODEC", false, 5 },
	{ "PROFILE", false, 7 }, { "LANG", false, 4 }, { "FORMAT", false, 0 },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static const char *
word(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void
field(const char *name, const char *value)
{
	char *safe;

	if (!value)
		return;
	safe = text_safe(value);
	printf("%-12s %s\n", name, safe);
	free(safe);
}

static void
number_field(const json_t *media, const char *key, const char *name,
	     const char *unit)
{
	const json_t *v = json_object_get(media, key);

	if (json_is_integer(v))
		printf("%-12s %lld %s\n", name,
		       (long long)json_integer_value(v), unit);
	else if (json_is_real(v))
		printf("%-12s %.3f %s\n", name, json_real_value(v), unit);
}

/* " 1920" or nothing. */
static void
add_number(char out[CELL_MAX], const json_t *o, const char *key,
	   const char *fmt)
{
	const json_t *v = json_object_get(o, key);
	char text[32];

	if (!json_is_integer(v))
		return;
	snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
	str_printf(out, CELL_MAX, "%s", out[0] && fmt[0] == ' ' ? " " : "");
	str_printf(out, CELL_MAX, "%s%s", fmt[0] == ' ' ? "" : fmt, text);
}

static void
add_word(char out[CELL_MAX], const json_t *o, const char *key, const char *unit)
{
	const char *s = word(o, key);

	if (s)
		str_printf(out, CELL_MAX, "%s%s%s", out[0] ? " " : "", s, unit);
}

static void
describe(const json_t *o, char out[CELL_MAX])
{
	out[0] = '\0';
	add_number(out, o, "width", " ");
	add_number(out, o, "height", "x");
	add_word(out, o, "pix_fmt", "");
	add_word(out, o, "frame_rate", " fps");
	add_word(out, o, "field_order", "");
	add_word(out, o, "color_primaries", "");
	add_word(out, o, "color_transfer", "");
	if (json_object_get(o, "sample_rate")) {
		add_number(out, o, "sample_rate", " ");
		str_printf(out, CELL_MAX, " Hz");
		add_number(out, o, "channels", " ");
		str_printf(out, CELL_MAX, " ch");
	}
	add_word(out, o, "channel_layout", "");
	add_word(out, o, "compression", "");
}

static void
streams_print(const json_t *list)
{
	struct table *t = table_new(columns, COLUMNS, text_columns());
	char no[24], format[CELL_MAX];
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o)
	{
		const char *cells[COLUMNS] = { no,
					       word(o, "type"),
					       word(o, "codec"),
					       word(o, "profile"),
					       word(o, "language"),
					       format };

		snprintf(no, sizeof(no), "%zu", i);
		describe(o, format);
		table_add(t, cells);
	}
	if (table_rows(t) > 0) {
		putchar('\n');
		table_print(t);
	}
	table_free(t);
}

void
media_text_print(const json_t *media)
{
	const json_t *image = json_object_get(media, "image");
	char format[CELL_MAX];

	field("status", word(media, "status"));
	field("reason", word(media, "reason"));
	field("type", word(media, "mime"));
	field("container", word(media, "container"));
	number_field(media, "duration", "duration", "s");
	number_field(media, "bit_rate", "bit rate", "bit/s");
	field("time code", word(media, "timecode"));
	field("thumbnail", word(media, "thumbnail"));
	if (image) {
		describe(image, format);
		field("image", format);
	}
	streams_print(json_object_get(media, "streams"));
}
