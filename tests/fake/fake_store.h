/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in memory for what reads: one object of a pattern, which any key
 * that does not end in '/' names, and folders of numbered keys. Calls can be
 * made to fail or to wait. One at a time in a process.
 */
#ifndef TESTS_FAKE_STORE_H
#define TESTS_FAKE_STORE_H

#include "bridge/store_ops.h"

struct fake_store {
	/* What is there; a test may change it at any time. */
	uint64_t size;
	char etag[STORE_ETAG_MAX + 1];
	unsigned keys; /* "00000000" and so on, below any prefix */
	unsigned page; /* of them in one answer */
	int64_t mtime; /* of each of them */

	/* The calls of this kind that fail: skip first, then so many. */
	enum store_call_kind fail_kind;
	unsigned fail_skip, fail_times;
	enum err fail_err;
	size_t fail_after; /* GET: bytes that come before it breaks */

	bool holds; /* answer only when fake_store_answer() says so */

	/* What was seen. */
	unsigned started[STORE_CALLS], cancelled[STORE_CALLS];
	unsigned live, most_live;	 /* GETs and LISTs under way */
	uint64_t bytes;			 /* sent by GETs */
	char put_key[STORE_KEY_MAX + 1]; /* of the last PUT; it is not kept */
	uint64_t put_len;
};
extern struct fake_store fake_store;

/* Resets fake_store; the store is closed with store_close(). */
struct store *fake_store_open(struct loop *loop);

/* Answers the n-th of the calls that wait, from 0; false: none there. */
bool fake_store_answer(unsigned n);

unsigned char fake_store_byte(uint64_t off);

#endif
