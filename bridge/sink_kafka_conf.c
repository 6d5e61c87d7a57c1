/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/sink_kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

#define PREFIX "kafka."
#define CONCURRENCY 2000
#define CONCURRENCY_MAX 10000
#define TIMEOUT_MS 30000
#define TIMEOUT_MAX_MS (5 * 60 * 1000)
#define TOPIC_MAX 249
#define QUEUE_KBYTES "65536"
#define ERROR_MAX 300

/* What the sink's promises rest on, and what has a key of its own. */
static const struct {
	const char *name, *why;
} forbidden[] = {
	{ "acks", "it is always all" },
	{ "bootstrap.servers", "it is what brokers says" },
	{ "delivery.report.only.error", "it is always false" },
	{ "delivery.timeout.ms", "it is what timeout says" },
	{ "enabled_events", "reports come one way only" },
	{ "enable.gapless.guarantee", "it is always false" },
	{ "enable.idempotence", "it is always true" },
	{ "max.in.flight", "idempotence decides about it" },
	{ "max.in.flight.requests.per.connection",
	  "idempotence decides about it" },
	{ "message.send.max.retries", "idempotence decides about it" },
	{ "message.timeout.ms", "it is what timeout says" },
	{ "metadata.broker.list", "it is what brokers says" },
	{ "plugin.library.paths", "no other code is loaded" },
	{ "produce.offset.report", "nobody reads it" },
	{ "queue.buffering.max.kbytes", "concurrency decides about it" },
	{ "queue.buffering.max.messages", "concurrency decides about it" },
	{ "queuing.strategy", "it is always fifo" },
	{ "request.required.acks", "it is always all" },
	{ "retries", "idempotence decides about it" },
	{ "transactional.id", "there are no transactions" },
};

struct reading {
	struct sink_conf *f;
	struct kafka_settings *s;
};

static void
set(struct kafka_settings *s, const char *name, const char *value)
{
	char error[ERROR_MAX];

	if (rd_kafka_conf_set(s->conf, name, value, error, sizeof(error)) !=
	    RD_KAFKA_CONF_OK)
		abort(); /* ours, and known to every librdkafka */
}

static void
set_number(struct kafka_settings *s, const char *name, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	set(s, name, text);
}

static void
complain(const struct reading *r, const char *key, const char *why)
{
	conf_complain(r->f->conf, r->f->section, key, "%s", why);
	r->f->bad = true;
}

static bool
is_forbidden(const struct reading *r, const char *key, const char *name)
{
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		if (strcmp(forbidden[i].name, name) != 0)
			continue;
		conf_complain(r->f->conf, r->f->section, key,
			      "cannot be set: %s", forbidden[i].why);
		r->f->bad = true;
		return true;
	}
	return false;
}

/* "ssl.ca.location" and the like; librdkafka looks only when it connects. */
static bool
is_missing_file(const char *name, const char *value)
{
	const char *end = strrchr(name, '.');

	return end && strcmp(end, ".location") == 0 &&
	       strncmp(name, "ssl.", 4) == 0 && strcmp(value, "probe") != 0 &&
	       access(value, R_OK) != 0;
}

/* librdkafka's words may repeat the value, which may be a secret. */
static bool
is_secret(const char *name)
{
	return strstr(name, "password") || strstr(name, "secret") ||
	       strstr(name, ".pem") || strstr(name, "oauthbearer.config");
}

static void
on_property(void *arg, const char *key)
{
	const struct reading *r = arg;
	const char *name = key + strlen(PREFIX);
	const char *value = conf_str(r->f->conf, r->f->section, key, "");
	char error[ERROR_MAX] = "";

	if (is_forbidden(r, key, name))
		return;
	if (is_missing_file(name, value))
		complain(r, key, "expected a file that can be read");
	else if (rd_kafka_conf_set(r->s->conf, name, value, error,
				   sizeof(error)) != RD_KAFKA_CONF_OK)
		complain(r, key,
			 is_secret(name) ? "librdkafka refuses it" : error);
}

static bool
topic_is_good(const char *topic)
{
	size_t n = strspn(topic, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789._-");

	return n > 0 && n <= TOPIC_MAX && topic[n] == '\0' &&
	       strcmp(topic, ".") != 0 && strcmp(topic, "..") != 0;
}

static void
read_topic(struct kafka_settings *s, struct sink_conf *f)
{
	const char *topic = sink_conf_need(f, "topic");

	s->topic = mem_strdup(topic);
	if (*topic && !topic_is_good(topic))
		sink_conf_expected(f, "topic",
				   "1 to 249 letters, digits, '.', '_', '-'");
}

bool
kafka_settings_read(struct kafka_settings *s, struct sink_conf *f)
{
	static const char *const keys[] = { "subject", "partitionkey", NULL };
	struct reading r = { .f = f, .s = s };

	s->conf = rd_kafka_conf_new();
	s->concurrency = sink_conf_concurrency(f, CONCURRENCY, CONCURRENCY_MAX);
	s->binary = sink_conf_binary(f, true);
	s->by_partitionkey =
		conf_choice(f->conf, f->section, "record_key", keys, 0) == 1;
	read_topic(s, f);
	/* These may be set otherwise. */
	set(s, "client.id", "sluice");
	set(s, "socket.keepalive.enable", "true");
	conf_keys(f->conf, f->section, PREFIX, on_property, &r);
	set(s, "bootstrap.servers", sink_conf_need(f, "brokers"));
	set(s, "enable.idempotence", "true");
	set(s, "acks", "all");
	set_number(s, "message.timeout.ms",
		   sink_conf_time(f, "timeout", TIMEOUT_MS, TIMEOUT_MAX_MS));
	set_number(s, "queue.buffering.max.messages", s->concurrency + 1);
	set(s, "queue.buffering.max.kbytes", QUEUE_KBYTES);
	return !f->bad;
}

void
kafka_settings_free(struct kafka_settings *s)
{
	free(s->topic);
	if (s->conf)
		rd_kafka_conf_destroy(s->conf);
}
