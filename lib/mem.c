/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The log allocates nothing either, but it may be what failed: plain write. */
static _Noreturn void
out_of_memory(void)
{
	static const char text[] = "sluice: out of memory\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n;
	abort();
}

static void *
checked(void *p)
{
	if (!p)
		out_of_memory();
	return p;
}

void *
mem_alloc(size_t size)
{
	return mem_array(1, size);
}

void *
mem_array(size_t count, size_t size)
{
	/* calloc(0) may give NULL, which is not a failure. */
	if (count == 0 || size == 0)
		count = size = 1;
	return checked(calloc(count, size));
}

void *
mem_resize(void *p, size_t size)
{
	return checked(realloc(p, size ? size : 1));
}

char *
mem_strdup(const char *s)
{
	return s ? checked(strdup(s)) : NULL;
}

char *
mem_strndup(const char *s, size_t n)
{
	return s ? checked(strndup(s, n)) : NULL;
}

char *
mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	return s;
}

void
mem_wipe(void *p, size_t size)
{
	if (p)
		explicit_bzero(p, size);
}

void
mem_wipe_free(char *s)
{
	if (s)
		mem_wipe(s, strlen(s));
	free(s);
}

int
str_copy(char *dst, size_t size, const char *s)
{
	size_t n = strlen(s);
	int fits = n < size;

	if (size == 0)
		return -1;
	if (!fits)
		n = size - 1;
	memcpy(dst, s, n);
	dst[n] = '\0';
	return fits ? 0 : -1;
}

int
str_printf(char *dst, size_t size, const char *fmt, ...)
{
	size_t len = strnlen(dst, size);
	va_list ap;
	int n;

	if (len >= size)
		return -1;
	va_start(ap, fmt);
	n = vsnprintf(dst + len, size - len, fmt, ap);
	va_end(ap);
	return n >= 0 && (size_t)n < size - len ? 0 : -1;
}
