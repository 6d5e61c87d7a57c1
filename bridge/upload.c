/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/upload_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"

#define STORE_BACK_MS 500 /* retries are spread over so long */

static void
call_post(void *arg)
{
	struct upload_call *c = arg;
	struct uploads *us = c->us;

	c->deliver(c);
	us->calls--;
	if (us->draining)
		uploads_kick(us);
}

void
call_init(struct upload_call *c, struct uploads *us,
	  void (*deliver)(struct upload_call *c))
{
	us->calls++;
	c->us = us;
	c->deliver = deliver;
	c->post.fn = call_post;
	c->post.arg = c;
}

void
call_finish(struct upload_call *c, enum err err, const char *why)
{
	c->err = err;
	str_copy(c->why, sizeof(c->why), why ? why : err_text(err));
	loop_post(c->us->b->loop, &c->post);
}

void
upload_call_drop(struct upload_call *c)
{
	c->dropped = true;
}

static void
done_deliver(struct upload_call *c)
{
	struct upload_done *d = (struct upload_done *)c;

	if (!c->dropped && d->fn)
		d->fn(d->arg, c->err, c->why);
	free(d);
}

struct upload_done *
done_new(struct uploads *us, upload_done_fn *fn, void *arg)
{
	struct upload_done *d = mem_alloc(sizeof(*d));

	call_init(&d->call, us, done_deliver);
	d->fn = fn;
	d->arg = arg;
	return d;
}

void
uname_copy(struct uname *out, const struct upload_name *in)
{
	out->store = in->store;
	out->temp = in->temp;
	str_copy(out->key, sizeof(out->key), in->key);
	str_copy(out->path, sizeof(out->path), in->path);
	str_copy(out->final_path, sizeof(out->final_path), in->final_path);
}

static const char *const phase_names[] = {
	"opening",    "idle",	    "taking",  "closing",  "sealing",
	"completing", "publishing", "parking", "aborting", "ended",
};

void
upload_enter(struct upload *u, enum upload_phase phase)
{
	log_debug("upload", u->session, "phase", KV_S("id", u->row.id),
		  KV_S("from", phase_names[u->phase]),
		  KV_S("to", phase_names[phase]));
	u->phase = phase;
	if (phase == PHASE_TAKING)
		u->transferring = u->file != NULL;
}

bool
upload_publishing(const struct upload *u)
{
	if (u->phase == PHASE_TAKING)
		return u->close_asked && u->close_complete && !u->failed;
	return u->phase == PHASE_CLOSING || u->phase == PHASE_SEALING ||
	       u->phase == PHASE_COMPLETING || u->phase == PHASE_PUBLISHING ||
	       u->phase == PHASE_ABORTING;
}

static void
retry_timer_fn(void *arg)
{
	struct upload *u = arg;
	void (*fn)(struct upload * u) = u->retry_fn;

	u->retry_fn = NULL;
	if (fn)
		fn(u);
}

void
upload_retry_in(struct upload *u, unsigned ms, void (*fn)(struct upload *u))
{
	u->retry_fn = fn;
	loop_timer_set(u->retry, ms);
}

struct upload *
upload_new(struct uploads *us, struct store *store, const char *key,
	   struct keylock *lock)
{
	struct upload *u = mem_alloc(sizeof(*u));

	u->all = us;
	u->store = store;
	u->lock = lock;
	u->keyhash = keylock_hash(store_name(store), key);
	u->counts = quota_covers(us->b->quota, store_name(store), key);
	u->commits_tail = &u->commits;
	u->hold_tail = &u->hold;
	u->last_ms = clock_ms();
	u->started_ms = u->last_ms;
	id_new(u->row.id);
	u->row.epoch = 1;
	str_copy(u->row.store, sizeof(u->row.store), store_name(store));
	str_copy(u->row.key, sizeof(u->row.key), key);
	u->commit_timer = loop_timer_new(us->b->loop, commit_repeat, u);
	u->retry = loop_timer_new(us->b->loop, retry_timer_fn, u);
	u->next = us->list;
	if (us->list)
		us->list->prev = u;
	us->list = u;
	us->count++;
	if (ledger_upload_add(us->b->ledger, u->row.id, u->keyhash))
		log_warn("upload", NULL, "ledger_full",
			 KV_S("key", u->row.key));
	return u;
}

