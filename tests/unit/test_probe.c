/* SPDX-License-Identifier: Apache-2.0 */
/* The courier's side of a probe, with a child that lies. */
#include "bridge/probe.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "tests/fake/fake_store.h"
#include "tests/fake/lying_probe.h"

#define MIB ((uint64_t)1 << 20)

static struct {
	struct loop *loop;
	struct store *store;
	struct probe_config cfg;
	struct prober *prober;
	unsigned done;
	enum probe_status status;
	char reason[PROBE_REASON_MAX + 1];
	json_t *json;
	struct probe_result r;
} t;

static void
on_done(void *arg, const struct probe_result *r)
{
	(void)arg;
	t.done++;
	t.r = *r;
	t.status = r->status;
	str_copy(t.reason, sizeof(t.reason), r->reason);
	json_decref(t.json);
	t.json = json_loadb(r->json, r->len, 0, NULL);
	assert_non_null(t.json);
	assert_true(r->len <= PROBE_JSON_MAX);
	assert_int_equal(strlen(r->json), r->len);
	assert_string_equal(
		json_string_value(json_object_get(t.json, "status")),
		probe_status_name(r->status));
}

static struct probe *
start(enum lie lie)
{
	struct probe_object o = { .store = t.store,
				  .key = "clips/a.mov",
				  .etag = "first",
				  .size = LYING_SIZE + lie };
	unsigned before = t.done;
	struct probe *b;

	fake_store.size = o.size;
	b = probe_start(t.prober, &o, on_done, NULL);
	assert_int_equal(t.done, before); /* never from inside */
	return b;
}

static void
wait_done(unsigned n)
{
	while (t.done < n)
		loop_turn(t.loop, 1000);
}

static void
probe_it(enum lie lie)
{
	t.done = 0;
	start(lie);
	wait_done(1);
}

static void
fails(enum lie lie, const char *reason)
{
	probe_it(lie);
	if (t.status != PROBE_FAILED || !strstr(t.reason, reason))
		fail_msg("lie %d: %s, \"%s\", not \"%s\"", lie,
			 probe_status_name(t.status), t.reason, reason);
}

static int
setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.loop = loop_new();
	t.store = fake_store_open(t.loop);
	t.cfg.program = mem_strdup("tests/fake/lying_probe");
	t.cfg.concurrency = 2;
	t.cfg.read_max = 4 * MIB;
	t.cfg.timeout_ms = 3600 * 1000;
	t.cfg.cpu_s = 10;
	t.cfg.memory = 1024 * MIB;
	t.prober = prober_new(t.loop, &t.cfg);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	prober_free(t.prober);
	store_close(t.store);
	loop_flush(t.loop);
	loop_free(t.loop);
	json_decref(t.json);
	free(t.cfg.program);
	return 0;
}

static void
test_honest_child_gets_its_range_and_is_believed(void **state)
{
	(void)state;
	probe_it(LIE_HONEST);
	assert_int_equal(t.status, PROBE_OK);
	assert_string_equal(t.reason, "");
	assert_string_equal(json_string_value(json_object_get(t.json, "mime")),
			    "video/mp4");
	assert_int_equal(t.r.bytes, 1000);
	assert_int_equal(t.r.requests, 1);
	assert_int_equal(fake_store.bytes, 1000);
}

static void
test_ranges_that_cannot_be_end_the_probe(void **state)
{
	(void)state;
	fails(LIE_BEYOND_END, "what is not there");
	fails(LIE_NEGATIVE, "what is not there");
	fails(LIE_NOTHING, "what is not there");
	fails(LIE_TOO_LONG, "what is not there");
	assert_int_equal(fake_store.started[STORE_CALL_GET], 0);
	fails(LIE_TWICE, "out of turn");
}

static void
test_endless_requests_end(void **state)
{
	(void)state;
	fails(LIE_ENDLESS, "too often");
	assert_true(fake_store.started[STORE_CALL_GET] <= 2048);
}

