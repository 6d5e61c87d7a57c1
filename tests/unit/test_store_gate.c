/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out while a store is down, over a driver that counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/breaker.h"
#include "bridge/store_ops.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "tests/unit/patience.h"

#define PARTS 40

static struct {
	struct loop *loop;
	struct store *store;
	struct conf *conf;
	bool down, puts_fail, silent; /* silent: says nothing at all */
	unsigned starts[STORE_CALLS], cancels;
	unsigned done, failed, changes;
	bool told_down;
} d;

static enum err
fake_open(struct store *s, struct conf *conf, const char *section)
{
	(void)conf;
	(void)section;
	s->limits = (struct store_limits){ .part_min = 1,
					   .part_max = 1000,
					   .part_base = 10,
					   .put_max = 100,
					   .parts_max = 100 };
	return ERR_OK;
}

static void
fake_close(struct store *s)
{
	(void)s;
}

static void
fake_start(struct store *s, struct store_call *c)
{
	struct store_result res = { .err = ERR_OK };

	(void)s;
	d.starts[c->kind]++;
	if (d.silent)
		return;
	if (d.down || (d.puts_fail && c->kind == STORE_CALL_PUT_PART))
		res.err = ERR_AGAIN;
	else if (c->kind == STORE_CALL_HEAD)
		res.err = ERR_NOT_FOUND;
	store_call_done(c, &res);
}

static void
fake_cancel(struct store *s, struct store_call *c)
{
	(void)s;
	(void)c;
	d.cancels++;
}

static const struct store_ops fake = {
	.kind = "fake",
	.open = fake_open,
	.close = fake_close,
	.start = { [STORE_CALL_PUT_PART] = fake_start,
		   [STORE_CALL_GET] = fake_start,
		   [STORE_CALL_HEAD] = fake_start },
	.cancel = fake_cancel,
};

static void
on_change(void *arg, struct store *s, bool down)
{
	(void)arg;
	assert_ptr_equal(s, d.store);
	assert_int_equal(store_is_down(s), down);
	d.changes++;
	d.told_down = down;
}

