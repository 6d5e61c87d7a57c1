/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/tus_stage.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/crc32c.h"
#include "lib/mem.h"

#define STEP (1u << 20) /* bytes that the memory grows by, at least */

struct tus_stage {
	struct tus_checksum sum;
	EVP_MD_CTX *md; /* NULL: CRC-32C */
	uint32_t crc;
	struct buf bytes;
	uint64_t held; /* of *total */
	uint64_t *total;
	size_t taken; /* by the last call */
};

struct tus_stage *
tus_stage_new(const struct tus_checksum *sum, uint64_t *total)
{
	struct tus_stage *s = mem_alloc(sizeof(*s));

	s->sum = *sum;
	s->total = total;
	buf_init(&s->bytes, TUS_STAGE_MAX);
	if (sum->algorithm == TUS_CRC32C)
		return s;
	s->md = EVP_MD_CTX_new();
	if (!s->md ||
	    EVP_DigestInit_ex(s->md,
			      sum->algorithm == TUS_SHA1 ? EVP_sha1()
							 : EVP_sha256(),
			      NULL) != 1)
		abort(); /* out of memory, as mem_alloc() ends too */
	return s;
}

void
tus_stage_free(struct tus_stage *s)
{
	if (!s)
		return;
	*s->total -= s->held;
	EVP_MD_CTX_free(s->md);
	buf_free(&s->bytes);
	free(s);
}

/* Taken in steps, as the buffer's memory grows in leaps too. */
static bool
reserve(struct tus_stage *s, size_t n)
{
	uint64_t want = buf_len(&s->bytes) + n;

	if (want <= s->held)
		return true;
	want = (want + STEP - 1) / STEP * STEP;
	if (want < 2 * s->held)
		want = 2 * s->held;
	if (want > TUS_STAGE_MAX)
		want = TUS_STAGE_MAX;
	if (*s->total + want - s->held > TUS_STAGED_MAX)
		return false;
	*s->total += want - s->held;
	s->held = want;
	return true;
}

enum tus_stage_result
tus_stage_add(struct tus_stage *s, const void *data, size_t n)
{
	if (n > TUS_STAGE_MAX - buf_len(&s->bytes))
		return TUS_STAGE_LARGE;
	if (!reserve(s, n))
		return TUS_STAGE_FULL;
	if (s->md)
		EVP_DigestUpdate(s->md, data, n);
	else
		s->crc = crc32c(s->crc, data, n);
	buf_add(&s->bytes, data, n);
	return TUS_STAGE_OK;
}

bool
tus_stage_verify(struct tus_stage *s)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned i, n = 4;

	if (s->md)
		EVP_DigestFinal_ex(s->md, digest, &n);
	else
		for (i = 0; i < 4; i++)
			digest[i] = (unsigned char)(s->crc >> (24 - 8 * i));
	return n == s->sum.len && CRYPTO_memcmp(digest, s->sum.digest, n) == 0;
}

size_t
tus_stage_take(struct tus_stage *s, size_t max, const void **out)
{
	buf_consume(&s->bytes, s->taken);
	s->taken = buf_len(&s->bytes) < max ? buf_len(&s->bytes) : max;
	*out = buf_data(&s->bytes);
	return s->taken;
}
