/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads: ranged GETs of one block each, a few blocks ahead of a reader
 * that goes forward, at most BLOCKS blocks in memory. The ETag is pinned when
 * the file is opened, so a reader sees one object or an error, never a mix.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/transfer.h"
#include "bridge/vfs_private.h"
#include "lib/clock.h"

#define BLOCK_SIZE (1u << 20)
#define BLOCKS 8
#define AHEAD 4
#define READS_MAX 1024
#define RATE_STEP_MS 5		 /* shorter waits are left to the next read */
#define RATE_CHUNK (256u * 1024) /* one read, where the rate is limited */

struct block {
	struct download *d;
	uint64_t no; /* offset / BLOCK_SIZE */
	unsigned char *data;
	size_t len;
	struct store_op *op;
	bool ready;
	uint64_t used; /* a counter: the least is replaced */
};

struct read {
	struct read *next;
	uint64_t off;
	size_t n;
	vfs_read_fn *fn;
	void *arg;
};

struct download {
	struct session *s;
	struct store *store;
	char key[STORE_KEY_MAX + 1];
	char etag[STORE_ETAG_MAX + 1];
	char path[JOURNAL_PATH_MAX + 1];
	uint64_t size, uses, last_end;
	uint64_t started_ms, sent, top; /* top: behind the last byte sent */
	bool asked;
	struct loop_timer *rate_timer; /* NULL until it is needed */
	bool held;		       /* the user's rate is used up */
	struct block blocks[BLOCKS];
	struct read *reads, **tail;
	unsigned nreads;
	enum err err;
	char why[STORE_WHY_MAX];
	bool posted, freed, serving;
	struct loop_call post;
};

static void serve(struct download *d);

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
	if (d->posted)
		return;
	d->posted = true;
	loop_post(session_bridge(d->s)->loop, &d->post);
}

struct download *
download_new(struct session *s, const struct vfs_name *n,
	     const struct store_object *o)
{
	struct download *d = mem_alloc(sizeof(*d));
	size_t i;

	d->s = s;
	d->store = n->store;
	d->size = o->size;
	d->tail = &d->reads;
	d->started_ms = clock_ms();
	str_copy(d->path, sizeof(d->path), n->path);
	d->post.fn = serve_posted;
	d->post.arg = d;
	str_copy(d->key, sizeof(d->key), n->literal);
	str_copy(d->etag, sizeof(d->etag), o->etag);
	for (i = 0; i < BLOCKS; i++)
		d->blocks[i].d = d;
	return d;
}

static void
download_log(struct download *d, bool whole)
{
	struct session *s = d->s;
	struct transfer_end end = { .session = session_id(s),
				    .user = session_user(s)->name,
				    .protocol = session_protocol(s),
				    .addr = session_peer(s),
				    .path = d->path,
				    .bytes = d->sent,
				    .ms = clock_ms() - d->started_ms };

	end.outcome = d->err			   ? TRANSFER_FAILED
		      : whole && d->top >= d->size ? TRANSFER_COMPLETE
						   : TRANSFER_ABORTED;
	if (d->asked)
		transfer_log(session_bridge(s), &end);
}

void
download_free(struct download *d, bool whole)
{
	struct read *r;
	size_t i;

	if (!d)
		return;
	download_log(d, whole);
	loop_timer_free(d->rate_timer);
	for (i = 0; i < BLOCKS; i++) {
		store_cancel(d->blocks[i].op);
		free(d->blocks[i].data);
	}
	while ((r = d->reads)) {
		d->reads = r->next;
		free(r);
	}
	d->freed = true;
	if (!d->posted && !d->serving)
		free(d);
}

static void
block_got(void *arg, const struct store_result *res)
{
	struct block *b = arg;
	struct download *d = b->d;

	b->op = NULL;
	if (res->err) {
		d->err = res->err;
		str_copy(d->why, sizeof(d->why),
			 res->err == ERR_CONFLICT
				 ? "the file was replaced meanwhile"
				 : res->why);
	} else {
		memcpy(b->data, res->data, res->len);
		b->len = res->len;
		b->ready = true;
	}
	serve(d);
}

static struct block *
block_find(struct download *d, uint64_t no)
{
	size_t i;

	for (i = 0; i < BLOCKS; i++)
		if ((d->blocks[i].ready || d->blocks[i].op) &&
		    d->blocks[i].no == no)
			return &d->blocks[i];
	return NULL;
}

/* Asks for a block, in the place of the one that was used longest ago. */
static void
block_want(struct download *d, uint64_t no)
{
	struct block *best = NULL;
	uint64_t off = no * BLOCK_SIZE;
	size_t i;

	if (off >= d->size || block_find(d, no))
		return;
	for (i = 0; i < BLOCKS; i++) {
		struct block *b = &d->blocks[i];

		if (!b->op && (!best || b->used < best->used))
			best = b;
	}
	if (!best)
		return;
	if (!best->data)
		best->data = mem_alloc(BLOCK_SIZE);
	best->no = no;
	best->ready = false;
	best->used = ++d->uses;
	best->len = d->size - off < BLOCK_SIZE ? (size_t)(d->size - off)
					       : BLOCK_SIZE;
	best->op = store_get(d->store, d->key, d->etag,
			     (struct store_range){ off, best->len }, block_got,
			     best);
}

