/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kafka sink against librdkafka's own broker, which lives in a client of
 * the test's and fails where it is told to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "bridge/sink.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/unit/sink_world.h"

#define PRODUCE 0 /* a request's number in the protocol */
#define INIT_PRODUCER_ID 22
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static rd_kafka_t *owner;
static rd_kafka_mock_cluster_t *cluster;
static rd_kafka_t *consumer;
static char topic[32];

/* Ending a cluster takes a second, so there is one for all. */
static int
begin_all(void **state)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char error[300];

	(void)state;
	rd_kafka_conf_set(conf, "log_level", "3", NULL, 0);
	owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	assert_non_null(owner);
	cluster = rd_kafka_mock_cluster_new(owner, 1);
	assert_non_null(cluster);
	return 0;
}

static int
end_all(void **state)
{
	(void)state;
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(owner);
	return 0;
}

static int
set_up(void **state)
{
	static unsigned n;

	snprintf(topic, sizeof(topic), "events-%u", ++n);
	rd_kafka_mock_topic_create(cluster, topic, 1, 1);
	consumer = NULL;
	return sink_world_new(state);
}

static int
tear_down(void **state)
{
	sink_world_free(state);
	if (consumer)
		rd_kafka_destroy(consumer);
	rd_kafka_mock_broker_set_up(cluster, 1);
	rd_kafka_mock_clear_request_errors(cluster, PRODUCE);
	rd_kafka_mock_clear_request_errors(cluster, INIT_PRODUCER_ID);
	return 0;
}

static void
start(struct sink_world *w, const char *more)
{
	char lines[1000];

	snprintf(lines, sizeof(lines),
		 "type = kafka\nbrokers = %s\ntopic = %s\n%s\n",
		 rd_kafka_mock_cluster_bootstraps(cluster), topic, more);
	if (!sink_world_open(w, lines))
		fail_msg("%s", w->complaints);
}

/* Nothing of what the events of a test do may take as long as this. */
#define PATIENT "timeout = 120s"

static rd_kafka_message_t *
next_record(void)
{
	rd_kafka_topic_partition_list_t *all;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_message_t *m;
	uint64_t end = clock_ms() + 120000;

	if (!consumer) {
		rd_kafka_conf_set(conf, "group.id", "test", NULL, 0);
		rd_kafka_conf_set(conf, "bootstrap.servers",
				  rd_kafka_mock_cluster_bootstraps(cluster),
				  NULL, 0);
		consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
		assert_non_null(consumer);
		all = rd_kafka_topic_partition_list_new(1);
		rd_kafka_topic_partition_list_add(all, topic, 0)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
		rd_kafka_assign(consumer, all);
		rd_kafka_topic_partition_list_destroy(all);
	} else {
		rd_kafka_conf_destroy(conf);
	}
	while (clock_ms() < end) {
		m = rd_kafka_consumer_poll(consumer, 1000);
		if (m && !m->err)
			return m;
		if (m)
			rd_kafka_message_destroy(m);
	}
	fail_msg("no record came");
	return NULL;
}

static void
check_header(const rd_kafka_message_t *m, const char *name, const char *value)
{
	rd_kafka_headers_t *headers;
	const void *found = NULL;
	size_t n = 0;

	assert_int_equal(rd_kafka_message_headers(m, &headers), 0);
	if (rd_kafka_header_get_last(headers, name, &found, &n) != 0) {
		if (value)
			fail_msg("no header %s", name);
		return;
	}
	if (!value || n != strlen(value) || memcmp(found, value, n) != 0)
		fail_msg("%s: %.*s", name, (int)n, (const char *)found);
}

static void
test_binary_event_has_its_attributes_in_headers(void **state)
{
	const struct sink_event *e = &sink_world_event;
	struct sink_world *w = *state;
	rd_kafka_message_t *m;
	struct sink_got g;

	start(w, PATIENT);
	assert_string_equal(sink_type(w->sink), "kafka");
	assert_int_equal(sink_concurrency(w->sink), 2000);
	g = sink_world_deliver(w, e);
	assert_string_equal(g.reason, "");
	assert_int_equal(g.outcome, SINK_DELIVERED);
	m = next_record();
	assert_int_equal(m->key_len, strlen(e->subject));
	assert_memory_equal(m->key, e->subject, m->key_len);
	assert_int_equal(m->len, e->data_len);
	assert_memory_equal(m->payload, e->data, m->len);
	check_header(m, "content-type", "application/json");
	check_header(m, "ce_specversion", "1.0");
	check_header(m, "ce_id", e->id);
	check_header(m, "ce_source", e->source);
	check_header(m, "ce_type", e->type);
	check_header(m, "ce_time", e->time);
	check_header(m, "ce_subject", e->subject);
	check_header(m, "ce_partitionkey", e->partitionkey);
	rd_kafka_message_destroy(m);
}

