/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the ledger. Workers are played by handles on the same
 * memory, as after a fork, and by forked processes.
 */
#ifndef TESTS_UNIT_LEDGER_WORLD_H
#define TESTS_UNIT_LEDGER_WORLD_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/ledger.h"
#include "bridge/ledger_private.h"
#include "lib/clock.h"

#define MIB ((uint64_t)1 << 20)

static const struct ledger_limits limits = {
	.spool_max = 100 * MIB,
	.spool_reserve = 20 * MIB,
	.user_sessions = 3,
	.addr_unauth = 2,
	.unauth_max = 5,
	.failure_max = 4,
	.failure_window_ms = 60000,
};

struct world {
	struct ledger *l;   /* the master's */
	struct ledger w[3]; /* the workers' */
};

static inline int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->l = ledger_new(&limits);
	for (int i = 0; i < 3; i++) {
		w->w[i] = *w->l;
		ledger_enter(&w->w[i], i, 1000 + i);
	}
	*state = w;
	return 0;
}

static inline int
teardown(void **state)
{
	struct world *w = *state;

	ledger_free(w->l);
	free(w);
	return 0;
}

static inline const struct sockaddr *
ip4(const char *text)
{
	static struct sockaddr_in sin[2];
	static int turn;
	struct sockaddr_in *s = &sin[turn ^= 1];

	s->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, text, &s->sin_addr), 1);
	return (struct sockaddr *)s;
}

static inline const struct sockaddr *
ip6(const char *text)
{
	static struct sockaddr_in6 sin[2];
	static int turn;
	struct sockaddr_in6 *s = &sin[turn ^= 1];

	s->sin6_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &s->sin6_addr), 1);
	return (struct sockaddr *)s;
}

#endif
