/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What --repair does: only what the daemon itself would do with the same row,
 * or what loses nothing. Each is done with the key locked and the row read
 * again; f then says what was done, or why it was not.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_event.h"
#include "ctl/check.h"
#include "lib/clock.h"

static void
not_done(struct finding *f, enum err err)
{
	f->advice = repair_why(err);
}

static void
finish(struct finding *f, enum err err, const char *done)
{
	if (err)
		not_done(f, err);
	else
		f->repaired = done;
}

/* Adds the event that a change of the row is told with; free *body. */
static void
with_event(struct journal_tx *tx, struct journal_event *e,
	   const struct journal_upload *row, const char *kind, char **body)
{
	id_new(e->id);
	e->kind = kind;
	*body = event_body_row(row, e->id, kind);
	e->body = *body;
	tx->event = e;
}

/* Published. */

static enum err
publish(struct check *k, struct journal_upload *row,
	const struct store_object *o)
{
	struct journal_event event = { .kind = NULL };
	struct journal_tx tx = { .update = row };
	struct journal_attr attr = { .mtime = row->mtime };
	enum err err;
	char *body;

	tx.set = JSET_STATE | JSET_ETAG | JSET_ENDED | JSET_HIDDEN | JSET_END;
	tx.drop_all_parts = true;
	row->state = UPLOAD_PUBLISHED;
	row->ended_at = clock_wall_ms();
	row->end = o->size;
	row->hidden_etag[0] = '\0';
	memcpy(row->etag, o->etag, sizeof(row->etag));
	if (row->mtime && row->mtime != o->mtime) {
		memcpy(attr.store, row->store, sizeof(attr.store));
		memcpy(attr.key, row->key, sizeof(attr.key));
		memcpy(attr.etag, row->etag, sizeof(attr.etag));
		tx.attr = &attr;
	}
	with_event(&tx, &event, row, "published", &body);
	err = repair_apply(k->repair, &tx);
	free(body);
	return err;
}

void
check_publish(struct check *k, const struct check_row *r,
	      const struct store_object *o, struct finding *f)
{
	struct journal_rows rows;
	enum err err = repair_lock(k->repair, &r->row, &rows);

	if (!err)
		err = publish(k, &rows.uploads[0], o);
	repair_unlock(k->repair);
	journal_rows_free(&rows);
	finish(f, err, "recorded as published, with its event");
}

/* Parts. */

/* Whether the spool's segments begin the upload, so that it is worth keeping. */
static bool
has_beginning(const struct check *k, const struct check_row *r)
{
	const struct check_file *c;

	for (c = k->files; c; c = c->next)
		if (strcmp(c->file.id.upload, r->row.id) == 0 &&
		    c->file.kind == SPOOL_FILE_SEGMENT &&
		    c->file.id.base == 0 && c->file.received > 0 &&
		    c->file.id.rewind <= r->row.rewind)
			return true;
	return false;
}

static const char *
drop_parts(struct check *k, const struct check_row *r, uint32_t no, bool gone,
	   struct journal_upload *row, enum err *err)
{
	struct journal_tx tx = { .update = row, .drop_from = no };
	const char *done = "those parts are forgotten; the offset is lower";

	tx.set = JSET_VERIFIED | JSET_EPOCH;
	tx.new_epoch = row->epoch + 1;
	row->verified_at = clock_wall_ms();
	if (gone) {
		tx.set |= JSET_BACKEND;
		row->backend_id[0] = '\0';
	}
	if (gone && !has_beginning(k, r)) {
		tx.set |= JSET_STATE;
		row->state = UPLOAD_ABORTING;
		done = "nothing is left of it: given up";
	} else if (row->state != UPLOAD_OPEN) {
		tx.set |= JSET_STATE | JSET_PARKED;
		row->state = UPLOAD_PARKED;
		row->parked_at = clock_wall_ms();
	}
	*err = repair_apply(k->repair, &tx);
	return done;
}

void
check_drop_parts(struct check *k, const struct check_row *r, uint32_t no,
		 bool gone, struct finding *f)
{
	struct journal_rows rows;
	enum err err = repair_lock(k->repair, &r->row, &rows);
	const char *done = NULL;

	if (!err)
		done = drop_parts(k, r, no, gone, &rows.uploads[0], &err);
	repair_unlock(k->repair);
	journal_rows_free(&rows);
	finish(f, err, done);
}

/* Events. */

void
check_tell_event(struct check *k, const char *id, struct finding *f)
{
	struct journal_event event = { .kind = NULL };
	struct journal_tx tx = { .event_upload = id };
	struct journal_rows rows = { 0 };
	enum err err = ERR_IO;
	char *body;

	if (records_get(k->records, id, &rows) && rows.nuploads > 0) {
		with_event(&tx, &event, &rows.uploads[0], "published", &body);
		err = repair_apply(k->repair, &tx);
		free(body);
	}
	journal_rows_free(&rows);
	finish(f, err, "its event is recorded now");
}

/* Segments. */

void
check_unlink(struct check *k, const struct journal_upload *row,
	     const char *name, struct finding *f)
{
	struct journal_rows rows;
	enum err err = repair_lock(k->repair, row, &rows);

	if (!err)
		err = spool_inspect_unlink(k->ctl->bridge.spool_dir, name);
	repair_unlock(k->repair);
	journal_rows_free(&rows);
	finish(f, err, "removed");
}
