/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe_wire.h"

#define ORDER_LEN 24
#define READ_LEN 12

/* 0: there is no such type. */
static size_t
longest(unsigned type)
{
	switch (type) {
	case PROBE_START:
		return ORDER_LEN;
	case PROBE_READ:
		return READ_LEN;
	case PROBE_DATA:
		return PROBE_WIRE_READ_MAX;
	case PROBE_THUMB:
		return PROBE_WIRE_THUMB_MAX;
	case PROBE_RESULT:
		return PROBE_WIRE_RESULT_MAX;
	case PROBE_DENIED:
		return PROBE_WIRE_DENIED_MAX;
	default:
		return 0;
	}
}

static uint32_t
u32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static uint64_t
u64(const unsigned char *p)
{
	return (uint64_t)u32(p) << 32 | u32(p + 4);
}

static void
header_put(struct buf *b, enum probe_frame_type type, size_t len)
{
	buf_add_u8(b, (uint8_t)type);
	buf_add_u32(b, (uint32_t)len);
}

void
probe_wire_put(struct buf *b, enum probe_frame_type type, const void *data,
	       size_t len)
{
	header_put(b, type, len);
	buf_add(b, data, len);
}

void
probe_wire_put_order(struct buf *b, const struct probe_order *o)
{
	header_put(b, PROBE_START, ORDER_LEN);
	buf_add_u64(b, o->size);
	buf_add_u64(b, o->memory);
	buf_add_u32(b, o->cpu_s);
	buf_add_u32(b, o->thumbnail);
}

void
probe_wire_put_read(struct buf *b, const struct probe_read *r)
{
	header_put(b, PROBE_READ, READ_LEN);
	buf_add_u64(b, r->off);
	buf_add_u32(b, r->len);
}

enum err
probe_wire_peek(const struct buf *b, struct probe_frame *out)
{
	const unsigned char *p = buf_data(b);
	size_t n = buf_len(b), len;

	if (n < PROBE_WIRE_HEADER)
		return ERR_AGAIN;
	len = u32(p + 1);
	if (longest(p[0]) == 0 || len > longest(p[0]))
		return ERR_CORRUPT;
	if (n - PROBE_WIRE_HEADER < len)
		return ERR_AGAIN;
	out->type = (enum probe_frame_type)p[0];
	out->data = p + PROBE_WIRE_HEADER;
	out->len = len;
	return ERR_OK;
}

enum err
probe_wire_order(const struct probe_frame *f, struct probe_order *o)
{
	if (f->type != PROBE_START || f->len != ORDER_LEN)
		return ERR_CORRUPT;
	o->size = u64(f->data);
	o->memory = u64(f->data + 8);
	o->cpu_s = u32(f->data + 16);
	o->thumbnail = u32(f->data + 20);
	return ERR_OK;
}

enum err
probe_wire_read(const struct probe_frame *f, struct probe_read *r)
{
	if (f->type != PROBE_READ || f->len != READ_LEN)
		return ERR_CORRUPT;
	r->off = u64(f->data);
	r->len = u32(f->data + 8);
	return ERR_OK;
}
