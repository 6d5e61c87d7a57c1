/* SPDX-License-Identifier: Apache-2.0 */
/* "sinks": how far each is; "sinks test"; "sinks enable". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/http.h"
#include "bridge/outbox.h"
#include "ctl/cmd_events.h"
#include "ctl/operate.h"
#include "ctl/records.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/work.h"

#define TEST_LIMIT_MS 120000
#define POOL_THREADS 2

static const struct table_column columns[] = {
	{ "SINK", false, 6 }, { "STATE", false, 8 }, { "FOR", true, 4 },
	{ "LAG", true, 3 },   { "WAIT", true, 4 },   { "DEAD", true, 4 },
	{ "WHY", false, 0 },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static const char *
state_of(const struct journal_sink *s)
{
	static const char *const names[] = { "on", "down", "disabled" };

	return s->active ? names[s->state] : "left";
}

/* The prober keeps a cursor too, and is no sink. */
static bool
hidden(const struct journal_sink *s)
{
	return s->name[0] == '*';
}

static void
add_row(struct table *t, const struct journal_sink *s)
{
	char age[TEXT_MAX], lag[TEXT_MAX], waiting[TEXT_MAX], dead[TEXT_MAX];
	const char *cells[COLUMNS] = {
		s->name,
		state_of(s),
		text_age(clock_wall_ms() - s->since, age),
		lag,
		waiting,
		dead,
		s->reason
	};

	snprintf(lag, sizeof(lag), "%llu", (unsigned long long)s->lag);
	snprintf(waiting, sizeof(waiting), "%llu",
		 (unsigned long long)s->waiting);
	snprintf(dead, sizeof(dead), "%llu", (unsigned long long)s->dead);
	table_add(t, cells);
}

static json_t *
row_json(const struct journal_sink *s)
{
	return json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:o}", "name",
			 s->name, "state", state_of(s), "since",
			 records_time(s->since), "cursor",
			 (json_int_t)s->cursor, "lag", (json_int_t)s->lag,
			 "waiting", (json_int_t)s->waiting, "dead",
			 (json_int_t)s->dead, "reason",
			 records_text(s->reason));
}

static json_t *
rows_json(const struct journal_rows *rows)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < rows->nsinks; i++)
		if (!hidden(&rows->sinks[i]))
			json_array_append_new(list, row_json(&rows->sinks[i]));
	return list;
}

json_t *
sinks_json(struct ctl *c)
{
	struct journal_rows rows = { 0 };
	json_t *list = NULL;
	struct records *r;
	enum err err;

	r = records_try(c, &err);
	if (!r)
		return NULL;
	if (records_sinks(r, SINKS_COUNTS, &rows))
		list = rows_json(&rows);
	journal_rows_free(&rows);
	records_close(r);
	return list;
}

