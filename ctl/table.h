/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table for a terminal: columns as wide as they need, two spaces between
 * them. The last column may be cut at its start so that a line fits the
 * terminal. Cells are made safe to show.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS_MAX 12

struct table;

struct table_column {
	const char *title;
	bool right; /* numbers */
	size_t min; /* at least so wide */
};

/* columns: a line's width, or 0 for any. columns and n are borrowed. */
struct table *table_new(const struct table_column *cols, size_t n,
			size_t columns);
/* Copies n cells; NULL is an empty one. */
void table_add(struct table *t, const char *const *cells);
size_t table_rows(const struct table *t); /* not printed yet */
/* Prints what was added to stdout, the titles before the first of all. */
void table_print(struct table *t);
void table_free(struct table *t);

#endif
