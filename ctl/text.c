/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "lib/mem.h"

#define SECOND 1000ll
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define COLUMNS_MIN 40 /* narrower lines are worse than long ones */

static const struct unit {
	char name;
	int64_t ms;
} units[] = { { 'd', DAY }, { 'h', HOUR }, { 'm', MINUTE }, { 's', SECOND } };
#define UNITS (sizeof(units) / sizeof(units[0]))

const char *
text_size(uint64_t bytes, char out[TEXT_MAX])
{
	static const char names[] = "KMGTPE";
	uint64_t tenths;
	unsigned shift = 10;
	size_t i = 0;

	if (bytes < 1000) {
		snprintf(out, TEXT_MAX, "%u", (unsigned)bytes);
		return out;
	}
	/* A thousand and more of a unit goes to the next one: "1.0M". */
	while (i < sizeof(names) - 2 && bytes >> shift >= 1000) {
		shift += 10;
		i++;
	}
	tenths = (bytes >> (shift - 10)) * 10 / 1024;
	if (tenths < 100)
		snprintf(out, TEXT_MAX, "%u.%u%c", (unsigned)(tenths / 10),
			 (unsigned)(tenths % 10), names[i]);
	else
		snprintf(out, TEXT_MAX, "%u%c", (unsigned)(tenths / 10),
			 names[i]);
	return out;
}

/* The largest unit of which there is one; the last at least. */
static size_t
largest(int64_t ms)
{
	size_t i = 0;

	while (i + 1 < UNITS && ms < units[i].ms)
		i++;
	return i;
}

const char *
text_age(int64_t ms, char out[TEXT_MAX])
{
	size_t i;

	if (ms < 0)
		ms = 0;
	i = largest(ms);
	snprintf(out, TEXT_MAX, "%lld%c", (long long)(ms / units[i].ms),
		 units[i].name);
	return out;
}

const char *
text_duration(int64_t ms, char out[TEXT_MAX])
{
	size_t i = largest(ms < 0 ? 0 : ms);

	text_age(ms, out);
	if (i + 1 < UNITS && ms >= 0)
		str_printf(out + strlen(out), TEXT_MAX - strlen(out), " %lld%c",
			   (long long)(ms % units[i].ms / units[i + 1].ms),
			   units[i + 1].name);
	return out;
}

const char *
text_when(int64_t unix_ms, char out[TEXT_MAX])
{
	time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (unix_ms == 0 || localtime_r(&t, &tm) == NULL ||
	    strftime(out, TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		strcpy(out, "-");
	return out;
}

/* Names. */

/* One character: its bytes (at least 1) and, when it can be shown, wc. */
static size_t
next_char(const char *s, wchar_t *wc)
{
	mbstate_t state = { 0 };
	size_t n = mbrtowc(wc, s, strlen(s), &state);

	if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
		*wc = L'\0';
		return 1;
	}
	if (!iswprint((wint_t)*wc) || wcwidth(*wc) < 1)
		*wc = L'\0';
	return n;
}

char *
text_safe(const char *s)
{
	char *out = mem_alloc(strlen(s) + 1), *p = out;
	wchar_t wc;
	size_t n;

	for (; *s != '\0'; s += n) {
		n = next_char(s, &wc);
		if (wc == L'\0') {
			*p++ = '?';
			continue;
		}
		memcpy(p, s, n);
		p += n;
	}
	return out;
}

size_t
text_width(const char *s)
{
	size_t width = 0, n;
	wchar_t wc;

	for (; *s != '\0'; s += n) {
		n = next_char(s, &wc);
		width += wc == L'\0' ? 1 : (size_t)wcwidth(wc);
	}
	return width;
}

const char *
text_tail(const char *s, size_t columns)
{
	size_t width = text_width(s);
	wchar_t wc;

	while (width > columns) {
		size_t n = next_char(s, &wc);

		width -= wc == L'\0' ? 1 : (size_t)wcwidth(wc);
		s += n;
	}
	return s;
}

static size_t
columns_of(int fd)
{
	struct winsize ws;

	if (!isatty(fd))
		return 0;
	if (ioctl(fd, TIOCGWINSZ, &ws) != 0 || ws.ws_col == 0)
		return 80;
	return ws.ws_col;
}

size_t
text_columns(void)
{
	return columns_of(STDOUT_FILENO);
}

size_t
text_error_columns(void)
{
	return columns_of(STDERR_FILENO);
}

/* The bytes of s that go on a line of so many columns: one word at least. */
static size_t
line_len(const char *s, size_t columns)
{
	size_t n = 0, width = 0, at = 0, chars;
	wchar_t wc;

	while (s[at] != '\0') {
		if (s[at] == ' ')
			n = at;
		chars = next_char(s + at, &wc);
		width += wc == L'\0' ? 1 : (size_t)wcwidth(wc);
		at += chars;
		if (width > columns && n > 0)
			return n;
	}
	return at;
}

void
text_wrap(FILE *out, const char *s, size_t indent, size_t columns)
{
	char *safe = text_safe(s), *at = safe;
	size_t n;

	if (columns > 0 && columns < COLUMNS_MIN)
		columns = COLUMNS_MIN;
	do {
		n = columns > 0 ? line_len(at, columns - indent) : strlen(at);
		fprintf(out, "%.*s\n", (int)n, at);
		at += n + strspn(at + n, " ");
		if (*at != '\0')
			fprintf(out, "%*s", (int)indent, "");
	} while (*at != '\0');
	free(safe);
}
