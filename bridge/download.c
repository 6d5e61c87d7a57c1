/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/download.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/mem.h"

#define RATE_STEP_MS 5 /* shorter waits are left to the next read */

struct block {
	struct download *d;
	uint64_t no; /* offset / DOWNLOAD_BLOCK */
	unsigned char *data;
	size_t len;
	struct store_op *op;
	bool held; /* counted: fetched, or being fetched */
	bool ready;
	uint64_t used; /* a counter: the least goes first */
};

struct read {
	struct read *next;
	uint64_t off;
	size_t n;
	vfs_read_fn *fn;
	void *arg;
};

struct download {
	struct downloads *all;
	struct download *prev, *next; /* the one served last is the last */
	struct store *store;
	char key[STORE_KEY_MAX + 1];
	char etag[STORE_ETAG_MAX + 1];
	uint64_t size, uses;
	uint64_t last_end; /* of the last read that was answered */
	uint64_t waited;   /* behind the last block that was waited for */
	unsigned ahead;
	struct block blocks[DOWNLOAD_BLOCKS];
	struct read *reads, **tail;
	unsigned nreads;
	struct download_sent sent;
	download_rate_fn *rate; /* NULL: no limit */
	void *rate_arg;
	struct loop_timer *rate_timer;
	bool rate_holds; /* until the timer ends */
	enum err err;	 /* of all reads to come */
	char why[STORE_WHY_MAX];
	bool starving; /* for a block of the worker's */
	bool posted, freed, serving;
	struct loop_call post;
};

struct downloads {
	struct loop *loop;
	struct download *list;
	unsigned blocks, starving;
};

static void serve(struct download *d);

struct downloads *
downloads_new(struct loop *loop)
{
	struct downloads *all = mem_alloc(sizeof(*all));

	all->loop = loop;
	return all;
}

void
downloads_free(struct downloads *all)
{
	free(all);
}

unsigned
downloads_blocks(const struct downloads *all)
{
	return all->blocks;
}

uint64_t
download_size(const struct download *d)
{
	return d->size;
}

void
download_source(const struct download *d, struct store_object *o)
{
	memset(o, 0, sizeof(*o));
	o->size = d->size;
	str_copy(o->etag, sizeof(o->etag), d->etag);
}

void
download_sent(const struct download *d, struct download_sent *out)
{
	*out = d->sent;
}

static void
serve_posted(void *arg)
{
	struct download *d = arg;

	d->posted = false;
	if (d->freed)
		free(d);
	else
		serve(d);
}

static void
serve_soon(struct download *d)
{
	if (d->posted || d->freed)
		return;
	d->posted = true;
	loop_post(d->all->loop, &d->post);
}

/* There is room, or a block that can be spared: for one who waits for it. */
static void
wake_starving(struct downloads *all)
{
	struct download *d;

	if (!all->starving)
		return;
	DL_FOREACH (all->list, d) {
		if (d->starving) {
			serve_soon(d);
			return;
		}
	}
}

static void
set_starving(struct download *d, bool starving)
{
	if (d->starving == starving)
		return;
	d->starving = starving;
	d->all->starving += starving ? 1 : -1u;
}

/* Blocks. */

static void
block_drop(struct block *b)
{
	if (!b->held)
		return;
	store_cancel(b->op);
	b->op = NULL;
	free(b->data);
	b->data = NULL;
	b->held = b->ready = false;
	b->d->all->blocks--;
	wake_starving(b->d->all);
}

static struct block *
block_find(struct download *d, uint64_t no)
{
	for (size_t i = 0; i < DOWNLOAD_BLOCKS; i++)
		if (d->blocks[i].held && d->blocks[i].no == no)
			return &d->blocks[i];
	return NULL;
}

/* Whether the read that comes next stands on it. */
static bool
block_needed(const struct block *b)
{
	const struct read *r = b->d->reads;

	return r && r->n && r->off / DOWNLOAD_BLOCK == b->no;
}

/* The least used block of a reader that can do without; NULL: there is none. */
static struct block *
block_spare(struct download *d)
{
	struct block *spare = NULL;

	if (d->serving)
		return NULL;
	for (size_t i = 0; i < DOWNLOAD_BLOCKS; i++) {
		struct block *b = &d->blocks[i];

		if (b->held && !block_needed(b) &&
		    (!spare || b->used < spare->used))
			spare = b;
	}
	return spare;
}

/* Makes room in the worker's blocks at the cost of who was served long ago. */
static bool
make_room(struct download *for_whom)
{
	struct downloads *all = for_whom->all;
	struct block *spare = NULL;
	struct download *d;

	if (all->blocks < DOWNLOAD_WORKER_BLOCKS)
		return true;
	DL_FOREACH (all->list, d) {
		if (d != for_whom && (spare = block_spare(d)))
			break;
	}
	if (spare)
		block_drop(spare);
	return spare != NULL;
}

