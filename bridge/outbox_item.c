/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an event in a lane, from its row to what became of it. */
#include <stdlib.h>
#include <string.h>

#include "bridge/outbox_private.h"
#include "lib/clock.h"
#include "lib/crashpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Lists. */

void
list_append(struct item_list *list, struct item *it)
{
	it->prev = list->last;
	it->list_next = NULL;
	if (list->last)
		list->last->list_next = it;
	else
		list->first = it;
	list->last = it;
}

void
list_push(struct item_list *list, struct item *it)
{
	it->prev = NULL;
	it->list_next = list->first;
	if (list->first)
		list->first->prev = it;
	else
		list->last = it;
	list->first = it;
}

void
list_remove(struct item_list *list, struct item *it)
{
	if (it->prev)
		it->prev->list_next = it->list_next;
	else
		list->first = it->list_next;
	if (it->list_next)
		it->list_next->prev = it->prev;
	else
		list->last = it->prev;
	it->prev = it->list_next = NULL;
}

/* Items. */

static struct journal_event_row *
row_copy(const struct journal_event_row *row)
{
	struct journal_event_row *copy = mem_alloc(sizeof(*copy));

	*copy = *row;
	copy->body = mem_strdup(row->body);
	copy->delivery = NULL;
	return copy;
}

static void
forget_event(struct item *it)
{
	outbox_event_free(&it->event);
	if (it->row)
		free(it->row->body);
	free(it->row);
	it->row = NULL;
	it->lane->bytes -= it->bytes;
	it->bytes = 0;
}

void
item_free(struct item *it)
{
	forget_event(it);
	free(it->delivery);
	free(it);
}

/* NULL: the row cannot be read. */
static struct item *
item_new(struct lane *l, const struct journal_event_row *row)
{
	struct item *it = mem_alloc(sizeof(*it));

	it->lane = l;
	it->seq = row->seq;
	if (outbox_event_make(&it->event, l->o->cfg, row, NULL) != ERR_OK) {
		free(it);
		return NULL;
	}
	it->bytes = it->event.e.json_len + it->event.e.data_len;
	if (media_wanted(l, row)) {
		it->row = row_copy(row);
		it->bytes += strlen(row->body);
	}
	l->bytes += it->bytes;
	return it;
}

static bool
one_matches(char *const *patterns, const char *text)
{
	if (!*patterns)
		return true;
	for (; *patterns; patterns++)
		if (outbox_glob(*patterns, text))
			return true;
	return false;
}

static bool
matches(const struct outbox_sink_config *cfg, const struct outbox_event *e)
{
	return one_matches(cfg->users, e->user) &&
	       one_matches(cfg->paths, e->path);
}

/* Chains. */

static struct chain *
chain_get(struct lane *l, const char *key)
{
	uint64_t hash = keyset_hash(key);
	struct chain *c;

	HASH_FIND(hh, l->chains, &hash, sizeof(hash), c);
	if (c)
		return c;
	c = mem_alloc(sizeof(*c));
	c->hash = hash;
	HASH_ADD(hh, l->chains, hash, sizeof(c->hash), c);
	return c;
}

static void
chain_append(struct chain *c, struct item *it)
{
	if (c->tail)
		c->tail->key_next = it;
	else
		c->head = it;
	c->tail = it;
	it->chain = c;
}

static void
chain_pop(struct chain *c)
{
	c->head = c->head->key_next;
	if (!c->head)
		c->tail = NULL;
}

/* Nothing of the key is under way now: the next one's turn. */
static void
chain_release(struct lane *l, struct chain *c)
{
	c->busy = false;
	if (c->head) {
		if (c->head->state == ITEM_QUEUED)
			item_ready(c->head);
		return;
	}
	HASH_DEL(l->chains, c);
	free(c);
}

void
item_ready(struct item *it)
{
	if (media_wait(it))
		return;
	it->state = ITEM_READY;
	list_append(&it->lane->ready, it);
}

/* Rows. */

static struct journal_delivery
delivery_of(const struct item *it)
{
	struct journal_delivery d = { .event = it->seq };

	if (it->delivery)
		return *it->delivery;
	str_copy(d.key, sizeof(d.key), it->event.partitionkey);
	d.first_at = outbox_wall(it->lane->o);
	return d;
}

