/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment's header and its file name. The first byte says what follows: a
 * file name; a raw header; or the fields of a header, which is built and then
 * damaged, so that checksums do not keep the fuzzer out. What parses is
 * consistent, and no record comes out that was not put in.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/segment_header.h"
#include "bridge/spool_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fields {
	struct segment_identity who;
	struct segment_record rec[4]; /* by kind, then by slot */
};

static void
check_name(const uint8_t *data, size_t size)
{
	char name[2 * SPOOL_NAME_MAX], again[SPOOL_NAME_MAX];
	struct segment_id id;

	if (size >= sizeof(name))
		size = sizeof(name) - 1;
	memcpy(name, data, size);
	name[size] = '\0';
	if (spool_name_parse(name, &id) != ERR_OK)
		return;
	spool_name(again, &id);
	if (strcmp(name, again) != 0)
		abort();
}

static bool
same(const struct segment_record *a, const struct segment_record *b)
{
	return a->seq == b->seq && a->received == b->received &&
	       a->crc == b->crc && a->rewind == b->rewind &&
	       a->flags == b->flags &&
	       memcmp(a->boot, b->boot, sizeof(a->boot)) == 0;
}

/* in NULL: nothing is known of what was put in. */
static void
check_pair(const struct segment_header *h, const struct segment_pair *p,
	   const struct segment_record *in)
{
	if (p->count > 2 || (p->count == 2 && (p->slot[0] == p->slot[1] ||
					       p->rec[0].seq < p->rec[1].seq)))
		abort();
	for (unsigned i = 0; i < p->count; i++) {
		if (p->slot[i] > 1 || p->rec[i].received > h->who.id.capacity ||
		    p->rec[i].rewind < h->who.id.rewind ||
		    p->rec[0].rewind > segment_header_rewind(h))
			abort();
		if (in && !same(&p->rec[i], &in[p->slot[i]]))
			abort();
	}
}

static void
check_header(const unsigned char raw[SEGMENT_HEADER], const struct fields *f)
{
	struct segment_header h;

	if (segment_header_parse(raw, &h) != ERR_OK)
		return;
	if (h.who.id.no == 0 || h.who.id.capacity > SEGMENT_CAPACITY_MAX ||
	    !id_valid(h.who.id.upload))
		abort();
	check_pair(&h, &h.live, f ? f->rec : NULL);
	check_pair(&h, &h.sync, f ? f->rec + 2 : NULL);
}

/* Takes the next n bytes of the input; zeroes behind its end. */
static void
take(const uint8_t **data, size_t *size, void *out, size_t n)
{
	size_t k = n < *size ? n : *size;

	memset(out, 0, n);
	memcpy(out, *data, k);
	*data += k;
	*size -= k;
}

static void
fields_take(struct fields *f, const uint8_t **data, size_t *size)
{
	unsigned char upload[16];

	take(data, size, upload, sizeof(upload));
	id_text(upload, f->who.id.upload);
	take(data, size, &f->who.id.no, sizeof(f->who.id.no));
	take(data, size, &f->who.id.rewind, sizeof(f->who.id.rewind));
	take(data, size, &f->who.id.base, sizeof(f->who.id.base));
	take(data, size, &f->who.id.capacity, sizeof(f->who.id.capacity));
	take(data, size, &f->who.nonce, sizeof(f->who.nonce));
	for (int i = 0; i < 4; i++) {
		struct segment_record *r = &f->rec[i];

		take(data, size, &r->seq, sizeof(r->seq));
		take(data, size, &r->received, sizeof(r->received));
		take(data, size, &r->crc, sizeof(r->crc));
		take(data, size, &r->rewind, sizeof(r->rewind));
		take(data, size, r->boot, sizeof(r->boot));
		take(data, size, &r->flags, 1);
		r->flags &= SEGMENT_DIRTY | SEGMENT_CLOSING;
	}
}

/* Three bytes each: where, and what to flip there. */
static void
damage(unsigned char raw[SEGMENT_HEADER], const uint8_t *data, size_t size)
{
	for (; size >= 3; data += 3, size -= 3)
		raw[(data[0] << 8 | data[1]) % SEGMENT_HEADER] ^= data[2];
}

static void
check_built(const uint8_t *data, size_t size)
{
	unsigned char raw[SEGMENT_HEADER];
	struct segment_header h;
	struct fields f = { 0 };

	fields_take(&f, &data, &size);
	segment_header_build(raw, &f.who);
	for (unsigned i = 0; i < 4; i++)
		segment_record_build(raw + segment_record_offset(i / 2, i % 2),
				     &f.who, i / 2, &f.rec[i]);
	if (f.who.id.no > 0 && f.who.id.capacity <= SEGMENT_CAPACITY_MAX &&
	    segment_header_parse(raw, &h) != ERR_OK)
		abort();
	check_header(raw, &f);
	damage(raw, data, size);
	check_header(raw, &f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char raw[SEGMENT_HEADER] = { 0 };

	if (size == 0)
		return 0;
	switch (data[0] % 3) {
	case 0:
		check_name(data + 1, size - 1);
		break;
	case 1:
		memcpy(raw, data + 1,
		       size - 1 < sizeof(raw) ? size - 1 : sizeof(raw));
		check_header(raw, NULL);
		break;
	default:
		check_built(data + 1, size - 1);
	}
	return 0;
}
