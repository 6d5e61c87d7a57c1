/* SPDX-License-Identifier: Apache-2.0 */
/* Targets, paths in them, and how paths are written into Location. Pure. */
#ifndef HTTPD_URI_H
#define HTTPD_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/names.h"
#include "lib/buf.h"

/*
 * Decodes the path of a target below prefix ("/files/"): "a%20b" becomes
 * "/a b". False: not below it. *valid is false for what is no name here: wrong
 * escapes, an encoded slash or NUL, "." and ".." components, empty ones except
 * at the end, too long. *folder: it ended in a slash.
 */
struct http_path {
	char text[JOURNAL_PATH_MAX + 1];
	bool valid, folder;
};
bool http_path(const char *target, const char *prefix, struct http_path *out);

/*
 * The path of a name within a folder, both not encoded; false: no name here.
 * name may have folders in it.
 */
bool http_path_join(struct http_path *out, const char *folder,
		    const char *name);

/* One value of the query, not decoded: false: it is not there, or too long. */
bool http_query(const char *target, const char *key, char *out, size_t size);

/* Appends a path with what must be escaped escaped; slashes stay. */
void http_path_add(struct buf *b, const char *path);

#endif
