/* SPDX-License-Identifier: Apache-2.0 */
/* "upload show" and "upload abort". */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ask.h"
#include "ctl/cmd_upload.h"
#include "ctl/records.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define PUBLISH_TIMEOUT_MS 600000 /* the rest has to be stored first */
#define ABORT_TIMEOUT_MS 60000	  /* the store is asked, with retries */

static uint64_t
stored_bytes(const struct journal_rows *rows)
{
	const struct journal_upload *u = &rows->uploads[0];
	uint64_t n = 0;
	size_t i;

	if (records_ended(u))
		return u->state == UPLOAD_PUBLISHED ? u->end : 0;
	for (i = 0; i < rows->nparts; i++)
		n += rows->parts[i].len;
	return n;
}

/* JSON. */

static json_t *
parts_json(const struct journal_rows *rows)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < rows->nparts; i++) {
		const struct store_part *p = &rows->parts[i];

		json_array_append_new(
			list, json_pack("{s:I, s:I, s:I, s:o, s:o}", "no",
					(json_int_t)p->no, "offset",
					(json_int_t)p->off, "length",
					(json_int_t)p->len, "etag",
					records_text(p->etag), "checksum",
					records_text(p->sum)));
	}
	return list;
}

static json_t *
events_json(const struct journal_rows *rows)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < rows->nevents; i++) {
		const struct journal_event_row *e = &rows->events[i];
		json_t *body = json_loads(e->body, 0, NULL);

		json_array_append_new(
			list, json_pack("{s:I, s:s, s:o, s:o, s:o}", "seq",
					(json_int_t)e->seq, "id", e->id, "kind",
					records_text(e->kind), "at",
					records_time(e->at), "event",
					body ? body : records_text(e->body)));
	}
	return list;
}

static struct offset
offset_of(const struct ctl *c, const struct journal_rows *rows)
{
	struct offsets o = { .ctl = c };

	return offset_find(&o, &rows->uploads[0], stored_bytes(rows));
}

