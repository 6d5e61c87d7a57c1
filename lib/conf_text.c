/* SPDX-License-Identifier: Apache-2.0 */
/* Text of several lines that a key names a file for. */
#include "lib/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* Bytes from 0x80 on are UTF-8, or the operator's affair. */
static bool
is_plain(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (((unsigned char)s[i] < ' ' && !strchr("\n\r\t", s[i])) ||
		    s[i] == 0x7f || s[i] == '\0')
			return false;
	return true;
}

char *
conf_text(struct conf *c, const char *section, const char *key, size_t max)
{
	const char *path = conf_str(c, section, key, NULL);
	char *text;
	FILE *f;
	size_t n;

	if (!path || !*path)
		return NULL;
	f = fopen(path, "re");
	if (!f) {
		conf_complain(c, section, key, "%s: %s", path, strerror(errno));
		return NULL;
	}
	text = mem_alloc(max + 2);
	n = fread(text, 1, max + 1, f);
	text[n] = '\0';
	if (ferror(f))
		conf_complain(c, section, key, "%s cannot be read", path);
	else if (n > max)
		conf_complain(c, section, key, "%s: expected at most %zu bytes",
			      path, max);
	else if (!is_plain(text, n))
		conf_complain(c, section, key,
			      "%s: expected text without control characters",
			      path);
	fclose(f);
	return text;
}
