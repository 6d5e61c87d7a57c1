/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that say nonsense, and a disk that fails or is full. The calls that
 * write pass through this file, which makes the next one fail.
 */
#include "tests/unit/spool_world.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static struct {
	int fd;	     /* whose calls fail */
	int write;   /* errno of the next write; 0: it does not fail */
	size_t less; /* the write before that leaves so much unwritten */
	int sync;    /* errno of the next fdatasync() */
	bool dirty;  /* data was written since the last fdatasync() */
	unsigned early, records; /* SYNC records over dirty data, and all */
} fault = { .fd = -1 };

ssize_t
pwrite(int fd, const void *data, size_t n, off_t off)
{
	if (fd == fault.fd && fault.write && fault.less < n) {
		n = fault.less ? n - fault.less : 0;
		fault.less = 0;
	}
	if (fd == fault.fd && fault.write && n == 0) {
		errno = fault.write;
		fault.write = 0;
		return -1;
	}
	if (fd == fault.fd && off >= SEGMENT_HEADER)
		fault.dirty = true;
	if (fd == fault.fd && (off == segment_record_offset(SEGMENT_SYNC, 0) ||
			       off == segment_record_offset(SEGMENT_SYNC, 1))) {
		fault.records++;
		fault.early += fault.dirty;
	}
	return syscall(SYS_pwrite64, fd, data, n, off);
}

ssize_t
pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	assert_int_equal(n, 1);
	assert_int_equal(flags, RWF_DSYNC);
	return pwrite(fd, iov[0].iov_base, iov[0].iov_len, off);
}

int
fdatasync(int fd)
{
	if (fd == fault.fd && fault.sync) {
		errno = fault.sync;
		fault.sync = 0;
		return -1;
	}
	if (fd == fault.fd)
		fault.dirty = false;
	return (int)syscall(SYS_fdatasync, fd);
}

/* A torn or garbled newest record: its twin counts. */
static void
test_torn_live_record_falls_back_to_its_twin(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);
	unsigned slot;

	assert_int_equal(append(g, 1000, 1), ERR_OK);
	assert_int_equal(append(g, 1000, 1), ERR_OK);
	slot = g->live_slot ^ 1; /* of the newest */
	assert_int_equal(pwrite(segment_fd(g), "?", 1,
				segment_record_offset(SEGMENT_LIVE, slot) + 20),
			 1);
	segment_close(g);
	assert_int_equal(reopen(w, &id, &g), ERR_OK);
	assert_int_equal(segment_received(g), 1000);
	assert_crc(g);
	segment_close(g);
}

static void
restart_after_power_failure(struct world *w, unsigned char boot)
{
	unsigned char other[SEGMENT_BOOT_LEN] = { boot };

	world_stop(w);
	spool_test_boot(other);
	world_start(w, MIB);
}

static void
test_sync_of_changed_data_falls_back(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 1000, 1), ERR_OK);
	assert_int_equal(sync_now(w, g), ERR_OK);
	assert_int_equal(append(g, 1000, 1), ERR_OK);
	assert_int_equal(sync_now(w, g), ERR_OK);
	assert_int_equal(append(g, 1000, 1), ERR_OK);
	segment_close(g);
	restart_after_power_failure(w, 1);
	assert_int_equal(reopen(w, &id, &g), ERR_OK);
	assert_int_equal(segment_received(g), 2000);
	assert_int_equal(segment_unsynced(g), 0);
	assert_int_equal(pwrite(segment_fd(g), "?", 1, SEGMENT_HEADER + 1500),
			 1);
	segment_close(g);
	restart_after_power_failure(w, 2);
	assert_int_equal(reopen(w, &id, &g), ERR_OK);
	assert_int_equal(segment_received(g), 1000);
	assert_int_equal(pwrite(segment_fd(g), "?", 1, SEGMENT_HEADER + 5), 1);
	segment_close(g);
	restart_after_power_failure(w, 3);
	assert_int_equal(reopen(w, &id, &g), ERR_OK);
	assert_int_equal(segment_received(g), 0);
	segment_close(g);
}

