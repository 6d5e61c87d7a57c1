/* SPDX-License-Identifier: Apache-2.0 */
/* "uploads": what is under way, or was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cmd_upload.h"
#include "ctl/records.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define ACTIVE_STATES ((1u << (UPLOAD_ABORTING + 1)) - 1)
#define ALL_STATES ((1u << UPLOAD_STATES) - 1)

static const struct table_column columns[] = {
	{ "ID", false, 8 },    { "STATE", false, 10 }, { "USER", false, 8 },
	{ "OFFSET", true, 6 }, { "AGE", true, 4 },     { "PATH", false, 0 },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* The listing under way: pages go out one by one. */
struct listing {
	struct records *records;
	struct table *table; /* NULL: as JSON */
	size_t printed;
	struct offsets offsets;
	bool unknown; /* one of them was */
};

/* Since when it is in its state, as far as the journal knows. */
static int64_t
since(const struct journal_upload *u)
{
	if (records_ended(u) && u->ended_at != 0)
		return u->ended_at;
	if (u->state == UPLOAD_PARKED && u->parked_at != 0)
		return u->parked_at;
	return u->created_at;
}

static void
add_row(struct listing *l, const struct journal_upload *u,
	const struct offset *at)
{
	char size[TEXT_MAX], age[TEXT_MAX], offset[TEXT_MAX + 1];
	const char *cells[COLUMNS] = {
		records_short_id(u),
		upload_state_name(u->state),
		u->user,
		offset,
		text_age(clock_wall_ms() - since(u), age),
		u->path,
	};

	snprintf(offset, sizeof(offset), "%s%s", text_size(at->bytes, size),
		 at->known ? "" : "+");
	table_add(l->table, cells);
}

/* One upload a line, so that a script can also read it line by line. */
static void
print_json(const struct listing *l, const struct journal_upload *u,
	   const struct offset *at)
{
	json_t *o = records_json(u, at);
	char *text = json_dumps(o, JSON_COMPACT);

	printf("%s%s", l->printed > 0 ? ",\n" : "", text);
	free(text);
	json_decref(o);
}

static bool
print_page(void *arg, struct journal_rows *rows)
{
	struct listing *l = arg;
	struct offset at;
	uint64_t stored;
	size_t i;

	for (i = 0; i < rows->nuploads; i++) {
		const struct journal_upload *u = &rows->uploads[i];

		if (!records_stored(l->records, u, &stored))
			return false;
		at = offset_find(&l->offsets, u, stored);
		if (l->table != NULL)
			add_row(l, u, &at);
		else
			print_json(l, u, &at);
		l->printed++;
		l->unknown = l->unknown || !at.known;
	}
	if (l->table != NULL)
		table_print(l->table);
	return true;
}

static bool
list_table(const struct ctl *c, struct records *r, struct journal_query *q,
	   bool filtered)
{
	struct listing l = { .records = r,
			     .table = table_new(columns, COLUMNS,
						text_columns()),
			     .offsets.ctl = c };
	bool ok = records_pages(r, *q, print_page, &l);

	if (ok && l.printed == 0)
		fputs(filtered ? "No such uploads.\n"
			       : "No uploads are under way; --all shows those "
				 "that have ended.\n",
		      stderr);
	if (ok && l.unknown)
		fputs("+ is what the store has; no daemon answers that knows "
		      "what is in the spool.\n",
		      stderr);
	table_free(l.table);
	return ok;
}

static bool
list_json(const struct ctl *c, struct records *r, struct journal_query *q)
{
	struct listing l = { .records = r, .table = NULL, .offsets.ctl = c };
	bool ok;

	putchar('[');
	ok = records_pages(r, *q, print_page, &l);
	puts("]");
	return ok;
}

/* Names of states with commas; 0 after saying what is wrong. */
static unsigned
parse_states(const struct ctl *c, const char *text)
{
	const char *names[UPLOAD_STATES];
	unsigned states = 0, s;
	const char *near;
	char word[32];
	size_t n;

	for (s = 0; s < UPLOAD_STATES; s++)
		names[s] = upload_state_name(s);
	for (; *text != '\0'; text += n + (text[n] == ',')) {
		n = strcspn(text, ",");
		snprintf(word, sizeof(word), "%.*s", (int)n, text);
		for (s = 0; s < UPLOAD_STATES; s++)
			if (strcmp(word, names[s]) == 0)
				break;
		if (s < UPLOAD_STATES) {
			states |= 1u << s;
			continue;
		}
		near = ctl_nearest(word, names, UPLOAD_STATES);
		ctl_usage(c, "there is no state \"%s\"; %s%s", word,
			  near ? "did you mean " : "see --help",
			  near ? near : "");
		return 0;
	}
	if (states == 0)
		ctl_usage(c, "--state needs the name of a state");
	return states;
}

int
cmd_uploads(struct ctl *c, int argc, char **argv)
{
	struct journal_query q = { .states = ACTIVE_STATES };
	const char *states = NULL;
	bool all = false, ok;
	const struct ctl_option options[] = {
		{ "--state", NULL, &states },  { "--user", NULL, &q.user },
		{ "--store", NULL, &q.store }, { "--all", &all, NULL },
		{ NULL, NULL, NULL },
	};
	int status = ctl_options(c, options, &argc, argv);
	struct records *r;

	if (status >= 0)
		return status;
	if (argc != 0)
		return ctl_usage(c, "uploads takes no words; \"upload show "
				    "ID\" shows one");
	if (all)
		q.states = ALL_STATES;
	if (states != NULL && (q.states = parse_states(c, states)) == 0)
		return CTL_USAGE;
	r = records_open(c);
	if (r == NULL)
		return CTL_FAILED;
	ok = c->json ? list_json(c, r, &q)
		     : list_table(c, r, &q, states || q.user || q.store || all);
	records_close(r);
	return ok ? CTL_OK : CTL_FAILED;
}
