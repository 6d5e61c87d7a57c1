/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatcher, over a driver that does what each test tells it. */
#include "bridge/store_ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "tests/unit/patience.h"

#define TRIES 4

static struct {
	struct loop *loop;
	struct store *store;
	struct conf *conf;

	/* What the driver answers: the i-th start gets the i-th. */
	struct store_result answers[TRIES + 1];
	unsigned retry_after_ms;
	bool holds; /* answers nothing */

	/* What it saw. */
	unsigned starts, cancels, closes;
	struct store_call *held;
	char key[64], from[64];
	uint64_t at_ms[TRIES + 1];
} d;

static struct {
	unsigned n;
	enum err err;
	bool ambiguous, close_store;
	char why[STORE_WHY_MAX];
} done;

static void
on_done(void *arg, const struct store_result *res)
{
	(void)arg;
	done.n++;
	done.err = res->err;
	done.ambiguous = res->ambiguous;
	snprintf(done.why, sizeof(done.why), "%s", res->why);
	if (done.close_store) {
		store_close(d.store);
		d.store = NULL;
	}
}

static enum err
fake_open(struct store *s, struct conf *conf, const char *section)
{
	s->limits = (struct store_limits){ .part_min = 1,
					   .part_max = 1000,
					   .part_base = 10,
					   .put_max = 100,
					   .copy_max = 1000,
					   .object_max = 100000,
					   .parts_max = 10 };
	store_conf_parts(conf, section, &s->limits);
	return ERR_OK;
}

static void
fake_close(struct store *s)
{
	(void)s;
	d.closes++;
}

static void
fake_start(struct store *s, struct store_call *c)
{
	struct store_result res = d.answers[d.starts];

	(void)s;
	assert_null(c->driver);
	snprintf(d.key, sizeof(d.key), "%s", c->key ? c->key : "");
	snprintf(d.from, sizeof(d.from), "%s",
		 c->copy.from ? c->copy.from : "");
	if (d.starts < TRIES)
		d.at_ms[d.starts] = clock_ms();
	d.starts++;
	c->driver = &d;
	if (d.holds) {
		d.held = c;
		return;
	}
	c->retry_after_ms = d.retry_after_ms;
	store_call_done(c, &res);
}

static void
fake_cancel(struct store *s, struct store_call *c)
{
	(void)s;
	assert_ptr_equal(c, d.held);
	d.held = NULL;
	d.cancels++;
}

static unsigned
fake_needs(const struct store *s)
{
	return s->caps.known ? 0 : STORE_NEED_SHA256;
}

static const struct store_ops fake = {
	.kind = "fake",
	.open = fake_open,
	.close = fake_close,
	.needs = fake_needs,
	.start = { [STORE_CALL_PROBE] = fake_start,
		   [STORE_CALL_PUT] = fake_start,
		   [STORE_CALL_BEGIN] = fake_start,
		   [STORE_CALL_PUT_PART] = fake_start,
		   [STORE_CALL_COMPLETE] = fake_start,
		   [STORE_CALL_HEAD] = fake_start,
		   [STORE_CALL_COPY] = fake_start },
	.cancel = fake_cancel,
};

static struct conf *
conf_of(const char *text)
{
	char path[] = "store.XXXXXX";
	int fd = mkstemp(path);
	struct conf *c;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	c = conf_load(path);
	unlink(path);
	return c;
}

static int
set_up(void **state)
{
	struct store_env env = { 0 };

	(void)state;
	memset(&d, 0, sizeof(d));
	memset(&done, 0, sizeof(done));
	log_open("test", "stderr", LOG_LEVEL_ERROR);
	d.loop = loop_new();
	env.loop = d.loop;
	d.conf = conf_of("[store.t]\ntype = fake\ntries = 4\n");
	return store_open_driver(&d.store, &fake, d.conf, "t", &env) ? -1 : 0;
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

/* Turns until the completion came, for a while. */
static void
wait_done(void)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	assert_int_equal(done.n, 0);
	while (!done.n && clock_ms() < end)
		loop_turn(d.loop, 1000);
	assert_int_equal(done.n, 1);
}

static void
answer_again(unsigned from, unsigned to, bool ambiguous)
{
	for (unsigned i = from; i < to; i++) {
		d.answers[i].err = ERR_AGAIN;
		d.answers[i].ambiguous = ambiguous;
	}
}

