/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool: bytes that clients were told are kept and that the store does not
 * have yet. One segment file per part: a header of SEGMENT_HEADER bytes, then
 * the part's bytes. doc/spool.md tells the layout and what survives which
 * failure. All calls are made by the loop's thread; what may block on the disk
 * is done in the work pool. A worker has one spool object on the node's one
 * spool folder; segments of other workers are only ever peeked at.
 */
#ifndef BRIDGE_SPOOL_H
#define BRIDGE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/id.h"
#include "lib/loop.h"
#include "lib/work.h"

#define SEGMENT_HEADER 4096

struct spool;
struct segment;

struct spool_config {
	const char *dir;   /* made with mode 0700 when missing */
	uint64_t free_max; /* bytes of freed segments kept for reuse */
	struct loop *loop;
	struct work_pool *pool;
};

/*
 * ERR_UNSUPPORTED on a network file system, ERR_DENIED on a folder of another
 * owner or mode, ERR_IO; the log says what and what to do.
 */
enum err spool_open(struct spool **out, const struct spool_config *cfg);
void spool_close(struct spool *s); /* every segment was closed before */

/* Bytes in the free list, for the quota and the status page. */
uint64_t spool_free_bytes(const struct spool *s);

/* Unlinks free files until the list keeps at most so many bytes. */
void spool_trim(struct spool *s, uint64_t keep);

struct segment_id {
	char upload[ID_LEN + 1];
	uint32_t rewind;   /* the upload's rewind counter at creation */
	uint32_t no;	   /* part number, from 1 */
	uint64_t base;	   /* the upload's byte at which the part starts */
	uint64_t capacity; /* bytes */
};

/* Flags of the LIVE record. */
enum {
	SEGMENT_DIRTY = 1,  /* data below `received` was overwritten in place */
	SEGMENT_CLOSING = 2 /* the client asked to close, all bytes received */
};

/*
 * Makes an empty segment, from the free list where one is large enough. Its
 * header is on disk (page cache) when this returns. A file of the same upload,
 * part and rewind is replaced. ERR_NO_SPACE, ERR_IO.
 */
enum err segment_create(struct spool *s, const struct segment_id *id,
			struct segment **out);

/*
 * Opens what an earlier process left: identity and base must match; `rewind`
 * at most the given one, the highest counts. *out then says how many bytes
 * can be trusted (segment_received): the LIVE record of this boot (re-reading
 * the data where it is marked dirty), else the SYNC record after re-reading,
 * else 0. Reads the data, so it runs in the pool; fn comes from the loop with
 * ERR_OK and the segment, ERR_NOT_FOUND, or ERR_IO (never a guess).
 */
typedef void segment_open_fn(void *arg, enum err err, struct segment *seg);
void segment_open(struct spool *s, const struct segment_id *id,
		  segment_open_fn *fn, void *arg);

/*
 * Bytes received in the LIVE record of a segment that another process drives;
 * 0 when there is none. Cheap: one pread.
 */
uint64_t segment_peek(struct spool *s, const struct segment_id *id,
		      unsigned *flags);

/* Bytes right behind what was received: data, CRC, LIVE record. */
enum err segment_append(struct segment *g, const void *data, size_t n);

/*
 * Bytes elsewhere: ahead of `received` (held until the gap closes, then
 * segment_adopt), or below it (in place: LIVE is marked dirty first and the
 * CRC is computed again before the next use). off counts in the part.
 */
enum err segment_write_at(struct segment *g, uint64_t off, const void *data,
			  size_t n);

/* n bytes behind `received` are there already (held): read back, counted. */
enum err segment_adopt(struct segment *g, uint64_t n);

/* Cuts `received` to n (rewind, truncate): SYNC is voided first. */
enum err segment_cut(struct segment *g, uint64_t n);

enum err segment_set_flags(struct segment *g, unsigned flags);

/* Raises the rewind counter that the header names (after a rewind). */
enum err segment_set_rewind(struct segment *g, uint32_t rewind);

const struct segment_id *segment_ident(const struct segment *g);
uint64_t segment_received(const struct segment *g);
uint64_t segment_unsynced(const struct segment *g); /* bytes */
unsigned segment_flags(const struct segment *g);
uint32_t segment_crc(struct segment *g); /* of [0, received) */
int segment_fd(const struct segment *g); /* data at SEGMENT_HEADER + off */

/*
 * Power-loss safety for what was received by now: fdatasync of the data, then
 * the SYNC record, itself synced. Several calls may be under way; each
 * completion covers at least the bytes received when it was asked.
 */
typedef void segment_done_fn(void *arg, enum err err);
void segment_sync(struct segment *g, segment_done_fn *fn, void *arg);

/*
 * SHA-256 (and MD5) of [0, received), computed in the pool. Call
 * segment_hash_follow() now and then while bytes arrive, so that the hash
 * keeps up with the receiver; segment_hash() finishes it. The CRC is computed
 * again from what is read back: ERR_CORRUPT if the disk lies. A write in place
 * or a cut starts the hash over.
 */
struct segment_digest {
	unsigned char sha256[32];
	unsigned char md5[16];
};
enum { SEGMENT_SHA256 = 1, SEGMENT_MD5 = 2 };
typedef void segment_hash_fn(void *arg, enum err err,
			     const struct segment_digest *d);
void segment_hash_want(struct segment *g, unsigned which);
void segment_hash_follow(struct segment *g);
void segment_hash(struct segment *g, segment_hash_fn *fn, void *arg);

/* Keeps the file for recovery and lets go of the object. NULL is fine. */
void segment_close(struct segment *g);

/* The bytes are no longer needed: voids the records, recycles or unlinks. */
void segment_discard(struct segment *g);

/* Unlinks every segment of an upload that this process has not open. */
void spool_remove(struct spool *s, const char *upload, segment_done_fn *fn,
		  void *arg);

/* Calls fn for every upload id that has segments: for check and sweep. */
typedef void spool_walk_fn(void *arg, const char *upload, uint64_t bytes);
enum err spool_walk(const char *dir, spool_walk_fn *fn, void *arg);

#endif