static void
test_budget_is_refused_once_and_then_kept(void **state)
{
	(void)state;
	t.cfg.read_max = 2 * MIB + 1;
	probe_it(LIE_GREEDY);
	assert_int_equal(t.status, PROBE_OK);
	assert_int_equal(t.r.bytes, 2 * MIB);
	fails(LIE_ASKS_ON, "out of turn");
	assert_int_equal(fake_store.bytes, 4 * MIB);
}

static void
test_what_is_no_result_is_a_failure(void **state)
{
	(void)state;
	fails(LIE_LONG_RESULT, "no message of ours");
	fails(LIE_NO_JSON, "no result");
	fails(LIE_OTHER_JSON, "no result");
	fails(LIE_DEEP_JSON, "no result");
	fails(LIE_SILENT, "without a result");
	fails(LIE_GARBAGE, "no message of ours");
	fails(LIE_SPEAKS_AS_WE_DO, "only we send");
}

static void
test_child_says_itself_what_is_broken(void **state)
{
	(void)state;
	fails(LIE_FAILED, "it is cut off");
	assert_string_equal(
		json_string_value(json_object_get(t.json, "reason")),
		"it is cut off");
}

static void
test_death_has_its_reason(void **state)
{
	(void)state;
	fails(LIE_CRASH, "crashed");
	fails(LIE_FORBIDDEN, "may not");
	fails(LIE_EXIT, "exit code 7");
	fails(LIE_CLOSED_BUT_ALIVE, "crashed (Killed)");
	assert_int_equal(prober_running(t.prober), 0);
}

static void
test_hanging_child_is_ended(void **state)
{
	(void)state;
	t.cfg.timeout_ms = 20;
	fails(LIE_HANG, "longer than allowed");
}

static void
test_result_stands_whatever_follows(void **state)
{
	(void)state;
	probe_it(LIE_CRASH_AFTER);
	assert_int_equal(t.status, PROBE_OK);
	probe_it(LIE_TWO_RESULTS);
	assert_int_equal(t.status, PROBE_OK);
	t.cfg.timeout_ms = 200;
	while (t.status != PROBE_OK || t.done != 1)
		probe_it(LIE_HANG_AFTER);
	assert_null(json_object_get(t.json, "thumbnail"));
}

static void
test_thumbnail_goes_beside_the_object(void **state)
{
	char prefix[] = "small/";

	(void)state;
	t.cfg.thumbnails = prefix;
	probe_it(LIE_THUMB);
	assert_int_equal(t.status, PROBE_OK);
	assert_string_equal(fake_store.put_key, "small/clips/a.mov.jpg");
	assert_int_equal(fake_store.put_len, 4);
	assert_string_equal(
		json_string_value(json_object_get(t.json, "thumbnail")),
		"small/clips/a.mov.jpg");
	fails(LIE_THUMB_FIRST, "out of turn");
}

static void
test_thumbnail_that_cannot_be_stored_is_left_out(void **state)
{
	char prefix[] = "small/";

	(void)state;
	t.cfg.thumbnails = prefix;
	fake_store.fail_kind = STORE_CALL_PUT;
	fake_store.fail_times = 1;
	fake_store.fail_err = ERR_DENIED;
	probe_it(LIE_THUMB);
	assert_int_equal(t.status, PROBE_OK);
	assert_int_equal(fake_store.fail_times, 0);
	assert_null(json_object_get(t.json, "thumbnail"));
}

static void
test_thumbnail_nobody_wants_is_a_lie(void **state)
{
	(void)state;
	probe_it(LIE_THUMB);
	assert_int_equal(fake_store.started[STORE_CALL_PUT], 0);
	assert_null(json_object_get(t.json, "thumbnail"));
}

static void
test_replaced_object_is_superseded(void **state)
{
	(void)state;
	strcpy(fake_store.etag, "second");
	probe_it(LIE_HONEST);
	assert_int_equal(t.status, PROBE_SUPERSEDED);
	fake_store.fail_kind = STORE_CALL_GET;
	fake_store.fail_times = 1;
	fake_store.fail_err = ERR_NOT_FOUND;
	strcpy(fake_store.etag, "first");
	probe_it(LIE_HONEST);
	assert_int_equal(t.status, PROBE_SUPERSEDED);
}

