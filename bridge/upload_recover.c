/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the journal's row, the store's parts and the spool's segments to the
 * end of the contiguous bytes: the restart offset. What disagrees is dropped
 * and the lower offset offered.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

struct recovering {
	struct upload *u;
	recover_fn *fn;
	void *arg;
	size_t i;     /* next part row */
	uint32_t no;  /* next part number */
	uint64_t off; /* where it starts */
	enum err err;
};

static void walk(struct recovering *r);

static void
recover_done(struct recovering *r, enum err err)
{
	struct upload *u = r->u;
	recover_fn *fn = r->fn;
	void *arg = r->arg;

	free(r);
	fn(u, err, arg);
	u->busy--;
	upload_pump(u);
}

static struct segment_id
segment_at(struct store *store, const struct journal_upload *row, uint32_t no,
	   uint64_t base)
{
	struct segment_id id = { .rewind = row->rewind,
				 .no = no,
				 .base = base };
	uint64_t declared = row->flags & UPLOAD_DECLARED
				    ? row->declared
				    : SCHEDULE_SIZE_UNKNOWN;

	str_copy(id.upload, sizeof(id.upload), row->id);
	id.capacity = schedule_part_len(store_limits(store), declared, base);
	return id;
}

uint64_t
upload_peek_end(struct uploads *us, struct store *store,
		const struct journal_upload *row,
		const struct store_part *parts, size_t n, unsigned *flags)
{
	uint64_t off = 0, got;
	uint32_t no = 1;
	size_t i = 0;

	for (;;) {
		struct segment_id id;

		if (i < n && parts[i].no == no && parts[i].off == off) {
			off += parts[i++].len;
			no++;
			continue;
		}
		id = segment_at(store, row, no, off);
		if (!id.capacity)
			return off;
		got = segment_peek(us->b->spool, &id, flags);
		off += got;
		if (got < id.capacity)
			return off;
		no++;
	}
}

/* Part rows from `no` on are worth nothing: forgets them, durably. */
static void
drop_parts_from(struct upload *u, uint32_t no)
{
	struct commit *c;
	size_t i = 0;

	while (i < u->nparts && u->parts[i].no < no)
		i++;
	if (i == u->nparts)
		return;
	log_warn("upload", u->session, "parts_dropped", KV_S("id", u->row.id),
		 KV_U("from", no), KV_U("parts", u->nparts - i));
	u->nparts = i;
	c = commit_new(u, JSET_VERIFIED);
	c->tx.drop_from = no;
	commit_send(c, NULL, NULL);
}

static void
spool_swept(void *arg, enum err err)
{
	struct recovering *r = arg;

	if (err)
		log_warn("upload", r->u->session, "spool_sweep",
			 KV_S("id", r->u->row.id), KV_ERR(err));
	recover_done(r, r->err);
}

static void
looked_recorded(struct upload *u, enum err err, void *arg)
{
	struct recovering *r = arg;

	(void)u;
	(void)err; /* the next one finds out the same */
	recover_done(r, r->err);
}

/* Whoever comes next reads what was found out: it is recorded by then. */
static void
looked(struct recovering *r)
{
	struct upload *u = r->u;

	if (u->commits)
		commit_send(commit_new(u, JSET_VERIFIED), looked_recorded, r);
	else
		recover_done(r, r->err);
}

/*
 * Every segment of use is open now; the rest must never be read again by whoever
 * drives the upload. Who only wants to know its end need not wait for that.
 */
static void
walked(struct recovering *r, enum err err)
{
	struct upload *u = r->u;

	r->err = err;
	u->end = r->off;
	if (err && err != ERR_PUBLISHING) {
		recover_done(r, err);
		return;
	}
	if (err == ERR_OK && u->row.state != UPLOAD_SEALED)
		drop_parts_from(u, r->no);
	if (err == ERR_OK && u->only_looked) {
		looked(r);
		return;
	}
	spool_remove(u->all->b->spool, u->row.id, spool_swept, r);
}

