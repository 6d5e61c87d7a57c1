/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that rows wait for: an open table of hashes. Two keys with one hash
 * only wait for each other without need.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/outbox_private.h"
#include "lib/mem.h"

#define SLOTS_MIN 64

/* FNV-1a, 64 bits. */
uint64_t
keyset_hash(const char *key)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3u;
	return h ? h : 1;
}

static size_t
slot_of(const struct keyset *k, uint64_t hash)
{
	size_t i = (size_t)(hash ^ hash >> 32) & (k->size - 1);

	while (k->hashes[i] && k->hashes[i] != hash)
		i = (i + 1) & (k->size - 1);
	return i;
}

static void
put(struct keyset *k, uint64_t hash, uint32_t count)
{
	size_t i = slot_of(k, hash);

	k->used += k->hashes[i] == 0;
	k->hashes[i] = hash;
	k->counts[i] = count;
}

/* Keys without rows keep their slot until then. */
static void
rehash(struct keyset *k)
{
	struct keyset old = *k;
	size_t i, live = 0;

	for (i = 0; i < old.size; i++)
		live += old.counts[i] > 0;
	for (k->size = SLOTS_MIN; k->size < 4 * live; k->size *= 2)
		;
	k->hashes = mem_array(k->size, sizeof(*k->hashes));
	k->counts = mem_array(k->size, sizeof(*k->counts));
	k->used = 0;
	for (i = 0; i < old.size; i++)
		if (old.counts[i] > 0)
			put(k, old.hashes[i], old.counts[i]);
	free(old.hashes);
	free(old.counts);
}

static uint32_t
count_of(const struct keyset *k, uint64_t hash)
{
	return k->size ? k->counts[slot_of(k, hash)] : 0;
}

bool
keyset_has(const struct keyset *k, uint64_t hash)
{
	return count_of(k, hash) > 0;
}

void
keyset_add(struct keyset *k, uint64_t hash, int n)
{
	uint32_t count;

	if (2 * (k->used + 1) > k->size)
		rehash(k);
	count = count_of(k, hash);
	if (n < 0 && count == 0)
		return;
	put(k, hash, n < 0 ? count - 1 : count + (uint32_t)n);
	k->rows = n < 0 ? k->rows - 1 : k->rows + (size_t)n;
}

void
keyset_free(struct keyset *k)
{
	free(k->hashes);
	free(k->counts);
	memset(k, 0, sizeof(*k));
}
