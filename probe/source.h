/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file as bytes at offsets, in blocks that are fetched from the parent and
 * kept: the head and the tail to the end, because readers come back to them,
 * others until newer ones need the room. Who reads on gets more with each
 * fetch; who jumps about gets one block. Lives as long as the process.
 */
#ifndef PROBE_SOURCE_H
#define PROBE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#define SOURCE_BLOCK (64u << 10)
#define SOURCE_BLOCKS 160 /* kept: 10 MiB */

/* Fetches len bytes at off; 0 or -1. */
typedef int source_fetch_fn(uint64_t off, void *dst, uint32_t len);

void source_open(uint64_t size, source_fetch_fn *fetch);
void source_close(void); /* for tests, which open another */
uint64_t source_size(void);

/*
 * Up to n bytes at off: how many; 0 at the end of the file; -1 when they
 * cannot be had. May give fewer than asked.
 */
long source_read(uint64_t off, void *dst, size_t n);

/* Exactly n bytes; 0 or -1. */
int source_take(uint64_t off, void *dst, size_t n);

#endif
