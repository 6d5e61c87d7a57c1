/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal writes of one upload: in order, one in flight, repeated while
 * the journal cannot take them. Nothing of an upload moves on before its
 * write is durable, so a full or failing journal slows the client and loses
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

struct commit *
commit_new(struct upload *u, unsigned set)
{
	struct commit *c = mem_alloc(sizeof(*c));

	c->u = u;
	c->row = u->row;
	if (set) {
		c->tx.update = &c->row;
		c->tx.set = set;
	}
	return c;
}

void
commit_event(struct commit *c, const char *kind)
{
	id_new(c->event.id);
	c->body = event_body_row(&c->row, c->event.id, kind);
	c->event.kind = kind;
	c->event.body = c->body;
	c->tx.event = &c->event;
}

void
commit_parked(struct commit *c)
{
	uint64_t end = c->row.end;

	if (!c->u->all->b->config->park_events)
		return;
	c->row.end = c->u->end;
	commit_event(c, "parked");
	c->row.end = end;
}

static void commit_next(struct upload *u);

static void
commit_free(struct commit *c)
{
	free(c->body);
	free(c);
}

void
commit_repeat(void *arg)
{
	struct upload *u = arg;

	if (u->commits)
		commit_next(u);
}

/* What repeating mends: the disk may get room, the file may come back. */
static bool
worth_repeating(enum err err)
{
	return err == ERR_AGAIN || err == ERR_IO || err == ERR_NO_SPACE;
}

static void
commit_done(void *arg, const struct journal_reply *r)
{
	struct upload *u = arg;
	struct commit *c = u->commits;
	enum err err = r->err;

	if (worth_repeating(err)) {
		c->tries++;
		log_warn("upload", u->session, "journal_retry",
			 KV_S("id", u->row.id), KV_ERR(err),
			 KV_U("tries", c->tries));
		upload_pause(u, PAUSE_JOURNAL);
		loop_timer_set(u->commit_timer,
			       clock_backoff(c->tries, 100, 5000) + 50);
		return;
	}
	upload_resume(u, PAUSE_JOURNAL);
	if (c->tx.charge)
		charge_answered(u, c, r);
	u->commits = c->next;
	if (!u->commits)
		u->commits_tail = &u->commits;
	else
		commit_next(u);
	if (err && err != ERR_QUOTA)
		log_error("upload", u->session, "journal_refused",
			  KV_S("id", u->row.id), KV_S("key", u->row.key),
			  KV_ERR(err));
	if (c->fn)
		c->fn(u, err, c->arg);
	commit_free(c);
	u->busy--;
	upload_pump(u);
}

static void
commit_next(struct upload *u)
{
	journal_commit(u->all->b->journal, &u->commits->tx, commit_done, u);
}

void
commit_send(struct commit *c,
	    void (*fn)(struct upload *u, enum err err, void *arg), void *arg)
{
	struct upload *u = c->u;
	bool idle = u->commits == NULL;

	c->fn = fn;
	c->arg = arg;
	c->next = NULL;
	*u->commits_tail = c;
	u->commits_tail = &c->next;
	u->busy++;
	if (idle)
		commit_next(u);
}
