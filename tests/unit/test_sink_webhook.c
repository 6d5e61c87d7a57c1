/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/sink.h"
#include "bridge/webhook_sign.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/unit/http_script.h"
#include "tests/unit/sink_world.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define WITH_STATUS(s) "HTTP/1.1 " s " x\r\nContent-Length: 0\r\n\r\n"

static struct script *script;

static int
set_up(void **state)
{
	script = NULL;
	return sink_world_new(state);
}

static int
tear_down(void **state)
{
	sink_world_free(state);
	if (script)
		script_free(script);
	return 0;
}

/* A sink to a scripted receiver, with these further lines in its section. */
static void
start(struct sink_world *w, const struct script_step *steps, size_t n,
      const char *more)
{
	char lines[1000];

	script = script_new(steps, n);
	snprintf(lines, sizeof(lines),
		 "type = webhook\nurl = http://127.0.0.1:%u/hook?a=b\n"
		 "secret = " SECRET "\n%s\n",
		 script_port(script), more);
	if (!sink_world_open(w, lines))
		fail_msg("%s", w->complaints);
}

static struct sink_got
answered_with(struct sink_world *w, const char *reply)
{
	const struct script_step step = { .reply = reply };

	if (script)
		script_free(script);
	start(w, &step, 1, "allow_private = yes");
	return sink_world_deliver(w, &sink_world_event);
}

/* A header's value in the first request, "" without it. */
static const char *
header(const char *name)
{
	static char value[1000];
	char begin[64];
	const char *p;

	snprintf(begin, sizeof(begin), "\r\n%s: ", name);
	p = strstr(script_head(script, 0), begin);
	p = p ? p + strlen(begin) : "\r\n";
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\r\n"), p);
	return value;
}

static char *
expected_signature(const char *secret)
{
	struct webhook_key k;
	struct buf text, out;
	size_t len;
	const char *body = script_body(script, 0, &len);
	char *copy;

	buf_init(&text, 100000);
	buf_init(&out, 1000);
	buf_printf(&text, "019.%s.%.*s", header("webhook-timestamp"), (int)len,
		   body);
	assert_true(webhook_key_read(&k, secret));
	webhook_sign(&k, buf_data(&text), buf_len(&text), &out);
	copy = mem_strdup(buf_cstr(&out));
	buf_free(&text);
	buf_free(&out);
	return copy;
}

static void
test_structured_event_is_the_signed_body(void **state)
{
	const struct script_step step = { .reply = OK };
	struct sink_world *w = *state;
	struct sink_got g;
	char *signature;
	size_t len;
	const void *body;
	long long at;

	start(w, &step, 1, "allow_private = yes");
	assert_string_equal(sink_type(w->sink), "webhook");
	assert_int_equal(sink_concurrency(w->sink), 8);
	g = sink_world_deliver(w, &sink_world_event);
	assert_int_equal(g.outcome, SINK_DELIVERED);
	assert_string_equal(g.reason, "");
	assert_memory_equal(script_head(script, 0), "POST /hook?a=b HTTP/1.1",
			    23);
	body = script_body(script, 0, &len);
	assert_int_equal(len, sink_world_event.json_len);
	assert_memory_equal(body, sink_world_event.json, len);
	assert_string_equal(header("content-type"),
			    "application/cloudevents+json; charset=utf-8");
	assert_string_equal(header("webhook-id"), "019");
	at = strtoll(header("webhook-timestamp"), NULL, 10);
	assert_in_range(at, time(NULL) - 600, time(NULL));
	signature = expected_signature(SECRET);
	assert_string_equal(header("webhook-signature"), signature);
	assert_null(strstr(script_head(script, 0), "\r\nce-"));
	free(signature);
}

static void
test_binary_event_has_its_attributes_in_headers(void **state)
{
	const struct script_step step = { .reply = OK };
	struct sink_world *w = *state;
	size_t len;
	const void *body;
	char *signature;

	start(w, &step, 1, "allow_private = yes\ncontent = binary");
	assert_int_equal(sink_world_deliver(w, &sink_world_event).outcome,
			 SINK_DELIVERED);
	body = script_body(script, 0, &len);
	assert_int_equal(len, sink_world_event.data_len);
	assert_memory_equal(body, sink_world_event.data, len);
	assert_string_equal(header("content-type"), "application/json");
	assert_string_equal(header("ce-specversion"), "1.0");
	assert_string_equal(header("ce-id"), "019");
	assert_string_equal(header("ce-type"), "io.sluice.published");
	assert_string_equal(header("ce-source"), "urn:sluice:n1");
	assert_string_equal(header("ce-time"), "2026-01-31T12:00:00.123Z");
	assert_string_equal(header("ce-partitionkey"), "main/in/a");
	assert_string_equal(header("ce-subject"),
			    "in/a%20%22b%22%0A100%25%C3%A9");
	signature = expected_signature(SECRET);
	assert_string_equal(header("webhook-signature"), signature);
	free(signature);
}

