/* SPDX-License-Identifier: Apache-2.0 */
/* "events": what was and is told; "events retry": once more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bridge/outbox.h"
#include "ctl/cmd_events.h"
#include "ctl/operate.h"
#include "ctl/records.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "lib/clock.h"
#include "lib/conf_number.h"
#include "lib/mem.h"

#define LAST 20
#define LAST_MAX 1000000
#define FOLLOW_MS 200
#define SHORT 8
#define WORD_MIN 4

static const struct table_column columns[] = {
	{ "ID", false, 8 },
	{ "AT", false, 19 },
	{ "TYPE", false, 9 },
	{ "KEY", false, 0 },
};

static const struct table_column dead_columns[] = {
	{ "ID", false, 8 },   { "SINK", false, 6 }, { "DEAD", true, 4 },
	{ "TRIES", true, 5 }, { "TYPE", false, 9 }, { "KEY", false, 0 },
	{ "WHY", false, 0 },
};
#define DEAD_COLUMNS (sizeof(dead_columns) / sizeof(dead_columns[0]))

struct listing {
	struct records *records;
	struct journal_event_query query;
	struct table *table; /* NULL: as JSON */
	bool follow;
	size_t printed;
};

static const char *
type_of(const struct journal_event_row *e)
{
	int kind = outbox_kind_of(e->kind);

	return kind < 0 ? e->kind : outbox_type((enum outbox_kind)kind);
}

static const char *
short_id(const struct journal_event_row *e)
{
	return e->id + strlen(e->id) - SHORT;
}

/* Rows for people. */

static void
add_event(struct table *t, const struct journal_event_row *e)
{
	json_t *o = json_loads(e->body, 0, NULL);
	const char *key = json_string_value(json_object_get(o, "key"));
	const char *store = json_string_value(json_object_get(o, "store"));
	char when[TEXT_MAX];
	char *name = mem_printf("%s/%s", store ? store : "", key ? key : "");
	const char *cells[] = { short_id(e), text_when(e->at, when), type_of(e),
				name };

	table_add(t, cells);
	free(name);
	json_decref(o);
}

static void
add_dead(struct table *t, const struct journal_event_row *e)
{
	const struct journal_delivery *d = e->delivery;
	char age[TEXT_MAX], tries[TEXT_MAX];
	const char *cells[DEAD_COLUMNS] = {
		short_id(e),
		d->sink,
		text_age(clock_wall_ms() - d->next_at, age),
		tries,
		type_of(e),
		d->key,
		d->reason
	};

	snprintf(tries, sizeof(tries), "%u", d->attempts);
	table_add(t, cells);
}

/* And for programs, one a line. */
static void
print_json(struct listing *l, const struct journal_event_row *e)
{
	json_t *body = json_loads(e->body, 0, NULL);
	json_t *o = json_pack("{s:I, s:s, s:s, s:o, s:o}", "seq",
			      (json_int_t)e->seq, "id", e->id, "type",
			      type_of(e), "at", records_time(e->at), "data",
			      body ? body : json_null());
	const struct journal_delivery *d = e->delivery;
	char *text;

	if (d)
		json_object_update_new(
			o, json_pack("{s:s, s:i, s:o, s:o}", "sink", d->sink,
				     "attempts", (int)d->attempts, "dead_since",
				     records_time(d->next_at), "reason",
				     records_text(d->reason)));
	text = json_dumps(o, JSON_COMPACT);
	if (!l->follow)
		fputs(l->printed > 0 ? ",\n" : "", stdout);
	printf("%s%s", text, l->follow ? "\n" : "");
	free(text);
	json_decref(o);
}

static void
print_page(struct listing *l, const struct journal_rows *rows)
{
	size_t i;

	for (i = 0; i < rows->nevents; i++) {
		const struct journal_event_row *e = &rows->events[i];

		l->query.after = e->seq;
		if (!l->table)
			print_json(l, e);
		else if (e->delivery)
			add_dead(l->table, e);
		else
			add_event(l->table, e);
		l->printed++;
	}
	if (l->table)
		table_print(l->table);
	fflush(stdout);
}

/* All that there is behind the last one. */
static bool
print_rest(struct listing *l)
{
	bool more = true, ok = true;

	while (ok && more) {
		struct journal_rows rows = { 0 };

		ok = records_events(l->records, &l->query, &rows);
		if (ok)
			print_page(l, &rows);
		more = rows.more;
		journal_rows_free(&rows);
	}
	return ok;
}

static bool
print_all(struct listing *l)
{
	struct timespec step = { 0, FOLLOW_MS * 1000000L };
	bool ok = print_rest(l);

	while (ok && l->follow) {
		nanosleep(&step, NULL);
		ok = print_rest(l);
	}
	return ok;
}

