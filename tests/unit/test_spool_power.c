/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that forgets. The system calls that change a segment go through this
 * file, which keeps for each sector what the disk has for certain and what it
 * may have. A power failure, at any call, takes any mixture of these: the
 * recovered bytes must be those that were received, and no fewer than a
 * finished sync promised.
 */
#include "tests/unit/spool_world.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define CAPACITY (32 * 1024)
#define SECTORS ((SEGMENT_HEADER + CAPACITY) / SEGMENT_SECTOR)
#define PENDING_MAX 4096
#define PROBES_MAX 256
#define ROUNDS 60
#define STEPS 40
#define PROBE_CHANCE 6 /* one in so many writes is interrupted */

/* A version of a sector that the disk has or has not. */
struct version {
	unsigned sector;
	unsigned char data[SEGMENT_SECTOR];
};

/* What the client's bytes should be; -1: nothing was received there. */
struct model {
	int16_t byte[CAPACITY];
	uint64_t received;
	uint64_t promised; /* by a sync that is done, and no edit since */
};

/* A power failure at some moment. */
struct probe {
	unsigned char image[SECTORS * SEGMENT_SECTOR];
	size_t size;
	struct model before, after; /* of the call that it interrupts */
};

static struct {
	pthread_mutex_t lock;
	int fd; /* the file looked at; -1: none */
	unsigned char cache[SECTORS * SEGMENT_SECTOR];
	unsigned char disk[SECTORS * SEGMENT_SECTOR];
	size_t cache_size, disk_size;
	struct version *pending;
	size_t npending;
	struct probe *probes;
	size_t nprobes;
} d = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

static struct model model, model_after;

/* With the lock held. Any version of each sector, chosen anew each time. */
static void
take_image(unsigned char *image, size_t *size)
{
	memcpy(image, d.disk, sizeof(d.disk));
	for (size_t i = 0; i < d.npending; i++)
		if (rand() % 2)
			memcpy(image + d.pending[i].sector * SEGMENT_SECTOR,
			       d.pending[i].data, SEGMENT_SECTOR);
	*size = d.disk_size;
	if (d.cache_size > d.disk_size && rand() % 2)
		*size = d.cache_size;
}

static void
probe(void)
{
	struct probe *p;

	if (d.nprobes == PROBES_MAX)
		return;
	p = &d.probes[d.nprobes++];
	take_image(p->image, &p->size);
	p->before = model;
	p->after = model_after;
}

static void
cache_write(const void *data, size_t n, size_t off)
{
	assert_true(off + n <= sizeof(d.cache));
	memcpy(d.cache + off, data, n);
	if (off + n > d.cache_size)
		d.cache_size = off + n;
	for (size_t s = off / SEGMENT_SECTOR;
	     s <= (off + n - 1) / SEGMENT_SECTOR; s++) {
		assert_true(d.npending < PENDING_MAX);
		d.pending[d.npending].sector = (unsigned)s;
		memcpy(d.pending[d.npending++].data,
		       d.cache + s * SEGMENT_SECTOR, SEGMENT_SECTOR);
	}
}

/* The newest version of these sectors is on the disk. */
static void
settle(size_t from, size_t to)
{
	size_t kept = 0;

	for (size_t i = 0; i < d.npending; i++) {
		size_t s = d.pending[i].sector;

		if (s >= from && s <= to)
			memcpy(d.disk + s * SEGMENT_SECTOR, d.pending[i].data,
			       SEGMENT_SECTOR);
		else
			d.pending[kept++] = d.pending[i];
	}
	d.npending = kept;
}

ssize_t
pwrite(int fd, const void *data, size_t n, off_t off)
{
	ssize_t w;

	pthread_mutex_lock(&d.lock);
	if (fd == d.fd && rand() % PROBE_CHANCE == 0)
		probe();
	w = syscall(SYS_pwrite64, fd, data, n, off);
	if (fd == d.fd && w > 0)
		cache_write(data, (size_t)w, (size_t)off);
	pthread_mutex_unlock(&d.lock);
	return w;
}

ssize_t
pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	ssize_t w = pwrite(fd, iov[0].iov_base, iov[0].iov_len, off);

	assert_int_equal(n, 1);
	assert_int_equal(flags, RWF_DSYNC);
	pthread_mutex_lock(&d.lock);
	if (fd == d.fd && w > 0)
		settle((size_t)off / SEGMENT_SECTOR,
		       ((size_t)off + (size_t)w - 1) / SEGMENT_SECTOR);
	pthread_mutex_unlock(&d.lock);
	return w;
}

int
fdatasync(int fd)
{
	pthread_mutex_lock(&d.lock);
	if (fd == d.fd) {
		settle(0, SECTORS);
		d.disk_size = d.cache_size;
	}
	pthread_mutex_unlock(&d.lock);
	return 0;
}

int
fsync(int fd)
{
	return fdatasync(fd);
}

static struct segment_id
disk_part(void)
{
	struct segment_id id = part(1);

	id.capacity = CAPACITY;
	return id;
}

/* The pool may be discarding the round before's segment meanwhile. */
static void
disk_watch(const struct segment *g)
{
	pthread_mutex_lock(&d.lock);
	d.pending = mem_array(PENDING_MAX, sizeof(*d.pending));
	d.probes = mem_array(PROBES_MAX, sizeof(*d.probes));
	d.npending = d.nprobes = 0;
	memset(d.disk, 0xee, sizeof(d.disk));
	memset(d.cache, 0, sizeof(d.cache));
	d.fd = segment_fd(g);
	assert_true(pread(d.fd, d.cache, sizeof(d.cache), 0) > 0);
	d.cache_size = d.disk_size = SEGMENT_HEADER;
	for (unsigned s = 0; s < SEGMENT_HEADER / SEGMENT_SECTOR; s++) {
		d.pending[d.npending].sector = s;
		memcpy(d.pending[d.npending++].data,
		       d.cache + s * SEGMENT_SECTOR, SEGMENT_SECTOR);
	}
	pthread_mutex_unlock(&d.lock);
}

