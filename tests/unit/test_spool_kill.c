/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGKILL at any moment: what a process told its clients is there for the next
 * one. A child works on segments and says over a pipe what it has done; it is
 * killed after so and so many words, or by itself right before its n-th call
 * that changes a file, and what it left is looked at.
 */
#include "tests/unit/spool_world.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define PART (256 * 1024)
#define ROUNDS 20
#define CALLS 250
#define NEVER 0x7fffffff

enum word_kind { RECEIVED, CUTTING, DISCARDING };

struct word {
	enum word_kind kind;
	uint32_t no;
	uint64_t bytes;
};

/* All that the parent heard. */
struct heard {
	uint32_t no;	  /* the newest part */
	uint64_t least;	  /* of its bytes were told to be there */
	uint64_t cutting; /* bytes, when a cut may have taken place */
	bool may_be_cut;
	uint32_t discarded; /* parts up to here may be gone */
};

static atomic_int calls_left = NEVER;

static void
count_call(void)
{
	if (atomic_load(&calls_left) != NEVER &&
	    atomic_fetch_sub(&calls_left, 1) == 0)
		raise(SIGKILL);
}

ssize_t
pwrite(int fd, const void *data, size_t n, off_t off)
{
	count_call();
	return syscall(SYS_pwrite64, fd, data, n, off);
}

int
renameat(int from, const char *name, int to, const char *new_name)
{
	count_call();
	return (int)syscall(SYS_renameat, from, name, to, new_name);
}

int
unlinkat(int dir, const char *name, int flags)
{
	count_call();
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

static struct segment_id
small_part(uint32_t no)
{
	struct segment_id id = part(no);

	id.base = (uint64_t)(no - 1) * PART;
	id.capacity = PART;
	return id;
}

static unsigned
random_below(unsigned n)
{
	return (unsigned)rand() % n;
}

static void
say(int fd, enum word_kind kind, const struct segment *g)
{
	struct word w = { .kind = kind,
			  .no = segment_ident(g)->no,
			  .bytes = segment_received(g) };

	if (write(fd, &w, sizeof(w)) != sizeof(w))
		_exit(1);
}

/* Some bytes more, written over, or taken back; always the same content. */
static void
child_step(struct segment *g, int out)
{
	unsigned char buf[20000];
	uint64_t at = segment_received(g), room = PART - at;
	size_t n = 1 + random_below(sizeof(buf) - 1);

	if (at > 1000 && random_below(8) == 0) {
		at = random_below((unsigned)at - 500);
		fill(buf, at, 500, 1);
		if (segment_write_at(g, at, buf, 500) != ERR_OK)
			_exit(2);
	} else if (at > 1000 && random_below(16) == 0) {
		struct word w = { CUTTING, segment_ident(g)->no,
				  random_below((unsigned)at) };

		if (write(out, &w, sizeof(w)) != sizeof(w) ||
		    segment_cut(g, w.bytes) != ERR_OK)
			_exit(3);
	} else if (append(g, n < room ? n : (size_t)room, 1) != ERR_OK) {
		_exit(4);
	}
	say(out, RECEIVED, g);
}

/* Part after part; each is thrown away while the one after the next begins. */
static void
child_run(struct world *w, int out)
{
	struct segment *last = NULL;

	for (uint32_t no = 1;; no++) {
		struct segment_id id = small_part(no);
		struct segment *g;

		if (segment_create(w->spool, &id, &g) != ERR_OK)
			_exit(5);
		say(out, RECEIVED, g);
		while (segment_received(g) < PART)
			child_step(g, out);
		if (last) {
			say(out, DISCARDING, last);
			segment_discard(last);
		}
		last = g;
		loop_turn(w->loop, 0);
	}
}

static pid_t
child_start(struct world *w, unsigned seed, int calls, int *in)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
		close(fds[0]);
		srand(seed);
		world_start(w, 2 * PART);
		atomic_store(&calls_left, calls);
		child_run(w, fds[1]);
	}
	close(fds[1]);
	*in = fds[0];
	return pid;
}

static void
hear(struct heard *h, const struct word *w)
{
	if (w->kind == DISCARDING) {
		h->discarded = w->no;
		return;
	}
	h->may_be_cut = w->kind == CUTTING;
	if (w->kind == CUTTING) {
		h->cutting = w->bytes;
		return;
	}
	h->no = w->no;
	h->least = w->bytes;
}

static struct heard
child_kill(pid_t pid, int in, unsigned words)
{
	struct heard h = { 0 };
	struct word w;
	int status;

	for (unsigned n = 0; read(in, &w, sizeof(w)) == sizeof(w); n++) {
		if (n == words)
			kill(pid, SIGKILL);
		hear(&h, &w);
	}
	close(in);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return h;
}

static void
check_newest(struct world *w, const struct heard *h)
{
	struct segment_id id = small_part(h->no);
	struct segment *g;

	assert_int_equal(reopen(w, &id, &g), ERR_OK);
	if (h->may_be_cut && segment_received(g) < h->least)
		assert_int_equal(segment_received(g), h->cutting);
	else
		assert_true(segment_received(g) >= h->least);
	assert_bytes(g, 0, segment_received(g), 1);
	assert_crc(g);
	segment_close(g);
}

static void
check_whole(struct world *w, uint32_t no)
{
	struct segment_id id = small_part(no);
	struct segment *g;

	assert_int_equal(reopen(w, &id, &g), ERR_OK);
	assert_int_equal(segment_received(g), PART);
	assert_bytes(g, 0, PART, 1);
	assert_crc(g);
	segment_close(g);
}

static void
check_discarded(struct world *w, uint32_t no)
{
	struct segment_id id = small_part(no);
	struct segment *g;

	if (reopen(w, &id, &g) == ERR_OK) {
		assert_int_equal(segment_received(g), 0);
		segment_close(g);
	}
}

static void
kill_one(unsigned seed, int calls, unsigned words)
{
	struct world w;
	struct heard h;
	pid_t pid;
	int in;

	world_new(&w);
	pid = child_start(&w, seed, calls, &in);
	h = child_kill(pid, in, words);
	world_start(&w, 2 * PART);
	if (h.no > 0)
		check_newest(&w, &h);
	for (uint32_t no = h.discarded + 1; no < h.no; no++)
		check_whole(&w, no);
	for (uint32_t no = 1; no < h.discarded; no++)
		check_discarded(&w, no);
	world_stop(&w);
	world_end(&w);
}

static void
test_killed_process_leaves_what_it_told(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++)
		kill_one(round, NEVER, round * round % 331);
}

static void
test_killed_between_any_two_calls(void **state)
{
	(void)state;
	for (int calls = 0; calls < CALLS; calls++)
		kill_one(7, calls, UINT32_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_process_leaves_what_it_told),
		cmocka_unit_test(test_killed_between_any_two_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
