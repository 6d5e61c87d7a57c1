/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/spool_world.h"

#include <limits.h>

#define FREE_MAX (64 * MIB)

static void
test_open_makes_its_folder(void **state)
{
	struct world w = { 0 };
	struct spool_config cfg = { .free_max = MIB };
	char dir[96];
	struct stat st;

	(void)state;
	world_new(&w);
	snprintf(dir, sizeof(dir), "%s/new", w.dir);
	cfg.dir = dir;
	cfg.loop = loop_new();
	cfg.pool = work_pool_new(cfg.loop, 1);
	assert_int_equal(spool_open(&w.spool, &cfg), ERR_OK);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	spool_close(w.spool);
	work_pool_free(cfg.pool);
	loop_free(cfg.loop);
	rmdir(dir);
	world_end(&w);
}

static void
test_open_refuses_a_folder_not_ours(void **state)
{
	struct world w = { 0 };
	struct spool_config cfg = { .dir = w.dir };

	(void)state;
	world_new(&w);
	assert_int_equal(chmod(w.dir, 0750), 0);
	assert_int_equal(spool_open(&w.spool, &cfg), ERR_DENIED);
	assert_int_equal(chmod(w.dir, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(w.dir, 12345, 12345), 0);
		assert_int_equal(spool_open(&w.spool, &cfg), ERR_DENIED);
		assert_int_equal(chown(w.dir, 0, 0), 0);
	}
	world_end(&w);
	assert_int_equal(
		spool_open(&w.spool,
			   &(struct spool_config){ .dir = "/proc/none" }),
		ERR_IO);
	if (geteuid() == 0) /* of the right owner, but no place for files */
		assert_int_not_equal(
			spool_open(&w.spool,
				   &(struct spool_config){ .dir = "/proc/1" }),
			ERR_OK);
}

static void
test_names_round_trip_and_others_are_not_names(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"lock",
		"free." UPLOAD,
		UPLOAD,
		UPLOAD ".1",
		UPLOAD ".1.",
		UPLOAD ".0.0",
		UPLOAD ".01.0",
		UPLOAD ".1.00",
		UPLOAD ".1.-1",
		UPLOAD ".+1.1",
		UPLOAD ".1.4294967296",
		UPLOAD ".4294967296.0",
		UPLOAD ".1.0x",
		UPLOAD ".1.0.0",
		"0123456789ABCDEF0123456789abcdef.1.0",
		UPLOAD "0.1.0",
	};
	struct segment_id id = part(UINT_MAX), out;
	char name[SPOOL_NAME_MAX];

	(void)state;
	id.rewind = UINT_MAX;
	spool_name(name, &id);
	assert_int_equal(spool_name_parse(name, &out), ERR_OK);
	assert_int_equal(out.no, id.no);
	assert_int_equal(out.rewind, id.rewind);
	assert_string_equal(out.upload, id.upload);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(spool_name_parse(bad[i], &out), ERR_INVALID);
}

static void
test_create_refuses_nonsense(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(0);
	struct segment *g;

	assert_int_equal(segment_create(w->spool, &id, &g), ERR_INVALID);
	id = part(1);
	strcpy(id.upload, "../../etc/passwd");
	assert_int_equal(segment_create(w->spool, &id, &g), ERR_INVALID);
	id = part(1);
	id.capacity = UINT64_MAX;
	assert_int_equal(segment_create(w->spool, &id, &g), ERR_INVALID);
	assert_int_equal(world_files(w, "", false), 0);
}

static void
test_create_replaces_a_file_of_the_same_name(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id), *h;

	assert_int_equal(append(g, 100, 1), ERR_OK);
	segment_close(g);
	g = make(w, &id);
	assert_int_equal(segment_received(g), 0);
	segment_close(g);
	assert_int_equal(reopen(w, &id, &h), ERR_OK);
	assert_int_equal(segment_received(h), 0);
	segment_close(h);
	assert_int_equal(world_files(w, UPLOAD, false), 1);
}

