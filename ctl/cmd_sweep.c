/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "sweep": ends what nobody comes back for, on the operator's word. First all
 * of it is listed; it is done only with --yes. What a worker drives is never
 * touched, and each thing is looked at again with its key locked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/check.h"
#include "ctl/cmd_check.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define OLDER_MS (7 * 24 * 3600000ull)
#define OLDER_MAX (3650 * 24 * 3600000ull)
#define ROWLESS_MS 3600000 /* a running worker may still write its row */
#define ENDED_MS 600000LL
#define SHORT 8 /* of an id, as listings have it */

enum item_kind { ITEM_UPLOAD, ITEM_SEGMENT, ITEM_MULTIPART };

static const char *const kinds[] = { "upload", "segment", "multipart" };

struct item {
	enum item_kind kind;
	int64_t since; /* Unix ms */
	uint64_t bytes;
	const struct check_row *row;   /* upload */
	const struct spool_file *file; /* segment */
	struct store *store;	       /* multipart */
	struct store_upload *multipart;
	const char *id; /* short, or "-" */
	char *where;
	const char *done; /* NULL: not yet */
	enum err err;
};

struct sweep {
	struct check k; /* first */
	int64_t now, older;
	bool sealed, yes;
	const char *store; /* NULL: all */
	struct item *items;
	size_t n;
	struct stores_answer lists[BRIDGE_STORES_MAX];
	bool more; /* a store has more than it listed */
};

static struct item *
add(struct sweep *s, enum item_kind kind, int64_t since)
{
	struct item *i;

	s->items = mem_resize(s->items, (s->n + 1) * sizeof(*s->items));
	i = &s->items[s->n++];
	memset(i, 0, sizeof(*i));
	i->kind = kind;
	i->since = since;
	return i;
}

/* Gathering. */

static bool
row_wanted(const struct sweep *s, const struct check_row *r)
{
	const struct journal_upload *u = &r->row;

	if (r->driven || (s->store && strcmp(s->store, u->store) != 0))
		return false;
	if (u->state != UPLOAD_PARKED &&
	    !(s->sealed && u->state == UPLOAD_SEALED))
		return false;
	return u->parked_at != 0 && u->parked_at < s->now - s->older;
}

static void
gather_rows(struct sweep *s)
{
	const struct check_row *r;
	struct item *i;
	size_t n;

	for (r = s->k.rows; r; r = r->hh.next) {
		if (!row_wanted(s, r))
			continue;
		i = add(s, ITEM_UPLOAD, r->row.parked_at);
		i->row = r;
		i->where =
			mem_printf("%s %s: %s of %s", records_short_id(&r->row),
				   upload_state_name(r->row.state), r->row.path,
				   r->row.user);
		for (n = 0; n < r->nparts; n++)
			i->bytes += r->parts[n].len;
	}
}

/* Not of a row that lives, nor of one that ended a moment ago. */
static bool
is_rowless(struct sweep *s, const char *upload)
{
	struct journal_rows rows = { 0 };
	bool rowless;

	rowless = records_get(s->k.records, upload, &rows) &&
		  (rows.nuploads == 0 ||
		   (records_ended(&rows.uploads[0]) &&
		    rows.uploads[0].ended_at < s->now - ENDED_MS));
	journal_rows_free(&rows);
	return rowless;
}

static void
gather_files(struct sweep *s)
{
	int64_t older = s->older;
	const struct check_file *c;
	struct item *i;

	if (s->store)
		return; /* a segment without a row has none */
	if (s->k.daemon && older < ROWLESS_MS)
		older = ROWLESS_MS;
	for (c = s->k.files; c; c = c->next) {
		const struct spool_file *f = &c->file;

		if (f->kind == SPOOL_FILE_FOREIGN ||
		    f->changed >= s->now - older ||
		    !is_rowless(s, f->id.upload))
			continue;
		i = add(s, ITEM_SEGMENT, f->changed);
		i->file = f;
		i->bytes = f->bytes;
		i->id = f->id.upload + ID_LEN - SHORT;
		i->where = mem_strdup(f->name);
	}
}

