/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/webhook_sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "lib/id.h"
#include "lib/mem.h"

#define PREFIX "whsec_"
#define DIGEST_LEN 32
#define TEXT_MAX (WEBHOOK_KEY_MAX / 3 * 4 + 4)

bool
webhook_key_read(struct webhook_key *k, const char *secret)
{
	unsigned char bytes[TEXT_MAX / 4 * 3];
	size_t n = strlen(secret);
	long len;

	k->len = 0;
	if (strncmp(secret, PREFIX, strlen(PREFIX)) != 0)
		return false;
	secret += strlen(PREFIX);
	n -= strlen(PREFIX);
	if (n > TEXT_MAX)
		return false;
	len = base64_decode(secret, n, bytes);
	if (len >= WEBHOOK_KEY_MIN && len <= WEBHOOK_KEY_MAX) {
		memcpy(k->bytes, bytes, (size_t)len);
		k->len = (size_t)len;
	}
	mem_wipe(bytes, sizeof(bytes));
	return k->len > 0;
}

void
webhook_key_wipe(struct webhook_key *k)
{
	mem_wipe(k, sizeof(*k));
}

void
webhook_sign(const struct webhook_key *k, const void *signed_bytes, size_t n,
	     struct buf *out)
{
	unsigned char digest[DIGEST_LEN];
	char text[DIGEST_LEN / 3 * 4 + 5];

	if (!HMAC(EVP_sha256(), k->bytes, (int)k->len, signed_bytes, n, digest,
		  NULL))
		abort();
	base64_encode(digest, sizeof(digest), text);
	buf_add_text(out, "v1,");
	buf_add_text(out, text);
}