static void
test_files_are_private(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);
	struct stat st;

	assert_int_equal(fstat(segment_fd(g), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(fcntl(segment_fd(g), F_GETFD) & FD_CLOEXEC);
	segment_close(g);
}

static void
test_reopened_segment_goes_on(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(2);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 5000, 1), ERR_OK);
	assert_int_equal(segment_set_flags(g, SEGMENT_CLOSING), ERR_OK);
	segment_close(g);
	assert_int_equal(reopen(w, &id, &g), ERR_OK);
	assert_int_equal(segment_received(g), 5000);
	assert_int_equal(segment_flags(g), SEGMENT_CLOSING);
	assert_int_equal(segment_ident(g)->capacity, id.capacity);
	assert_int_equal(append(g, 5000, 1), ERR_OK);
	assert_crc(g);
	assert_bytes(g, 0, 10000, 1);
	segment_close(g);
}

static void
test_reopened_dirty_segment_is_read_again(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 5000, 1), ERR_OK);
	assert_int_equal(segment_write_at(g, 10, "abc", 3), ERR_OK);
	segment_close(g);
	assert_int_equal(reopen(w, &id, &g), ERR_OK);
	assert_int_equal(segment_received(g), 5000);
	assert_int_equal(segment_flags(g), 0);
	assert_crc(g);
	segment_close(g);
}

static void
test_open_of_another_identity_finds_nothing(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(2), ask;
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 100, 1), ERR_OK);
	segment_close(g);
	ask = part(3);
	assert_int_equal(reopen(w, &ask, &g), ERR_NOT_FOUND);
	ask = part(2);
	ask.base++;
	assert_int_equal(reopen(w, &ask, &g), ERR_NOT_FOUND);
	assert_null(g);
	ask = part(2);
	strcpy(ask.upload, OTHER);
	assert_int_equal(reopen(w, &ask, &g), ERR_NOT_FOUND);
	ask = part(2);
	ask.rewind = 5;
	assert_int_equal(reopen(w, &ask, &g), ERR_OK);
	segment_close(g);
}

/* A file that was renamed by hand does not become another part. */
static void
test_open_believes_the_header_not_the_name(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(2), ask = part(3);
	char from[SPOOL_NAME_MAX], to[SPOOL_NAME_MAX];
	struct segment *g = make(w, &id);

	segment_close(g);
	spool_name(from, &id);
	spool_name(to, &ask);
	assert_int_equal(renameat(w->spool->dirfd, from, w->spool->dirfd, to),
			 0);
	assert_int_equal(reopen(w, &ask, &g), ERR_NOT_FOUND);
}

static void
test_highest_rewind_counts_none_above(void **state)
{
	struct world *w = *state;
	struct segment *g;

	for (uint32_t r = 0; r < 4; r++) {
		struct segment_id id = part(1);

		id.rewind = r == 3 ? 7 : r;
		g = make(w, &id);
		assert_int_equal(append(g, 100 + r, 1), ERR_OK);
		segment_close(g);
	}
	for (uint32_t r = 0; r < 9; r++) {
		struct segment_id ask = part(1);
		uint32_t want = r < 2 ? r : r < 7 ? 2 : 3;

		ask.rewind = r;
		assert_int_equal(reopen(w, &ask, &g), ERR_OK);
		assert_int_equal(segment_received(g), 100 + want);
		segment_close(g);
	}
}