static void
test_completion_comes_from_the_loop(void **state)
{
	(void)state;
	store_head(d.store, "key", on_done, NULL);
	assert_int_equal(d.starts, 0);
	wait_done();
	assert_int_equal(done.err, ERR_OK);
	assert_string_equal(done.why, err_text(ERR_OK));
	assert_string_equal(d.key, "key");
}

static void
test_strings_are_copied(void **state)
{
	char to[] = "to", from[] = "from";
	struct store_copy c = { .from = from };

	(void)state;
	store_copy(d.store, &c, to, NULL, on_done, NULL);
	memset(from, 'x', strlen(from));
	wait_done();
	assert_string_equal(d.from, "from");
}

static void
test_safe_calls_are_repeated(void **state)
{
	(void)state;
	answer_again(0, 2, true);
	store_head(d.store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(done.err, ERR_OK);
	assert_int_equal(d.starts, 3);
}

static void
test_repeating_ends_after_the_tries(void **state)
{
	(void)state;
	answer_again(0, TRIES, false);
	store_head(d.store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(done.err, ERR_AGAIN);
	assert_int_equal(d.starts, TRIES);
}

static void
test_other_errors_are_not_repeated(void **state)
{
	(void)state;
	d.answers[0].err = ERR_DENIED;
	d.answers[0].why = "no";
	store_head(d.store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(done.err, ERR_DENIED);
	assert_string_equal(done.why, "no");
	assert_int_equal(d.starts, 1);
}

static void
test_retry_after_is_honoured(void **state)
{
	(void)state;
	answer_again(0, 1, false);
	d.retry_after_ms = 700; /* more than the first back-off */
	store_head(d.store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(d.starts, 2);
	assert_true(d.at_ms[1] - d.at_ms[0] >= 690);
}

static void
do_put(void)
{
	static const struct store_body body = { .data = "x", .len = 1 };

	store_put(d.store, "key", NULL, &body, on_done, NULL);
	wait_done();
}

static void
test_put_of_unknown_outcome_is_not_repeated(void **state)
{
	(void)state;
	answer_again(0, TRIES, true);
	do_put();
	assert_int_equal(done.err, ERR_AGAIN);
	assert_true(done.ambiguous);
	assert_int_equal(d.starts, 1);
}

static void
test_put_without_effect_is_repeated(void **state)
{
	(void)state;
	answer_again(0, 1, false);
	do_put();
	assert_int_equal(done.err, ERR_OK);
	assert_int_equal(d.starts, 2);
}

static void
test_begin_complete_and_copy_are_sent_once(void **state)
{
	static const struct store_part part = { .no = 1, .etag = "e" };
	struct store_target t = { .key = "key", .backend_id = "id" };
	struct store_copy c = { .from = "from" };

	(void)state;
	answer_again(0, TRIES, false);
	store_begin(d.store, "key", NULL, on_done, NULL);
	wait_done();
	assert_int_equal(d.starts, 1);
	done.n = 0;
	store_complete(d.store, t, &part, 1, on_done, NULL);
	wait_done();
	assert_int_equal(d.starts, 2);
	done.n = 0;
	store_copy(d.store, &c, "to", NULL, on_done, NULL);
	wait_done();
	assert_int_equal(d.starts, 3);
}

static void
test_missing_operation_is_unsupported(void **state)
{
	(void)state;
	assert_false(store_can_move(d.store));
	store_move(d.store, "a", "b", on_done, NULL);
	wait_done();
	assert_int_equal(done.err, ERR_UNSUPPORTED);
	assert_int_equal(d.starts, 0);
}

static void
test_body_of_a_file_needs_its_digests(void **state)
{
	struct store_target t = { .key = "key", .backend_id = "id" };
	struct store_body body = { .fd = 0, .len = 5 };
	struct store_caps caps = { .known = true };

	(void)state;
	store_put_part(d.store, t, (struct store_slot){ 1, 0 }, &body, on_done,
		       NULL);
	wait_done();
	assert_int_equal(done.err, ERR_INVALID);
	assert_int_equal(d.starts, 0);
	store_set_caps(d.store, &caps); /* now it asks for none */
	done.n = 0;
	store_put_part(d.store, t, (struct store_slot){ 1, 0 }, &body, on_done,
		       NULL);
	wait_done();
	assert_int_equal(done.err, ERR_OK);
}

static void
test_put_beyond_the_limit_is_refused(void **state)
{
	struct store_body body = { .fd = 0, .len = 101, .has_sha256 = true };

	(void)state;
	store_put(d.store, "key", NULL, &body, on_done, NULL);
	wait_done();
	assert_int_equal(done.err, ERR_TOO_LARGE);
	assert_int_equal(d.starts, 0);
}

static void
test_cancel_before_the_start(void **state)
{
	struct store_op *op = store_head(d.store, "key", on_done, NULL);

	(void)state;
	store_cancel(op);
	loop_turn(d.loop, 0);
	assert_int_equal(d.starts, 0);
	assert_int_equal(d.cancels, 0);
	assert_int_equal(done.n, 0);
}

static void
test_cancel_while_the_driver_has_it(void **state)
{
	struct store_op *op = store_head(d.store, "key", on_done, NULL);

	(void)state;
	d.holds = true;
	loop_turn(d.loop, 0);
	assert_int_equal(d.starts, 1);
	store_cancel(op);
	assert_int_equal(d.cancels, 1);
	loop_turn(d.loop, 0);
	assert_int_equal(done.n, 0);
}

static void
test_cancel_between_attempts(void **state)
{
	struct store_op *op;

	(void)state;
	answer_again(0, TRIES, false);
	d.retry_after_ms = 1;
	op = store_head(d.store, "key", on_done, NULL);
	loop_turn(d.loop, 0);
	assert_int_equal(d.starts, 1);
	store_cancel(op);
	for (int i = 0; i < 5; i++)
		loop_turn(d.loop, 100);
	assert_int_equal(d.starts, 1);
	assert_int_equal(d.cancels, 0);
	assert_int_equal(done.n, 0);
}

static void
test_close_cancels_everything(void **state)
{
	(void)state;
	d.holds = true;
	store_head(d.store, "started", on_done, NULL);
	loop_turn(d.loop, 0);
	store_head(d.store, "ready", on_done, NULL);
	store_close(d.store);
	d.store = NULL;
	assert_int_equal(d.starts, 1);
	assert_int_equal(d.cancels, 1);
	assert_int_equal(d.closes, 1);
	loop_turn(d.loop, 0);
	assert_int_equal(done.n, 0);
}

static void
test_completion_may_close_the_store(void **state)
{
	(void)state;
	done.close_store = true;
	store_head(d.store, "first", on_done, NULL);
	store_head(d.store, "never", on_done, NULL);
	wait_done();
	loop_turn(d.loop, 0);
	assert_int_equal(d.starts, 1);
	assert_int_equal(d.closes, 1);
	assert_int_equal(done.n, 1);
}

static void
test_limits_come_from_the_settings(void **state)
{
	struct conf *c = conf_of("[store.t]\ntype = fake\npart_size = 20\n"
				 "max_parts = 5\nequal_parts = yes\n");
	struct store_env env = { .loop = d.loop };
	const struct store_limits *l;
	struct store *s;

	(void)state;
	assert_int_equal(store_open_driver(&s, &fake, c, "t", &env), ERR_OK);
	l = store_limits(s);
	assert_int_equal(l->part_base, 20);
	assert_int_equal(l->parts_max, 5);
	assert_true(l->equal_parts);
	store_close(s);
	conf_free(c);
}

/* Settings of a store, and what the complaint about them must name. */
static const struct {
	const char *text, *names;
} bad_settings[] = {
	{ "[store.t]\npath = /x\n", "type" },
	{ "[store.t]\ntype = tape\n", "type" },
	{ "[store.t]\ntype = s3\nbucket = b\naccess_key = a\n"
	  "secret_key = s\n",
	  "endpoint" },
	{ "[store.t]\ntype = s3\nendpoint = ftp://h\nbucket = b\n"
	  "access_key = a\nsecret_key = s\n",
	  "endpoint" },
	{ "[store.t]\ntype = s3\nendpoint = http://h/path\nbucket = b\n"
	  "access_key = a\nsecret_key = s\n",
	  "endpoint" },
	{ "[store.t]\ntype = s3\nendpoint = http://u:p@h\nbucket = b\n"
	  "access_key = a\nsecret_key = s\n",
	  "endpoint" },
	{ "[store.t]\ntype = s3\nendpoint = http://h\nbucket = a/b\n"
	  "access_key = a\nsecret_key = s\n",
	  "bucket" },
	{ "[store.t]\ntype = s3\nendpoint = http://h\nbucket = b\n"
	  "access_key = a\n",
	  "secret_key" },
	{ "[store.t]\ntype = s3\nendpoint = http://h\nbucket = b\n"
	  "access_key = a\nsecret_key = s\npart_size = 1M\n",
	  "part_size" },
	{ "[store.t]\ntype = s3\nendpoint = http://h\nbucket = b\n"
	  "access_key = a\nsecret_key = s\nmax_parts = 20000\n",
	  "max_parts" },
	{ "[store.t]\ntype = s3\nendpoint = http://h\nbucket = b\n"
	  "access_key = a\nsecret_key = s\npayload = maybe\n",
	  "payload" },
	{ "[store.t]\ntype = s3\nendpoint = https://h\nbucket = b\n"
	  "access_key = a\nsecret_key = s\nca_file = /no/such/file\n",
	  "ca_file" },
	{ "[store.t]\ntype = s3\nendpoint = http://h\nbucket = b\n"
	  "access_key = a\nsecret_key = s\nsse_kms_key_id = k\n",
	  "sse_kms_key_id" },
	{ "[store.t]\ntype = s3\nendpoint = http://h\nbucket = b\n"
	  "access_key = a\nsecret_key = s\nregoin = r\n",
	  "regoin" },
};

static void
test_check_names_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_settings) / sizeof(bad_settings[0]);
	     i++) {
		struct conf *c = conf_of(bad_settings[i].text);

		store_check(c, "t");
		if (conf_finish(c) == 0 ||
		    !strstr(conf_complaint(c, 0), "[store.t]") ||
		    !strstr(conf_complaint(c, 0), bad_settings[i].names))
			fail_msg("%s: %s", bad_settings[i].text,
				 conf_complaint(c, 0));
		conf_free(c);
	}
}

static void
test_check_accepts_every_setting(void **state)
{
	struct conf *c = conf_of(
		"[store.t]\ntype = s3\nendpoint = https://h.example:8443\n"
		"region = eu-1\nbucket = b\naccess_key = a\nsecret_key = s\n"
		"session_token = t\npath_style = no\nprefix = in\n"
		"part_size = 8M\nmax_parts = 1000\nequal_parts = yes\n"
		"copy_max = 1G\npayload = unsigned\nsse = aws:kms\n"
		"sse_kms_key_id = k\nstorage_class = STANDARD_IA\n"
		"verify_tls = no\nconnect_timeout = 5s\nstall_timeout = 1m\n"
		"connections = 4\ntries = 3\n");

	(void)state;
	store_check(c, "t");
	if (conf_finish(c))
		fail_msg("%s", conf_complaint(c, 0));
	conf_free(c);
}

static void
test_etag_loses_its_quotes(void **state)
{
	char long_one[STORE_ETAG_MAX + 2], etag[STORE_ETAG_MAX + 1];

	(void)state;
	assert_true(store_etag("\"abc-1\"", etag));
	assert_string_equal(etag, "abc-1");
	assert_true(store_etag("abc", etag));
	assert_string_equal(etag, "abc");
	assert_false(store_etag("", etag));
	assert_false(store_etag("\"\"", etag));
	assert_false(store_etag("a<b", etag));
	assert_false(store_etag("a\r\nb", etag));
	memset(long_one, 'e', sizeof(long_one));
	long_one[STORE_ETAG_MAX + 1] = '\0';
	assert_false(store_etag(long_one, etag));
	assert_true(store_etag(long_one + 1, etag));
}

#define WITH_STORE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_etag_loses_its_quotes),
		WITH_STORE(test_completion_comes_from_the_loop),
		WITH_STORE(test_strings_are_copied),
		WITH_STORE(test_safe_calls_are_repeated),
		WITH_STORE(test_repeating_ends_after_the_tries),
		WITH_STORE(test_other_errors_are_not_repeated),
		WITH_STORE(test_retry_after_is_honoured),
		WITH_STORE(test_put_of_unknown_outcome_is_not_repeated),
		WITH_STORE(test_put_without_effect_is_repeated),
		WITH_STORE(test_begin_complete_and_copy_are_sent_once),
		WITH_STORE(test_missing_operation_is_unsupported),
		WITH_STORE(test_body_of_a_file_needs_its_digests),
		WITH_STORE(test_put_beyond_the_limit_is_refused),
		WITH_STORE(test_cancel_before_the_start),
		WITH_STORE(test_cancel_while_the_driver_has_it),
		WITH_STORE(test_cancel_between_attempts),
		WITH_STORE(test_close_cancels_everything),
		WITH_STORE(test_completion_may_close_the_store),
		WITH_STORE(test_limits_come_from_the_settings),
		cmocka_unit_test(test_check_names_what_is_wrong),
		cmocka_unit_test(test_check_accepts_every_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
