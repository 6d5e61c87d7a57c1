/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/cond.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/mem.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* By hand, as strftime() and strptime() speak the locale's language. */
void
http_date(int64_t t, char out[HTTP_DATE_MAX])
{
	time_t when = (time_t)t;
	struct tm tm;

	if (t < 0 || t > 253402300799 || !gmtime_r(&when, &tm)) {
		when = 0;
		gmtime_r(&when, &tm);
	}
	out[0] = '\0';
	str_printf(out, HTTP_DATE_MAX,
		   "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
		   days + (ptrdiff_t)3 * tm.tm_wday, tm.tm_mday,
		   months + (ptrdiff_t)3 * tm.tm_mon, tm.tm_year + 1900,
		   tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static bool
digits(const char *s, size_t n, int *out)
{
	*out = 0;
	for (; n > 0; n--, s++) {
		if (*s < '0' || *s > '9')
			return false;
		*out = *out * 10 + (*s - '0');
	}
	return true;
}

static bool
month(const char *s, int *out)
{
	for (*out = 0; *out < 12; (*out)++)
		if (memcmp(months + (ptrdiff_t)3 * *out, s, 3) == 0)
			return true;
	return false;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", apart from what its digits say. */
static bool
date_formed(const char *s)
{
	static const char form[] = "???, ?? ??? ???? ??:??:?? GMT";
	size_t i;

	for (i = 0; form[i]; i++)
		if (s[i] == '\0' || (form[i] != '?' && form[i] != s[i]))
			return false;
	return s[i] == '\0';
}

static bool
date_in_range(const struct tm *tm)
{
	return tm->tm_mday >= 1 && tm->tm_mday <= 31 && tm->tm_hour <= 23 &&
	       tm->tm_min <= 59 && tm->tm_sec <= 60 && tm->tm_year >= 1970;
}

bool
http_date_parse(const char *s, int64_t *out)
{
	struct tm tm = { .tm_isdst = 0 };

	if (!date_formed(s) || !digits(s + 5, 2, &tm.tm_mday) ||
	    !month(s + 8, &tm.tm_mon) || !digits(s + 12, 4, &tm.tm_year) ||
	    !digits(s + 17, 2, &tm.tm_hour) || !digits(s + 20, 2, &tm.tm_min) ||
	    !digits(s + 23, 2, &tm.tm_sec) || !date_in_range(&tm))
		return false;
	tm.tm_year -= 1900;
	*out = (int64_t)timegm(&tm);
	return true;
}

bool
http_etag_listed(const char *list, const char *etag, bool weak)
{
	size_t n, len = strlen(etag);
	bool is_weak;

	if (strcmp(list, "*") == 0)
		return true;
	while (*(list += strspn(list, ", \t"))) {
		is_weak = strncmp(list, "W/", 2) == 0;
		list += is_weak ? 2 : 0;
		if (*list != '"')
			return false;
		list++;
		n = strcspn(list, "\"");
		if (list[n] != '"')
			return false;
		if (len > 0 && n == len && memcmp(list, etag, n) == 0 &&
		    (weak || !is_weak))
			return true;
		list += n + 1;
	}
	return false;
}

static bool
modified_since(const char *date, int64_t mtime)
{
	int64_t t;

	return !http_date_parse(date, &t) || mtime > t;
}

/* If-Match, and If-Unmodified-Since where that is not there. */
static bool
is_expected(const struct http_head *h, const struct http_subject *s)
{
	const char *match = http_head_get(h, "if-match");
	const char *date = http_head_get(h, "if-unmodified-since");
	int64_t t;

	if (match)
		return s->exists && http_etag_listed(match, s->etag, false);
	if (date && http_date_parse(date, &t))
		return s->exists && s->mtime <= t;
	return true;
}

/* If-None-Match, and If-Modified-Since where that is not there. */
static bool
is_known(const struct http_head *h, const struct http_subject *s, bool reads)
{
	const char *none = http_head_get(h, "if-none-match");
	const char *date = http_head_get(h, "if-modified-since");

	if (!s->exists)
		return false;
	if (none)
		return http_etag_listed(none, s->etag, true);
	return date && reads && !modified_since(date, s->mtime);
}

int
http_conditions(const struct http_head *h, const struct http_subject *s)
{
	bool reads = h->method == HTTP_GET || h->method == HTTP_HEAD;

	if (!is_expected(h, s))
		return 412;
	if (is_known(h, s, reads))
		return reads ? 304 : 412;
	return 0;
}

/* If-Range: the whole is sent unless it names exactly what is there. */
static bool
range_applies(const struct http_head *h, const struct http_subject *s)
{
	const char *cond = http_head_get(h, "if-range");
	int64_t t;

	if (!cond)
		return true;
	if (*cond == '"')
		return http_etag_listed(cond, s->etag, false);
	return http_date_parse(cond, &t) && s->mtime == t;
}

/* A number of at most 18 digits up to `end`; false: it is none. */
static bool
position(const char *s, size_t n, uint64_t *out)
{
	char text[20];

	if (n == 0 || n > 18)
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	return http_number(text, out);
}

/* "-500": so many bytes from the end. */
static int
suffix(const char *text, uint64_t size, uint64_t *first)
{
	uint64_t n;

	if (!position(text, strlen(text), &n))
		return 200;
	if (n == 0 || size == 0)
		return 416;
	*first = n < size ? size - n : 0;
	return 206;
}

/* "5-9" and "5-". What is not understood is as if it were not there. */
static int
interval(const char *text, uint64_t size, uint64_t *first, uint64_t *last)
{
	const char *dash = strchr(text, '-');
	uint64_t from, to = UINT64_MAX;

	if (!dash || !position(text, (size_t)(dash - text), &from))
		return 200;
	if (dash[1] && !position(dash + 1, strlen(dash + 1), &to))
		return 200;
	if (to < from)
		return 200;
	if (from >= size)
		return 416;
	*first = from;
	if (to < size)
		*last = to;
	return 206;
}

int
http_range(const struct http_head *h, const struct http_subject *s,
	   uint64_t size, uint64_t *first, uint64_t *last)
{
	const char *range = http_head_get(h, "range");

	*first = 0;
	*last = size > 0 ? size - 1 : 0;
	/* Several ranges at once may be answered with the whole. */
	if (!range || h->method != HTTP_GET || !range_applies(h, s) ||
	    strncasecmp(range, "bytes=", 6) != 0 || strchr(range, ','))
		return 200;
	range += 6;
	if (*range == '-')
		return suffix(range + 1, size, first);
	return interval(range, size, first, last);
}
