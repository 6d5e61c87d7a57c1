/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where written bytes go: right behind the end, ahead of it (held until the
 * gap closes), or in place while the whole file lies in its first segment.
 * What the spool cannot take at once is held in memory, and the client paused.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "bridge/vfs.h"
#include "lib/clock.h"
#include "lib/log.h"

#define FOLLOW_STEP (1u << 20) /* the hash is told this often */

static unsigned
hash_kinds(const struct upload *u)
{
	unsigned needs = store_needs(u->store);

	return (needs & STORE_NEED_SHA256 ? SEGMENT_SHA256 : 0) |
	       (needs & STORE_NEED_MD5 ? SEGMENT_MD5 : 0);
}

struct useg *
useg_add(struct upload *u, struct segment *seg, uint32_t no, uint64_t base,
	 uint64_t cap)
{
	struct useg *g = mem_alloc(sizeof(*g)), **at = &u->segs;

	g->u = u;
	g->seg = seg;
	g->no = no;
	g->base = base;
	g->cap = cap;
	if (hash_kinds(u))
		segment_hash_want(seg, hash_kinds(u));
	while (*at && (*at)->no < no)
		at = &(*at)->next;
	g->next = *at;
	*at = g;
	return g;
}

void
useg_drop(struct useg *g, bool discard)
{
	struct upload *u = g->u;
	struct useg **at = &u->segs;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	if (g->op) {
		store_cancel(g->op);
		parts_request_end(u);
	}
	flow_dropped(g, !discard);
	if (discard)
		segment_discard(g->seg);
	else
		segment_close(g->seg);
	free(g);
}

struct useg *
useg_last(struct upload *u)
{
	struct useg *g = u->segs;

	while (g && g->next)
		g = g->next;
	return g;
}

uint64_t
upload_floor(const struct upload *u)
{
	return u->segs ? u->segs->base : u->end;
}

/* Where the part behind everything known begins. */
static void
next_part(struct upload *u, uint32_t *no, uint64_t *base)
{
	struct useg *g = useg_last(u);
	struct store_part *p = u->nparts ? &u->parts[u->nparts - 1] : NULL;

	*no = 1;
	*base = 0;
	if (p) {
		*no = p->no + 1;
		*base = p->off + p->len;
	}
	if (g && g->no >= *no) {
		*no = g->no + 1;
		*base = g->base + g->cap;
	}
}

static enum err
segment_make(struct upload *u, struct useg **out)
{
	struct segment_id id = { .rewind = u->row.rewind };
	struct segment *seg;
	enum err err;

	str_copy(id.upload, sizeof(id.upload), u->row.id);
	next_part(u, &id.no, &id.base);
	id.capacity = schedule_part_len(store_limits(u->store),
					u->row.flags & UPLOAD_DECLARED
						? u->row.declared
						: SCHEDULE_SIZE_UNKNOWN,
					id.base);
	if (!id.capacity || id.no > store_limits(u->store)->parts_max)
		return ERR_TOO_LARGE;
	err = segment_create(u->all->b->spool, &id, &seg);
	if (err)
		return err;
	*out = useg_add(u, seg, id.no, id.base, id.capacity);
	return ERR_OK;
}

/* The segment that takes byte `off`, made when it does not exist yet. */
static enum err
segment_for(struct upload *u, uint64_t off, struct useg **out)
{
	struct useg *g;
	enum err err;

	for (g = u->segs; g; g = g->next)
		if (off >= g->base && off < g->base + g->cap)
			break;
	while (!g) {
		err = segment_make(u, &g);
		if (err)
			return err;
		if (off >= g->base + g->cap)
			g = NULL;
	}
	if (g->state != USEG_FILLING)
		return ERR_INVALID;
	*out = g;
	return ERR_OK;
}

static void
advanced(struct upload *u, struct useg *g, uint64_t n)
{
	uint64_t got;

	u->end += n;
	got = u->end - g->base;
	if (!g->dirty_since)
		g->dirty_since = clock_ms();
	flow_written(g);
	if (hash_kinds(u) &&
	    (got / FOLLOW_STEP != (got - n) / FOLLOW_STEP || got == g->cap))
		segment_hash_follow(g->seg);
}

/*
 * n held bytes behind the end are counted in. Those at a segment's start were
 * counted by the segment when they came.
 */
static enum err
count_in(struct upload *u, struct useg *g, uint64_t n)
{
	uint64_t known = g->base + segment_received(g->seg);

	if (known >= u->end + n)
		return ERR_OK;
	return segment_adopt(g->seg, u->end + n - known);
}

