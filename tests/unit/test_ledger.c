/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers are played in two ways: by handles on the same memory, as after a
 * fork, and by forked processes that run at the same time or are killed.
 */
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

static int
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

static int
teardown(void **state)
{
	struct world *w = *state;

	ledger_free(w->l);
	free(w);
	return 0;
}

static const struct sockaddr *
ip4(const char *text)
{
	static struct sockaddr_in sin[2];
	static int turn;
	struct sockaddr_in *s = &sin[turn ^= 1];

	s->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, text, &s->sin_addr), 1);
	return (struct sockaddr *)s;
}

static const struct sockaddr *
ip6(const char *text)
{
	static struct sockaddr_in6 sin[2];
	static int turn;
	struct sockaddr_in6 *s = &sin[turn ^= 1];

	s->sin6_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &s->sin6_addr), 1);
	return (struct sockaddr *)s;
}

static void
test_slots_are_found_once(void **state)
{
	struct world *w = *state;
	struct ledger_worker out;

	for (int i = 3; i < LEDGER_WORKERS; i++)
		assert_int_equal(ledger_slot_find(w->l), i);
	assert_int_equal(ledger_slot_find(w->l), -1);
	ledger_worker(w->l, 5, &out);
	assert_int_equal(out.pid, 0);
	ledger_wipe(w->l, 1);
	assert_int_equal(ledger_slot_find(w->l), 1);
	assert_int_equal(ledger_slot(w->l), -1);
	assert_int_equal(ledger_slot(&w->w[2]), 2);
}

static void
test_worker_shows_what_it_counts(void **state)
{
	struct world *w = *state;
	struct ledger *l = &w->w[1];
	struct ledger_worker out;

	ledger_add(l, LEDGER_CONNECTIONS, 3);
	ledger_add(l, LEDGER_CONNECTIONS, -1);
	ledger_add(l, LEDGER_RECEIVED, 5000);
	ledger_add(l, LEDGER_STORED, 4000);
	ledger_add(l, LEDGER_PUBLISHED, 2);
	ledger_add(l, LEDGER_FAILED, 1);
	ledger_set_draining(l, true);
	ledger_serving(l, "0123456789abcdefXYZ", "ann");
	assert_int_equal(ledger_session_begin(l, "ann", 0), ERR_OK);
	assert_int_equal(ledger_spool_take(l, "ann", 77, false), ERR_OK);
	ledger_worker(w->l, 1, &out);
	assert_int_equal(out.pid, 1001);
	assert_true(out.draining);
	assert_int_equal(out.connections, 2);
	assert_int_equal(out.received_bytes, 5000);
	assert_int_equal(out.stored_bytes, 4000);
	assert_int_equal(out.published, 2);
	assert_int_equal(out.failed, 1);
	assert_int_equal(out.sessions, 1);
	assert_int_equal(out.spool_bytes, 77);
	assert_string_equal(out.session, "0123456789abcde");
	assert_string_equal(out.user, "ann");
	ledger_serving(l, NULL, NULL);
	ledger_wipe(w->l, 1);
	ledger_worker(w->l, 1, &out);
	assert_int_equal(out.pid, 0);
	assert_int_equal(out.connections, 0);
}

static void
test_heartbeat_has_an_age(void **state)
{
	struct world *w = *state;

	ledger_beat(&w->w[0]);
	assert_true(ledger_beat_age_ms(w->l, 0) < 1000);
	w->l->sh->slots[0].beat = clock_ms() - 70000;
	assert_true(ledger_beat_age_ms(w->l, 0) >= 70000);
	ledger_beat(&w->w[0]);
	assert_true(ledger_beat_age_ms(w->l, 0) < 1000);
}

