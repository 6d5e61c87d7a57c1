/* SPDX-License-Identifier: Apache-2.0 */
/* When a client is slowed, for how long, and who goes on first. */
#include <string.h>

#include "lib/clock.h"
#include "tests/unit/upload_world.h"

#define NEW (VFS_CREAT | VFS_TRUNC)

/* The spool may hold so much, and no more is set aside. */
static void
set_room(uint64_t max, uint64_t reserve)
{
	struct ledger_limits limits = { .spool_max = max,
					.spool_reserve = reserve,
					.failure_window_ms = 1000 };

	ledger_set_limits(w.ledger, &limits);
}

static void
wait_paused(struct writer *x, bool paused)
{
	world_until(x->paused == paused);
}

static void
test_client_without_room_is_paused_and_goes_on(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	set_room(1, 0);
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 1000, 1), ERR_OK);
	wait_paused(&x, true);
	/* What trickles in meanwhile is taken and acknowledged. */
	assert_int_equal(writer_write(&x, 1000, 1000, 1), ERR_OK);
	assert_int_equal(ledger_spool_used(w.ledger), 2000);
	set_room(1u << 30, 0);
	wait_paused(&x, false);
	assert_int_equal(ledger_spool_used(w.ledger), PART);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 2000, 1);
	assert_int_equal(ledger_spool_used(w.ledger), 0);
	world_logout(s);
	check_clean();
}

static void
test_patience_ends_with_a_clear_word(void **state)
{
	struct session *s = world_login("ann");
	struct vfs_stat st;
	struct writer x;

	(void)state;
	w.cfg.slow_patience_ms = 300;
	set_room(1, 0);
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 1000, 1), ERR_OK);
	x.ready = false;
	world_wait(&x.ready);
	assert_int_equal(x.ready_err, ERR_NO_SPACE);
	assert_non_null(strstr(x.why, "spool is full"));
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_NO_SPACE);
	assert_int_equal(count_rows("state = 1"), 1);
	assert_int_equal(do_stat(s, "/a", &st), ERR_OK);
	assert_int_equal(st.size, 1000);
	set_room(1u << 30, 0);
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 1000, 50, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", 1050, 1);
	world_logout(s);
	check_clean();
}

static void
test_reserve_is_bounded(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;
	uint64_t off = 0;
	enum err err = ERR_OK;

	(void)state;
	set_room(1, 0);
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	while (!err && off < 64u << 20) {
		err = writer_write(&x, off, PART, 1);
		if (!err)
			off += PART;
	}
	assert_int_equal(err, ERR_NO_SPACE);
	assert_non_null(strstr(x.why, "spool is full"));
	assert_true(off <= 8u << 20);
	writer_close(&x, VFS_BROKEN);
	world_logout(s);
}

/* Of one user's uploads the one that waits longest goes on first. */
static void
test_who_waits_longest_is_served_first(void **state)
{
	struct session *s = world_login("ann");
	struct writer x[3];
	char path[8] = "/0";
	int i;

	(void)state;
	set_room(1, 0);
	for (i = 0; i < 3; i++) {
		path[1] = (char)('0' + i);
		assert_int_equal(writer_open(&x[i], s, path, NEW, 0), ERR_OK);
		assert_int_equal(writer_write(&x[i], 0, 100, 1), ERR_OK);
		wait_paused(&x[i], true);
	}
	set_room(PART, 0);
	wait_paused(&x[0], false);
	world_run(500);
	assert_true(x[1].paused && x[2].paused);
	assert_int_equal(writer_close(&x[0], VFS_COMPLETE), ERR_OK);
	wait_paused(&x[1], false);
	assert_true(x[2].paused);
	assert_int_equal(writer_close(&x[1], VFS_COMPLETE), ERR_OK);
	wait_paused(&x[2], false);
	assert_int_equal(writer_close(&x[2], VFS_COMPLETE), ERR_OK);
	world_logout(s);
	check_clean();
}

