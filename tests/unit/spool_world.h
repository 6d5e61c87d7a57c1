/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the spool: a spool in a folder of its own, with a loop and
 * a pool, whose completions are waited for; and bytes whose value follows from
 * their place, so that any prefix can be checked.
 */
#ifndef TESTS_UNIT_SPOOL_WORLD_H
#define TESTS_UNIT_SPOOL_WORLD_H

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/spool.h"
#include "bridge/spool_private.h"
#include "lib/crc32c.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/work.h"

#define MIB ((uint64_t)1 << 20)
#define UPLOAD "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"

struct world {
	char dir[64];
	struct loop *loop;
	struct work_pool *pool;
	struct spool *spool;
};

/* What a completion came back with. */
struct got {
	unsigned calls;
	enum err err;
	struct segment *seg;
	struct segment_digest digest;
};

static inline void
got_done(void *arg, enum err err)
{
	struct got *g = arg;

	g->calls++;
	g->err = err;
}

static inline void
got_segment(void *arg, enum err err, struct segment *seg)
{
	got_done(arg, err);
	((struct got *)arg)->seg = seg;
}

static inline void
got_hash(void *arg, enum err err, const struct segment_digest *d)
{
	got_done(arg, err);
	((struct got *)arg)->digest = *d;
}

static inline void
world_settle(struct world *w)
{
	while (work_pool_pending(w->pool) > 0)
		loop_turn(w->loop, 50);
	loop_turn(w->loop, 0);
}

static inline void
world_wait(struct world *w, const struct got *g, unsigned calls)
{
	while (g->calls < calls)
		loop_turn(w->loop, 50);
}

static inline void
world_start_threads(struct world *w, uint64_t free_max, unsigned threads)
{
	struct spool_config cfg = { .dir = w->dir, .free_max = free_max };

	w->loop = cfg.loop = loop_new();
	w->pool = cfg.pool = work_pool_new(w->loop, threads);
	assert_int_equal(spool_open(&w->spool, &cfg), ERR_OK);
}

/* Opens the spool in w->dir, as a process that starts does. */
static inline void
world_start(struct world *w, uint64_t free_max)
{
	world_start_threads(w, free_max, 2);
}

static inline void
world_stop(struct world *w)
{
	world_settle(w);
	spool_close(w->spool);
	world_settle(w);
	work_pool_free(w->pool);
	loop_free(w->loop);
	w->spool = NULL;
}

static inline void
world_new(struct world *w)
{
	memset(w, 0, sizeof(*w));
	strcpy(w->dir, "/tmp/sluice-spool-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
}

static inline unsigned
world_files(const struct world *w, const char *prefix, bool remove_them)
{
	DIR *d = opendir(w->dir);
	unsigned n = 0;
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' ||
		    strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		n++;
		if (remove_them)
			unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	return n;
}

static inline void
world_end(struct world *w)
{
	spool_test_boot(NULL);
	world_files(w, "", true);
	assert_int_equal(rmdir(w->dir), 0);
}

static inline int
world_setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	world_new(w);
	world_start(w, 64 * MIB);
	*state = w;
	return 0;
}

static inline int
world_teardown(void **state)
{
	struct world *w = *state;

	world_stop(w);
	world_end(w);
	free(w);
	return 0;
}

static inline struct segment_id
part(uint32_t no)
{
	struct segment_id id = { .no = no,
				 .base = (no - 1) * 4 * MIB,
				 .capacity = 4 * MIB };

	strcpy(id.upload, UPLOAD);
	return id;
}

/* The byte at off of a file; salt tells one content from another. */
static inline unsigned char
byte_at(uint64_t off, unsigned salt)
{
	uint64_t x = (off + 1) * 0x9e3779b97f4a7c15u + salt;

	return (unsigned char)((x >> 32) ^ (x >> 17));
}

static inline void
fill(unsigned char *buf, uint64_t off, size_t n, unsigned salt)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(off + i, salt);
}

static inline enum err
append(struct segment *g, size_t n, unsigned salt)
{
	unsigned char *buf = mem_alloc(n + 1);
	enum err err;

	fill(buf, segment_received(g), n, salt);
	err = segment_append(g, buf, n);
	free(buf);
	return err;
}

static inline struct segment *
make(struct world *w, const struct segment_id *id)
{
	struct segment *g = NULL;

	assert_int_equal(segment_create(w->spool, id, &g), ERR_OK);
	assert_non_null(g);
	return g;
}

static inline enum err
reopen(struct world *w, const struct segment_id *id, struct segment **out)
{
	struct got got = { 0 };

	segment_open(w->spool, id, got_segment, &got);
	world_wait(w, &got, 1);
	*out = got.seg;
	return got.err;
}

static inline enum err
sync_now(struct world *w, struct segment *g)
{
	struct got got = { 0 };

	segment_sync(g, got_done, &got);
	assert_int_equal(got.calls, 0);
	world_wait(w, &got, 1);
	return got.err;
}

/* [from, to) of the part is byte_at(.., salt), and what lies on the disk. */
static inline void
assert_bytes(const struct segment *g, uint64_t from, uint64_t to, unsigned salt)
{
	size_t n = (size_t)(to - from);
	unsigned char *buf = mem_alloc(n + 1), *want = mem_alloc(n + 1);

	fill(want, from, n, salt);
	assert_int_equal(pread(segment_fd(g), buf, n,
			       (off_t)(SEGMENT_HEADER + from)),
			 (ssize_t)n);
	assert_memory_equal(buf, want, n);
	free(buf);
	free(want);
}

/* The CRC that the segment tells is that of what it holds. */
static inline void
assert_crc(struct segment *g)
{
	uint32_t crc;

	assert_int_equal(spool_data_crc(segment_fd(g), 0, segment_received(g),
					&crc),
			 ERR_OK);
	assert_int_equal(segment_crc(g), crc);
}

#endif