static void
test_raised_rewind_is_found_again(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1), ask = part(1);
	struct segment *g = make(w, &id);
	char name[SPOOL_NAME_MAX], back[SPOOL_NAME_MAX];

	assert_int_equal(append(g, 1000, 1), ERR_OK);
	assert_int_equal(segment_cut(g, 500), ERR_OK);
	assert_int_equal(segment_set_rewind(g, 2), ERR_OK);
	assert_int_equal(segment_set_rewind(g, 1), ERR_INVALID);
	assert_int_equal(append(g, 10, 1), ERR_OK);
	segment_close(g);
	ask.rewind = 1;
	assert_int_equal(reopen(w, &ask, &g), ERR_NOT_FOUND);
	ask.rewind = 2;
	assert_int_equal(reopen(w, &ask, &g), ERR_OK);
	assert_int_equal(segment_received(g), 510);
	assert_int_equal(segment_ident(g)->rewind, 2);
	segment_close(g);
	/* Killed between the header and the name. */
	spool_name(name, &ask);
	spool_name(back, &id);
	assert_int_equal(renameat(w->spool->dirfd, name, w->spool->dirfd, back),
			 0);
	assert_int_equal(reopen(w, &ask, &g), ERR_OK);
	assert_int_equal(segment_received(g), 510);
	segment_close(g);
	/* By its name it would do, by its header it is above the row's. */
	assert_int_equal(reopen(w, &id, &g), ERR_NOT_FOUND);
}

static void
test_peek_reads_what_another_drives(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1), ask = part(1);
	struct segment *g = make(w, &id);
	unsigned flags = 99;

	ask.rewind = 3;
	assert_int_equal(segment_peek(w->spool, &ask, &flags), 0);
	assert_int_equal(append(g, 1234, 1), ERR_OK);
	assert_int_equal(segment_set_flags(g, SEGMENT_CLOSING), ERR_OK);
	assert_int_equal(segment_peek(w->spool, &ask, &flags), 1234);
	assert_int_equal(flags, SEGMENT_CLOSING);
	ask.base++;
	assert_int_equal(segment_peek(w->spool, &ask, &flags), 0);
	assert_int_equal(flags, 0);
	ask = part(2);
	assert_int_equal(segment_peek(w->spool, &ask, NULL), 0);
	segment_close(g);
}

static ino_t
inode(const struct segment *g)
{
	struct stat st;

	assert_int_equal(fstat(segment_fd(g), &st), 0);
	return st.st_ino;
}

static void
test_discarded_file_is_used_again(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1), next = part(2);
	struct segment *g = make(w, &id);
	ino_t ino = inode(g);

	assert_int_equal(append(g, 3 * MIB, 1), ERR_OK);
	segment_discard(g);
	world_settle(w);
	assert_int_equal(spool_free_bytes(w->spool), 3 * MIB);
	assert_int_equal(world_files(w, UPLOAD, false), 0);
	assert_int_equal(reopen(w, &id, &g), ERR_NOT_FOUND);
	g = make(w, &next);
	assert_int_equal(inode(g), ino);
	assert_int_equal(segment_received(g), 0);
	assert_int_equal(segment_crc(g), 0);
	assert_int_equal(world_files(w, "free.", false), 0);
	/* Until the part is paid for, its pages are still the spool's. */
	assert_int_equal(spool_free_bytes(w->spool), 3 * MIB);
	assert_int_equal(append(g, 2 * MIB, 2), ERR_OK);
	assert_int_equal(spool_free_bytes(w->spool), 0);
	segment_close(g);
	assert_int_equal(reopen(w, &next, &g), ERR_OK);
	assert_int_equal(segment_received(g), 2 * MIB);
	assert_bytes(g, 0, 2 * MIB, 2);
	segment_discard(g);
	world_settle(w);
	assert_int_equal(spool_free_bytes(w->spool), 3 * MIB);
}

static void
test_discarded_synced_file_is_used_again(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 1000, 1), ERR_OK);
	assert_int_equal(sync_now(w, g), ERR_OK);
	segment_discard(g);
	world_settle(w);
	assert_int_equal(spool_free_bytes(w->spool), 1000);
	assert_int_equal(world_files(w, "free.", false), 1);
}

static void
test_reused_file_is_no_larger_than_its_part(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1), small = part(2);
	struct segment *g = make(w, &id);
	struct stat st;

	assert_int_equal(append(g, 3 * MIB, 1), ERR_OK);
	segment_discard(g);
	world_settle(w);
	small.capacity = 1000;
	g = make(w, &small);
	assert_int_equal(fstat(segment_fd(g), &st), 0);
	assert_int_equal(st.st_size, SEGMENT_HEADER + 1000);
	segment_close(g);
	assert_int_equal(spool_free_bytes(w->spool), 0);
}