/* Room that has come is for who waits, not for who happens to write. */
static void
test_nobody_jumps_the_queue(void **state)
{
	struct session *s = world_login("ann");
	struct writer x[2];

	(void)state;
	set_room(1, 0);
	assert_int_equal(writer_open(&x[0], s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_open(&x[1], s, "/b", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x[0], 0, 100, 1), ERR_OK);
	wait_paused(&x[0], true);
	set_room(PART, 0);
	assert_int_equal(writer_write(&x[1], 0, 100, 1), ERR_OK);
	wait_paused(&x[0], false);
	wait_paused(&x[1], true);
	assert_int_equal(writer_close(&x[0], VFS_COMPLETE), ERR_OK);
	assert_int_equal(writer_close(&x[1], VFS_COMPLETE), ERR_OK);
	world_logout(s);
	check_clean();
}

/* However full the spool is, the first in the queue can finish its part. */
static void
test_what_is_set_aside_lets_one_finish(void **state)
{
	struct session *s = world_login("ann");
	struct writer x[2];

	(void)state;
	set_room(PART + 1, PART);
	assert_int_equal(writer_open(&x[0], s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x[0], 0, 100, 1), ERR_OK);
	assert_int_equal(writer_open(&x[1], s, "/b", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x[1], 0, 100, 2), ERR_OK);
	wait_paused(&x[1], true);
	wait_paused(&x[0], false);
	assert_int_equal(writer_close(&x[0], VFS_COMPLETE), ERR_OK);
	wait_paused(&x[1], false);
	assert_int_equal(writer_close(&x[1], VFS_COMPLETE), ERR_OK);
	world_logout(s);
	check_clean();
}

/* With the store up, more than two parts do not wait beside the one filling. */
static void
test_backlog_is_short_while_the_store_is_up(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;
	uint64_t off = 0;

	(void)state;
	world_fault((struct fault){
		.kind = STORE_CALL_PUT_PART, .times = 4, .err = ERR_AGAIN });
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	while (!x.paused && off < 100 * PART) {
		assert_int_equal(writer_write(&x, off, PART / 4, 1), ERR_OK);
		off += PART / 4;
		loop_turn(w.b->loop, 0);
	}
	assert_in_range(off, 2 * PART, 4 * PART);
	wait_paused(&x, false);
	assert_int_equal(writer_write(&x, off, PART, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", off + PART, 1);
	world_logout(s);
	check_clean();
}

static void
test_upload_without_a_byte_is_not_paused(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	world_run(500); /* the tick has looked at it */
	assert_false(x.paused);
	assert_int_equal(writer_write(&x, 0, 10, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	world_logout(s);
	check_clean();
}

/* With the store down, the spool takes what it has room for. */
static void
test_backlog_grows_while_the_store_is_down(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;
	uint64_t off = 0;

	(void)state;
	world_fault((struct fault){ .kind = STORE_CALL_PUT_PART,
				    .times = 1000000,
				    .err = ERR_AGAIN });
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	while (off < 20 * PART) {
		assert_int_equal(writer_write(&x, off, PART, 1), ERR_OK);
		off += PART;
		if (off == 4 * PART) /* the store is found to be down */
			world_until(store_is_down(w.b->stores[0]));
	}
	world_run(50);
	assert_false(x.paused && store_is_down(w.b->stores[0]));
	w.fault.times = 0;
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", off, 1);
	world_logout(s);
	check_clean();
}

static void
test_too_much_unsynced_pauses_until_it_is_synced(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	w.cfg.unsynced_max = PART / 2;
	w.cfg.spool_sync_ms = 1000000; /* age alone would never do it */
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 1, 1), ERR_OK);
	assert_int_equal(writer_write(&x, 1, PART - 2, 1), ERR_OK);
	assert_true(ledger_unsynced(w.ledger) >= PART / 2);
	world_run(10);
	wait_paused(&x, false);
	assert_int_equal(ledger_unsynced(w.ledger), 0);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	check_object("a", PART - 1, 1);
	world_logout(s);
	check_clean();
}

static void
test_parked_bytes_stay_in_the_ledger(void **state)
{
	struct session *s = world_login("ann");
	struct writer x;

	(void)state;
	world_run(500); /* the folder is looked at, and not again for long */
	assert_int_equal(writer_open(&x, s, "/a", NEW, 0), ERR_OK);
	assert_int_equal(writer_write(&x, 0, 5000, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	world_until(ledger_parked(w.ledger) == 5000);
	assert_int_equal(ledger_spool_used(w.ledger), 5000);
	/* The next process finds them, a moment after its start. */
	world_logout(s);
	world_close();
	world_open();
	world_until(ledger_parked(w.ledger) == 5000);
	s = world_login("ann");
	assert_int_equal(writer_open(&x, s, "/a", 0, 0), ERR_OK);
	assert_int_equal(ledger_parked(w.ledger), 0);
	assert_int_equal(ledger_spool_used(w.ledger), 5000);
	assert_int_equal(writer_write(&x, 5000, 5, 1), ERR_OK);
	assert_int_equal(writer_close(&x, VFS_COMPLETE), ERR_OK);
	assert_int_equal(ledger_spool_used(w.ledger), 0);
	world_logout(s);
	check_clean();
}

#define WORLD(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_client_without_room_is_paused_and_goes_on),
		WORLD(test_patience_ends_with_a_clear_word),
		WORLD(test_reserve_is_bounded),
		WORLD(test_who_waits_longest_is_served_first),
		WORLD(test_nobody_jumps_the_queue),
		WORLD(test_what_is_set_aside_lets_one_finish),
		WORLD(test_backlog_is_short_while_the_store_is_up),
		WORLD(test_upload_without_a_byte_is_not_paused),
		WORLD(test_backlog_grows_while_the_store_is_down),
		WORLD(test_too_much_unsynced_pauses_until_it_is_synced),
		WORLD(test_parked_bytes_stay_in_the_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
