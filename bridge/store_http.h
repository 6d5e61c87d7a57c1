/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the drivers of stores behind HTTP have in common: some settings, and
 * what replies say that does not depend on whose they are.
 */
#ifndef BRIDGE_STORE_HTTP_H
#define BRIDGE_STORE_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/http.h"
#include "bridge/store_ops.h"
#include "lib/conf.h"

/* A driver that reads its settings: complaints set `bad`. */
struct store_conf {
	struct conf *conf;
	const char *section;
	bool bad;
};

void store_conf_expected(struct store_conf *f, const char *key,
			 const char *expected);

/* The caller's. A missing or empty one is complained about, and "" then. */
char *store_conf_need(struct store_conf *f, const char *key);

/* The caller's; a copy of def (which may be NULL) if it is missing or empty. */
char *store_conf_optional(struct store_conf *f, const char *key,
			  const char *def);

/*
 * verify_tls, ca_file, connections and the two time-outs. NULL where http is
 * NULL or something was complained about.
 */
struct http_host *store_conf_host(struct store_conf *f, struct http *http);

/* "in/" or "in" or "/in/": in front of each key stands "in/". The caller's. */
char *store_conf_prefix(struct store_conf *f);

/* An error for the caller, and a short text for it. */
struct store_meaning {
	enum err err;
	const char *why;
};

struct store_meaning store_http_end(enum http_end end); /* not HTTP_DONE */

/* ms; 0: the reply does not ask to wait. At most an hour. */
unsigned store_http_retry_after(const struct http_reply *r);

/* The object's size, from Content-Range or Content-Length. */
uint64_t store_http_size(const struct http_reply *r);

/*
 * Unix seconds, from a header of ours (a fraction is dropped, as rclone writes
 * one) or Last-Modified; 0: unknown.
 */
int64_t store_http_mtime(const struct http_reply *r, const char *header);

/*
 * The end of a put: res->object holds what its reply says; fault is what is
 * wrong with a digest in it, or NULL.
 */
void store_http_put_end(const struct store_call *c, const char *fault,
			struct store_result *res);

/* store_http_get.c: what a get has of its range, over broken connections. */
struct store_kept {
	unsigned char *data; /* room for the call's len bytes, or NULL */
	size_t len;
	unsigned breaks;
};

void store_kept_free(void *k);

/*
 * After a failure that may pass: true if what came was kept, and the rest is
 * to be asked for; etag is the reply's.
 */
bool store_get_goes_on(struct store_kept *k, const struct store_call *c,
		       const struct http_reply *r, const char *etag);

/* After a success: res->object is filled; this adds the bytes, or a fault. */
void store_get_end(struct store_kept *k, const struct store_call *c,
		   const struct http_reply *r, struct store_result *res);

#endif