static void
test_structured_event_is_the_value(void **state)
{
	const struct sink_event *e = &sink_world_event;
	struct sink_world *w = *state;
	rd_kafka_message_t *m;

	start(w, PATIENT "\ncontent = structured\nrecord_key = partitionkey");
	assert_int_equal(sink_world_deliver(w, e).outcome, SINK_DELIVERED);
	m = next_record();
	assert_int_equal(m->key_len, strlen(e->partitionkey));
	assert_memory_equal(m->key, e->partitionkey, m->key_len);
	assert_int_equal(m->len, e->json_len);
	assert_memory_equal(m->payload, e->json, m->len);
	check_header(m, "content-type",
		     "application/cloudevents+json; charset=utf-8");
	check_header(m, "ce_id", NULL);
	rd_kafka_message_destroy(m);
}

/* librdkafka comes back at its own pace. */
static struct sink_got
deliver_in_the_end(struct sink_world *w)
{
	uint64_t end = clock_ms() + 120000;
	struct sink_got g = { .outcome = SINK_DOWN };

	while (g.outcome == SINK_DOWN && clock_ms() < end) {
		loop_turn(w->loop, 10);
		g = sink_world_deliver(w, &sink_world_event);
	}
	return g;
}

/* An event of its own for each number. */
static struct sink_event
numbered(unsigned i, char id[16])
{
	struct sink_event e = sink_world_event;

	snprintf(id, 16, "%05u", i);
	e.id = id;
	e.subject = id;
	return e;
}

static void
test_many_at_once_arrive_in_order(void **state)
{
	enum { N = 2000 };
	struct sink_world *w = *state;
	struct sink_got *got = mem_array(N, sizeof(*got));
	char id[16];

	start(w, PATIENT);
	for (unsigned i = 0; i < N; i++) {
		struct sink_event e = numbered(i, id);

		sink_world_send(w, &e, &got[i]);
	}
	for (unsigned i = 0; i < N; i++) {
		sink_world_wait(w, &got[i]);
		assert_int_equal(got[i].outcome, SINK_DELIVERED);
	}
	for (unsigned i = 0; i < N; i++) {
		rd_kafka_message_t *m = next_record();

		numbered(i, id);
		check_header(m, "ce_id", id);
		rd_kafka_message_destroy(m);
	}
	free(got);
}

static void
test_broker_away_is_down_and_back_again(void **state)
{
	struct sink_world *w = *state;
	struct sink_got g;

	start(w, "timeout = 1s\nkafka.reconnect.backoff.max.ms = 100");
	rd_kafka_mock_broker_set_down(cluster, 1);
	g = sink_world_deliver(w, &sink_world_event);
	assert_int_equal(g.outcome, SINK_DOWN);
	assert_non_null(strstr(g.reason, "timed out"));
	rd_kafka_mock_broker_set_up(cluster, 1);
	g = deliver_in_the_end(w);
	assert_int_equal(g.outcome, SINK_DELIVERED);
}

static void
test_too_large_for_us_is_refused_alone(void **state)
{
	struct sink_world *w = *state;
	struct sink_event large = sink_world_event;
	struct sink_got g[2] = { 0 };
	char *data = mem_alloc(20001);

	memset(data, 'x', 20000);
	large.data = data;
	large.data_len = 20000;
	start(w, PATIENT "\nkafka.message.max.bytes = 10000");
	sink_world_send(w, &large, &g[0]);
	sink_world_send(w, &sink_world_event, &g[1]);
	sink_world_wait(w, &g[0]);
	sink_world_wait(w, &g[1]);
	assert_int_equal(g[0].outcome, SINK_REFUSED);
	assert_non_null(strstr(g[0].reason, "size too large"));
	assert_int_equal(g[1].outcome, SINK_DELIVERED);
	free(data);
}

static void
push_error(int request, rd_kafka_resp_err_t err, size_t times)
{
	for (size_t i = 0; i < times; i++)
		rd_kafka_mock_push_request_errors(cluster, (int16_t)request, 1,
						  err);
}

