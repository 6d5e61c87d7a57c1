/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/sftp_codec.h"

#include <string.h>

/*
 * LENGTH: four bytes and the type are gathered. BODY: a packet that is not a
 * WRITE. HEAD: a WRITE up to its data, whose length depends on the handle's.
 * TAIL: bytes behind the data, which belong to the packet and mean nothing.
 */
enum { LENGTH, BODY, HEAD, DATA, END, TAIL, BAD };

#define LENGTH_BYTES 5u	     /* uint32 length, byte type */
#define WRITE_FIXED_BYTES 8u /* uint32 id, uint32 handle length */
#define WRITE_REST_BYTES 12u /* uint64 offset, uint32 data length */
#define KEEP_BYTES 16384u
#define ATTR_PAIRS_MAX 32u /* extended attributes of one packet */

static uint32_t
u32_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

void
sftp_parser_init(struct sftp_parser *p)
{
	memset(p, 0, sizeof(*p));
	buf_init(&p->in, SFTP_PACKET_MAX);
}

void
sftp_parser_free(struct sftp_parser *p)
{
	buf_free(&p->in);
}

static enum sftp_event
bad(struct sftp_parser *p, const char *why)
{
	p->state = BAD;
	p->why = why;
	return SFTP_EV_BAD;
}

static size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Gathers until `want` bytes are there. What has come in one piece is not
 * copied: then the pointer is into the input.
 */
static const uint8_t *
gather(struct sftp_parser *p, size_t want, const uint8_t **in, size_t *len)
{
	size_t have = buf_len(&p->in), n;
	const uint8_t *whole = *in;

	if (have == 0 && *len >= want) {
		*in += want;
		*len -= want;
		return whole;
	}
	n = min_size(want - have, *len);
	buf_add(&p->in, *in, n);
	*in += n;
	*len -= n;
	return have + n == want ? buf_data(&p->in) : NULL;
}

static enum sftp_event
on_length(struct sftp_parser *p, const uint8_t *head)
{
	uint32_t length = u32_at(head);

	if (length == 0)
		return bad(p, "packet without a type");
	if (length > SFTP_PACKET_MAX)
		return bad(p, "packet too long");
	p->left = length - 1;
	p->packet.type = head[4];
	p->state = p->packet.type == SFTP_WRITE ? HEAD : BODY;
	buf_clear(&p->in);
	return SFTP_EV_MORE;
}

static void
on_body(struct sftp_parser *p, const uint8_t *body)
{
	p->packet.body = body;
	p->packet.len = p->left;
	p->state = LENGTH;
	p->spent = true;
}

/* A large packet is rare: its memory is not kept for the next one. */
static void
drop_packet(struct sftp_parser *p)
{
	if (p->in.size > KEEP_BYTES)
		buf_free(&p->in);
	else
		buf_clear(&p->in);
	p->spent = false;
}

/* How many bytes a WRITE has before its data, as far as can be told yet. */
static size_t
head_bytes(const struct sftp_parser *p)
{
	if (buf_len(&p->in) < WRITE_FIXED_BYTES)
		return WRITE_FIXED_BYTES;
	return WRITE_FIXED_BYTES + u32_at(buf_data(&p->in) + 4) +
	       WRITE_REST_BYTES;
}

static enum sftp_event
on_head(struct sftp_parser *p)
{
	struct sftp_write *w = &p->write;
	const uint8_t *head = buf_data(&p->in);
	const uint8_t *rest = head + WRITE_FIXED_BYTES + w->handle_len;

	w->id = u32_at(head);
	memcpy(w->handle, head + WRITE_FIXED_BYTES, w->handle_len);
	w->off = (uint64_t)u32_at(rest) << 32 | u32_at(rest + 4);
	w->len = u32_at(rest + 8);
	p->left -= (uint32_t)buf_len(&p->in);
	if (w->len > p->left)
		return bad(p, "WRITE longer than its packet");
	buf_clear(&p->in);
	p->data_left = w->len;
	p->left -= w->len;
	p->state = w->len > 0 ? DATA : END;
	return SFTP_EV_WRITE_BEGIN;
}