static void
disk_unwatch(void)
{
	pthread_mutex_lock(&d.lock);
	d.fd = -1;
	free(d.pending);
	free(d.probes);
	d.pending = NULL;
	d.probes = NULL;
	pthread_mutex_unlock(&d.lock);
}

static void
model_write(struct model *m, uint64_t off, const unsigned char *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		m->byte[off + i] = data[i];
	if (off + n > m->received)
		m->received = off + n;
}

/* One step of a client, with fresh bytes: what was before must not return. */
static void
step_write(struct segment *g, uint64_t off, size_t n)
{
	unsigned char buf[3000];

	fill(buf, off, n, (unsigned)rand());
	model_after = model;
	model_write(&model_after, off, buf, n);
	if (off < model.received)
		model_after.promised = model.promised = 0;
	assert_int_equal(segment_write_at(g, off, buf, n), ERR_OK);
	model = model_after;
}

static void
step_cut(struct segment *g, uint64_t n)
{
	model_after = model;
	for (uint64_t i = n; i < CAPACITY; i++)
		model_after.byte[i] = -1;
	model_after.received = n;
	model_after.promised = model.promised = 0;
	assert_int_equal(segment_cut(g, n), ERR_OK);
	model = model_after;
}

static void
step_sync(struct world *w, struct segment *g)
{
	assert_int_equal(sync_now(w, g), ERR_OK);
	model.promised = segment_received(g);
	model_after = model;
}

static void
step_edit(struct segment *g)
{
	uint64_t r = segment_received(g);
	uint64_t at = r ? (uint64_t)rand() % r : 0;
	size_t n = 1 + (size_t)rand() % 1500;

	if (r == 0)
		return;
	if (rand() % 2)
		step_cut(g, at);
	else
		step_write(g, at, n < CAPACITY - at ? n : 1);
}

static void
step(struct world *w, struct segment *g, struct got *open_sync)
{
	uint64_t room = CAPACITY - segment_received(g);
	size_t n = 1 + (size_t)rand() % 2999;

	switch (rand() % 8) {
	case 0:
		step_sync(w, g);
		break;
	case 1: /* goes on while the next steps are taken */
		segment_sync(g, got_done, open_sync);
		break;
	case 2:
		loop_turn(w->loop, 0);
		break;
	case 3:
		step_edit(g);
		break;
	case 4:
		assert_int_equal(
			segment_set_rewind(g, segment_ident(g)->rewind + 1),
			ERR_OK);
		break;
	default:
		if (room > 0)
			step_write(g, segment_received(g),
				   n < room ? n : (size_t)room);
	}
}

static void
probe_file(const struct world *w, const struct probe *p)
{
	struct segment_id id = disk_part();
	char name[SPOOL_NAME_MAX];
	int fd;

	spool_name(name, &id);
	fd = openat(w->spool->dirfd, name, O_CREAT | O_TRUNC | O_RDWR, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p->image, p->size), (ssize_t)p->size);
	close(fd);
}

static void
probe_check(struct world *w, const struct probe *p, unsigned *kept)
{
	struct segment_id id = disk_part();
	unsigned char buf[CAPACITY];
	struct segment *g;
	uint64_t n = 0;
	enum err err;

	probe_file(w, p);
	id.rewind = UINT32_MAX;
	err = reopen(w, &id, &g);
	if (err == ERR_OK) {
		n = segment_received(g);
		assert_true(n <= sizeof(buf));
		assert_int_equal(pread(segment_fd(g), buf, n, SEGMENT_HEADER),
				 (ssize_t)n);
		assert_crc(g);
		segment_discard(g);
	} else {
		assert_int_equal(err, ERR_NOT_FOUND);
	}
	assert_true(n <= p->before.received || n <= p->after.received);
	assert_true(n >= p->before.promised || n >= p->after.promised);
	for (uint64_t i = 0; i < n; i++)
		assert_true(buf[i] == p->before.byte[i] ||
			    buf[i] == p->after.byte[i]);
	*kept += n > 0;
}

static void
test_power_failure_keeps_what_was_synced(void **state)
{
	unsigned char other[SEGMENT_BOOT_LEN] = { 1 };
	unsigned kept = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct segment_id id = disk_part();
		struct got open_sync = { 0 };
		struct world w, after;
		struct segment *g;

		srand(round);
		spool_test_boot(NULL);
		world_new(&w);
		world_new(&after);
		world_start(&w, 0);
		spool_test_boot(other);
		world_start(&after, 0);
		g = make(&w, &id);
		memset(&model, 0, sizeof(model));
		memset(model.byte, 0xff, sizeof(model.byte));
		model_after = model;
		disk_watch(g);
		for (unsigned i = 0; i < STEPS; i++)
			step(&w, g, &open_sync);
		world_settle(&w);
		probe();
		d.fd = -1;
		segment_discard(g);
		for (size_t i = 0; i < d.nprobes; i++)
			probe_check(&after, &d.probes[i], &kept);
		disk_unwatch();
		world_stop(&w);
		world_stop(&after);
		world_end(&w);
		world_end(&after);
	}
	assert_true(kept > ROUNDS); /* it was about something */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_failure_keeps_what_was_synced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
