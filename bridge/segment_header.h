/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 4096-byte header of a segment file, parsed and built without touching
 * any file. One 512-byte sector each, from the front: the identity, two LIVE
 * records, two SYNC records; the rest is zero. Numbers are little endian. A
 * record's CRC32C covers the identity's fields too, so that a record of the
 * file's earlier life says nothing about its present one.
 */
#ifndef BRIDGE_SEGMENT_HEADER_H
#define BRIDGE_SEGMENT_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/spool.h"

#define SEGMENT_SECTOR 512
#define SEGMENT_BOOT_LEN 16
#define SEGMENT_CAPACITY_MAX (UINT64_C(1) << 40) /* bytes; parts end at 5 GiB */

enum segment_record_kind { SEGMENT_LIVE, SEGMENT_SYNC };

struct segment_identity {
	struct segment_id id; /* rewind: as it was at creation */
	uint64_t nonce;	      /* random: one life of the file */
};

struct segment_record {
	uint64_t seq;	   /* the higher of two valid twins counts */
	uint64_t received; /* bytes */
	uint32_t crc;	   /* CRC32C of them; meaningless when dirty */
	uint32_t rewind;   /* as it was when the record was written */
	unsigned flags;
	unsigned char boot[SEGMENT_BOOT_LEN];
};

/* A parsed pair of records: the newer first. */
struct segment_pair {
	unsigned count; /* valid ones: 0 to 2 */
	struct segment_record rec[2];
	unsigned slot[2]; /* where each lies: 0 or 1 */
};

struct segment_header {
	struct segment_identity who;
	struct segment_pair live, sync;
};

/* Fills a whole header: identity, no record. */
void segment_header_build(unsigned char out[SEGMENT_HEADER],
			  const struct segment_identity *who);

/* Fills the sector of one record. */
void segment_record_build(unsigned char out[SEGMENT_SECTOR],
			  const struct segment_identity *who,
			  enum segment_record_kind kind,
			  const struct segment_record *rec);

/* Where in the file the record's sector lies. */
unsigned segment_record_offset(enum segment_record_kind kind, unsigned slot);

/*
 * ERR_CORRUPT when the identity is not valid; a record that is not is left
 * out. What comes out is consistent: received <= capacity.
 */
enum err segment_header_parse(const unsigned char in[SEGMENT_HEADER],
			      struct segment_header *out);

/* The rewind counter that the header as a whole stands for. */
uint32_t segment_header_rewind(const struct segment_header *h);

#endif
