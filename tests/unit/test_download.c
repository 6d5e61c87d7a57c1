/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads: what is read ahead, what is given up, and what is bounded. */
#include "bridge/download.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mem.h"
#include "tests/fake/fake_store.h"

#define MIB ((uint64_t)DOWNLOAD_BLOCK)
#define MANY 100 /* readers that want more than a worker may hold */

static struct {
	struct loop *loop;
	struct store *store;
	struct downloads *all;
	struct download *d;
	unsigned calls;
	enum err err;
	size_t n;
	uint64_t off; /* of the read that is under way */
	bool frees;
} t;

static void
got(void *arg, enum err err, const char *why, const void *data, size_t n)
{
	const unsigned char *p = data;

	(void)arg;
	(void)why;
	t.calls++;
	t.err = err;
	t.n = n;
	if (t.frees) {
		download_free(t.d);
		t.d = NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (p[i] != fake_store_byte(t.off + i))
			fail_msg("byte %zu differs", (size_t)t.off + i);
}

static void
turn(void)
{
	for (int i = 0; i < 10; i++)
		loop_turn(t.loop, 0);
}

static struct download *
open_file(uint64_t size)
{
	struct store_object o = { .size = size };

	fake_store.size = size;
	strcpy(o.etag, fake_store.etag);
	return download_open(t.all, t.store, "file", &o);
}

/* Asks; the answer need not come. */
static void
read_at(uint64_t off, size_t n)
{
	unsigned before = t.calls;

	t.off = off;
	download_read(t.d, off, n, got, NULL);
	assert_int_equal(t.calls, before); /* never from inside the call */
	turn();
}

static unsigned
gets(void)
{
	return fake_store.started[STORE_CALL_GET];
}

static int
setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.loop = loop_new();
	t.store = fake_store_open(t.loop);
	t.all = downloads_new(t.loop);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	download_free(t.d);
	assert_int_equal(downloads_blocks(t.all), 0);
	downloads_free(t.all);
	store_close(t.store);
	loop_flush(t.loop);
	loop_free(t.loop);
	return 0;
}

static void
test_reading_through_gets_every_byte_once(void **state)
{
	const uint64_t size = 20 * MIB + 777;
	uint64_t off = 0;

	(void)state;
	t.d = open_file(size);
	do {
		read_at(off, 200000);
		assert_int_equal(t.err, ERR_OK);
		off += t.n;
	} while (t.n);
	assert_int_equal(off, size);
	assert_int_equal(fake_store.bytes, size);
	assert_int_equal(gets(), 21);
}

static void
test_small_file_is_one_get(void **state)
{
	(void)state;
	t.d = open_file(1000);
	read_at(0, 32768);
	assert_int_equal(t.n, 1000);
	read_at(1000, 32768);
	assert_int_equal(t.n, 0);
	assert_int_equal(gets(), 1);
	assert_int_equal(fake_store.bytes, 1000);
}

static void
test_empty_file_asks_the_store_nothing(void **state)
{
	(void)state;
	t.d = open_file(0);
	read_at(0, 32768);
	assert_int_equal(t.calls, 1);
	assert_int_equal(t.err, ERR_OK);
	assert_int_equal(t.n, 0);
	assert_int_equal(gets(), 0);
}

static void
test_resuming_reads_ahead_from_where_it_begins(void **state)
{
	(void)state;
	t.d = open_file(100 * MIB);
	read_at(50 * MIB + 5, 10);
	assert_int_equal(t.n, 10);
	assert_int_equal(gets(), 2);
	read_at(50 * MIB + 15, 10);
	assert_int_equal(gets(), 2);
}

/* The store answers last what was asked first. */
static void
test_slow_store_is_asked_more_and_more_side_by_side(void **state)
{
	uint64_t off = 0;

	(void)state;
	fake_store.holds = true;
	t.d = open_file(100 * MIB);
	while (off < 40 * MIB) {
		read_at(off, 32768);
		while (t.calls == 0) {
			assert_true(fake_store_answer(0));
			turn();
		}
		t.calls = 0;
		off += t.n;
		assert_true(fake_store.live <= DOWNLOAD_AHEAD + 1);
		assert_true(downloads_blocks(t.all) <= DOWNLOAD_BLOCKS);
	}
	assert_int_equal(fake_store.most_live, DOWNLOAD_AHEAD + 1);
}

