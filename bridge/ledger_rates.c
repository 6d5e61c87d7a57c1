/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users' bandwidth, shared by their sessions in all workers. For each user and
 * direction one word says when all that was moved so far will have been due at
 * the user's rate; whoever moves bytes puts it further on, and waits for it (a
 * token bucket, told by its virtual time). So nothing is left behind by a
 * worker that dies. A bucket in which nothing was due for a while is anybody's.
 */
#include "bridge/ledger_private.h"

#define SECOND_NS UINT64_C(1000000000)
#define MS_NS UINT64_C(1000000)
#define BURST_NS (SECOND_NS / 4)      /* saved up while nothing is moved */
#define FORGOTTEN_NS (60 * SECOND_NS) /* behind which a bucket is empty */
#define WAIT_MAX_NS (3600 * SECOND_NS)

static struct ledger_rate *
rate_find(struct ledger *l, uint64_t hash, uint64_t now)
{
	struct ledger_rate *free = NULL;
	uint64_t was;

	for (unsigned i = 0; i < LEDGER_NODE_PROBE; i++) {
		struct ledger_rate *r =
			&l->sh->rates[(hash + i) % LEDGER_RATES];

		if (r->hash == hash)
			return r;
		if (!free && r->due + FORGOTTEN_NS < now)
			free = r;
	}
	if (!free)
		return NULL;
	was = free->hash;
	return atomic_compare_exchange_strong(&free->hash, &was, hash) ||
			       was == hash
		       ? free
		       : NULL;
}

unsigned
ledger_rate_take(struct ledger *l, const char *user,
		 const struct ledger_flow *f, uint64_t now_ms)
{
	/* From one second on, so that what was never used is long ago. */
	uint64_t now = (now_ms + 61000) * MS_NS, due, next;
	uint64_t hash = ledger_hash_user(l, user) ^ (f->download ? 1 : 0);
	struct ledger_rate *r;
	double cost;

	if (f->rate == 0 || f->bytes == 0)
		return 0;
	r = rate_find(l, hash ? hash : 2, now);
	if (!r)
		return 0; /* as many users at once are not limited */
	cost = (double)f->bytes * 1e9 / (double)f->rate;
	due = r->due;
	do {
		next = due > now - BURST_NS ? due : now - BURST_NS;
		next += cost < WAIT_MAX_NS ? (uint64_t)cost : WAIT_MAX_NS;
		if (next > now + WAIT_MAX_NS)
			next = now + WAIT_MAX_NS;
	} while (!atomic_compare_exchange_weak(&r->due, &due, next));
	return next > now ? (unsigned)((next - now) / MS_NS) : 0;
}