static void
test_clearly_busier_worker_does_not_accept(void **state)
{
	struct world *w = *state;

	assert_true(ledger_may_accept(&w->w[0]));
	ledger_add(&w->w[0], LEDGER_CONNECTIONS, 2);
	assert_true(ledger_may_accept(&w->w[0]));
	ledger_add(&w->w[0], LEDGER_CONNECTIONS, 1);
	assert_false(ledger_may_accept(&w->w[0]));
	ledger_set_draining(&w->w[2], true); /* it takes nothing any more */
	ledger_add(&w->w[1], LEDGER_CONNECTIONS, 3);
	assert_true(ledger_may_accept(&w->w[0]));
	ledger_wipe(w->l, 1);
	assert_true(ledger_may_accept(&w->w[0]));
	assert_true(ledger_may_accept(w->l)); /* no worker: no opinion */
}

static void
test_sessions_are_limited_over_workers(void **state)
{
	struct world *w = *state;

	assert_int_equal(ledger_session_begin(&w->w[0], "ann", 2), ERR_OK);
	assert_int_equal(ledger_session_begin(&w->w[1], "ann", 2), ERR_OK);
	assert_int_equal(ledger_session_begin(&w->w[2], "ann", 2), ERR_QUOTA);
	assert_int_equal(ledger_session_begin(&w->w[2], "bob", 2), ERR_OK);
	/* 0: what the node's limits say, which is 3. */
	assert_int_equal(ledger_session_begin(&w->w[2], "ann", 0), ERR_OK);
	assert_int_equal(ledger_session_begin(&w->w[0], "ann", 0), ERR_QUOTA);
	ledger_session_end(&w->w[1], "ann");
	assert_int_equal(ledger_session_begin(&w->w[0], "ann", 0), ERR_OK);
	/* A worker that dies takes its sessions with it. */
	ledger_wipe(w->l, 0);
	assert_int_equal(ledger_session_begin(&w->w[1], "ann", 2), ERR_OK);
	ledger_session_end(&w->w[1], "nobody");
}

/* A table that is nearly full refuses some, and takes all back later. */
static void
test_full_user_table_refuses_and_recovers(void **state)
{
	struct world *w = *state;
	struct ledger *l = &w->w[0];
	unsigned in, before = 0;
	char name[16];

	for (int round = 0; round < 20; round++) {
		in = 0;
		for (int i = 0; i < 2 * LEDGER_USERS; i++) {
			snprintf(name, sizeof(name), "u%d", round * 5000 + i);
			if (ledger_session_begin(l, name, 1) != ERR_OK)
				continue;
			in++;
			assert_int_equal(ledger_session_begin(l, name, 1),
					 ERR_QUOTA);
		}
		assert_true(in > LEDGER_USERS / 2 && in <= LEDGER_USERS);
		assert_true(round < 2 || in > before / 10 * 9);
		assert_int_equal(l->sh->slots[0].sessions, in);
		before = in;
		for (int i = 0; i < 2 * LEDGER_USERS; i++) {
			snprintf(name, sizeof(name), "u%d", round * 5000 + i);
			ledger_session_end(l, name);
		}
		assert_int_equal(l->sh->slots[0].sessions, 0);
	}
}

/* Users who come and go, a few hundred at a time, are never refused. */
static void
test_user_table_is_used_again(void **state)
{
	struct world *w = *state;
	struct ledger *l = &w->w[0];
	char name[16];

	for (int i = 0; i < 20 * LEDGER_USERS; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		assert_int_equal(ledger_session_begin(l, name, 0), ERR_OK);
		if (i < 500)
			continue;
		snprintf(name, sizeof(name), "u%d", i - 500);
		ledger_session_end(l, name);
	}
	assert_int_equal(l->sh->slots[0].sessions, 500);
}

/* Up to a half of what is handed out nobody is asked to share. */
static void
test_spool_is_free_for_one_user(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 80; i++)
		assert_int_equal(ledger_spool_take(&w->w[i % 3], "ann", MIB,
						   false),
				 ERR_OK);
	assert_int_equal(ledger_spool_used(w->l), 80 * MIB);
	assert_int_equal(ledger_spool_take(&w->w[0], "ann", 1, false),
			 ERR_QUOTA);
	assert_int_equal(ledger_spool_used(w->l), 80 * MIB);
	ledger_spool_give(&w->w[0], "ann", MIB);
	assert_int_equal(ledger_spool_take(&w->w[0], "ann", MIB, false),
			 ERR_OK);
}