/* Somebody cut the file: what the record counts is not there. */
static void
test_record_beyond_the_file_is_not_believed(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 10000, 1), ERR_OK);
	assert_int_equal(ftruncate(segment_fd(g), SEGMENT_HEADER + 5000), 0);
	segment_close(g);
	assert_int_equal(reopen(w, &id, &g), ERR_OK);
	assert_int_equal(segment_received(g), 0);
	assert_int_equal(ftruncate(segment_fd(g), SEGMENT_HEADER - 1), 0);
	segment_close(g);
	assert_int_equal(reopen(w, &id, &g), ERR_NOT_FOUND);
	assert_int_equal(segment_peek(w->spool, &id, NULL), 0);
}

/* Whatever the header says, recovery ends, and with no byte invented. */
static void
test_garbled_header_invents_nothing(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);
	unsigned char good[SEGMENT_HEADER], bad[SEGMENT_HEADER];
	char name[SPOOL_NAME_MAX];
	int fd;

	assert_int_equal(append(g, 3000, 1), ERR_OK);
	assert_int_equal(sync_now(w, g), ERR_OK);
	assert_int_equal(pread(segment_fd(g), good, sizeof(good), 0),
			 (ssize_t)sizeof(good));
	spool_name(name, &id);
	segment_close(g);
	srand(4);
	for (int i = 0; i < 300; i++) {
		memcpy(bad, good, sizeof(bad));
		for (int k = rand() % 6; k >= 0; k--)
			bad[rand() % (5 * SEGMENT_SECTOR)] ^=
				(unsigned char)(1 << rand() % 8);
		fd = openat(w->spool->dirfd, name, O_WRONLY);
		assert_int_equal(pwrite(fd, bad, sizeof(bad), 0),
				 (ssize_t)sizeof(bad));
		close(fd);
		if (reopen(w, &id, &g) != ERR_OK)
			continue;
		assert_true(segment_received(g) == 3000 ||
			    segment_received(g) == 0);
		assert_crc(g);
		segment_close(g);
	}
}

static void
test_failed_write_counts_nothing(void **state)
{
	static const struct {
		int errnum;
		size_t short_by;
		enum err err;
	} t[] = {
		{ ENOSPC, 0, ERR_NO_SPACE },  { EDQUOT, 0, ERR_NO_SPACE },
		{ EFBIG, 0, ERR_NO_SPACE },   { EIO, 0, ERR_IO },
		{ ENOSPC, 40, ERR_NO_SPACE }, { EIO, 40, ERR_IO },
	};
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 1000, 1), ERR_OK);
	fault.fd = segment_fd(g);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t before = segment_received(g);

		fault.write = t[i].errnum;
		fault.less = t[i].short_by;
		assert_int_equal(append(g, 100, 2), t[i].err);
		assert_int_equal(segment_received(g), before);
		assert_crc(g);
		assert_int_equal(append(g, 100, 1), ERR_OK);
		assert_bytes(g, 0, before + 100, 1);
		assert_crc(g);
	}
	fault.write = EINTR; /* not a failure */
	assert_int_equal(append(g, 100, 1), ERR_OK);
	fault.less = 30; /* nor is a short write */
	fault.write = EINTR;
	assert_int_equal(append(g, 100, 1), ERR_OK);
	assert_crc(g);
	fault.fd = -1;
	segment_close(g);
}

static void
test_sync_record_follows_the_data(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	fault.fd = segment_fd(g);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(append(g, 1000, 1), ERR_OK);
		assert_int_equal(sync_now(w, g), ERR_OK);
	}
	assert_int_equal(fault.records, 5);
	assert_int_equal(fault.early, 0);
	fault.fd = -1;
	segment_close(g);
}

