/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/users_text.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/mem.h"

/* A line without the white space around it; next is the one behind. */
struct line {
	const char *start, *text, *next;
	size_t len; /* of text */
};

static bool
next_line(const char *at, struct line *l)
{
	const char *end;

	if (*at == '\0')
		return false;
	end = at + strcspn(at, "\n");
	l->start = at;
	l->next = *end == '\n' ? end + 1 : end;
	while (at < end && isspace((unsigned char)*at))
		at++;
	while (end > at && isspace((unsigned char)end[-1]))
		end--;
	l->text = at;
	l->len = (size_t)(end - at);
	return true;
}

static bool
is_header(const struct line *l)
{
	return l->len >= 2 && l->text[0] == '[' && l->text[l->len - 1] == ']';
}

static bool
is_header_of(const struct line *l, const char *name)
{
	const char *at = l->text + 1, *end = l->text + l->len - 1;

	if (!is_header(l))
		return false;
	while (at < end && isspace((unsigned char)*at))
		at++;
	while (end > at && isspace((unsigned char)end[-1]))
		end--;
	return strlen(name) == (size_t)(end - at) &&
	       memcmp(at, name, (size_t)(end - at)) == 0;
}

static bool
is_comment(const struct line *l)
{
	return l->len == 0 || l->text[0] == '#' || l->text[0] == ';';
}

/* Keys are the same in upper and lower case. */
static bool
is_key(const struct line *l, const char *key)
{
	size_t n = strlen(key), i;

	if (is_comment(l) || l->len <= n || strncasecmp(l->text, key, n) != 0)
		return false;
	for (i = n; i < l->len && isspace((unsigned char)l->text[i]); i++)
		;
	return i < l->len && l->text[i] == '=';
}

static bool
find_section(const char *text, const char *name, struct line *l)
{
	for (; next_line(text, l); text = l->next)
		if (is_header_of(l, name))
			return true;
	return false;
}

bool
users_text_has(const char *text, const char *name)
{
	struct line l;

	return find_section(text, name, &l);
}

/* The text so far, ended by a newline. */
static void
add_part(struct buf *out, const char *text, size_t n)
{
	buf_add(out, text, n);
	if (n > 0 && text[n - 1] != '\n')
		buf_add_text(out, "\n");
}

/*
 * Quotes keep ; and # from being taken for a comment. A value with a quote in
 * it, as a key's from="...", is written as it is.
 */
static void
add_line(struct buf *out, const char *key, const char *value)
{
	bool quote = strpbrk(value, ";#") != NULL && !strchr(value, '"');

	buf_printf(out, "%s = %s%s%s\n", key, quote ? "\"" : "", value,
		   quote ? "\"" : "");
}

static char *
finish(struct buf *out)
{
	char *text = mem_strdup(buf_cstr(out));

	mem_wipe(out->data, out->size);
	buf_free(out);
	return text;
}

char *
users_text_add(const char *text, const char *name,
	       const struct users_line *lines, size_t n)
{
	struct buf out;
	size_t i;

	buf_init(&out, SIZE_MAX / 2);
	add_part(&out, text, strlen(text));
	buf_printf(&out, "%s[%s]\n", *text != '\0' ? "\n" : "", name);
	for (i = 0; i < n; i++)
		if (lines[i].value != NULL)
			add_line(&out, lines[i].key, lines[i].value);
	return finish(&out);
}

/*
 * Where the key's line is (l), or where it would go: behind the header or the
 * last key, in front of the comments that lead over to the next section.
 */
static bool
find_key(const char *from, const char *key, struct line *l, const char **place)
{
	*place = from;
	for (; next_line(from, l) && !is_header(l); from = l->next) {
		if (is_key(l, key))
			return true;
		if (!is_comment(l))
			*place = l->next;
	}
	return false;
}

char *
users_text_set(const char *text, const char *name, const char *key,
	       const char *value)
{
	const char *place, *rest;
	struct line l;
	struct buf out;

	if (!find_section(text, name, &l))
		return NULL;
	if (find_key(l.next, key, &l, &place)) {
		place = l.start;
		rest = l.next;
	} else {
		rest = place;
	}
	buf_init(&out, SIZE_MAX / 2);
	add_part(&out, text, (size_t)(place - text));
	add_line(&out, key, value);
	buf_add_text(&out, rest);
	return finish(&out);
}