static void
test_two_secrets_sign_while_they_rotate(void **state)
{
	const struct script_step step = { .reply = OK };
	struct sink_world *w = *state;
	char *first, *second, both[300];

	start(w, &step, 1,
	      "allow_private = yes\nsecret_old = " OTHER
	      "\nauthorization = Bearer abc");
	sink_world_deliver(w, &sink_world_event);
	first = expected_signature(SECRET);
	second = expected_signature(OTHER);
	snprintf(both, sizeof(both), "%s %s", first, second);
	assert_string_equal(header("webhook-signature"), both);
	assert_string_equal(header("Authorization"), "Bearer abc");
	free(first);
	free(second);
}

static void
test_statuses_mean_what_the_header_says(void **state)
{
	static const struct {
		const char *reply;
		enum sink_outcome outcome;
		const char *reason;
	} cases[] = {
		{ WITH_STATUS("200"), SINK_DELIVERED, "" },
		{ WITH_STATUS("202"), SINK_DELIVERED, "" },
		{ "HTTP/1.1 204 x\r\n\r\n", SINK_DELIVERED, "" },
		{ WITH_STATUS("299"), SINK_DELIVERED, "" },
		{ WITH_STATUS("302"), SINK_RETRY,
		  "HTTP status 302; redirects are not followed" },
		{ WITH_STATUS("400"), SINK_RETRY, "HTTP status 400" },
		{ WITH_STATUS("401"), SINK_RETRY, "HTTP status 401" },
		{ WITH_STATUS("404"), SINK_RETRY, "HTTP status 404" },
		{ WITH_STATUS("408"), SINK_RETRY, "HTTP status 408" },
		{ WITH_STATUS("410"), SINK_GONE, "HTTP status 410" },
		{ WITH_STATUS("413"), SINK_REFUSED, "HTTP status 413" },
		{ WITH_STATUS("425"), SINK_RETRY, "HTTP status 425" },
		{ WITH_STATUS("429"), SINK_RETRY, "HTTP status 429" },
		{ WITH_STATUS("500"), SINK_RETRY, "HTTP status 500" },
		{ WITH_STATUS("503"), SINK_RETRY, "HTTP status 503" },
		{ WITH_STATUS("999"), SINK_RETRY, "HTTP status 999" },
	};
	struct sink_got g;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		g = answered_with(*state, cases[i].reply);
		assert_int_equal(g.outcome, cases[i].outcome);
		assert_string_equal(g.reason, cases[i].reason);
		assert_int_equal(g.retry_after_ms, 0);
	}
}

static void
test_redirects_are_not_followed(void **state)
{
	const struct script_step steps[2] = {
		{ .reply = "HTTP/1.1 307 x\r\nLocation: /other\r\n"
			   "Content-Length: 0\r\n\r\n" },
		{ .reply = OK },
	};
	struct sink_world *w = *state;

	start(w, steps, 2, "allow_private = yes");
	assert_int_equal(sink_world_deliver(w, &sink_world_event).outcome,
			 SINK_RETRY);
	assert_int_equal(script_requests(script), 1);
}

static uint64_t
asked_to_wait(struct sink_world *w, const char *value)
{
	char reply[200];

	snprintf(reply, sizeof(reply),
		 "HTTP/1.1 503 x\r\nRetry-After: %s\r\n"
		 "Content-Length: 0\r\n\r\n",
		 value);
	return answered_with(w, reply).retry_after_ms;
}

static void
test_retry_after_is_told(void **state)
{
	char date[64];
	time_t later = time(NULL) + 7200;
	struct tm tm;

	assert_int_equal(asked_to_wait(*state, "120"), 120000);
	assert_int_equal(asked_to_wait(*state, "0"), 0);
	assert_int_equal(asked_to_wait(*state, "-5"), 0);
	assert_int_equal(asked_to_wait(*state, "soon"), 0);
	/* However long it asks for, a day is enough. */
	assert_int_equal(asked_to_wait(*state, "99999999999999999999"),
			 24 * 3600000);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT",
		 gmtime_r(&later, &tm));
	assert_in_range(asked_to_wait(*state, date), 1000, 7200000);
	assert_int_equal(asked_to_wait(*state, "Wed, 21 Oct 2015 07:28:00 GMT"),
			 0);
}

