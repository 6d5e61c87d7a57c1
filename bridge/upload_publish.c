/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing: the object appears under its final name in one step, and the
 * journal says so with its event in one transaction. An outcome that is not
 * known is found out, never guessed: the object is ours when its metadata
 * names this upload.
 */
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

#define SINGLE_TRIES 5
#define NOT_OURS_TRIES 5

static void
outcome_log(struct upload *u, const char *event, enum err err, const char *why)
{
	log_warn("upload", u->session, event, KV_S("id", u->row.id),
		 KV_S("key", u->row.key), KV_ERR(err), KV_S("why", why),
		 KV_U("tries", u->tries));
}

static unsigned
next_try(struct upload *u)
{
	return clock_backoff(++u->tries, 500, 30000) + 100;
}

/* J(published + event). */

static void
published(struct upload *u, enum err err, void *arg)
{
	uint64_t ms = clock_ms() - u->started_ms;

	(void)arg;
	if (err) {
		u->row.state = UPLOAD_OPEN; /* not ours to clean up */
		upload_transfer_end(u, TRANSFER_FAILED);
		close_reply(u, ERR_IN_USE,
			    "another session took this upload over");
		upload_end(u);
		return;
	}
	log_info("upload", u->session, "upload_published",
		 KV_S("id", u->row.id), KV_S("user", u->row.user),
		 KV_S("protocol", u->row.protocol),
		 KV_S("path", u->row.final_path), KV_S("key", u->row.key),
		 KV_U("bytes", u->row.end), KV_F("seconds", ms / 1000.0),
		 KV_S("etag", u->row.etag));
	ledger_add(u->all->b->ledger, LEDGER_PUBLISHED, 1);
	upload_transfer_end(u, TRANSFER_COMPLETE);
	close_reply(u, ERR_OK, NULL);
	if (u->loaded)
		spool_remove(u->all->b->spool, u->row.id, NULL, NULL);
	upload_end(u);
}

/*
 * A time that the client set is kept beside the object even where its metadata
 * has it too: a store's listing does not tell metadata, and asking for each
 * key would cost a request for each.
 */
static void
attr_fill(struct upload *u, struct commit *c)
{
	struct journal_attr *a = &c->attr;

	str_copy(a->store, sizeof(a->store), u->row.store);
	str_copy(a->key, sizeof(a->key), u->row.key);
	str_copy(a->etag, sizeof(a->etag), u->row.etag);
	a->mtime = u->row.mtime;
	if (u->row.mtime)
		c->tx.attr = a;
	else
		c->tx.attr_drop = a;
}

void
publish_record(struct upload *u)
{
	struct commit *c;

	upload_enter(u, PHASE_PUBLISHING);
	u->row.state = UPLOAD_PUBLISHED;
	u->row.ended_at = clock_wall_ms();
	u->row.hidden_etag[0] = '\0';
	c = commit_new(u, JSET_STATE | JSET_ETAG | JSET_ENDED | JSET_HIDDEN |
				  JSET_END | JSET_PATHS);
	c->tx.drop_all_parts = true;
	charge_published(u, c);
	attr_fill(u, c);
	commit_event(c, "published");
	commit_send(c, published, NULL);
}

static bool
ours(struct upload *u, const struct store_result *res)
{
	if (res->err || strcmp(res->object.sluice_id, u->row.id))
		return false;
	str_copy(u->row.etag, sizeof(u->row.etag), res->object.etag);
	return true;
}

/* The short way. */

static void single_put(struct upload *u);

static void
single_seen(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	u->busy++;
	if (ours(u, res) && res->object.size == u->row.end)
		publish_record(u);
	else if (res->err && res->err != ERR_NOT_FOUND)
		upload_retry_in(u, next_try(u), publish_single);
	else
		single_put(u);
	u->busy--;
	upload_pump(u);
}

static void
single_look(struct upload *u)
{
	u->op = store_head(u->store, u->row.key, single_seen, u);
}

static void
single_done(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	u->busy++;
	if (res->err == ERR_OK) {
		str_copy(u->row.etag, sizeof(u->row.etag), res->object.etag);
		ledger_add(u->all->b->ledger, LEDGER_STORED,
			   (int64_t)u->row.end);
		publish_record(u);
	} else if (res->ambiguous) {
		outcome_log(u, "put_unknown", res->err, res->why);
		upload_retry_in(u, next_try(u), single_look);
	} else if (res->err == ERR_AGAIN ||
		   (res->err == ERR_CORRUPT && u->tries < SINGLE_TRIES)) {
		outcome_log(u, "put_failed", res->err, res->why);
		upload_retry_in(u, next_try(u), single_put);
	} else {
		outcome_log(u, "put_refused", res->err, res->why);
		if (res->err == ERR_CORRUPT && u->segs)
			part_spoiled(u->segs, res->why);
		u->putting = false;
		upload_fail(u, res->err, res->why);
	}
	u->busy--;
	upload_pump(u);
}

