/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What STAT and LIST show of uploads. A STAT's offset may be relied on, so it
 * is recovered as for a resume (and cross-checked with the store when that is
 * due); a listing tells what journal, memory and LIVE records say.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"

/*
 * What was peeked at is true only if no part went from the spool to the store
 * after its rows were read and before its segments were: so rows are read
 * again, until they are the same.
 */
#define PEEKS_MAX 20

struct peek {
	char id[ID_LEN + 1];
	uint64_t epoch, rewind;
	size_t nparts;
	unsigned tries;
};

/* Whether these rows are those of the last peek; remembers them. */
static bool
peek_holds(struct peek *p, const struct journal_reply *r)
{
	const struct journal_upload *row = r->upload;
	bool same = !strcmp(p->id, row->id) && p->epoch == row->epoch &&
		    p->rewind == row->rewind && p->nparts == r->nparts;

	str_copy(p->id, sizeof(p->id), row->id);
	p->epoch = row->epoch;
	p->rewind = row->rewind;
	p->nparts = r->nparts;
	return same || ++p->tries > PEEKS_MAX;
}

struct looker {
	struct upload_call call;
	struct peek peek;
	struct uname name;
	char user[JOURNAL_USER_MAX + 1], session[16];
	struct upload_view view;
	upload_view_fn *fn;
	void *arg;
};

static void
looker_deliver(struct upload_call *c)
{
	struct looker *l = (struct looker *)c;

	if (!c->dropped)
		l->fn(l->arg, c->err, c->why, &l->view);
	free(l);
}

static void
view_row(struct upload_view *v, const struct journal_upload *row,
	 const char *user, const char *path)
{
	v->found = !strcmp(row->user, user) && !strcmp(row->path, path) &&
		   row->kind == UPLOAD_KIND_UPLOAD &&
		   !(row->flags & UPLOAD_APPENDING);
	v->other = !v->found;
	v->hidden = *row->hidden_etag != '\0';
	str_copy(v->hidden_etag, sizeof(v->hidden_etag), row->hidden_etag);
	str_copy(v->id, sizeof(v->id), row->id);
	v->declared = row->flags & UPLOAD_DECLARED;
	v->total = row->declared;
	v->state = row->state;
	v->mtime = row->mtime ? row->mtime : row->created_at / 1000;
}

static void
pin(struct looker *l, const char *id, const char *driver)
{
	struct bridge *b = l->call.us->b;

	if (!driver || strcmp(driver, l->session))
		ledger_pin(b->ledger, id, l->view.end, b->config->pin_ms);
}

static void
look_recovered(struct upload *u, enum err err, void *arg)
{
	struct looker *l = arg;

	l->view.end = u->end;
	if (err == ERR_PUBLISHING) {
		l->view.end = u->row.end;
		call_finish(&l->call, ERR_OK, NULL);
		return;
	}
	upload_end(u);
	call_finish(&l->call, err,
		    err == ERR_AGAIN ? "the store is out of reach; try later"
				     : NULL);
}

static void
look_locked_found(void *arg, const struct journal_reply *r)
{
	struct upload *u = ((void **)arg)[0];
	struct looker *l = ((void **)arg)[1];

	free(arg);
	u->busy--;
	if (r->err || !r->upload) {
		l->view.found = l->view.other = false;
		upload_end(u);
		call_finish(&l->call, r->err, NULL);
		return;
	}
	upload_load(u, r->upload, r->parts, r->nparts);
	view_row(&l->view, &u->row, l->user, l->name.path);
	u->only_looked = true;
	upload_recover(u, look_recovered, l);
}

/* Nobody drives it: recover it under the lock, then let go. */
static bool
look_locked(struct looker *l)
{
	struct uploads *us = l->call.us;
	struct keylock *lock;
	struct upload *u;
	void **pair;

	if (us->draining ||
	    keylock_take(us->b->locks, store_name(l->name.store), l->name.key,
			 &lock))
		return false;
	u = upload_new(us, l->name.store, l->name.key, lock);
	u->busy++;
	pair = mem_array(2, sizeof(*pair));
	pair[0] = u;
	pair[1] = l;
	journal_find(us->b->journal, store_name(l->name.store), l->name.key,
		     look_locked_found, pair);
	return true;
}

