/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upload's share of a quota. Before bytes are taken the row is charged with
 * them in the journal, in steps that grow with the file, so that what all
 * uploads of all workers hold is known in one place and outlives them. A row
 * holds what it adds to the object that it replaces; publishing turns that
 * into the home's own bytes in the same transaction.
 */
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/log.h"

#define STEP_MIN (1u << 20)
#define STEP_MAX (64u << 20)

void
charge_stored(struct upload *u, const struct store_result *res)
{
	u->stored_known = true;
	u->stored_there = res->err == ERR_OK;
	u->stored = u->stored_there ? res->object.size : 0;
}

void
charge_begin(struct upload *u)
{
	u->row.charged = 0;
	u->room_out = false;
	if (!u->stored_known)
		return; /* a row that was recovered knows */
	u->row.flags &= ~(unsigned)UPLOAD_REPLACES;
	u->row.flags |= UPLOAD_COUNTED;
	if (u->stored_there)
		u->row.flags |= UPLOAD_REPLACES;
	u->row.replaces = u->stored;
}

static uint64_t
declared(const struct upload *u)
{
	return u->row.flags & UPLOAD_DECLARED ? u->row.declared : 0;
}

static uint64_t
step(const struct upload *u)
{
	return u->top < STEP_MIN   ? STEP_MIN
	       : u->top < STEP_MAX ? u->top
				   : STEP_MAX;
}

void
charge_add(struct upload *u, struct commit *c)
{
	struct journal_charge *charge = &c->charge;

	if (!u->counts || !u->user)
		return;
	charge->home = u->user->home;
	charge->bytes_max = u->user->quota_bytes;
	charge->files_max = u->user->quota_files;
	charge->need = declared(u) > u->top ? declared(u) : u->top;
	charge->want = charge->need;
	if (declared(u) <= u->top)
		charge->want += step(u);
	c->tx.charge = charge;
	u->charging = true;
}

void
charge_answered(struct upload *u, const struct commit *c,
		const struct journal_reply *r)
{
	u->charging = false;
	u->room = r->usage->room;
	if (r->err)
		return;
	u->row.charged = r->usage->charged;
	u->room_out = r->usage->charged < c->charge.want;
}

bool
charge_take(struct upload *u, uint64_t top)
{
	if (!u->counts)
		return true;
	if (u->top < top)
		u->top = top;
	return top <= u->row.charged;
}

void
charge_refused(struct upload *u, bool row_is_new)
{
	bool files = row_is_new && u->room;
	char why[STORE_WHY_MAX];

	if (files)
		quota_files_why(why, sizeof(why), u->user);
	else
		quota_bytes_why(why, sizeof(why), u->user, u->room);
	if (row_is_new) {
		u->in_journal = false;
		u->row.state = UPLOAD_ABORTED; /* its segments go */
	}
	upload_fail(u, ERR_QUOTA, why);
}

void
charge_ended(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (err == ERR_QUOTA)
		charge_refused(u, false);
	else if (err)
		upload_fail(u, ERR_CONFLICT,
			    "the journal refused; another session took over");
}

static void
charge_send(struct upload *u)
{
	struct commit *c = commit_new(u, 0);

	c->tx.update = &c->row;
	charge_add(u, c);
	commit_send(c, charge_ended, NULL);
}

/* Asks before the last byte of a charge has come, so that nothing waits. */
void
charge_pump(struct upload *u)
{
	bool ahead = !u->room_out && !u->close_asked && declared(u) <= u->top;

	if (!u->counts || !u->user || u->charging || u->failed ||
	    !u->in_journal || u->phase != PHASE_TAKING)
		return;
	if (u->top > u->row.charged ||
	    (ahead && u->top + step(u) / 2 > u->row.charged))
		charge_send(u);
}

enum err
charge_declare(struct upload *u, uint64_t size)
{
	if (!u->counts || size <= u->row.charged || u->charging ||
	    size - u->row.charged <= u->room)
		return ERR_OK;
	return ERR_QUOTA;
}

unsigned
charge_trim(struct upload *u)
{
	if (!u->row.charged || u->row.charged <= u->end)
		return 0;
	u->row.charged = u->end;
	return JSET_CHARGED;
}

void
charge_published(struct upload *u, struct commit *c)
{
	struct journal_change *ch = &c->changes[c->tx.nchanges++];
	bool known = u->row.flags & UPLOAD_COUNTED;
	bool replaces = u->row.flags & UPLOAD_REPLACES;

	quota_change(ch, u->row.store, u->row.key,
		     known ? JOURNAL_SURE : JOURNAL_DOUBT);
	if (known) {
		ch->bytes = (int64_t)u->row.end - (int64_t)u->row.replaces;
		ch->files = replaces ? 0 : 1;
	}
	c->tx.changes = c->changes;
}
