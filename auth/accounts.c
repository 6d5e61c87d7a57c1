/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/password.h"
#include "lib/log.h"
#include "lib/mem.h"

#define USERS_MAX 100000
#define HOME_MAX 512	   /* bytes; the rest of a key is the client's */
#define INLINE_KEYS_MAX 20 /* key1 .. key20 */

static const char *const publish_words[] = { "close", "declared", "rename",
					     NULL };

static const struct right {
	const char *name;
	unsigned bit;
} rights[] = {
	{ "read", USER_READ },	   { "write", USER_WRITE },
	{ "delete", USER_DELETE }, { "list", USER_LIST },
	{ "rename", USER_RENAME }, { "mkdir", USER_MKDIR },
};
#define RIGHTS (sizeof(rights) / sizeof(rights[0]))
#define RIGHTS_DEFAULT "read, write, delete, list, rename, mkdir"

/* A name is part of keys, log lines and lock names: plain characters only. */
bool
account_name_valid(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= USER_NAME_MAX && name[0] != '.' &&
	       name[0] != '-' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789._@+-")] == '\0';
}

static unsigned
right_bit(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < RIGHTS; i++) {
		if (strlen(rights[i].name) == n &&
		    memcmp(rights[i].name, s, n) == 0)
			return rights[i].bit;
	}
	return 0;
}

static unsigned
rights_read(struct conf *conf, const char *name)
{
	const char *text = conf_str(conf, name, "rights", RIGHTS_DEFAULT);
	const char *s = text;
	unsigned all = 0, bit;
	size_t n;

	while (*(s += strspn(s, ", \t"))) {
		n = strcspn(s, ", \t");
		bit = right_bit(s, n);
		if (!bit) {
			conf_complain(conf, name, "rights",
				      "found \"%s\", expected a list of "
				      "read, write, delete, list, rename, "
				      "mkdir",
				      text);
			return 0;
		}
		all |= bit;
		s += n;
	}
	return all;
}

