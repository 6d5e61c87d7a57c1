/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a user has over all workers: sessions, store requests, spool bytes.
 * Each slot has a hash table of its own, written by its worker alone. A user's
 * entry lies in one of a few places behind its hash; one that counts nothing
 * keeps its name until the place is needed.
 *
 * A limit holds over all workers without a lock: a worker counts first, then
 * sums over all slots, and takes back what was too much. Of two at once both
 * may be refused, never both let in wrongly.
 */
#include "bridge/ledger_private.h"

static bool
idle(const struct ledger_user *u)
{
	return u->sessions == 0 && u->requests == 0 && u->spool == 0;
}

static struct ledger_user *
user_find(struct ledger_slot *s, uint64_t hash)
{
	for (unsigned i = 0; i < LEDGER_PROBE; i++) {
		struct ledger_user *u = &s->users[(hash + i) % LEDGER_USERS];

		if (u->hash == hash)
			return u;
		if (u->hash == 0)
			break;
	}
	return NULL;
}

/* Of this worker's slot; NULL when all of its places are taken. */
static struct ledger_user *
user_make(struct ledger_slot *s, uint64_t hash)
{
	struct ledger_user *u = user_find(s, hash);

	for (unsigned i = 0; !u && i < LEDGER_PROBE; i++) {
		u = &s->users[(hash + i) % LEDGER_USERS];
		if (!idle(u))
			u = NULL;
	}
	if (u)
		u->hash = hash;
	return u;
}

enum err
ledger_session_begin(struct ledger *l, const char *user, unsigned max)
{
	struct ledger_slot *s = ledger_mine(l);
	uint64_t hash = ledger_hash_user(l, user);
	struct ledger_user *u;
	int64_t n = 0;

	if (!s)
		return ERR_OK;
	u = user_make(s, hash);
	if (!u)
		return ERR_QUOTA;
	u->sessions++;
	s->sessions++;
	if (max == 0)
		max = l->sh->user_sessions;
	for (int i = -1; max > 0 && (i = ledger_next(l, i)) >= 0;) {
		const struct ledger_user *o = user_find(&l->sh->slots[i], hash);

		n += o ? o->sessions : 0;
	}
	if (n <= (int64_t)max)
		return ERR_OK;
	ledger_session_end(l, user);
	return ERR_QUOTA;
}

void
ledger_session_end(struct ledger *l, const char *user)
{
	struct ledger_slot *s = ledger_mine(l);
	struct ledger_user *u;

	u = s ? user_find(s, ledger_hash_user(l, user)) : NULL;
	if (!u || u->sessions <= 0)
		return;
	u->sessions--;
	s->sessions--;
}

void
ledger_requests(struct ledger *l, const char *user, int n)
{
	struct ledger_slot *s = ledger_mine(l);
	struct ledger_user *u;

	u = s ? user_make(s, ledger_hash_user(l, user)) : NULL;
	if (u)
		u->requests += n;
}

/* Of uploads that are driven, as far as there was room. */
static uint64_t
spool_driven(const struct ledger *l)
{
	uint64_t total = 0;

	for (int i = -1; (i = ledger_next(l, i)) >= 0;)
		total += l->sh->slots[i].spool;
	return total;
}

static uint64_t
sum_of(const struct ledger *l, enum ledger_gauge g)
{
	int64_t total = 0;

	for (int i = -1; (i = ledger_next(l, i)) >= 0;)
		total += l->sh->slots[i].gauges[g];
	return total > 0 ? (uint64_t)total : 0;
}

uint64_t
ledger_spool_used(const struct ledger *l)
{
	return spool_driven(l) + ledger_parked(l) + sum_of(l, LEDGER_OVERDRAFT);
}

uint64_t
ledger_unsynced(const struct ledger *l)
{
	return sum_of(l, LEDGER_UNSYNCED);
}

void
ledger_parked_add(struct ledger *l, int64_t n)
{
	l->sh->parked += n;
}

