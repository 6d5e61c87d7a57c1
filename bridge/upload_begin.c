/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Create: J(creating), the request, J(backend_id). A Create whose outcome is
 * unknown (a lost answer, a driver that died) may have left a multipart upload
 * that no row names; before the next Create those are found and aborted. With
 * the key locked and J(creating) recorded, what was begun at this key since
 * then is ours.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

static void create(struct upload *u);
static void sweep(struct upload *u);

static void
begun_recorded(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	u->beginning = false;
	if (err)
		upload_fail(u, err, "another session took this upload over");
	uploads_kick(u->all);
}

static void
try_later(struct upload *u, const char *event, const struct store_result *res,
	  void (*again)(struct upload *u))
{
	log_warn("upload", u->session, event, KV_S("id", u->row.id),
		 KV_S("key", u->row.key), KV_ERR(res->err),
		 KV_S("why", res->why));
	upload_retry_in(u, clock_backoff(++u->tries, 500, 20000) + 100, again);
}

static void
created(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	if (res->err == ERR_OK) {
		u->tries = 0;
		str_copy(u->row.backend_id, sizeof(u->row.backend_id),
			 res->backend_id);
		commit_send(commit_new(u, JSET_BACKEND | JSET_FLAGS),
			    begun_recorded, NULL);
	} else if (res->ambiguous) {
		u->row.flags |= UPLOAD_CREATE_UNKNOWN;
		try_later(u, "create_unknown", res, sweep);
	} else if (res->err == ERR_AGAIN) {
		try_later(u, "create_failed", res, create);
	} else {
		u->beginning = false;
		upload_fail(u, res->err, res->why);
	}
}

static void
create(struct upload *u)
{
	struct store_meta meta = { .sluice_id = u->row.id,
				   .mtime = u->row.mtime };

	if (u->phase == PHASE_ENDED || u->failed)
		return;
	u->meta_mtime = u->row.mtime;
	u->op = store_begin(u->store, u->row.key, &meta, created, u);
}

static void
orphan_aborted(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	if (res->err && res->err != ERR_NOT_FOUND)
		try_later(u, "orphan_not_aborted", res, sweep);
	else
		sweep(u);
}

static void
swept(void *arg, const struct store_result *res)
{
	struct upload *u = arg;
	struct store_target t = { u->row.key, NULL };
	int64_t since = u->row.creating_at - UPLOAD_CLOCK_SLACK_MS;
	size_t i;

	u->op = NULL;
	if (res->err == ERR_UNSUPPORTED) {
		create(u);
		return;
	}
	if (res->err) {
		try_later(u, "sweep_failed", res, sweep);
		return;
	}
	for (i = 0; i < res->nuploads; i++)
		if (res->uploads[i].initiated >= since)
			break;
	if (i == res->nuploads) {
		create(u);
		return;
	}
	log_warn("upload", u->session, "orphan_aborted", KV_S("id", u->row.id),
		 KV_S("key", u->row.key),
		 KV_S("backend_id", res->uploads[i].backend_id));
	free(u->orphan);
	u->orphan = mem_strdup(res->uploads[i].backend_id);
	t.backend_id = u->orphan;
	u->op = store_abort(u->store, t, orphan_aborted, u);
}

static void
sweep(struct upload *u)
{
	if (u->phase == PHASE_ENDED || u->failed)
		return;
	u->op = store_list_uploads(u->store, u->row.key, swept, u);
}

static void
creating_recorded(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (err) {
		u->beginning = false;
		upload_fail(u, err, "another session took this upload over");
		return;
	}
	create(u);
}

void
upload_begin_multipart(struct upload *u)
{
	if (u->beginning || *u->row.backend_id)
		return;
	u->beginning = true;
	if (u->row.creating_at) {
		/*
		 * An earlier driver got so far; its window stays ours, and
		 * what shows in it only later is the sweeper's.
		 */
		u->row.flags |= UPLOAD_CREATE_UNKNOWN;
		sweep(u);
		return;
	}
	u->row.creating_at = clock_wall_ms();
	commit_send(commit_new(u, JSET_CREATING), creating_recorded, NULL);
}
