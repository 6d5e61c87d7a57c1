/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Getting a key's lock. The lock is free, or one of ours drives the key, or
 * another worker does. Who is publishing is waited for; an idle driver of the
 * same user is asked to make room; everyone else is "in use".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

#define KEYER_POLL_MS 100
#define KEYER_ANSWER_MS 2000 /* a worker answers so long after its wait */

struct keyer {
	struct keyer *prev, *next;
	struct uploads *us;
	struct store *store;
	char key[STORE_KEY_MAX + 1];
	char user[JOURNAL_USER_MAX + 1];
	uint64_t keyhash, idle_deadline, publishing_deadline, last_deadline;
	bool takeover, asking, asked;
	struct loop_timer *timer;
	keyer_fn *fn;
	void *arg;
};

static void keyer_try(struct keyer *k);

static void
keyer_done(struct keyer *k, enum err err, const char *why, struct keylock *lock)
{
	keyer_fn *fn = k->fn;
	void *arg = k->arg;

	if (k->prev)
		k->prev->next = k->next;
	else
		k->us->keyers = k->next;
	if (k->next)
		k->next->prev = k->prev;
	loop_timer_free(k->timer);
	free(k);
	fn(arg, err, why ? why : err_text(err), lock);
}

bool
upload_is_idle(const struct upload *u)
{
	if (!u->file)
		return true;
	return !u->paused && !u->acks_wait &&
	       clock_ms() - u->last_ms >= u->all->b->config->takeover_idle_ms;
}

static void
keyer_in_use(struct keyer *k)
{
	keyer_done(k, ERR_IN_USE, "another session is uploading to this name",
		   NULL);
}

/* One of this worker's own uploads has the key. */
static void
keyer_local(struct keyer *k, struct upload *u)
{
	uint64_t now = clock_ms();

	if (upload_publishing(u)) {
		if (now >= k->publishing_deadline)
			keyer_done(k, ERR_PUBLISHING,
				   "the file is still being published", NULL);
		return;
	}
	if (u->phase == PHASE_OPENING || u->phase == PHASE_ENDED)
		goto wait;
	if (!k->takeover || !u->user || strcmp(u->row.user, k->user)) {
		if (u->phase == PHASE_PARKING)
			upload_give_way(u);
		else
			keyer_in_use(k);
		return;
	}
	if (upload_is_idle(u)) {
		upload_give_way(u);
		return;
	}
wait:
	if (now >= k->idle_deadline)
		keyer_in_use(k);
}

static void
keyer_answer(void *arg, enum err err, const char *text)
{
	struct keyer *k = arg;

	k->asking = false;
	if (err && err != ERR_AGAIN && err != ERR_NOT_FOUND)
		keyer_done(k, err, text && *text ? text : NULL, NULL);
	else
		loop_timer_set(k->timer, err ? KEYER_POLL_MS : 5);
}

static void
keyer_remote(struct keyer *k, int slot, const char *id)
{
	struct bridge *b = k->us->b;
	char line[PEER_LINE];
	unsigned ms = b->config->publishing_wait_ms + KEYER_ANSWER_MS;

	k->asking = k->asked = true;
	line[0] = '\0';
	str_printf(line, sizeof(line), "takeover %s %s %d", id, k->user,
		   k->takeover);
	peer_ask(b->peer, slot, line, ms, keyer_answer, k);
}

static void
keyer_taken(struct keyer *k)
{
	struct uploads *us = k->us;
	struct upload *u = upload_by_key(us, k->keyhash);
	char id[ID_LEN + 1];
	bool late;
	int slot;

	if (us->draining) {
		keyer_done(k, ERR_AGAIN, "the service is stopping", NULL);
		return;
	}
	loop_timer_set(k->timer, KEYER_POLL_MS);
	if (u) {
		keyer_local(k, u);
		return;
	}
	slot = ledger_upload_find(us->b->ledger, k->keyhash, id);
	late = clock_ms() >= k->last_deadline;
	if (slot >= 0 && slot != ledger_slot(us->b->ledger) && us->b->peer &&
	    !(k->asked && late))
		keyer_remote(k, slot, id);
	else if (late)
		keyer_in_use(k);
}

static void
keyer_try(struct keyer *k)
{
	struct keylock *lock = NULL;
	enum err err;

	if (k->asking)
		return;
	err = keylock_take(k->us->b->locks, store_name(k->store), k->key,
			   &lock);
	if (err == ERR_IN_USE)
		keyer_taken(k);
	else if (err)
		keyer_done(k, err, NULL, NULL);
	else
		keyer_done(k, ERR_OK, NULL, lock);
}