/* The kernel reports a lost page once: no later success is believed. */
static void
test_failed_sync_is_never_taken_back(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 1000, 1), ERR_OK);
	fault.fd = segment_fd(g);
	fault.sync = EIO;
	assert_int_equal(sync_now(w, g), ERR_IO);
	assert_int_equal(sync_now(w, g), ERR_IO);
	assert_int_equal(segment_unsynced(g), 1000);
	assert_int_equal(append(g, 1000, 1), ERR_OK);
	fault.fd = -1;
	segment_close(g);
	assert_int_equal(reopen(w, &id, &g), ERR_OK); /* LIVE holds */
	assert_int_equal(segment_received(g), 2000);
	segment_close(g);
}

static void
test_sync_record_that_cannot_go_stops_the_edit(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 1000, 1), ERR_OK);
	assert_int_equal(sync_now(w, g), ERR_OK);
	fault.fd = segment_fd(g);
	fault.write = EIO;
	assert_int_equal(segment_write_at(g, 5, "?", 1), ERR_IO);
	fault.write = EIO;
	assert_int_equal(segment_cut(g, 5), ERR_IO);
	assert_int_equal(segment_received(g), 1000);
	assert_bytes(g, 0, 1000, 1);
	fault.fd = -1;
	segment_close(g);
}

/* In a child with a limit on file sizes: a full disk, without root. */
static void
test_file_size_limit_is_no_space(void **state)
{
	struct world *w = *state;
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit lim = { SEGMENT_HEADER + 5000,
				      SEGMENT_HEADER + 5000 };
		struct segment_id id = part(1);
		struct segment *g;

		signal(SIGXFSZ, SIG_IGN);
		if (segment_create(w->spool, &id, &g) != ERR_OK ||
		    append(g, 4000, 1) != ERR_OK ||
		    setrlimit(RLIMIT_FSIZE, &lim) != 0)
			_exit(1);
		_exit(append(g, 4000, 1) == ERR_NO_SPACE &&
				      segment_received(g) == 4000 &&
				      append(g, 1000, 1) == ERR_OK
			      ? 0
			      : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Our own free files make room before a client is told. */
static void
test_full_disk_gives_up_the_free_list(void **state)
{
	struct world w;
	struct segment_id id = part(1), next = part(2);
	struct segment *g, *h;

	(void)state;
	world_new(&w);
	if (mount("none", w.dir, "tmpfs", 0, "size=1m,mode=0700") != 0) {
		world_end(&w);
		skip();
	}
	world_start(&w, MIB);
	g = make(&w, &id);
	h = make(&w, &next);
	assert_int_equal(append(g, 600000, 1), ERR_OK);
	segment_discard(g);
	world_settle(&w);
	assert_int_equal(spool_free_bytes(w.spool), 600000);
	assert_int_equal(append(h, 700000, 1), ERR_OK);
	assert_int_equal(spool_free_bytes(w.spool), 0);
	assert_int_equal(append(h, 700000, 1), ERR_NO_SPACE);
	assert_int_equal(segment_received(h), 700000);
	assert_bytes(h, 0, 700000, 1);
	assert_crc(h);
	assert_int_equal(sync_now(&w, h), ERR_OK);
	assert_int_equal(append(h, 300000, 1), ERR_OK);
	assert_int_equal(append(h, 60000, 1), ERR_NO_SPACE);
	assert_int_equal(segment_create(w.spool, &id, &g), ERR_NO_SPACE);
	segment_discard(h);
	world_settle(&w);
	g = make(&w, &id);
	segment_close(g);
	world_stop(&w);
	world_files(&w, "", true);
	assert_int_equal(umount(w.dir), 0);
	world_end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
		WORLD(test_torn_live_record_falls_back_to_its_twin),
		WORLD(test_sync_of_changed_data_falls_back),
		WORLD(test_record_beyond_the_file_is_not_believed),
		WORLD(test_garbled_header_invents_nothing),
		WORLD(test_failed_write_counts_nothing),
		WORLD(test_sync_record_follows_the_data),
		WORLD(test_failed_sync_is_never_taken_back),
		WORLD(test_sync_record_that_cannot_go_stops_the_edit),
		WORLD(test_file_size_limit_is_no_space),
		cmocka_unit_test(test_full_disk_gives_up_the_free_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
