/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer that is told its maximum at birth. Bytes are appended
 * at the end and consumed at the front. An append beyond the maximum sets
 * `failed` and changes nothing: check it once, after a series of appends.
 */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	unsigned char *data;
	size_t off;  /* first byte not consumed */
	size_t end;  /* one behind the last byte */
	size_t size; /* allocated */
	size_t max;  /* never holds more than this */
	bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b); /* wipes nothing; use mem_wipe for secrets */
void buf_clear(struct buf *b);

size_t buf_len(const struct buf *b);
const unsigned char *buf_data(const struct buf *b);
void buf_consume(struct buf *b, size_t n);

/* Room for n more bytes at the end, or NULL; then buf_commit what was used. */
void *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *data, size_t n);
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_u32(struct buf *b, uint32_t v);	   /* big endian */
void buf_add_u64(struct buf *b, uint64_t v);	   /* big endian */
void buf_add_string(struct buf *b, const char *s); /* u32 length + bytes */
void buf_add_text(struct buf *b, const char *s);   /* the bytes alone */
void buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The contents as a NUL-ended string, valid until the next change. */
const char *buf_cstr(struct buf *b);

#endif
