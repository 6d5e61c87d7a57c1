/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/place.h"

#include <string.h>

#include "auth/account.h"
#include "bridge/names.h"
#include "ctl/users_file.h"
#include "lib/mem.h"

static bool
of_user(const struct user *u, const char *path, struct place *out)
{
	char clean[JOURNAL_PATH_MAX + 1];

	if (names_path("/", path, strlen(path), clean) != ERR_OK ||
	    names_key(u->home, clean, out->key) != ERR_OK ||
	    strcmp(clean, "/") == 0) {
		ctl_error("\"%s\" is no file's path", path);
		return false;
	}
	str_copy(out->store, sizeof(out->store), u->store);
	return true;
}

static bool
by_user(struct ctl *c, const char *name, const char *path, struct place *out)
{
	struct account *accounts = users_file_accounts(c), *a;
	bool ok = false;

	HASH_FIND_STR(accounts, name, a);
	if (a)
		ok = of_user(a->user, path, out);
	else
		ctl_error("no user \"%s\" in %s", name, c->users_file);
	accounts_free(accounts);
	return ok;
}

static bool
by_key(struct ctl *c, const char *key, const char *store, struct place *out)
{
	char **s;

	if (!store)
		store = c->bridge.default_store;
	if (!store) {
		ctl_error("there are several stores: name one with --store");
		return false;
	}
	for (s = c->bridge.stores; *s && strcmp(*s, store) != 0; s++)
		;
	if (!*s) {
		ctl_error("no store \"%s\" in %s", store, c->config_path);
		return false;
	}
	str_copy(out->store, sizeof(out->store), store);
	key += strspn(key, "/");
	if (!key[0] || str_copy(out->key, sizeof(out->key), key) != 0) {
		ctl_error("a key has 1 to %d bytes", STORE_KEY_MAX);
		return false;
	}
	return true;
}

bool
place_find(struct ctl *c, int argc, char **argv, const char *store,
	   struct place *out)
{
	if (argc == 2)
		return by_user(c, argv[0], argv[1], out);
	return by_key(c, argv[0], store, out);
}