static void
test_nobody_there_is_down(void **state)
{
	struct sink_world *w = *state;
	struct sink_got g;

	assert_true(sink_world_open(
		w, "type = webhook\nallow_private = yes\n"
		   "url = http://127.0.0.1:9/\nsecret = " SECRET));
	g = sink_world_deliver(w, &sink_world_event);
	assert_int_equal(g.outcome, SINK_DOWN);
	assert_string_not_equal(g.reason, "");
}

static void
test_private_address_is_not_connected_to(void **state)
{
	const struct script_step step = { .reply = OK };
	struct sink_world *w = *state;
	struct sink_got g;

	start(w, &step, 1, "");
	g = sink_world_deliver(w, &sink_world_event);
	assert_int_equal(g.outcome, SINK_DOWN);
	assert_string_equal(g.reason,
			    "the address 127.0.0.1 is not a public one");
	assert_int_equal(script_connections(script), 0);
}

/* By name, and written as what some programs do not take for an address. */
static void
test_other_words_for_the_loopback_are_not_either(void **state)
{
	static const char *const words[] = {
		"localhost",	      "0x7f000001", "2130706433", "127.1",
		"[::ffff:127.0.0.1]", "[::1]",	    "0"
	};
	struct sink_world *w = *state;
	char lines[300];
	struct sink_got g;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		snprintf(lines, sizeof(lines),
			 "type = webhook\nurl = http://%s:9/\nsecret = " SECRET,
			 words[i]);
		assert_true(sink_world_open(w, lines));
		g = sink_world_deliver(w, &sink_world_event);
		assert_int_equal(g.outcome, SINK_DOWN);
		if (!strstr(g.reason, "is not a public one"))
			fail_msg("%s: %s", words[i], g.reason);
	}
}

/* A store may be reached there, and its connection is still open. */
static void
test_kept_connection_of_another_is_no_way_around(void **state)
{
	const struct script_step steps[3] = { { .reply = OK },
					      { .reply = OK },
					      { .reply = OK } };
	struct sink_world *w = *state;
	struct sink_got g;
	char lines[300];

	start(w, steps, 3, "allow_private = yes");
	assert_int_equal(sink_world_deliver(w, &sink_world_event).outcome,
			 SINK_DELIVERED);
	snprintf(lines, sizeof(lines),
		 "type = webhook\nurl = http://127.0.0.1:%u/\nsecret = " SECRET,
		 script_port(script));
	assert_true(sink_world_open(w, lines));
	g = sink_world_deliver(w, &sink_world_event);
	assert_int_equal(g.outcome, SINK_DOWN);
	assert_string_equal(g.reason,
			    "the address 127.0.0.1 is not a public one");
	assert_int_equal(script_requests(script), 1);
}

/* On a slow machine not even the connection may be there in time. */
static void
test_silent_receiver_is_given_up(void **state)
{
	const struct script_step step = { .reply = OK, .holds = true };
	struct sink_world *w = *state;
	struct sink_got g;

	start(w, &step, 1, "allow_private = yes\ntimeout = 100ms");
	g = sink_world_deliver(w, &sink_world_event);
	assert_true(g.outcome == SINK_RETRY || g.outcome == SINK_DOWN);
	assert_string_not_equal(g.reason, "");
}

/* It has said that it has the event; that it says no more changes nothing. */
static void
test_receiver_that_hangs_in_its_answer_has_the_event(void **state)
{
	enum { TRIES = 20 };
	struct script_step steps[TRIES];
	struct sink_world *w = *state;
	struct sink_got g = { .outcome = SINK_DOWN };

	for (int i = 0; i < TRIES; i++)
		steps[i] = (struct script_step){
			.reply = "HTTP/1.1 200 OK\r\n"
				 "Content-Length: 10\r\n\r\nok"
		};
	start(w, steps, TRIES, "allow_private = yes\ntimeout = 500ms");
	/* Until the machine is quick enough for its headers to come in time. */
	for (int i = 0; i < TRIES && g.outcome != SINK_DELIVERED; i++)
		g = sink_world_deliver(w, &sink_world_event);
	assert_int_equal(g.outcome, SINK_DELIVERED);
}

