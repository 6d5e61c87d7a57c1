/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/user.h"

#include <stdlib.h>
#include <string.h>

#include "auth/account.h"
#include "auth/password.h"
#include "auth/pubkey.h"
#include "auth/ssh_cert.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

struct auth {
	struct account *table;
	struct trust trust;
	char **settings; /* what an unknown user's password is hashed with */
	size_t nsettings;
	struct loop *loop;
	struct work_pool *pool;
};

struct password_job {
	struct work work;
	char *password;
	char *hash;
	struct user *user; /* NULL: no match counts */
	bool match;
	auth_fn *fn;
	void *arg;
};

struct pubkey_reply {
	struct loop_call call;
	struct user *user; /* NULL: denied */
	auth_fn *fn;
	void *arg;
};

struct user *
user_ref(struct user *u)
{
	u->refs++;
	return u;
}

void
user_unref(struct user *u)
{
	if (!u || --u->refs > 0)
		return;
	free(u->home);
	free(u->store);
	free(u);
}

static struct account *
account_find(const struct auth *a, const char *name)
{
	struct account *found;

	HASH_FIND_STR(a->table, name, found);
	return found;
}

bool
auth_knows(const struct auth *a, const char *name)
{
	return account_find(a, name) != NULL;
}

void
auth_each(const struct auth *a, void (*fn)(void *arg, const struct user *u),
	  void *arg)
{
	const struct account *acc;

	for (acc = a->table; acc; acc = acc->hh.next)
		fn(arg, acc->user);
}

/*
 * Unknown users are hashed with the hash of some known one, the same one for
 * the same name: so they cost what users cost, whatever methods are in use.
 */
static void
settings_collect(struct auth *a)
{
	struct account *acc, *next;

	a->settings = mem_array(HASH_COUNT(a->table) + 1, sizeof(char *));
	HASH_ITER (hh, a->table, acc, next) {
		if (acc->hash)
			a->settings[a->nsettings++] = mem_strdup(acc->hash);
	}
	if (a->nsettings == 0)
		a->settings[a->nsettings++] = password_dummy();
}

static const char *
setting_for(const struct auth *a, const char *name)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 1099511628211u;
	return a->settings[(h >> 16) % a->nsettings];
}

void
auth_check(struct conf *users, const struct auth_config *cfg)
{
	accounts_free(accounts_read(users, cfg));
}

enum err
auth_open(struct auth **out, const struct auth_config *cfg)
{
	struct conf *conf = conf_load(cfg->users_file);
	struct auth *a = mem_alloc(sizeof(*a));
	size_t i, n;

	a->loop = cfg->loop;
	a->pool = cfg->pool;
	a->table = accounts_read(conf, cfg);
	trust_read(conf, cfg->user_ca_keys, cfg->revoked_keys, &a->trust);
	n = conf_finish(conf);
	for (i = 0; i < n; i++)
		log_error("auth", NULL, "users",
			  KV_S("complaint", conf_complaint(conf, i)));
	conf_free(conf);
	settings_collect(a);
	*out = a;
	if (n == 0)
		return ERR_OK;
	auth_close(a);
	*out = NULL;
	return ERR_INVALID;
}

void
auth_close(struct auth *a)
{
	size_t i;

	if (!a)
		return;
	accounts_free(a->table);
	trust_free(&a->trust);
	for (i = 0; i < a->nsettings; i++)
		mem_wipe_free(a->settings[i]);
	free(a->settings);
	free(a);
}

static void
password_run(struct work *w)
{
	struct password_job *j = (struct password_job *)w;

	j->match = password_verify(j->password, j->hash);
}

static void
password_done(struct work *w)
{
	struct password_job *j = (struct password_job *)w;
	struct user *user = NULL;

	mem_wipe_free(j->password);
	mem_wipe_free(j->hash);
	if (j->match && j->user)
		user = j->user;
	else
		user_unref(j->user);
	j->fn(j->arg, user ? ERR_OK : ERR_DENIED, user);
	free(j);
}

void
auth_password(struct auth *a, const char *name, const char *password,
	      auth_fn *fn, void *arg)
{
	struct account *acc = account_find(a, name);
	struct password_job *j = mem_alloc(sizeof(*j));
	bool usable = acc && acc->hash && strlen(password) <= AUTH_PASSWORD_MAX;

	j->work.run = password_run;
	j->work.done = password_done;
	j->password = mem_strndup(password, AUTH_PASSWORD_MAX);
	j->hash =
		mem_strdup(acc && acc->hash ? acc->hash : setting_for(a, name));
	j->user = usable ? user_ref(acc->user) : NULL;
	j->fn = fn;
	j->arg = arg;
	work_submit(a->pool, &j->work);
}

static void
pubkey_done(void *arg)
{
	struct pubkey_reply *r = arg;

	r->fn(r->arg, r->user ? ERR_OK : ERR_DENIED, r->user);
	free(r);
}

/* Who came in by a certificate is known by what it says. */
static void
cert_log(const char *user, const struct auth_key *key)
{
	char ca[KEY_FINGERPRINT_MAX];
	struct ssh_cert cert;
	char *id;

	if (!key->proved || !ssh_cert_is(key->blob, key->len))
		return;
	if (ssh_cert_parse(&cert, key->blob, key->len)) {
		key_fingerprint(cert.ca.p, cert.ca.n, ca);
		id = mem_strndup((const char *)cert.id.p, cert.id.n);
		log_info("auth", NULL, "certificate", KV_S("user", user),
			 KV_S("id", id), KV_U("serial", cert.serial),
			 KV_S("ca", ca));
		free(id);
	}
	ssh_cert_free(&cert);
}

static bool
key_good(const struct auth *a, const struct account *acc,
	 const struct auth_key *key)
{
	const struct pubkey_rules rules = { &a->trust, clock_wall_ms() / 1000 };
	const char *why = pubkey_refused(&rules, acc, key);
	char print[KEY_FINGERPRINT_MAX];

	if (!why) {
		cert_log(acc->user->name, key);
		return true;
	}
	if (why[0] != '\0') {
		key_fingerprint(key->blob, key->len, print);
		log_info("auth", NULL, "key_refused",
			 KV_S("user", acc->user->name), KV_S("key", print),
			 KV_S("why", why));
	}
	return false;
}

void
auth_pubkey(struct auth *a, const char *name, const struct auth_key *key,
	    auth_fn *fn, void *arg)
{
	struct account *acc = account_find(a, name);
	struct pubkey_reply *r = mem_alloc(sizeof(*r));

	r->call.fn = pubkey_done;
	r->call.arg = r;
	r->fn = fn;
	r->arg = arg;
	if (acc && key_good(a, acc, key))
		r->user = user_ref(acc->user);
	loop_post(a->loop, &r->call);
}
