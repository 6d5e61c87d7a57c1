/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs what a webhook sends, after the Standard Webhooks specification
 * ("Symmetric signatures"): HMAC-SHA256 over "id.timestamp.body", once with
 * each secret, so that secrets can be changed while receivers know the old one.
 */
#ifndef BRIDGE_WEBHOOK_SIGN_H
#define BRIDGE_WEBHOOK_SIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

#define WEBHOOK_KEY_MIN 24 /* bytes, as the specification says */
#define WEBHOOK_KEY_MAX 64
#define WEBHOOK_SECRET "whsec_ and the base64 of 24 to 64 bytes"

struct webhook_key {
	unsigned char bytes[WEBHOOK_KEY_MAX];
	size_t len;
};

/* Reads a secret as WEBHOOK_SECRET says; false when it is none. */
bool webhook_key_read(struct webhook_key *k, const char *secret);
void webhook_key_wipe(struct webhook_key *k);

/* Appends "v1,<base64>" for the n bytes at signed_bytes. */
void webhook_sign(const struct webhook_key *k, const void *signed_bytes,
		  size_t n, struct buf *out);

#endif