static void
show_json(const struct journal_rows *rows, const struct offset *at)
{
	json_t *o = records_json(&rows->uploads[0], at);

	json_object_set_new(o, "parts", parts_json(rows));
	json_object_set_new(o, "events", events_json(rows));
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

/* For people. */

static void __attribute__((format(printf, 2, 3)))
field(const char *name, const char *fmt, ...)
{
	char *text, *safe;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	safe = text_safe(text);
	printf("%-12s %s\n", name, safe);
	free(safe);
	free(text);
}

static void
when_field(const char *name, int64_t at)
{
	char when[TEXT_MAX], age[TEXT_MAX];

	if (at != 0)
		field(name, "%s, %s ago", text_when(at, when),
		      text_duration(clock_wall_ms() - at, age));
}

static void
size_field(const char *name, uint64_t bytes)
{
	char size[TEXT_MAX];

	if (bytes < 1000)
		field(name, "%" PRIu64 " bytes", bytes);
	else
		field(name, "%" PRIu64 " bytes (%s)", bytes,
		      text_size(bytes, size));
}

static void
show_names(const struct journal_upload *u)
{
	field("Upload", "%s", u->id);
	field("State", "%s%s", upload_state_name(u->state),
	      u->kind == UPLOAD_KIND_COPY ? " (a copy)" : "");
	field("User", "%s%s%s", u->user, u->protocol[0] ? ", by " : "",
	      u->protocol);
	field("Path", "%s", u->path);
	if (strcmp(u->path, u->final_path) != 0)
		field("Final path", "%s", u->final_path);
	field("Store", "%s", u->store);
	field("Key", "%s", u->key);
	field("Node", "%s", u->owner);
}

static void
show_numbers(const struct journal_rows *rows, const struct offset *at)
{
	const struct journal_upload *u = &rows->uploads[0];

	if (u->flags & UPLOAD_DECLARED)
		size_field("Declared", u->declared);
	if (u->state >= UPLOAD_CLOSING && u->end != 0)
		size_field("Size", u->end);
	if (!records_ended(u)) {
		if (at->known)
			size_field("Offset", at->bytes);
		else
			field("Offset", "not known, no daemon answers");
		size_field("Stored", at->stored);
		field("Parts", "%zu", rows->nparts);
	}
	if (u->etag[0] != '\0')
		field("ETag", "%s", u->etag);
	if (u->hidden_etag[0] != '\0')
		field("Hides", "an object with ETag %s", u->hidden_etag);
	if (u->flags & UPLOAD_SOURCE_PENDING)
		field("To delete", "%s", u->source);
	field("Epoch", "%" PRIu64 ", rewound %u times", u->epoch, u->rewind);
	when_field("Begun", u->created_at);
	if (u->state == UPLOAD_PARKED)
		when_field("Parked", u->parked_at);
	when_field("Ended", u->ended_at);
}

static void
show_parts(const struct journal_rows *rows)
{
	static const struct table_column columns[] = {
		{ "PART", true, 0 },
		{ "OFFSET", true, 0 },
		{ "LENGTH", true, 0 },
		{ "ETAG", false, 0 },
	};
	struct table *t = table_new(columns, 4, text_columns());
	size_t i;

	for (i = 0; i < rows->nparts; i++) {
		const struct store_part *p = &rows->parts[i];
		char no[TEXT_MAX], off[TEXT_MAX], len[TEXT_MAX];
		const char *cells[] = { no, off, len, p->etag };

		snprintf(no, sizeof(no), "%" PRIu32, p->no);
		snprintf(off, sizeof(off), "%" PRIu64, p->off);
		snprintf(len, sizeof(len), "%" PRIu64, p->len);
		table_add(t, cells);
	}
	if (rows->nparts > 0)
		putchar('\n');
	table_print(t);
	table_free(t);
}

static void
show_events(const struct journal_rows *rows)
{
	static const struct table_column columns[] = {
		{ "EVENT", false, 0 },
		{ "AT", false, 0 },
		{ "EVENT ID", false, 0 },
	};
	struct table *t = table_new(columns, 3, text_columns());
	size_t i;

	for (i = 0; i < rows->nevents; i++) {
		const struct journal_event_row *e = &rows->events[i];
		char at[TEXT_MAX];
		const char *cells[] = { e->kind, text_when(e->at, at), e->id };

		table_add(t, cells);
	}
	if (rows->nevents > 0)
		putchar('\n');
	table_print(t);
	table_free(t);
}

int
cmd_upload_show(struct ctl *c, int argc, char **argv)
{
	bool parts = false, ok;
	const struct ctl_option options[] = {
		{ "--parts", &parts, NULL },
		{ NULL, NULL, NULL },
	};
	int status = ctl_options(c, options, &argc, argv);
	struct journal_rows rows;
	struct offset at;
	struct records *r;

	if (status >= 0)
		return status;
	if (argc != 1)
		return ctl_usage(c, "upload show needs one id");
	r = records_open(c);
	if (r == NULL)
		return CTL_FAILED;
	ok = records_find(r, argv[0], &rows);
	if (ok)
		at = offset_of(c, &rows);
	if (ok && c->json) {
		show_json(&rows, &at);
	} else if (ok) {
		show_names(&rows.uploads[0]);
		show_numbers(&rows, &at);
		if (parts)
			show_parts(&rows);
		show_events(&rows);
	}
	journal_rows_free(&rows);
	records_close(r);
	return ok ? CTL_OK : CTL_FAILED;
}

/* upload publish, upload abort */

struct request {
	const char *word;
	unsigned timeout_ms;
	const char *done; /* for people */
	const char *json;
};

static bool
request(const struct ctl *c, const struct journal_upload *u,
	const struct request *r)
{
	char *line = mem_printf("%s %s", r->word, u->id);
	char *path = text_safe(u->final_path);
	struct answer a;
	bool ok;

	ask_worker(c, line, r->timeout_ms, &a);
	ok = a.reached && a.err == ERR_OK;
	if (!ok)
		ask_complain(c, &a);
	else if (c->json)
		printf("{\"%s\": \"%s\"}\n", r->json, u->id);
	else
		printf("%s: %s, %s of %s.\n", r->done, u->id, path, u->user);
	free(a.text);
	free(path);
	free(line);
	return ok;
}

static int
request_one(struct ctl *c, int argc, char **argv, const struct request *q)
{
	int status = ctl_options(c, NULL, &argc, argv);
	struct journal_rows rows;
	struct records *r;
	bool ok;

	if (status >= 0)
		return status;
	if (argc != 1)
		return ctl_usage(c, "upload %s needs one id", q->word);
	r = records_open(c);
	if (r == NULL)
		return CTL_FAILED;
	ok = records_find(r, argv[0], &rows);
	if (ok && records_ended(&rows.uploads[0])) {
		ctl_error("%s has ended already: it is %s", rows.uploads[0].id,
			  upload_state_name(rows.uploads[0].state));
		ok = false;
	}
	ok = ok && request(c, &rows.uploads[0], q);
	journal_rows_free(&rows);
	records_close(r);
	return ok ? CTL_OK : CTL_FAILED;
}

int
cmd_upload_publish(struct ctl *c, int argc, char **argv)
{
	static const struct request q = { "publish", PUBLISH_TIMEOUT_MS,
					  "Published", "published" };

	return request_one(c, argc, argv, &q);
}

int
cmd_upload_abort(struct ctl *c, int argc, char **argv)
{
	static const struct request q = { "abort", ABORT_TIMEOUT_MS, "Given up",
					  "aborted" };

	return request_one(c, argc, argv, &q);
}
