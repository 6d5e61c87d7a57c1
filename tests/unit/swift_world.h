/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the swift driver: a store on a server that says what each test
 * wants to hear, and what a call came back with.
 */
#ifndef TESTS_UNIT_SWIFT_WORLD_H
#define TESTS_UNIT_SWIFT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/http.h"
#include "bridge/store.h"
#include "lib/mem.h"
#include "tests/unit/http_script.h"

#define TRANS "X-Trans-Id: tx1\r\n"
#define EMPTY "Content-Length: 0\r\n\r\n"
#define LOGIN_FOR(token, seconds)                 \
	"HTTP/1.1 200 OK\r\nX-Auth-Token: " token \
	"\r\nX-Auth-Token-Expires: " seconds "\r\n" EMPTY
#define LOGIN(token) LOGIN_FOR(token, "3600")
#define ID "0123456789abcdef0123456789abcdef"
#define OBJECT                                       \
	"HTTP/1.1 200 OK\r\n" TRANS                  \
	"Etag: 900150983cd24fb0d6963f7d28e17f72\r\n" \
	"X-Object-Meta-Sluice-Id: " ID "\r\n" EMPTY
#define STATUS(words) "HTTP/1.1 " words "\r\n" TRANS EMPTY
#define NOT_FOUND STATUS("404 Not Found")
#define CREATED STATUS("201 Created")

struct got {
	bool done, ambiguous;
	enum err err;
	char why[128], text[64];
};

struct swift_world {
	struct loop *loop;
	struct http *http;
	struct conf *conf;
	struct store *store;
	struct script *script;
	char run_dir[64];
	const char *credential; /* for Keystone; NULL: a user of TempAuth */
};
extern struct swift_world w;

int swift_set_up(void **state);
int swift_tear_down(void **state);
#define WITH_STORE(t) \
	cmocka_unit_test_setup_teardown(t, swift_set_up, swift_tear_down)

/* A store on a server that answers so. */
void swift_open(const struct script_step *steps, size_t n);
/* Another on the same one; `daemon`: that section of its settings, or "". */
void swift_open_again(const char *daemon);

void got_answer(void *arg, const struct store_result *r);
void got_wait(struct got *g);
enum err head_of_some(void); /* object */
/* Whether the i-th request's head had that in it. */
bool swift_heard(unsigned i, const char *text);

#endif
