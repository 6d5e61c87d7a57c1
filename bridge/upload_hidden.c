/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a REMOVE hid while an upload to the key was live is deleted when that
 * upload has ended without replacing it. The row keeps the object's ETag until
 * this is done, so that the sweeper can repeat it. The delete is sent only with
 * the key locked, with no upload live, and while the object is still that one.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/log.h"

struct hidden {
	struct upload_done *done;
	struct uploads *us;
	struct store *store;
	struct keylock *lock;
	struct journal_upload row;
	struct store_object object;
	bool doubted; /* a quota waits for the outcome */
	struct journal_event event;
	char *body;
};

static void
hidden_end(struct hidden *h, enum err err, const char *why)
{
	if (err && err != ERR_IN_USE)
		log_warn("upload", NULL, "hidden_not_deleted",
			 KV_S("id", h->row.id), KV_S("key", h->row.key),
			 KV_ERR(err), KV_S("why", why));
	keylock_drop(h->lock);
	uploads_kick(h->us);
	call_finish(&h->done->call, err, why);
	free(h->body);
	free(h);
}

static void
recorded(void *arg, const struct journal_reply *r)
{
	hidden_end(arg, r->err, NULL);
}

static void
event_fill(struct hidden *h, struct journal_tx *tx, struct journal_attr *attr)
{
	str_copy(attr->store, sizeof(attr->store), h->row.store);
	str_copy(attr->key, sizeof(attr->key), h->row.key);
	tx->attr_drop = attr;
	id_new(h->event.id);
	h->event.kind = "deleted";
	h->body = event_body_row(&h->row, h->event.id, "deleted");
	h->event.body = h->body;
	tx->event = &h->event;
}

/* The row has no work left. */
static void
settle(struct hidden *h, bool deleted)
{
	struct journal_tx tx = { .update = &h->row, .set = JSET_HIDDEN };
	struct journal_attr attr = { 0 };
	struct journal_change change;

	if (deleted) {
		quota_change(&change, h->row.store, h->row.key,
			     h->doubted ? JOURNAL_SETTLE : JOURNAL_SURE);
		change.bytes = -(int64_t)h->object.size;
		change.files = -1;
		tx.changes = &change;
		tx.nchanges = 1;
		log_info("upload", NULL, "deleted", KV_S("key", h->row.key));
		event_fill(h, &tx, &attr);
	}
	h->row.hidden_etag[0] = '\0';
	journal_commit(h->us->b->journal, &tx, recorded, h);
}

static void
deleted(void *arg, const struct store_result *res)
{
	struct hidden *h = arg;

	if (res->err)
		hidden_end(h, res->err, res->why);
	else
		settle(h, true);
}

static void
doubt_recorded(void *arg, const struct journal_reply *r)
{
	struct hidden *h = arg;

	if (r->err)
		hidden_end(h, r->err, NULL);
	else
		store_delete(h->store, h->row.key, deleted, h);
}

static void
delete_object(struct hidden *h)
{
	struct journal_change change;
	struct journal_tx tx = { .changes = &change, .nchanges = 1 };

	if (!quota_covers(h->us->b->quota, h->row.store, h->row.key)) {
		store_delete(h->store, h->row.key, deleted, h);
		return;
	}
	h->doubted = true;
	quota_change(&change, h->row.store, h->row.key, JOURNAL_DOUBT);
	journal_commit(h->us->b->journal, &tx, doubt_recorded, h);
}

static void
headed(void *arg, const struct store_result *res)
{
	struct hidden *h = arg;

	if (res->err && res->err != ERR_NOT_FOUND)
		hidden_end(h, res->err, res->why);
	else if (res->err || strcmp(res->object.etag, h->row.hidden_etag))
		settle(h, false); /* gone, or another's now */
	else {
		h->object = res->object;
		delete_object(h);
	}
}

static void
found(void *arg, const struct journal_reply *r)
{
	struct hidden *h = arg;

	if (r->err)
		hidden_end(h, r->err, NULL);
	else if (r->upload)
		hidden_end(h, ERR_IN_USE, NULL); /* it may yet replace it */
	else
		store_head(h->store, h->row.key, headed, h);
}

void
hidden_delete(struct uploads *us, const struct journal_upload *row,
	      struct keylock *lock, upload_done_fn *fn, void *arg)
{
	struct hidden *h = mem_alloc(sizeof(*h));
	enum err err = ERR_OK;

	h->us = us;
	h->row = *row;
	h->lock = lock;
	h->done = done_new(us, fn, arg);
	h->store = bridge_store(us->b, row->store);
	if (!h->store)
		err = ERR_NOT_FOUND;
	else if (!lock)
		err = keylock_take(us->b->locks, row->store, row->key,
				   &h->lock);
	if (err)
		hidden_end(h, err, NULL);
	else
		journal_find(us->b->journal, row->store, row->key, found, h);
}
