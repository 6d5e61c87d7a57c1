/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers of sinks, and what they have in common. */
#ifndef BRIDGE_SINK_DRIVERS_H
#define BRIDGE_SINK_DRIVERS_H

#include <stdbool.h>

#include "bridge/sink.h"

#define SINK_CLOUDEVENTS "application/cloudevents+json; charset=utf-8"

extern const struct sink_ops sink_webhook;
#ifdef HAVE_KAFKA
extern const struct sink_ops sink_kafka;
#endif

static inline struct sink_base *
sink_base(struct sink *s)
{
	return (struct sink_base *)s;
}

/* A driver that reads its settings: complaints set `bad`. */
struct sink_conf {
	struct conf *conf;
	const char *section;
	bool bad;
};

/* sink_conf.c */
void sink_conf_expected(struct sink_conf *f, const char *key,
			const char *expected);
const char *sink_conf_need(struct sink_conf *f, const char *key);
unsigned sink_conf_time(struct sink_conf *f, const char *key, unsigned def,
			unsigned max); /* ms */
unsigned sink_conf_concurrency(struct sink_conf *f, unsigned def, unsigned max);

/* content = structured | binary, of CloudEvents. */
bool sink_conf_binary(struct sink_conf *f, bool def);

/* The attributes of an event, in one order; NULL where it has none. */
struct sink_attribute {
	const char *name; /* "id", "source", ... */
	const char *value;
};
#define SINK_ATTRIBUTES 7
void sink_attributes(const struct sink_event *e,
		     struct sink_attribute out[SINK_ATTRIBUTES]);

#endif