/* Plain components only: a home is the front of every key of its user. */
static bool
home_valid(const char *home)
{
	const char *s = home;
	size_t n;

	if (strlen(home) > HOME_MAX)
		return false;
	for (; *s; s += n + 1) {
		n = strcspn(s, "/");
		if (n == 0 || n > 255 || s[n] != '/' ||
		    (n == 1 && s[0] == '.') ||
		    (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
	}
	for (s = home; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	}
	return true;
}

/* "/" is the whole store; "a/b", "/a/b" and "a/b/" are all "a/b/". */
static char *
home_read(struct conf *conf, const char *name)
{
	const char *text = conf_str(conf, name, "home", name);
	size_t n;
	char *home;

	text += *text == '/';
	n = strlen(text);
	home = mem_printf("%s%s", text, n > 0 && text[n - 1] != '/' ? "/" : "");
	if (!home_valid(home))
		conf_complain(conf, name, "home",
			      "found \"%s\", expected a folder in the store "
			      "such as partners/%s, without \".\", \"..\" and "
			      "control characters",
			      text, name);
	return home;
}

static char *
store_read(struct conf *conf, const char *name, const struct auth_config *cfg)
{
	const char *store = conf_str(conf, name, "store", cfg->default_store);
	const char *const *s;

	if (!store) {
		conf_complain(conf, name, "store",
			      "found nothing, expected the NAME of a "
			      "[store.NAME] (or a default_store in [bridge] of "
			      "sluice.ini)");
		return mem_strdup("");
	}
	for (s = cfg->stores; s && *s && strcmp(*s, store) != 0; s++)
		;
	if (s && !*s)
		conf_complain(conf, name, "store",
			      "found \"%s\", expected the NAME of a "
			      "[store.NAME] of sluice.ini",
			      store);
	return mem_strdup(store);
}

static struct user *
user_read(struct conf *conf, const char *name, const struct auth_config *cfg)
{
	static const struct conf_range any = { 0, 0, INT64_MAX };
	static const struct conf_range sessions = { 0, 0, 100000 };
	static const struct conf_range rate = { 0, 0, (uint64_t)1 << 40 };
	struct user *u = mem_alloc(sizeof(*u));

	u->refs = 1;
	str_copy(u->name, sizeof(u->name), name);
	u->home = home_read(conf, name);
	u->store = store_read(conf, name, cfg);
	u->rights = rights_read(conf, name);
	u->publish = (enum user_publish)conf_choice(
		conf, name, "publish", publish_words, PUBLISH_CLOSE);
	u->quota_bytes = conf_size(conf, name, "quota_bytes", any);
	u->quota_files = conf_uint(conf, name, "quota_files", any);
	u->upload_rate = conf_size(conf, name, "upload_rate", rate);
	u->download_rate = conf_size(conf, name, "download_rate", rate);
	u->max_sessions =
		(unsigned)conf_uint(conf, name, "max_sessions", sessions);
	return u;
}

static char *
hash_read(struct conf *conf, const char *name)
{
	const char *hash = conf_str(conf, name, "password", NULL);

	if (!hash)
		return NULL;
	/* What was found is not repeated: it may be a password. */
	if (!password_hash_valid(hash))
		conf_complain(conf, name, "password",
			      "found something else, expected a hash as "
			      "\"sluicectl user passwd\" makes it (yescrypt "
			      "$y$, bcrypt $2b$, SHA-512 $6$)");
	return mem_strdup(hash);
}

static struct authkey *
keys_file(struct conf *conf, const char *name)
{
	const char *path = conf_str(conf, name, "authorized_keys", NULL);
	char why[AUTHKEY_WHY_MAX];
	struct authkey *keys = NULL;

	if (!path)
		return NULL;
	if (path[0] != '/')
		conf_complain(conf, name, "authorized_keys",
			      "found \"%s\", expected an absolute path", path);
	else if (authkey_read(path, &keys, why) != ERR_OK)
		conf_complain(conf, name, "authorized_keys", "%s: %s", path,
			      why);
	return keys;
}

/* key1, key2 ... are added in front of the file's keys. */
static struct authkey *
keys_read(struct conf *conf, const char *name)
{
	struct authkey *keys = keys_file(conf, name);
	struct authkey *key;
	char word[16], why[AUTHKEY_WHY_MAX];
	const char *line;
	unsigned i;

	for (i = 1; i <= INLINE_KEYS_MAX; i++) {
		snprintf(word, sizeof(word), "key%u", i);
		line = conf_str(conf, name, word, NULL);
		if (!line)
			continue;
		if (authkey_parse(line, &key, why) != ERR_OK) {
			conf_complain(conf, name, word, "%s", why);
		} else if (key) {
			key->next = keys;
			keys = key;
		}
	}
	return keys;
}

/* Names that the certificates of this user carry; NULL: the user's own. */
static char *
principals_read(struct conf *conf, const char *name)
{
	const char *list = conf_str(conf, name, "principals", NULL);

	if (list && list[strspn(list, ", \t")] == '\0')
		conf_complain(conf, name, "principals",
			      "found nothing, expected names with commas");
	return mem_strdup(list);
}

static bool
keys_given(struct conf *conf, const char *name)
{
	char word[16];
	unsigned i;

	if (conf_has(conf, name, "authorized_keys"))
		return true;
	for (i = 1; i <= INLINE_KEYS_MAX; i++) {
		snprintf(word, sizeof(word), "key%u", i);
		if (conf_has(conf, name, word))
			return true;
	}
	return false;
}

static void
account_free(struct account *a)
{
	user_unref(a->user);
	mem_wipe_free(a->hash);
	authkey_free(a->keys);
	free(a->principals);
	free(a);
}

static void
account_add(struct account **table, struct conf *conf, const char *name,
	    const struct auth_config *cfg)
{
	struct account *a;

	if (!account_name_valid(name)) {
		conf_complain(conf, name, NULL,
			      "expected a user name of at most %d letters, "
			      "digits and . _ @ + -, not starting with . or -",
			      USER_NAME_MAX);
		return;
	}
	a = mem_alloc(sizeof(*a));
	a->user = user_read(conf, name, cfg);
	a->hash = hash_read(conf, name);
	a->keys = keys_read(conf, name);
	a->principals = principals_read(conf, name);
	if (!a->hash && !cfg->user_ca_keys && !keys_given(conf, name))
		conf_complain(conf, name, "password",
			      "found nothing, expected password, "
			      "authorized_keys or key1: nobody could log in");
	HASH_ADD_KEYPTR(hh, *table, a->user->name, strlen(a->user->name), a);
}

struct account *
accounts_read(struct conf *conf, const struct auth_config *cfg)
{
	struct account *table = NULL;
	size_t i, n = conf_sections(conf);

	if (n > USERS_MAX) {
		conf_complain(conf, conf_section(conf, USERS_MAX), NULL,
			      "more than %d users", USERS_MAX);
		return NULL;
	}
	for (i = 0; i < n; i++)
		account_add(&table, conf, conf_section(conf, i), cfg);
	return table;
}

void
accounts_free(struct account *table)
{
	struct account *a, *next;

	HASH_ITER (hh, table, a, next) {
		HASH_DEL(table, a);
		account_free(a);
	}
}