static void
test_spool_is_shared_fairly_when_short(void **state)
{
	struct world *w = *state;
	struct ledger *a = &w->w[0], *b = &w->w[1];

	assert_int_equal(ledger_spool_take(a, "ann", 39 * MIB, false), ERR_OK);
	assert_int_equal(ledger_spool_take(b, "bob", 10 * MIB, false), ERR_OK);
	/* Two users: 40 MiB each; she has no more than her share. */
	assert_int_equal(ledger_spool_take(b, "ann", MIB, false), ERR_OK);
	assert_int_equal(ledger_spool_take(a, "ann", MIB, false), ERR_QUOTA);
	assert_int_equal(ledger_spool_take(b, "bob", 30 * MIB, false), ERR_OK);
	assert_int_equal(ledger_spool_take(b, "bob", 1, false), ERR_QUOTA);
	assert_int_equal(ledger_spool_used(w->l), 80 * MIB);
	/* When he has gone, all of it is hers. */
	ledger_spool_give(b, "bob", 40 * MIB);
	assert_int_equal(ledger_spool_take(a, "ann", 40 * MIB, false), ERR_OK);
}

/* One user on several workers is one user. */
static void
test_users_are_counted_once(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(ledger_spool_take(&w->w[i], "ann", 13 * MIB,
						   false),
				 ERR_OK);
	assert_int_equal(ledger_spool_take(&w->w[0], "ann", 41 * MIB, false),
			 ERR_OK);
}

/* With many users a share is still the largest part. */
static void
test_share_is_never_below_the_largest_part(void **state)
{
	struct world *w = *state;
	char name[16];

	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		assert_int_equal(ledger_spool_take(&w->w[0], name, MIB, false),
				 ERR_OK);
	}
	assert_int_equal(ledger_spool_take(&w->w[1], "u7", 19 * MIB, false),
			 ERR_OK);
	assert_int_equal(ledger_spool_take(&w->w[1], "u7", 1, false),
			 ERR_QUOTA);
}

/* Filled with beginnings, the spool lets one upload after the other end. */
static void
test_reserve_is_for_one_that_finishes(void **state)
{
	struct world *w = *state;
	struct ledger *a = &w->w[0], *b = &w->w[1];

	assert_int_equal(ledger_spool_take(a, "ann", 80 * MIB, false), ERR_OK);
	assert_int_equal(ledger_spool_take(a, "ann", 15 * MIB, false),
			 ERR_QUOTA);
	assert_int_equal(ledger_spool_take(a, "ann", 21 * MIB, true),
			 ERR_QUOTA);
	assert_int_equal(ledger_spool_take(a, "ann", 10 * MIB, true), ERR_OK);
	assert_int_equal(ledger_spool_take(b, "bob", 5 * MIB, true), ERR_QUOTA);
	ledger_spool_give(a, "ann", 11 * MIB); /* the part is stored */
	assert_int_equal(ledger_spool_take(b, "bob", 15 * MIB, true), ERR_OK);
	assert_int_equal(ledger_spool_take(a, "ann", 1, true), ERR_QUOTA);
	/* He is killed: the reserve is free again, at once. */
	ledger_wipe(w->l, 1);
	assert_int_equal(ledger_spool_take(a, "ann", 15 * MIB, true), ERR_OK);
}

static void
test_limits_change_at_run_time(void **state)
{
	struct world *w = *state;
	struct ledger_limits more = limits;

	assert_int_equal(ledger_spool_take(&w->w[0], "ann", 90 * MIB, false),
			 ERR_QUOTA);
	more.spool_max = 200 * MIB;
	ledger_set_limits(w->l, &more);
	assert_int_equal(ledger_spool_take(&w->w[0], "ann", 90 * MIB, false),
			 ERR_OK);
	ledger_set_limits(w->l, &limits);
	assert_int_equal(ledger_spool_take(&w->w[0], "ann", 1, true),
			 ERR_QUOTA);
	ledger_spool_give(&w->w[0], "ann", 1000 * MIB);
	assert_int_equal(ledger_spool_used(w->l), 0);
}

