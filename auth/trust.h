/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds for the keys of all users: the authorities whose certificates are
 * good, and what is revoked. Files that user_ca_keys and revoked_keys of
 * [daemon] name.
 */
#ifndef AUTH_TRUST_H
#define AUTH_TRUST_H

#include "auth/authorized_keys.h"
#include "auth/revoked.h"
#include "lib/conf.h"

struct trust {
	struct authkey *cas;	 /* trusted for every user */
	struct revoked *revoked; /* NULL: nothing */
};

/*
 * Paths may be NULL. What is wrong becomes a complaint in conf. The caller
 * frees what is in *out.
 */
void trust_read(struct conf *conf, const char *user_ca_keys,
		const char *revoked_keys, struct trust *out);
void trust_free(struct trust *t);

#endif
