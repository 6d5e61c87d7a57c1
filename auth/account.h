/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user together with what proves who they are: the sections of users.ini as
 * auth's own files share them.
 */
#ifndef AUTH_ACCOUNT_H
#define AUTH_ACCOUNT_H

#include <uthash.h>

#include "auth/authorized_keys.h"
#include "auth/user.h"
#include "lib/conf.h"

struct account {
	struct user *user;
	char *hash; /* of the password, crypt(5); NULL: none */
	struct authkey *keys;
	char *principals;  /* names in certificates, with commas; NULL: the
			     user's own */
	UT_hash_handle hh; /* by user->name */
};

/*
 * All users of an open users.ini in a table; what is wrong becomes a
 * complaint in conf, and its user may then be left out. The caller frees the
 * table.
 */
struct account *accounts_read(struct conf *conf, const struct auth_config *cfg);
void accounts_free(struct account *table);

/* True for a user name that users.ini may have. */
bool account_name_valid(const char *name);

#endif
