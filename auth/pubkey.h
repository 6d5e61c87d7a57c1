/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May this key, or the certificate for it, log this user in? The rules, apart
 * from the signature of the log-in itself, which is the front end's to check.
 */
#ifndef AUTH_PUBKEY_H
#define AUTH_PUBKEY_H

#include <stdint.h>

#include "auth/account.h"
#include "auth/trust.h"

struct pubkey_rules {
	const struct trust *trust;
	int64_t now; /* Unix seconds */
};

/*
 * NULL: yes. "": the key is none of the user's, which is no news. Else why a
 * key or certificate that could have been good is not.
 */
const char *pubkey_refused(const struct pubkey_rules *rules,
			   const struct account *acc,
			   const struct auth_key *key);

#endif