static void
look_found(void *arg, const struct journal_reply *r)
{
	struct looker *l = arg;
	struct uploads *us = l->call.us;

	if (r->err || !r->upload) {
		call_finish(&l->call, r->err, NULL);
		return;
	}
	view_row(&l->view, r->upload, l->user, l->name.path);
	if (!l->view.found) {
		call_finish(&l->call, ERR_OK, NULL);
		return;
	}
	if (r->upload->state == UPLOAD_CLOSING ||
	    r->upload->state == UPLOAD_COMPLETING) {
		l->view.end = r->upload->end;
		call_finish(&l->call, ERR_OK, NULL);
		return;
	}
	if (peek_holds(&l->peek, r)) {
		pin(l, r->upload->id, NULL);
		call_finish(&l->call, ERR_OK, NULL);
		return;
	}
	if (look_locked(l))
		return;
	l->view.end = upload_peek_end(us, l->name.store, r->upload, r->parts,
				      r->nparts, NULL);
	journal_find(us->b->journal, store_name(l->name.store), l->name.key,
		     look_found, l);
}

static bool
in_memory(const struct upload *u)
{
	return u && u->in_journal && u->phase != PHASE_OPENING &&
	       u->phase != PHASE_ENDED;
}

struct upload_call *
upload_look(struct uploads *us, struct upload_who who,
	    const struct upload_name *name, upload_view_fn *fn, void *arg)
{
	struct looker *l = mem_alloc(sizeof(*l));
	struct upload *u;

	call_init(&l->call, us, looker_deliver);
	uname_copy(&l->name, name);
	str_copy(l->user, sizeof(l->user), who.user->name);
	str_copy(l->session, sizeof(l->session), who.session);
	l->fn = fn;
	l->arg = arg;
	u = upload_by_key(us, keylock_hash(store_name(name->store), name->key));
	if (in_memory(u)) {
		view_row(&l->view, &u->row, l->user, name->path);
		l->view.end = u->end;
		if (l->view.found && !upload_publishing(u))
			pin(l, u->row.id, u->file ? u->session : NULL);
		call_finish(&l->call, ERR_OK, NULL);
	} else {
		journal_find(us->b->journal, store_name(name->store), name->key,
			     look_found, l);
	}
	return &l->call;
}

/* LIST. */

#define SCAN_MAX 10000 /* uploads of one folder that a listing shows */

struct scanner {
	struct upload_call call;
	struct store *store;
	char prefix[STORE_KEY_MAX + 1];
	char user[JOURNAL_USER_MAX + 1];
	char after[ID_LEN + 1];
	struct upload_view *views; /* path and key are their own */
	char (*ids)[ID_LEN + 1];
	size_t n, room, i;
	struct peek peek;
	upload_scan_fn *fn;
	void *arg;
};

static void
scanner_deliver(struct upload_call *c)
{
	struct scanner *s = (struct scanner *)c;

	if (!c->dropped)
		s->fn(s->arg, c->err, c->why, s->views, s->n);
	for (size_t i = 0; i < s->n; i++) {
		free((char *)s->views[i].path);
		free((char *)s->views[i].key);
	}
	free(s->views);
	free(s->ids);
	free(s);
}

static void scan_next(struct scanner *s);

static void
scan_parts(void *arg, const struct journal_reply *r)
{
	struct scanner *s = arg;
	struct upload_view *v = &s->views[s->i];

	if (!r->err && r->upload && !peek_holds(&s->peek, r)) {
		v->end = upload_peek_end(s->call.us, s->store, r->upload,
					 r->parts, r->nparts, NULL);
	} else {
		memset(&s->peek, 0, sizeof(s->peek));
		s->i++;
	}
	scan_next(s);
}

/* Finds the offsets of those that only journal and spool can tell. */
static void
scan_next(struct scanner *s)
{
	for (; s->i < s->n && !s->call.dropped; s->i++) {
		struct upload_view *v = &s->views[s->i];
		struct upload *u;

		if (!v->found)
			continue;
		u = upload_by_id(s->call.us, s->ids[s->i]);
		if (in_memory(u)) {
			v->end = u->end;
		} else if (v->state == UPLOAD_OPEN ||
			   v->state == UPLOAD_PARKED) {
			journal_get(s->call.us->b->journal, s->ids[s->i],
				    scan_parts, s);
			return;
		}
	}
	call_finish(&s->call, ERR_OK, NULL);
}

