/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of sinks share: a loop, an HTTP client, a sink opened from the
 * text of a section, and what became of the events sent to it.
 */
#ifndef TESTS_UNIT_SINK_WORLD_H
#define TESTS_UNIT_SINK_WORLD_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/http.h"
#include "bridge/sink.h"
#include "lib/conf.h"
#include "lib/loop.h"

struct sink_world {
	struct loop *loop;
	struct http *http;
	struct work_pool *pool;
	struct conf *conf;
	struct sink *sink;
	char complaints[4096]; /* without the file's name, a line each */
};

struct sink_got {
	unsigned n;
	enum sink_outcome outcome;
	uint64_t retry_after_ms;
	char reason[SINK_REASON_MAX];
};

int sink_world_new(void **state); /* *state: struct sink_world */
int sink_world_free(void **state);

/* Opens [sink.test] with these lines; false when there are complaints. */
bool sink_world_open(struct sink_world *w, const char *lines);
bool sink_world_check(struct sink_world *w, const char *lines);

/* An event with this id and key; "a" gives its attributes known values. */
void sink_world_send(struct sink_world *w, const struct sink_event *e,
		     struct sink_got *g);
void sink_world_wait(struct sink_world *w, struct sink_got *g);

/* Sends and waits. */
struct sink_got sink_world_deliver(struct sink_world *w,
				   const struct sink_event *e);

extern const struct sink_event sink_world_event;

#endif
