/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending to a published object: the store copies its full parts into the
 * new multipart upload, the rest is read into the spool, and then the client's
 * bytes follow. The old object stays until the new one is complete, and until
 * all of it is in the new upload, that one is not shown or resumed: its end is
 * no place to go on.
 */
#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

static void
part_copied_recorded(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (err) {
		upload_fail(u, err, "another session took this upload over");
		return;
	}
	parts_record(u, &u->append_part);
	u->end = u->append_part.off + u->append_part.len;
}

static void
append_failed(struct upload *u, const struct store_result *res)
{
	upload_fail(u, res->err,
		    res->err == ERR_CONFLICT
			    ? "the file changed while it was appended to"
			    : res->why);
}

static void
part_copied(void *arg, const struct store_result *res)
{
	struct upload *u = arg;
	struct commit *c;

	u->op = NULL;
	if (res->err) {
		append_failed(u, res);
		return;
	}
	str_copy(u->append_part.etag, sizeof(u->append_part.etag),
		 res->part.etag);
	str_copy(u->append_part.sum, sizeof(u->append_part.sum), res->part.sum);
	u->row.verified_at = clock_wall_ms();
	c = commit_new(u, JSET_VERIFIED);
	c->part = u->append_part;
	c->tx.add_parts = &c->part;
	c->tx.nadd = 1;
	commit_send(c, part_copied_recorded, NULL);
}

static void
copy_part(struct upload *u, uint64_t len)
{
	struct store_target t = { u->row.key, u->row.backend_id };
	struct store_copy c = { u->row.key, u->object.etag, u->end, len };

	u->append_part.no = (uint32_t)u->nparts + 1;
	u->append_part.off = u->end;
	u->append_part.len = len;
	u->op = store_copy_part(u->store, t, u->append_part.no, &c, part_copied,
				u);
}

static void
tail_read(void *arg, const struct store_result *res)
{
	struct upload *u = arg;
	enum err err;

	u->op = NULL;
	if (res->err) {
		append_failed(u, res);
		return;
	}
	err = upload_spool(u, res->data, res->len);
	if (err)
		upload_fail(u, err, "the spool cannot take the file's tail");
	else
		upload_pump(u);
}

/* What the client writes is now behind the whole of the old object. */
static void
all_there(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	u->preparing = false;
	if (err)
		upload_fail(u, err, "another session took this upload over");
}

void
append_pump(struct upload *u)
{
	uint64_t size = u->object.size, len;
	struct store_range range;

	if (!u->appending || u->op || u->beginning || u->commits || u->failed)
		return;
	if (u->end == size) {
		u->appending = false;
		u->row.flags &= ~(unsigned)UPLOAD_APPENDING;
		commit_send(commit_new(u, JSET_FLAGS), all_there, NULL);
		return;
	}
	len = schedule_part_len(store_limits(u->store), SCHEDULE_SIZE_UNKNOWN,
				u->end);
	if (!u->segs && len && u->end + len <= size) {
		if (*u->row.backend_id)
			copy_part(u, len);
		else
			upload_begin_multipart(u);
		return;
	}
	range.off = u->end;
	range.len = size - u->end < STORE_GET_MAX ? (size_t)(size - u->end)
						  : STORE_GET_MAX;
	u->op = store_get(u->store, u->row.key, u->object.etag, range,
			  tail_read, u);
}

void
append_start(struct upload *u)
{
	log_info("upload", u->session, "append", KV_S("id", u->row.id),
		 KV_S("path", u->row.path), KV_U("bytes", u->object.size));
	u->row.flags &= ~(unsigned)UPLOAD_NO_TRUNC;
	u->row.flags |= UPLOAD_APPENDING;
	u->preparing = true;
	u->appending = true;
	u->top = u->object.size;
	upload_begin_generation(u);
}
