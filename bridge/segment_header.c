/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/segment_header.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "lib/crc32c.h"

#define MAGIC "SLUICEsg"
#define VERSION 1
#define RECORD_MAGIC 0x4345522eu /* ".REC", so that zeroes never match */

/* What the bytes of both sectors mean; all fields little endian. */
struct wire_identity {
	char magic[8];
	uint32_t version;
	uint32_t no;
	unsigned char upload[16];
	uint64_t base;
	uint64_t capacity;
	uint64_t nonce;
	uint32_t rewind;
	uint32_t crc; /* of all before */
};

struct wire_record {
	uint32_t magic;
	uint32_t kind;
	uint64_t seq;
	uint64_t received;
	uint32_t data_crc;
	uint32_t rewind;
	uint32_t flags;
	unsigned char boot[SEGMENT_BOOT_LEN];
	uint32_t crc; /* of the identity without rewind, and of all before */
};

_Static_assert(sizeof(struct wire_identity) == 64, "no padding");
_Static_assert(sizeof(struct wire_record) == 56, "no padding");

static uint32_t
identity_crc(const struct wire_identity *w)
{
	return crc32c(0, w, offsetof(struct wire_identity, crc));
}

static void
identity_put(struct wire_identity *w, const struct segment_identity *who)
{
	memset(w, 0, sizeof(*w));
	memcpy(w->magic, MAGIC, sizeof(w->magic));
	w->version = htole32(VERSION);
	w->no = htole32(who->id.no);
	id_bytes(who->id.upload, w->upload);
	w->base = htole64(who->id.base);
	w->capacity = htole64(who->id.capacity);
	w->nonce = htole64(who->nonce);
	w->rewind = htole32(who->id.rewind);
	w->crc = htole32(identity_crc(w));
}

static enum err
identity_get(const unsigned char *in, struct segment_identity *who)
{
	struct wire_identity w;

	memcpy(&w, in, sizeof(w));
	if (memcmp(w.magic, MAGIC, sizeof(w.magic)) != 0)
		return ERR_CORRUPT;
	if (le32toh(w.version) != VERSION || le32toh(w.crc) != identity_crc(&w))
		return ERR_CORRUPT;
	id_text(w.upload, who->id.upload);
	who->id.no = le32toh(w.no);
	who->id.rewind = le32toh(w.rewind);
	who->id.base = le64toh(w.base);
	who->id.capacity = le64toh(w.capacity);
	who->nonce = le64toh(w.nonce);
	if (who->id.no == 0 || who->id.capacity > SEGMENT_CAPACITY_MAX)
		return ERR_CORRUPT;
	return ERR_OK;
}

/*
 * The identity's own rewind stays out: it is the one at creation, while each
 * record names the one that it was written under.
 */
static uint32_t
record_crc(const struct segment_identity *who, const struct wire_record *w)
{
	struct wire_identity wi;
	uint32_t crc;

	identity_put(&wi, who);
	crc = crc32c(0, &wi, offsetof(struct wire_identity, rewind));
	return crc32c(crc, w, offsetof(struct wire_record, crc));
}

void
segment_header_build(unsigned char out[SEGMENT_HEADER],
		     const struct segment_identity *who)
{
	struct wire_identity w;

	memset(out, 0, SEGMENT_HEADER);
	identity_put(&w, who);
	memcpy(out, &w, sizeof(w));
}

void
segment_record_build(unsigned char out[SEGMENT_SECTOR],
		     const struct segment_identity *who,
		     enum segment_record_kind kind,
		     const struct segment_record *rec)
{
	struct wire_record w;

	memset(&w, 0, sizeof(w));
	w.magic = htole32(RECORD_MAGIC);
	w.kind = htole32((uint32_t)kind);
	w.seq = htole64(rec->seq);
	w.received = htole64(rec->received);
	w.data_crc = htole32(rec->crc);
	w.rewind = htole32(rec->rewind);
	w.flags = htole32(rec->flags);
	memcpy(w.boot, rec->boot, sizeof(w.boot));
	w.crc = htole32(record_crc(who, &w));
	memset(out, 0, SEGMENT_SECTOR);
	memcpy(out, &w, sizeof(w));
}

unsigned
segment_record_offset(enum segment_record_kind kind, unsigned slot)
{
	return SEGMENT_SECTOR * (1 + 2 * (unsigned)kind + slot);
}

static bool
record_get(const unsigned char *in, const struct segment_identity *who,
	   enum segment_record_kind kind, struct segment_record *rec)
{
	struct wire_record w;

	memcpy(&w, in, sizeof(w));
	if (le32toh(w.magic) != RECORD_MAGIC || le32toh(w.kind) != kind)
		return false;
	if (le32toh(w.crc) != record_crc(who, &w))
		return false;
	rec->seq = le64toh(w.seq);
	rec->received = le64toh(w.received);
	rec->crc = le32toh(w.data_crc);
	rec->rewind = le32toh(w.rewind);
	rec->flags = le32toh(w.flags) & (SEGMENT_DIRTY | SEGMENT_CLOSING);
	memcpy(rec->boot, w.boot, sizeof(rec->boot));
	return rec->received <= who->id.capacity &&
	       rec->rewind >= who->id.rewind;
}

static void
pair_get(const unsigned char *in, const struct segment_identity *who,
	 enum segment_record_kind kind, struct segment_pair *p)
{
	struct segment_record r;

	p->count = 0;
	for (unsigned slot = 0; slot < 2; slot++) {
		unsigned at = 0;

		if (!record_get(in + segment_record_offset(kind, slot), who,
				kind, &r))
			continue;
		if (p->count == 1 && p->rec[0].seq < r.seq) {
			p->rec[1] = p->rec[0];
			p->slot[1] = p->slot[0];
		} else {
			at = p->count;
		}
		p->rec[at] = r;
		p->slot[at] = slot;
		p->count++;
	}
}

enum err
segment_header_parse(const unsigned char in[SEGMENT_HEADER],
		     struct segment_header *out)
{
	memset(out, 0, sizeof(*out));
	if (identity_get(in, &out->who) != ERR_OK)
		return ERR_CORRUPT;
	pair_get(in, &out->who, SEGMENT_LIVE, &out->live);
	pair_get(in, &out->who, SEGMENT_SYNC, &out->sync);
	return ERR_OK;
}

uint32_t
segment_header_rewind(const struct segment_header *h)
{
	uint32_t rewind = h->who.id.rewind;

	if (h->sync.count > 0 && h->sync.rec[0].rewind > rewind)
		rewind = h->sync.rec[0].rewind;
	if (h->live.count > 0 && h->live.rec[0].rewind > rewind)
		rewind = h->live.rec[0].rewind;
	return rewind;
}
