/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published events wait for what the prober finds. The prober is a lane of its
 * own, so it has a cursor and tries again like any other. An event that the
 * prober is through with takes the result from the journal when its turn comes,
 * so that no more results are in memory than events are under way.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/outbox_private.h"
#include "lib/log.h"

bool
media_wanted(const struct lane *l, const struct journal_event_row *row)
{
	const struct outbox *o = l->o;

	return o->cfg->wait && o->prober && l != o->prober &&
	       strcmp(row->kind, "published") == 0;
}

/* The event as it is, with what was found. */
static void
join(struct item *it, const char *media)
{
	struct lane *l = it->lane;
	struct outbox_event made;

	if (media &&
	    outbox_event_make(&made, l->o->cfg, it->row, media) == ERR_OK) {
		outbox_event_free(&it->event);
		it->event = made;
		l->bytes += strlen(media);
		it->bytes += strlen(media);
	}
	free(it->row->body);
	free(it->row);
	it->row = NULL;
}

static void
on_media(void *arg, const struct journal_reply *r)
{
	struct item *it = arg;

	list_remove(&it->lane->fetching, it);
	join(it, r->media ? r->media->body : NULL);
	item_fly(it);
}

void
media_fetch(struct item *it)
{
	it->state = ITEM_FETCH;
	list_append(&it->lane->fetching, it);
	journal_media_get(it->lane->o->env.journal, it->row->upload, on_media,
			  it);
}

/* Whether the prober is through with it, as far as it knows. */
static bool
probed(const struct lane *p, const struct item *it)
{
	const struct item *i;

	if (keyset_has(&p->keys, keyset_hash(it->event.partitionkey)))
		return false; /* tried again */
	if (it->seq <= p->done_seq)
		return true;
	for (i = p->first; i && i->seq < it->seq; i = i->next)
		;
	return i && i->seq == it->seq && i->state == ITEM_SETTLED;
}

bool
media_wait(struct item *it)
{
	struct lane *l = it->lane;

	/* One that failed at the sink has waited before. */
	if (!it->row || it->delivery || probed(l->o->prober, it))
		return false;
	it->state = ITEM_MEDIA;
	it->wait_until = outbox_clock(l->o) + l->o->cfg->wait_ms;
	list_append(&l->media, it);
	return true;
}

static void
waited(struct item *it)
{
	list_remove(&it->lane->media, it);
	it->state = ITEM_READY;
	list_append(&it->lane->ready, it);
}

void
media_done(struct outbox *o, int64_t seq)
{
	struct item *it, *next;
	size_t i;

	for (i = 0; i < o->nlanes; i++) {
		for (it = o->lanes[i].media.first; it; it = next) {
			next = it->list_next;
			if (it->seq == seq)
				waited(it);
		}
		lane_send(&o->lanes[i]);
	}
}

void
media_timeouts(struct lane *l)
{
	uint64_t now = outbox_clock(l->o);
	struct item *it;

	/* They came in this order. */
	while ((it = l->media.first) && now >= it->wait_until) {
		log_debug("outbox", NULL, "probe_late",
			  KV_S("sink", l->cfg->name), KV_S("id", it->event.id));
		waited(it);
	}
}
