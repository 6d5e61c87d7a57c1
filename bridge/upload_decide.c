/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a write or a truncation makes of a file that is open: a new generation,
 * an upload that goes on, one that is rewound, or an append.
 */
#include <inttypes.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"

static void
acks_may_go(struct upload *u, enum err err, void *arg)
{
	u->acks_wait--;
	charge_ended(u, err, arg);
}

static void
generation_recorded(struct upload *u, enum err err, void *arg)
{
	if (err == ERR_QUOTA) {
		u->acks_wait--;
		charge_refused(u, true);
		return;
	}
	acks_may_go(u, err, arg);
	if (!err && *u->old_id) {
		abort_start(u->all, u->old_id);
		u->old_id[0] = '\0';
	}
}

enum err
upload_begin_generation(struct upload *u)
{
	struct commit *c;

	u->fresh = false;
	u->in_journal = true;
	u->row.state = UPLOAD_OPEN;
	u->row.created_at = clock_wall_ms();
	charge_begin(u);
	c = commit_new(u, 0);
	c->tx.insert = &c->row;
	charge_add(u, c);
	if (*u->old_id) {
		c->tx.supersede = u->old_id;
		c->tx.supersede_epoch = u->old_epoch;
	}
	u->acks_wait++;
	commit_send(c, generation_recorded, NULL);
	return ERR_OK;
}

/* What was recovered is given up in favour of a new file. */
static void
become_fresh(struct upload *u)
{
	struct ledger *l = u->all->b->ledger;

	str_copy(u->old_id, sizeof(u->old_id), u->row.id);
	u->old_epoch = u->row.epoch;
	while (u->segs)
		useg_drop(u->segs, true);
	ledger_upload_remove(l, u->row.id);
	id_new(u->row.id);
	ledger_upload_add(l, u->row.id, u->keyhash);
	u->row.epoch = 1;
	u->row.rewind = 0;
	u->row.backend_id[0] = '\0';
	u->row.flags &= UPLOAD_TEMP | UPLOAD_COUNTED | UPLOAD_REPLACES |
			(u->declares ? UPLOAD_DECLARED : 0);
	if (!(u->row.flags & UPLOAD_TEMP))
		u->row.flags |= UPLOAD_NO_TRUNC;
	u->row.mtime = u->sets_mtime;
	u->row.end = 0;
	u->row.creating_at = u->row.verified_at = u->row.parked_at = 0;
	u->nparts = 0;
	u->nheld = 0;
	u->end = u->top = 0;
}

static struct commit *
resume_commit(struct upload *u, unsigned set)
{
	struct commit *c;

	if (u->segs)
		segment_set_flags(u->segs->seg, 0); /* no longer closing */
	u->row.state = UPLOAD_OPEN;
	c = commit_new(u, set | JSET_STATE | JSET_EPOCH | JSET_OWNER |
				  JSET_DECLARED | JSET_FLAGS | JSET_MTIME);
	c->tx.new_epoch = ++u->row.epoch;
	u->top = u->end;
	charge_add(u, c);
	u->acks_wait++;
	return c;
}

/* A last part that the store takes only as the last. */
static bool
only_as_last(const struct upload *u, const struct store_part *p)
{
	const struct store_limits *l = store_limits(u->store);
	uint64_t size = u->row.flags & UPLOAD_DECLARED ? u->row.declared
						       : SCHEDULE_SIZE_UNKNOWN;

	return p->len < schedule_part_len(l, size, p->off) &&
	       (p->len < l->part_min || l->equal_parts);
}

/*
 * What was the last part is written on in its segment. Where that is lost and
 * no other part may follow, the part must come again: the end is where it began.
 * Unless nothing follows: confirmed is true when the client said that all is
 * there.
 */
static void
resume_at_end(struct upload *u, bool confirmed)
{
	struct useg *g = useg_last(u);
	struct commit *c = resume_commit(u, 0);
	struct store_part *last = u->nparts ? &u->parts[u->nparts - 1] : NULL;

	if (last && g && g->state == USEG_KEPT && g->no == last->no) {
		g->state = USEG_FILLING;
		c->tx.drop_from = g->no;
		u->nparts--;
	} else if (last && (!g || g->no < last->no) && only_as_last(u, last)) {
		u->ends_here = confirmed;
		if (!confirmed) {
			c->tx.drop_from = last->no;
			u->end = last->off;
			u->nparts--;
		}
	}
	commit_send(c, acks_may_go, NULL);
}

static void
rewound(struct upload *u, enum err err, void *arg)
{
	u->preparing = false;
	acks_may_go(u, err, arg);
}

static enum err
rewind_to(struct upload *u, uint64_t w)
{
	struct useg *g, *next;
	struct commit *c;
	uint32_t no = 0;
	enum err err = ERR_OK;

	for (g = u->segs; g; g = next) {
		next = g->next;
		if (g->base + g->cap <= w)
			continue;
		parts_cancel(u, g->no);
		if (!no)
			no = g->no;
		if (g->base >= w) {
			useg_drop(g, true);
			continue;
		}
		err = segment_cut(g->seg, w - g->base);
		g->state = USEG_FILLING;
	}
	if (err)
		return err;
	while (u->nparts &&
	       u->parts[u->nparts - 1].off + u->parts[u->nparts - 1].len > w)
		no = u->parts[--u->nparts].no;
	u->nheld = 0;
	u->end = w;
	u->row.rewind++;
	u->preparing = true;
	c = resume_commit(u, JSET_REWIND);
	c->tx.drop_from = no;
	commit_send(c, rewound, NULL);
	log_info("upload", u->session, "upload_rewound", KV_S("id", u->row.id),
		 KV_U("offset", w));
	return ERR_OK;
}

