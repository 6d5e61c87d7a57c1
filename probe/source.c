/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/source.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/probe_wire.h"

#define RUN_MAX (PROBE_WIRE_READ_MAX / SOURCE_BLOCK) /* blocks in a fetch */
#define HEAD 4	/* blocks at the beginning that are fetched in one go */
#define KEPT 16 /* and that stay, there and at the end */

struct block {
	bool used;
	uint64_t no;
	uint64_t stamp; /* of the last use */
	unsigned char data[SOURCE_BLOCK];
};

static struct {
	uint64_t size;
	uint64_t count; /* blocks in the file */
	source_fetch_fn *fetch;
	struct block *blocks;
	unsigned char *run; /* what a fetch brings */
	uint64_t next;	    /* the block behind the last fetch */
	unsigned length;    /* of the last fetch, blocks */
	uint64_t clock;
} s;

void
source_open(uint64_t size, source_fetch_fn *fetch)
{
	s.size = size;
	s.count = (size + SOURCE_BLOCK - 1) / SOURCE_BLOCK;
	s.fetch = fetch;
	s.blocks = mem_array(SOURCE_BLOCKS, sizeof(*s.blocks));
	s.run = mem_alloc(PROBE_WIRE_READ_MAX);
	s.next = UINT64_MAX;
}

void
source_close(void)
{
	free(s.blocks);
	free(s.run);
	memset(&s, 0, sizeof(s));
}

uint64_t
source_size(void)
{
	return s.size;
}

static struct block *
find(uint64_t no)
{
	for (unsigned i = 0; i < SOURCE_BLOCKS; i++) {
		if (s.blocks[i].used && s.blocks[i].no == no)
			return &s.blocks[i];
	}
	return NULL;
}

static bool
stays(const struct block *b)
{
	return b->no < KEPT || b->no + KEPT >= s.count;
}

/* Of all that may go, the one that was not used for longest. */
static struct block *
room(void)
{
	struct block *b, *oldest = NULL;

	for (unsigned i = 0; i < SOURCE_BLOCKS; i++) {
		b = &s.blocks[i];
		if (!b->used)
			return b;
		if (!stays(b) && (!oldest || b->stamp < oldest->stamp))
			oldest = b;
	}
	return oldest;
}

static size_t
block_len(uint64_t no)
{
	uint64_t left = s.size - no * SOURCE_BLOCK;

	return left < SOURCE_BLOCK ? (size_t)left : SOURCE_BLOCK;
}

/* How many blocks from this one on are worth one request. */
static unsigned
run_length(uint64_t no)
{
	unsigned n = 1, max = RUN_MAX;

	if (no == s.next)
		n = s.length * 2;
	else if (no == 0)
		n = HEAD;
	else if (s.count - no <= HEAD)
		n = HEAD;
	if (n < max)
		max = n;
	for (n = 1; n < max && no + n < s.count && !find(no + n); n++)
		;
	return n;
}

static struct block *
fetch(uint64_t no)
{
	unsigned n = run_length(no);
	uint64_t off = no * SOURCE_BLOCK;
	uint64_t len = (uint64_t)(n - 1) * SOURCE_BLOCK;
	struct block *b;

	len += block_len(no + n - 1);
	if (s.fetch(off, s.run, (uint32_t)len) != 0)
		return NULL;
	s.next = no + n;
	s.length = n;
	for (unsigned i = 0; i < n; i++) {
		b = room();
		b->used = true;
		b->no = no + i;
		b->stamp = ++s.clock;
		memcpy(b->data, s.run + (size_t)i * SOURCE_BLOCK,
		       block_len(no + i));
	}
	return find(no);
}

long
source_read(uint64_t off, void *dst, size_t n)
{
	uint64_t no = off / SOURCE_BLOCK;
	size_t at = (size_t)(off % SOURCE_BLOCK);
	struct block *b;

	if (off >= s.size || n == 0)
		return 0;
	b = find(no);
	if (!b)
		b = fetch(no);
	if (!b)
		return -1;
	b->stamp = ++s.clock;
	if (n > block_len(no) - at)
		n = block_len(no) - at;
	memcpy(dst, b->data + at, n);
	return (long)n;
}

int
source_take(uint64_t off, void *dst, size_t n)
{
	unsigned char *p = dst;
	long got;

	while (n > 0) {
		got = source_read(off, p, n);
		if (got <= 0)
			return -1;
		p += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}
