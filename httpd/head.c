/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/head.h"

#include <string.h>
#include <strings.h>

/* RFC 9110 section 5.6.2 */
static bool
is_token(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool
http_number(const char *s, uint64_t *out)
{
	uint64_t n = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		if (n > (INT64_MAX - (uint64_t)(*s - '0')) / 10)
			return false;
		n = n * 10 + (uint64_t)(*s - '0');
	}
	*out = n;
	return true;
}

size_t
http_head_find(const char *p, size_t n, size_t *scan, int *status)
{
	size_t i, begin;

	*status = 0;
	for (begin = 0;
	     begin + 1 < n && p[begin] == '\r' && p[begin + 1] == '\n';)
		begin += 2;
	for (i = *scan > begin ? *scan : begin; i < n; i++) {
		if (p[i] != '\n')
			continue;
		if (i == 0 || p[i - 1] != '\r') {
			*status = 400;
			return 0;
		}
		if (i < begin + 3 || p[i - 2] != '\n')
			continue;
		*status = i >= HTTP_HEAD_MAX ? 431 : 0;
		return *status ? 0 : i + 1;
	}
	*scan = n;
	if (n >= HTTP_HEAD_MAX)
		*status = memchr(p + begin, '\n', n - begin) ? 431 : 414;
	return 0;
}

static enum http_method
method_of(const char *name)
{
	static const char *const names[] = { "GET",    "HEAD",	"PUT",
					     "POST",   "PATCH", "DELETE",
					     "OPTIONS" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i], name) == 0)
			return (enum http_method)i;
	return HTTP_OTHER;
}

/* The absolute form, which every server must take (RFC 9112 section 3.2.2). */
static char *
strip_authority(char *target)
{
	char *p;

	if (strncasecmp(target, "http://", 7) == 0)
		p = target + 7;
	else if (strncasecmp(target, "https://", 8) == 0)
		p = target + 8;
	else
		return target;
	p += strcspn(p, "/?");
	return *p == '/' ? p : NULL;
}

static int
parse_version(const char *s, struct http_head *out)
{
	if (strcmp(s, "HTTP/1.1") == 0)
		return 0;
	if (strcmp(s, "HTTP/1.0") == 0) {
		out->http10 = true;
		return 0;
	}
	return strncmp(s, "HTTP/", 5) == 0 && s[5] >= '0' && s[5] <= '9' &&
			       s[6] == '.' && s[7] >= '0' && s[7] <= '9' &&
			       s[8] == '\0'
		       ? 505
		       : 400;
}

static bool
target_valid(const struct http_head *h)
{
	const unsigned char *p = (const unsigned char *)h->target;

	if (strcmp(h->target, "*") == 0)
		return h->method == HTTP_OPTIONS;
	if (*p != '/')
		return false;
	for (; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("#<>\"\\^`{|}", *p))
			return false;
	return true;
}

static int
parse_request_line(char *line, struct http_head *out)
{
	char *method = line, *target, *version;
	size_t i;

	target = strchr(line, ' ');
	if (!target || target == line)
		return 400;
	*target++ = '\0';
	for (i = 0; method[i]; i++)
		if (!is_token((unsigned char)method[i]))
			return 400;
	version = strchr(target, ' ');
	if (!version || version == target)
		return 400;
	*version++ = '\0';
	if (strlen(target) > HTTP_TARGET_MAX)
		return 414;
	out->method_name = method;
	out->method = method_of(method);
	out->target = strip_authority(target);
	if (!out->target || !target_valid(out))
		return 400;
	return parse_version(version, out);
}

static int
parse_field(char *line, struct http_head *out)
{
	struct http_field *f;
	char *p = line, *end;

	if (out->nfields == HTTP_FIELDS_MAX)
		return 431;
	for (; is_token((unsigned char)*p); p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	if (p == line || *p != ':')
		return 400;
	*p++ = '\0';
	p += strspn(p, " \t");
	f = &out->fields[out->nfields++];
	f->name = line;
	f->value = p;
	end = p + strlen(p);
	while (end > p && is_blank(end[-1]))
		*--end = '\0';
	for (; *p; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return 400;
	return 0;
}

const char *
http_head_get(const struct http_head *h, const char *name)
{
	size_t i;

	for (i = 0; i < h->nfields; i++)
		if (strcmp(h->fields[i].name, name) == 0)
			return h->fields[i].value;
	return NULL;
}

bool
http_head_repeats(const struct http_head *h, const char *name)
{
	size_t i, n = 0;

	for (i = 0; i < h->nfields; i++)
		n += strcmp(h->fields[i].name, name) == 0;
	return n > 1;
}

bool
http_list_has(const char *list, const char *token)
{
	size_t n, len = strlen(token);

	while (*(list += strspn(list, ", \t"))) {
		n = strcspn(list, ", \t");
		if (n == len && strncasecmp(list, token, n) == 0)
			return true;
		list += n;
	}
	return false;
}

/* RFC 9112 section 6: how the body is framed, when there is no doubt. */
static int
parse_framing(struct http_head *h)
{
	const char *coding = http_head_get(h, "transfer-encoding");
	const char *length = http_head_get(h, "content-length");

	if (http_head_repeats(h, "content-length") ||
	    http_head_repeats(h, "transfer-encoding") || (coding && length))
		return 400;
	if (coding && h->http10)
		return 400;
	if (coding && strcasecmp(coding, "chunked") != 0)
		return 501;
	if (coding)
		h->body = HTTP_BODY_CHUNKED;
	if (length && !http_number(length, &h->length))
		return 400;
	if (length && h->length > 0)
		h->body = HTTP_BODY_LENGTH;
	return 0;
}

static int
parse_connection(struct http_head *h)
{
	const char *expect = http_head_get(h, "expect");
	bool keep = false;
	size_t i;

	h->close = false;
	for (i = 0; i < h->nfields; i++) {
		if (strcmp(h->fields[i].name, "connection") != 0)
			continue;
		h->close |= http_list_has(h->fields[i].value, "close");
		keep |= http_list_has(h->fields[i].value, "keep-alive");
	}
	if (h->http10 && !keep)
		h->close = true;
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return 417;
	h->expects = expect && !h->http10 && h->body != HTTP_BODY_NONE;
	return 0;
}

static int
check_fields(struct http_head *h)
{
	const char *host = http_head_get(h, "host");
	int status;

	if ((!host && !h->http10) || http_head_repeats(h, "host"))
		return 400;
	if (host && host[strspn(host, "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.:[]_~%-")] != '\0')
		return 400;
	if (http_head_repeats(h, "authorization") ||
	    http_head_repeats(h, "expect") || http_head_repeats(h, "range"))
		return 400;
	status = parse_framing(h);
	return status ? status : parse_connection(h);
}

int
http_head_parse(char *p, size_t n, struct http_head *out)
{
	char *end = p + n, *eol;
	bool first = true;
	int status = 0;

	memset(out, 0, sizeof(*out));
	if (memchr(p, '\0', n))
		return 400;
	while (n >= 2 && p[0] == '\r' && p[1] == '\n') {
		p += 2;
		n -= 2;
	}
	for (; p < end && !status; p = eol + 2) {
		eol = memchr(p, '\r', (size_t)(end - p));
		if (!eol || eol + 1 == end || eol[1] != '\n')
			return 400;
		*eol = '\0';
		if (eol == p)
			break;
		/* A line that begins with a blank would go on with the last. */
		status = first ? parse_request_line(p, out)
			       : parse_field(p, out);
		first = false;
	}
	if (status)
		return status;
	return first ? 400 : check_fields(out);
}
