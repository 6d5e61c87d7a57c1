/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

enum { BUF_SIZE_MIN = 256 };

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
buf_free(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void
buf_clear(struct buf *b)
{
	b->off = 0;
	b->end = 0;
	b->failed = false;
}

size_t
buf_len(const struct buf *b)
{
	return b->end - b->off;
}

const unsigned char *
buf_data(const struct buf *b)
{
	return b->data ? b->data + b->off : NULL;
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->off += n;
	if (b->off == b->end) {
		b->off = 0;
		b->end = 0;
	}
}

/*
 * Makes room for `need` bytes behind the end, where what is consumed counts as
 * room. Moving costs at most as much as was consumed since the last move, or
 * else the allocation doubles: appending stays linear either way.
 */
static void
grow(struct buf *b, size_t need)
{
	size_t len = buf_len(b);
	size_t size = b->size > BUF_SIZE_MIN ? b->size : BUF_SIZE_MIN;

	if (b->data && b->off > 0 && b->off >= len && b->size - len >= need) {
		memcpy(b->data, b->data + b->off, len);
		b->off = 0;
		b->end = len;
		return;
	}
	while (size - b->end < need)
		size *= 2;
	b->data = mem_resize(b->data, size);
	b->size = size;
}

void *
buf_reserve(struct buf *b, size_t n)
{
	if (b->failed || n > b->max || buf_len(b) > b->max - n) {
		b->failed = true;
		return NULL;
	}
	if (!b->data || b->size - b->end < n)
		grow(b, n);
	return b->data + b->end;
}

void
buf_commit(struct buf *b, size_t n)
{
	assert(n <= b->size - b->end);
	assert(n <= b->max - buf_len(b));
	b->end += n;
}

void
buf_add(struct buf *b, const void *data, size_t n)
{
	void *p = buf_reserve(b, n);

	if (!p)
		return;
	if (n > 0)
		memcpy(p, data, n);
	buf_commit(b, n);
}

void
buf_add_u8(struct buf *b, uint8_t v)
{
	buf_add(b, &v, 1);
}

void
buf_add_u32(struct buf *b, uint32_t v)
{
	unsigned char bytes[4];

	for (int i = 0; i < 4; i++)
		bytes[i] = (unsigned char)(v >> (24 - 8 * i));
	buf_add(b, bytes, sizeof(bytes));
}

void
buf_add_u64(struct buf *b, uint64_t v)
{
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(v >> (56 - 8 * i));
	buf_add(b, bytes, sizeof(bytes));
}

void
buf_add_string(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	/* Both or neither: "an append beyond the maximum changes nothing". */
	if (n > UINT32_MAX || !buf_reserve(b, n + 4)) {
		b->failed = true;
		return;
	}
	buf_add_u32(b, (uint32_t)n);
	buf_add(b, s, n);
}

void
buf_add_text(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !buf_reserve(b, (size_t)n)) {
		b->failed = true;
		return;
	}
	/* vsnprintf's NUL may lie beyond max: it is not part of the buffer. */
	if (b->size - b->end < (size_t)n + 1)
		grow(b, (size_t)n + 1);
	p = (char *)b->data + b->end;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf_commit(b, (size_t)n);
}

const char *
buf_cstr(struct buf *b)
{
	if (!b->data || b->size - b->end < 1)
		grow(b, 1);
	b->data[b->end] = '\0';
	return (const char *)buf_data(b);
}