static void
test_connections_are_limited_by_address(void **state)
{
	struct world *w = *state;
	struct ledger *a = &w->w[0], *b = &w->w[1];

	assert_int_equal(ledger_conn_begin(a, ip4("192.0.2.1")), ERR_OK);
	assert_int_equal(ledger_conn_begin(b, ip4("192.0.2.1")), ERR_OK);
	assert_int_equal(ledger_conn_begin(a, ip4("192.0.2.1")), ERR_QUOTA);
	assert_int_equal(ledger_conn_begin(a, ip6("::ffff:192.0.2.1")),
			 ERR_QUOTA);
	assert_int_equal(ledger_conn_begin(a, ip4("192.0.2.2")), ERR_OK);
	ledger_conn_end(b, ip4("192.0.2.1"));
	assert_int_equal(ledger_conn_begin(a, ip4("192.0.2.1")), ERR_OK);
	/* One customer has a /64. */
	assert_int_equal(ledger_conn_begin(a, ip6("2001:db8::1")), ERR_OK);
	assert_int_equal(ledger_conn_begin(a, ip6("2001:db8::2")), ERR_OK);
	assert_int_equal(ledger_conn_begin(a, ip6("2001:db8::3")), ERR_QUOTA);
	/* Five: the node is full, whatever the address. */
	assert_int_equal(ledger_conn_begin(b, ip4("192.0.2.9")), ERR_QUOTA);
	ledger_conn_end(b, ip4("192.0.2.99"));
	ledger_wipe(w->l, 0);
	assert_int_equal(ledger_conn_begin(b, ip4("192.0.2.9")), ERR_OK);
}

static void
test_failures_delay_and_block(void **state)
{
	struct world *w = *state;
	struct ledger *a = &w->w[0], *b = &w->w[1];
	const struct sockaddr *sa = ip4("192.0.2.1");
	unsigned ms = 0;

	assert_int_equal(ledger_login_delay(a, sa, "ann"), 0);
	for (int i = 0; i < 4; i++) {
		assert_false(ledger_login_blocked(b, sa));
		ledger_login_failed(i % 2 ? a : b, sa, "ann");
		assert_true(ledger_login_delay(b, sa, "bob") > ms);
		ms = ledger_login_delay(b, sa, "bob");
	}
	assert_true(ledger_login_blocked(a, sa));
	assert_true(ledger_login_blocked(b, sa));
	/* Another address waits for the name's sake, but is let in. */
	sa = ip4("192.0.2.2");
	assert_false(ledger_login_blocked(a, sa));
	assert_true(ledger_login_delay(a, sa, "ann") > 0);
	assert_int_equal(ledger_login_delay(a, sa, "bob"), 0);
	for (int i = 0; i < 1000; i++)
		ledger_login_failed(a, sa, "ann");
	assert_true(ledger_login_blocked(a, sa));
	assert_true(ledger_login_delay(a, ip4("192.0.2.3"), "ann") <= 2000);
	assert_true(ledger_login_delay(a, sa, "bob") <= 8000);
}

static void
test_success_forgives_ones_own_failures_only(void **state)
{
	struct world *w = *state;
	struct ledger *l = &w->w[0];
	const struct sockaddr *sa = ip4("192.0.2.1");

	ledger_login_failed(l, sa, "ann");
	ledger_login_failed(l, sa, "ann");
	ledger_login_failed(l, sa, "ann");
	ledger_login_ok(l, sa, "ann");
	assert_int_equal(ledger_login_delay(l, sa, "ann"), 0);
	/* Guessing at ann, with an account of one's own in between. */
	for (int i = 0; i < 4; i++) {
		assert_false(ledger_login_blocked(l, sa));
		ledger_login_failed(l, sa, "ann");
		ledger_login_ok(l, sa, "eve");
	}
	assert_true(ledger_login_blocked(l, sa));
}

