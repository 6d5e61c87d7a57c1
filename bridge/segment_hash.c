/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests that follow the receiver: jobs in the pool, at most one a segment,
 * read back what was received and feed it to the hash functions. While a job
 * runs, the contexts are its own. A job stops at the end that the first waiter
 * asked for, so that a digest is of exactly the bytes received when it was
 * asked; contexts are copied before they are finished, so hashing can go on
 * when the segment grows.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/spool_private.h"
#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/mem.h"

#define HASH_STEP (1024 * 1024) /* bytes that make a job worth its while */

struct hash_waiter {
	segment_hash_fn *fn;
	void *arg;
	uint64_t end;	/* digest of [0, end) */
	bool crc_known; /* crc is what was computed as the bytes came */
	uint32_t crc;
	struct hash_waiter *next;
};

struct segment_hash {
	struct work work; /* first */
	struct segment *g;
	unsigned want;	/* SEGMENT_SHA256 | SEGMENT_MD5 */
	unsigned which; /* what the contexts were begun with */
	EVP_MD_CTX *sha256, *md5;
	uint64_t done; /* [0, done) went through */
	uint32_t crc;  /* of what was read back */
	unsigned edits;
	bool busy;
	struct hash_waiter *waiters;
	/* Copies for the pool and its result. */
	int fd;
	uint64_t to;
	enum err err;
};

/* What went through is of no use: the data or the wish changed. */
static bool
stale(const struct segment_hash *h)
{
	return h->edits != h->g->edits || h->which != h->want;
}

static EVP_MD_CTX *
context_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx)
		abort(); /* out of memory */
	return ctx;
}

static enum err
hash_reset(struct segment_hash *h)
{
	h->done = 0;
	h->crc = 0;
	h->edits = h->g->edits;
	h->which = h->want;
	if ((h->which & SEGMENT_SHA256) &&
	    !EVP_DigestInit_ex(h->sha256, EVP_sha256(), NULL))
		return ERR_UNSUPPORTED;
	if ((h->which & SEGMENT_MD5) &&
	    !EVP_DigestInit_ex(h->md5, EVP_md5(), NULL))
		return ERR_UNSUPPORTED;
	return ERR_OK;
}

static enum err
hash_piece(void *arg, const void *data, size_t n)
{
	struct segment_hash *h = arg;

	if (atomic_load(&h->g->gone))
		return ERR_CANCELED;
	if ((h->which & SEGMENT_SHA256) &&
	    !EVP_DigestUpdate(h->sha256, data, n))
		return ERR_IO;
	if ((h->which & SEGMENT_MD5) && !EVP_DigestUpdate(h->md5, data, n))
		return ERR_IO;
	h->crc = crc32c(h->crc, data, n);
	h->done += n;
	return ERR_OK;
}

static void
hash_run(struct work *w)
{
	struct segment_hash *h = (struct segment_hash *)w;

	if (h->err == ERR_OK)
		h->err = spool_read_data(h->fd, h->done, h->to, hash_piece, h);
}

static enum err
digest_copy(const EVP_MD_CTX *ctx, unsigned char *out)
{
	EVP_MD_CTX *copy = context_new();
	int ok;

	ok = EVP_MD_CTX_copy_ex(copy, ctx) &&
	     EVP_DigestFinal_ex(copy, out, NULL);
	EVP_MD_CTX_free(copy);
	return ok ? ERR_OK : ERR_IO;
}

/* The bytes read back against the bytes that came; then the digests. */
static enum err
hash_result(struct segment_hash *h, const struct hash_waiter *w,
	    struct segment_digest *d)
{
	enum err err = h->err;

	memset(d, 0, sizeof(*d));
	if (err != ERR_OK)
		return err;
	if (w->crc_known && w->crc != h->crc) {
		log_error("spool", NULL, "crc_differs",
			  KV_S("name", h->g->name), KV_U("bytes", w->end),
			  KV_U("received", w->crc), KV_U("read", h->crc));
		return ERR_CORRUPT;
	}
	if (h->which & SEGMENT_SHA256)
		err = digest_copy(h->sha256, d->sha256);
	if (err == ERR_OK && (h->which & SEGMENT_MD5))
		err = digest_copy(h->md5, d->md5);
	return err;
}

static void hash_done(struct work *w);