static void
fail_reads(struct download *d, enum err err, const char *why)
{
	d->err = err;
	str_copy(d->why, sizeof(d->why), why);
}

static void
block_got(void *arg, const struct store_result *res)
{
	struct block *b = arg;
	struct download *d = b->d;
	bool changed = res->err == ERR_CONFLICT || res->err == ERR_NOT_FOUND ||
		       (!res->err && res->len != b->len);

	b->op = NULL;
	if (!res->err && !changed) {
		if (res->owned) {
			b->data = *res->owned;
			*res->owned = NULL;
		} else {
			b->data = mem_alloc(b->len);
			memcpy(b->data, res->data, b->len);
		}
		b->ready = true;
	} else {
		/* One that was fetched ahead is asked for again in its turn. */
		if (changed)
			fail_reads(d, ERR_CONFLICT,
				   "the file was replaced or removed");
		else if (block_needed(b))
			fail_reads(d, res->err, res->why);
		block_drop(b);
	}
	serve(d);
}

/* A place for a block: an empty one, or that of one that was left behind. */
static struct block *
block_place(struct download *d, uint64_t no, uint64_t reading)
{
	struct block *best = NULL;

	for (size_t i = 0; i < DOWNLOAD_BLOCKS; i++) {
		struct block *b = &d->blocks[i];

		if (!b->held)
			return b;
		if (b->no >= reading && b->no <= no)
			continue;
		if (!best || b->used < best->used)
			best = b;
	}
	if (best)
		block_drop(best);
	return best;
}

/*
 * Asks for a block; false: there is no room, or nothing there. One that is
 * only read ahead takes nothing away from other readers.
 */
static bool
block_want(struct download *d, uint64_t no, uint64_t reading)
{
	struct downloads *all = d->all;
	uint64_t off = no * DOWNLOAD_BLOCK;
	struct block *b;

	if (off >= d->size)
		return false;
	if (block_find(d, no))
		return true;
	if (no != reading && all->blocks >= DOWNLOAD_WORKER_BLOCKS)
		return false;
	b = block_place(d, no, reading);
	if (!b || !make_room(d))
		return false;
	b->held = true;
	b->no = no;
	b->used = ++d->uses;
	b->len = d->size - off < DOWNLOAD_BLOCK ? (size_t)(d->size - off)
						: DOWNLOAD_BLOCK;
	all->blocks++;
	b->op = store_get(d->store, d->key, d->etag,
			  (struct store_range){ off, b->len }, block_got, b);
	return true;
}

/* What lies behind a reader that goes forward is not asked for again. */
static void
drop_behind(struct download *d, uint64_t reading)
{
	for (size_t i = 0; i < DOWNLOAD_BLOCKS; i++) {
		struct block *b = &d->blocks[i];

		if (b->held && b->no + 1 < reading)
			block_drop(b);
	}
}

/* A reader that jumped: what is under way elsewhere is for nobody. */
static void
drop_under_way(struct download *d, uint64_t reading)
{
	for (size_t i = 0; i < DOWNLOAD_BLOCKS; i++) {
		struct block *b = &d->blocks[i];

		if (b->op && b->no != reading)
			block_drop(b);
	}
}

/* Whether a read goes on where the one before it ended, or nearly so. */
static bool
goes_forward(const struct download *d, uint64_t off)
{
	uint64_t back = DOWNLOAD_BLOCK, far;

	far = d->last_end + (uint64_t)(d->ahead + 1) * DOWNLOAD_BLOCK;
	return off + back >= d->last_end && off <= far;
}

/* The store is slower than the reader: more side by side may help. */
static void
wait_longer(struct download *d, uint64_t no)
{
	d->waited = no + 1;
	d->ahead *= 2;
	if (d->ahead > DOWNLOAD_AHEAD)
		d->ahead = DOWNLOAD_AHEAD;
}

/* Sees to it that the block of a read comes, and those ahead of it. */
static void
want_for(struct download *d, const struct read *r)
{
	uint64_t no = r->off / DOWNLOAD_BLOCK;
	const struct block *b = block_find(d, no);

	if (!goes_forward(d, r->off)) {
		drop_under_way(d, no);
		d->ahead = 1;
		d->waited = 0;
	} else {
		drop_behind(d, no);
		if (b && !b->ready && no >= d->waited)
			wait_longer(d, no);
	}
	d->last_end = r->off;
	set_starving(d, !block_want(d, no, no));
	if (d->starving)
		return;
	for (uint64_t i = 1; i <= d->ahead; i++)
		if (!block_want(d, no + i, no))
			break;
}

