/* SPDX-License-Identifier: Apache-2.0 */
/* "status": what the daemon says of itself. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ask.h"
#include "ctl/cmd_daemon.h"
#include "ctl/cmd_events.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "lib/mem.h"

#define STATUS_TIMEOUT_MS 10000

/* What is not there, or of another kind, reads as "" or 0. */
static const char *
text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static int64_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void
field(const char *name, char *value)
{
	char *safe = text_safe(value);

	printf("%-14s %s\n", name, safe);
	free(safe);
	free(value);
}

static void
print_head(const json_t *o)
{
	char up[TEXT_MAX];

	field("Daemon", mem_printf("sluiced %s, %s for %s", text(o, "version"),
				   text(o, "state"),
				   text_duration(number(o, "uptime_ms"), up)));
	field("Node", mem_printf("%s, process %lld", text(o, "node"),
				 (long long)number(o, "pid")));
	field("Configuration",
	      mem_printf("%s, generation %lld", text(o, "config"),
			 (long long)number(o, "generation")));
}

static void
print_listeners(const json_t *o)
{
	const json_t *all = json_object_get(o, "listeners");
	const char *name = "Listening";
	size_t i;

	for (i = 0; i < json_array_size(all); i++) {
		const json_t *l = json_array_get(all, i);

		field(name, mem_printf("%-4s %s", text(l, "protocol"),
				       text(l, "address")));
		name = "";
	}
}

static const char *
store_text(const char *state)
{
	if (strcmp(state, "ok") == 0)
		return "ok";
	return strcmp(state, "down") == 0 ? "down: does not answer"
					  : "could not be reached at start";
}

static void
print_stores(const json_t *o)
{
	const json_t *all = json_object_get(o, "stores");
	const char *name = "Stores";
	size_t i;

	for (i = 0; i < json_array_size(all); i++) {
		const json_t *s = json_array_get(all, i);

		field(name,
		      mem_printf("%s (%s) %s", text(s, "name"), text(s, "kind"),
				 store_text(text(s, "state"))));
		name = "";
	}
}

static void
print_spool(const json_t *o)
{
	const json_t *s = json_object_get(o, "spool");
	int64_t used = number(s, "used"), max = number(s, "max");
	char a[TEXT_MAX], b[TEXT_MAX];

	field("Spool",
	      mem_printf("%s of %s (%.0f%%)", text_size((uint64_t)used, a),
			 text_size((uint64_t)max, b),
			 max > 0 ? 100.0 * (double)used / (double)max : 0.0));
}

static void
print_courier(const json_t *o)
{
	const json_t *c = json_object_get(o, "courier");

	if (json_is_object(c))
		field("Courier",
		      mem_printf("process %lld", (long long)number(c, "pid")));
	else
		field("Courier", mem_strdup("does not run"));
}

static void
print_sinks(const json_t *o)
{
	const json_t *list = json_object_get(o, "sinks"), *s;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		s = json_array_get(list, i);
		field(i == 0 ? "Sinks" : "",
		      mem_printf("%s: %s, %lld to come, %lld tried again, "
				 "%lld dead",
				 json_string_value(json_object_get(s, "name")),
				 json_string_value(json_object_get(s, "state")),
				 (long long)number(s, "lag"),
				 (long long)number(s, "waiting"),
				 (long long)number(s, "dead")));
	}
}

static void
add_worker(struct table *t, const json_t *w)
{
	static const char *const counts[] = { "pid", "connections", "sessions",
					      "uploads" };
	static const char *const sizes[] = { "spool_bytes", "received_bytes",
					     "stored_bytes" };
	char cell[9][TEXT_MAX];
	const char *cells[10];
	size_t i;

	for (i = 0; i < 4; i++)
		snprintf(cell[i], TEXT_MAX, "%lld",
			 (long long)number(w, counts[i]));
	for (i = 0; i < 3; i++)
		text_size((uint64_t)number(w, sizes[i]), cell[4 + i]);
	snprintf(cell[7], TEXT_MAX, "%lld", (long long)number(w, "published"));
	snprintf(cell[8], TEXT_MAX, "%lld", (long long)number(w, "failed"));
	for (i = 0; i < 9; i++)
		cells[i] = cell[i];
	cells[9] = json_is_true(json_object_get(w, "draining")) ? "drains" : "";
	table_add(t, cells);
}

static void
print_workers(const json_t *o)
{
	static const struct table_column columns[] = {
		{ "WORKER", true, 0 }, { "CONNS", true, 0 },
		{ "LOGINS", true, 0 }, { "UPLOADS", true, 0 },
		{ "SPOOL", true, 5 },  { "RECV", true, 0 },
		{ "STORED", true, 0 }, { "PUBLISHED", true, 0 },
		{ "FAILED", true, 0 }, { "", false, 0 },
	};
	const json_t *all = json_object_get(o, "workers");
	struct table *t = table_new(columns, 10, text_columns());
	size_t i;

	for (i = 0; i < json_array_size(all); i++)
		add_worker(t, json_array_get(all, i));
	if (table_rows(t) > 0)
		putchar('\n');
	table_print(t);
	table_free(t);
}

static bool
print_status(struct ctl *c, const char *line)
{
	json_t *o = json_loads(line, 0, NULL);
	json_t *sinks;

	if (!json_is_object(o)) {
		ctl_error("the daemon's answer makes no sense");
		json_decref(o);
		return false;
	}
	sinks = sinks_json(c);
	if (sinks)
		json_object_set_new(o, "sinks", sinks);
	if (c->json) {
		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_head(o);
		print_listeners(o);
		print_stores(o);
		print_spool(o);
		print_courier(o);
		print_sinks(o);
		print_workers(o);
	}
	json_decref(o);
	return true;
}

int
cmd_status(struct ctl *c, int argc, char **argv)
{
	int status = ctl_options(c, NULL, &argc, argv);
	struct answer a;
	bool ok;

	if (status >= 0)
		return status;
	if (argc != 0)
		return ctl_usage(c, "status takes no words");
	if (!ctl_config(c))
		return CTL_FAILED;
	ask_master(c, "status", STATUS_TIMEOUT_MS, &a);
	ok = a.reached && a.err == ERR_OK;
	if (ok)
		ok = print_status(c, a.text);
	else
		ask_complain(c, &a);
	free(a.text);
	return ok ? CTL_OK : CTL_FAILED;
}