static void
gather_store(struct sweep *s, struct store *st, struct stores_answer *a)
{
	struct item *i;
	size_t n;
	int state;

	stores_uploads(s->k.stores, st, "", a);
	s->more = s->more || a->more;
	for (n = 0; n < a->nuploads; n++) {
		struct store_upload *u = &a->uploads[n];

		if (u->initiated >= s->now - s->older ||
		    !check_owner(&s->k, st, u, &state) ||
		    (state >= 0 && state <= UPLOAD_ABORTING))
			continue;
		i = add(s, ITEM_MULTIPART, u->initiated);
		i->store = st;
		i->multipart = u;
		i->id = "-";
		i->where = mem_printf("%s: %s", store_name(st), u->key);
	}
}

static bool
gather(struct sweep *s)
{
	size_t i;

	if (!check_load_rows(&s->k) || check_load_files(&s->k) != ERR_OK)
		return false;
	gather_rows(s);
	gather_files(s);
	for (i = 0; i < stores_count(s->k.stores); i++) {
		struct store *st = stores_at(s->k.stores, i);

		if (!s->store || strcmp(s->store, store_name(st)) == 0)
			gather_store(s, st, &s->lists[i]);
	}
	return true;
}

/* Ending. */

static void
end_upload(struct sweep *s, struct item *i)
{
	struct journal_rows rows;
	struct journal_tx tx = { .set = JSET_STATE | JSET_EPOCH };

	i->err = repair_lock(s->k.repair, &i->row->row, &rows);
	if (!i->err) {
		tx.update = rows.uploads;
		tx.new_epoch = rows.uploads[0].epoch + 1;
		rows.uploads[0].state = UPLOAD_ABORTING;
		i->err = repair_apply(s->k.repair, &tx);
	}
	repair_unlock(s->k.repair);
	journal_rows_free(&rows);
	i->done = s->k.daemon ? "given up" : "given up at the daemon's start";
}

static void
end_segment(struct sweep *s, struct item *i)
{
	i->err = ERR_CONFLICT;
	if (is_rowless(s, i->file->id.upload))
		i->err = spool_inspect_unlink(s->k.ctl->bridge.spool_dir,
					      i->file->name);
	i->done = "removed";
}

static void
end_multipart(struct sweep *s, struct item *i)
{
	struct store_target t = { i->multipart->key, i->multipart->backend_id };
	struct stores_answer a = { .err = ERR_OK };
	int state;

	i->err = repair_lock_key(s->k.repair, store_name(i->store), t.key);
	if (i->err)
		return;
	if (!check_owner(&s->k, i->store, i->multipart, &state) ||
	    (state >= 0 && state <= UPLOAD_ABORTING))
		i->err = ERR_CONFLICT;
	if (!i->err) {
		stores_abort(s->k.stores, i->store, t, &a);
		i->err = a.err;
		stores_forget(&a);
	}
	repair_unlock(s->k.repair);
	i->done = "ended";
}

static void
end_all(struct sweep *s)
{
	size_t n;

	for (n = 0; n < s->n; n++) {
		struct item *i = &s->items[n];

		if (i->kind == ITEM_UPLOAD)
			end_upload(s, i);
		else if (i->kind == ITEM_SEGMENT)
			end_segment(s, i);
		else
			end_multipart(s, i);
	}
}

/* Showing. */

static const char *
result(const struct sweep *s, const struct item *i)
{
	if (!s->yes)
		return "";
	return i->err ? repair_why(i->err) : i->done;
}

/* What was done has a column of its own only where something was. */
static void
print_table(const struct sweep *s)
{
	static const struct table_column columns[] = {
		{ "WHAT", false, 9 }, { "ID", false, 8 },
		{ "AGE", true, 4 },   { "SIZE", true, 5 },
		{ "DONE", false, 0 }, { "WHERE", false, 0 },
	};
	static const struct table_column listed[] = {
		{ "WHAT", false, 9 }, { "ID", false, 8 },    { "AGE", true, 4 },
		{ "SIZE", true, 5 },  { "WHERE", false, 0 },
	};
	size_t cols = s->yes ? 6 : 5, n;
	struct table *t =
		table_new(s->yes ? columns : listed, cols, text_columns());
	char age[TEXT_MAX], size[TEXT_MAX];

	for (n = 0; n < s->n; n++) {
		const struct item *i = &s->items[n];
		const char *cells[6] = { kinds[i->kind], i->id };

		cells[2] = text_age(s->now - i->since, age);
		cells[3] = i->kind == ITEM_MULTIPART
				   ? "-"
				   : text_size(i->bytes, size);
		cells[4] = result(s, i);
		cells[cols - 1] = i->where;
		table_add(t, cells);
	}
	table_print(t);
	table_free(t);
}