static void
test_jump_cancels_what_is_under_way_and_starts_anew(void **state)
{
	(void)state;
	t.d = open_file(100 * MIB);
	read_at(0, 10);
	fake_store.holds = true;
	read_at(MIB, 10);
	read_at(2 * MIB, 10);
	assert_true(fake_store.live > 0);
	t.calls = 0;
	while (!t.calls && fake_store_answer(0))
		turn();
	read_at(80 * MIB, 10);
	assert_true(fake_store.cancelled[STORE_CALL_GET] > 0);
	assert_int_equal(fake_store.live, 2);
}

static void
test_close_cancels_what_is_under_way(void **state)
{
	(void)state;
	fake_store.holds = true;
	t.d = open_file(100 * MIB);
	read_at(0, 10);
	assert_int_equal(fake_store.live, 2);
	download_free(t.d);
	t.d = NULL;
	assert_int_equal(fake_store.live, 0);
	assert_int_equal(fake_store.cancelled[STORE_CALL_GET], 2);
	turn();
	assert_int_equal(t.calls, 0);
}

static void
test_close_in_a_completion_leaves_its_bytes_alone(void **state)
{
	(void)state;
	t.frees = true;
	t.d = open_file(3 * MIB);
	read_at(10, 100000);
	assert_int_equal(t.calls, 1);
	assert_int_equal(t.n, 100000);
	assert_null(t.d);
}

static void
test_changed_object_fails_this_read_and_all_to_come(void **state)
{
	(void)state;
	t.d = open_file(100 * MIB);
	read_at(0, 10);
	assert_int_equal(t.err, ERR_OK);
	strcpy(fake_store.etag, "second");
	read_at(50 * MIB, 10);
	assert_int_equal(t.err, ERR_CONFLICT);
	read_at(0, 10);
	assert_int_equal(t.err, ERR_CONFLICT);
}

static void
test_store_out_of_reach_fails_what_waits_and_is_asked_again(void **state)
{
	(void)state;
	fake_store.fail_kind = STORE_CALL_GET;
	fake_store.fail_times = 1;
	fake_store.fail_err = ERR_AGAIN;
	t.d = open_file(100 * MIB);
	read_at(0, 10);
	assert_int_equal(t.calls, 1);
	assert_int_equal(t.err, ERR_AGAIN);
	read_at(0, 10);
	assert_int_equal(t.calls, 2);
	assert_int_equal(t.err, ERR_OK);
	assert_int_equal(t.n, 10);
}

static void
test_failure_ahead_of_the_reader_is_not_told(void **state)
{
	(void)state;
	fake_store.fail_kind = STORE_CALL_GET;
	fake_store.fail_skip = 1;
	fake_store.fail_times = 1;
	fake_store.fail_err = ERR_AGAIN;
	t.d = open_file(100 * MIB);
	read_at(0, 10);
	assert_int_equal(t.err, ERR_OK);
	read_at(MIB, 10);
	assert_int_equal(t.err, ERR_OK);
	assert_int_equal(t.n, 10);
}

static void
count(void *arg, enum err err, const char *why, const void *data, size_t n)
{
	(void)why;
	(void)data;
	assert_int_equal(err, ERR_OK);
	assert_int_equal(n, 10);
	++*(unsigned *)arg;
}

/* All of them are served in the end, however many they are. */
static void
test_all_readers_share_the_blocks_of_a_worker(void **state)
{
	struct download *d[MANY];
	unsigned served = 0;

	(void)state;
	fake_store.holds = true;
	for (unsigned i = 0; i < MANY; i++) {
		d[i] = open_file(100 * MIB);
		download_read(d[i], 0, 10, count, &served);
	}
	turn();
	assert_int_equal(served, 0);
	assert_int_equal(downloads_blocks(t.all), DOWNLOAD_WORKER_BLOCKS);
	while (fake_store_answer(0)) {
		turn();
		assert_true(downloads_blocks(t.all) <= DOWNLOAD_WORKER_BLOCKS);
	}
	assert_int_equal(served, MANY);
	for (unsigned i = 0; i < MANY; i++)
		download_free(d[i]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_reading_through_gets_every_byte_once),
		T(test_small_file_is_one_get),
		T(test_empty_file_asks_the_store_nothing),
		T(test_resuming_reads_ahead_from_where_it_begins),
		T(test_slow_store_is_asked_more_and_more_side_by_side),
		T(test_jump_cancels_what_is_under_way_and_starts_anew),
		T(test_close_cancels_what_is_under_way),
		T(test_close_in_a_completion_leaves_its_bytes_alone),
		T(test_changed_object_fails_this_read_and_all_to_come),
		T(test_store_out_of_reach_fails_what_waits_and_is_asked_again),
		T(test_failure_ahead_of_the_reader_is_not_told),
		T(test_all_readers_share_the_blocks_of_a_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
