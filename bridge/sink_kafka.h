/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the Kafka sink, for bridge/sink_kafka*.c only: settings, a
 * producer on the loop, and the sink that says what became of each record.
 */
#ifndef BRIDGE_SINK_KAFKA_H
#define BRIDGE_SINK_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "bridge/sink_drivers.h"

/* sink_kafka_conf.c */
struct kafka_settings {
	char *topic;
	rd_kafka_conf_t *conf;
	unsigned concurrency;
	bool binary;
	bool by_partitionkey; /* the record's key, instead of the subject */
};

/* False when there are complaints; free it also then. */
bool kafka_settings_read(struct kafka_settings *s, struct sink_conf *f);
void kafka_settings_free(struct kafka_settings *s);

/*
 * sink_kafka_producer.c: a producer of librdkafka whose reports come from the
 * loop. It makes itself anew after an error that librdkafka calls fatal, and
 * whenever it could not be made.
 */
struct kafka_producer;

struct kafka_report {
	void *message; /* as it was given to kafka_produce() */
	rd_kafka_resp_err_t err;
	const rd_kafka_message_t *record;
	const char *why; /* "" when delivered */
};

/* Called while the producer is polled: it must not be closed from here. */
typedef void kafka_report_fn(void *arg, const struct kafka_report *r);
/* Called when a series of reports is over; it may be closed. */
typedef void kafka_polled_fn(void *arg);

struct kafka_producer_config {
	const struct sink_env *env;
	const char *name; /* for the log; borrowed */
	const rd_kafka_conf_t *conf;
	bool single; /* one record a request */
	kafka_report_fn *report;
	kafka_polled_fn *polled;
	void *arg;
};

struct kafka_producer *kafka_producer_new(
	const struct kafka_producer_config *cfg);
/* What was not reported never will be; NULL is fine. */
void kafka_producer_free(struct kafka_producer *p);

/*
 * Takes over headers if it succeeds; a report follows then, and only then.
 * *why: valid until the next call.
 */
rd_kafka_resp_err_t kafka_produce(struct kafka_producer *p,
				  const rd_kafka_message_t *record,
				  const char *topic,
				  rd_kafka_headers_t *headers,
				  const char **why);

#endif
