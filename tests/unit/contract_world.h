/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the store contract: the store under test, a loop that drives it, and
 * what a call came back with, copied.
 */
#ifndef TESTS_UNIT_CONTRACT_WORLD_H
#define TESTS_UNIT_CONTRACT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/http.h"
#include "bridge/store.h"

#define KEY_BYTES 512

struct world {
	struct loop *loop;
	struct work_pool *pool;
	struct http *http;
	struct conf *conf;
	const char *name; /* of the section behind "store." */
	struct store *store;
	struct store_caps caps; /* as the probe found them */
	char root[64];		/* a folder of this run, ends in '/' */
	bool slow;		/* also what takes many requests */
	bool no_bytes;		/* the store keeps sizes and no bytes */
	bool spoiled;		/* a completion came that must not come */
};

extern struct world world;

struct got_entry {
	char *key;
	bool is_dir;
	uint64_t size;
	int64_t mtime;
};

struct got {
	bool done;
	enum err err;
	bool ambiguous;
	struct store_caps caps;
	struct store_object object;
	struct store_part part;
	char backend_id[STORE_BACKEND_ID_MAX + 1];
	struct store_part *parts;
	size_t nparts;
	struct got_entry *entries;
	size_t nentries;
	bool marker;
	char (*uploads)[STORE_BACKEND_ID_MAX + 1];
	char (*upload_keys)[STORE_KEY_MAX + 1];
	int64_t *initiated;
	size_t nuploads;
	char *next;
	unsigned char *data;
	size_t len;
};

/* The completion of every call: copies the result into a struct got. */
void on_done(void *arg, const struct store_result *res);

/*
 * Turns the loop a few times and then cancels, unless the call was faster: no
 * completion may come any more. Frees *g.
 */
void cancel_after(struct store_op *op, struct got *g, unsigned turns);

/* Turns the loop until the call is done. */
void wait_done(struct got *g);
void got_free(struct got *g);

/* "<root><name>", valid until four calls later. */
const char *key_of(const char *name);

/* Bytes that differ by seed; the caller frees them. */
unsigned char *make_bytes(size_t n, unsigned seed);

/* A body in memory with all digests. */
struct store_body body_of(const void *data, size_t n);

/* Each runs one call and waits; the caller frees what it gets. */
struct got do_put(const char *key, const void *data, size_t n);
struct got do_put_meta(const char *key, const struct store_meta *meta,
		       const void *data, size_t n);
struct got do_head(const char *key);
struct got do_get(const char *key, const char *etag, uint64_t off, size_t len);
struct got do_delete(const char *key);
struct got do_list(const char *prefix, const char *marker);
struct got do_begin(const char *key, const struct store_meta *meta);
struct got do_part(const char *key, const char *id, uint32_t no, uint64_t off,
		   const void *data, size_t n);
struct got do_list_parts(const char *key, const char *id);
struct got do_complete(const char *key, const char *id,
		       const struct store_part *parts, size_t n);
struct got do_abort(const char *key, const char *id);
struct got do_list_uploads(const char *key);

/* What most tests ask: that it worked, and nothing of the rest. */
void must(struct got g);
void must_fail(struct got g, enum err err);

/* What was read is this; for a store that keeps bytes. */
void must_be(const void *got, const void *want, size_t n);

/* The object at key has exactly these bytes. */
void must_hold(const char *key, const void *data, size_t n);

/* Bytes in a part that need not be the last, for this store. */
size_t part_bytes(void);

/* Opens the store "name" of the same file; NULL when there is no such one. */
struct store *open_other(const char *name);

/* The tests, by file. */
extern const struct CMUnitTest contract_objects[];
extern const size_t n_contract_objects;
extern const struct CMUnitTest contract_parts[];
extern const size_t n_contract_parts;
extern const struct CMUnitTest contract_lists[];
extern const size_t n_contract_lists;

#endif
