/* SPDX-License-Identifier: Apache-2.0 */
/* Slots, sessions and the sharing of the spool. */
#include "tests/unit/ledger_world.h"

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

/* Overdrafts must not keep the one that could make room from finishing. */
static void
test_overdraft_shows_and_does_not_count(void **state)
{
	struct world *w = *state;
	struct ledger *a = &w->w[0], *b = &w->w[1];

	assert_int_equal(ledger_spool_take(a, "ann", 80 * MIB, false), ERR_OK);
	ledger_add(b, LEDGER_OVERDRAFT, 30 * MIB);
	assert_int_equal(ledger_spool_used(w->l), 110 * MIB);
	assert_int_equal(ledger_spool_take(b, "bob", 15 * MIB, true), ERR_OK);
	ledger_wipe(w->l, 1);
	assert_int_equal(ledger_spool_used(w->l), 80 * MIB);
}

static void
test_parked_bytes_count_for_half_at_most(void **state)
{
	struct world *w = *state;
	struct ledger *a = &w->w[0];

	ledger_parked_add(w->l, 30 * MIB);
	assert_int_equal(ledger_spool_used(w->l), 30 * MIB);
	assert_int_equal(ledger_spool_take(a, "ann", 51 * MIB, false),
			 ERR_QUOTA);
	assert_int_equal(ledger_spool_take(a, "ann", 50 * MIB, false), ERR_OK);
	ledger_spool_give(a, "ann", 50 * MIB);
	ledger_parked_set(w->l, 1000 * MIB);
	assert_int_equal(ledger_spool_take(a, "ann", 41 * MIB, false),
			 ERR_QUOTA);
	assert_int_equal(ledger_spool_take(a, "ann", 40 * MIB, false), ERR_OK);
	/* Taken up before the walk has seen them: never below nothing. */
	ledger_parked_set(w->l, 0);
	ledger_parked_add(w->l, -(int64_t)MIB);
	assert_int_equal(ledger_parked(w->l), 0);
	assert_int_equal(ledger_spool_used(w->l), 40 * MIB);
}

static void
test_bytes_from_disk_are_counted_without_room(void **state)
{
	struct world *w = *state;
	struct ledger *a = &w->w[0];

	ledger_spool_charge(a, "ann", 200 * MIB);
	assert_int_equal(ledger_spool_used(w->l), 200 * MIB);
	assert_int_equal(ledger_spool_take(a, "ann", 1, false), ERR_QUOTA);
	ledger_spool_give(a, "ann", 200 * MIB);
	assert_int_equal(ledger_spool_used(w->l), 0);
}

static void
test_unsynced_bytes_are_summed_over_workers(void **state)
{
	struct world *w = *state;

	ledger_add(&w->w[0], LEDGER_UNSYNCED, MIB);
	ledger_add(&w->w[2], LEDGER_UNSYNCED, 2 * MIB);
	assert_int_equal(ledger_unsynced(w->l), 3 * MIB);
	ledger_wipe(w->l, 2);
	assert_int_equal(ledger_unsynced(w->l), MIB);
}

static void
test_first_worker_is_one_that_stays(void **state)
{
	struct world *w = *state;

	assert_true(ledger_is_first(&w->w[0]));
	assert_false(ledger_is_first(&w->w[1]));
	ledger_set_draining(&w->w[0], true);
	assert_false(ledger_is_first(&w->w[0]));
	assert_true(ledger_is_first(&w->w[1]));
	assert_false(ledger_is_first(w->l));
}

static void
test_store_that_is_down_shows(void **state)
{
	struct world *w = *state;
	struct ledger_worker out;

	ledger_store_down(&w->w[1], 3, true);
	ledger_store_down(&w->w[1], 31, true);
	ledger_store_down(&w->w[1], 3, false);
	ledger_worker(w->l, 1, &out);
	assert_int_equal(out.stores_down, UINT32_C(1) << 31);
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
		WORLD(test_overdraft_shows_and_does_not_count),
		WORLD(test_parked_bytes_count_for_half_at_most),
		WORLD(test_bytes_from_disk_are_counted_without_room),
		WORLD(test_unsynced_bytes_are_summed_over_workers),
		WORLD(test_first_worker_is_one_that_stays),
		WORLD(test_store_that_is_down_shows),
		WORLD(test_limits_change_at_run_time),
		WORLD(test_hash_is_siphash),
		cmocka_unit_test(test_processes_share_without_losing_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