static enum sftp_event
parse_head(struct sftp_parser *p, const uint8_t **in, size_t *len)
{
	size_t want, n;

	for (;;) {
		want = head_bytes(p);
		if (want > p->left)
			return bad(p, "WRITE cut short");
		if (want > WRITE_FIXED_BYTES) {
			p->write.handle_len = u32_at(buf_data(&p->in) + 4);
			if (p->write.handle_len > SFTP_HANDLE_MAX)
				return bad(p, "handle too long");
		}
		n = min_size(want - buf_len(&p->in), *len);
		buf_add(&p->in, *in, n);
		*in += n;
		*len -= n;
		if (buf_len(&p->in) < want)
			return SFTP_EV_MORE;
		if (want > WRITE_FIXED_BYTES)
			return on_head(p);
	}
}

static enum sftp_event
parse_data(struct sftp_parser *p, const uint8_t **in, size_t *len)
{
	if (*len == 0)
		return SFTP_EV_MORE;
	p->data = *in;
	p->data_len = min_size(*len, p->data_left);
	*in += p->data_len;
	*len -= p->data_len;
	p->data_left -= (uint32_t)p->data_len;
	if (p->data_left == 0)
		p->state = END;
	return SFTP_EV_WRITE_DATA;
}

static void
skip_tail(struct sftp_parser *p, const uint8_t **in, size_t *len)
{
	size_t n = min_size(p->left, *len);

	*in += n;
	*len -= n;
	p->left -= (uint32_t)n;
	if (p->left == 0)
		p->state = LENGTH;
}

enum sftp_event
sftp_parser_next(struct sftp_parser *p, const uint8_t **in, size_t *len)
{
	const uint8_t *got;

	if (p->spent)
		drop_packet(p);
	for (;;) {
		switch (p->state) {
		case LENGTH:
			got = gather(p, LENGTH_BYTES, in, len);
			if (got == NULL)
				return SFTP_EV_MORE;
			if (on_length(p, got) == SFTP_EV_BAD)
				return SFTP_EV_BAD;
			break;
		case BODY:
			got = gather(p, p->left, in, len);
			if (got == NULL)
				return SFTP_EV_MORE;
			on_body(p, got);
			return SFTP_EV_PACKET;
		case HEAD:
			return parse_head(p, in, len);
		case DATA:
			return parse_data(p, in, len);
		case END:
			p->state = p->left > 0 ? TAIL : LENGTH;
			return SFTP_EV_WRITE_END;
		case TAIL:
			skip_tail(p, in, len);
			if (p->state == TAIL)
				return SFTP_EV_MORE;
			break;
		default:
			return SFTP_EV_BAD;
		}
	}
}

void
sftp_reader_init(struct sftp_reader *r, const uint8_t *body, size_t len)
{
	r->p = body;
	r->left = len;
	r->bad = false;
}

/* The next n bytes, or NULL. */
static const uint8_t *
take(struct sftp_reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

uint8_t
sftp_read_u8(struct sftp_reader *r)
{
	const uint8_t *p = take(r, 1);

	return p == NULL ? 0 : *p;
}

uint32_t
sftp_read_u32(struct sftp_reader *r)
{
	const uint8_t *p = take(r, 4);

	return p == NULL ? 0 : u32_at(p);
}

uint64_t
sftp_read_u64(struct sftp_reader *r)
{
	uint64_t high = sftp_read_u32(r);

	return high << 32 | sftp_read_u32(r);
}

const uint8_t *
sftp_read_string(struct sftp_reader *r, uint32_t *len)
{
	const uint8_t *p;

	*len = sftp_read_u32(r);
	p = take(r, *len);
	if (p != NULL)
		return p;
	*len = 0;
	return (const uint8_t *)"";
}

void
sftp_read_attrs(struct sftp_reader *r, struct sftp_attrs *a)
{
	uint32_t pairs, i, len;

	memset(a, 0, sizeof(*a));
	a->flags = sftp_read_u32(r);
	if (a->flags & SFTP_ATTR_SIZE)
		a->size = sftp_read_u64(r);
	if (a->flags & SFTP_ATTR_UIDGID) {
		a->uid = sftp_read_u32(r);
		a->gid = sftp_read_u32(r);
	}
	if (a->flags & SFTP_ATTR_PERMISSIONS)
		a->permissions = sftp_read_u32(r);
	if (a->flags & SFTP_ATTR_ACMODTIME) {
		a->atime = sftp_read_u32(r);
		a->mtime = sftp_read_u32(r);
	}
	if (!(a->flags & SFTP_ATTR_EXTENDED))
		return;
	pairs = sftp_read_u32(r);
	if (pairs > ATTR_PAIRS_MAX)
		r->bad = true;
	for (i = 0; i < pairs && !r->bad; i++) {
		sftp_read_string(r, &len);
		sftp_read_string(r, &len);
	}
}
