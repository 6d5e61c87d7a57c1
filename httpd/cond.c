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

bool
http_date_parse(const char *s, int64_t *out)
{
	static const char form[] = "???, ## ??? #### ##:##:## GMT";
	struct tm tm = { .tm_isdst = 0 };
	size_t i;

	if (strlen(s) != sizeof(form) - 1)
		return false;
	for (i = 0; form[i]; i++)
		if (form[i] != '?' && form[i] != '#' && form[i] != s[i])
			return false;
	if (!digits(s + 5, 2, &tm.tm_mday) || !month(s + 8, &tm.tm_mon) ||
	    !digits(s + 12, 4, &tm.tm_year) ||
	    !digits(s + 17, 2, &tm.tm_hour) || !digits(s + 20, 2, &tm.tm_min) ||
	    !digits(s + 23, 2, &tm.tm_sec))
		return false;
	if (tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60 || tm.tm_year < 1970)
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

int
http_conditions(const struct http_head *h, const struct http_subject *s)
{
	const char *match = http_head_get(h, "if-match");
	const char *none = http_head_get(h, "if-none-match");
	const char *modified = http_head_get(h, "if-modified-since");
	const char *unmodified = http_head_get(h, "if-unmodified-since");
	bool reads = h->method == HTTP_GET || h->method == HTTP_HEAD;
	int64_t t;

	if (match) {
		if (!s->exists || !http_etag_listed(match, s->etag, false))
			return 412;
	} else if (unmodified && http_date_parse(unmodified, &t)) {
		if (!s->exists || s->mtime > t)
			return 412;
	}
	if (none) {
		if (s->exists && http_etag_listed(none, s->etag, true))
			return reads ? 304 : 412;
	} else if (modified && reads && s->exists &&
		   !modified_since(modified, s->mtime)) {
		return 304;
	}
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

int
http_range(const struct http_head *h, const struct http_subject *s,
	   uint64_t size, uint64_t *first, uint64_t *last)
{
	const char *range = http_head_get(h, "range"), *dash;
	bool to_end;

	*first = 0;
	*last = size > 0 ? size - 1 : 0;
	/* Several ranges at once may be answered with the whole. */
	if (!range || h->method != HTTP_GET || !range_applies(h, s) ||
	    strncasecmp(range, "bytes=", 6) != 0 || strchr(range, ','))
		return 200;
	range += 6;
	dash = strchr(range, '-');
	if (!dash)
		return 200;
	to_end = dash[1] == '\0';
	if (dash == range) {
		uint64_t n;

		if (!position(dash + 1, strlen(dash + 1), &n))
			return 200;
		if (n == 0 || size == 0)
			return 416;
		*first = n < size ? size - n : 0;
		return 206;
	}
	if (!position(range, (size_t)(dash - range), first) ||
	    (!to_end && !position(dash + 1, strlen(dash + 1), last)) ||
	    (!to_end && *last < *first)) {
		*first = 0;
		*last = size > 0 ? size - 1 : 0;
		return 200;
	}
	if (*first >= size)
		return 416;
	if (*last >= size)
		*last = size - 1;
	return 206;
}
