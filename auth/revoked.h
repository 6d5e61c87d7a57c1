/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and certificates that let nobody in any more. A text file, one entry a
 * line: a public key, its fingerprint (SHA256:...), or of certificates
 * "serial: N", "serial: N-M" and "id: TEXT", whoever has signed them. A key
 * stands for the certificates made for it, and an authority's for those that
 * it has signed.
 */
#ifndef AUTH_REVOKED_H
#define AUTH_REVOKED_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/ssh_cert.h"
#include "lib/err.h"

#define REVOKED_FILE_MAX (16u << 20) /* bytes */
#define REVOKED_WHY_MAX 160

struct revoked;

/* ERR_INVALID: why starts with the line's number. The caller frees *out. */
enum err revoked_read(const char *path, struct revoked **out,
		      char why[REVOKED_WHY_MAX]);
void revoked_free(struct revoked *r); /* NULL is fine */

/* r NULL: nothing is revoked. */
bool revoked_key(const struct revoked *r, const void *blob, size_t len);
bool revoked_cert(const struct revoked *r, const struct ssh_cert *cert);

#endif
