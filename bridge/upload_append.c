/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending to a published object: the store copies its full parts into the
 * new multipart upload, the rest is read into the spool, and then the client's
 * bytes follow. The old object stays until the new one is complete, and until
 * all of it is in the new upload, that one is not shown or resumed: its end is
 * no place to go on. A copy is an append to nothing of another object.
 */
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

#define COPY_PART_MAX ((uint64_t)256 << 20)

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
			    ? "the file changed while it was copied"
			    : res->why);
}

/*
 * Swift's s3api compares If-Match with another ETag than it shows when the
 * source came by parts, and refuses. Then parts are copied without, and the
 * source is looked at when all are: it must still be the same.
 */
static bool
cannot_match(const struct upload *u, enum err err)
{
	return err == ERR_CONFLICT && !u->unmatched &&
	       strchr(u->source.etag, '-');
}

static void
source_seen(void *arg, const struct store_result *res)
{
	struct upload *u = arg;

	u->op = NULL;
	if (res->err || strcmp(res->object.etag, u->source.etag)) {
		upload_fail(u, res->err ? res->err : ERR_CONFLICT,
			    res->err ? res->why
				     : "the file changed while it was copied");
		return;
	}
	u->unmatched = false;
	upload_pump(u);
}

static void
part_copied(void *arg, const struct store_result *res)
{
	struct upload *u = arg;
	struct commit *c;

	u->op = NULL;
	if (cannot_match(u, res->err)) {
		u->unmatched = true;
		upload_pump(u);
		return;
	}
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
	struct store_copy c = { u->source_key,
				u->unmatched ? NULL : u->source.etag, u->end,
				len };

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

/*
 * The parts of a copy are as long as the store's time allows: no byte of them
 * comes by here. Those of an append are such as would have been uploaded.
 */
static uint64_t
copy_len(const struct upload *u)
{
	const struct store_limits *l = store_limits(u->store);
	const uint64_t left = u->source.size - u->end;

	if (!u->copying || l->equal_parts)
		return schedule_part_len(l, SCHEDULE_SIZE_UNKNOWN, u->end);
	if (left < l->part_min)
		return 0;
	return left < COPY_PART_MAX ? left : COPY_PART_MAX;
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
	uint64_t size = u->source.size, len;
	struct store_range range;

	if (!u->appending || u->op || u->beginning || u->commits || u->failed)
		return;
	if (u->end == size && u->unmatched) {
		u->op = store_head(u->store, u->source_key, source_seen, u);
		return;
	}
	if (u->end == size) {
		u->appending = false;
		u->row.flags &= ~(unsigned)UPLOAD_APPENDING;
		commit_send(commit_new(u, JSET_FLAGS), all_there, NULL);
		return;
	}
	len = copy_len(u);
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
	u->op = store_get(u->store, u->source_key, u->source.etag, range,
			  tail_read, u);
}

static void
source_set(struct upload *u, const char *key, const struct store_object *object)
{
	str_copy(u->source_key, sizeof(u->source_key), key);
	u->source = *object;
	u->row.flags |= UPLOAD_APPENDING;
	u->preparing = true;
	u->appending = true;
	u->top = object->size;
}

void
append_start(struct upload *u)
{
	log_info("upload", u->session, "append", KV_S("id", u->row.id),
		 KV_S("path", u->row.path), KV_U("bytes", u->object.size));
	u->row.flags &= ~(unsigned)UPLOAD_NO_TRUNC;
	source_set(u, u->row.key, &u->object);
	upload_begin_generation(u);
}

void
copy_pump(struct upload *u)
{
	struct upload_done *d = u->copier;

	if (!d || (u->preparing && !u->failed))
		return;
	u->copier = NULL;
	call_finish(&d->call, u->failed, u->failed ? u->why : NULL);
}

/* Nothing was written to it, or is under way. */
static bool
is_empty(const struct upload *u)
{
	return u && !u->failed && u->phase == PHASE_TAKING && !u->end &&
	       !u->nheld && !u->hold && !u->preparing && !u->nparts;
}

static void
copy_begun(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (err == ERR_QUOTA)
		charge_refused(u, false);
	else if (err)
		upload_fail(u, err, "another session took this upload over");
}

struct upload_call *
upload_file_copy(struct upload_file *f, const char *key,
		 const struct store_object *object, upload_done_fn *fn,
		 void *arg)
{
	struct upload_done *d = done_new(f->us, fn, arg);
	struct upload *u = f->u;
	struct commit *c;

	if (!is_empty(u)) {
		call_finish(&d->call, ERR_UNSUPPORTED,
			    "a file is copied to an empty one");
		return &d->call;
	}
	log_info("upload", u->session, "copy", KV_S("id", u->row.id),
		 KV_S("path", u->row.path), KV_S("from", key),
		 KV_U("bytes", object->size));
	u->copier = d;
	u->copying = true;
	source_set(u, key, object);
	if (!u->row.mtime)
		u->row.mtime = object->mtime;
	c = commit_new(u, JSET_FLAGS | JSET_MTIME);
	charge_add(u, c);
	commit_send(c, copy_begun, NULL);
	upload_pump(u);
	return &d->call;
}