/* The number behind which the last n events lie. */
static bool
find_start(struct listing *l, uint64_t n)
{
	struct journal_rows rows = { 0 };
	bool ok = records_sinks(l->records, SINKS_NEWS, &rows);

	l->query.after =
		rows.newest > (int64_t)n ? rows.newest - (int64_t)n : 0;
	journal_rows_free(&rows);
	return ok;
}

static bool
list(struct ctl *c, struct listing *l, uint64_t last)
{
	bool dead = l->query.which == EVENTS_DEAD, ok;

	if (!c->json)
		l->table = table_new(dead ? dead_columns : columns,
				     dead ? DEAD_COLUMNS : 4,
				     dead ? 0 : text_columns());
	else if (!l->follow)
		putchar('[');
	ok = (dead || find_start(l, last)) && print_all(l);
	if (c->json)
		fputs(l->follow ? "" : "]\n", stdout);
	else if (ok && l->printed == 0)
		fputs(dead ? "No event is dead.\n" : "No events are kept.\n",
		      stderr);
	if (l->table)
		table_free(l->table);
	return ok;
}

int
cmd_events(struct ctl *c, int argc, char **argv)
{
	struct listing l = { .records = NULL };
	const char *last = NULL, *sink = NULL;
	bool dead = false, ok;
	const struct ctl_option options[] = {
		{ "--dead", &dead, NULL }, { "--follow", &l.follow, NULL },
		{ "--last", NULL, &last }, { "--sink", NULL, &sink },
		{ NULL, NULL, NULL },
	};
	int status = ctl_options(c, options, &argc, argv);
	uint64_t n = LAST;

	if (status >= 0)
		return status;
	if (argc != 0)
		return ctl_usage(c, "events takes no words");
	if (dead && (l.follow || last))
		return ctl_usage(c, "--dead lists all, once");
	if (sink && !dead)
		return ctl_usage(c, "--sink goes with --dead");
	if (last && (conf_parse_uint(last, &n) != 0 || n > LAST_MAX))
		return ctl_usage(c, "--last needs a number up to %d", LAST_MAX);
	l.query.which = dead ? EVENTS_DEAD : EVENTS_AFTER;
	l.query.sink = sink;
	l.records = records_open(c);
	if (!l.records)
		return CTL_FAILED;
	ok = list(c, &l, n);
	records_close(l.records);
	return ok ? CTL_OK : CTL_FAILED;
}

/* Once more. */

/* Takes the id of the one dead event that the word is a part of. */
static bool
find_dead(struct ctl *c, const char *word, char id[ID_LEN + 1])
{
	struct journal_event_query q = { .which = EVENTS_DEAD };
	struct records *r = records_open(c);
	size_t n = strlen(word), i;
	bool more = true, ok = r != NULL, clear = true;

	*id = '\0';
	while (ok && more) {
		struct journal_rows rows = { 0 };

		ok = records_events(r, &q, &rows);
		for (i = 0; i < rows.nevents; i++) {
			const char *found = rows.events[i].id;

			q.after = rows.events[i].seq;
			if (strncmp(found, word, n) != 0 &&
			    strcmp(found + ID_LEN - n, word) != 0)
				continue;
			clear = clear && (!*id || !strcmp(id, found));
			str_copy(id, ID_LEN + 1, found);
		}
		more = rows.more;
		journal_rows_free(&rows);
	}
	if (r)
		records_close(r);
	if (ok && !*id)
		ctl_error("%s: no dead event has this id", word);
	else if (ok && !clear)
		ctl_error("%s: more than one dead event; give more of its id",
			  word);
	return ok && *id && clear;
}

int
cmd_events_retry(struct ctl *c, int argc, char **argv)
{
	const char *sink = NULL;
	bool all = false;
	const struct ctl_option options[] = {
		{ "--all-dead", &all, NULL },
		{ "--sink", NULL, &sink },
		{ NULL, NULL, NULL },
	};
	int status = ctl_options(c, options, &argc, argv);
	char id[ID_LEN + 1];
	size_t n;
	uint64_t count;

	if (status >= 0)
		return status;
	if (argc != (all ? 0 : 1))
		return ctl_usage(c, "events retry needs the id of one event, "
				    "or --all-dead");
	n = all ? 0 : strlen(argv[0]);
	if (!all && (n < WORD_MIN || n > ID_LEN))
		return ctl_usage(c,
				 "an id has %d characters, and at least %d "
				 "of them are needed",
				 ID_LEN, WORD_MIN);
	if (!all && !find_dead(c, argv[0], id))
		return CTL_FAILED;
	if (!operate_revive(c, all ? NULL : id, sink, &count))
		return CTL_FAILED;
	printf("%llu %s tried again.\n", (unsigned long long)count,
	       count == 1 ? "delivery is" : "deliveries are");
	return CTL_OK;
}