static void
print_json(const struct journal_rows *rows)
{
	json_t *list = rows_json(rows);

	json_dumpf(list, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(list);
}

static void
print_table(const struct journal_rows *rows)
{
	struct table *t = table_new(columns, COLUMNS, text_columns());
	size_t i;

	for (i = 0; i < rows->nsinks; i++)
		if (!hidden(&rows->sinks[i]))
			add_row(t, &rows->sinks[i]);
	if (table_rows(t) == 0)
		fputs("The daemon has not seen a sink yet.\n", stderr);
	table_print(t);
	table_free(t);
}

int
cmd_sinks(struct ctl *c, int argc, char **argv)
{
	int status = ctl_options(c, NULL, &argc, argv);
	struct journal_rows rows = { 0 };
	struct records *r;
	bool ok;

	if (status >= 0)
		return status;
	if (argc != 0)
		return ctl_usage(c, "sinks takes no words");
	r = records_open(c);
	if (!r)
		return CTL_FAILED;
	ok = records_sinks(r, SINKS_COUNTS, &rows);
	if (ok && c->json)
		print_json(&rows);
	else if (ok)
		print_table(&rows);
	journal_rows_free(&rows);
	records_close(r);
	return ok ? CTL_OK : CTL_FAILED;
}

int
cmd_sinks_enable(struct ctl *c, int argc, char **argv)
{
	int status = ctl_options(c, NULL, &argc, argv);

	if (status >= 0)
		return status;
	if (argc != 1)
		return ctl_usage(c, "sinks enable needs the name of a sink");
	return operate_enable(c, argv[0]) ? CTL_OK : CTL_FAILED;
}

/* A test event. */

struct trial {
	struct loop *loop;
	bool done;
	enum sink_outcome outcome;
	char reason[SINK_REASON_MAX + 1];
};

static void
on_done(void *arg, const struct sink_result *r)
{
	struct trial *t = arg;

	t->done = true;
	t->outcome = r->outcome;
	str_copy(t->reason, sizeof(t->reason), r->reason);
	loop_stop(t->loop);
}

static void
on_limit(void *arg)
{
	struct trial *t = arg;

	loop_stop(t->loop);
}

static void
deliver(struct trial *t, struct sink *sink, const struct outbox_config *cfg,
	const char *name)
{
	struct loop_timer *limit = loop_timer_new(t->loop, on_limit, t);
	struct outbox_event e;

	outbox_event_test(&e, cfg, name);
	loop_timer_set(limit, TEST_LIMIT_MS);
	sink_send(sink, &e.e, on_done, t);
	loop_run(t->loop);
	if (!t->done)
		sink_forget(sink, t);
	outbox_event_free(&e);
	loop_timer_free(limit);
}

static bool
tell(const struct trial *t, const char *name)
{
	static const char *const texts[] = {
		[SINK_RETRY] = "failed; it would be tried again",
		[SINK_REFUSED] = "was refused for good",
		[SINK_DOWN] = "could not be sent",
		[SINK_GONE] = "was answered with \"gone\"",
	};

	if (t->done && t->outcome == SINK_DELIVERED) {
		printf("%s: the test event was delivered.\n", name);
		return true;
	}
	ctl_error("%s: the test event %s%s%s", name,
		  t->done ? texts[t->outcome] : "was not answered in time",
		  *t->reason ? ": " : "", t->reason);
	return false;
}

static bool
try_sink(struct ctl *c, const struct outbox_config *cfg,
	 const struct outbox_sink_config *s)
{
	struct trial t = { .loop = loop_new() };
	struct sink_env env = { .loop = t.loop,
				.pool = work_pool_new(t.loop, POOL_THREADS),
				.http = http_new(t.loop) };
	struct sink *sink = NULL;
	bool ok = sink_open(&sink, c->conf, s->section, &env) == ERR_OK;

	if (ok) {
		deliver(&t, sink, cfg, s->name);
		ok = tell(&t, s->name);
	} else {
		ctl_error("%s: the sink cannot be opened: see sluiced -t",
			  s->name);
	}
	sink_close(sink);
	http_free(env.http);
	work_pool_free(env.pool);
	loop_free(t.loop);
	return ok;
}

int
cmd_sinks_test(struct ctl *c, int argc, char **argv)
{
	int status = ctl_options(c, NULL, &argc, argv);
	struct outbox_config cfg;
	bool ok = false;
	size_t i;

	if (status >= 0)
		return status;
	if (argc != 1)
		return ctl_usage(c, "sinks test needs the name of a sink");
	if (!ctl_config(c))
		return CTL_FAILED;
	outbox_config_read(c->conf, c->bridge.node, &cfg);
	for (i = 0; i < cfg.nsinks; i++)
		if (strcmp(cfg.sinks[i].name, argv[0]) == 0)
			break;
	if (i < cfg.nsinks)
		ok = try_sink(c, &cfg, &cfg.sinks[i]);
	else
		ctl_error("%s: there is no [sink.%s] in %s", argv[0], argv[0],
			  c->config_path);
	outbox_config_free(&cfg);
	return ok ? CTL_OK : CTL_FAILED;
}
