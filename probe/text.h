/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that a file holds, as JSON: what is not UTF-8 becomes U+FFFD, control
 * characters go, and nothing is longer than TEXT_MAX bytes.
 */
#ifndef PROBE_TEXT_H
#define PROBE_TEXT_H

#include <jansson.h>
#include <stddef.h>

#define TEXT_MAX 256

/* A JSON string of the n bytes at s, or of those before the first NUL. */
json_t *text_json(const char *s, size_t n);

/* Sets o's key to such a string; not at all when s is NULL or empty. */
void text_set(json_t *o, const char *key, const char *s);

#endif
