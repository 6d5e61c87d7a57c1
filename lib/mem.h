/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that cannot fail: out of memory ends the process, so every size
 * that a peer controls must be bounded before it comes here.
 */
#ifndef LIB_MEM_H
#define LIB_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);		    /* zeroed */
void *mem_array(size_t count, size_t size); /* zeroed; overflow ends */
void *mem_resize(void *p, size_t size);	    /* new bytes are not zeroed */
char *mem_strdup(const char *s);	    /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Overwrites a secret so that the compiler cannot drop it. */
void mem_wipe(void *p, size_t size);

/* Wipes a string and frees it; NULL is fine. */
void mem_wipe_free(char *s);

/*
 * Copies s into dst of size bytes and always ends it with NUL. Returns 0, or
 * -1 if s did not fit (dst then holds a cut copy).
 */
int str_copy(char *dst, size_t size, const char *s);

/* Appends printf output to dst; -1 if it did not fit. */
int str_printf(char *dst, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
