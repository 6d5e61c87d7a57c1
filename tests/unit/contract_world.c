/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/contract_world.h"

#include <openssl/evp.h>

#include "lib/clock.h"
#include "lib/crc32c.h"
#include "lib/mem.h"

#define CONTRACT_PATIENCE_MS 300000
#define PART_BYTES_MIN ((size_t)64 << 10)

struct world world;

static void
copy_lists(struct got *g, const struct store_result *r)
{
	g->parts = mem_array(r->nparts + 1, sizeof(*g->parts));
	if (r->nparts)
		memcpy(g->parts, r->parts, r->nparts * sizeof(*g->parts));
	g->nparts = r->nparts;
	g->entries = mem_array(r->nentries + 1, sizeof(*g->entries));
	g->nentries = r->nentries;
	g->marker = r->marker;
	for (size_t i = 0; i < r->nentries; i++) {
		g->entries[i].key = mem_strdup(r->entries[i].key);
		g->entries[i].is_dir = r->entries[i].is_dir;
		g->entries[i].size = r->entries[i].size;
		g->entries[i].mtime = r->entries[i].mtime;
	}
	g->uploads = mem_array(r->nuploads + 1, sizeof(*g->uploads));
	g->upload_keys = mem_array(r->nuploads + 1, sizeof(*g->upload_keys));
	g->initiated = mem_array(r->nuploads + 1, sizeof(*g->initiated));
	g->nuploads = r->nuploads;
	for (size_t i = 0; i < r->nuploads; i++) {
		str_copy(g->uploads[i], sizeof(g->uploads[i]),
			 r->uploads[i].backend_id);
		str_copy(g->upload_keys[i], sizeof(g->upload_keys[i]),
			 r->uploads[i].key);
		g->initiated[i] = r->uploads[i].initiated;
	}
}

void
on_done(void *arg, const struct store_result *r)
{
	struct got *g = arg;

	if (g->done || !r->why)
		world.spoiled = true;
	g->done = true;
	g->err = r->err;
	g->ambiguous = r->ambiguous;
	g->caps = r->caps;
	g->object = r->object;
	g->part = r->part;
	if (r->backend_id)
		str_copy(g->backend_id, sizeof(g->backend_id), r->backend_id);
	copy_lists(g, r);
	g->next = mem_strdup(r->next);
	g->data = mem_alloc(r->len + 1);
	if (r->len)
		memcpy(g->data, r->data, r->len);
	g->len = r->len;
}

void
wait_done(struct got *g)
{
	uint64_t end = clock_ms() + CONTRACT_PATIENCE_MS;

	assert_false(g->done); /* never from inside the call */
	while (!g->done && clock_ms() < end)
		loop_turn(world.loop, 1000);
	assert_true(g->done);
	assert_false(world.spoiled);
}

void
cancel_after(struct store_op *op, struct got *g, unsigned turns)
{
	bool was_done;

	for (unsigned i = 0; i < turns && !g->done; i++)
		loop_turn(world.loop, i);
	was_done = g->done;
	if (!was_done)
		store_cancel(op);
	for (unsigned i = 0; i < 5; i++)
		loop_turn(world.loop, 1);
	assert_int_equal(g->done, was_done);
	got_free(g);
}

void
got_free(struct got *g)
{
	for (size_t i = 0; i < g->nentries; i++)
		free(g->entries[i].key);
	free(g->entries);
	free(g->parts);
	free(g->uploads);
	free(g->upload_keys);
	free(g->initiated);
	free(g->next);
	free(g->data);
}

const char *
key_of(const char *name)
{
	static char keys[4][KEY_BYTES];
	static unsigned i;
	char *key = keys[i++ % 4];

	snprintf(key, KEY_BYTES, "%s%s", world.root, name);
	return key;
}

unsigned char *
make_bytes(size_t n, unsigned seed)
{
	unsigned char *p = mem_alloc(n + 1);
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (unsigned char)(x >> 24);
	}
	return p;
}

struct store_body
body_of(const void *data, size_t n)
{
	struct store_body b = { .data = data, .fd = -1, .len = n };

	b.crc32c = crc32c(0, data, n);
	b.has_sha256 = true;
	EVP_Digest(data, n, b.sha256, NULL, EVP_sha256(), NULL);
	b.has_md5 = true;
	EVP_Digest(data, n, b.md5, NULL, EVP_md5(), NULL);
	return b;
}

