/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a signature by an SSH public key (RFC 4253 section 6.6, RFC 5656, RFC
 * 8332, RFC 8709) with OpenSSL. For the signatures of certificate authorities:
 * those of a log-in are libssh's to check.
 */
#ifndef AUTH_KEY_VERIFY_H
#define AUTH_KEY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/key_wire.h"

/*
 * False for a signature that is wrong, for one over SHA-1, and for a key of a
 * type that cannot sign certificates here (sk-).
 */
bool key_verify(struct wire_bytes key, struct wire_bytes signature,
		struct wire_bytes data);

#endif
