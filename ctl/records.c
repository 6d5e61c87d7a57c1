/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/records.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define WORD_MIN 4
#define SHORT 8
#define ALL_STATES ((1u << UPLOAD_STATES) - 1)

struct records {
	const struct journal_ops *ops;
	void *db; /* NULL: there is no journal */
	char *path;
};

struct records *
records_try(struct ctl *c, enum err *err)
{
	struct journal_place place = { .read_only = true };
	struct records *r = mem_alloc(sizeof(*r));

	r->ops = &journal_sqlite;
	r->path = mem_printf("%s/journal.db", c->bridge.state_dir);
	place.path = r->path;
	*err = r->ops->open(&r->db, &place);
	if (*err == ERR_NOT_FOUND)
		*err = ERR_OK;
	if (*err == ERR_OK)
		return r;
	records_close(r);
	return NULL;
}

struct records *
records_open(struct ctl *c)
{
	struct records *r;
	enum err err;

	if (!ctl_config(c))
		return NULL;
	r = records_try(c, &err);
	if (r == NULL)
		ctl_error("%s/journal.db: the journal cannot be read: %s",
			  c->bridge.state_dir, records_why(err));
	return r;
}

const char *
records_why(enum err err)
{
	if (err == ERR_CORRUPT)
		return "it is damaged, or no journal";
	if (err == ERR_UNSUPPORTED)
		return "a newer version of this program made it";
	return err_text(err);
}

const char *
records_path(const struct records *r)
{
	return r->path;
}

void
records_close(struct records *r)
{
	if (r->db != NULL)
		r->ops->close(r->db);
	free(r->path);
	free(r);
}

bool
records_exist(const struct records *r)
{
	return r->db != NULL;
}

static bool
done(const struct records *r, enum err err)
{
	if (err != ERR_OK)
		ctl_error("%s: the journal cannot be read: %s", r->path,
			  records_why(err));
	return err == ERR_OK;
}

/* Each read is a transaction of its own, so that none holds up the daemon. */
static bool
begin(struct records *r)
{
	return done(r, r->ops->begin(r->db, false));
}

static bool
end(struct records *r, enum err err)
{
	if (err == ERR_OK)
		err = r->ops->commit(r->db);
	if (err != ERR_OK)
		r->ops->mend(r->db);
	return done(r, err);
}

bool
records_list(struct records *r, const struct journal_query *q,
	     struct journal_rows *rows)
{
	if (r->db == NULL)
		return true;
	return begin(r) && end(r, r->ops->list(r->db, q, rows));
}

bool
records_pages(struct records *r, struct journal_query q, records_page_fn *fn,
	      void *arg)
{
	char after[ID_LEN + 1] = "";
	bool more = true, ok = true;

	while (ok && more) {
		struct journal_rows rows = { 0 };

		q.after_id = after;
		ok = records_list(r, &q, &rows) && fn(arg, &rows);
		if (rows.nuploads > 0)
			strcpy(after, rows.uploads[rows.nuploads - 1].id);
		more = rows.more;
		journal_rows_free(&rows);
	}
	return ok;
}

bool
records_get(struct records *r, const char *id, struct journal_rows *rows)
{
	if (r->db == NULL)
		return true;
	return begin(r) && end(r, r->ops->get(r->db, id, rows));
}

bool
records_check(struct records *r, journal_fault_fn *fn, void *arg)
{
	return r->db == NULL || done(r, r->ops->check(r->db, fn, arg));
}

bool
records_moved(struct records *r, const struct journal_upload *u, bool *out)
{
	return done(r, r->ops->moved(r->db, u, out));
}

bool
records_owner(struct records *r, const char *store, const char *key,
	      const char *backend_id, int *state)
{
	*state = -1;
	if (r->db == NULL)
		return true;
	return done(r, r->ops->owner(r->db, store, key, backend_id, state));
}

