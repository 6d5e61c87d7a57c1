/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/spool_world.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sched.h>
#include <stdatomic.h>

static struct segment_identity
identity(void)
{
	return (struct segment_identity){ .id = part(3), .nonce = 77 };
}

static void
test_header_round_trips(void **state)
{
	struct segment_identity who = identity();
	struct segment_record a = { .seq = 4, .received = 10, .crc = 1 };
	struct segment_record b = {
		.seq = 5, .received = 20, .rewind = 2, .flags = SEGMENT_CLOSING
	};
	unsigned char raw[SEGMENT_HEADER];
	struct segment_header h;

	(void)state;
	memset(b.boot, 7, sizeof(b.boot));
	segment_header_build(raw, &who);
	segment_record_build(raw + segment_record_offset(SEGMENT_LIVE, 0), &who,
			     SEGMENT_LIVE, &a);
	segment_record_build(raw + segment_record_offset(SEGMENT_LIVE, 1), &who,
			     SEGMENT_LIVE, &b);
	assert_int_equal(segment_header_parse(raw, &h), ERR_OK);
	assert_string_equal(h.who.id.upload, who.id.upload);
	assert_int_equal(h.who.id.rewind, who.id.rewind);
	assert_int_equal(h.who.id.no, who.id.no);
	assert_int_equal(h.who.id.base, who.id.base);
	assert_int_equal(h.who.id.capacity, who.id.capacity);
	assert_int_equal(h.who.nonce, 77);
	assert_int_equal(h.live.count, 2);
	assert_int_equal(h.live.slot[0], 1);
	assert_int_equal(h.live.rec[0].seq, b.seq);
	assert_int_equal(h.live.rec[0].received, b.received);
	assert_int_equal(h.live.rec[0].crc, b.crc);
	assert_int_equal(h.live.rec[0].rewind, b.rewind);
	assert_int_equal(h.live.rec[0].flags, b.flags);
	assert_memory_equal(h.live.rec[0].boot, b.boot, sizeof(b.boot));
	assert_int_equal(h.live.rec[1].received, 10);
	assert_int_equal(h.sync.count, 0);
	assert_int_equal(segment_header_rewind(&h), 2);
}