/* Reads. */

static void
rate_due(void *arg)
{
	struct download *d = arg;

	d->rate_holds = false;
	serve(d);
}

void
download_limit(struct download *d, download_rate_fn *fn, void *arg)
{
	d->rate = fn;
	d->rate_arg = arg;
	d->rate_timer = loop_timer_new(d->all->loop, rate_due, d);
}

static void
rate_charge(struct download *d, size_t n)
{
	unsigned ms = d->rate ? d->rate(d->rate_arg, n) : 0;

	if (ms < RATE_STEP_MS)
		return;
	d->rate_holds = true;
	loop_timer_set(d->rate_timer, ms);
}

static void
answer(struct download *d, enum err err, const void *data, size_t n)
{
	struct read *r = d->reads;

	d->reads = r->next;
	if (!d->reads)
		d->tail = &d->reads;
	d->nreads--;
	d->sent.failed = err != ERR_OK;
	if (!err) {
		d->last_end = r->off + n;
		d->sent.bytes += n;
		if (n && d->sent.top < d->last_end)
			d->sent.top = d->last_end;
		rate_charge(d, n);
	}
	r->fn(r->arg, err, err ? d->why : err_text(ERR_OK), data, n);
	free(r);
}

/* Answers the first read if it can be; false: its block has to come first. */
static bool
serve_one(struct download *d)
{
	const struct read *r = d->reads;
	struct block *b;
	size_t at, n;

	if (!r->n || d->err) {
		answer(d, d->err, NULL, 0);
		return true;
	}
	if (d->rate_holds)
		return false;
	b = block_find(d, r->off / DOWNLOAD_BLOCK);
	if (!b || !b->ready) {
		want_for(d, r);
		return false;
	}
	at = (size_t)(r->off % DOWNLOAD_BLOCK);
	n = b->len - at < r->n ? b->len - at : r->n;
	b->used = ++d->uses;
	want_for(d, r);
	answer(d, ERR_OK, b->data + at, n);
	return true;
}

static void
release(struct download *d)
{
	for (size_t i = 0; i < DOWNLOAD_BLOCKS; i++)
		block_drop(&d->blocks[i]);
	if (!d->posted)
		free(d);
}

static void
serve(struct download *d)
{
	if (d->serving)
		return;
	d->serving = true;
	DL_DELETE(d->all->list, d);
	DL_APPEND(d->all->list, d);
	while (!d->freed && d->reads && serve_one(d))
		;
	d->serving = false;
	wake_starving(d->all);
	if (d->freed)
		release(d);
	else if (d->err != ERR_CONFLICT && !d->reads)
		d->err = ERR_OK; /* the store may be in reach again */
}

void
download_read(struct download *d, uint64_t off, size_t n, vfs_read_fn *fn,
	      void *arg)
{
	struct read *r = mem_alloc(sizeof(*r));

	if (d->rate && n > DOWNLOAD_LIMITED)
		n = DOWNLOAD_LIMITED;
	if (off >= d->size)
		n = 0;
	else if (n > d->size - off)
		n = (size_t)(d->size - off);
	r->off = off;
	r->n = n;
	r->fn = fn;
	r->arg = arg;
	d->sent.asked = true;
	*d->tail = r;
	d->tail = &r->next;
	if (++d->nreads > DOWNLOAD_READS)
		fail_reads(d, ERR_TOO_LARGE, "too many reads at once");
	serve_soon(d);
}

struct download *
download_open(struct downloads *all, struct store *store, const char *key,
	      const struct store_object *o)
{
	struct download *d = mem_alloc(sizeof(*d));

	d->all = all;
	d->store = store;
	d->size = o->size;
	d->ahead = 1;
	d->tail = &d->reads;
	d->post.fn = serve_posted;
	d->post.arg = d;
	str_copy(d->key, sizeof(d->key), key);
	str_copy(d->etag, sizeof(d->etag), o->etag);
	for (size_t i = 0; i < DOWNLOAD_BLOCKS; i++)
		d->blocks[i].d = d;
	DL_APPEND(all->list, d);
	return d;
}

void
download_free(struct download *d)
{
	struct read *r;

	if (!d)
		return;
	loop_timer_free(d->rate_timer);
	d->rate_timer = NULL;
	d->rate = NULL;
	while ((r = d->reads)) {
		d->reads = r->next;
		free(r);
	}
	d->tail = &d->reads;
	d->freed = true;
	set_starving(d, false);
	DL_DELETE(d->all->list, d);
	if (!d->serving) /* else its data may still be looked at */
		release(d);
}
