/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, log-ins, uploads and pins. */
#include "tests/unit/ledger_world.h"

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
			w->l->sh->failures[i] -=
				(uint64_t)(62000 / LEDGER_FAILURE_UNIT) << 16;
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
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
		cmocka_unit_test(test_pins_are_never_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
