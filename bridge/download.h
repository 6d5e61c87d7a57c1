/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads: a published object is read in blocks, each a ranged GET, ahead of
 * a reader that goes forward. The ETag is pinned when the file is opened, so a
 * reader sees one object or an error, never a mix.
 *
 * The first read asks for one block more than it needs; each time that a
 * reader going forward has to wait for the store the number doubles, up to
 * DOWNLOAD_AHEAD: so many GETs run side by side when one connection to the
 * store is slower than the client. A reader that jumps starts anew, and what
 * is under way for nobody is cancelled.
 *
 * struct downloads is what those of one worker share: all of them hold at most
 * DOWNLOAD_WORKER_BLOCKS blocks. When these are spent, blocks of readers that
 * wait for none are taken away (and fetched anew when they are asked for); when
 * there are none either, a reader waits until another one has been served.
 */
#ifndef BRIDGE_DOWNLOAD_H
#define BRIDGE_DOWNLOAD_H

#include "bridge/store.h"
#include "bridge/vfs.h"

#define DOWNLOAD_BLOCK (1u << 20)  /* bytes */
#define DOWNLOAD_AHEAD 8	   /* blocks beyond the one being read */
#define DOWNLOAD_BLOCKS 12	   /* held for one reader */
#define DOWNLOAD_WORKER_BLOCKS 64u /* held for all readers of a worker */
#define DOWNLOAD_LIMITED (256u << 10)
#define DOWNLOAD_READS 1024 /* reads of one file that wait */

struct downloads;
struct downloads *downloads_new(struct loop *loop);
void downloads_free(struct downloads *all); /* none is open any more */
unsigned downloads_blocks(const struct downloads *all); /* held now */

struct download;

/* The object's size and ETag are taken for what they are now. */
struct download *download_open(struct downloads *all, struct store *store,
			       const char *key, const struct store_object *o);
void download_free(struct download *d); /* NULL is fine */
uint64_t download_size(const struct download *d);
/* What a copy of it needs to know: size and ETag. */
void download_source(const struct download *d, struct store_object *o);

/* What was read of it so far. */
struct download_sent {
	uint64_t bytes, top; /* top: behind the last byte */
	bool asked;	     /* for anything at all */
	bool failed;	     /* the last read did */
};
void download_sent(const struct download *d, struct download_sent *out);

/*
 * Limits the rate: after each read fn is told its bytes and says for how many
 * ms the next one has to wait. Reads are then cut to DOWNLOAD_LIMITED bytes.
 */
typedef unsigned download_rate_fn(void *arg, uint64_t n);
void download_limit(struct download *d, download_rate_fn *fn, void *arg);

/*
 * Up to n bytes from off on, fewer at the end of a block; none behind the end
 * of the file. Completions come in the order of the calls, from the loop, and
 * never after download_free(); data is valid during the completion.
 * ERR_CONFLICT: the object has been replaced.
 */
void download_read(struct download *d, uint64_t off, size_t n, vfs_read_fn *fn,
		   void *arg);

#endif
