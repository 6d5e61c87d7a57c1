/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/text.h"
#include "lib/mem.h"

#define GAP 2	    /* spaces between columns */
#define LAST_MIN 12 /* the last column is not cut below this */

struct table {
	const struct table_column *cols;
	size_t ncols, columns;
	size_t width[TABLE_COLUMNS_MAX]; /* grows only */
	char **cells;
	size_t ncells;
	bool titled;
};

struct table *
table_new(const struct table_column *cols, size_t n, size_t columns)
{
	struct table *t = mem_alloc(sizeof(*t));
	size_t i;

	assert(n > 0 && n <= TABLE_COLUMNS_MAX);
	t->cols = cols;
	t->ncols = n;
	t->columns = columns;
	for (i = 0; i < n; i++) {
		t->width[i] = strlen(cols[i].title);
		if (t->width[i] < cols[i].min)
			t->width[i] = cols[i].min;
	}
	return t;
}

void
table_add(struct table *t, const char *const *cells)
{
	size_t i, width;

	t->cells = mem_resize(t->cells,
			      (t->ncells + t->ncols) * sizeof(*t->cells));
	for (i = 0; i < t->ncols; i++) {
		char *cell = text_safe(cells[i] != NULL ? cells[i] : "");

		width = text_width(cell);
		if (width > t->width[i])
			t->width[i] = width;
		t->cells[t->ncells++] = cell;
	}
}

size_t
table_rows(const struct table *t)
{
	return t->ncells / t->ncols;
}

static void
spaces(size_t n)
{
	while (n-- > 0)
		putchar(' ');
}

/* Columns left for the last one; 0: as many as it wants. */
static size_t
last_width(const struct table *t)
{
	size_t i, used = 0;

	if (t->columns == 0)
		return 0;
	for (i = 0; i + 1 < t->ncols; i++)
		used += t->width[i] + GAP;
	if (used + LAST_MIN > t->columns)
		return LAST_MIN;
	return t->columns - used;
}

static void
print_last(const struct table *t, const char *cell)
{
	size_t max = last_width(t), width = text_width(cell);

	if (t->cols[t->ncols - 1].right) {
		spaces(t->width[t->ncols - 1] - width);
		fputs(cell, stdout);
	} else if (max == 0 || width <= max) {
		fputs(cell, stdout);
	} else {
		printf("...%s", text_tail(cell, max - 3));
	}
	putchar('\n');
}

/* No line ends in spaces. */
static bool
rest_empty(const struct table *t, const char *const *cells, size_t i)
{
	while (i < t->ncols && cells[i][0] == '\0')
		i++;
	return i == t->ncols;
}

static void
print_line(const struct table *t, const char *const *cells)
{
	size_t i, pad;

	for (i = 0; i + 1 < t->ncols; i++) {
		pad = t->width[i] - text_width(cells[i]);
		if (t->cols[i].right)
			spaces(pad);
		fputs(cells[i], stdout);
		if (!rest_empty(t, cells, i + 1))
			spaces(t->cols[i].right ? GAP : pad + GAP);
	}
	print_last(t, cells[t->ncols - 1]);
}

static void
forget_rows(struct table *t)
{
	size_t i;

	for (i = 0; i < t->ncells; i++)
		free(t->cells[i]);
	t->ncells = 0;
}

void
table_print(struct table *t)
{
	const char *titles[TABLE_COLUMNS_MAX];
	size_t i;

	assert(t->ncols > 0);
	for (i = 0; i < t->ncols; i++)
		titles[i] = t->cols[i].title;
	if (!t->titled && t->ncells > 0)
		print_line(t, titles);
	t->titled = t->titled || t->ncells > 0;
	for (i = 0; i < t->ncells; i += t->ncols)
		print_line(t, (const char *const *)&t->cells[i]);
	forget_rows(t);
}

void
table_free(struct table *t)
{
	forget_rows(t);
	free(t->cells);
	free(t);
}
