/* SPDX-License-Identifier: Apache-2.0 */
/*
 * At start, and again every few seconds in case a worker died: rows that were
 * on their way to an end, and that nobody drives, are carried on; those whose
 * client is gone with their worker are synced and parked, for until then a
 * loss of power would take what was acknowledged. Who gets the lock drives.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

#define RECOVERY_PAGE 200

static void
carried(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (err == ERR_PUBLISHING)
		return;
	if (err)
		log_warn("recovery", NULL, "not_carried_on",
			 KV_S("id", u->row.id), KV_ERR(err));
	upload_end(u); /* it needed nothing: parked for its owner */
}

static void
abandoned_recovered(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (err == ERR_PUBLISHING)
		return; /* the one PUT had been done */
	if (err)
		upload_end(u);
	else
		upload_park(u, ERR_OK, "its worker is gone");
}

static void
abandoned_read(void *arg, const struct journal_reply *r)
{
	struct upload *u = arg;

	u->busy--;
	if (r->err || !r->upload || r->upload->state != UPLOAD_OPEN) {
		upload_end(u);
		return;
	}
	upload_load(u, r->upload, r->parts, r->nparts);
	upload_recover(u, abandoned_recovered, NULL);
}

/* False: as many as may be are being parked; later. */
static bool
abandoned_park(struct uploads *us, struct store *store,
	       const struct journal_upload *row)
{
	struct keylock *lock;
	struct upload *u;

	if (us->abandoned >= UPLOAD_ABANDONED_MAX)
		return false;
	if (keylock_take(us->b->locks, row->store, row->key, &lock))
		return true;
	u = upload_new(us, store, row->key, lock);
	str_copy(u->session, sizeof(u->session), "recovery");
	u->abandoned = true;
	us->abandoned++;
	u->busy++;
	journal_find(us->b->journal, row->store, row->key, abandoned_read, u);
	return true;
}

static void
row_read(void *arg, const struct journal_reply *r)
{
	struct upload *u = arg;

	u->busy--;
	if (r->err || !r->upload) {
		upload_end(u);
		return;
	}
	upload_load(u, r->upload, r->parts, r->nparts);
	log_info("recovery", NULL, "carry_on", KV_S("id", u->row.id),
		 KV_S("key", u->row.key),
		 KV_S("state", upload_state_name(u->row.state)));
	upload_recover(u, carried, NULL);
}

/* The client of an `open` row had asked to close it, every byte received. */
static bool
asked_to_close(struct uploads *us, struct store *store,
	       const struct journal_upload *row)
{
	unsigned flags = 0;

	if (*row->backend_id || row->flags & UPLOAD_TEMP)
		return false;
	upload_peek_end(us, store, row, NULL, 0, &flags);
	return flags & SEGMENT_CLOSING;
}

void
recovery_drive(struct uploads *us, const struct journal_upload *row,
	       struct keylock *lock)
{
	struct store *store = bridge_store(us->b, row->store);
	struct upload *u = upload_new(us, store, row->key, lock);

	u->busy++;
	journal_find(us->b->journal, row->store, row->key, row_read, u);
}

/* False: it has to wait. */
static bool
carry_on(struct uploads *us, const struct journal_upload *row)
{
	struct store *store = bridge_store(us->b, row->store);
	struct keylock *lock;

	if (!store)
		return true;
	if (row->state == UPLOAD_ABORTING) {
		abort_start(us, row->id);
		return true;
	}
	if (row->state == UPLOAD_OPEN && !asked_to_close(us, store, row))
		return abandoned_park(us, store, row);
	if (!keylock_take(us->b->locks, row->store, row->key, &lock))
		recovery_drive(us, row, lock);
	return true;
}

static void
page_read(void *arg, const struct journal_reply *r)
{
	struct uploads *us = arg;
	size_t i;

	us->recovering = false;
	us->next_recover = clock_ms() + UPLOAD_RECOVER_MS;
	if (r->err || us->draining)
		return;
	for (i = 0; i < r->n && carry_on(us, &r->uploads[i]); i++)
		str_copy(us->recover_after, sizeof(us->recover_after),
			 r->uploads[i].id);
	if (i < r->n || (r->more && r->n))
		us->next_recover = 0;
	else
		us->recover_after[0] = '\0';
}

void
recovery_tick(struct uploads *us)
{
	struct journal_query q = { 0 };

	if (us->recovering)
		return;
	us->recovering = true;
	q.states = 1u << UPLOAD_CLOSING | 1u << UPLOAD_COMPLETING |
		   1u << UPLOAD_ABORTING | 1u << UPLOAD_OPEN;
	q.after_id = *us->recover_after ? us->recover_after : NULL;
	q.max = RECOVERY_PAGE;
	journal_list(us->b->journal, &q, page_read, us);
}
