/* SPDX-License-Identifier: Apache-2.0 */
/* "url": lets whoever has it fetch or store one object for a while. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/account.h"
#include "bridge/names.h"
#include "ctl/cmd_user.h"
#include "ctl/stores.h"
#include "ctl/users_file.h"
#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/mem.h"

#define TTL_DEFAULT_MS (3600 * 1000)

struct wanted {
	struct ctl *ctl;
	const char *user, *path;
	char key[STORE_KEY_MAX + 1];
	struct store_grant grant;
};

/* The user's path as a key; false after saying what is wrong with it. */
static bool
find_key(struct wanted *w, const struct user *u)
{
	char clean[JOURNAL_PATH_MAX + 1];

	if (names_path("/", w->path, strlen(w->path), clean) != ERR_OK ||
	    names_key(u->home, clean, w->key) != ERR_OK ||
	    strcmp(clean, "/") == 0) {
		ctl_error("\"%s\" is no file's path", w->path);
		return false;
	}
	return true;
}

static void
print(const struct wanted *w, const char *url)
{
	char expires[32];
	json_t *o;

	if (!w->ctl->json) {
		puts(url);
		return;
	}
	clock_rfc3339(clock_wall_ms() + (int64_t)w->grant.seconds * 1000,
		      expires, sizeof(expires));
	o = json_pack("{s:s, s:s, s:s}", "url", url, "method",
		      w->grant.put ? "PUT" : "GET", "expires", expires);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

static bool
make(struct wanted *w, const struct user *u)
{
	struct stores *stores;
	struct stores_answer a = { 0 };
	struct store *st;
	bool ok = false;

	if (!find_key(w, u))
		return false;
	stores = stores_open(w->ctl);
	st = stores ? stores_get(stores, u->store) : NULL;
	if (st) {
		stores_presign(stores, st, w->key, w->grant, &a);
		ok = a.err == ERR_OK && a.url;
		if (ok)
			print(w, a.url);
		else if (a.err == ERR_NOT_FOUND)
			ctl_error("%s of %s is not in the store", w->path,
				  w->user);
		else
			ctl_error("store \"%s\": %s", u->store, a.why);
	}
	stores_forget(&a);
	stores_close(stores);
	return ok;
}

static bool
read_ttl(struct wanted *w, const char *text)
{
	uint64_t ms = TTL_DEFAULT_MS;

	if (text && (conf_parse_time(text, &ms) != 0 || ms < 1000 ||
		     ms > STORE_GRANT_MAX_S * UINT64_C(1000))) {
		ctl_error("--ttl %s: expected 1s to 7d", text);
		return false;
	}
	w->grant.seconds = (unsigned)(ms / 1000);
	return true;
}

int
cmd_url(struct ctl *c, int argc, char **argv)
{
	struct wanted w = { .ctl = c };
	const char *ttl = NULL;
	const struct ctl_option options[] = { { "--put", &w.grant.put, NULL },
					      { "--ttl", NULL, &ttl },
					      { NULL, NULL, NULL } };
	int status = ctl_options(c, options, &argc, argv);
	struct account *accounts, *a;
	bool ok = false;

	if (status >= 0)
		return status;
	if (argc != 2)
		return ctl_usage(c, "url takes a user's name and a path");
	w.user = argv[0];
	w.path = argv[1];
	if (!read_ttl(&w, ttl))
		return CTL_USAGE;
	if (!ctl_config(c))
		return CTL_FAILED;
	accounts = users_file_accounts(c);
	HASH_FIND_STR(accounts, w.user, a);
	if (!a)
		ctl_error("no user \"%s\" in %s", w.user, c->users_file);
	else
		ok = make(&w, a->user);
	accounts_free(accounts);
	return ok ? CTL_OK : CTL_FAILED;
}