/* Every single flipped bit voids the one thing that it is in, and no other. */
static void
test_header_flipped_bit_voids_its_sector(void **state)
{
	struct segment_identity who = identity();
	struct segment_record r = { .seq = 9, .received = 30 };
	unsigned char raw[SEGMENT_HEADER];
	struct segment_header h;

	(void)state;
	segment_header_build(raw, &who);
	for (unsigned i = 0; i < 4; i++)
		segment_record_build(raw + segment_record_offset(i / 2, i % 2),
				     &who, i / 2, &r);
	for (unsigned bit = 0; bit < 5 * SEGMENT_SECTOR * 8; bit++) {
		unsigned sector = bit / 8 / SEGMENT_SECTOR;
		unsigned in = bit / 8 % SEGMENT_SECTOR;

		if (in >= (sector == 0 ? 64 : 56))
			continue;
		raw[bit / 8] ^= (unsigned char)(1u << bit % 8);
		if (sector == 0) {
			assert_int_equal(segment_header_parse(raw, &h),
					 ERR_CORRUPT);
		} else {
			assert_int_equal(segment_header_parse(raw, &h), ERR_OK);
			assert_int_equal(h.live.count, sector < 3 ? 1 : 2);
			assert_int_equal(h.sync.count, sector < 3 ? 2 : 1);
		}
		raw[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
}

static void
test_record_of_another_identity_is_void(void **state)
{
	struct segment_record r = { .seq = 1, .received = 5 };
	unsigned char raw[SEGMENT_HEADER];

	(void)state;
	for (int what = 0; what < 6; what++) {
		struct segment_identity who = identity(), was = who;
		struct segment_header h;

		if (what == 0)
			strcpy(was.id.upload, OTHER);
		else if (what == 1)
			was.id.base++;
		else if (what == 2)
			was.nonce++;
		else if (what == 3)
			was.id.no++;
		else if (what == 4)
			was.id.capacity--;
		segment_header_build(raw, &who);
		segment_record_build(raw + segment_record_offset(SEGMENT_LIVE,
								 0),
				     &was, SEGMENT_LIVE, &r);
		assert_int_equal(segment_header_parse(raw, &h), ERR_OK);
		assert_int_equal(h.live.count, what == 5);
	}
}

/* A record beyond the capacity, or of the wrong kind, is no record. */
static void
test_record_that_lies_is_void(void **state)
{
	struct segment_identity who = identity();
	struct segment_record r = { .received = who.id.capacity + 1 };
	unsigned char raw[SEGMENT_HEADER];
	struct segment_header h;

	(void)state;
	segment_header_build(raw, &who);
	segment_record_build(raw + segment_record_offset(SEGMENT_LIVE, 0), &who,
			     SEGMENT_LIVE, &r);
	r.received = 1;
	segment_record_build(raw + segment_record_offset(SEGMENT_SYNC, 0), &who,
			     SEGMENT_LIVE, &r);
	assert_int_equal(segment_header_parse(raw, &h), ERR_OK);
	assert_int_equal(h.live.count, 0);
	assert_int_equal(h.sync.count, 0);
}

static void
test_append_counts_and_sums(void **state)
{
	struct segment_id id = part(1);
	struct segment *g = make(*state, &id);

	assert_int_equal(segment_received(g), 0);
	assert_int_equal(append(g, 32768, 1), ERR_OK);
	assert_int_equal(append(g, 1, 1), ERR_OK);
	assert_int_equal(append(g, 0, 1), ERR_OK);
	assert_int_equal(append(g, 70000, 1), ERR_OK);
	assert_int_equal(segment_received(g), 32768 + 1 + 70000);
	assert_int_equal(segment_unsynced(g), 32768 + 1 + 70000);
	assert_bytes(g, 0, segment_received(g), 1);
	assert_crc(g);
	assert_int_equal(segment_flags(g), 0);
	segment_close(g);
}

static void
test_append_beyond_capacity_is_refused(void **state)
{
	struct segment_id id = part(1);
	struct segment *g;

	id.capacity = 100;
	g = make(*state, &id);
	assert_int_equal(append(g, 101, 1), ERR_TOO_LARGE);
	assert_int_equal(append(g, 100, 1), ERR_OK);
	assert_int_equal(append(g, 1, 1), ERR_TOO_LARGE);
	assert_int_equal(segment_write_at(g, 100, "x", 1), ERR_TOO_LARGE);
	assert_int_equal(segment_write_at(g, UINT64_MAX, "x", 1),
			 ERR_TOO_LARGE);
	assert_int_equal(segment_adopt(g, 1), ERR_TOO_LARGE);
	assert_int_equal(segment_received(g), 100);
	segment_close(g);
}

static void
test_held_bytes_count_once_adopted(void **state)
{
	struct segment_id id = part(1);
	struct segment *g = make(*state, &id);
	unsigned char buf[1000];

	fill(buf, 500, sizeof(buf), 1);
	assert_int_equal(segment_write_at(g, 500, buf, sizeof(buf)), ERR_OK);
	assert_int_equal(segment_received(g), 0);
	assert_int_equal(segment_flags(g), 0);
	assert_int_equal(append(g, 500, 1), ERR_OK);
	assert_int_equal(segment_adopt(g, sizeof(buf)), ERR_OK);
	assert_int_equal(segment_received(g), 1500);
	assert_bytes(g, 0, 1500, 1);
	assert_crc(g);
	segment_close(g);
}

static void
test_adopting_what_is_not_there_fails(void **state)
{
	struct segment_id id = part(1);
	struct segment *g = make(*state, &id);

	assert_int_equal(append(g, 10, 1), ERR_OK);
	assert_int_equal(segment_adopt(g, 10), ERR_IO);
	assert_int_equal(segment_received(g), 10);
	segment_close(g);
}

static void
test_write_in_place_marks_dirty_and_sums_again(void **state)
{
	struct segment_id id = part(1);
	struct segment *g = make(*state, &id);
	unsigned char buf[300];

	assert_int_equal(append(g, 1000, 1), ERR_OK);
	fill(buf, 100, 300, 2);
	assert_int_equal(segment_write_at(g, 100, buf, 300), ERR_OK);
	assert_int_equal(segment_flags(g), SEGMENT_DIRTY);
	assert_int_equal(append(g, 1000, 1), ERR_OK);
	assert_int_equal(segment_flags(g), SEGMENT_DIRTY);
	assert_int_equal(segment_received(g), 2000);
	assert_crc(g);
	assert_int_equal(segment_flags(g), 0);
	assert_bytes(g, 0, 100, 1);
	assert_bytes(g, 100, 400, 2);
	assert_bytes(g, 400, 2000, 1);
	segment_close(g);
}

static void
test_write_across_the_end_is_both(void **state)
{
	struct segment_id id = part(1);
	struct segment *g = make(*state, &id);
	unsigned char buf[300];

	assert_int_equal(append(g, 1000, 1), ERR_OK);
	fill(buf, 900, 300, 2);
	assert_int_equal(segment_write_at(g, 900, buf, 300), ERR_OK);
	assert_int_equal(segment_received(g), 1200);
	assert_bytes(g, 900, 1200, 2);
	assert_crc(g);
	fill(buf, 1200, 300, 2);
	assert_int_equal(segment_write_at(g, 1200, buf, 300), ERR_OK);
	assert_int_equal(segment_flags(g), 0);
	assert_int_equal(segment_received(g), 1500);
	assert_crc(g);
	segment_close(g);
}

static void
test_cut_takes_back_and_goes_on(void **state)
{
	struct segment_id id = part(1);
	struct segment *g = make(*state, &id);

	assert_int_equal(append(g, 5000, 1), ERR_OK);
	assert_int_equal(segment_cut(g, 5001), ERR_INVALID);
	assert_int_equal(segment_cut(g, 5000), ERR_OK);
	assert_int_equal(segment_flags(g), 0);
	assert_int_equal(segment_cut(g, 2000), ERR_OK);
	assert_int_equal(segment_received(g), 2000);
	assert_int_equal(append(g, 1000, 2), ERR_OK);
	assert_crc(g);
	assert_bytes(g, 0, 2000, 1);
	assert_bytes(g, 2000, 3000, 2);
	assert_int_equal(segment_cut(g, 0), ERR_OK);
	assert_int_equal(segment_crc(g), 0);
	segment_close(g);
}

static void
test_sync_covers_what_was_received(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);
	struct got a = { 0 }, b = { 0 };

	assert_int_equal(append(g, 1000, 1), ERR_OK);
	segment_sync(g, got_done, &a);
	assert_int_equal(append(g, 500, 1), ERR_OK);
	segment_sync(g, got_done, &b);
	world_wait(w, &b, 1);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(b.err, ERR_OK);
	assert_int_equal(segment_unsynced(g), 0);
	assert_int_equal(sync_now(w, g), ERR_OK); /* nothing to do */
	assert_int_equal(append(g, 7, 1), ERR_OK);
	assert_int_equal(segment_unsynced(g), 7);
	segment_close(g);
}

/* The CRC that an edit made unknown is found out on the way. */
static void
test_sync_after_edit_clears_dirty(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);
	struct got got = { 0 };

	assert_int_equal(append(g, 400000, 1), ERR_OK);
	assert_int_equal(sync_now(w, g), ERR_OK);
	assert_int_equal(segment_cut(g, 300000), ERR_OK);
	assert_int_equal(segment_unsynced(g), 300000);
	assert_int_equal(append(g, 100, 2), ERR_OK);
	segment_sync(g, got_done, &got);
	assert_int_equal(append(g, 100, 2), ERR_OK);
	world_wait(w, &got, 1);
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(segment_unsynced(g), 100);
	assert_int_equal(segment_flags(g), 0);
	assert_crc(g);
	segment_close(g);
}