static void
test_half_a_header_is_no_answer(void **state)
{
	const struct script_step step = {
		.reply = "HTTP/1.1 200 OK\r\nContent-Le", .closes = true
	};
	struct sink_world *w = *state;

	start(w, &step, 1, "allow_private = yes");
	assert_int_equal(sink_world_deliver(w, &sink_world_event).outcome,
			 SINK_RETRY);
}

/* Answers one request with a body of which a byte comes now and then. */
struct dripper {
	pthread_t thread;
	int listener, stop[2];
	unsigned port;
};

static void *
drip(void *arg)
{
	struct dripper *d = arg;
	struct pollfd p = { .fd = d->stop[0], .events = POLLIN };
	const char *head = "HTTP/1.1 500 x\r\nContent-Length: 60000\r\n\r\n";
	char request[10000];
	int fd = accept(d->listener, NULL, NULL);

	if (recv(fd, request, sizeof(request), 0) > 0 &&
	    send(fd, head, strlen(head), MSG_NOSIGNAL) > 0)
		while (poll(&p, 1, 10) == 0)
			if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
				break;
	close(fd);
	return NULL;
}

static void
dripper_start(struct dripper *d)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	d->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(d->listener, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(d->listener, 1), 0);
	getsockname(d->listener, (struct sockaddr *)&sa, &len);
	d->port = ntohs(sa.sin_port);
	assert_int_equal(pipe(d->stop), 0);
	assert_int_equal(pthread_create(&d->thread, NULL, drip, d), 0);
}

static void
dripper_stop(struct dripper *d)
{
	assert_int_equal(write(d->stop[1], "x", 1), 1);
	pthread_join(d->thread, NULL);
	close(d->stop[0]);
	close(d->stop[1]);
	close(d->listener);
}

/* There is progress all the time, and yet it must end. */
static void
test_dripping_receiver_is_given_up(void **state)
{
	struct sink_world *w = *state;
	struct dripper d;
	struct sink_got g;
	char lines[300];

	dripper_start(&d);
	snprintf(lines, sizeof(lines),
		 "type = webhook\nurl = http://127.0.0.1:%u/\nsecret = " SECRET
		 "\nallow_private = yes\ntimeout = 1s",
		 d.port);
	assert_true(sink_world_open(w, lines));
	g = sink_world_deliver(w, &sink_world_event);
	assert_int_not_equal(g.outcome, SINK_DELIVERED);
	dripper_stop(&d);
}

/* The connection of what is cut cannot be used again. */
static void
test_endless_answers_are_cut(void **state)
{
	char *long_one = mem_alloc(300000);
	const struct script_step steps[2] = { { .reply = long_one },
					      { .reply = OK } };
	struct sink_world *w = *state;

	strcpy(long_one, "HTTP/1.1 500 x\r\nContent-Length: 200000\r\n\r\n");
	memset(long_one + strlen(long_one), 'x', 200000);
	start(w, steps, 2, "allow_private = yes");
	assert_int_equal(sink_world_deliver(w, &sink_world_event).outcome,
			 SINK_RETRY);
	assert_int_equal(sink_world_deliver(w, &sink_world_event).outcome,
			 SINK_DELIVERED);
	assert_int_equal(script_connections(script), 2);
	memcpy(long_one, "HTTP/1.1 200 x", 14);
	assert_int_equal(answered_with(w, long_one).outcome, SINK_DELIVERED);
	memset(long_one, 'x', 290000);
	memcpy(long_one, "HTTP/1.1 200 OK\r\nx: ", 20);
	assert_int_equal(answered_with(w, long_one).outcome, SINK_RETRY);
	free(long_one);
}

static void
test_no_http_is_no_delivery(void **state)
{
	const struct script_step steps[2] = {
		{ .reply = "220 mail.example ESMTP\r\n", .closes = true },
		{ .reply = NULL },
	};
	struct sink_world *w = *state;

	start(w, steps, 2, "allow_private = yes");
	assert_int_equal(sink_world_deliver(w, &sink_world_event).outcome,
			 SINK_RETRY);
	assert_int_equal(sink_world_deliver(w, &sink_world_event).outcome,
			 SINK_RETRY);
}