static void
single_put(struct upload *u)
{
	struct store_meta meta = { .sluice_id = u->row.id,
				   .mtime = u->row.mtime };
	struct store_body body;

	if (u->segs)
		useg_body(u->segs, &body);
	else
		store_body_empty(&body);
	u->meta_mtime = u->row.mtime;
	u->op = store_put(u->store, u->row.key, &meta, &body, single_done, u);
}

void
publish_single(struct upload *u)
{
	u->putting = true;
	if (u->tries)
		single_look(u);
	else
		single_put(u);
}

/* Complete. */

static void send_complete(struct upload *u);

static void
ended_badly(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	upload_transfer_end(u, TRANSFER_FAILED);
	close_reply(u, err ? err : ERR_INCOMPLETE, u->park_why);
	upload_end(u);
}

static void
end_badly(struct upload *u, struct commit *c, const char *why)
{
	str_copy(u->park_why, sizeof(u->park_why), why);
	commit_send(c, ended_badly, NULL);
}

static void
lost(struct upload *u)
{
	struct commit *c;

	log_error("upload", u->session, "upload_lost", KV_S("id", u->row.id),
		  KV_S("key", u->row.key), KV_U("bytes", u->row.end));
	upload_enter(u, PHASE_PUBLISHING);
	u->row.state = UPLOAD_LOST;
	u->row.ended_at = clock_wall_ms();
	c = commit_new(u, JSET_STATE | JSET_ENDED);
	c->tx.drop_all_parts = true;
	commit_event(c, "lost");
	end_badly(u, c, "the store no longer has this upload; send it again");
}

static void
part_refused(struct upload *u)
{
	struct commit *c;

	log_error("upload", u->session, "part_refused", KV_S("id", u->row.id),
		  KV_S("key", u->row.key));
	upload_enter(u, PHASE_PUBLISHING);
	u->row.state = UPLOAD_PARKED;
	u->row.parked_at = clock_wall_ms();
	u->row.verified_at = 0; /* the next reader drops what is bad */
	c = commit_new(u, JSET_STATE | JSET_PARKED | JSET_VERIFIED);
	commit_parked(c);
	end_badly(u, c, "the store refused a part; resume the upload");
}

static void
complete_seen(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	u->busy++;
	if (ours(u, res)) {
		publish_record(u);
	} else if (res->err && res->err != ERR_NOT_FOUND) {
		outcome_log(u, "head_failed", res->err, res->why);
		upload_retry_in(u, next_try(u), send_complete);
	} else if (u->complete_gone || u->tries >= NOT_OURS_TRIES) {
		lost(u);
	} else {
		outcome_log(u, "not_ours", ERR_CONFLICT,
			    "the object at the "
			    "key is not this upload's");
		upload_retry_in(u, next_try(u), send_complete);
	}
	u->busy--;
	upload_pump(u);
}

static void
completed(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	u->busy++;
	u->complete_gone = res->err == ERR_NOT_FOUND;
	if (res->err == ERR_OK || res->err == ERR_NOT_FOUND) {
		u->op = store_head(u->store, u->row.key, complete_seen, u);
	} else if (res->err == ERR_CORRUPT) {
		part_refused(u);
	} else {
		outcome_log(u, "complete_failed", res->err, res->why);
		upload_retry_in(u, next_try(u), send_complete);
	}
	u->busy--;
	upload_pump(u);
}

static void
send_complete(struct upload *u)
{
	struct store_target t = { u->row.key, u->row.backend_id };

	u->op = store_complete(u->store, t, u->parts, u->nparts, completed, u);
}

static void
completing_recorded(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (err) {
		str_copy(u->park_why, sizeof(u->park_why),
			 "another session took this upload over");
		ended_badly(u, err, NULL);
	} else {
		send_complete(u);
	}
}

void
publish_complete(struct upload *u)
{
	bool known = u->row.state == UPLOAD_COMPLETING;

	upload_enter(u, PHASE_COMPLETING);
	u->tries = 0;
	u->row.state = UPLOAD_COMPLETING;
	if (known)
		send_complete(u);
	else
		commit_send(commit_new(u, JSET_STATE | JSET_END | JSET_PATHS),
			    completing_recorded, NULL);
}