void
upload_set_user(struct upload *u, const struct upload_who *who)
{
	user_unref(u->user);
	u->user = user_ref(who->user);
	str_copy(u->session, sizeof(u->session), who->session);
	if (who->addr)
		str_copy(u->addr, sizeof(u->addr), who->addr);
	str_copy(u->row.user, sizeof(u->row.user), who->user->name);
	str_copy(u->row.protocol, sizeof(u->row.protocol), who->protocol);
	str_copy(u->row.owner, sizeof(u->row.owner), u->all->b->config->node);
}

struct upload *
upload_by_key(struct uploads *us, uint64_t keyhash)
{
	struct upload *u;

	for (u = us->list; u; u = u->next)
		if (u->lock && u->keyhash == keyhash)
			return u;
	return NULL;
}

struct upload *
upload_by_id(struct uploads *us, const char *id)
{
	struct upload *u;

	for (u = us->list; u; u = u->next)
		if (u->lock && !strcmp(u->row.id, id))
			return u;
	return NULL;
}

void
upload_load(struct upload *u, const struct journal_upload *row,
	    const struct store_part *parts, size_t n)
{
	char id[ID_LEN + 1];

	str_copy(id, sizeof(id), u->row.id);
	u->row = *row;
	u->in_journal = true;
	u->loaded = true;
	ledger_upload_remove(u->all->b->ledger, id);
	ledger_upload_add(u->all->b->ledger, u->row.id, u->keyhash);
	free(u->parts);
	u->parts = mem_array(n + 16, sizeof(*parts));
	u->parts_size = n + 16;
	u->nparts = n;
	if (n)
		memcpy(u->parts, parts, n * sizeof(*parts));
}

static void
upload_free(struct upload *u)
{
	struct uploads *us = u->all;

	if (u->prev)
		u->prev->next = u->next;
	else
		us->list = u->next;
	if (u->next)
		u->next->prev = u->prev;
	us->count--;
	us->abandoned -= u->abandoned;
	loop_timer_free(u->commit_timer);
	loop_timer_free(u->retry);
	loop_timer_free(u->rate_timer);
	user_unref(u->user);
	free(u->orphan);
	free(u->parts);
	free(u);
}

static void
hold_free(struct upload *u)
{
	struct hold *h;

	while ((h = u->hold)) {
		u->hold = h->next;
		free(h);
	}
	u->hold_tail = &u->hold;
	u->hold_bytes = 0;
}

void
upload_end(struct upload *u)
{
	if (u->phase == PHASE_ENDED)
		return;
	upload_enter(u, PHASE_ENDED);
	store_cancel(u->op);
	u->op = NULL;
	loop_timer_clear(u->retry);
	u->retry_fn = NULL;
	if (u->rate_timer)
		loop_timer_clear(u->rate_timer);
	while (u->segs)
		useg_drop(u->segs,
			  u->row.state >= UPLOAD_ABORTING || u->segs->spoiled);
	hold_free(u);
	upload_resume(u, ~0u);
	close_reply(u, ERR_AGAIN, NULL);
	fsync_fail(u, ERR_IN_USE);
	if (u->copier)
		call_finish(&u->copier->call, ERR_IN_USE, NULL);
	u->copier = NULL;
	if (u->file) {
		u->file->u = NULL;
		u->file = NULL;
	}
	ledger_upload_remove(u->all->b->ledger, u->row.id);
	keylock_drop(u->lock);
	keylock_drop(u->source_lock);
	u->lock = u->source_lock = NULL;
	uploads_kick(u->all);
	upload_reap(u);
}

void
upload_reap(struct upload *u)
{
	struct uploads *us = u->all;

	if (u->phase != PHASE_ENDED || u->busy)
		return;
	upload_free(u);
	uploads_kick(us);
}

void
upload_fail(struct upload *u, enum err err, const char *why)
{
	if (u->failed)
		return;
	u->failed = err;
	str_copy(u->why, sizeof(u->why), why ? why : err_text(err));
	log_warn("upload", u->session, "upload_failed", KV_S("id", u->row.id),
		 KV_S("path", u->row.path), KV_ERR(err), KV_S("why", u->why));
	hold_free(u);
	upload_resume(u, ~0u);
	if (u->file)
		file_notify(u->file);
	upload_pump(u);
}

