/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/loop.h"

struct recorder {
	struct loop *loop;
	char seen[16];
	size_t count;
};

struct named_call {
	struct loop_call call;
	struct recorder *to;
	char name;
};

static void
record(void *arg)
{
	struct named_call *n = arg;

	n->to->seen[n->to->count++] = n->name;
}

static struct named_call
named(struct recorder *to, char name)
{
	return (struct named_call){ .call = { .fn = record },
				    .to = to,
				    .name = name };
}

static void
post(struct named_call *n)
{
	n->call.arg = n;
	loop_post(n->to->loop, &n->call);
}

static void
stop(void *arg)
{
	loop_stop(arg);
}

static void
test_calls_run_in_order_and_not_inside_post(void **state)
{
	struct recorder r = { .loop = loop_new() };
	struct named_call a = named(&r, 'a'), b = named(&r, 'b'),
			  c = named(&r, 'c');
	struct loop_call end = { .fn = stop, .arg = r.loop };

	(void)state;
	post(&a);
	post(&b);
	post(&c);
	loop_post(r.loop, &end);
	assert_int_equal(r.count, 0);
	loop_run(r.loop);
	assert_string_equal(r.seen, "abc");
	loop_free(r.loop);
}

static void
test_stop_before_run_is_not_lost(void **state)
{
	struct loop *l = loop_new();
	struct loop_call end = { .fn = stop, .arg = l };

	(void)state;
	loop_stop(l);
	loop_run(l);
	/* And the loop can be run again. */
	loop_post(l, &end);
	loop_run(l);
	loop_free(l);
}

struct repeat {
	struct loop *loop;
	struct loop_call call;
	unsigned runs;
};

static void
again(void *arg)
{
	struct repeat *r = arg;

	r->runs++;
	loop_post(r->loop, &r->call);
}

static void
test_call_that_posts_itself_does_not_keep_the_loop(void **state)
{
	struct repeat r = { .loop = loop_new() };

	(void)state;
	r.call = (struct loop_call){ .fn = again, .arg = &r };
	loop_post(r.loop, &r.call);
	loop_turn(r.loop, 0);
	assert_int_equal(r.runs, 1);
	loop_turn(r.loop, 0);
	assert_int_equal(r.runs, 2);
	loop_free(r.loop);
}

static void
flush(void *arg)
{
	struct named_call *n = arg;

	record(n);
	loop_flush(n->to->loop);
}

static void
test_flush_inside_a_call_runs_those_behind_it(void **state)
{
	struct recorder r = { .loop = loop_new() };
	struct named_call a = named(&r, 'a'), b = named(&r, 'b'),
			  c = named(&r, 'c');

	(void)state;
	a.call.fn = flush;
	post(&a);
	post(&b);
	post(&c);
	loop_flush(r.loop);
	assert_string_equal(r.seen, "abc");
	loop_free(r.loop);
}

static void
free_arg(void *arg)
{
	free(arg);
}

static void
test_call_may_free_itself(void **state)
{
	struct loop *l = loop_new();

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct loop_call *call = malloc(sizeof(*call));

		call->fn = free_arg;
		call->arg = call;
		loop_post(l, call);
	}
	loop_turn(l, 0);
	loop_free(l);
}

enum { THREADS = 4, CALLS = 5000 };

struct sender {
	struct loop *loop;
	struct loop_call calls[CALLS];
	unsigned *ran;
};

static void
count_call(void *arg)
{
	struct sender *s = arg;

	if (++*s->ran == THREADS * CALLS)
		loop_stop(s->loop);
}

static void *
send_calls(void *arg)
{
	struct sender *s = arg;

	for (int i = 0; i < CALLS; i++) {
		s->calls[i] = (struct loop_call){ .fn = count_call, .arg = s };
		loop_post(s->loop, &s->calls[i]);
	}
	return NULL;
}

static void
test_calls_of_other_threads_all_run(void **state)
{
	static struct sender senders[THREADS];
	struct loop *l = loop_new();
	pthread_t threads[THREADS];
	unsigned ran = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		senders[i].loop = l;
		senders[i].ran = &ran;
		pthread_create(&threads[i], NULL, send_calls, &senders[i]);
	}
	loop_run(l);
	assert_int_equal(ran, THREADS * CALLS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	loop_free(l);
}

static void
count(void *arg)
{
	++*(unsigned *)arg;
}

static void
test_timer_fires_once_and_can_be_set_again(void **state)
{
	struct loop *l = loop_new();
	unsigned fired = 0;
	struct loop_timer *t = loop_timer_new(l, count, &fired);

	(void)state;
	loop_turn(l, 0);
	assert_int_equal(fired, 0);
	loop_timer_set(t, 0);
	assert_int_equal(fired, 0);
	loop_turn(l, 1000);
	assert_int_equal(fired, 1);
	loop_turn(l, 5);
	assert_int_equal(fired, 1);
	loop_timer_set(t, 1);
	loop_turn(l, 1000);
	assert_int_equal(fired, 2);
	loop_timer_free(t);
	loop_free(l);
}

static void
test_cleared_timer_does_not_fire(void **state)
{
	struct loop *l = loop_new();
	unsigned fired = 0;
	struct loop_timer *t = loop_timer_new(l, count, &fired);

	(void)state;
	loop_timer_set(t, 0);
	loop_timer_clear(t);
	loop_turn(l, 5);
	assert_int_equal(fired, 0);
	loop_timer_free(t);
	loop_timer_free(NULL);
	loop_free(l);
}

static void
test_setting_a_timer_again_replaces_its_time(void **state)
{
	struct loop *l = loop_new();
	unsigned fired = 0;
	struct loop_timer *t = loop_timer_new(l, count, &fired);

	(void)state;
	loop_timer_set(t, 3600 * 1000);
	loop_timer_set(t, 0);
	loop_turn(l, 1000);
	assert_int_equal(fired, 1);
	loop_timer_free(t);
	loop_free(l);
}

static void
test_turn_waits_no_longer_than_told(void **state)
{
	struct loop *l = loop_new();
	uint64_t start = clock_ms();

	(void)state;
	loop_turn(l, 0);
	loop_turn(l, 20);
	/* The loop's clock ticks every 4 ms or so. */
	assert_in_range(clock_ms() - start, 10, 5000);
	loop_free(l);
}

static void
test_free_takes_null(void **state)
{
	(void)state;
	loop_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_run_in_order_and_not_inside_post),
		cmocka_unit_test(test_stop_before_run_is_not_lost),
		cmocka_unit_test(
			test_call_that_posts_itself_does_not_keep_the_loop),
		cmocka_unit_test(test_flush_inside_a_call_runs_those_behind_it),
		cmocka_unit_test(test_call_may_free_itself),
		cmocka_unit_test(test_calls_of_other_threads_all_run),
		cmocka_unit_test(test_timer_fires_once_and_can_be_set_again),
		cmocka_unit_test(test_cleared_timer_does_not_fire),
		cmocka_unit_test(test_setting_a_timer_again_replaces_its_time),
		cmocka_unit_test(test_turn_waits_no_longer_than_told),
		cmocka_unit_test(test_free_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
