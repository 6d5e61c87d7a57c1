/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users.ini as text: changes to it that leave every other line as it is,
 * comments and order too. Pure functions; each gives a new text, which the
 * caller frees.
 */
#ifndef CTL_USERS_TEXT_H
#define CTL_USERS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct users_line {
	const char *key;
	const char *value; /* NULL: not written */
};

bool users_text_has(const char *text, const char *name);

/* Adds a section behind the last one. */
char *users_text_add(const char *text, const char *name,
		     const struct users_line *lines, size_t n);

/*
 * Sets one key of a section: in place where it is, else behind the section's
 * last key. NULL: no such section.
 */
char *users_text_set(const char *text, const char *name, const char *key,
		     const char *value);

#endif
