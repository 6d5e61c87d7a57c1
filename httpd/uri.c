/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/uri.h"

#include <string.h>

#include "lib/id.h"
#include "lib/mem.h"

/* The byte that p stands for, and how many characters it takes; 0: wrong. */
static size_t
unescape(const char *p, unsigned char *out)
{
	if (*p != '%') {
		*out = (unsigned char)*p;
		return 1;
	}
	if (!p[1] || !p[2] || hex_decode(p + 1, 2, out) != 0 || *out == '/' ||
	    *out == '\0')
		return 0;
	return 3;
}

static bool
component_valid(const char *s, size_t n)
{
	return n > 0 && !(n == 1 && s[0] == '.') &&
	       !(n == 2 && s[0] == '.' && s[1] == '.');
}

/* Each component between slashes; an empty one may only be the last. */
static bool
components_valid(const char *path)
{
	size_t n;

	for (path++; *path; path += n) {
		n = strcspn(path, "/");
		if (!component_valid(path, n))
			return false;
		n += path[n] == '/';
	}
	return true;
}

bool
http_path(const char *target, const char *prefix, struct http_path *out)
{
	size_t n = strlen(prefix), len = 0, step;
	unsigned char byte;
	const char *p;

	if (strncmp(target, prefix, n) != 0)
		return false;
	*out = (struct http_path){ .valid = true };
	out->text[len++] = '/';
	for (p = target + n; *p && *p != '?'; p += step) {
		step = unescape(p, &byte);
		if (step == 0 || len >= JOURNAL_PATH_MAX) {
			out->valid = false;
			return true;
		}
		out->text[len++] = (char)byte;
	}
	out->text[len] = '\0';
	out->valid = components_valid(out->text);
	out->folder = out->text[len - 1] == '/';
	return true;
}

bool
http_path_join(struct http_path *out, const char *folder, const char *name)
{
	size_t n = strlen(folder);
	const char *slash = n > 0 && folder[n - 1] == '/' ? "" : "/";

	*out = (struct http_path){ .valid = true };
	if (str_printf(out->text, sizeof(out->text), "%s%s%s", folder, slash,
		       name) != 0 ||
	    !components_valid(out->text))
		out->valid = false;
	out->folder = out->text[strlen(out->text) - 1] == '/';
	return out->valid && !out->folder;
}

bool
http_query(const char *target, const char *key, char *out, size_t size)
{
	size_t n, len = strlen(key);
	const char *p = strchr(target, '?');

	while (p && *p) {
		p++;
		n = strcspn(p, "&");
		if (n > len && strncmp(p, key, len) == 0 && p[len] == '=') {
			n -= len + 1;
			if (n >= size)
				return false;
			memcpy(out, p + len + 1, n);
			out[n] = '\0';
			return true;
		}
		p = strchr(p, '&');
	}
	return false;
}

/* RFC 3986: unreserved characters, and those that a path may have besides. */
static bool
is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("-._~/@:!$'()*,=", c));
}

void
http_path_add(struct buf *b, const char *path)
{
	for (; *path; path++) {
		if (is_plain((unsigned char)*path))
			buf_add_u8(b, (unsigned char)*path);
		else
			buf_printf(b, "%%%02X", (unsigned char)*path);
	}
}
