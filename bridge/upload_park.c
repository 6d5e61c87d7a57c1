/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parking: what was received is synced and the row says so; full parts still
 * go out while nobody else wants the key.
 */
#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

static void
park_recorded(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	u->park_journaled = true;
	if (err)
		u->park_now = true; /* somebody else drives it already */
	log_info("upload", u->session, "upload_parked", KV_S("id", u->row.id),
		 KV_S("user", u->row.user), KV_S("path", u->row.path),
		 KV_U("offset", u->end), KV_U("received", u->received),
		 KV_S("why", *u->park_why ? u->park_why : "broken off"));
	ledger_add(u->all->b->ledger, LEDGER_FAILED, 1);
	upload_transfer_end(u, err || u->failed ? TRANSFER_FAILED
						: TRANSFER_PARKED);
	close_reply(u, u->park_err, *u->park_why ? u->park_why : NULL);
}

void
upload_park(struct upload *u, enum err err, const char *why)
{
	if (u->phase == PHASE_PARKING || u->phase == PHASE_ENDED)
		return;
	u->park_err = err;
	str_copy(u->park_why, sizeof(u->park_why), why ? why : "");
	upload_enter(u, PHASE_PARKING);
	u->park_until = clock_ms() + UPLOAD_PARK_MS;
	file_detach(u);
	if (!u->in_journal) {
		upload_transfer_end(u, TRANSFER_FAILED);
		close_reply(u, err, why);
		upload_end(u);
		return;
	}
	if (u->single && u->segs)
		segment_set_flags(u->segs->seg, 0);
	u->single = false;
	upload_sync_all(u);
	upload_pump(u);
}

void
park_pump(struct upload *u)
{
	struct commit *c;

	if (upload_syncing(u))
		return;
	if (!u->park_asked) {
		u->park_asked = true;
		u->row.state = UPLOAD_PARKED;
		u->row.parked_at = clock_wall_ms();
		c = commit_new(u, JSET_STATE | JSET_PARKED | JSET_VERIFIED |
					  charge_trim(u));
		commit_parked(c);
		commit_send(c, park_recorded, NULL);
		return;
	}
	if (!u->park_journaled)
		return;
	/* A Create given up would leave an orphan to be swept. */
	if (u->beginning && u->op && clock_ms() < u->park_until)
		return;
	if (u->park_now || u->failed || !parts_waiting(u))
		upload_end(u);
}

void
upload_give_way(struct upload *u)
{
	switch (u->phase) {
	case PHASE_IDLE:
		file_detach(u);
		upload_end(u);
		break;
	case PHASE_TAKING:
		u->park_now = true;
		upload_park(u, ERR_IN_USE,
			    "another session took this upload over");
		break;
	case PHASE_PARKING:
		u->park_now = true;
		upload_pump(u);
		break;
	default:
		break;
	}
}
