/* SPDX-License-Identifier: Apache-2.0 */
/* Order, batches, forgetting and the end of the queue. */
#include "tests/unit/journal_world.h"

#include <fcntl.h>
#include <sys/file.h>

/* While a test holds the writers' lock, a commit waits and so do all behind. */
static int
hold(struct world *w)
{
	int fd = open(w->lock, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	return fd;
}

struct step {
	int *count;
	int at; /* when it was completed */
	enum err err;
	bool found;
};

static void
note(void *arg, const struct journal_reply *r)
{
	struct step *s = arg;

	s->at = ++*s->count;
	s->err = r->err;
	s->found = r->upload != NULL;
}

static void
test_completions_come_in_order(void **state)
{
	struct world *w = *state;
	struct journal_upload a = *row("a"), b = *row("b");
	struct journal_tx ta = { .insert = &a }, tb = { .insert = &b };
	struct journal_tx none = { 0 };
	struct journal_ages ages = { .attrs_max = 100, .media_max = 100 };
	struct step s[8];
	int count = 0, fd = hold(w), i;

	for (i = 0; i < 8; i++)
		s[i] = (struct step){ .count = &count };
	journal_commit(w->journal, &ta, note, &s[0]);
	journal_find(w->journal, "main", "a", note, &s[1]);
	journal_find(w->journal, "main", "b", note, &s[2]);
	journal_commit(w->journal, &none, note, &s[3]);
	journal_checkpoint(w->journal, note, &s[4]);
	journal_commit(w->journal, &tb, note, &s[5]);
	journal_get(w->journal, b.id, note, &s[6]);
	journal_prune(w->journal, &ages, note, &s[7]);
	assert_int_equal(count, 0);
	close(fd);
	while (count < 8)
		loop_turn(w->loop, 1000);
	for (i = 0; i < 8; i++) {
		assert_int_equal(s[i].at, i + 1);
		assert_int_equal(s[i].err, i == 3 ? ERR_INVALID : ERR_OK);
	}
	assert_true(s[1].found); /* committed before it was asked */
	assert_false(s[2].found);
	assert_true(s[6].found);
}

static void
test_refused_commit_leaves_its_batch_alone(void **state)
{
	struct world *w = *state;
	struct journal_upload rows[3] = { *row("a"), *row("a"), *row("b") };
	struct store_part p = part(1);
	struct got g[3] = { 0 };
	int fd, i;

	fd = hold(w);
	for (i = 0; i < 3; i++) {
		struct journal_tx tx = { .insert = &rows[i],
					 .add_parts = &p,
					 .nadd = 1 };

		journal_commit(w->journal, &tx, take, &g[i]);
	}
	close(fd);
	wait_calls(w, &g[2], 1);
	assert_int_equal(g[0].err, ERR_OK);
	assert_int_equal(g[1].err, ERR_EXISTS);
	assert_int_equal(g[2].err, ERR_OK);
	assert_int_equal(ask(w, "SELECT count(*) FROM uploads"), 2);
	assert_int_equal(ask(w, "SELECT count(*) FROM parts"), 2);
}

/*
 * Transactions in the log: frames that say the database's size (SQLite's file
 * format, section 4.1), up to the first one of another generation.
 */
static int
transactions(struct world *w)
{
	unsigned char head[32], frame[24 + 4096];
	FILE *f = fopen(w->wal, "r");
	int n = 0;

	assert_non_null(f);
	assert_int_equal(fread(head, sizeof(head), 1, f), 1);
	while (fread(frame, sizeof(frame), 1, f) == 1 &&
	       memcmp(frame + 8, head + 16, 8) == 0)
		n += memcmp(frame + 4, "\0\0\0", 4) != 0;
	fclose(f);
	return n;
}

static void
test_many_commits_share_a_transaction(void **state)
{
	struct world *w = *state;
	int before = transactions(w), fd = hold(w), i;
	struct got g = { 0 };

	for (i = 0; i < 200; i++) {
		struct journal_upload u = *row("x");
		struct journal_tx tx = { .insert = &u };

		strcpy(u.key, u.id);
		journal_commit(w->journal, &tx, take, &g);
	}
	close(fd);
	wait_calls(w, &g, 200);
	/* The first may have been taken before the others came. */
	assert_true(transactions(w) > before);
	assert_true(transactions(w) <= before + 2);
	assert_int_equal(ask(w, "SELECT count(*) FROM uploads"), 200);
}

/* Forgetting. */

static void
test_forget_ends_completions_of_its_arg(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	struct journal_tx tx = { .insert = &u };
	struct got gone = { 0 }, stays = { 0 };
	int fd = hold(w);

	journal_commit(w->journal, &tx, take, &gone);
	journal_get(w->journal, u.id, take, &stays);
	journal_get(w->journal, u.id, take, &gone);
	journal_forget(w->journal, &gone);
	close(fd);
	journal_get(w->journal, u.id, take, &stays);
	wait_calls(w, &stays, 2);
	assert_int_equal(gone.calls, 0);
	assert_true(stays.found); /* it was committed all the same */
}

struct forgetter {
	struct journal *j;
	struct got *other;
	int calls;
};

static void
forget_other(void *arg, const struct journal_reply *r)
{
	struct forgetter *f = arg;

	(void)r;
	f->calls++;
	journal_forget(f->j, f->other);
	journal_forget(f->j, f);
}

static void
test_forget_from_inside_a_completion(void **state)
{
	struct world *w = *state;
	struct got other = { 0 }, last = { 0 };
	struct forgetter f = { w->journal, &other, 0 };
	struct journal_upload u = *row("x");
	struct journal_tx tx = { .insert = &u };
	int fd = hold(w);

	journal_commit(w->journal, &tx, forget_other, &f);
	journal_get(w->journal, u.id, take, &other);
	journal_get(w->journal, u.id, forget_other, &f);
	journal_get(w->journal, u.id, take, &last);
	close(fd);
	wait_calls(w, &last, 1);
	assert_int_equal(f.calls, 1);
	assert_int_equal(other.calls, 0);
}

static void
test_commit_needs_no_completion(void **state)
{
	struct journal_upload u = *row("x");
	struct journal_tx tx = { .insert = &u };
	struct world *w = *state;

	journal_commit(w->journal, &tx, NULL, NULL);
	assert_true(get(w, u.id).found);
}

/* Closing. */

static void
test_close_commits_what_is_queued(void **state)
{
	struct world *w = *state;
	struct got g = { 0 };
	int i;

	for (i = 0; i < 1000; i++) {
		struct journal_upload u = *row("x");
		struct journal_tx tx = { .insert = &u };

		strcpy(u.key, u.id);
		journal_commit(w->journal, &tx, take, &g);
	}
	close_journal(w);
	assert_int_equal(g.calls, 0);
	assert_int_equal(ask(w, "SELECT count(*) FROM uploads"), 1000);
}

static void
close_inside(void *arg, const struct journal_reply *r)
{
	struct world *w = arg;

	assert_int_equal(r->err, ERR_OK);
	journal_close(w->journal);
	w->journal = NULL;
}

static void
test_close_from_inside_a_completion(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	struct journal_tx tx = { .insert = &u };
	struct got never = { 0 };

	journal_commit(w->journal, &tx, close_inside, w);
	journal_get(w->journal, u.id, take, &never);
	while (w->journal)
		loop_turn(w->loop, 1000);
	loop_flush(w->loop);
	assert_int_equal(never.calls, 0);
}

/* Ceilings. */

static void
count_err(void *arg, const struct journal_reply *r)
{
	int *counts = arg;

	/* What did not fit is behind all that did. */
	if (r->err == ERR_OK)
		assert_int_equal(counts[ERR_AGAIN], 0);
	counts[r->err]++;
}

static void
test_full_queue_says_again(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	struct journal_tx tx = { .insert = &u };
	int counts[ERR_COUNT] = { 0 };
	int fd = hold(w), i;

	journal_commit(w->journal, &tx, count_err, counts);
	for (i = 1; i < 65536 + 10; i++)
		journal_get(w->journal, u.id, count_err, counts);
	close(fd);
	while (counts[ERR_AGAIN] < 10)
		loop_turn(w->loop, 1000);
	assert_int_equal(counts[ERR_OK], 65536);
	assert_true(get(w, u.id).found);
}

static void
test_queue_is_bounded_in_bytes(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	int counts[ERR_COUNT] = { 0 };
	int fd = hold(w), i, n = 20000;

	for (i = 0; i < n; i++) {
		struct journal_tx tx = { .insert = &u };

		id_new(u.id);
		strcpy(u.key, u.id);
		journal_commit(w->journal, &tx, count_err, counts);
	}
	close(fd);
	while (counts[ERR_OK] + counts[ERR_AGAIN] < n)
		loop_turn(w->loop, 1000);
	assert_true(counts[ERR_AGAIN] > 0);
	assert_true((size_t)counts[ERR_OK] * sizeof(u) <= 64u << 20);
	assert_true((size_t)(counts[ERR_OK] + 1) * sizeof(u) > 64u << 20);
	/* All is given back: there is room again. */
	assert_int_equal(insert(w, row("y")), ERR_OK);
}

static void
test_large_results_wait_for_the_loop(void **state)
{
	struct world *w = *state;
	struct journal_query q = { .states = 1 << UPLOAD_OPEN };
	struct got g = { 0 };
	int i;

	for (i = 0; i < 1000; i++) {
		struct journal_upload u = *row("x");
		struct journal_tx tx = { .insert = &u };

		strcpy(u.key, u.id);
		journal_commit(w->journal, &tx, NULL, NULL);
	}
	for (i = 0; i < 40; i++)
		journal_list(w->journal, &q, take, &g);
	wait_calls(w, &g, 40);
	assert_int_equal(g.n, 1000);
	free(g.ids);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_completions_come_in_order),
		T(test_refused_commit_leaves_its_batch_alone),
		T(test_many_commits_share_a_transaction),
		T(test_forget_ends_completions_of_its_arg),
		T(test_forget_from_inside_a_completion),
		T(test_commit_needs_no_completion),
		T(test_close_commits_what_is_queued),
		T(test_close_from_inside_a_completion),
		T(test_full_queue_says_again),
		T(test_queue_is_bounded_in_bytes),
		T(test_large_results_wait_for_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