/* An edit under a running sync makes it start over, not vouch for the old. */
static void
test_sync_survives_edit_under_way(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id), *again;
	struct got got = { 0 };
	unsigned char other[SEGMENT_BOOT_LEN] = { 9 };

	assert_int_equal(append(g, 400000, 1), ERR_OK);
	segment_sync(g, got_done, &got);
	assert_int_equal(segment_cut(g, 1000), ERR_OK);
	assert_int_equal(append(g, 1000, 2), ERR_OK);
	world_wait(w, &got, 1);
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(segment_unsynced(g), 0);
	segment_close(g);
	world_stop(w);
	spool_test_boot(other);
	world_start(w, MIB);
	assert_int_equal(reopen(w, &id, &again), ERR_OK);
	assert_int_equal(segment_received(again), 2000);
	assert_bytes(again, 0, 1000, 1);
	assert_bytes(again, 1000, 2000, 2);
	segment_close(again);
}

static void
test_no_completion_after_close(void **state)
{
	struct world *w = *state;
	struct got got[4] = { 0 };

	for (int i = 0; i < 2; i++) {
		struct segment_id id = part(1 + (uint32_t)i);
		struct segment *g = make(w, &id);

		assert_int_equal(append(g, 3 * MIB, 1), ERR_OK);
		segment_hash_want(g, SEGMENT_SHA256);
		segment_hash_follow(g);
		segment_sync(g, got_done, &got[0]);
		segment_sync(g, got_done, &got[1]);
		segment_hash(g, got_hash, &got[2]);
		segment_hash(g, got_hash, &got[3]);
		if (i == 0)
			segment_close(g);
		else
			segment_discard(g);
	}
	world_settle(w);
	for (int i = 0; i < 4; i++)
		assert_int_equal(got[i].calls, 0);
}