/* Held extents that the end has reached are counted in. */
static enum err
merge_held(struct upload *u)
{
	while (u->nheld && u->held[0].off <= u->end) {
		uint64_t top = u->held[0].off + u->held[0].len;

		while (u->end < top) {
			struct useg *g;
			uint64_t n = top - u->end;
			enum err err = segment_for(u, u->end, &g);

			if (err)
				return err;
			if (n > g->base + g->cap - u->end)
				n = g->base + g->cap - u->end;
			flow_reserve(u, g, u->end - g->base + n);
			err = count_in(u, g, n);
			if (err)
				return err;
			advanced(u, g, n);
		}
		u->nheld--;
		memmove(u->held, u->held + 1, u->nheld * sizeof(*u->held));
	}
	return ERR_OK;
}

static enum err
put_behind(struct upload *u, const unsigned char *data, size_t n, size_t *done)
{
	while (n) {
		struct useg *g;
		size_t k = n;
		enum err err = segment_for(u, u->end, &g);

		if (err)
			return err;
		if (k > g->base + g->cap - u->end)
			k = g->base + g->cap - u->end;
		flow_reserve(u, g, u->end - g->base + k);
		/* Held bytes at the segment's start may be there already. */
		if (g->base + segment_received(g->seg) == u->end)
			err = segment_append(g->seg, data, k);
		else
			err = segment_write_at(g->seg, u->end - g->base, data,
					       k);
		if (err)
			return err;
		advanced(u, g, k);
		data += k;
		n -= k;
		*done += k;
	}
	return u->nheld ? merge_held(u) : ERR_OK;
}

enum err
upload_spool(struct upload *u, const void *data, size_t n)
{
	size_t done = 0;

	return put_behind(u, data, n, &done);
}

static enum err
extent_add(struct upload *u, uint64_t off, uint64_t len)
{
	size_t i = 0;

	while (i < u->nheld && u->held[i].off + u->held[i].len < off)
		i++;
	if (i < u->nheld && u->held[i].off <= off + len) {
		struct extent *e = &u->held[i];
		uint64_t top = e->off + e->len;

		if (off + len > top)
			top = off + len;
		if (off < e->off)
			e->off = off;
		e->len = top - e->off;
		while (i + 1 < u->nheld && u->held[i + 1].off <= top) {
			struct extent *x = &u->held[i + 1];

			if (x->off + x->len > top)
				top = x->off + x->len;
			e->len = top - e->off;
			u->nheld--;
			memmove(x, x + 1, (u->nheld - i - 1) * sizeof(*x));
		}
		return ERR_OK;
	}
	if (u->nheld == UPLOAD_HELD_MAX)
		return ERR_TOO_LARGE;
	memmove(u->held + i + 1, u->held + i,
		(u->nheld - i) * sizeof(*u->held));
	u->held[i] = (struct extent){ off, len };
	u->nheld++;
	return ERR_OK;
}

static enum err
put_ahead(struct upload *u, uint64_t off, const unsigned char *data, size_t n,
	  size_t *done)
{
	if (off + n - u->end > UPLOAD_AHEAD_MAX)
		return ERR_TOO_LARGE;
	while (n) {
		struct useg *g;
		size_t k = n;
		enum err err = segment_for(u, off, &g);

		if (err)
			return err;
		if (k > g->base + g->cap - off)
			k = g->base + g->cap - off;
		flow_reserve(u, g, off - g->base + k);
		err = segment_write_at(g->seg, off - g->base, data, k);
		if (!err)
			err = extent_add(u, off, k);
		if (err)
			return err;
		off += k;
		data += k;
		n -= k;
		*done += k;
	}
	return ERR_OK;
}

/* The whole file lies in its first segment, and none of it was sent. */
bool
upload_in_first_segment(const struct upload *u)
{
	return u->segs && !u->segs->next && !u->nparts && u->segs->no == 1 &&
	       u->segs->state == USEG_FILLING;
}

static enum err
spool_bytes(struct upload *u, uint64_t off, const unsigned char *data, size_t n,
	    size_t *done)
{
	size_t k;
	enum err err;

	if (u->ends_here && n)
		return ERR_INVALID;
	if (off > u->end)
		return put_ahead(u, off, data, n, done);
	if (off == u->end)
		return put_behind(u, data, n, done);
	if (!upload_in_first_segment(u))
		return ERR_INVALID;
	k = n < u->end - off ? n : u->end - off;
	err = segment_write_at(u->segs->seg, off, data, k);
	if (err)
		return err;
	u->segs->dirty_since =
		u->segs->dirty_since ? u->segs->dirty_since : clock_ms();
	*done += k;
	return n > k ? put_behind(u, data + k, n - k, done) : ERR_OK;
}

