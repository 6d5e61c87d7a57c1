/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are for a Swift cluster: a token and the account's URL, by TempAuth
 * ("v1"), Keystone v3 ("Identity API v3, Authentication and token
 * management": password or application credential) or from a file that
 * somebody else renews. One struct per store and process, used by the loop's
 * thread. However many requests want a token, one asks for it; with a cache
 * file the processes of a node share it, and one of them asks. A token is
 * renewed before it expires, while the old one still serves.
 */
#ifndef BRIDGE_SWIFT_AUTH_H
#define BRIDGE_SWIFT_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/http.h"
#include "bridge/store_http.h"
#include "lib/err.h"

struct swift_auth;

/*
 * Reads the settings; NULL: something is wrong with these or with others, and
 * was complained about. loop and host may be NULL where only settings are
 * checked.
 */
struct swift_auth *swift_auth_open(struct store_conf *f, struct loop *loop,
				   struct http_host *host);
void swift_auth_free(struct swift_auth *a); /* nobody waits; NULL is fine */

/* A token that has not expired, as far as is known; NULL: wait for one. */
const char *swift_auth_token(struct swift_auth *a);

/* The account's URL, "http[s]://host/v1/AUTH_x", valid beside a token. */
const char *swift_auth_url(const struct swift_auth *a);

/* Which token it is: raised with each new one. */
unsigned swift_auth_serial(const struct swift_auth *a);

/* The cluster answered 401 to that token: the next one must be another. */
void swift_auth_reject(struct swift_auth *a, unsigned serial);

/*
 * ERR_OK: there is a token. ERR_DENIED: the identity service refuses user or
 * secret. ERR_AGAIN: it does not answer. why is valid during the call.
 */
typedef void swift_auth_fn(void *arg, enum err err, const char *why);

struct swift_wait {
	swift_auth_fn *fn;
	void *arg;
	struct swift_wait *prev, *next; /* the module's */
	unsigned round;
	bool waiting;
};

/* Embedded in its owner. fn is called once, never from inside this call. */
void swift_auth_wait(struct swift_auth *a, struct swift_wait *w);
void swift_auth_unwait(struct swift_auth *a, struct swift_wait *w);

/*
 * What a reply to a request for a token says, for tests too: the token's
 * remaining life in seconds and, by region and interface ("" and "public"),
 * the object store's URL from the catalogue; NULL: none. The caller frees it.
 */
char *swift_catalogue_url(const void *json, size_t len, const char *region,
			  const char *interface, long *lives_s);

#endif