/* A completion may do away with the segment that it is about. */
struct ender {
	struct got got;
	struct segment *g;
	bool discard;
};

static void
end_it(void *arg, enum err err)
{
	struct ender *e = arg;

	got_done(&e->got, err);
	if (e->discard)
		segment_discard(e->g);
	else
		segment_close(e->g);
}

static void
test_completion_may_end_the_segment(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		struct segment_id id = part(1);
		struct ender e = { .g = make(w, &id), .discard = i == 1 };
		struct got never = { 0 };

		assert_int_equal(append(e.g, 100, 1), ERR_OK);
		segment_sync(e.g, end_it, &e);
		segment_sync(e.g, got_done, &never);
		world_wait(w, &e.got, 1);
		world_settle(w);
		assert_int_equal(e.got.calls, 1);
		assert_int_equal(never.calls, 0);
	}
}

static void
digest_of(const unsigned char *data, size_t n, struct segment_digest *d)
{
	SHA256(data, n, d->sha256);
	assert_int_equal(EVP_Digest(data, n, d->md5, NULL, EVP_md5(), NULL), 1);
}

static void
assert_digest(struct world *w, struct segment *g, const unsigned char *data)
{
	struct segment_digest want;
	struct got got = { 0 };

	digest_of(data, segment_received(g), &want);
	segment_hash(g, got_hash, &got);
	assert_int_equal(got.calls, 0);
	world_wait(w, &got, 1);
	assert_int_equal(got.err, ERR_OK);
	assert_memory_equal(got.digest.sha256, want.sha256, 32);
	assert_memory_equal(got.digest.md5, want.md5, 16);
}

static void
test_hash_follows_and_starts_over(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);
	unsigned char *data = mem_alloc(4 * MIB);

	fill(data, 0, 4 * MIB, 1);
	segment_hash_want(g, SEGMENT_SHA256 | SEGMENT_MD5);
	assert_digest(w, g, data);
	for (int i = 0; i < 60; i++) {
		assert_int_equal(append(g, 50000, 1), ERR_OK);
		segment_hash_follow(g);
		if (i == 20)
			assert_digest(w, g, data);
	}
	assert_digest(w, g, data);
	fill(data + 5, 5, 50, 2);
	assert_int_equal(segment_write_at(g, 5, data + 5, 50), ERR_OK);
	assert_digest(w, g, data);
	assert_int_equal(segment_flags(g), 0); /* the CRC came by the way */
	assert_int_equal(segment_cut(g, 1000000), ERR_OK);
	fill(data + 1000000, 1000000, MIB, 1);
	assert_int_equal(append(g, MIB, 1), ERR_OK);
	assert_digest(w, g, data);
	assert_int_equal(segment_flags(g), 0);
	assert_crc(g);
	free(data);
	segment_close(g);
}

static void
test_hash_of_the_moment_it_was_asked(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);
	unsigned char *data = mem_alloc(MIB);
	struct segment_digest want;
	struct got a = { 0 }, b = { 0 };

	fill(data, 0, MIB, 1);
	assert_int_equal(append(g, 600000, 1), ERR_OK);
	segment_hash(g, got_hash, &a);
	assert_int_equal(append(g, 400000, 1), ERR_OK);
	segment_hash(g, got_hash, &b);
	world_wait(w, &b, 1);
	digest_of(data, 600000, &want);
	assert_memory_equal(a.digest.sha256, want.sha256, 32);
	digest_of(data, 1000000, &want);
	assert_memory_equal(b.digest.sha256, want.sha256, 32);
	free(data);
	segment_close(g);
}

static void
test_hash_more_wanted_while_busy(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);
	unsigned char *data = mem_alloc(4 * MIB);

	fill(data, 0, 4 * MIB, 1);
	assert_int_equal(append(g, 3 * MIB, 1), ERR_OK);
	segment_hash_want(g, SEGMENT_SHA256);
	segment_hash_follow(g);
	segment_hash_want(g, SEGMENT_MD5);
	assert_digest(w, g, data);
	free(data);
	segment_close(g);
}