static void
keyer_timer(void *arg)
{
	keyer_try(arg);
}

void
keyer_start(struct uploads *us, const struct keyer_want *w, keyer_fn *fn,
	    void *arg)
{
	struct keyer *k = mem_alloc(sizeof(*k));
	uint64_t now = clock_ms();

	k->us = us;
	k->store = w->store;
	k->takeover = w->takeover;
	str_copy(k->key, sizeof(k->key), w->key);
	str_copy(k->user, sizeof(k->user), w->user);
	k->keyhash = keylock_hash(store_name(w->store), w->key);
	k->idle_deadline = now + us->b->config->takeover_wait_ms;
	k->publishing_deadline = now + us->b->config->publishing_wait_ms;
	k->last_deadline = k->idle_deadline > k->publishing_deadline
				   ? k->idle_deadline
				   : k->publishing_deadline;
	k->fn = fn;
	k->arg = arg;
	k->timer = loop_timer_new(us->b->loop, keyer_timer, k);
	k->next = us->keyers;
	if (us->keyers)
		us->keyers->prev = k;
	us->keyers = k;
	keyer_try(k);
}

void
keyers_wake(struct uploads *us)
{
	struct keyer *k;

	/* By timer: a try may end a keyer, and its callback others. */
	for (k = us->keyers; k; k = k->next)
		if (!k->asking)
			loop_timer_set(k->timer, 0);
}

/* A request of another worker: make room for it, if the rules allow. */
struct serve {
	struct uploads *us;
	struct peer_request *req;
};

static void
serve_unlocked(void *arg, enum err err, const char *why, struct keylock *lock)
{
	struct serve *s = arg;

	keylock_drop(lock);
	peer_answer(s->req, err, err ? why : "");
	uploads_kick(s->us);
	free(s);
}

static void serve_abort(struct uploads *us, const char *id,
			struct peer_request *req);

void
uploads_serve(struct uploads *us, const char *line, struct peer_request *req)
{
	char id[ID_LEN + 1], user[JOURNAL_USER_MAX + 1];
	struct keyer_want want = { 0 };
	struct upload *u;
	struct serve *s;
	int takeover = 0;

	if (sscanf(line, "abort %32s", id) == 1 && id_valid(id)) {
		serve_abort(us, id, req);
		return;
	}
	if (sscanf(line, "publish %32s", id) == 1 && id_valid(id)) {
		operator_publish(us, id, req);
		return;
	}
	if (sscanf(line, "offset %32s", id) == 1 && id_valid(id)) {
		look_offset(us, id, req);
		return;
	}
	if (!strncmp(line, "recount ", 8)) {
		quota_serve(us->b->quota, line + 8, req);
		return;
	}
	if (sscanf(line, "takeover %32s %63s %d", id, user, &takeover) != 3) {
		peer_answer(req, ERR_INVALID, "unknown request");
		return;
	}
	u = upload_by_id(us, id);
	if (!u) {
		peer_answer(req, ERR_NOT_FOUND, "not driven here");
		return;
	}
	s = mem_alloc(sizeof(*s));
	s->us = us;
	s->req = req;
	want.store = u->store;
	want.key = u->row.key;
	want.user = user;
	want.takeover = takeover;
	keyer_start(us, &want, serve_unlocked, s);
}

struct serve_abort {
	struct uploads *us;
	struct peer_request *req;
	struct journal_upload row;
};

static void
serve_abort_removed(void *arg, enum err err, const char *why)
{
	struct serve_abort *a = arg;

	peer_answer(a->req, err, why);
	free(a);
}

static void
serve_abort_found(void *arg, const struct journal_reply *r)
{
	struct serve_abort *a = arg;

	if (r->err || !r->upload) {
		peer_answer(a->req, r->err ? r->err : ERR_NOT_FOUND,
			    "no such upload");
		free(a);
		return;
	}
	a->row = *r->upload;
	if (!upload_state_live(a->row.state)) {
		peer_answer(a->req, ERR_CONFLICT, "it has ended already");
		free(a);
		return;
	}
	upload_abort_row(a->us, &a->row, serve_abort_removed, a);
}

static void
serve_abort(struct uploads *us, const char *id, struct peer_request *req)
{
	struct serve_abort *a = mem_alloc(sizeof(*a));

	a->us = us;
	a->req = req;
	journal_get(us->b->journal, id, serve_abort_found, a);
}
