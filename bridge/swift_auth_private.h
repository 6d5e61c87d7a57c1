/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of bridge/swift_auth.h, for bridge/swift_auth*.c only. */
#ifndef BRIDGE_SWIFT_AUTH_PRIVATE_H
#define BRIDGE_SWIFT_AUTH_PRIVATE_H

#include <stdint.h>

#include "bridge/swift_auth.h"

enum swift_auth_kind {
	SWIFT_AUTH_V1,
	SWIFT_AUTH_PASSWORD,
	SWIFT_AUTH_APPLICATION,
	SWIFT_AUTH_TOKEN
};

/* A token as it came, or as the cache file holds it. */
struct swift_token {
	char *token, *url;
	int64_t issued, expires; /* Unix ms */
};

struct swift_auth {
	enum swift_auth_kind kind;
	char *auth_url, *user, *user_domain, *project, *project_domain;
	char *credential, *token_file, *region, *interface, *storage_url;
	char *secret;	  /* password, or the application credential's */
	char *cache;	  /* the file, NULL: none */
	char who[64 + 1]; /* a digest of what the cached token is for */
	char *body;	  /* of the request that is running */

	struct loop *loop;
	struct http_host *host;
	struct http_request *running;
	struct loop_timer *timer; /* the next look for a token */
	bool armed;
	int lock;	     /* of the cache, -1: not held */
	unsigned lock_tries; /* it was held by somebody else */
	unsigned failures;   /* of asking, in a row */
	uint64_t not_before; /* monotonic ms: the next time to ask */
	struct swift_wait *waiting;
	unsigned round; /* of those who wait */
	bool telling;	/* they are being told */
	bool dead;	/* freed meanwhile */

	struct swift_token have;
	unsigned serial;
	char *refused; /* a token that the cluster does not take */
};

void swift_token_clear(struct swift_token *t);

/* swift_auth_ask.c */
struct swift_reply {
	struct swift_token token; /* the caller's to clear */
	enum err err;
	const char *why;
};

/* Sends the request for a token; the completion uses swift_auth_read(). */
struct http_request *swift_auth_ask(struct swift_auth *a, http_done_fn *fn,
				    void *arg);
void swift_auth_read(const struct swift_auth *a, const struct http_reply *r,
		     struct swift_reply *out);

/* swift_auth_cache.c: false when there is none that can be used. */
bool swift_cache_read(const struct swift_auth *a, struct swift_token *out);
void swift_cache_write(const struct swift_auth *a, const struct swift_token *t);
bool swift_cache_lock(struct swift_auth *a); /* false: somebody has it */
void swift_cache_unlock(struct swift_auth *a);
bool swift_token_file(const struct swift_auth *a, struct swift_token *out);

#endif