static void
test_hash_finds_a_disk_that_lies(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);
	struct got got = { 0 };

	assert_int_equal(append(g, 100000, 1), ERR_OK);
	assert_int_equal(pwrite(segment_fd(g), "?", 1, SEGMENT_HEADER + 77), 1);
	segment_hash(g, got_hash, &got);
	world_wait(w, &got, 1);
	assert_int_equal(got.err, ERR_CORRUPT);
	segment_close(g);
}

struct marker {
	struct work work; /* first */
	atomic_bool ran;
};

static void
mark(struct work *w)
{
	atomic_store(&((struct marker *)w)->ran, true);
}

/* With one thread: the jobs before are done, and the loop has not heard. */
static void
wait_in_pool(struct world *w, struct marker *m)
{
	m->work.run = mark;
	m->work.done = NULL;
	atomic_init(&m->ran, false);
	work_submit(w->pool, &m->work);
	while (!atomic_load(&m->ran))
		sched_yield();
}

/*
 * A segment that was closed while a job ran on it, and that another process
 * drives now: the old object must not write where the new one does.
 */
static void
test_closed_segment_leaves_the_file_alone(void **state)
{
	struct world *w = *state, other = *w;
	struct segment_id id = part(1);
	struct got got = { 0 };
	struct marker m;
	struct segment *g;

	world_stop(w);
	world_start_threads(w, MIB, 1);
	g = make(w, &id);
	assert_int_equal(append(g, 100000, 1), ERR_OK);
	assert_int_equal(segment_write_at(g, 5, "dirty", 5), ERR_OK);
	segment_hash(g, got_hash, &got);
	segment_sync(g, got_done, &got);
	wait_in_pool(w, &m);
	segment_close(g);
	world_start(&other, MIB);
	assert_int_equal(reopen(&other, &id, &g), ERR_OK);
	assert_int_equal(append(g, 5, 1), ERR_OK);
	assert_int_equal(append(g, 5, 1), ERR_OK);
	world_settle(w);
	assert_int_equal(got.calls, 0);
	assert_int_equal(segment_peek(w->spool, &id, NULL), 100010);
	segment_close(g);
	world_stop(&other);
}

/* An edit while the hash runs: the digest is of the bytes after it. */
static void
test_hash_survives_edit_under_way(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);
	unsigned char *data = mem_alloc(4 * MIB);
	struct segment_digest want;
	struct got got = { 0 };

	fill(data, 0, 3 * MIB, 1);
	assert_int_equal(append(g, 3 * MIB, 1), ERR_OK);
	segment_hash(g, got_hash, &got);
	memcpy(data + 10, "changed", 7);
	assert_int_equal(segment_write_at(g, 10, "changed", 7), ERR_OK);
	assert_int_equal(segment_cut(g, 2 * MIB), ERR_OK);
	world_wait(w, &got, 1);
	assert_int_equal(got.err, ERR_OK);
	digest_of(data, 2 * MIB, &want);
	assert_memory_equal(got.digest.sha256, want.sha256, 32);
	free(data);
	segment_close(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
		cmocka_unit_test(test_header_round_trips),
		cmocka_unit_test(test_header_flipped_bit_voids_its_sector),
		cmocka_unit_test(test_record_of_another_identity_is_void),
		cmocka_unit_test(test_record_that_lies_is_void),
		WORLD(test_append_counts_and_sums),
		WORLD(test_append_beyond_capacity_is_refused),
		WORLD(test_held_bytes_count_once_adopted),
		WORLD(test_adopting_what_is_not_there_fails),
		WORLD(test_write_in_place_marks_dirty_and_sums_again),
		WORLD(test_write_across_the_end_is_both),
		WORLD(test_cut_takes_back_and_goes_on),
		WORLD(test_sync_covers_what_was_received),
		WORLD(test_sync_after_edit_clears_dirty),
		WORLD(test_sync_survives_edit_under_way),
		WORLD(test_no_completion_after_close),
		WORLD(test_completion_may_end_the_segment),
		WORLD(test_hash_follows_and_starts_over),
		WORLD(test_hash_of_the_moment_it_was_asked),
		WORLD(test_hash_more_wanted_while_busy),
		WORLD(test_hash_finds_a_disk_that_lies),
		WORLD(test_hash_survives_edit_under_way),
		WORLD(test_closed_segment_leaves_the_file_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
