/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full parts on their way to the store: digests, Create, PUT, J(part), and
 * the segment is free again. Requests are dealt out to the user with the
 * fewest in flight, and of that user's uploads to the one with the fewest.
 */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/crc32c.h"
#include "lib/log.h"

#define PART_CORRUPT_TRIES 5
#define SMALL_MAX (128u << 10) /* bytes hashed by the loop itself */

static struct requester *
requester_of(struct uploads *us, const char *user)
{
	size_t i;

	for (i = 0; i < us->nrequesters; i++)
		if (!strcmp(us->requesters[i].user, user))
			return &us->requesters[i];
	return NULL;
}

static unsigned
requests_of(struct uploads *us, const char *user)
{
	struct requester *r = requester_of(us, user);

	return r ? r->n : 0;
}

static void
request_begin(struct upload *u)
{
	struct uploads *us = u->all;
	struct requester *r = requester_of(us, u->row.user);

	if (!r) {
		r = &us->requesters[us->nrequesters++];
		str_copy(r->user, sizeof(r->user), u->row.user);
		r->n = 0;
	}
	r->n++;
	us->requests++;
	u->in_flight++;
	ledger_requests(us->b->ledger, u->row.user, 1);
}

void
parts_request_end(struct upload *u)
{
	struct uploads *us = u->all;
	struct requester *r = requester_of(us, u->row.user);

	if (r && !--r->n)
		*r = us->requesters[--us->nrequesters];
	us->requests--;
	u->in_flight--;
	ledger_requests(us->b->ledger, u->row.user, -1);
}

void
parts_record(struct upload *u, const struct store_part *p)
{
	size_t i = u->nparts;

	if (u->nparts == u->parts_size) {
		u->parts_size = u->parts_size ? 2 * u->parts_size : 16;
		u->parts =
			mem_resize(u->parts, u->parts_size * sizeof(*u->parts));
	}
	while (i && u->parts[i - 1].no > p->no)
		i--;
	memmove(u->parts + i + 1, u->parts + i, (u->nparts - i) * sizeof(*p));
	u->parts[i] = *p;
	u->nparts++;
}

static struct useg *
useg_by_no(struct upload *u, uint32_t no)
{
	struct useg *g = u->segs;

	while (g && g->no != no)
		g = g->next;
	return g;
}

/* A reported offset keeps its segment and the one behind it. */
static bool
pinned(const struct useg *g)
{
	uint64_t off;

	if (!ledger_pinned(g->u->all->b->ledger, g->u->row.id, &off))
		return false;
	return off < g->base + g->cap && off + g->cap >= g->base;
}

/* A short last part may yet be written on, where its upload is not published. */
static bool
short_of_end(const struct useg *g)
{
	return g->u->phase != PHASE_TAKING && segment_received(g->seg) < g->cap;
}

static void
part_recorded(struct upload *u, enum err err, void *arg)
{
	struct useg *g = useg_by_no(u, (uint32_t)(uintptr_t)arg);

	if (!g || g->state != USEG_STORED)
		return;
	if (err) {
		upload_fail(u, err, "another session took this upload over");
		return;
	}
	parts_record(u, &g->part);
	ledger_add(u->all->b->ledger, LEDGER_STORED, (int64_t)g->part.len);
	if (pinned(g) || short_of_end(g)) {
		g->state = USEG_KEPT;
		flow_safe(g);
	} else {
		useg_drop(g, true);
	}
	uploads_kick(u->all);
}

static void
part_stored(struct useg *g, const struct store_part *part)
{
	struct upload *u = g->u;
	struct commit *c;

	g->part = *part;
	g->part.no = g->no;
	g->part.off = g->base;
	g->part.len = segment_received(g->seg);
	g->state = USEG_STORED;
	g->tries = 0;
	flow_stored(u, g->part.len);
	u->row.verified_at = clock_wall_ms();
	c = commit_new(u, JSET_VERIFIED);
	c->part = g->part;
	c->tx.add_parts = &c->part;
	c->tx.nadd = 1;
	commit_send(c, part_recorded, (void *)(uintptr_t)g->no);
}

/*
 * Kept, it would be offered again, and refused again, for ever. Without it the
 * client sends the part once more.
 */
void
part_spoiled(struct useg *g, const char *why)
{
	struct upload *u = g->u;

	if (g->spoiled)
		return;
	g->spoiled = true;
	log_error("upload", u->session, "segment_spoiled",
		  KV_S("id", u->row.id), KV_U("part", g->no),
		  KV_U("bytes", segment_received(g->seg)), KV_S("why", why),
		  KV_S("do", "look at the spool's disk and memory; the client "
			     "sends these bytes again"));
}