static void
test_free_list_fits_best_and_is_bounded(void **state)
{
	struct world *w = *state;
	struct segment *g[80];
	struct segment_id id;

	for (uint32_t i = 0; i < 80; i++) {
		id = part(i + 1);
		g[i] = make(w, &id);
		assert_int_equal(append(g[i], 1000 + i, 1), ERR_OK);
	}
	for (uint32_t i = 0; i < 80; i++)
		segment_discard(g[i]);
	world_settle(w);
	assert_int_equal(world_files(w, "", false), SPOOL_FREE_FILES);
	id.capacity = 1010;
	g[0] = make(w, &id);
	assert_int_equal(g[0]->reused, 1010);
	id = part(200);
	g[1] = make(w, &id);
	assert_int_equal(g[1]->reused, 1000 + SPOOL_FREE_FILES - 1);
	segment_close(g[0]);
	segment_close(g[1]);
}

static void
test_free_list_keeps_to_its_bytes(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g;

	world_stop(w);
	world_start(w, 2 * MIB);
	g = make(w, &id);
	assert_int_equal(append(g, 3 * MIB, 1), ERR_OK);
	segment_discard(g);
	world_settle(w);
	assert_int_equal(spool_free_bytes(w->spool), 0);
	assert_int_equal(world_files(w, "", false), 0);
}

static void
test_free_list_is_trimmed(void **state)
{
	struct world *w = *state;
	struct segment *g[4];

	for (uint32_t i = 0; i < 4; i++) {
		struct segment_id id = part(i + 1);

		g[i] = make(w, &id);
		assert_int_equal(append(g[i], 1000, 1), ERR_OK);
	}
	for (uint32_t i = 0; i < 4; i++)
		segment_discard(g[i]);
	world_settle(w);
	spool_trim(w->spool, 4000);
	assert_int_equal(spool_free_bytes(w->spool), 4000);
	spool_trim(w->spool, 2999);
	assert_int_equal(spool_free_bytes(w->spool), 2000);
	world_settle(w);
	assert_int_equal(world_files(w, "free.", false), 2);
	spool_trim(w->spool, 0);
	world_settle(w);
	assert_int_equal(world_files(w, "free.", false), 0);
}

/* What a killed process left is taken over; what another holds is not. */
static void
test_free_files_of_the_dead_are_adopted(void **state)
{
	struct world *w = *state, two = *w;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 5000, 1), ERR_OK);
	segment_discard(g);
	world_settle(w);
	world_start(&two, FREE_MAX);
	assert_int_equal(spool_free_bytes(two.spool), 0);
	world_stop(&two);
	assert_int_equal(world_files(w, "free.", false), 1);
	/* As if killed: the descriptor goes, and the lock with it. */
	close(w->spool->free[0].fd);
	w->spool->nfree = 0;
	w->spool->free_bytes = 0;
	world_start(&two, FREE_MAX);
	assert_int_equal(spool_free_bytes(two.spool), 5000);
	g = make(&two, &id);
	assert_int_equal(segment_received(g), 0);
	assert_int_equal(append(g, 5000, 2), ERR_OK);
	assert_bytes(g, 0, 5000, 2);
	segment_close(g);
	world_stop(&two);
	assert_int_equal(world_files(w, "free.", false), 0);
}

/* Killed with the new identity written and the old name still there. */
static void
test_free_file_with_an_identity_is_void(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 5000, 1), ERR_OK);
	assert_int_equal(renameat(w->spool->dirfd, g->name, w->spool->dirfd,
				  "free." OTHER),
			 0);
	segment_close(g);
	world_stop(w);
	world_start(w, FREE_MAX);
	assert_int_equal(spool_free_bytes(w->spool), 5000);
	assert_int_equal(reopen(w, &id, &g), ERR_NOT_FOUND);
	g = make(w, &id);
	assert_int_equal(segment_received(g), 0);
	segment_close(g);
}

