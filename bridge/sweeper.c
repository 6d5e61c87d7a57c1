/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/sweeper.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

#define PART "sweeper"
#define SWEEP_MS 60000
#define SPOOL_MS 3600000
#define PAGE 100
#define ABORTS_MAX 16 /* jobs under way before the next row */
#define ABORTS_MS 500 /* how often they are counted */
#define UNCLAIMED_MS (7 * 24 * 3600000LL)
#define ENDED_MS 600000LL	    /* its worker has let go by then */
#define ROWLESS_MS (24 * 3600000LL) /* a row may wait for a failing journal */

enum stage { STAGE_LIVE, STAGE_HIDDEN, STAGE_ORPHANS, STAGE_SPOOL };

/* Uploads that have segments, by name; read in the pool. */
struct spool_names {
	struct work work;	 /* first */
	struct sweeper *sweeper; /* NULL: it is gone */
	char *dir;
	bool read;
	enum err err;
	char (*ids)[ID_LEN + 1];
	size_t n, room, i;
};

struct sweeper {
	struct uploads *us;
	struct loop_timer *timer;
	bool busy;
	enum stage stage;
	int64_t now;	   /* Unix ms at the sweep's begin */
	uint64_t spool_at; /* clock_ms() */

	struct journal_upload *rows; /* a page */
	size_t n, i;
	bool last; /* no page follows it */
	char after[ID_LEN + 1];

	/* A sealed upload that is being reported. */
	struct keylock *lock;
	struct journal_upload row;

	struct spool_names *names;
};

static void sweep_next(struct sweeper *s);

/* A parked upload whose time is up. */

static bool
is_expired(const struct sweeper *s, const struct journal_upload *row,
	   int64_t *before)
{
	*before = s->now - (int64_t)s->us->b->config->park_ttl_ms;
	return row->state == UPLOAD_PARKED && row->parked_at < *before;
}

static void
expired(void *arg, enum err err, const char *why)
{
	struct sweeper *s = arg;
	const struct journal_upload *row = &s->rows[s->i - 1];

	/* In use, or it ended or goes on: all is well. */
	if (!err)
		log_info(PART, NULL, "expired", KV_S("id", row->id),
			 KV_S("user", row->user), KV_S("path", row->path));
	else if (err != ERR_CONFLICT && err != ERR_IN_USE)
		log_warn(PART, NULL, "not_expired", KV_S("id", row->id),
			 KV_ERR(err), KV_S("why", why));
	sweep_next(s);
}

/* A sealed upload that nobody renames: told once, never ended. */

static bool
is_unclaimed(const struct sweeper *s, const struct journal_upload *row)
{
	int64_t since = row->parked_at ? row->parked_at : row->created_at;

	return row->state == UPLOAD_SEALED &&
	       !(row->flags & UPLOAD_UNCLAIMED) &&
	       s->now - since >= UNCLAIMED_MS;
}

static void
unclaimed_end(struct sweeper *s)
{
	keylock_drop(s->lock);
	s->lock = NULL;
	uploads_kick(s->us);
	sweep_next(s);
}

static void
unclaimed_recorded(void *arg, const struct journal_reply *r)
{
	struct sweeper *s = arg;

	if (r->err)
		log_warn(PART, NULL, "event_not_recorded",
			 KV_S("id", s->row.id), KV_ERR(r->err));
	else
		log_warn(PART, NULL, "upload_unclaimed", KV_S("id", s->row.id),
			 KV_S("user", s->row.user), KV_S("path", s->row.path),
			 KV_S("final_path", s->row.final_path),
			 KV_U("bytes", s->row.end));
	unclaimed_end(s);
}

static void
unclaimed_found(void *arg, const struct journal_reply *r)
{
	struct sweeper *s = arg;
	struct journal_event event = { .kind = "unclaimed" };
	struct journal_tx tx = { .update = &s->row, .set = JSET_FLAGS };
	char *body;

	if (r->err || !r->upload || !is_unclaimed(s, r->upload)) {
		unclaimed_end(s);
		return;
	}
	s->row = *r->upload;
	s->row.flags |= UPLOAD_UNCLAIMED;
	id_new(event.id);
	body = event_body_row(&s->row, event.id, event.kind);
	event.body = body;
	tx.event = &event;
	journal_commit(s->us->b->journal, &tx, unclaimed_recorded, s);
	free(body);
}