/* As clock_ms() cannot be turned, the window is made to have passed. */
static void
test_failures_are_forgotten(void **state)
{
	struct world *w = *state;
	struct ledger_limits short_window = limits;
	const struct sockaddr *sa = ip4("192.0.2.1");

	for (int i = 0; i < 4; i++)
		ledger_login_failed(&w->w[0], sa, "ann");
	assert_true(ledger_login_blocked(&w->w[0], sa));
	for (int i = 0; i < LEDGER_ADDRS; i++)
		if (w->l->sh->failures[i] != 0)
			w->l->sh->failures[i] -= (uint64_t)(61000 >> 8) << 8;
	assert_false(ledger_login_blocked(&w->w[0], sa));
	assert_int_equal(ledger_login_delay(&w->w[0], sa, "ann"), 0);
	ledger_login_failed(&w->w[0], sa, "ann");
	short_window.failure_max = 1;
	ledger_set_limits(w->l, &short_window);
	assert_true(ledger_login_blocked(&w->w[0], sa));
}

/* However many others fail, the table does not forget a busy one. */
static void
test_busy_failure_is_not_pushed_out(void **state)
{
	struct world *w = *state;
	struct ledger *l = &w->w[0];
	char text[32];

	for (int i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "10.%d.%d.%d", i >> 16,
			 i >> 8 & 255, i & 255);
		ledger_login_failed(l, ip4(text), text);
	}
	for (int i = 0; i < 4; i++)
		ledger_login_failed(l, ip4("192.0.2.1"), "ann");
	assert_true(ledger_login_blocked(l, ip4("192.0.2.1")));
}

static const char id_a[] = "0123456789abcdef0123456789abcdef";
static const char id_b[] = "fedcba9876543210fedcba9876543210";

static void
test_upload_is_found_by_its_key(void **state)
{
	struct world *w = *state;
	char id[ID_LEN + 1];
	struct ledger_worker out;

	assert_int_equal(ledger_upload_find(w->l, 7, id), -1);
	assert_int_equal(ledger_upload_add(&w->w[1], id_a, 7), ERR_OK);
	assert_int_equal(ledger_upload_add(&w->w[2], id_b, 0), ERR_OK);
	assert_int_equal(ledger_upload_find(w->l, 7, id), 1);
	assert_string_equal(id, id_a);
	assert_int_equal(ledger_upload_find(&w->w[0], 0, id), 2);
	assert_string_equal(id, id_b);
	ledger_worker(w->l, 1, &out);
	assert_int_equal(out.uploads, 1);
	ledger_upload_remove(&w->w[0], id_a); /* not this worker's */
	assert_int_equal(ledger_upload_find(w->l, 7, id), 1);
	ledger_upload_remove(&w->w[1], id_a);
	assert_int_equal(ledger_upload_find(w->l, 7, id), -1);
	ledger_wipe(w->l, 2);
	assert_int_equal(ledger_upload_find(w->l, 0, id), -1);
	assert_int_equal(ledger_upload_add(&w->w[1], "no id", 7), ERR_INVALID);
}

static void
test_full_upload_table_refuses(void **state)
{
	struct world *w = *state;
	struct ledger *l = &w->w[0];
	char id[ID_LEN + 1];

	for (unsigned i = 0; i < LEDGER_UPLOADS; i++) {
		snprintf(id, sizeof(id), "%032x", i);
		assert_int_equal(ledger_upload_add(l, id, i + 10), ERR_OK);
	}
	assert_int_equal(ledger_upload_add(l, id_a, 5), ERR_QUOTA);
	snprintf(id, sizeof(id), "%032x", 77);
	ledger_upload_remove(l, id);
	assert_int_equal(ledger_upload_add(l, id_a, 5), ERR_OK);
	assert_int_equal(ledger_upload_find(w->l, 5, id), 0);
	assert_string_equal(id, id_a);
	assert_int_equal(ledger_upload_find(w->l, 10 + 4095, id), 0);
}

