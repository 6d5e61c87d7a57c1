/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operator publishes an upload that was broken off, because he knows that
 * every byte has come: a client that is killed between its last byte and CLOSE
 * finds the full size when it comes back, and sends nothing more. What can be
 * checked is: no gap, a declared size met, nothing of it lost.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/log.h"

struct operator_job {
	struct uploads *us;
	struct peer_request *req;
	struct upload_done *done;
	struct upload *u; /* while it is this job's */
	struct journal_upload row;
};

static void
answer(void *arg, enum err err, const char *why)
{
	struct operator_job *j = arg;

	peer_answer(j->req, err, err ? why : "");
	free(j);
}

static void
refuse(struct operator_job *j, enum err err, const char *why)
{
	if (j->u)
		upload_end(j->u);
	call_finish(&j->done->call, err, why);
}

/* Why the row cannot be published on anybody's word, or NULL. */
static const char *
unfit(const struct journal_upload *row)
{
	if (row->kind != UPLOAD_KIND_UPLOAD ||
	    (row->state != UPLOAD_OPEN && row->state != UPLOAD_PARKED &&
	     row->state != UPLOAD_SEALED))
		return "it has ended, or is on its way to an end";
	if (row->flags & UPLOAD_APPENDING)
		return "what it was to be appended to is not all there";
	return NULL;
}

/* What is missing, as far as anybody can tell; false: nothing. */
static bool
is_short(const struct upload *u, char *why, size_t size)
{
	why[0] = '\0';
	if (u->end == 0)
		str_copy(why, size, "no byte of it has come");
	else if (u->row.flags & UPLOAD_DECLARED && u->row.declared != u->end)
		str_printf(why, size,
			   "%" PRIu64 " bytes were declared, %" PRIu64
			   " are here",
			   u->row.declared, u->end);
	else if (u->row.state == UPLOAD_SEALED && u->end != u->row.end)
		str_copy(why, size, "a stored part was lost");
	return *why != '\0';
}

/* The temporary name has done its service: the final one is meant. */
static void
publish(struct operator_job *j)
{
	struct upload *u = j->u;

	log_info("upload", "ctl", "operator_publishes", KV_S("id", u->row.id),
		 KV_S("user", u->row.user), KV_S("path", u->row.final_path),
		 KV_U("bytes", u->end));
	j->u = NULL;
	u->closer = j->done;
	str_copy(u->session, sizeof(u->session), "ctl");
	u->row.flags |= UPLOAD_OPERATOR;
	u->row.flags &= ~(unsigned)UPLOAD_TEMP;
	u->close_asked = u->close_complete = true;
	upload_confirm_end(u);
	upload_pump(u);
}

static void
recovered(struct upload *u, enum err err, void *arg)
{
	struct operator_job *j = arg;
	char why[STORE_WHY_MAX];

	if (err == ERR_PUBLISHING) {
		j->u = NULL;
		refuse(j, ERR_PUBLISHING, "it is being published already");
	} else if (err) {
		refuse(j, err, "it cannot be recovered now; try later");
	} else if (is_short(u, why, sizeof(why))) {
		refuse(j, ERR_INCOMPLETE, why);
	} else {
		publish(j);
	}
}

/* Locked: look again, since anything may have happened before. */
static void
locked_found(void *arg, const struct journal_reply *r)
{
	struct operator_job *j = arg;
	const struct journal_upload *row = r->upload;

	j->u->busy--;
	if (r->err)
		refuse(j, ERR_AGAIN, "the journal cannot be read now");
	else if (!row || strcmp(row->id, j->row.id))
		refuse(j, ERR_CONFLICT, "it has ended meanwhile");
	else if (unfit(row))
		refuse(j, ERR_CONFLICT, unfit(row));
	else {
		upload_load(j->u, row, r->parts, r->nparts);
		upload_recover(j->u, recovered, j);
	}
}

static void
locked(void *arg, enum err err, const char *why, struct keylock *lock)
{
	struct operator_job *j = arg;
	struct store *store = bridge_store(j->us->b, j->row.store);

	if (err) {
		refuse(j, err, why);
		return;
	}
	j->u = upload_new(j->us, store, j->row.key, lock);
	j->u->busy++;
	journal_find(j->us->b->journal, j->row.store, j->row.key, locked_found,
		     j);
}

static void
found(void *arg, const struct journal_reply *r)
{
	struct operator_job *j = arg;
	struct keyer_want want = { 0 };

	if (r->err || !r->upload) {
		refuse(j, r->err ? ERR_AGAIN : ERR_NOT_FOUND,
		       r->err ? "the journal cannot be read now"
			      : "there is no such upload");
		return;
	}
	j->row = *r->upload;
	want.store = bridge_store(j->us->b, j->row.store);
	want.key = j->row.key;
	want.user = j->row.user;
	if (unfit(&j->row))
		refuse(j, ERR_CONFLICT, unfit(&j->row));
	else if (!want.store)
		refuse(j, ERR_NOT_FOUND, "its store is not configured");
	else
		keyer_start(j->us, &want, locked, j);
}

void
operator_publish(struct uploads *us, const char *id, struct peer_request *req)
{
	struct operator_job *j = mem_alloc(sizeof(*j));

	j->us = us;
	j->req = req;
	j->done = done_new(us, answer, j);
	journal_get(us->b->journal, id, found, j);
}
