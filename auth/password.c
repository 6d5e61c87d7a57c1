/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/password.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "auth/user.h"
#include "lib/mem.h"

#define METHOD "$y$" /* new hashes */

/* How many characters follow the last '$', by method (crypt(5)). */
static const struct method {
	const char *prefix;
	size_t digest;
} methods[] = {
	{ "$y$", 43 },	{ "$7$", 43 }, { "$2b$", 53 }, { "$2a$", 53 },
	{ "$2y$", 53 }, { "$6$", 86 }, { "$5$", 43 },
};

bool
password_hash_valid(const char *hash)
{
	const char *last = strrchr(hash, '$');
	const struct method *m;
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		m = &methods[i];
		if (strncmp(hash, m->prefix, strlen(m->prefix)) == 0)
			return strlen(last + 1) == m->digest &&
			       strlen(hash) < CRYPT_OUTPUT_SIZE &&
			       crypt_checksalt(hash) == CRYPT_SALT_OK;
	}
	return false;
}

bool
password_verify(const char *password, const char *hash)
{
	struct crypt_data *data = mem_alloc(sizeof(*data));
	size_t n = strlen(hash);
	const char *got;
	bool same;

	got = crypt_rn(password, hash, data, (int)sizeof(*data));
	same = got && strlen(got) == n && CRYPTO_memcmp(got, hash, n) == 0;
	mem_wipe(data, sizeof(*data));
	free(data);
	return same;
}

char *
password_dummy(void)
{
	char *setting = crypt_gensalt_ra(METHOD, 0, NULL, 0);

	if (!setting)
		abort();
	return setting;
}

enum err
auth_hash(const char *password, char **out)
{
	struct crypt_data *data;
	char *setting;
	const char *got;

	*out = NULL;
	if (password[0] == '\0' || strlen(password) > AUTH_PASSWORD_MAX)
		return ERR_INVALID;
	setting = crypt_gensalt_ra(METHOD, 0, NULL, 0);
	if (!setting)
		return ERR_IO;
	data = mem_alloc(sizeof(*data));
	got = crypt_rn(password, setting, data, (int)sizeof(*data));
	if (got)
		*out = mem_strdup(got);
	mem_wipe(data, sizeof(*data));
	free(data);
	free(setting);
	return *out ? ERR_OK : ERR_IO;
}