struct got
do_put_meta(const char *key, const struct store_meta *meta, const void *data,
	    size_t n)
{
	struct store_body b = body_of(data, n);
	struct got g = { 0 };

	store_put(world.store, key, meta, &b, on_done, &g);
	wait_done(&g);
	return g;
}

struct got
do_put(const char *key, const void *data, size_t n)
{
	return do_put_meta(key, NULL, data, n);
}

struct got
do_head(const char *key)
{
	struct got g = { 0 };

	store_head(world.store, key, on_done, &g);
	wait_done(&g);
	return g;
}

struct got
do_get(const char *key, const char *etag, uint64_t off, size_t len)
{
	struct got g = { 0 };

	store_get(world.store, key, etag, (struct store_range){ off, len },
		  on_done, &g);
	wait_done(&g);
	return g;
}

struct got
do_delete(const char *key)
{
	struct got g = { 0 };

	store_delete(world.store, key, on_done, &g);
	wait_done(&g);
	return g;
}

struct got
do_list(const char *prefix, const char *marker)
{
	struct got g = { 0 };

	store_list(world.store, prefix, marker, on_done, &g);
	wait_done(&g);
	return g;
}

struct got
do_begin(const char *key, const struct store_meta *meta)
{
	struct got g = { 0 };

	store_begin(world.store, key, meta, on_done, &g);
	wait_done(&g);
	assert_int_equal(g.err, ERR_OK);
	return g;
}

struct got
do_part(const char *key, const char *id, uint32_t no, uint64_t off,
	const void *data, size_t n)
{
	struct store_target t = { .key = key, .backend_id = id };
	struct store_body b = body_of(data, n);
	struct got g = { 0 };

	store_put_part(world.store, t, (struct store_slot){ no, off }, &b,
		       on_done, &g);
	wait_done(&g);
	return g;
}

struct got
do_list_parts(const char *key, const char *id)
{
	struct store_target t = { .key = key, .backend_id = id };
	struct got g = { 0 };

	store_list_parts(world.store, t, on_done, &g);
	wait_done(&g);
	return g;
}

struct got
do_complete(const char *key, const char *id, const struct store_part *parts,
	    size_t n)
{
	struct store_target t = { .key = key, .backend_id = id };
	struct got g = { 0 };

	store_complete(world.store, t, parts, n, on_done, &g);
	wait_done(&g);
	return g;
}

struct got
do_abort(const char *key, const char *id)
{
	struct store_target t = { .key = key, .backend_id = id };
	struct got g = { 0 };

	store_abort(world.store, t, on_done, &g);
	wait_done(&g);
	return g;
}

struct got
do_list_uploads(const char *key)
{
	struct got g = { 0 };

	store_list_uploads(world.store, key, on_done, &g);
	wait_done(&g);
	return g;
}

void
must(struct got g)
{
	assert_string_equal(err_name(g.err), err_name(ERR_OK));
	got_free(&g);
}

void
must_fail(struct got g, enum err err)
{
	assert_string_equal(err_name(g.err), err_name(err));
	got_free(&g);
}

void
must_be(const void *got, const void *want, size_t n)
{
	if (!world.no_bytes)
		assert_memory_equal(got, want, n);
}

void
must_hold(const char *key, const void *data, size_t n)
{
	const unsigned char *p = data;
	struct got g = do_head(key);
	size_t len;

	assert_string_equal(err_name(g.err), err_name(ERR_OK));
	assert_int_equal(g.object.size, n);
	got_free(&g);
	for (size_t at = 0; at < n; at += len) {
		len = n - at < STORE_GET_MAX ? n - at : STORE_GET_MAX;
		g = do_get(key, NULL, at, len);
		assert_string_equal(err_name(g.err), err_name(ERR_OK));
		assert_int_equal(g.len, len);
		must_be(g.data, p + at, len);
		got_free(&g);
	}
}

size_t
part_bytes(void)
{
	size_t min = (size_t)store_limits(world.store)->part_min;

	return min > PART_BYTES_MIN ? min : PART_BYTES_MIN;
}

struct store *
open_other(const char *name)
{
	struct store_env env = { .loop = world.loop,
				 .pool = world.pool,
				 .http = world.http };
	char section[64];
	struct store *s;

	snprintf(section, sizeof(section), "store.%s", name);
	if (!conf_has(world.conf, section, "type"))
		return NULL;
	assert_int_equal(store_open(&s, world.conf, name, &env), ERR_OK);
	return s;
}