static void
test_remove_leaves_what_is_open(void **state)
{
	struct world *w = *state;
	struct segment *open[3];
	struct segment_id id;
	struct got got = { 0 }, opened = { 0 };

	for (uint32_t i = 1; i <= 100; i++) {
		id = part(i);
		if (i % 2)
			strcpy(id.upload, OTHER);
		open[0] = make(w, &id);
		segment_close(open[0]);
	}
	id = part(2);
	assert_int_equal(reopen(w, &id, &open[0]), ERR_OK);
	id = part(4);
	segment_open(w->spool, &id, got_segment, &opened);
	spool_remove(w->spool, UPLOAD, got_done, &got);
	id = part(300); /* made while the folder is being listed */
	open[1] = make(w, &id);
	world_wait(w, &got, 1);
	world_wait(w, &opened, 1);
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(opened.err, ERR_OK);
	assert_int_equal(world_files(w, UPLOAD, false), 3);
	assert_int_equal(world_files(w, OTHER, false), 50);
	segment_close(opened.seg);
	segment_close(open[0]);
	segment_close(open[1]);
	spool_remove(w->spool, UPLOAD, got_done, &got);
	spool_remove(w->spool, "ffffffffffffffffffffffffffffffff", got_done,
		     &got);
	world_wait(w, &got, 3);
	assert_int_equal(world_files(w, UPLOAD, false), 0);
}

struct seen {
	unsigned calls;
	uint64_t mine, others;
};

static void
see(void *arg, const char *upload, uint64_t bytes)
{
	struct seen *s = arg;

	s->calls++;
	if (strcmp(upload, UPLOAD) == 0)
		s->mine += bytes;
	else if (strcmp(upload, OTHER) == 0)
		s->others += bytes;
}

static void
test_walk_sums_by_upload(void **state)
{
	struct world *w = *state;
	struct seen seen = { 0 };
	struct segment *g;

	for (uint32_t i = 1; i <= 200; i++) {
		struct segment_id id = part(i);

		if (i % 4 == 0)
			strcpy(id.upload, OTHER);
		g = make(w, &id);
		assert_int_equal(append(g, 10, 1), ERR_OK);
		segment_close(g);
	}
	close(openat(w->spool->dirfd, "lock", O_CREAT | O_RDWR, 0600));
	assert_int_equal(spool_walk(w->dir, see, &seen), ERR_OK);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(seen.mine, 1500);
	assert_int_equal(seen.others, 500);
	assert_int_equal(spool_walk("/nowhere/at/all", see, &seen),
			 ERR_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
		cmocka_unit_test(test_open_makes_its_folder),
		cmocka_unit_test(test_open_refuses_a_folder_not_ours),
		cmocka_unit_test(
			test_names_round_trip_and_others_are_not_names),
		WORLD(test_create_refuses_nonsense),
		WORLD(test_create_replaces_a_file_of_the_same_name),
		WORLD(test_files_are_private),
		WORLD(test_reopened_segment_goes_on),
		WORLD(test_reopened_dirty_segment_is_read_again),
		WORLD(test_open_of_another_identity_finds_nothing),
		WORLD(test_open_believes_the_header_not_the_name),
		WORLD(test_highest_rewind_counts_none_above),
		WORLD(test_raised_rewind_is_found_again),
		WORLD(test_peek_reads_what_another_drives),
		WORLD(test_discarded_file_is_used_again),
		WORLD(test_discarded_synced_file_is_used_again),
		WORLD(test_reused_file_is_no_larger_than_its_part),
		WORLD(test_free_list_fits_best_and_is_bounded),
		WORLD(test_free_list_keeps_to_its_bytes),
		WORLD(test_free_list_is_trimmed),
		WORLD(test_free_files_of_the_dead_are_adopted),
		WORLD(test_free_file_with_an_identity_is_void),
		WORLD(test_remove_leaves_what_is_open),
		WORLD(test_walk_sums_by_upload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