/* Behind an older one of its key. */
static void
put_behind(struct item *it)
{
	struct journal_delivery d = delivery_of(it);

	d.state = DELIVERY_WAITING;
	d.next_at = JOURNAL_BEHIND;
	lane_change(it->lane, &d, 1);
	lane_settled(it->lane, it);
}

/* What comes behind a failed one must come behind it later too. */
static void
put_chain_behind(struct chain *c)
{
	struct item *it;

	while ((it = c->head)) {
		chain_pop(c);
		put_behind(it);
	}
}

static int64_t
next_try(const struct journal_delivery *d, const struct sink_result *r,
	 int64_t now)
{
	uint64_t wait = clock_backoff(d->attempts, RETRY_BASE_MS, RETRY_CAP_MS);
	uint64_t asked = r->retry_after_ms;

	if (asked > RETRY_AFTER_MAX_MS)
		asked = RETRY_AFTER_MAX_MS;
	if (wait < RETRY_BASE_MS / 5)
		wait = RETRY_BASE_MS / 5;
	return now + (int64_t)(wait > asked ? wait : asked);
}

static void
end_row(struct item *it)
{
	struct lane *l = it->lane;
	struct chain *c = it->chain;

	l->ndue--;
	item_free(it);
	chain_release(l, c);
}

/* Ends with it: delivered or given up. */
static void
end(struct item *it, const struct journal_delivery *d)
{
	struct lane *l = it->lane;
	struct chain *c = it->chain;
	int64_t seq = it->seq;

	if (d)
		lane_change(l, d, it->delivery ? -1 : 0);
	if (it->delivery) {
		end_row(it);
	} else {
		chain_pop(c);
		lane_settled(l, it);
		chain_release(l, c);
	}
	if (l == l->o->prober)
		media_done(l->o, seq);
}

static void
die(struct item *it, const char *reason)
{
	struct journal_delivery d = delivery_of(it);
	struct lane *l = it->lane;
	bool quiet = l->cfg->quiet;

	d.attempts++;
	d.next_at = outbox_wall(l->o);
	d.state = quiet ? DELIVERY_NONE : DELIVERY_DEAD;
	str_copy(d.reason, sizeof(d.reason), reason);
	if (!quiet)
		log_error("outbox", NULL, "dead", KV_S("sink", l->cfg->name),
			  KV_S("id", it->event.id),
			  KV_S("type", it->event.type),
			  KV_S("key", it->event.partitionkey),
			  KV_U("attempts", d.attempts), KV_S("why", reason));
	end(it, quiet && !it->delivery ? NULL : &d);
}

static void
delivered(struct item *it)
{
	struct journal_delivery d;

	CRASH_POINT("outbox", "delivered", "after");
	lane_good(it->lane);
	if (!it->delivery) {
		end(it, NULL);
		return;
	}
	d = *it->delivery;
	d.state = DELIVERY_NONE;
	end(it, &d);
}

static void
retry(struct item *it, const struct sink_result *r)
{
	struct journal_delivery d = delivery_of(it);
	struct lane *l = it->lane;
	struct chain *c = it->chain;
	int64_t now = outbox_wall(l->o);
	bool old = it->delivery != NULL;

	if (now - d.first_at >= (int64_t)l->cfg->retry_for_ms) {
		die(it, r->reason);
		return;
	}
	d.attempts++;
	d.state = DELIVERY_WAITING;
	d.next_at = next_try(&d, r, now);
	str_copy(d.reason, sizeof(d.reason), r->reason);
	log_debug("outbox", NULL, "failed", KV_S("sink", l->cfg->name),
		  KV_S("id", it->event.id), KV_U("attempts", d.attempts),
		  KV_I("wait_ms", d.next_at - now), KV_S("why", r->reason));
	lane_change(l, &d, old ? 0 : 1);
	if (old) {
		end_row(it);
		return;
	}
	chain_pop(c);
	lane_settled(l, it);
	put_chain_behind(c);
	chain_release(l, c);
}

/* Nothing became of it: it is the first to go when the sink is back. */
static void
again(struct item *it)
{
	struct lane *l = it->lane;

	if (it->delivery) {
		l->due_at = outbox_wall(l->o);
		end_row(it);
		return;
	}
	it->chain->busy = false;
	it->state = ITEM_READY;
	list_push(&l->ready, it);
}