/* The row was being closed, or its one PUT may have been sent. */
static void
resume_closing(struct recovering *r)
{
	struct upload *u = r->u;
	struct commit *c;

	if (u->end < u->row.end) {
		log_warn("upload", u->session, "closing_short",
			 KV_S("id", u->row.id), KV_U("end", u->row.end),
			 KV_U("have", u->end));
		u->row.state = UPLOAD_PARKED;
		u->row.parked_at = clock_wall_ms();
		c = commit_new(u, JSET_STATE | JSET_PARKED);
		commit_parked(c);
		commit_send(c, NULL, NULL);
		walked(r, ERR_OK);
		return;
	}
	upload_enter(u, PHASE_CLOSING);
	upload_finish_parts(u);
	walked(r, ERR_PUBLISHING);
}

static void
single_seen(void *arg, const struct store_result *res)
{
	struct recovering *r = arg;
	struct upload *u = r->u;
	unsigned flags = u->segs ? segment_flags(u->segs->seg) : 0;

	u->op = NULL;
	if (res->err == ERR_OK && !strcmp(res->object.sluice_id, u->row.id)) {
		str_copy(u->row.etag, sizeof(u->row.etag), res->object.etag);
		u->row.end = res->object.size;
		u->end = res->object.size;
		upload_enter(u, PHASE_CLOSING);
		publish_record(u);
		walked(r, ERR_PUBLISHING);
	} else if (flags & SEGMENT_CLOSING) {
		u->row.end = u->end;
		u->single = true;
		resume_closing(r);
	} else if (res->err && res->err != ERR_NOT_FOUND && !u->end) {
		walked(r, ERR_AGAIN);
	} else {
		walked(r, ERR_OK);
	}
}

/*
 * An open row's one PUT may have been sent. Not if nobody had asked to close
 * it, which a LIVE record of this boot knows: then bytes are not synced.
 */
static bool
maybe_put(const struct upload *u)
{
	struct segment *first = u->segs ? u->segs->seg : NULL;

	if (u->row.state != UPLOAD_OPEN || *u->row.backend_id ||
	    u->row.flags & UPLOAD_TEMP)
		return false;
	return !u->abandoned || !first || !segment_unsynced(first) ||
	       segment_flags(first) & SEGMENT_CLOSING;
}

static void
walk_ended(struct recovering *r)
{
	struct upload *u = r->u;

	u->end = r->off;
	if (u->row.state == UPLOAD_CLOSING)
		resume_closing(r);
	else if (maybe_put(u))
		u->op = store_head(u->store, u->row.key, single_seen, r);
	else
		walked(r, ERR_OK);
}

static void
segment_opened(void *arg, enum err err, struct segment *seg)
{
	struct recovering *r = arg;
	const struct segment_id *id;
	struct useg *g;
	uint64_t n;

	if (err == ERR_NOT_FOUND) {
		walk_ended(r);
		return;
	}
	if (err) {
		walked(r, err);
		return;
	}
	id = segment_ident(seg);
	n = segment_received(seg);
	if (!n && !(segment_flags(seg) & SEGMENT_CLOSING)) {
		segment_discard(seg);
		walk_ended(r);
		return;
	}
	g = useg_add(r->u, seg, r->no, r->off, id->capacity);
	flow_recovered(g);
	if (segment_unsynced(seg))
		g->dirty_since = clock_ms();
	r->off += n;
	if (n < id->capacity) {
		r->no++;
		walk_ended(r);
		return;
	}
	r->no++;
	walk(r);
}

static void
walk_on(struct recovering *r)
{
	struct upload *u = r->u;
	struct segment_id id = segment_at(u->store, &u->row, r->no, r->off);

	if (!id.capacity || u->row.state == UPLOAD_SEALED)
		walk_ended(r);
	else
		segment_open(u->all->b->spool, &id, segment_opened, r);
}

/*
 * The last part, where it is short, may be written on: its segment is kept.
 * What is behind the row in it was not acknowledged.
 */