void
upload_pump(struct upload *u)
{
	if (u->phase == PHASE_ENDED) {
		upload_reap(u);
		return;
	}
	u->busy++; /* whatever follows may end the upload */
	if (u->hold && !u->acks_wait && !u->preparing && !u->failed)
		upload_replay(u);
	charge_pump(u);
	append_pump(u);
	parts_pump(u);
	copy_pump(u);
	fsync_pump(u);
	if (u->phase == PHASE_TAKING || u->phase == PHASE_IDLE ||
	    u->phase == PHASE_CLOSING)
		close_pump(u);
	if (u->phase == PHASE_PARKING)
		park_pump(u);
	if (u->file)
		file_notify(u->file);
	u->busy--;
	upload_reap(u);
}

static void
kick_run(void *arg)
{
	struct uploads *us = arg;

	us->kicked = false;
	flow_run(us);
	parts_send(us);
	keyers_wake(us);
	if (us->draining && !us->list && !us->aborts && !us->calls &&
	    us->drained) {
		void (*fn)(void *) = us->drained;

		us->drained = NULL;
		fn(us->drained_arg);
	}
}

void
uploads_kick(struct uploads *us)
{
	if (us->kicked)
		return;
	us->kicked = true;
	loop_post(us->b->loop, &us->kick);
}

/* Freed segments kept for reuse count against the spool: they go first. */
static void
trim_free_list(struct uploads *us)
{
	uint64_t kept = spool_free_bytes(us->b->spool);
	uint64_t used = kept ? ledger_spool_used(us->b->ledger) : 0;
	uint64_t max = us->b->config->spool_max;

	if (max && used + kept > max - max / 8)
		spool_trim(us->b->spool, used < max / 2 ? kept / 2 : 0);
}

static void
tick(void *arg)
{
	struct uploads *us = arg;
	struct upload *u, *next;

	trim_free_list(us);
	for (u = us->list; u; u = next) {
		u->busy++;
		parts_tick(u);
		if (u->phase == PHASE_TAKING)
			flow_tick(u);
		else if (u->phase == PHASE_PARKING)
			upload_pump(u);
		u->busy--;
		next = u->next;
		upload_reap(u);
	}
	aborts_tick(us);
	parked_tick(us);
	if (!us->draining && clock_ms() >= us->next_recover)
		recovery_tick(us);
	uploads_kick(us);
	loop_timer_set(us->tick, UPLOAD_TICK_MS);
}

/* Behind an outage, who waits for its next try need not wait for that. */
static void
store_turned(struct uploads *us, const struct store *s, bool down)
{
	struct upload *u;
	struct useg *g;

	for (u = us->list; u; u = u->next) {
		if (u->store != s)
			continue;
		flow_backlog(u);
		if (down)
			continue;
		for (g = u->segs; g; g = g->next)
			g->not_before = 0;
		if (u->retry_fn)
			loop_timer_set(u->retry, clock_backoff(0, STORE_BACK_MS,
							       STORE_BACK_MS));
	}
}

static void
store_changed(void *arg, struct store *s, bool down)
{
	struct uploads *us = arg;
	unsigned i;

	for (i = 0; i < us->b->nstores; i++)
		if (us->b->stores[i] == s)
			ledger_store_down(us->b->ledger, i, down);
	store_turned(us, s, down);
	uploads_kick(us);
}

struct uploads *
uploads_new(struct bridge *b)
{
	struct uploads *us = mem_alloc(sizeof(*us));
	size_t i;

	us->b = b;
	us->kick.fn = kick_run;
	us->kick.arg = us;
	us->tick = loop_timer_new(b->loop, tick, us);
	us->next_recover = UINT64_MAX;
	for (i = 0; i < b->nstores; i++)
		store_watch(b->stores[i], store_changed, us);
	loop_timer_set(us->tick, UPLOAD_TICK_MS);
	return us;
}

void
uploads_free(struct uploads *us)
{
	size_t i;

	if (!us)
		return;
	assert(!us->list);
	for (i = 0; i < us->b->nstores; i++)
		store_watch(us->b->stores[i], NULL, NULL);
	parked_forget(us);
	loop_timer_free(us->tick);
	loop_flush(us->b->loop); /* a kick may be posted */
	free(us);
}

unsigned
uploads_driven(const struct uploads *us)
{
	return us->count;
}

void
uploads_recover(struct uploads *us)
{
	us->next_recover = 0;
}

void
uploads_drain(struct uploads *us, void (*done)(void *arg), void *arg)
{
	struct upload *u, *next;

	us->draining = true;
	us->drained = done;
	us->drained_arg = arg;
	for (u = us->list; u; u = next) {
		next = u->next;
		if (!upload_publishing(u) && u->phase != PHASE_ENDED)
			upload_give_way(u);
	}
	uploads_kick(us);
}