static void
part_failed(struct useg *g, const struct store_result *res)
{
	struct upload *u = g->u;

	g->state = USEG_READY;
	g->tries++;
	log_warn("upload", u->session, "part_failed", KV_S("id", u->row.id),
		 KV_U("part", g->no), KV_ERR(res->err), KV_U("tries", g->tries),
		 KV_S("why", res->why));
	if (res->err == ERR_AGAIN ||
	    (res->err == ERR_CORRUPT && g->tries < PART_CORRUPT_TRIES)) {
		g->not_before =
			clock_ms() + clock_backoff(g->tries, 500, 20000) + 100;
		return;
	}
	if (res->err == ERR_NOT_FOUND)
		u->row.verified_at = 0; /* the next reader looks closely */
	if (res->err == ERR_CORRUPT)
		part_spoiled(g, res->why);
	upload_fail(u, res->err, res->why);
}

static void
part_sent(void *arg, const struct store_result *res)
{
	struct useg *g = arg;
	struct upload *u = g->u;

	g->op = NULL;
	parts_request_end(u);
	u->busy++;
	if (res->err)
		part_failed(g, res);
	else
		part_stored(g, &res->part);
	u->busy--;
	uploads_kick(u->all);
	upload_pump(u);
}

void
useg_body(struct useg *g, struct store_body *body)
{
	unsigned needs = store_needs(g->u->store);

	memset(body, 0, sizeof(*body));
	body->fd = segment_fd(g->seg);
	body->off = SEGMENT_HEADER;
	body->len = segment_received(g->seg);
	body->crc32c = segment_crc(g->seg);
	body->has_sha256 = needs & STORE_NEED_SHA256;
	body->has_md5 = needs & STORE_NEED_MD5;
	memcpy(body->sha256, g->digest.sha256, sizeof(body->sha256));
	memcpy(body->md5, g->digest.md5, sizeof(body->md5));
}

static void
send_part(struct useg *g)
{
	struct upload *u = g->u;
	struct store_target t = { u->row.key, u->row.backend_id };
	struct store_body body;

	useg_body(g, &body);
	g->state = USEG_SENDING;
	request_begin(u);
	g->op = store_put_part(u->store, t,
			       (struct store_slot){ g->no, g->base }, &body,
			       part_sent, g);
}

/* Dealing out. */

static bool
may_send(const struct upload *u)
{
	if (u->failed || u->single || u->park_now || !u->in_journal)
		return false;
	return u->phase == PHASE_TAKING || u->phase == PHASE_CLOSING ||
	       u->phase == PHASE_PARKING;
}

static struct useg *
ready_part(struct upload *u, uint64_t now)
{
	struct useg *g;

	if (!may_send(u) || store_is_down(u->store) ||
	    u->in_flight >= u->all->b->config->parts_in_flight)
		return NULL;
	for (g = u->segs; g; g = g->next)
		if (g->state == USEG_READY && g->not_before <= now)
			break;
	if (g && !*u->row.backend_id) {
		upload_begin_multipart(u);
		return NULL;
	}
	return u->beginning ? NULL : g;
}

static struct useg *
pick(struct uploads *us, uint64_t now)
{
	struct useg *best = NULL;
	unsigned best_user = 0, best_upload = 0;
	struct upload *u;

	for (u = us->list; u; u = u->next) {
		struct useg *g = ready_part(u, now);
		unsigned of_user;

		if (!g)
			continue;
		of_user = requests_of(us, u->row.user);
		if (!best || of_user < best_user ||
		    (of_user == best_user && u->in_flight < best_upload)) {
			best = g;
			best_user = of_user;
			best_upload = u->in_flight;
		}
	}
	return best;
}

/* Parts held back by a store that is down: others need not wait for them. */
static unsigned
requests_stuck(const struct uploads *us)
{
	const struct upload *u;
	unsigned n = 0;

	for (u = us->list; u; u = u->next)
		if (u->in_flight && store_is_down(u->store))
			n += u->in_flight;
	return n;
}

void
parts_send(struct uploads *us)
{
	unsigned max = us->b->config->requests_max + requests_stuck(us);
	uint64_t now = clock_ms();
	struct useg *g;

	while (us->requests < max && us->requests < UPLOAD_REQUESTS_MAX &&
	       (g = pick(us, now)))
		send_part(g);
}

static void
hashed(void *arg, enum err err, const struct segment_digest *d)
{
	struct useg *g = arg;
	struct upload *u = g->u;

	if (g->state != USEG_HASHING)
		return;
	if (err == ERR_CORRUPT)
		part_spoiled(g, "other bytes were read than were written");
	if (err) {
		upload_fail(u, err,
			    "the spool gave back other bytes than it "
			    "was given");
		return;
	}
	g->digest = *d;
	g->state = USEG_READY;
	uploads_kick(u->all);
	upload_pump(u);
}

