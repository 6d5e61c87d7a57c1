/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in the container of segments. They hold a hash of the key, not the
 * key, which may be as long as a name can be.
 */
#include "bridge/store_swift.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/id.h"

#define HASH_LEN 32
#define SEEN "-seen"

void
swift_key_hash(const char *key, char out[HASH_LEN + 1])
{
	unsigned char sha256[32];

	if (!EVP_Digest(key, strlen(key), sha256, NULL, EVP_sha256(), NULL))
		abort();
	hex_encode(sha256, HASH_LEN / 2, out);
}

void
swift_set_of(const char *key, const char *id, char out[SWIFT_SET_LEN + 1])
{
	char hash[HASH_LEN + 1];

	swift_key_hash(key, hash);
	snprintf(out, SWIFT_SET_LEN + 1, "%s/%s", hash, id);
}

bool
swift_set_valid(const char *set)
{
	unsigned char raw[HASH_LEN / 2];

	return strlen(set) == SWIFT_SET_LEN && set[HASH_LEN] == '/' &&
	       hex_decode(set, HASH_LEN, raw) == 0 &&
	       id_valid(set + HASH_LEN + 1);
}

void
swift_part_name(uint32_t no, uint64_t off, char out[32])
{
	snprintf(out, 32, "%05u-%020llu", no, (unsigned long long)off);
}

bool
swift_part_parse(const char *name, uint32_t *no, uint64_t *off)
{
	unsigned long long at;
	int end = 0;

	if (sscanf(name, "%5u-%20llu%n", no, &at, &end) != 2 || name[end])
		return false;
	*off = at;
	return *no > 0;
}

void
swift_note_name(const char *set, int64_t due_ms, bool again,
		char out[SWIFT_NOTE_LEN + 1])
{
	snprintf(out, SWIFT_NOTE_LEN + 1, "%013lld-%.*s-%s%s",
		 (long long)due_ms, HASH_LEN, set, set + HASH_LEN + 1,
		 again ? SEEN : "");
}

bool
swift_note_parse(const char *name, int64_t *due_ms, char set[SWIFT_SET_LEN + 1],
		 bool *again)
{
	char hash[HASH_LEN + 1] = "", id[ID_LEN + 1] = "";
	long long ms;
	int end = 0;

	if (sscanf(name, "%13lld-%32[0-9a-f]-%32[0-9a-f]%n", &ms, hash, id,
		   &end) != 3)
		return false;
	snprintf(set, SWIFT_SET_LEN + 1, "%s/%s", hash, id);
	*again = strcmp(name + end, SEEN) == 0;
	*due_ms = ms;
	return swift_set_valid(set) && (*again || !name[end]);
}