static enum err
hold_add(struct upload *u, uint64_t off, const unsigned char *data, size_t n)
{
	struct hold *h;

	if (u->hold_bytes + n > UPLOAD_HOLD_MAX)
		return ERR_TOO_LARGE;
	h = mem_alloc(sizeof(*h) + n);
	h->off = off;
	h->n = n;
	memcpy(h->data, data, n);
	*u->hold_tail = h;
	u->hold_tail = &h->next;
	u->hold_bytes += n;
	upload_pause(u, PAUSE_HOLD);
	return ERR_OK;
}

static bool
spool_full(enum err err)
{
	return err == ERR_NO_SPACE || err == ERR_IO;
}

/* An error that waiting cannot mend: says it to the client, once. */
static enum err
write_failed(struct upload *u, enum err err, uint64_t off)
{
	char why[STORE_WHY_MAX] = "";

	if (err == ERR_INVALID)
		str_printf(why, sizeof(why),
			   "bytes before offset %" PRIu64
			   " are on their way and cannot be changed",
			   u->end);
	else if (err == ERR_TOO_LARGE && off > u->end)
		str_printf(why, sizeof(why),
			   "offset %" PRIu64 " is too far ahead of %" PRIu64,
			   off, u->end);
	else if (err == ERR_TOO_LARGE)
		str_copy(why, sizeof(why),
			 "the file is larger than the store takes");
	upload_fail(u, err, *why ? why : NULL);
	return err;
}

/* The disk did not take it: the spool has logged that. */
static void
spool_wait(struct upload *u, enum err err)
{
	if (!(u->paused & PAUSE_DISK))
		log_debug("upload", u->session, "spool_full",
			  KV_S("id", u->row.id), KV_ERR(err));
	upload_pause(u, PAUSE_DISK);
}

void
upload_replay(struct upload *u)
{
	while (u->hold) {
		struct hold *h = u->hold;
		size_t done = 0;
		enum err err;

		if (!charge_take(u, h->off + h->n))
			return;
		err = spool_bytes(u, h->off, h->data, h->n, &done);
		if (err) {
			h->off += done;
			h->n -= done;
			memmove(h->data, h->data + done, h->n);
			if (spool_full(err))
				spool_wait(u, err);
			else
				write_failed(u, err, h->off);
			return;
		}
		u->hold = h->next;
		u->hold_bytes -= h->n;
		free(h);
	}
	u->hold_tail = &u->hold;
	upload_resume(u, PAUSE_HOLD | PAUSE_DISK);
}

/* What the spool did not take is held in memory; may fail u. */
static void
hold_rest(struct upload *u, uint64_t off, const unsigned char *data, size_t n)
{
	if (u->failed || n == 0 || !hold_add(u, off, data, n))
		return;
	upload_fail(u, ERR_NO_SPACE,
		    u->paused & PAUSE_DISK
			    ? UPLOAD_SPOOL_FULL
			    : "more came than can be held in memory");
}

static void
take_bytes(struct upload *u, uint64_t off, const unsigned char *data, size_t n)
{
	enum err err = ERR_OK;
	size_t done = 0;

	u->last_ms = clock_ms();
	u->received += n;
	ledger_add(u->all->b->ledger, LEDGER_RECEIVED, n);
	if (u->phase == PHASE_IDLE)
		err = upload_decide(u, off);
	if (!err && !u->hold && !u->preparing && n && charge_take(u, off + n))
		err = spool_bytes(u, off, data, n, &done);
	if (spool_full(err)) {
		spool_wait(u, err);
		err = ERR_OK;
	}
	if (err)
		write_failed(u, err, off);
	else
		hold_rest(u, off + done, data + done, n - done);
}

enum err
upload_file_write(struct upload_file *f, uint64_t off, const void *data,
		  size_t n, const char **why)
{
	struct upload *u = f->u;
	enum err err = ERR_OK;

	*why = err_text(ERR_OK);
	if (!u) {
		*why = "another session took this upload over";
		return ERR_IN_USE;
	}
	u->busy++;
	if (!u->failed) {
		take_bytes(u, off, data, n);
		flow_rate(u, n);
	}
	if (u->failed) {
		str_copy(f->why, sizeof(f->why), u->why);
		*why = f->why;
		err = u->failed;
	}
	if (!upload_file_acks(f))
		f->acks_ok = false;
	charge_pump(u);
	parts_pump(u);
	u->busy--;
	return err;
}
