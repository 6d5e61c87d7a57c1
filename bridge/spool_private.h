/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the spool's files share among themselves and with their tests. The
 * loop's thread alone touches struct spool and struct segment; a job in the
 * pool gets copies of what it needs, and its result is applied in the loop,
 * where `edits` tells whether the data changed under it. A job holds a
 * reference on its segment, so a segment that is closed or discarded meanwhile
 * stays in memory, and its file descriptor open, until the job is done.
 */
#ifndef BRIDGE_SPOOL_PRIVATE_H
#define BRIDGE_SPOOL_PRIVATE_H

#include <openssl/evp.h>
#include <stdatomic.h>

#include "bridge/segment_header.h"
#include "bridge/spool.h"

#define SPOOL_FREE_FILES 64	 /* files in the free list, at most */
#define SPOOL_NAME_MAX 64	 /* a file name with its NUL */
#define SPOOL_IO (256 * 1024)	 /* bytes read at a time in the pool */
#define SPOOL_PEEK_REWINDS 16	 /* names that a peek tries */
#define SPOOL_CHARGED (1u << 20) /* from here on the quota covers a part */

struct spool_free_file {
	int fd; /* holds the lock that says: in use */
	char name[SPOOL_NAME_MAX];
	uint64_t size; /* bytes of data, without the header */
};

/* A segment_open() that is under way. */
struct spool_opening {
	const struct segment_id *id;
	struct spool_opening *next;
};

struct spool {
	char *dir;
	int dirfd;
	uint64_t free_max;
	struct loop *loop;
	struct work_pool *pool;
	unsigned char boot[SEGMENT_BOOT_LEN];
	struct spool_free_file free[SPOOL_FREE_FILES];
	unsigned nfree;
	uint64_t free_bytes; /* in the free list */
	uint64_t slack;	     /* in reused files of parts hardly begun */
	struct segment *segments;
	struct spool_opening *opening;
	struct remove_job *removing; /* wait for the next listing */
	bool listing;
	unsigned refs; /* the owner and every job */
	bool closed;
	bool full;	  /* logged: the disk takes no more */
	uint64_t full_at; /* clock_ms() when it said so last */
};

/* The disk had no space, or took something: each change is logged once. */
void spool_no_space(struct spool *s);
void spool_took(struct spool *s);

void spool_ref(struct spool *s);
void spool_unref(struct spool *s);

/* The kernel's boot id, which tells LIVE records of this boot from others. */
enum err spool_boot(unsigned char out[SEGMENT_BOOT_LEN]);

/* For tests: what the next spool_open() takes for the boot id; NULL ends it. */
void spool_test_boot(const unsigned char boot[SEGMENT_BOOT_LEN]);

/* <upload>.<no>.<rewind> */
void spool_name(char out[SPOOL_NAME_MAX], const struct segment_id *id);
/* Fills upload, no and rewind; ERR_INVALID when it is no segment's name. */
enum err spool_name_parse(const char *name, struct segment_id *id);

/* True when the file of that name is open, or being opened, here. */
bool spool_has_open(const struct spool *s, const char *name);

/* Free list (spool_free.c). */
void spool_free_adopt(struct spool *s); /* what dead processes left */
bool spool_free_room(const struct spool *s, uint64_t size);
/* Takes over fd and the name; what does not fit is unlinked. */
void spool_free_put(struct spool *s, int fd, const char *name, uint64_t size);
/* The best fit, removed from the list; false when the list is empty. */
bool spool_free_get(struct spool *s, uint64_t capacity,
		    struct spool_free_file *out);
bool spool_free_drop(struct spool *s); /* unlinks all; true if any was there */
bool spool_lock_file(int fd, bool on); /* says that a free file has an owner */

/* Closes fd in the pool: the last close of an unlinked file takes time. */
void spool_retire(struct spool *s, int fd);

/* All of it or an error. ERR_NO_SPACE, ERR_IO; ERR_CORRUPT: file too short. */
enum err spool_pwrite(int fd, const void *data, size_t n, uint64_t off);
enum err spool_pread(int fd, void *data, size_t n, uint64_t off);
enum err spool_read_header(int fd, struct segment_header *out);

/*
 * Calls fn with every piece of the data [from, to), in order, until it returns
 * something else than ERR_OK. For the pool.
 */
typedef enum err spool_piece_fn(void *arg, const void *data, size_t n);
enum err spool_read_data(int fd, uint64_t from, uint64_t to, spool_piece_fn *fn,
			 void *arg);
enum err spool_data_crc(int fd, uint64_t from, uint64_t to, uint32_t *crc);

struct segment_waiter {
	segment_done_fn *fn;
	void *arg;
	struct segment_waiter *next;
};

struct segment {
	struct spool *spool;
	struct segment *prev, *next; /* in spool->segments */
	struct segment_identity who; /* who.id.rewind: as it is now */
	char name[SPOOL_NAME_MAX];
	int fd;
	unsigned refs;	  /* the owner and every job */
	atomic_bool gone; /* closed or discarded: jobs end early */
	bool discarded;
	bool recycle; /* discarded under a free name, for the list */
	uint64_t received;
	uint64_t extent;   /* bytes of data in the file */
	uint64_t reused;   /* bytes that the file had before this life */
	unsigned flags;	   /* SEGMENT_CLOSING; SEGMENT_DIRTY follows crc_from */
	uint32_t crc;	   /* of [crc_from, received) */
	uint64_t crc_from; /* what lies before must be read again */
	unsigned edits;	   /* cuts and writes in place, so far */
	uint64_t live_seq;
	unsigned live_slot; /* where the next record goes */
	/* segment_sync.c */
	uint64_t synced;
	uint64_t sync_seq;
	unsigned sync_slot;
	bool sync_written; /* there may be a SYNC record in the file */
	bool name_dirty;   /* the folder's entry may not be on disk yet */
	bool sync_failed;  /* the kernel reports a write error only once */
	struct segment_sync_job *sync_job;
	struct segment_waiter *sync_next; /* for the round after this one */
	/* segment_hash.c */
	struct segment_hash *hash;
};

/* An object for a file that is open; takes over fd. */
struct segment *segment_make(struct spool *s,
			     const struct segment_identity *who,
			     const char *name, int fd);
void segment_unref(struct segment *g);
uint64_t segment_slack(const struct segment *g); /* its share of s->slack */

/* Writes a LIVE record, then makes its values the segment's own. */
struct segment_state {
	uint64_t received;
	uint64_t crc_from;
	uint32_t crc;
	unsigned flags;
};
enum err segment_live(struct segment *g, const struct segment_state *st);
struct segment_state segment_state(const struct segment *g);

/* [0, g->crc_from) has this CRC: the segment's own is complete again. */
void segment_crc_known(struct segment *g, uint32_t prefix);

/* Makes sure, also against power loss, that no SYNC record is valid. */
enum err segment_sync_void(struct segment *g);
void segment_sync_forget(struct segment *g); /* closed: nobody waits any more */
void segment_hash_forget(struct segment *g);
void segment_hash_free(struct segment *g);

#endif
