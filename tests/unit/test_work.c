/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/loop.h"
#include "lib/work.h"

struct fixture {
	struct loop *loop;
	struct work_pool *pool;
	pthread_t loop_thread;
	atomic_uint ran;
	unsigned done;
};

struct job {
	struct work work; /* first: a job is its work */
	struct fixture *f;
	pthread_barrier_t *meet;
	unsigned chain; /* how many more to submit from `done` */
	sigset_t blocked;
};

static int
open_pool(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->loop = loop_new();
	f->pool = work_pool_new(f->loop, 3);
	f->loop_thread = pthread_self();
	*state = f;
	return 0;
}

static int
close_pool(void **state)
{
	struct fixture *f = *state;

	work_pool_free(f->pool);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void
run(struct work *w)
{
	struct job *j = (struct job *)w;

	if (pthread_equal(pthread_self(), j->f->loop_thread) == 0)
		j->f->ran++;
	if (j->meet)
		pthread_barrier_wait(j->meet);
	pthread_sigmask(SIG_BLOCK, NULL, &j->blocked);
}

static void
done(struct work *w)
{
	struct job *j = (struct job *)w;

	assert_true(pthread_equal(pthread_self(), j->f->loop_thread));
	j->f->done++;
	if (j->chain > 0) {
		j->chain--;
		work_submit(j->f->pool, w);
	}
}

static struct job
job(struct fixture *f)
{
	return (struct job){ .work = { .run = run, .done = done }, .f = f };
}

static void
wait_for(struct fixture *f, unsigned count)
{
	/* Ends by the harness's patience if a job is lost. */
	while (f->done < count)
		loop_turn(f->loop, 1000);
}

static void
test_job_runs_in_the_pool_and_is_done_in_the_loop(void **state)
{
	struct fixture *f = *state;
	struct job j = job(f);

	work_submit(f->pool, &j.work);
	assert_int_equal(work_pool_pending(f->pool), 1);
	assert_int_equal(f->done, 0);
	wait_for(f, 1);
	assert_int_equal(f->ran, 1);
	assert_int_equal(work_pool_pending(f->pool), 0);
}

static void
test_threads_work_side_by_side(void **state)
{
	struct fixture *f = *state;
	pthread_barrier_t meet;
	struct job jobs[3];

	/* Three jobs that wait for each other end only if all run at once. */
	pthread_barrier_init(&meet, NULL, 3);
	for (int i = 0; i < 3; i++) {
		jobs[i] = job(f);
		jobs[i].meet = &meet;
		work_submit(f->pool, &jobs[i].work);
	}
	wait_for(f, 3);
	pthread_barrier_destroy(&meet);
}

static void
test_every_job_runs_once(void **state)
{
	enum { JOBS = 10000 };
	struct fixture *f = *state;
	struct job *jobs = calloc(JOBS, sizeof(*jobs));

	for (int i = 0; i < JOBS; i++) {
		jobs[i] = job(f);
		work_submit(f->pool, &jobs[i].work);
	}
	wait_for(f, JOBS);
	assert_int_equal(f->ran, JOBS);
	loop_turn(f->loop, 0);
	assert_int_equal(f->done, JOBS);
	free(jobs);
}

static void
test_signals_are_blocked_in_the_pool(void **state)
{
	struct fixture *f = *state;
	struct job j = job(f);

	work_submit(f->pool, &j.work);
	wait_for(f, 1);
	assert_true(sigismember(&j.blocked, SIGTERM));
	assert_true(sigismember(&j.blocked, SIGHUP));
	pthread_sigmask(SIG_BLOCK, NULL, &j.blocked);
	assert_false(sigismember(&j.blocked, SIGTERM));
}

static void
test_job_without_done_only_runs(void **state)
{
	struct fixture *f = *state;
	struct job j = job(f);

	j.work.done = NULL;
	work_submit(f->pool, &j.work);
	while (work_pool_pending(f->pool) > 0)
		loop_turn(f->loop, 1000);
	assert_int_equal(f->ran, 1);
	assert_int_equal(f->done, 0);
}

static void
test_free_drops_no_job(void **state)
{
	struct fixture f = { .loop = loop_new(),
			     .loop_thread = pthread_self() };
	struct job jobs[100];

	(void)state;
	f.pool = work_pool_new(f.loop, 1);
	for (int i = 0; i < 100; i++) {
		jobs[i] = job(&f);
		jobs[i].chain = 2;
		work_submit(f.pool, &jobs[i].work);
	}
	work_pool_free(f.pool);
	assert_int_equal(f.done, 300);
	/* Nothing is left behind that the loop would run later. */
	loop_turn(f.loop, 0);
	assert_int_equal(f.done, 300);
	loop_free(f.loop);
}

static void
test_free_takes_null(void **state)
{
	(void)state;
	work_pool_free(NULL);
}

#define POOL_TEST(f) cmocka_unit_test_setup_teardown(f, open_pool, close_pool)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(test_job_runs_in_the_pool_and_is_done_in_the_loop),
		POOL_TEST(test_threads_work_side_by_side),
		POOL_TEST(test_every_job_runs_once),
		POOL_TEST(test_signals_are_blocked_in_the_pool),
		POOL_TEST(test_job_without_done_only_runs),
		cmocka_unit_test(test_free_drops_no_job),
		cmocka_unit_test(test_free_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