static void
test_store_that_fails_says_nothing_of_the_file(void **state)
{
	(void)state;
	fake_store.fail_kind = STORE_CALL_GET;
	fake_store.fail_times = 1;
	fake_store.fail_err = ERR_IO;
	probe_it(LIE_HONEST);
	assert_int_equal(t.status, PROBE_UNAVAILABLE);
}

static void
test_missing_program_says_nothing_of_the_file(void **state)
{
	char none[] = "/no/such/program";
	char *program = t.cfg.program;

	(void)state;
	t.cfg.program = none;
	probe_it(LIE_HONEST);
	assert_int_equal(t.status, PROBE_UNAVAILABLE);
	assert_non_null(strstr(t.reason, "No such file"));
	t.cfg.program = program;
}

static void
test_empty_object_needs_no_child(void **state)
{
	struct probe_object o = { .store = t.store, .key = "k" };

	(void)state;
	probe_start(t.prober, &o, on_done, NULL);
	wait_done(1);
	assert_int_equal(t.status, PROBE_OK);
	assert_string_equal(json_string_value(json_object_get(t.json, "mime")),
			    "inode/x-empty");
}

static void
test_so_many_at_once_and_no_more(void **state)
{
	unsigned most = 0;

	(void)state;
	for (int i = 0; i < 7; i++)
		start(LIE_HONEST);
	while (t.done < 7) {
		loop_turn(t.loop, 1000);
		if (prober_running(t.prober) > most)
			most = prober_running(t.prober);
	}
	assert_int_equal(most, t.cfg.concurrency);
}

/* The one that waits, the one that runs and the one that reads. */
static void
test_cancelled_probes_are_silent_and_leave_no_child(void **state)
{
	struct probe *b[3];

	(void)state;
	fake_store.holds = true;
	b[0] = start(LIE_HANG);
	b[1] = start(LIE_HONEST);
	b[2] = start(LIE_HONEST);
	while (fake_store.live == 0)
		loop_turn(t.loop, 1000);
	for (int i = 0; i < 3; i++)
		probe_cancel(b[i]);
	assert_int_equal(fake_store.live, 0);
	while (prober_running(t.prober) > 0)
		loop_turn(t.loop, 1000);
	assert_int_equal(t.done, 0);
}

static void
test_prober_that_goes_takes_its_probes_along(void **state)
{
	(void)state;
	fake_store.holds = true;
	start(LIE_HONEST);
	start(LIE_HANG);
	start(LIE_HONEST);
	while (fake_store.live == 0)
		loop_turn(t.loop, 1000);
	prober_free(t.prober);
	t.prober = NULL;
	assert_int_equal(fake_store.live, 0);
	assert_int_equal(t.done, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		T(test_honest_child_gets_its_range_and_is_believed),
		T(test_ranges_that_cannot_be_end_the_probe),
		T(test_endless_requests_end),
		T(test_budget_is_refused_once_and_then_kept),
		T(test_what_is_no_result_is_a_failure),
		T(test_child_says_itself_what_is_broken),
		T(test_death_has_its_reason),
		T(test_hanging_child_is_ended),
		T(test_result_stands_whatever_follows),
		T(test_thumbnail_goes_beside_the_object),
		T(test_thumbnail_that_cannot_be_stored_is_left_out),
		T(test_thumbnail_nobody_wants_is_a_lie),
		T(test_replaced_object_is_superseded),
		T(test_store_that_fails_says_nothing_of_the_file),
		T(test_missing_program_says_nothing_of_the_file),
		T(test_empty_object_needs_no_child),
		T(test_so_many_at_once_and_no_more),
		T(test_cancelled_probes_are_silent_and_leave_no_child),
		T(test_prober_that_goes_takes_its_probes_along),
	};

	log_open("test_probe", "stderr", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
