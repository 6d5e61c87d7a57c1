/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sink_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/work.h"

#define DATA "{\"size\":3}"
#define JSON "{\"specversion\":\"1.0\",\"id\":\"019\",\"data\":" DATA "}"

const struct sink_event sink_world_event = {
	.id = "019",
	.type = "io.sluice.published",
	.source = "urn:sluice:n1",
	.subject = "in/a \"b\"\n100%\xc3\xa9",
	.time = "2026-01-31T12:00:00.123Z",
	.partitionkey = "main/in/a",
	.data = DATA,
	.data_len = sizeof(DATA) - 1,
	.json = JSON,
	.json_len = sizeof(JSON) - 1,
};

int
sink_world_new(void **state)
{
	struct sink_world *w = mem_alloc(sizeof(*w));

	w->loop = loop_new();
	w->http = http_new(w->loop);
	w->pool = work_pool_new(w->loop, 1);
	*state = w;
	return 0;
}

int
sink_world_free(void **state)
{
	struct sink_world *w = *state;

	sink_close(w->sink);
	conf_free(w->conf);
	work_pool_free(w->pool);
	http_free(w->http);
	loop_turn(w->loop, 0);
	loop_free(w->loop);
	free(w);
	return 0;
}

static void
load(struct sink_world *w, const char *lines)
{
	char path[] = "/tmp/sluice-sink.XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	assert_non_null(f);
	fprintf(f, "[sink.test]\n%s\n", lines);
	fclose(f);
	conf_free(w->conf);
	w->conf = conf_load(path);
	unlink(path);
}

static bool
open_with(struct sink_world *w, const char *lines, const struct sink_env *env)
{
	size_t n;

	load(w, lines);
	sink_close(w->sink);
	sink_open(&w->sink, w->conf, "sink.test", env);
	n = conf_finish(w->conf);
	w->complaints[0] = '\0';
	for (size_t i = 0; i < n; i++)
		str_printf(w->complaints, sizeof(w->complaints), "%s\n",
			   conf_complaint(w->conf, i) +
				   sizeof("/tmp/sluice-sink.XXXXXX: ") - 1);
	return n == 0;
}

bool
sink_world_open(struct sink_world *w, const char *lines)
{
	const struct sink_env env = { .loop = w->loop,
				      .pool = w->pool,
				      .http = w->http };
	bool good = open_with(w, lines, &env);

	if (good)
		assert_non_null(w->sink);
	return good;
}

bool
sink_world_check(struct sink_world *w, const char *lines)
{
	const struct sink_env none = { .loop = NULL };
	bool good = open_with(w, lines, &none);

	assert_null(w->sink);
	return good;
}

static void
on_done(void *arg, const struct sink_result *r)
{
	struct sink_got *g = arg;

	g->n++;
	g->outcome = r->outcome;
	g->retry_after_ms = r->retry_after_ms;
	str_copy(g->reason, sizeof(g->reason), r->reason);
}

void
sink_world_send(struct sink_world *w, const struct sink_event *e,
		struct sink_got *g)
{
	unsigned before = g->n;

	sink_send(w->sink, e, on_done, g);
	assert_int_equal(g->n, before);
}

void
sink_world_wait(struct sink_world *w, struct sink_got *g)
{
	uint64_t end = clock_ms() + 120000;

	while (!g->n && clock_ms() < end)
		loop_turn(w->loop, 1000);
	assert_int_equal(g->n, 1);
}

struct sink_got
sink_world_deliver(struct sink_world *w, const struct sink_event *e)
{
	struct sink_got g = { 0 };

	sink_world_send(w, e, &g);
	sink_world_wait(w, &g);
	return g;
}
