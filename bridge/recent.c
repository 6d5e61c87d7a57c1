/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/recent.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "lib/clock.h"
#include "lib/mem.h"

struct entry {
	UT_hash_handle hh;	   /* by name, in the order of the events */
	char *name;		   /* "store/key" */
	struct recent_change what; /* its key points into the name */
	char etag[STORE_ETAG_MAX + 1];
};

struct recent {
	struct journal *journal;
	struct entry *entries;
	int64_t seq; /* of the last event that was read */
	bool started;
	bool reading;
	unsigned round; /* of those whom the next end of a read serves */
	struct recent_wait *waiting;
};

struct recent *
recent_new(struct journal *j)
{
	struct recent *r = mem_alloc(sizeof(*r));

	r->journal = j;
	return r;
}

static void
drop(struct recent *r, struct entry *e)
{
	HASH_DEL(r->entries, e);
	free(e->name);
	free(e);
}

void
recent_free(struct recent *r)
{
	if (!r)
		return;
	journal_forget(r->journal, r);
	while (r->entries)
		drop(r, r->entries);
	free(r);
}

static struct entry *
find(const struct recent *r, const char *store, const char *key)
{
	char *name = mem_printf("%s/%s", store, key);
	struct entry *e;

	HASH_FIND_STR(r->entries, name, e);
	free(name);
	return e;
}

void
recent_drop(struct recent *r, const char *store, const char *key)
{
	struct entry *e = find(r, store, key);

	if (e)
		drop(r, e);
}

/* The latest is the last in the hash. */
static struct entry *
add(struct recent *r, const char *store, const char *key, int64_t at)
{
	struct entry *e = mem_alloc(sizeof(*e));

	recent_drop(r, store, key);
	e->name = mem_printf("%s/%s", store, key);
	e->what.key = e->name + strlen(store) + 1;
	e->what.at = at;
	e->what.etag = e->etag;
	HASH_ADD_KEYPTR(hh, r->entries, e->name, strlen(e->name), e);
	return e;
}

static void
expire(struct recent *r)
{
	int64_t oldest = clock_wall_ms() - RECENT_MS;

	while (r->entries && (r->entries->what.at < oldest ||
			      HASH_COUNT(r->entries) > RECENT_MAX))
		drop(r, r->entries);
}

static const char *
text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void
take_event(struct recent *r, const struct journal_event_row *row)
{
	bool renamed = !strcmp(row->kind, "renamed");
	bool gone = !strcmp(row->kind, "deleted");
	bool made = renamed || !strcmp(row->kind, "published");
	json_t *o = made || gone ? json_loads(row->body, 0, NULL) : NULL;
	const char *store = text(o, "store"), *key = text(o, "key");
	struct entry *e;

	if (*store && *key) {
		e = add(r, store, key, row->at);
		e->what.gone = gone;
		e->what.size = (uint64_t)json_integer_value(
			json_object_get(o, "size"));
		str_copy(e->etag, sizeof(e->etag), text(o, "etag"));
	}
	if (renamed && *store && *text(o, "source_key"))
		add(r, store, text(o, "source_key"), row->at)->what.gone = true;
	json_decref(o);
}

static void begin(struct recent *r);

/* Who began to wait while it was being read gets a read of his own. */
static void
tell(struct recent *r)
{
	unsigned round = r->round++;
	struct recent_wait *w;

	r->reading = false;
	expire(r);
	while ((w = r->waiting) != NULL && w->round == round) {
		recent_unwait(r, w);
		w->fn(w->arg);
	}
	if (r->waiting && !r->reading)
		begin(r);
}

static void read_on(struct recent *r);

static void
page_read(void *arg, const struct journal_reply *reply)
{
	struct recent *r = arg;
	int64_t oldest = clock_wall_ms() - RECENT_MS;

	for (size_t i = 0; !reply->err && i < reply->n; i++) {
		const struct journal_event_row *row = &reply->events[i];

		r->seq = row->seq;
		if (row->at >= oldest && row->body)
			take_event(r, row);
	}
	expire(r);
	if (!reply->err && reply->more)
		read_on(r);
	else
		tell(r);
}

static void
read_on(struct recent *r)
{
	struct journal_event_query q = { .which = EVENTS_AFTER,
					 .after = r->seq };

	journal_events(r->journal, &q, page_read, r);
}

/* What lies further back than RECENT_MAX would be forgotten at once. */
static void
newest_read(void *arg, const struct journal_reply *reply)
{
	struct recent *r = arg;

	if (reply->err) {
		tell(r);
		return;
	}
	r->started = true;
	if (reply->newest > RECENT_MAX)
		r->seq = reply->newest - RECENT_MAX;
	read_on(r);
}

static void
begin(struct recent *r)
{
	r->reading = true;
	if (r->started)
		read_on(r);
	else
		journal_sinks(r->journal, SINKS_NEWS, newest_read, r);
}

void
recent_update(struct recent *r, struct recent_wait *w)
{
	DL_APPEND(r->waiting, w);
	w->waiting = true;
	w->round = r->round + r->reading;
	if (!r->reading)
		begin(r);
}

void
recent_unwait(struct recent *r, struct recent_wait *w)
{
	if (w->waiting)
		DL_DELETE(r->waiting, w);
	w->waiting = false;
}

static int
by_key(const void *a, const void *b)
{
	return strcmp(((const struct recent_change *)a)->key,
		      ((const struct recent_change *)b)->key);
}

static bool
within(const struct entry *e, const struct recent_range *range)
{
	size_t store = strlen(range->store), skip = strlen(range->prefix);
	const char *key = e->what.key, *rest = key + skip;

	if (strncmp(e->name, range->store, store) != 0 ||
	    e->name[store] != '/' || strncmp(key, range->prefix, skip) != 0)
		return false;
	return *rest && !strchr(rest, '/') && strcmp(rest, range->from) > 0 &&
	       (!range->to || strcmp(rest, range->to) <= 0);
}

size_t
recent_changes(const struct recent *r, const struct recent_range *range,
	       struct recent_change **out)
{
	struct entry *e, *tmp;
	size_t n = 0;

	*out = mem_array(HASH_COUNT(r->entries) + 1, sizeof(**out));
	HASH_ITER (hh, r->entries, e, tmp) {
		if (!within(e, range))
			continue;
		(*out)[n] = e->what;
		(*out)[n++].key += strlen(range->prefix);
	}
	qsort(*out, n, sizeof(**out), by_key);
	return n;
}