static int
set_up(void **state)
{
	struct store_env env = { 0 };
	char path[] = "store.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	memset(&d, 0, sizeof(d));
	log_open("test", "stderr", LOG_LEVEL_ERROR);
	dprintf(fd, "[store.t]\ntype = fake\ntries = 3\n");
	close(fd);
	d.conf = conf_load(path);
	unlink(path);
	d.loop = loop_new();
	env.loop = d.loop;
	if (store_open_driver(&d.store, &fake, d.conf, "t", &env))
		return -1;
	store_watch(d.store, on_change, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	store_close(d.store);
	loop_turn(d.loop, 0);
	loop_free(d.loop);
	conf_free(d.conf);
	return 0;
}

static void
on_done(void *arg, const struct store_result *res)
{
	(void)arg;
	d.done++;
	d.failed += res->err == ERR_AGAIN;
}

static void
put_parts(unsigned n)
{
	static const struct store_body body = { .data = "x", .len = 1 };
	struct store_target t = { .key = "key", .backend_id = "id" };

	for (unsigned i = 0; i < n; i++)
		store_put_part(d.store, t, (struct store_slot){ i + 1, 0 },
			       &body, on_done, NULL);
}

#define UNTIL(condition)                                  \
	do {                                              \
		uint64_t end_ = clock_ms() + PATIENCE_MS; \
		while (!(condition)) {                    \
			assert_true(clock_ms() < end_);   \
			loop_turn(d.loop, 10);            \
		}                                         \
	} while (0)

/* Turns until that many calls are over, or ms have passed. */
static void
turn(unsigned done, unsigned ms)
{
	uint64_t end = clock_ms() + ms;

	while (d.done < done && clock_ms() < end)
		loop_turn(d.loop, 10);
}

static void
go_down(void)
{
	d.down = true;
	put_parts(PARTS);
	UNTIL(store_is_down(d.store));
}

static void
test_outage_costs_a_probe_now_and_then(void **state)
{
	unsigned before, probes;
	uint64_t at;

	(void)state;
	go_down();
	UNTIL(store_held(d.store) == PARTS); /* after its next try */
	before = d.starts[STORE_CALL_PUT_PART];
	probes = d.starts[STORE_CALL_HEAD];
	at = clock_ms();
	UNTIL(d.starts[STORE_CALL_HEAD] >= probes + 4);
	assert_true(clock_ms() - at > 1000);
	assert_int_equal(d.starts[STORE_CALL_PUT_PART], before);
	assert_int_equal(d.done, 0);
	assert_int_equal(store_held(d.store), PARTS);
	assert_int_equal(d.changes, 1);
	assert_true(d.told_down);
}

static void
test_everything_goes_on_when_the_store_is_back(void **state)
{
	(void)state;
	go_down();
	turn(PARTS, 700);
	d.down = false;
	UNTIL(d.done == PARTS);
	assert_int_equal(d.failed, 0);
	assert_false(store_is_down(d.store));
	assert_int_equal(store_held(d.store), 0);
	assert_int_equal(d.changes, 2);
}

static void
test_one_call_on_trial_finds_that_it_still_fails(void **state)
{
	unsigned before;

	(void)state;
	go_down();
	UNTIL(store_held(d.store) == PARTS);
	d.down = false;
	d.puts_fail = true;
	before = d.starts[STORE_CALL_PUT_PART];
	UNTIL(d.starts[STORE_CALL_PUT_PART] > before);
	turn(PARTS, 300);
	assert_true(d.starts[STORE_CALL_PUT_PART] <= before + 5);
	assert_true(store_is_down(d.store));
}

static void
test_who_waits_is_told_soon(void **state)
{
	struct store_range range = { 0, 1 };

	(void)state;
	go_down();
	store_get(d.store, "key", NULL, range, on_done, NULL);
	UNTIL(d.done == 1);
	assert_int_equal(d.failed, 1);
	assert_int_equal(d.starts[STORE_CALL_GET], 0);
}

static void
test_probe_without_an_answer_is_followed_by_another(void **state)
{
	unsigned probes;

	(void)state;
	go_down();
	d.silent = true;
	probes = d.starts[STORE_CALL_HEAD];
	UNTIL(d.starts[STORE_CALL_HEAD] >= probes + 2);
	assert_true(d.cancels >= 1);
	d.silent = d.down = false;
	UNTIL(d.done == PARTS);
	assert_int_equal(d.failed, 0);
}

static void
test_held_call_may_be_cancelled(void **state)
{
	static const struct store_body body = { .data = "x", .len = 1 };
	struct store_target t = { .key = "key", .backend_id = "id" };
	struct store_op *op;
	unsigned held;

	(void)state;
	go_down();
	turn(PARTS, 1100);
	held = store_held(d.store);
	op = store_put_part(d.store, t, (struct store_slot){ 1, 0 }, &body,
			    on_done, NULL);
	turn(PARTS, 50);
	assert_int_equal(store_held(d.store), held + 1);
	store_cancel(op);
	assert_int_equal(store_held(d.store), held);
}

static void
test_store_may_be_closed_while_it_is_down(void **state)
{
	(void)state;
	go_down();
	turn(PARTS, 1100);
	store_close(d.store);
	d.store = NULL;
	turn(PARTS, 50);
	assert_int_equal(d.done, 0);
}

#define WITH_STORE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(test_outage_costs_a_probe_now_and_then),
		WITH_STORE(test_everything_goes_on_when_the_store_is_back),
		WITH_STORE(test_one_call_on_trial_finds_that_it_still_fails),
		WITH_STORE(test_who_waits_is_told_soon),
		WITH_STORE(test_probe_without_an_answer_is_followed_by_another),
		WITH_STORE(test_held_call_may_be_cancelled),
		WITH_STORE(test_store_may_be_closed_while_it_is_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