/* Each is small enough; together they were not. */
static void
test_refused_batch_is_sent_again_one_by_one(void **state)
{
	enum { N = 20 };
	struct sink_world *w = *state;
	struct sink_got got[N] = { 0 };
	char id[16];

	start(w, PATIENT "\nkafka.linger.ms = 500");
	push_error(PRODUCE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1);
	for (unsigned i = 0; i < N; i++) {
		struct sink_event e = numbered(i, id);

		sink_world_send(w, &e, &got[i]);
	}
	for (unsigned i = 0; i < N; i++) {
		sink_world_wait(w, &got[i]);
		assert_string_equal(got[i].reason, "");
		assert_int_equal(got[i].outcome, SINK_DELIVERED);
	}
	for (unsigned i = 0; i < N; i++) {
		rd_kafka_message_t *m = next_record();

		numbered(i, id);
		check_header(m, "ce_id", id);
		assert_int_equal(m->key_len, strlen(id));
		assert_int_equal(m->len, sink_world_event.data_len);
		rd_kafka_message_destroy(m);
	}
}

static void
test_what_a_broker_refuses_alone_is_refused(void **state)
{
	static const rd_kafka_resp_err_t errors[] = {
		RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
		RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
		RD_KAFKA_RESP_ERR_INVALID_RECORD,
	};
	struct sink_world *w = *state;
	struct sink_got g;

	start(w, PATIENT);
	for (size_t i = 0; i < COUNT(errors); i++) {
		push_error(PRODUCE, errors[i], 2);
		g = sink_world_deliver(w, &sink_world_event);
		assert_int_equal(g.outcome, SINK_REFUSED);
		assert_string_not_equal(g.reason, "");
	}
	g = sink_world_deliver(w, &sink_world_event);
	assert_int_equal(g.outcome, SINK_DELIVERED);
}