static bool
part_starts_at(const struct upload *u, uint64_t w)
{
	size_t i;

	for (i = 0; i < u->nparts; i++)
		if (u->parts[i].off == w)
			return true;
	return false;
}

static enum err
decide_fresh(struct upload *u, uint64_t off)
{
	if (off == 0 || !u->object_there)
		return upload_begin_generation(u);
	if (off != u->object.size) {
		upload_fail(u, ERR_UNSUPPORTED,
			    "a published file can be replaced or appended to, "
			    "not changed in the middle");
		return ERR_UNSUPPORTED;
	}
	if (off > UPLOAD_APPEND_MAX) {
		upload_fail(u, ERR_TOO_LARGE,
			    "files above 5 GiB cannot be appended to");
		return ERR_TOO_LARGE;
	}
	append_start(u);
	return ERR_OK;
}

/* The first write on a file opened without TRUNC says what it is. */
enum err
upload_decide(struct upload *u, uint64_t off)
{
	char why[STORE_WHY_MAX] = "";

	upload_enter(u, PHASE_TAKING);
	if (u->fresh)
		return decide_fresh(u, off);
	if (off >= u->end) {
		resume_at_end(u, false);
		return ERR_OK;
	}
	if (off == 0) {
		become_fresh(u);
		return upload_begin_generation(u);
	}
	if (off >= upload_floor(u) || part_starts_at(u, off))
		return rewind_to(u, off);
	str_printf(why, sizeof(why), "resume at offset %" PRIu64, u->end);
	upload_fail(u, ERR_INVALID, why);
	return ERR_INVALID;
}

void
upload_confirm_end(struct upload *u)
{
	upload_enter(u, PHASE_TAKING);
	u->size_confirmed = true;
	resume_at_end(u, true);
}

/* FSETSTAT with a size, on a file that nothing was written to yet. */
static enum err
truncate_undecided(struct upload *u, uint64_t size, const char **why)
{
	uint64_t now = u->fresh ? u->object.size : u->end;

	if (size == now && u->row.state == UPLOAD_SEALED)
		return ERR_OK; /* it is complete already */
	if (size == now && !u->fresh) {
		upload_confirm_end(u);
		return ERR_OK;
	}
	if (size == now)
		return ERR_OK;
	if (size == 0) {
		upload_enter(u, PHASE_TAKING);
		if (!u->fresh)
			become_fresh(u);
		u->size_confirmed = true;
		return upload_begin_generation(u);
	}
	*why = "only an upload in progress can change its size";
	return ERR_UNSUPPORTED;
}

static void
declared(struct upload *u, enum err err, void *arg)
{
	(void)arg;
	if (err == ERR_QUOTA)
		charge_refused(u, false);
}

static void
declare(struct upload *u, uint64_t size)
{
	struct commit *c;

	u->row.declared = size;
	u->row.flags |= UPLOAD_DECLARED;
	c = commit_new(u, JSET_DECLARED | JSET_FLAGS);
	charge_add(u, c);
	commit_send(c, declared, NULL);
}

enum err
upload_file_truncate(struct upload_file *f, uint64_t size, const char **why)
{
	struct upload *u = f->u;
	enum err err;

	*why = err_text(ERR_OK);
	if (!u || u->failed) {
		*why = u ? u->why : "another session took this upload over";
		return u ? u->failed : ERR_IN_USE;
	}
	if (f->append) {
		/* OpenSSH says so that its `reput` was interrupted. */
		u->client_cut = true;
		return ERR_OK;
	}
	if (u->phase == PHASE_IDLE)
		return truncate_undecided(u, size, why);
	u->size_confirmed = true;
	if (u->hold || u->preparing || size == u->end)
		return ERR_OK;
	if (size > u->end && charge_declare(u, size)) {
		*why = "that size does not fit into the quota";
		return ERR_QUOTA;
	}
	if (size > u->end) {
		declare(u, size);
		return ERR_OK;
	}
	if (!upload_in_first_segment(u)) {
		*why = "a large upload cannot be cut";
		return ERR_UNSUPPORTED;
	}
	err = segment_cut(u->segs->seg, size);
	if (!err) {
		u->nheld = 0;
		u->end = size;
	}
	return err;
}

enum err
upload_truncate(struct uploads *us, struct upload_who who,
		const struct upload_name *name, uint64_t size, const char **why)
{
	struct upload *u = upload_by_key(
		us, keylock_hash(store_name(name->store), name->key));

	if (!u || !u->file || strcmp(u->row.user, who.user->name) ||
	    strcmp(u->row.path, name->path) ||
	    (u->phase == PHASE_IDLE && u->fresh))
		return ERR_NOT_FOUND;
	return upload_file_truncate(u->file, size, why);
}
