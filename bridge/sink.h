/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sink: where events are delivered, a webhook or a Kafka topic. The outbox
 * decides what is sent when, and remembers it; a sink sends one event and says
 * what became of it, once, from the loop, never from inside the call. It
 * repeats nothing by itself beyond what its protocol does on its own.
 */
#ifndef BRIDGE_SINK_H
#define BRIDGE_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/work.h"

struct http;

#define SINK_NAME_MAX 32
#define SINK_REASON_MAX 200 /* bytes of text that say why */

/* A CloudEvent 1.0, as attributes and as its whole JSON text. */
struct sink_event {
	const char *id;
	const char *type;
	const char *source;
	const char *subject;
	const char *time;	  /* RFC 3339 */
	const char *partitionkey; /* "store/key": what order is kept by */
	const char *data;	  /* JSON text */
	size_t data_len;
	const char *json; /* structured mode: attributes and data */
	size_t json_len;
};

enum sink_outcome {
	SINK_DELIVERED,
	SINK_RETRY,   /* this event, later: see retry_after_ms */
	SINK_REFUSED, /* this event never: it is too large, or malformed */
	SINK_DOWN,    /* nobody is there, or no event can be sent at all */
	SINK_GONE     /* 410: no event of any kind is wanted any more */
};

struct sink_result {
	enum sink_outcome outcome;
	uint64_t retry_after_ms; /* what the peer asked for, or 0 */
	const char *reason;	 /* "" when delivered; for logs and tables */
};

typedef void sink_done_fn(void *arg, const struct sink_result *r);

struct sink; /* a driver's own, begins with struct sink_base */

struct sink_env {
	struct loop *loop; /* NULL: settings are checked, nothing is opened */
	struct work_pool *pool;
	struct http *http;
};

struct sink_ops {
	const char *type; /* "webhook", "kafka" */
	/*
	 * Reads the driver's keys of the section, `concurrency` among them.
	 * Complaints go into conf; ERR_INVALID: so bad that there is no sink.
	 * *out is NULL then, and where env->loop is.
	 */
	enum err (*open)(struct sink **out, struct conf *conf,
			 const char *section, const struct sink_env *env);
	/*
	 * Copies what it needs before it returns; the event is not kept. Must
	 * take as many at once as the outbox's concurrency for that sink says.
	 */
	void (*send)(struct sink *s, const struct sink_event *e,
		     sink_done_fn *fn, void *arg);
	/* No completion with this arg comes any more. */
	void (*forget)(struct sink *s, void *arg);
	/* Frees it; nothing is under way, or is given up. */
	void (*close)(struct sink *s);
};

struct sink_base {
	const struct sink_ops *ops;
	unsigned concurrency; /* events under way at once, at most */
};

/*
 * Opens the sink that a section describes with the driver of its `type`. The
 * caller frees *out with sink_close(). What is not a driver's (filters,
 * retry_for) is read by the outbox.
 */
enum err sink_open(struct sink **out, struct conf *conf, const char *section,
		   const struct sink_env *env);
void sink_send(struct sink *s, const struct sink_event *e, sink_done_fn *fn,
	       void *arg);
void sink_forget(struct sink *s, void *arg);
void sink_close(struct sink *s); /* NULL is fine */
const char *sink_type(const struct sink *s);
unsigned sink_concurrency(const struct sink *s);

#endif