enum err
records_backup(struct records *r, const char *path)
{
	return r->ops->backup(r->db, path);
}

bool
records_usage(struct records *r, const char *store, const char *home,
	      struct journal_usage *usage)
{
	memset(usage, 0, sizeof(*usage));
	if (r->db == NULL)
		return true;
	return begin(r) && end(r, r->ops->usage(r->db, store, home, usage));
}

bool
records_events(struct records *r, const struct journal_event_query *q,
	       struct journal_rows *rows)
{
	if (r->db == NULL)
		return true;
	return begin(r) && end(r, r->ops->page(r->db, q, rows));
}

bool
records_sinks(struct records *r, enum journal_sinks_what what,
	      struct journal_rows *rows)
{
	if (r->db == NULL)
		return true;
	return begin(r) && end(r, r->ops->sinks(r->db, what, rows));
}

bool
records_media(struct records *r, const char *store, const char *key,
	      struct journal_rows *rows)
{
	if (r->db == NULL)
		return true;
	return begin(r) && end(r, r->ops->media(r->db, NULL, store, key, rows));
}

bool
records_stored(struct records *r, const struct journal_upload *u,
	       uint64_t *bytes)
{
	struct journal_rows rows = { 0 };
	size_t i;
	bool ok;

	*bytes = 0;
	if (records_ended(u)) {
		*bytes = u->state == UPLOAD_PUBLISHED ? u->end : 0;
		return true;
	}
	ok = begin(r) && end(r, r->ops->get(r->db, u->id, &rows));
	for (i = 0; ok && i < rows.nparts; i++)
		*bytes += rows.parts[i].len;
	journal_rows_free(&rows);
	return ok;
}

/* Ids. */

static bool
matches(const char *id, const char *word, size_t n)
{
	return memcmp(id, word, n) == 0 ||
	       memcmp(id + ID_LEN - n, word, n) == 0;
}

/* The first two matches among all uploads; false: reading failed. */
static bool
search(struct records *r, const char *word, char found[2][ID_LEN + 1],
       size_t *n)
{
	struct journal_query q = { .states = ALL_STATES };
	char after[ID_LEN + 1] = "";
	bool more = true;
	size_t i;

	for (*n = 0; more && *n < 2;) {
		struct journal_rows rows = { 0 };

		q.after_id = after;
		if (!records_list(r, &q, &rows)) {
			journal_rows_free(&rows);
			return false;
		}
		for (i = 0; i < rows.nuploads && *n < 2; i++)
			if (matches(rows.uploads[i].id, word, strlen(word)))
				strcpy(found[(*n)++], rows.uploads[i].id);
		if (rows.nuploads > 0)
			strcpy(after, rows.uploads[rows.nuploads - 1].id);
		more = rows.more;
		journal_rows_free(&rows);
	}
	return true;
}

static bool
resolve(struct records *r, const char *word, char id[ID_LEN + 1])
{
	char found[2][ID_LEN + 1];
	size_t n, len = strlen(word);

	if (id_valid(word)) {
		strcpy(id, word);
		return true;
	}
	if (len < WORD_MIN || len > ID_LEN ||
	    word[strspn(word, "0123456789abcdef")] != '\0') {
		ctl_error("\"%s\" is no upload's id: at least %d of its "
			  "characters are needed, from the beginning or the "
			  "end",
			  word, WORD_MIN);
		return false;
	}
	if (!search(r, word, found, &n))
		return false;
	if (n == 0)
		ctl_error("there is no upload %s", word);
	else if (n > 1)
		ctl_error("%s fits several uploads, such as %s and %s", word,
			  found[0], found[1]);
	else
		strcpy(id, found[0]);
	return n == 1;
}