/* Locked, so that no driver writes back the flags it has in memory. */
static bool
unclaimed_report(struct sweeper *s, const struct journal_upload *row)
{
	struct bridge *b = s->us->b;

	if (keylock_take(b->locks, row->store, row->key, &s->lock) != ERR_OK)
		return false;
	journal_find(b->journal, row->store, row->key, unclaimed_found, s);
	return true;
}

/* Rows that have ended and still ask for work. */

static void
hidden_done(void *arg, enum err err, const char *why)
{
	(void)err; /* logged where it is known */
	(void)why;
	sweep_next(arg);
}

/* True: sweep_next() is called when the row is dealt with. */
static bool
deal_with(struct sweeper *s, const struct journal_upload *row)
{
	int64_t before;

	if (!bridge_store(s->us->b, row->store))
		return false; /* the operator took it away */
	if (s->stage == STAGE_HIDDEN) {
		hidden_delete(s->us, row, NULL, hidden_done, s);
		return true;
	}
	if (s->stage == STAGE_ORPHANS)
		abort_start(s->us, row->id);
	if (is_expired(s, row, &before)) {
		upload_expire_row(s->us, row, before, expired, s);
		return true;
	}
	return is_unclaimed(s, row) && unclaimed_report(s, row);
}

/* Segments. */

static void
name_add(void *arg, const char *upload, uint64_t bytes)
{
	struct spool_names *names = arg;

	(void)bytes;
	if (names->n == names->room) {
		names->room = names->room ? 2 * names->room : 64;
		names->ids = mem_resize(names->ids,
					names->room * sizeof(*names->ids));
	}
	str_copy(names->ids[names->n++], ID_LEN + 1, upload);
}

static void
names_run(struct work *work)
{
	struct spool_names *names = (struct spool_names *)work;

	names->err = spool_walk(names->dir, name_add, names);
}

static void
names_free(struct spool_names *names)
{
	if (!names)
		return;
	free(names->ids);
	free(names->dir);
	free(names);
}

static void
names_done(struct work *work)
{
	struct spool_names *names = (struct spool_names *)work;

	names->read = true;
	if (!names->sweeper) {
		names_free(names);
		return;
	}
	if (names->err)
		log_warn(PART, NULL, "spool_walk", KV_ERR(names->err));
	sweep_next(names->sweeper);
}

static void
names_read(struct sweeper *s)
{
	struct spool_names *names = mem_alloc(sizeof(*names));

	names->work.run = names_run;
	names->work.done = names_done;
	names->sweeper = s;
	names->dir = mem_strdup(s->us->b->config->spool_dir);
	s->names = names;
	work_submit(s->us->b->pool, &names->work);
}

/* When an upload was begun, from its id. */
static int64_t
born_at(const char *id)
{
	unsigned char raw[16];
	int64_t ms = 0;
	int i;

	if (id_bytes(id, raw) != 0)
		return INT64_MAX;
	for (i = 0; i < 6; i++)
		ms = ms << 8 | raw[i];
	return ms;
}

static void
segment_row(void *arg, const struct journal_reply *r)
{
	struct sweeper *s = arg;
	struct spool_names *names = s->names;
	const char *id = names->ids[names->i++];
	const struct journal_upload *row = r->upload;
	bool useless = row ? row->state > UPLOAD_ABORTING &&
				       row->ended_at < s->now - ENDED_MS
			   : born_at(id) < s->now - ROWLESS_MS;

	if (!r->err && useless) {
		log_info(PART, NULL, "segments_removed", KV_S("id", id));
		spool_remove(s->us->b->spool, id, NULL, NULL);
	}
	sweep_next(s);
}

static void
sweep_end(struct sweeper *s)
{
	names_free(s->names);
	s->names = NULL;
	free(s->rows);
	s->rows = NULL;
	s->busy = false;
	loop_timer_set(s->timer, SWEEP_MS);
}