/* Up to where; a stop where the CRC is not known before gives it. */
static uint64_t
hash_target(const struct segment_hash *h)
{
	const struct segment *g = h->g;
	uint64_t to = h->waiters ? h->waiters->end : g->received;

	return g->crc_from > h->done && g->crc_from < to ? g->crc_from : to;
}

static void
hash_start(struct segment_hash *h)
{
	struct segment *g = h->g;

	h->err = stale(h) ? hash_reset(h) : ERR_OK;
	h->to = hash_target(h);
	h->fd = g->fd;
	h->busy = true;
	h->work.run = hash_run;
	h->work.done = hash_done;
	g->refs++;
	work_submit(g->spool->pool, &h->work);
}

/* A cut or a write in place: what was asked for is now about other bytes. */
static void
waiters_revise(struct segment_hash *h)
{
	struct segment *g = h->g;

	for (struct hash_waiter *w = h->waiters; w; w = w->next) {
		if (w->end > g->received)
			w->end = g->received;
		w->crc_known = g->crc_from == 0 && w->end == g->received;
		w->crc = g->crc;
	}
}

/* The CRC of bytes that were not known since an edit came by the way. */
static void
hash_gives_crc(struct segment_hash *h)
{
	struct segment *g = h->g;

	if (h->err != ERR_OK || g->crc_from == 0 || h->done != g->crc_from)
		return;
	segment_crc_known(g, h->crc);
	waiters_revise(h);
}

static void
hash_answer(struct segment_hash *h)
{
	struct hash_waiter *w = h->waiters;
	segment_hash_fn *fn = w->fn;
	void *arg = w->arg;
	struct segment_digest d;
	enum err err;

	err = hash_result(h, w, &d);
	if (err != ERR_OK)
		h->edits = ~h->g->edits; /* the contexts are of no use now */
	h->waiters = w->next;
	free(w);
	fn(arg, err, &d);
}

static void
hash_next(struct segment_hash *h)
{
	struct segment *g = h->g;

	if (h->edits != g->edits)
		waiters_revise(h);
	if (!stale(h)) {
		hash_gives_crc(h);
		if (h->waiters &&
		    (h->err != ERR_OK || h->done == h->waiters->end))
			hash_answer(h);
		else if (h->err != ERR_OK)
			h->edits = ~g->edits;
	}
	if (h->waiters && !h->busy)
		hash_start(h);
}

/*
 * When the segment was closed meanwhile, its file may have a new driver, whose
 * LIVE record is not ours to write.
 */
static void
hash_done(struct work *work)
{
	struct segment_hash *h = (struct segment_hash *)work;
	struct segment *g = h->g;

	h->busy = false;
	if (!atomic_load(&g->gone))
		hash_next(h);
	segment_unref(g);
}

void
segment_hash_want(struct segment *g, unsigned which)
{
	struct segment_hash *h = g->hash;

	if (!h) {
		h = g->hash = mem_alloc(sizeof(*h));
		h->g = g;
		h->sha256 = context_new();
		h->md5 = context_new();
		h->edits = ~g->edits;
	}
	h->want |= which;
}

void
segment_hash_follow(struct segment *g)
{
	struct segment_hash *h = g->hash;
	uint64_t done;

	if (!h || h->busy)
		return;
	done = stale(h) ? 0 : h->done;
	if (g->received - done >= HASH_STEP)
		hash_start(h);
}

void
segment_hash(struct segment *g, segment_hash_fn *fn, void *arg)
{
	struct hash_waiter *w = mem_alloc(sizeof(*w)), **at;

	if (!g->hash)
		segment_hash_want(g, SEGMENT_SHA256);
	w->fn = fn;
	w->arg = arg;
	w->end = g->received;
	w->crc_known = g->crc_from == 0;
	w->crc = g->crc;
	for (at = &g->hash->waiters; *at; at = &(*at)->next)
		;
	*at = w;
	if (!g->hash->busy)
		hash_start(g->hash);
}

void
segment_hash_forget(struct segment *g)
{
	struct hash_waiter *w;

	while (g->hash && (w = g->hash->waiters) != NULL) {
		g->hash->waiters = w->next;
		free(w);
	}
}

void
segment_hash_free(struct segment *g)
{
	if (!g->hash)
		return;
	EVP_MD_CTX_free(g->hash->sha256);
	EVP_MD_CTX_free(g->hash->md5);
	free(g->hash);
	g->hash = NULL;
}
