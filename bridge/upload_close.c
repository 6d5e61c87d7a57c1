/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CLOSE: is the file complete? Then its last part goes out and it is sealed
 * or published; otherwise it is parked and the client told why.
 */
#include <inttypes.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

void
close_reply(struct upload *u, enum err err, const char *why)
{
	struct upload_done *d = u->closer;

	u->closer = NULL;
	if (d)
		call_finish(&d->call, err, why);
}

/* Why the file is not complete; false when it is. */
static bool
incomplete(const struct upload *u, char *why, size_t size)
{
	why[0] = '\0';
	if (u->nheld)
		str_printf(why, size, "bytes are missing at offset %" PRIu64,
			   u->end);
	else if (u->row.flags & UPLOAD_DECLARED && u->row.declared != u->end)
		str_printf(why, size,
			   "%" PRIu64 " of %" PRIu64
			   " declared bytes have arrived",
			   u->end, u->row.declared);
	else if (u->row.flags & UPLOAD_NO_TRUNC && u->object_there &&
		 u->end < u->object.size && !u->size_confirmed)
		str_printf(why, size,
			   "the file that is there has %" PRIu64
			   " bytes, only %" PRIu64 " have arrived",
			   u->object.size, u->end);
	else if (u->user && u->user->publish == PUBLISH_DECLARED &&
		 !(u->row.flags & UPLOAD_DECLARED) && !u->size_confirmed)
		str_copy(why, size,
			 "the size was not declared; the upload is kept");
	return *why != '\0';
}

/*
 * A resumed upload whose first handle had no TRUNC: what it replaces is not
 * known to this process, and may not be replaced by something shorter.
 */
static bool
must_look(const struct upload *u)
{
	return u->row.flags & UPLOAD_NO_TRUNC && !u->object_known &&
	       !u->size_confirmed;
}

static void look(struct upload *u);

static void
looked(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	if (res->err && res->err != ERR_NOT_FOUND) {
		upload_retry_in(u, clock_backoff(++u->tries, 500, 20000) + 100,
				look);
		return;
	}
	u->tries = 0;
	u->object_known = true;
	u->object_there =
		!res->err && strcmp(res->object.etag, u->row.hidden_etag) != 0;
	u->object = res->object;
	upload_pump(u);
}

static void
look(struct upload *u)
{
	if (u->phase == PHASE_TAKING && !u->op && !u->beginning)
		u->op = store_head(u->store, u->row.key, looked, u);
}

static bool
fits_one_put(const struct upload *u)
{
	return !(u->row.flags & UPLOAD_TEMP) && !*u->row.backend_id &&
	       !u->row.creating_at && !u->nparts &&
	       (!u->segs || (u->segs->no == 1 && !u->segs->next)) &&
	       u->end <= store_limits(u->store)->put_max;
}

static void
closing_recorded(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (err)
		upload_fail(u, err, "another session took this upload over");
}

static void
close_good(struct upload *u)
{
	u->row.end = u->end;
	upload_enter(u, PHASE_CLOSING);
	if (fits_one_put(u)) {
		u->single = true;
		if (u->segs && segment_set_flags(u->segs->seg, SEGMENT_CLOSING))
			log_error("upload", u->session, "segment_flag",
				  KV_S("id", u->row.id));
	} else {
		u->row.state = UPLOAD_CLOSING;
		commit_send(commit_new(u,
				       JSET_STATE | JSET_END | charge_trim(u)),
			    closing_recorded, NULL);
	}
	upload_finish_parts(u);
}

static void
sealed(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	upload_transfer_end(u, err ? TRANSFER_FAILED : TRANSFER_COMPLETE);
	if (err) {
		close_reply(u, err, "another session took this upload over");
	} else {
		log_info("upload", u->session, "upload_sealed",
			 KV_S("id", u->row.id), KV_S("user", u->row.user),
			 KV_S("path", u->row.path), KV_U("bytes", u->row.end));
		close_reply(u, ERR_OK, NULL);
	}
	upload_end(u);
}

static void
seal(struct upload *u)
{
	upload_enter(u, PHASE_SEALING);
	u->row.state = UPLOAD_SEALED;
	u->row.parked_at = clock_wall_ms();
	commit_send(commit_new(u, JSET_STATE | JSET_END | JSET_PARKED), sealed,
		    NULL);
}

/* The recorded parts reach from 0 to the end without a gap. */
static bool
parts_cover(const struct upload *u)
{
	uint64_t off = 0;
	size_t i;

	for (i = 0; i < u->nparts; i++) {
		if (u->parts[i].no != i + 1 || u->parts[i].off != off)
			return false;
		off += u->parts[i].len;
	}
	return off == u->row.end;
}

static void
closing_pump(struct upload *u)
{
	if (u->failed) {
		upload_park(u, u->failed, u->why);
		return;
	}
	if (u->acks_wait)
		return;
	if (u->single) {
		if (!u->putting && (!u->segs || u->segs->state == USEG_READY))
			publish_single(u);
		return;
	}
	if (u->beginning || u->commits || parts_waiting(u))
		return;
	if (!parts_cover(u))
		upload_park(u, ERR_INCOMPLETE, "a stored part was lost");
	else if (u->row.flags & UPLOAD_TEMP)
		seal(u);
	else
		publish_complete(u);
}

static void
taking_pump(struct upload *u)
{
	char why[STORE_WHY_MAX];

	if (!u->failed && (u->acks_wait || u->preparing || u->hold))
		return;
	if (u->failed)
		upload_park(u, u->close_complete ? u->failed : ERR_OK, u->why);
	else if (!u->close_complete || u->client_cut)
		upload_park(u, ERR_OK, NULL);
	else if (must_look(u))
		look(u);
	else if (incomplete(u, why, sizeof(why)))
		upload_park(u, ERR_INCOMPLETE, why);
	else
		close_good(u);
}

void
close_pump(struct upload *u)
{
	if (u->phase == PHASE_CLOSING) {
		closing_pump(u);
		return;
	}
	if (!u->close_asked)
		return;
	if (u->phase == PHASE_TAKING) {
		taking_pump(u);
		if (u->phase == PHASE_CLOSING)
			closing_pump(u);
		return;
	}
	/* Nothing was written: nothing changes. */
	close_reply(u, u->failed, u->failed ? u->why : NULL);
	upload_end(u);
}