static void
on_sent(void *arg, const struct sink_result *r)
{
	struct item *it = arg;
	struct lane *l = it->lane;

	list_remove(&l->flying, it);
	l->nflying--;
	switch (r->outcome) {
	case SINK_DELIVERED:
		delivered(it);
		break;
	case SINK_RETRY:
		lane_bad(l, r->reason);
		retry(it, r);
		break;
	case SINK_REFUSED:
		die(it, r->reason);
		break;
	case SINK_DOWN:
		again(it);
		lane_down(l, r->reason);
		break;
	case SINK_GONE:
		again(it);
		lane_disable(l, r->reason);
		break;
	}
	lane_step(l);
}

static bool
may_send(const struct lane *l)
{
	return !l->o->stopping && l->state == LANE_ON && !l->loading;
}

void
item_fly(struct item *it)
{
	struct lane *l = it->lane;

	if (!may_send(l)) {
		l->nflying--;
		again(it);
		return;
	}
	if (url_wanted(it)) {
		url_make(it);
		return;
	}
	it->state = ITEM_FLYING;
	list_append(&l->flying, it);
	sink_send(l->sink, &it->event.e, on_sent, it);
}

void
lane_send(struct lane *l)
{
	unsigned limit = l->trial ? 1 : l->concurrency;
	struct item *it;

	while (may_send(l) && l->nflying < limit && (it = l->ready.first)) {
		list_remove(&l->ready, it);
		it->chain->busy = true;
		l->nflying++;
		if (it->row)
			media_fetch(it);
		else
			item_fly(it);
	}
}

/* Taking rows in. */

/* An event that this lane has nothing to do with. */
static void
skip(struct lane *l, int64_t seq)
{
	struct item *it;

	if (!l->first) {
		l->done_seq = seq;
		l->unflushed++;
		return;
	}
	it = mem_alloc(sizeof(*it));
	it->lane = l;
	it->seq = seq;
	it->state = ITEM_SETTLED;
	l->last->next = it;
	l->last = it;
	l->nitems++;
}

static void
bury(struct lane *l, const struct journal_event_row *row)
{
	struct journal_delivery d = { .event = row->seq,
				      .state = DELIVERY_DEAD,
				      .next_at = outbox_wall(l->o),
				      .reason = "the row is damaged" };

	if (!l->cfg->quiet)
		lane_change(l, &d, 0);
	skip(l, row->seq);
}

static void
window_add(struct lane *l, struct item *it)
{
	if (l->last)
		l->last->next = it;
	else
		l->first = it;
	l->last = it;
	l->nitems++;
}

void
lane_take_event(struct lane *l, const struct journal_event_row *row)
{
	int kind = outbox_kind_of(row->kind);
	struct chain *c;
	struct item *it;

	l->read_seq = row->seq;
	if (row->delivery || kind < 0 || !(l->cfg->kinds & 1u << kind)) {
		skip(l, row->seq);
		return;
	}
	it = item_new(l, row);
	if (!it) {
		bury(l, row);
		return;
	}
	if (!matches(l->cfg, &it->event)) {
		item_free(it);
		skip(l, row->seq);
		return;
	}
	window_add(l, it);
	if (keyset_has(&l->keys, keyset_hash(it->event.partitionkey))) {
		put_behind(it);
		return;
	}
	c = chain_get(l, it->event.partitionkey);
	chain_append(c, it);
	if (c->head == it && !c->busy)
		item_ready(it);
}

void
lane_take_due(struct lane *l, const struct journal_event_row *row)
{
	uint64_t hash = keyset_hash(row->delivery->key);
	struct chain *c = chain_get(l, row->delivery->key);
	struct item *it;

	if (c->busy || c->head)
		return; /* its turn comes: it stays due */
	it = item_new(l, row);
	if (!it) {
		chain_release(l, c);
		return;
	}
	/* An operator has brought it back. */
	if (!keyset_has(&l->keys, hash))
		keyset_add(&l->keys, hash, 1);
	it->delivery = mem_alloc(sizeof(*it->delivery));
	*it->delivery = *row->delivery;
	it->chain = c;
	c->busy = true;
	l->ndue++;
	item_ready(it);
}