/*
 * A small file is hashed on the spot: handing it to the pool and back costs
 * more than the hash. What is read back is checked as there.
 */
static bool
hashed_here(struct useg *g)
{
	unsigned needs = store_needs(g->u->store);
	size_t n = (size_t)segment_received(g->seg);
	unsigned char data[SMALL_MAX];

	if (segment_received(g->seg) > SMALL_MAX)
		return false;
	if (pread(segment_fd(g->seg), data, n, SEGMENT_HEADER) != (ssize_t)n ||
	    crc32c(0, data, n) != segment_crc(g->seg))
		return false; /* the pool looks again, and tells */
	if (needs & STORE_NEED_MD5 &&
	    !EVP_Digest(data, n, g->digest.md5, NULL, EVP_md5(), NULL))
		return false;
	return !(needs & STORE_NEED_SHA256) ||
	       EVP_Digest(data, n, g->digest.sha256, NULL, EVP_sha256(), NULL);
}

static void
close_segment(struct useg *g)
{
	struct upload *u = g->u;

	if (store_needs(u->store) && !hashed_here(g)) {
		g->state = USEG_HASHING;
		segment_hash(g->seg, hashed, g);
	} else {
		g->state = USEG_READY;
		uploads_kick(u->all);
	}
}

/*
 * The first part is not sent before it is known that it is not the whole
 * file: a file of one part is one PUT.
 */
static bool
may_be_whole(const struct upload *u, const struct useg *g)
{
	return g->no == 1 && !g->next && !(u->row.flags & UPLOAD_TEMP) &&
	       u->phase == PHASE_TAKING &&
	       !(u->row.flags & UPLOAD_DECLARED && u->row.declared > g->cap);
}

void
parts_pump(struct upload *u)
{
	bool any = false;
	struct useg *g;

	if (u->failed || u->preparing ||
	    (u->phase != PHASE_TAKING && u->phase != PHASE_PARKING &&
	     u->phase != PHASE_CLOSING))
		return;
	for (g = u->segs; g; g = g->next)
		if (g->state == USEG_FILLING &&
		    segment_received(g->seg) == g->cap && !may_be_whole(u, g)) {
			close_segment(g);
			any = true;
		}
	if (any)
		flow_backlog(u);
}

void
upload_finish_parts(struct upload *u)
{
	struct useg *g, *next;

	for (g = u->segs; g; g = next) {
		next = g->next;
		if (g->state != USEG_FILLING)
			continue;
		if (segment_received(g->seg) || u->single)
			close_segment(g);
		else
			useg_drop(g, true);
	}
}

bool
parts_waiting(const struct upload *u)
{
	const struct useg *g;

	for (g = u->segs; g; g = g->next)
		if (g->state != USEG_FILLING && g->state != USEG_KEPT)
			return true;
	return false;
}

void
parts_cancel(struct upload *u, uint32_t from_no)
{
	struct useg *g;

	for (g = u->segs; g; g = g->next) {
		if (g->no < from_no || !g->op)
			continue;
		store_cancel(g->op);
		g->op = NULL;
		g->state = USEG_READY;
		parts_request_end(u);
	}
}

static void
useg_synced(void *arg, enum err err)
{
	struct useg *g = arg;
	struct upload *u = g->u;

	g->syncs--;
	flow_safe(g);
	g->dirty_since = segment_unsynced(g->seg) ? clock_ms() : 0;
	if (err) {
		log_error("upload", u->session, "spool_sync",
			  KV_S("id", u->row.id), KV_ERR(err));
		u->fsync_err = err;
	}
	upload_pump(u);
}

void
useg_sync(struct useg *g)
{
	g->syncs++;
	segment_sync(g->seg, useg_synced, g);
}

/* Until its row is there, a part that the store has is only in the spool. */
void
upload_sync_all(struct upload *u)
{
	struct useg *g;

	for (g = u->segs; g; g = g->next)
		if (g->state <= USEG_STORED && segment_unsynced(g->seg))
			useg_sync(g);
}

bool
upload_syncing(const struct upload *u)
{
	const struct useg *g;

	for (g = u->segs; g; g = g->next)
		if (g->syncs)
			return true;
	return false;
}

void
parts_tick(struct upload *u)
{
	uint64_t now = clock_ms();
	struct useg *g, *next;

	for (g = u->segs; g; g = next) {
		next = g->next;
		if (g->state == USEG_KEPT && u->phase == PHASE_TAKING &&
		    !pinned(g)) {
			useg_drop(g, true);
			continue;
		}
		if (g->syncs || !g->dirty_since || g->state > USEG_STORED ||
		    now - g->dirty_since < u->all->b->config->spool_sync_ms)
			continue;
		useg_sync(g);
	}
}