void
ledger_parked_set(struct ledger *l, uint64_t n)
{
	l->sh->parked = (int64_t)n;
}

uint64_t
ledger_parked(const struct ledger *l)
{
	int64_t n = l->sh->parked;

	return n > 0 ? (uint64_t)n : 0;
}

static uint64_t
spool_of(const struct ledger *l, uint64_t hash)
{
	uint64_t n = 0;

	for (int i = -1; (i = ledger_next(l, i)) >= 0;) {
		const struct ledger_user *u = user_find(&l->sh->slots[i], hash);

		n += u ? u->spool : 0;
	}
	return n;
}

/* True when a slot before this one has spool bytes of that user. */
static bool
counted_before(const struct ledger *l, int slot, uint64_t hash)
{
	for (int i = -1; (i = ledger_next(l, i)) >= 0 && i < slot;) {
		const struct ledger_user *u = user_find(&l->sh->slots[i], hash);

		if (u && u->spool > 0)
			return true;
	}
	return false;
}

/* Users with spool bytes; the one who asks is among them already. */
static unsigned
spool_users(const struct ledger *l)
{
	unsigned n = 0;

	for (int i = -1; (i = ledger_next(l, i)) >= 0;) {
		const struct ledger_slot *s = &l->sh->slots[i];

		for (unsigned k = 0; s->spool > 0 && k < LEDGER_USERS; k++)
			if (s->users[k].spool > 0 &&
			    !counted_before(l, i, s->users[k].hash))
				n++;
	}
	return n > 0 ? n : 1;
}

/*
 * All but the reserve is handed out: freely up to a half, then to each user
 * up to an equal share, which is at least the largest part. The reserve goes
 * to one upload that finishes a part, whoever has it, as long as nobody else
 * is in it: so however the spool was filled, some part can always be finished
 * and its bytes come back. n is counted already.
 */
static bool
spool_fits(const struct ledger *l, uint64_t hash, uint64_t n, bool finish)
{
	uint64_t max = l->sh->spool_max, reserve = l->sh->spool_reserve;
	uint64_t limit = reserve < max ? max - reserve : 0;
	uint64_t total = spool_driven(l), parked = ledger_parked(l), share;

	if (max == 0)
		return true;
	total += parked < limit / 2 ? parked : limit / 2;
	if (finish && total - n <= limit && total <= max)
		return true;
	if (total > limit)
		return false;
	if (total <= limit / 2)
		return true;
	share = limit / spool_users(l);
	return spool_of(l, hash) <= (share > reserve ? share : reserve);
}

enum err
ledger_spool_take(struct ledger *l, const char *user, uint64_t n, bool finish)
{
	struct ledger_slot *s = ledger_mine(l);
	uint64_t hash = ledger_hash_user(l, user);
	struct ledger_user *u;

	if (!s)
		return ERR_OK;
	u = user_make(s, hash);
	if (!u)
		return ERR_QUOTA;
	u->spool += n;
	s->spool += n;
	if (spool_fits(l, hash, n, finish))
		return ERR_OK;
	ledger_spool_give(l, user, n);
	return ERR_QUOTA;
}

void
ledger_spool_charge(struct ledger *l, const char *user, uint64_t n)
{
	struct ledger_slot *s = ledger_mine(l);
	struct ledger_user *u;

	u = s ? user_make(s, ledger_hash_user(l, user)) : NULL;
	if (!u)
		return;
	u->spool += n;
	s->spool += n;
}

void
ledger_spool_give(struct ledger *l, const char *user, uint64_t n)
{
	struct ledger_slot *s = ledger_mine(l);
	struct ledger_user *u;

	u = s ? user_find(s, ledger_hash_user(l, user)) : NULL;
	if (!u)
		return;
	if (n > u->spool)
		n = u->spool;
	u->spool -= n;
	s->spool -= n;
}