static void
spool_next(struct sweeper *s)
{
	if (!s->names && clock_ms() < s->spool_at) {
		sweep_end(s);
	} else if (!s->names) {
		s->spool_at = clock_ms() + SPOOL_MS;
		names_read(s);
	} else if (s->names->i < s->names->n) {
		journal_get(s->us->b->journal, s->names->ids[s->names->i],
			    segment_row, s);
	} else {
		sweep_end(s);
	}
}

/* Going on. */

static void
page_read(void *arg, const struct journal_reply *r)
{
	struct sweeper *s = arg;

	if (r->err)
		log_warn(PART, NULL, "list", KV_ERR(r->err));
	free(s->rows);
	s->rows = NULL;
	s->i = 0;
	s->n = r->err ? 0 : r->n;
	s->last = !s->n || !r->more;
	if (s->n) {
		s->rows = mem_array(s->n, sizeof(*s->rows));
		memcpy(s->rows, r->uploads, s->n * sizeof(*s->rows));
		str_copy(s->after, sizeof(s->after), s->rows[s->n - 1].id);
	}
	sweep_next(s);
}

static void
page_ask(struct sweeper *s)
{
	struct journal_query q = { .after_id = *s->after ? s->after : NULL,
				   .hidden = s->stage == STAGE_HIDDEN,
				   .create_unknown = s->stage == STAGE_ORPHANS,
				   .max = PAGE };

	if (s->stage == STAGE_LIVE)
		q.states = 1u << UPLOAD_OPEN | 1u << UPLOAD_PARKED |
			   1u << UPLOAD_SEALED;
	else
		q.states = 1u << UPLOAD_PUBLISHED | 1u << UPLOAD_ABORTED |
			   1u << UPLOAD_LOST;
	journal_list(s->us->b->journal, &q, page_read, s);
}

/* True: the page is not done with, sweep_next() will be called. */
static bool
page_goes_on(struct sweeper *s)
{
	while (s->i < s->n) {
		if (aborts_running(s->us) >= ABORTS_MAX) {
			loop_timer_set(s->timer, ABORTS_MS);
			return true;
		}
		if (deal_with(s, &s->rows[s->i++]))
			return true;
	}
	return false;
}

static void
sweep_next(struct sweeper *s)
{
	if (s->us->draining) {
		sweep_end(s);
		return;
	}
	if (s->stage < STAGE_SPOOL && page_goes_on(s))
		return;
	if (s->stage < STAGE_SPOOL && s->last) {
		s->stage++;
		s->last = false;
		s->after[0] = '\0';
	}
	if (s->stage < STAGE_SPOOL)
		page_ask(s);
	else
		spool_next(s);
}

static void
sweep(struct sweeper *s)
{
	s->busy = true;
	s->stage = STAGE_LIVE;
	s->now = clock_wall_ms();
	s->n = s->i = 0;
	s->last = false;
	s->after[0] = '\0';
	page_ask(s);
}

static void
on_timer(void *arg)
{
	struct sweeper *s = arg;

	if (s->busy)
		sweep_next(s);
	else if (ledger_is_first(s->us->b->ledger) && !s->us->draining)
		sweep(s);
	else
		loop_timer_set(s->timer, SWEEP_MS);
}

struct sweeper *
sweeper_new(struct uploads *us)
{
	struct sweeper *s = mem_alloc(sizeof(*s));

	s->us = us;
	s->timer = loop_timer_new(us->b->loop, on_timer, s);
	loop_timer_set(s->timer, SWEEP_MS);
	return s;
}

void
sweeper_free(struct sweeper *s)
{
	if (!s)
		return;
	journal_forget(s->us->b->journal, s);
	keylock_drop(s->lock);
	loop_timer_free(s->timer);
	if (s->names && !s->names->read)
		s->names->sweeper = NULL; /* the pool still has it */
	else
		names_free(s->names);
	free(s->rows);
	free(s);
}

void
sweeper_now(struct sweeper *s)
{
	s->spool_at = 0;
	if (!s->busy)
		sweep(s);
}

bool
sweeper_busy(const struct sweeper *s)
{
	return s->busy;
}