static void
test_pin_is_replaced_and_runs_out(void **state)
{
	struct world *w = *state;
	uint64_t off = 0;

	assert_false(ledger_pinned(w->l, id_a, &off));
	ledger_pin(&w->w[0], id_a, 1000, 60000);
	ledger_pin(&w->w[1], id_b, 5, 60000);
	assert_true(ledger_pinned(w->l, id_a, &off));
	assert_int_equal(off, 1000);
	ledger_pin(&w->w[1], id_a, 2000, 60000);
	assert_true(ledger_pinned(&w->w[2], id_a, &off));
	assert_int_equal(off, 2000);
	ledger_pin(&w->w[1], id_a, 3000, 0);
	assert_false(ledger_pinned(w->l, id_a, &off));
	assert_true(ledger_pinned(w->l, id_b, &off));
	assert_int_equal(off, 5);
	ledger_wipe(w->l, 1); /* a pin is a promise: it outlives its maker */
	assert_true(ledger_pinned(w->l, id_b, &off));
}

static void
test_full_pin_table_drops_what_runs_out_first(void **state)
{
	struct world *w = *state;
	char id[ID_LEN + 1];
	unsigned kept = 0;
	uint64_t off;

	for (unsigned i = 0; i < 5 * LEDGER_PINS; i++) {
		snprintf(id, sizeof(id), "%032x", i);
		ledger_pin(&w->w[0], id, i, 1000 + i);
		assert_true(ledger_pinned(w->l, id, &off));
		assert_int_equal(off, i);
	}
	for (unsigned i = 0; i < 5 * LEDGER_PINS; i++) {
		snprintf(id, sizeof(id), "%032x", i);
		if (ledger_pinned(w->l, id, &off)) {
			assert_int_equal(off, i);
			kept++;
		}
	}
	assert_true(kept > LEDGER_PINS / 2 && kept <= LEDGER_PINS);
}

/* A worker that was killed while it wrote a pin: the others go on. */
static void
test_pin_of_a_dead_writer_is_freed(void **state)
{
	struct world *w = *state;
	uint64_t off = 0;

	ledger_pin(&w->w[1], id_a, 1000, 60000);
	for (int i = 0; i < LEDGER_PINS; i++)
		if (w->l->sh->pins[i].until != 0)
			w->l->sh->pins[i].claim |= (1 + 1) << 1 | 1;
	assert_false(ledger_pinned(w->l, id_a, &off));
	ledger_pin(&w->w[0], id_a, 2000, 60000);
	assert_true(ledger_pinned(w->l, id_a, &off));
	assert_int_equal(off, 2000);
	ledger_wipe(w->l, 1);
	assert_true(ledger_pinned(w->l, id_a, &off));
	assert_int_equal(off, 2000);
	for (int i = 0; i < LEDGER_PINS; i++)
		assert_int_equal(w->l->sh->pins[i].claim % 2, 0);
}

static void
spend(struct ledger *l, int slot, _Atomic uint64_t *bad)
{
	unsigned seed = (unsigned)slot;
	uint64_t have = 0;

	ledger_enter(l, slot, getpid());
	for (int i = 0; i < 20000; i++) {
		uint64_t n = 1 + (uint64_t)rand_r(&seed) % (3 * MIB);

		if (ledger_spool_take(l, "ann", n, i % 3 == 0) == ERR_OK)
			have += n;
		if (ledger_spool_used(l) > 100 * MIB + 9 * MIB)
			(*bad)++; /* 3 others may be about to take back */
		if (have > 30 * MIB) {
			ledger_spool_give(l, "ann", have);
			have = 0;
		}
		ledger_login_failed(l, ip4("192.0.2.1"), "ann");
	}
	ledger_spool_give(l, "ann", have);
	_exit(0);
}

