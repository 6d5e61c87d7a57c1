/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths, keys and temporary names: pure functions. A path is what a client
 * says ("/show/x.mov"); a key is what the store holds ("ann/show/x.mov").
 */
#ifndef BRIDGE_NAMES_H
#define BRIDGE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/journal.h"
#include "bridge/store.h"
#include "lib/err.h"

/*
 * Makes an absolute, clean path of what a client sent, relative to cwd
 * ("/"-led). "." and empty components vanish, ".." goes up one, never above
 * "/". ERR_INVALID: not UTF-8, control bytes (DEL too), longer than the
 * maximum, or a component longer than 255 bytes.
 */
enum err names_path(const char *cwd, const char *in, size_t len,
		    char out[JOURNAL_PATH_MAX + 1]);

/* home ("" or "a/") + path without its leading slash. ERR_TOO_LARGE. */
enum err names_key(const char *home, const char *path,
		   char out[STORE_KEY_MAX + 1]);

/*
 * If the path's last component is a temporary name, gives the final path and
 * true. Patterns: "*.filepart", "*.<8hex>.partial", ".in.*.", ".in.*"
 * (lftp's), others by setting: one '*' stands for the final name, "<Nhex>"
 * for N hex digits.
 */
bool names_temporary(char *const *patterns, const char *path,
		     char final_path[JOURNAL_PATH_MAX + 1]);
bool names_pattern_valid(const char *pattern);

#endif
