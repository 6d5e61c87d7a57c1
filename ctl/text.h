/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, times and names as people read them on a terminal. */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TEXT_MAX 64 /* what the functions below write, with the NUL */

/* "0", "999", "1.0K", "17M": powers of 1024, at most 5 characters. */
const char *text_size(uint64_t bytes, char out[TEXT_MAX]);
/* "0s", "59s", "3m", "2h", "4d": the largest unit, rounded down. */
const char *text_age(int64_t ms, char out[TEXT_MAX]);
/* "3d 4h", "5m 12s": the two largest units. */
const char *text_duration(int64_t ms, char out[TEXT_MAX]);
/* "2026-01-31 12:00:00" in local time; "-" for 0. */
const char *text_when(int64_t unix_ms, char out[TEXT_MAX]);

/*
 * A copy in which everything that a terminal might act on, or cannot show, is
 * '?'. The caller frees it.
 */
char *text_safe(const char *s);
/* Columns that a safe text takes on the terminal. */
size_t text_width(const char *s);
/* The rest of s that fits into so many columns, where its start is left out. */
const char *text_tail(const char *s, size_t columns);

/* The terminal's width, or 0 when stdout is none. */
size_t text_columns(void);
size_t text_error_columns(void); /* the same of stderr */

/*
 * Prints s, made safe, in lines of so many columns (0: in one), all but the
 * first indented; a word is never cut.
 */
void text_wrap(FILE *out, const char *s, size_t indent, size_t columns);

#endif