/* Copies what a read asks for; false: a block of it is not there yet. */
static bool
gather(struct download *d, const struct read *r, unsigned char *out)
{
	uint64_t off = r->off, end = r->off + r->n, no;

	if (!r->n)
		return true; /* at or behind the end: no block has that */
	for (no = off / BLOCK_SIZE; no * BLOCK_SIZE < end; no++) {
		struct block *b = block_find(d, no);

		if (!b || !b->ready)
			return false;
	}
	while (off < end) {
		struct block *b = block_find(d, off / BLOCK_SIZE);
		size_t at = (size_t)(off % BLOCK_SIZE);
		size_t n = b->len - at;

		if (n > end - off)
			n = (size_t)(end - off);
		b->used = ++d->uses;
		memcpy(out, b->data + at, n);
		out += n;
		off += n;
	}
	return true;
}

static void
want_for(struct download *d, const struct read *r)
{
	uint64_t no = r->off / BLOCK_SIZE;
	uint64_t last = r->n ? (r->off + r->n - 1) / BLOCK_SIZE : no;
	bool forward = r->off == 0 || r->off <= d->last_end + BLOCK_SIZE;

	if (forward)
		last += AHEAD - 1;
	for (; no <= last; no++)
		block_want(d, no);
}

static void
rate_due(void *arg)
{
	struct download *d = arg;

	d->held = false;
	serve(d);
}

/* The user's rate, which all sessions of the user share. */
static void
rate_charge(struct download *d, uint64_t n)
{
	const struct user *u = session_user(d->s);
	struct bridge *b = session_bridge(d->s);
	struct ledger_flow f = { .download = true, .bytes = n };
	unsigned ms;

	f.rate = u->download_rate;
	ms = f.rate ? ledger_rate_take(b->ledger, u->name, &f, clock_ms()) : 0;
	if (ms < RATE_STEP_MS)
		return;
	if (!d->rate_timer)
		d->rate_timer = loop_timer_new(b->loop, rate_due, d);
	d->held = true;
	loop_timer_set(d->rate_timer, ms);
}

static void
answer(struct download *d, struct read *r, enum err err, const void *data)
{
	d->reads = r->next;
	if (!d->reads)
		d->tail = &d->reads;
	d->nreads--;
	if (!err) {
		d->last_end = r->off + r->n;
		d->sent += r->n;
		if (d->top < d->last_end)
			d->top = d->last_end;
		rate_charge(d, r->n);
	}
	r->fn(r->arg, err, err ? d->why : err_text(ERR_OK), data,
	      err ? 0 : r->n);
	free(r);
}

/* Answers reads in order, as far as their blocks have come. */
static void
serve(struct download *d)
{
	unsigned char *out = NULL;

	d->serving = true;
	while (!d->freed && d->reads) {
		struct read *r = d->reads;

		if (d->err) {
			answer(d, r, d->err, NULL);
			continue;
		}
		if (d->held)
			break;
		out = mem_resize(out, r->n + 1);
		if (!gather(d, r, out)) {
			want_for(d, r);
			break;
		}
		answer(d, r, ERR_OK, out);
	}
	free(out);
	d->serving = false;
	if (d->freed && !d->posted)
		free(d);
}

void
download_read(struct download *d, uint64_t off, size_t n, vfs_read_fn *fn,
	      void *arg)
{
	struct read *r = mem_alloc(sizeof(*r));

	if (n > STORE_GET_MAX)
		n = STORE_GET_MAX;
	if (n > (AHEAD - 1) * BLOCK_SIZE)
		n = (AHEAD - 1) * BLOCK_SIZE;
	if (session_user(d->s)->download_rate && n > RATE_CHUNK)
		n = RATE_CHUNK;
	if (off >= d->size)
		n = 0;
	else if (n > d->size - off)
		n = (size_t)(d->size - off);
	d->asked = true;
	r->off = off;
	r->n = n;
	r->fn = fn;
	r->arg = arg;
	*d->tail = r;
	d->tail = &r->next;
	if (++d->nreads > READS_MAX && !d->err) {
		d->err = ERR_TOO_LARGE;
		str_copy(d->why, sizeof(d->why), "too many reads at once");
	}
	if (n)
		want_for(d, r);
	serve_soon(d);
}

/* OPEN for reading: the published object, unless it is hidden. */

static void
read_folder(struct vfs_call *c)
{
	vfs_call_end(c, c->err ? c->err : ERR_IS_DIR, NULL);
}

static void
read_ready(struct vfs_call *c)
{
	c->file = vfs_file_new(c);
	c->file->r = download_new(c->s, &c->name, &c->object);
	c->file->mtime = c->st.mtime;
	vfs_call_end(c, ERR_OK, NULL);
}

static void
read_headed(void *arg, const struct store_result *res)
{
	struct vfs_call *c = arg;

	c->op = NULL;
	if (res->err == ERR_NOT_FOUND) {
		vfs_folder_look(c, read_folder);
		return;
	}
	if (res->err) {
		vfs_call_end(c, res->err, res->why);
		return;
	}
	c->object = res->object;
	vfs_stat_object(&c->st, &res->object);
	vfs_attrs_look(c, read_ready);
}

static void
read_looked(void *arg, const struct journal_reply *r)
{
	struct vfs_call *c = arg;

	c->journal = false;
	if (!r->err && r->upload && *r->upload->hidden_etag)
		vfs_call_end(c, ERR_NOT_FOUND, NULL);
	else
		c->op = store_head(c->name.store, c->name.literal, read_headed,
				   c);
}

void
vfs_open_read(struct vfs_call *c)
{
	c->journal = true;
	journal_find(session_bridge(c->s)->journal, store_name(c->name.store),
		     c->name.literal, read_looked, c);
}