static void
short_opened(void *arg, enum err err, struct segment *seg)
{
	struct recovering *r = arg;
	struct store_part *last = &r->u->parts[r->u->nparts - 1];
	struct useg *g;

	if (!err && segment_received(seg) > last->len)
		err = segment_cut(seg, last->len);
	if (err || segment_received(seg) < last->len) {
		segment_close(seg);
		walk_on(r);
		return;
	}
	g = useg_add(r->u, seg, last->no, last->off,
		     segment_ident(seg)->capacity);
	flow_recovered(g);
	g->state = USEG_KEPT;
	flow_safe(g);
	g->part = *last;
	walk_ended(r);
}

/* Whether every row was passed and the last one is short of its part. */
static bool
ends_short(struct recovering *r, struct segment_id *id)
{
	struct upload *u = r->u;
	struct store_part *last;

	if (!u->nparts || r->i != u->nparts)
		return false;
	last = &u->parts[u->nparts - 1];
	*id = segment_at(u->store, &u->row, last->no, last->off);
	return last->len < id->capacity;
}

static void
walk(struct recovering *r)
{
	struct upload *u = r->u;
	struct segment_id id;

	while (r->i < u->nparts && u->parts[r->i].no == r->no &&
	       u->parts[r->i].off == r->off) {
		r->off += u->parts[r->i++].len;
		r->no++;
	}
	if (ends_short(r, &id))
		segment_open(u->all->b->spool, &id, short_opened, r);
	else
		walk_on(r);
}

/* The number of the first row that the store does not confirm; 0: none. */
static uint32_t
first_unconfirmed(const struct upload *u, const struct store_part *at, size_t n)
{
	size_t i, k = 0;

	for (i = 0; i < u->nparts; i++) {
		const struct store_part *p = &u->parts[i];

		while (k < n && at[k].no < p->no)
			k++;
		if (k == n || at[k].no != p->no || at[k].len != p->len ||
		    strcmp(at[k].etag, p->etag))
			return p->no;
	}
	return 0;
}

static void
cross_checked(void *arg, const struct store_result *res)
{
	struct recovering *r = arg;
	struct upload *u = r->u;
	uint32_t bad = 0;

	u->op = NULL;
	if (res->err == ERR_OK) {
		bad = first_unconfirmed(u, res->parts, res->nparts);
		u->row.verified_at = clock_wall_ms();
		commit_send(commit_new(u, JSET_VERIFIED), NULL, NULL);
		if (bad)
			drop_parts_from(u, bad);
	} else if (res->err == ERR_NOT_FOUND) {
		log_warn("upload", u->session, "multipart_gone",
			 KV_S("id", u->row.id), KV_S("key", u->row.key));
		drop_parts_from(u, 1);
		u->row.backend_id[0] = '\0';
		commit_send(commit_new(u, JSET_BACKEND), NULL, NULL);
	} else {
		/* Completion will find out; until then the spool goes on. */
		log_warn("upload", u->session, "unverified",
			 KV_S("id", u->row.id), KV_ERR(res->err));
	}
	walk(r);
}

void
upload_recover(struct upload *u, recover_fn *fn, void *arg)
{
	struct recovering *r = mem_alloc(sizeof(*r));
	int64_t age = clock_wall_ms() - u->row.verified_at;
	struct store_target t = { u->row.key, u->row.backend_id };

	r->u = u;
	r->fn = fn;
	r->arg = arg;
	r->no = 1;
	u->busy++;
	if (u->row.kind == UPLOAD_KIND_COPY) {
		copy_drive(u);
		recover_done(r, ERR_PUBLISHING);
	} else if (u->row.state == UPLOAD_COMPLETING) {
		u->end = u->row.end;
		publish_complete(u);
		recover_done(r, ERR_PUBLISHING);
	} else if (*u->row.backend_id && u->nparts && !u->abandoned &&
		   (age < 0 || age >= u->all->b->config->verify_after_ms)) {
		u->op = store_list_parts(u->store, t, cross_checked, r);
	} else {
		walk(r);
	}
}
