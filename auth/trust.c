/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/trust.h"

#include <string.h>

#define SECTION "daemon"

static struct authkey *
cas_read(struct conf *conf, const char *path)
{
	char why[AUTHKEY_WHY_MAX];
	struct authkey *list = NULL;
	const struct authkey *k;

	if (authkey_read(path, &list, why) != ERR_OK)
		conf_complain(conf, SECTION, "user_ca_keys", "%s: %s", path,
			      why);
	for (k = list; k; k = k->next) {
		if (k->principals)
			conf_complain(conf, SECTION, "user_ca_keys",
				      "%s: principals= belongs to the keys of "
				      "a user",
				      path);
	}
	return list;
}

static struct revoked *
revoked_file(struct conf *conf, const char *path)
{
	char why[REVOKED_WHY_MAX];
	struct revoked *r = NULL;

	if (revoked_read(path, &r, why) != ERR_OK)
		conf_complain(conf, SECTION, "revoked_keys", "%s: %s", path,
			      why);
	return r;
}

void
trust_read(struct conf *conf, const char *user_ca_keys,
	   const char *revoked_keys, struct trust *out)
{
	out->cas = user_ca_keys ? cas_read(conf, user_ca_keys) : NULL;
	out->revoked = revoked_keys ? revoked_file(conf, revoked_keys) : NULL;
}

void
trust_free(struct trust *t)
{
	authkey_free(t->cas);
	revoked_free(t->revoked);
	memset(t, 0, sizeof(*t));
}
