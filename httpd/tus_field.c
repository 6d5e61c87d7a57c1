/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/tus_field.h"

#include <string.h>

#include "lib/id.h"

#define VALUE_MAX 8192 /* bytes, encoded: a head's target is no longer */

/* One "key value" up to a comma; the next one's begin, or NULL at the end. */
static const char *
next_pair(const char *p, size_t *key, const char **value, size_t *len)
{
	size_t n = strcspn(p, ",");
	const char *end = p + n;

	while (end > p && end[-1] == ' ')
		end--;
	*key = strcspn(p, " ,");
	*value = p + *key;
	while (*value < end && **value == ' ')
		(*value)++;
	*len = *value < end ? (size_t)(end - *value) : 0;
	if (p[n] == '\0')
		return NULL;
	p += n + 1;
	return p + strspn(p, " ");
}

static bool
decode(const char *value, size_t len, char *out, size_t size)
{
	char bytes[3 * (VALUE_MAX / 4) + 3];
	long n;

	if (len > VALUE_MAX)
		return false;
	n = base64_decode(value, len, bytes);
	if (n < 0 || memchr(bytes, '\0', (size_t)n) || (size_t)n >= size)
		return false;
	memcpy(out, bytes, (size_t)n);
	out[n] = '\0';
	return true;
}

bool
tus_metadata(const char *field, const char *key, char *out, size_t size)
{
	size_t n, len;
	const char *value, *next;

	for (; field && *field; field = next) {
		next = next_pair(field, &n, &value, &len);
		if (n == strlen(key) && strncmp(field, key, n) == 0)
			return decode(value, len, out, size);
	}
	return false;
}

bool
tus_metadata_valid(const char *field)
{
	static char scratch[3 * (VALUE_MAX / 4) + 3];
	size_t n, len;
	const char *value, *next;

	for (; field; field = next) {
		next = next_pair(field, &n, &value, &len);
		if (n == 0 || len > VALUE_MAX ||
		    base64_decode(value, len, scratch) < 0)
			return false;
	}
	return true;
}

bool
tus_checksum(const char *field, struct tus_checksum *out)
{
	static const struct {
		const char *name;
		enum tus_algorithm algorithm;
		size_t len;
	} known[] = { { "sha1 ", TUS_SHA1, 20 },
		      { "sha256 ", TUS_SHA256, 32 },
		      { "crc32c ", TUS_CRC32C, 4 } };
	unsigned char bytes[3 * (64 / 4)];
	size_t i, n, len;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
		n = strlen(known[i].name);
		if (strncmp(field, known[i].name, n) != 0)
			continue;
		len = strlen(field + n);
		if (len > 64 ||
		    base64_decode(field + n, len, bytes) != (long)known[i].len)
			return false;
		out->algorithm = known[i].algorithm;
		out->len = known[i].len;
		memcpy(out->digest, bytes, out->len);
		return true;
	}
	return false;
}
