/* SPDX-License-Identifier: Apache-2.0 */
/* URLs in events: made when one goes, and made anew when that is long ago. */
#include "tests/fake/fake_store.h"
#include "tests/unit/outbox_world.h"

#define MINUTE (60 * 1000u)

static int
make(void **state)
{
	struct outbox_world *o = outbox_world_new();

	o->store = fake_store_open(o->w->loop);
	strcpy(o->store->name, "main"); /* as the events say */
	o->cfg.url = true;
	o->cfg.url_ttl_ms = 60 * (int64_t)MINUTE;
	*state = o;
	return 0;
}

static int
unmake(void **state)
{
	struct outbox_world *o = *state;

	outbox_free(o->outbox);
	o->outbox = NULL;
	store_close(o->store);
	outbox_world_free(o);
	return 0;
}

static void
run(struct outbox_world *o)
{
	outbox_world_run(o, 200, 3000);
	assert_true(outbox_idle(o->outbox));
}

/* The i-th that was sent says this of a URL; NULL: nothing. */
static void
must_say(const struct fake_sink *f, size_t i, const char *url)
{
	char *text = mem_printf("\"url\":\"%s\"", url ? url : "");

	assert_true(i < f->n);
	if (url)
		assert_non_null(strstr(f->seen[i].json, text));
	else
		assert_null(strstr(f->seen[i].json, "\"url\""));
	free(text);
}

static void
test_what_is_there_has_a_url(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 2);

	put_event(o->w, "published", "a", NULL);
	put_event(o->w, "renamed", "a", NULL);
	put_event(o->w, "deleted", "a", NULL);
	outbox_world_open(o);
	run(o);
	assert_int_equal(f->n, 3);
	must_say(f, 0, "https://store/a?n=1");
	must_say(f, 1, "https://store/a?n=2");
	must_say(f, 2, NULL);
}

static void
test_no_url_is_made_unasked(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 2);

	o->cfg.url = false;
	put_event(o->w, "published", "a", NULL);
	outbox_world_open(o);
	run(o);
	must_say(f, 0, NULL);
	assert_int_equal(fake_store.started[STORE_CALL_PRESIGN], 0);
}

static int
down_thrice(struct fake_sink *f, const struct seen *s)
{
	(void)s;
	return f->n <= 3 ? SINK_DOWN : SINK_DELIVERED;
}

/* Tries that follow soon have the same one. */
static void
test_a_late_try_has_a_fresh_url(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 1);

	f->script = down_thrice;
	o->cfg.url_ttl_ms = 2 * MINUTE;
	put_event(o->w, "published", "a", NULL);
	outbox_world_open(o);
	while (f->n < 2)
		outbox_world_run(o, 200, 1);
	must_say(f, 1, "https://store/a?n=1");
	world_now += 2 * MINUTE;
	run(o);
	assert_int_equal(f->n, 4);
	must_say(f, 2, "https://store/a?n=2");
	must_say(f, 3, "https://store/a?n=2");
}

static void
test_an_event_goes_without_where_the_store_fails(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 1);

	fake_store.fail_kind = STORE_CALL_PRESIGN;
	fake_store.fail_times = 1;
	fake_store.fail_err = ERR_NOT_FOUND;
	put_event(o->w, "published", "gone", NULL);
	put_event(o->w, "published", "there", NULL);
	outbox_world_open(o);
	run(o);
	must_say(f, 0, NULL);
	must_say(f, 1, "https://store/there?n=2");
}

static void
test_an_event_of_another_store_goes_without(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 1);

	strcpy(o->store->name, "mai");
	put_event(o->w, "published", "a", NULL);
	outbox_world_open(o);
	run(o);
	must_say(f, 0, NULL);
}

/* No more are asked for than the sink takes, and they can be given up. */
static void
test_as_many_at_once_as_events(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 3);

	fake_store.holds = true;
	for (int i = 0; i < 9; i++) {
		char key[8] = { (char)('a' + i) };

		put_event(o->w, "published", key, NULL);
	}
	outbox_world_open(o);
	outbox_world_run(o, 200, 50);
	assert_int_equal(fake_store.started[STORE_CALL_PRESIGN], 3);
	assert_true(fake_store_answer(1));
	outbox_world_run(o, 200, 50);
	assert_int_equal(f->n, 1);
	assert_int_equal(fake_store.started[STORE_CALL_PRESIGN], 4);
	outbox_world_close(o);
	assert_int_equal(fake_store.cancelled[STORE_CALL_PRESIGN], 3);
}

#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_what_is_there_has_a_url),
		IN_WORLD(test_no_url_is_made_unasked),
		IN_WORLD(test_a_late_try_has_a_fresh_url),
		IN_WORLD(test_an_event_goes_without_where_the_store_fails),
		IN_WORLD(test_an_event_of_another_store_goes_without),
		IN_WORLD(test_as_many_at_once_as_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