static void
scan_add(struct scanner *s, const struct journal_upload *row)
{
	struct upload_view *v;

	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 16;
		s->views = mem_resize(s->views, s->room * sizeof(*v));
		s->ids = mem_resize(s->ids, s->room * sizeof(s->ids[0]));
	}
	v = &s->views[s->n];
	memset(v, 0, sizeof(*v));
	view_row(v, row, s->user, row->path);
	if (!v->found && !v->hidden)
		return;
	v->end = row->end;
	v->path = mem_strdup(row->path);
	v->key = mem_strdup(row->key);
	memcpy(s->ids[s->n++], row->id, ID_LEN + 1);
}

static void scan_rows(void *arg, const struct journal_reply *r);

static void
scan_more(struct scanner *s)
{
	struct journal_query q = { .store = store_name(s->store),
				   .key_prefix = s->prefix,
				   .after_id = *s->after ? s->after : NULL,
				   .max = 1000 };

	q.states = 1u << UPLOAD_OPEN | 1u << UPLOAD_PARKED |
		   1u << UPLOAD_CLOSING | 1u << UPLOAD_SEALED |
		   1u << UPLOAD_COMPLETING;
	journal_list(s->call.us->b->journal, &q, scan_rows, s);
}

static void
scan_rows(void *arg, const struct journal_reply *r)
{
	struct scanner *s = arg;
	size_t i, skip = strlen(s->prefix);

	if (r->err) {
		call_finish(&s->call, r->err, NULL);
		return;
	}
	for (i = 0; i < r->n && s->n < SCAN_MAX; i++)
		if (!strchr(r->uploads[i].key + skip, '/'))
			scan_add(s, &r->uploads[i]);
	if (r->more && r->n && s->n < SCAN_MAX && !s->call.dropped) {
		memcpy(s->after, r->uploads[r->n - 1].id, ID_LEN + 1);
		scan_more(s);
	} else {
		scan_next(s);
	}
}

struct upload_call *
upload_scan(struct uploads *us, struct upload_who who, struct store *store,
	    const char *key_prefix, upload_scan_fn *fn, void *arg)
{
	struct scanner *s = mem_alloc(sizeof(*s));

	call_init(&s->call, us, scanner_deliver);
	s->store = store;
	s->fn = fn;
	s->arg = arg;
	str_copy(s->prefix, sizeof(s->prefix), key_prefix);
	str_copy(s->user, sizeof(s->user), who.user->name);
	scan_more(s);
	return &s->call;
}

/* An operator asks. */

struct asker {
	struct uploads *us;
	struct peer_request *req;
};

static uint64_t
offset_of(struct uploads *us, struct store *store,
	  const struct journal_reply *r)
{
	const struct journal_upload *row = r->upload;
	struct upload *u = upload_by_id(us, row->id);

	if (in_memory(u))
		return u->end;
	if (row->state == UPLOAD_OPEN || row->state == UPLOAD_PARKED)
		return upload_peek_end(us, store, row, r->parts, r->nparts,
				       NULL);
	return row->end;
}

static void
asker_found(void *arg, const struct journal_reply *r)
{
	struct asker *a = arg;
	struct store *store = NULL;
	char text[32] = "";

	if (!r->err && r->upload && upload_state_live(r->upload->state))
		store = bridge_store(a->us->b, r->upload->store);
	if (store)
		str_printf(text, sizeof(text), "%" PRIu64,
			   offset_of(a->us, store, r));
	if (r->err)
		peer_answer(a->req, ERR_AGAIN, NULL);
	else
		peer_answer(a->req, store ? ERR_OK : ERR_NOT_FOUND, text);
	free(a);
}

void
look_offset(struct uploads *us, const char *id, struct peer_request *req)
{
	struct asker *a = mem_alloc(sizeof(*a));

	a->us = us;
	a->req = req;
	journal_get(us->b->journal, id, asker_found, a);
}
