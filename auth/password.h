/* SPDX-License-Identifier: Apache-2.0 */
/* Password hashes (crypt(5) of libxcrypt), made and compared. */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include <stdbool.h>

#include "lib/err.h"

/*
 * True for a complete hash that is strong enough: yescrypt ($y$), scrypt
 * ($7$), bcrypt ($2b$, $2a$, $2y$), SHA-512 ($6$) or SHA-256 ($5$).
 */
bool password_hash_valid(const char *hash);

/*
 * Slow, for the pool. The comparison takes constant time, and everything that
 * crypt(3) leaves in memory is wiped. hash may also be a mere setting, which
 * no password matches.
 */
bool password_verify(const char *password, const char *hash);

/* A setting with a random salt, as costly as new hashes are. */
char *password_dummy(void);

#endif