static void
test_rights_that_lack_are_not_the_events_fault(void **state)
{
	struct sink_world *w = *state;
	struct sink_got g;

	start(w, PATIENT);
	push_error(PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
	g = sink_world_deliver(w, &sink_world_event);
	assert_int_equal(g.outcome, SINK_DOWN);
	assert_non_null(strstr(g.reason, "authorization failed"));
	g = deliver_in_the_end(w);
	assert_int_equal(g.outcome, SINK_DELIVERED);
}

static void
test_passing_troubles_are_librdkafkas(void **state)
{
	struct sink_world *w = *state;

	start(w, PATIENT);
	push_error(PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 1);
	push_error(PRODUCE, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 1);
	push_error(PRODUCE, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, 1);
	assert_int_equal(sink_world_deliver(w, &sink_world_event).outcome,
			 SINK_DELIVERED);
}

/* After such an error librdkafka's producer never sends again. */
static void
test_failed_producer_is_replaced(void **state)
{
	struct sink_world *w = *state;
	struct sink_got g;

	start(w, PATIENT);
	push_error(INIT_PRODUCER_ID,
		   RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, 1);
	g = sink_world_deliver(w, &sink_world_event);
	assert_int_equal(g.outcome, SINK_DOWN);
	assert_string_not_equal(g.reason, "");
	g = deliver_in_the_end(w);
	assert_int_equal(g.outcome, SINK_DELIVERED);
}

static void
test_what_librdkafka_refuses_as_a_whole_is_down(void **state)
{
	struct sink_world *w = *state;
	struct sink_got g;

	/* Each is a good value; together they are not. */
	start(w, "kafka.security.protocol = SASL_PLAINTEXT\n"
		 "kafka.sasl.mechanisms = SCRAM-SHA-256");
	for (int i = 0; i < 2; i++) {
		g = sink_world_deliver(w, &sink_world_event);
		assert_int_equal(g.outcome, SINK_DOWN);
		assert_non_null(strstr(g.reason, "sasl.username"));
	}
}

static void
test_forgotten_events_are_silent(void **state)
{
	struct sink_world *w = *state;
	struct sink_event large = sink_world_event;
	struct sink_got never = { 0 }, kept = { 0 };
	char *data = mem_alloc(2000001);

	start(w, PATIENT);
	large.data = data;
	large.data_len = 2000000;
	sink_world_send(w, &sink_world_event, &never);
	sink_world_send(w, &large, &never); /* done, not told yet */
	sink_world_send(w, &sink_world_event, &kept);
	sink_forget(w->sink, &never);
	sink_world_wait(w, &kept);
	assert_int_equal(kept.outcome, SINK_DELIVERED);
	assert_int_equal(never.n, 0);
	/* What is under way when it is closed is given up. */
	sink_world_send(w, &sink_world_event, &never);
	sink_world_send(w, &large, &never);
	sink_close(w->sink);
	w->sink = NULL;
	loop_turn(w->loop, 10);
	assert_int_equal(never.n, 0);
	free(data);
}

struct closing {
	struct sink_world *world;
	unsigned n;
};

static void
close_in_completion(void *arg, const struct sink_result *r)
{
	struct closing *c = arg;

	(void)r;
	c->n++;
	sink_close(c->world->sink);
	c->world->sink = NULL;
}

static void
test_sink_may_be_closed_by_a_completion(void **state)
{
	struct sink_world *w = *state;
	struct closing c = { .world = w };
	uint64_t end = clock_ms() + 120000;

	start(w, PATIENT);
	for (int i = 0; i < 10; i++)
		sink_send(w->sink, &sink_world_event, close_in_completion, &c);
	while (!c.n && clock_ms() < end)
		loop_turn(w->loop, 1000);
	loop_turn(w->loop, 10);
	assert_int_equal(c.n, 1);
}

#define MOST "type = kafka\nbrokers = h:1\ntopic = t\n"

static void
test_wrong_settings_are_told(void **state)
{
	static const struct {
		const char *lines, *complaint;
	} cases[] = {
		{ "type = kafka\ntopic = t",
		  "[sink.test] brokers: it is missing; it has no default\n" },
		{ "type = kafka\nbrokers = h:1",
		  "[sink.test] topic: it is missing; it has no default\n" },
		{ "type = kafka\nbrokers = h:1\ntopic = a b",
		  "[sink.test] topic: expected 1 to 249 letters" },
		{ MOST "kafka.enable.idempotence = false",
		  "[sink.test] kafka.enable.idempotence: cannot be set: it is "
		  "always true\n" },
		{ MOST "kafka.acks = 1",
		  "[sink.test] kafka.acks: cannot be set: it is always all\n" },
		{ MOST "kafka.transactional.id = x",
		  "[sink.test] kafka.transactional.id: cannot be set" },
		{ MOST "kafka.message.timeout.ms = 1",
		  "[sink.test] kafka.message.timeout.ms: cannot be set: it is "
		  "what timeout says\n" },
		{ MOST "kafka.no.such = 1",
		  "[sink.test] kafka.no.such: No such configuration property" },
		{ MOST "kafka.linger.ms = soon",
		  "[sink.test] kafka.linger.ms: Invalid value" },
		{ MOST "kafka.ssl.ca.location = /no/such",
		  "[sink.test] kafka.ssl.ca.location: expected a file that can "
		  "be read\n" },
		{ MOST "kafka.sasl.passwords = s3cr3t",
		  "[sink.test] kafka.sasl.passwords: librdkafka refuses it\n" },
		{ MOST "timeout = 1",
		  "[sink.test] timeout: found \"1\", expected a time" },
		{ MOST "url = http://h/",
		  "[sink.test] url: unknown key (line 5)\n" },
	};
	struct sink_world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		if (sink_world_check(w, cases[i].lines))
			fail_msg("taken: %s", cases[i].lines);
		if (strncmp(w->complaints, cases[i].complaint,
			    strlen(cases[i].complaint)) != 0)
			fail_msg("%s", w->complaints);
		assert_null(strstr(w->complaints, "s3cr3t"));
	}
	if (!sink_world_check(
		    w, "type = kafka\nbrokers = h:1,[::1]:2\ntopic = a-B_c.9\n"
		       "content = binary\nrecord_key = subject\n"
		       "timeout = 30s\nconcurrency = 10000\n"
		       "kafka.security.protocol = SASL_SSL\n"
		       "kafka.sasl.mechanisms = SCRAM-SHA-512\n"
		       "kafka.sasl.username = u\nkafka.sasl.password = p\n"
		       "kafka.compression.codec = lz4\n"))
		fail_msg("%s", w->complaints);
}

#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_binary_event_has_its_attributes_in_headers),
		T(test_structured_event_is_the_value),
		T(test_many_at_once_arrive_in_order),
		T(test_broker_away_is_down_and_back_again),
		T(test_too_large_for_us_is_refused_alone),
		T(test_refused_batch_is_sent_again_one_by_one),
		T(test_what_a_broker_refuses_alone_is_refused),
		T(test_rights_that_lack_are_not_the_events_fault),
		T(test_passing_troubles_are_librdkafkas),
		T(test_failed_producer_is_replaced),
		T(test_what_librdkafka_refuses_as_a_whole_is_down),
		T(test_forgotten_events_are_silent),
		T(test_sink_may_be_closed_by_a_completion),
		T(test_wrong_settings_are_told),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