static void
print_people(const struct sweep *s)
{
	print_table(s);
	if (s->n == 0)
		puts("There is nothing to sweep.");
	else if (!s->yes)
		puts("\nNothing was done; with --yes all of these are ended "
		     "for good.");
	if (s->more)
		puts("A store has more than it lists at once: sweep again.");
}

static void
print_json(const struct sweep *s)
{
	json_t *list = json_array(), *o;
	size_t n;

	for (n = 0; n < s->n; n++) {
		const struct item *i = &s->items[n];

		o = json_pack("{s:s, s:o, s:o, s:b, s:o}", "what",
			      kinds[i->kind], "where", records_text(i->where),
			      "since", records_time(i->since), "done",
			      s->yes && !i->err, "result",
			      records_text(result(s, i)));
		if (i->kind != ITEM_MULTIPART)
			json_object_set_new(o, "bytes",
					    json_integer((json_int_t)i->bytes));
		json_array_append_new(list, o);
	}
	json_dumpf(list, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(list);
}

static int
status_of(struct sweep *s)
{
	int status = CTL_OK;
	size_t n;

	for (n = 0; n < s->n; n++)
		if (s->yes && s->items[n].err)
			status = CTL_FAILED;
	for (n = 0; n < stores_count(s->k.stores); n++) {
		struct store *st = stores_at(s->k.stores, n);
		const char *why = stores_down(s->k.stores, st);

		if (!why)
			continue;
		ctl_error("store %s could not be asked: %s", store_name(st),
			  why);
		status = CTL_FAILED;
	}
	return status;
}

static int
sweep(struct sweep *s)
{
	s->now = clock_wall_ms();
	if (!gather(s)) {
		ctl_error("journal or spool cannot be read");
		return CTL_FAILED;
	}
	if (s->yes && s->n > 0 && !s->k.repair) {
		ctl_error("there is no journal and no spool to change");
		return CTL_FAILED;
	}
	if (s->yes)
		end_all(s);
	if (s->k.ctl->json)
		print_json(s);
	else
		print_people(s);
	return status_of(s);
}

static void
sweep_free(struct sweep *s)
{
	size_t n;

	for (n = 0; n < s->n; n++)
		free(s->items[n].where);
	free(s->items);
	for (n = 0; n < BRIDGE_STORES_MAX; n++)
		stores_forget(&s->lists[n]);
	check_close(&s->k);
}

static bool
parse_older(const char *text, int64_t *out)
{
	uint64_t ms = OLDER_MS;

	if (text && (conf_parse_time(text, &ms) != 0 || ms > OLDER_MAX))
		return false;
	*out = (int64_t)ms;
	return true;
}

int
cmd_sweep(struct ctl *c, int argc, char **argv)
{
	struct sweep *s = mem_alloc(sizeof(*s));
	const char *older = NULL;
	bool dry = false;
	const struct ctl_option options[] = {
		{ "--older", NULL, &older },
		{ "--store", NULL, &s->store },
		{ "--sealed", &s->sealed, NULL },
		{ "--dry-run", &dry, NULL },
		{ "--yes", &s->yes, NULL },
		{ NULL, NULL, NULL },
	};
	int status = ctl_options(c, options, &argc, argv);

	s->k.ctl = c;
	findings_init(&s->k.found, true);
	if (status < 0 && argc != 0)
		status = ctl_usage(c, "sweep takes no words");
	if (status < 0 && dry && s->yes)
		status = ctl_usage(c, "--dry-run and --yes exclude each "
				      "other");
	if (status < 0 && !parse_older(older, &s->older))
		status = ctl_usage(c, "--older needs a time such as 7d or 12h");
	if (status < 0)
		status = check_open(&s->k, s->yes) ? sweep(s) : CTL_FAILED;
	sweep_free(s);
	free(s);
	return status;
}