static void
test_forgotten_events_are_silent(void **state)
{
	const struct script_step steps[3] = { { .reply = OK, .holds = true },
					      { .reply = OK, .holds = true },
					      { .reply = OK, .holds = true } };
	struct sink_world *w = *state;
	struct sink_got never = { 0 }, kept = { 0 };
	uint64_t end = clock_ms() + 60000;

	start(w, steps, 3, "allow_private = yes");
	sink_world_send(w, &sink_world_event, &never);
	sink_world_send(w, &sink_world_event, &kept);
	sink_world_send(w, &sink_world_event, &never);
	while (script_held(script) < 3 && clock_ms() < end)
		loop_turn(w->loop, 10);
	sink_forget(w->sink, &never);
	script_release(script);
	sink_world_wait(w, &kept);
	assert_int_equal(kept.outcome, SINK_DELIVERED);
	assert_int_equal(never.n, 0);
	/* What is under way when it is closed is given up. */
	sink_world_send(w, &sink_world_event, &never);
	sink_close(w->sink);
	w->sink = NULL;
	loop_turn(w->loop, 10);
	assert_int_equal(never.n, 0);
}

static void
test_wrong_settings_are_told(void **state)
{
	static const struct {
		const char *lines, *complaint;
	} cases[] = {
		{ "", "[sink.test] type: it is missing; it has no default\n" },
		{ "type = pigeon\nwings = 2",
		  "[sink.test] type: found \"pigeon\", expected one of: "
		  "webhook" },
		{ "type = webhook\nsecret = " SECRET,
		  "[sink.test] url: it is missing; it has no default\n" },
		{ "type = webhook\nurl = ftp://h/\nsecret = " SECRET,
		  "[sink.test] url: expected http[s]://" },
		{ "type = webhook\nurl = http://u:p@h/\nsecret = " SECRET,
		  "[sink.test] url: expected http[s]://" },
		{ "type = webhook\nurl = https://h/",
		  "[sink.test] secret: it is missing; it has no default\n" },
		{ "type = webhook\nurl = https://h/\nsecret = abc",
		  "[sink.test] secret: expected whsec_ and the base64 of 24 to "
		  "64 bytes\n" },
		{ "type = webhook\nurl = https://h/\nsecret = " SECRET
		  "\nsecret_old = x",
		  "[sink.test] secret_old: expected whsec_" },
		{ "type = webhook\nurl = https://h/\nsecret = " SECRET
		  "\nca_file = /no/such",
		  "[sink.test] ca_file: expected a file that can be read\n" },
		{ "type = webhook\nurl = https://h/\nsecret = " SECRET
		  "\ntimeout = 1",
		  "[sink.test] timeout: found \"1\", expected a time with ms, "
		  "s, m, h or d from 100ms to 5m\n" },
		{ "type = webhook\nurl = https://h/\nsecret = " SECRET
		  "\nconcurrency = 65",
		  "[sink.test] concurrency: found \"65\", expected a whole "
		  "number from 1 to 64\n" },
		{ "type = webhook\nurl = https://h/\nsecret = " SECRET
		  "\nbrokers = b",
		  "[sink.test] brokers: unknown key (line 5)\n" },
	};
	struct sink_world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_false(sink_world_check(w, cases[i].lines));
		if (strncmp(w->complaints, cases[i].complaint,
			    strlen(cases[i].complaint)) != 0)
			fail_msg("%s", w->complaints);
	}
	assert_true(sink_world_check(
		w, "type = webhook\nurl = https://h:444/p?q\nsecret = " SECRET
		   "\nsecret_old = " OTHER "\ncontent = structured\n"
		   "timeout = 30s\nconcurrency = 1\nallow_private = no\n"
		   "verify_tls = yes"));
}

#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_structured_event_is_the_signed_body),
		T(test_binary_event_has_its_attributes_in_headers),
		T(test_two_secrets_sign_while_they_rotate),
		T(test_statuses_mean_what_the_header_says),
		T(test_redirects_are_not_followed),
		T(test_retry_after_is_told),
		T(test_nobody_there_is_down),
		T(test_private_address_is_not_connected_to),
		T(test_other_words_for_the_loopback_are_not_either),
		T(test_kept_connection_of_another_is_no_way_around),
		T(test_silent_receiver_is_given_up),
		T(test_receiver_that_hangs_in_its_answer_has_the_event),
		T(test_half_a_header_is_no_answer),
		T(test_dripping_receiver_is_given_up),
		T(test_endless_answers_are_cut),
		T(test_no_http_is_no_delivery),
		T(test_forgotten_events_are_silent),
		T(test_wrong_settings_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