/* Four processes at once: no limit is passed, nothing is left behind. */
static void
test_processes_share_without_losing_count(void **state)
{
	struct ledger *l = ledger_new(&limits);
	_Atomic uint64_t *bad;
	pid_t pid[4];

	(void)state;
	bad = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(bad != MAP_FAILED);
	for (int i = 0; i < 4; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			spend(l, i, bad);
	}
	for (int i = 0; i < 4; i++) {
		int status;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(*bad, 0);
	assert_int_equal(ledger_spool_used(l), 0);
	assert_true(ledger_login_blocked(l, ip4("192.0.2.1")));
	munmap(bad, 4096);
	ledger_free(l);
}

static const char *
pin_name(unsigned n)
{
	static char id[ID_LEN + 1];

	snprintf(id, sizeof(id), "%032x", n);
	return id;
}

static void
pin_forever(struct ledger *l, int slot)
{
	unsigned seed = (unsigned)slot;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
	ledger_enter(l, slot, getpid());
	for (;;) {
		unsigned n = (unsigned)rand_r(&seed) % (2 * LEDGER_PINS);

		ledger_pin(l, pin_name(n), n, 60000);
	}
}

/* Id and offset of a pin always belong together, also after SIGKILL. */
static void
test_pins_are_never_torn(void **state)
{
	struct ledger *l = ledger_new(&limits);
	unsigned seen = 0;
	pid_t pid[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			pin_forever(l, i);
	}
	for (unsigned n = 0; seen < 100000; n = (n + 1) % (2 * LEDGER_PINS)) {
		uint64_t off;

		if (!ledger_pinned(l, pin_name(n), &off))
			continue;
		assert_int_equal(off, n);
		seen++;
	}
	for (int i = 0; i < 4; i++) {
		kill(pid[i], SIGKILL);
		assert_int_equal(waitpid(pid[i], NULL, 0), pid[i]);
		ledger_wipe(l, i);
	}
	for (int i = 0; i < LEDGER_PINS; i++)
		assert_int_equal(l->sh->pins[i].claim % 2, 0);
	ledger_free(l);
}

static void
test_hash_is_siphash(void **state)
{
	struct world *w = *state;
	unsigned char data[64];

	/* The key 00 01 .. 0f and the input 00 01 02 ..., SipHash-1-3. */
	memcpy(w->l->sh->seed, "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)i;
	assert_int_equal(ledger_hash(w->l, data, 0), 0xabac0158050fc4dcu);
	assert_int_equal(ledger_hash(w->l, data, 1), 0xc9f49bf37d57ca93u);
	assert_int_equal(ledger_hash(w->l, data, 8), 0x369095118d299a8eu);
	assert_int_equal(ledger_hash(w->l, data, 15), 0xd320d86d2a519956u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		WORLD(test_slots_are_found_once),
		WORLD(test_worker_shows_what_it_counts),
		WORLD(test_heartbeat_has_an_age),
		WORLD(test_clearly_busier_worker_does_not_accept),
		WORLD(test_sessions_are_limited_over_workers),
		WORLD(test_full_user_table_refuses_and_recovers),
		WORLD(test_user_table_is_used_again),
		WORLD(test_spool_is_free_for_one_user),
		WORLD(test_spool_is_shared_fairly_when_short),
		WORLD(test_users_are_counted_once),
		WORLD(test_share_is_never_below_the_largest_part),
		WORLD(test_reserve_is_for_one_that_finishes),
		WORLD(test_limits_change_at_run_time),
		WORLD(test_connections_are_limited_by_address),
		WORLD(test_failures_delay_and_block),
		WORLD(test_success_forgives_ones_own_failures_only),
		WORLD(test_failures_are_forgotten),
		WORLD(test_busy_failure_is_not_pushed_out),
		WORLD(test_upload_is_found_by_its_key),
		WORLD(test_full_upload_table_refuses),
		WORLD(test_pin_is_replaced_and_runs_out),
		WORLD(test_full_pin_table_drops_what_runs_out_first),
		WORLD(test_pin_of_a_dead_writer_is_freed),
		WORLD(test_hash_is_siphash),
		cmocka_unit_test(test_processes_share_without_losing_count),
		cmocka_unit_test(test_pins_are_never_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
