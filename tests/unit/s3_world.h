/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the s3 driver: a store on a server that says what each test
 * wants to hear, and what the last call came back with.
 */
#ifndef TESTS_UNIT_S3_WORLD_H
#define TESTS_UNIT_S3_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/store.h"
#include "tests/unit/http_script.h"

#define ID "0123456789abcdef0123456789abcdef"
#define ETAG "\"9b2cf535f27731c974343645a3985328\""
#define MD5_OF_ABC "900150983cd24fb0d6963f7d28e17f72"
#define EMPTY "Content-Length: 0\r\n\r\n"
#define DONE "HTTP/1.1 200 OK\r\nETag: " ETAG "\r\n" EMPTY
#define SLOW                                                   \
	"HTTP/1.1 503 Slow Down\r\nContent-Length: 43\r\n\r\n" \
	"<Error><Code>SlowDown</Code></Error>       "

struct s3_world {
	struct store *store;
	struct script *script;
	unsigned tries;	      /* 1 unless a test says otherwise */
	const char *endpoint; /* the host's name */
};
extern struct s3_world w;

struct s3_got {
	unsigned n;
	enum err err;
	bool ambiguous;
	char why[STORE_WHY_MAX];
	struct store_object object;
	struct store_part part;
	char backend_id[STORE_BACKEND_ID_MAX + 1];
	size_t nparts, nentries, nuploads;
	struct store_part parts[8];
	struct store_caps caps;
	char data[64], next[64];
	size_t len;
};
extern struct s3_got got;

extern const struct store_target target;

int set_up(void **state);
int tear_down(void **state);

/* Opens w.store on a server with these steps; more: lines of its section. */
void open_store(const struct script_step *steps, size_t n, const char *more);

/* What the server is said to check; the SHA-256 until a test says more. */
void knows(bool sha256, bool crc32c);

void on_done(void *arg, const struct store_result *r);
void wait_done(void);

/* A reply with a body, in one of a few buffers. */
const char *body(const char *status_line, const char *text);

/* The head of the i-th request has this, in any case of letters. */
void must_say(unsigned request, const char *line);
void must_not_say(unsigned request, const char *text);

/* Puts "abc" as part 7 at byte 100 of target, or as "key". */
void put_part(void);
void put(void);

#define WITH_HTTP(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

#endif
