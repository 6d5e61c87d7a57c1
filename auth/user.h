/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may come in, and what they may do. A struct user is an immutable,
 * reference-counted snapshot: a session keeps the one it logged in with, a
 * reload makes new ones.
 */
#ifndef AUTH_USER_H
#define AUTH_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/work.h"

#define USER_NAME_MAX 63

enum user_right {
	USER_READ = 1,
	USER_WRITE = 2,
	USER_DELETE = 4,
	USER_LIST = 8,
	USER_RENAME = 16,
	USER_MKDIR = 32
};

enum user_publish { PUBLISH_CLOSE, PUBLISH_DECLARED, PUBLISH_RENAME };

struct user {
	char name[USER_NAME_MAX + 1];
	char *home;  /* key prefix: "" or "a/b/", no leading slash */
	char *store; /* name of a [store.NAME] */
	unsigned rights;
	enum user_publish publish;
	uint64_t quota_bytes; /* 0: none */
	uint64_t quota_files; /* 0: none */
	uint64_t upload_rate; /* bytes a second, all sessions; 0: any */
	uint64_t download_rate;
	unsigned max_sessions; /* 0: the node's default */
	unsigned refs;
};

struct user *user_ref(struct user *u);
void user_unref(struct user *u); /* NULL is fine */

struct auth;

struct auth_config {
	const char *users_file;	   /* users.ini */
	const char *const *stores; /* names that `store` may have, NULL-ended */
	const char *default_store; /* of users without `store`; NULL: needed */
	const char *user_ca_keys;  /* auth/trust.h; may be NULL */
	const char *revoked_keys;
	struct loop *loop;
	struct work_pool *pool;
};

/*
 * Reads every key of an open users.ini and leaves what is wrong with it as
 * complaints in conf, unknown keys excepted (conf_finish). loop and pool may
 * be NULL. For `sluiced -t` and sluicectl.
 */
void auth_check(struct conf *users, const struct auth_config *cfg);

/*
 * Reads the users. Complaints are logged one by one, each with file, section,
 * key and what was expected; ERR_INVALID then. In `sluiced -t` loop and pool
 * are NULL.
 */
enum err auth_open(struct auth **out, const struct auth_config *cfg);
void auth_close(struct auth *a);

/*
 * Checks a password in the pool (crypt_rn of libxcrypt: yescrypt, bcrypt,
 * sha512). An unknown user costs the same time as a known one. fn comes once
 * from the loop: ERR_OK with a reference that the callee owns, or ERR_DENIED.
 * name and password are copied; the copies are wiped.
 */
typedef void auth_fn(void *arg, enum err err, struct user *u);
void auth_password(struct auth *a, const char *name, const char *password,
		   auth_fn *fn, void *arg);

/*
 * Does this public key (SSH wire format, RFC 4253 section 6.6), or certificate
 * for one, let the user in? The same reply rules as above. The signature is the
 * caller's to check, and to tell with `proved`; without, this is a question
 * whether the key would do. Security keys (sk-) sign flags as well.
 */
struct auth_key {
	const void *blob;
	size_t len;
	const char *addr; /* of the client, text */
	bool proved;
	bool sk_known; /* sk_flags are what was signed */
	unsigned char sk_flags;
};
void auth_pubkey(struct auth *a, const char *name, const struct auth_key *key,
		 auth_fn *fn, void *arg);

/* Whether there is such a user: for a log line, never for a client. */
bool auth_knows(const struct auth *a, const char *name);

/* Calls fn for each user, in no order. */
void auth_each(const struct auth *a,
	       void (*fn)(void *arg, const struct user *u), void *arg);

/*
 * Hashes a password for users.ini (yescrypt). The caller frees *out.
 * ERR_INVALID: empty, or longer than AUTH_PASSWORD_MAX bytes.
 */
#define AUTH_PASSWORD_MAX 511
enum err auth_hash(const char *password, char **out);

#endif
