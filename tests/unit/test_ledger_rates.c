/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/ledger_world.h"

#define NOW 1000000u

static unsigned
take(struct ledger *l, const char *user, uint64_t bytes, uint64_t now)
{
	struct ledger_flow f = { .bytes = bytes, .rate = MIB };

	return ledger_rate_take(l, user, &f, now);
}

static void
test_no_rate_means_no_wait(void **state)
{
	struct world *w = *state;
	struct ledger_flow f = { .bytes = 1000 * MIB };

	assert_int_equal(ledger_rate_take(&w->w[0], "ann", &f, NOW), 0);
	assert_int_equal(take(&w->w[0], "ann", 0, NOW), 0);
}

static void
test_quarter_of_a_second_may_burst(void **state)
{
	struct world *w = *state;

	assert_int_equal(take(&w->w[0], "ann", MIB / 4, NOW), 0);
	assert_in_range(take(&w->w[0], "ann", MIB, NOW), 999, 1000);
	/* What was not used before that is not saved up. */
	assert_in_range(take(&w->w[0], "ann", MIB, NOW + 100000), 749, 750);
}

static void
test_workers_share_the_rate(void **state)
{
	struct world *w = *state;
	unsigned i, ms = 0;

	for (i = 0; i < 30; i++)
		ms = take(&w->w[i % 3], "ann", MIB, NOW);
	assert_in_range(ms, 29749, 29750);
	/* It runs off with time, also when a worker died meanwhile. */
	ledger_wipe(w->l, 1);
	assert_in_range(take(&w->w[0], "ann", MIB, NOW + 20000), 10749, 10750);
	assert_int_equal(take(&w->w[0], "bob", MIB / 4, NOW), 0);
}

static void
test_directions_are_apart(void **state)
{
	struct world *w = *state;
	struct ledger_flow f = { .download = true,
				 .bytes = MIB / 4,
				 .rate = MIB };

	assert_in_range(take(&w->w[0], "ann", 10 * MIB, NOW), 9749, 9750);
	assert_int_equal(ledger_rate_take(&w->w[0], "ann", &f, NOW), 0);
}

static void
test_small_pieces_add_up(void **state)
{
	struct world *w = *state;
	unsigned i, ms = 0;

	/* 4 MiB by 1 KiB. */
	for (i = 0; i < 4096; i++)
		ms = take(&w->w[0], "ann", 1024, NOW);
	assert_in_range(ms, 3740, 3750);
}

static void
test_wait_has_an_end(void **state)
{
	struct world *w = *state;
	struct ledger_flow f = { .bytes = INT64_MAX / 2, .rate = 1 };

	assert_in_range(ledger_rate_take(&w->w[0], "ann", &f, 0), 3599000,
			3600000);
	/* And so has the debt. */
	assert_in_range(ledger_rate_take(&w->w[0], "ann", &f, NOW), 3599000,
			3600000);
}

static void
test_forgotten_users_make_room(void **state)
{
	struct world *w = *state;
	unsigned i, limited = 0;
	char user[16];

	for (i = 0; i < 4 * LEDGER_RATES; i++) {
		snprintf(user, sizeof(user), "u%u", i);
		limited += take(&w->w[0], user, 2 * MIB, NOW) > 0;
	}
	assert_in_range(limited, LEDGER_RATES * 9 / 10, LEDGER_RATES);
	assert_true(take(&w->w[0], "new", 2 * MIB, NOW + 70000) > 0);
}

static void
test_connections_of_an_address_are_limited(void **state)
{
	struct world *w = *state;
	struct ledger_limits l = limits;
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct sockaddr *sa = (struct sockaddr *)&a;
	bool counted;

	inet_pton(AF_INET, "192.0.2.1", &a.sin_addr);
	assert_int_equal(ledger_addr_begin(&w->w[0], sa, &counted), ERR_OK);
	assert_false(counted); /* no limit is set */
	l.addr_connections = 3;
	ledger_set_limits(w->l, &l);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ledger_addr_begin(&w->w[i], sa, &counted),
				 ERR_OK);
		assert_true(counted);
	}
	assert_int_equal(ledger_addr_begin(&w->w[0], sa, &counted), ERR_QUOTA);
	assert_false(counted);
	inet_pton(AF_INET, "192.0.2.2", &a.sin_addr);
	assert_int_equal(ledger_addr_begin(&w->w[0], sa, &counted), ERR_OK);
	inet_pton(AF_INET, "192.0.2.1", &a.sin_addr);
	ledger_addr_end(&w->w[1], sa);
	assert_int_equal(ledger_addr_begin(&w->w[0], sa, &counted), ERR_OK);
	/* A worker that dies takes its own along. */
	ledger_wipe(w->l, 2);
	assert_int_equal(ledger_addr_begin(&w->w[0], sa, &counted), ERR_OK);
	assert_int_equal(ledger_addr_begin(&w->w[0], sa, &counted), ERR_QUOTA);
}

/* Log-ins come and go in the same places of the table. */
static void
test_log_in_leaves_the_connection_counted(void **state)
{
	struct world *w = *state;
	struct ledger_limits l = limits;
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct sockaddr *sa = (struct sockaddr *)&a;
	bool counted;
	unsigned i;

	l.addr_connections = 1;
	l.unauth_max = 0;
	ledger_set_limits(w->l, &l);
	a.sin_addr.s_addr = htonl(1);
	assert_int_equal(ledger_conn_begin(&w->w[0], sa), ERR_OK);
	assert_int_equal(ledger_addr_begin(&w->w[0], sa, &counted), ERR_OK);
	ledger_conn_end(&w->w[0], sa);
	for (i = 2; i < 2 * LEDGER_CONNS; i++) {
		a.sin_addr.s_addr = htonl(i);
		assert_int_equal(ledger_conn_begin(&w->w[0], sa), ERR_OK);
		ledger_conn_end(&w->w[0], sa);
	}
	a.sin_addr.s_addr = htonl(1);
	assert_int_equal(ledger_addr_begin(&w->w[0], sa, &counted), ERR_QUOTA);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_no_rate_means_no_wait),
		T(test_quarter_of_a_second_may_burst),
		T(test_workers_share_the_rate),
		T(test_directions_are_apart),
		T(test_small_pieces_add_up),
		T(test_wait_has_an_end),
		T(test_forgotten_users_make_room),
		T(test_connections_of_an_address_are_limited),
		T(test_log_in_leaves_the_connection_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