bool
records_find(struct records *r, const char *word, struct journal_rows *rows)
{
	char id[ID_LEN + 1];
	enum err err;

	memset(rows, 0, sizeof(*rows));
	if (r->db == NULL) {
		ctl_error("there are no uploads: %s does not exist", r->path);
		return false;
	}
	if (!resolve(r, word, id) || !begin(r))
		return false;
	err = r->ops->get(r->db, id, rows);
	if (err == ERR_OK)
		err = r->ops->events(r->db, id, rows);
	if (!end(r, err))
		return false;
	if (rows->nuploads == 0)
		ctl_error("there is no upload %s", id);
	return rows->nuploads == 1;
}

const char *
records_short_id(const struct journal_upload *u)
{
	return u->id + ID_LEN - SHORT;
}

bool
records_ended(const struct journal_upload *u)
{
	return u->state > UPLOAD_ABORTING;
}

/* JSON. */

json_t *
records_text(const char *s)
{
	json_t *text = json_string(s);

	return text != NULL ? text : json_null();
}

json_t *
records_time(int64_t unix_ms)
{
	char text[32];

	if (unix_ms == 0)
		return json_null();
	clock_rfc3339(unix_ms, text, sizeof(text));
	return json_string(text);
}

static json_t *
flags_json(unsigned flags)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ UPLOAD_TEMP, "temporary_name" },
		{ UPLOAD_DECLARED, "declared" },
		{ UPLOAD_CREATE_UNKNOWN, "create_unknown" },
		{ UPLOAD_NO_TRUNC, "no_trunc" },
		{ UPLOAD_SOURCE_PENDING, "source_pending" },
		{ UPLOAD_UNCLAIMED, "unclaimed" },
		{ UPLOAD_APPENDING, "appending" },
		{ UPLOAD_OPERATOR, "operator" },
	};
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & names[i].bit)
			json_array_append_new(list, json_string(names[i].name));
	return list;
}

static void
set_names(json_t *o, const struct journal_upload *u)
{
	json_object_set_new(o, "id", json_string(u->id));
	json_object_set_new(o, "state",
			    json_string(upload_state_name(u->state)));
	json_object_set_new(
		o, "kind",
		json_string(u->kind == UPLOAD_KIND_COPY ? "copy" : "upload"));
	json_object_set_new(o, "user", records_text(u->user));
	json_object_set_new(o, "protocol", records_text(u->protocol));
	json_object_set_new(o, "path", records_text(u->path));
	json_object_set_new(o, "final_path", records_text(u->final_path));
	json_object_set_new(o, "store", records_text(u->store));
	json_object_set_new(o, "key", records_text(u->key));
	json_object_set_new(o, "node", records_text(u->owner));
	json_object_set_new(o, "backend_id", records_text(u->backend_id));
	json_object_set_new(o, "etag", records_text(u->etag));
	json_object_set_new(o, "hidden_etag", records_text(u->hidden_etag));
}

json_t *
records_json(const struct journal_upload *u, const struct offset *at)
{
	json_t *o = json_object();
	bool declared = u->flags & UPLOAD_DECLARED;
	bool ends = u->state >= UPLOAD_CLOSING && u->end != 0;

	set_names(o, u);
	json_object_set_new(o, "declared",
			    declared ? json_integer((json_int_t)u->declared)
				     : json_null());
	json_object_set_new(o, "size",
			    ends ? json_integer((json_int_t)u->end)
				 : json_null());
	json_object_set_new(o, "offset",
			    at->known ? json_integer((json_int_t)at->bytes)
				      : json_null());
	json_object_set_new(o, "stored", json_integer((json_int_t)at->stored));
	json_object_set_new(o, "flags", flags_json(u->flags));
	json_object_set_new(o, "epoch", json_integer((json_int_t)u->epoch));
	json_object_set_new(o, "rewind", json_integer(u->rewind));
	json_object_set_new(o, "created_at", records_time(u->created_at));
	json_object_set_new(o, "parked_at", records_time(u->parked_at));
	json_object_set_new(o, "verified_at", records_time(u->verified_at));
	json_object_set_new(o, "ended_at", records_time(u->ended_at));
	return o;
}
