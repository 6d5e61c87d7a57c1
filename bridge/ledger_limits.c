/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, spool bytes, connections and log-ins, counted over all slots. */
#include <string.h>

#include "bridge/ledger_private.h"
#include "lib/clock.h"

#define DELAY_FIRST_MS 500
#define DELAY_MAX_MS 8000
#define DELAY_USER_MAX_MS 2000 /* nobody can lock a user out for long */

/* The user's entry in a slot; make: claims one that counts nothing. */
static struct ledger_user *
user_in(struct ledger_slot *s, uint64_t hash, bool make)
{
	struct ledger_user *room = NULL;
	size_t i;

	for (i = 0; i < LEDGER_PROBE; i++) {
		struct ledger_user *u;

		u = &s->users[(hash + i) % LEDGER_USERS];
		if (u->hash == hash)
			return u;
		if (!room && !u->sessions && !u->requests && !u->spool)
			room = u;
		if (!u->hash)
			break;
	}
	if (!make || !room)
		return NULL;
	room->hash = hash;
	return room;
}

static struct ledger_user *
my_user(struct ledger *l, const char *user, bool make)
{
	struct ledger_slot *s = ledger_mine(l);

	return s ? user_in(s, ledger_hash_user(l, user), make) : NULL;
}

static int64_t
sessions_of(const struct ledger *l, uint64_t hash)
{
	int64_t n = 0;
	size_t i;

	for (i = 0; i < LEDGER_WORKERS; i++) {
		struct ledger_slot *s = &l->sh->slots[i];
		struct ledger_user *u = s->pid ? user_in(s, hash, false) : NULL;

		n += u ? u->sessions : 0;
	}
	return n;
}

enum err
ledger_session_begin(struct ledger *l, const char *user, unsigned max)
{
	struct ledger_user *u = my_user(l, user, true);

	if (!ledger_mine(l))
		return ERR_OK;
	if (!u)
		return ERR_TOO_LARGE;
	if (!max)
		max = l->sh->user_sessions;
	/* Counted first: two at once may both be refused, never both let in. */
	u->sessions++;
	if (max && sessions_of(l, u->hash) > (int64_t)max) {
		u->sessions--;
		return ERR_QUOTA;
	}
	return ERR_OK;
}

void
ledger_session_end(struct ledger *l, const char *user)
{
	struct ledger_user *u = my_user(l, user, false);

	if (u && u->sessions > 0)
		u->sessions--;
}

void
ledger_requests(struct ledger *l, const char *user, int n)
{
	struct ledger_user *u = my_user(l, user, n > 0);

	if (u)
		u->requests += n;
}

/* Spool. */

uint64_t
ledger_spool_used(const struct ledger *l)
{
	uint64_t total = 0;
	size_t i, k;

	for (i = 0; i < LEDGER_WORKERS; i++)
		for (k = 0; l->sh->slots[i].pid && k < LEDGER_USERS; k++)
			total += l->sh->slots[i].users[k].spool;
	return total;
}

static uint64_t
spool_of(const struct ledger *l, uint64_t hash)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < LEDGER_WORKERS; i++) {
		struct ledger_slot *s = &l->sh->slots[i];
		struct ledger_user *u = s->pid ? user_in(s, hash, false) : NULL;

		n += u ? u->spool : 0;
	}
	return n;
}

/* Users with spool bytes; one that uses two workers counts twice. */
static uint64_t
spool_users(const struct ledger *l)
{
	uint64_t n = 0;
	size_t i, k;

	for (i = 0; i < LEDGER_WORKERS; i++)
		for (k = 0; l->sh->slots[i].pid && k < LEDGER_USERS; k++)
			n += l->sh->slots[i].users[k].spool > 0;
	return n ? n : 1;
}

/* Half of the spool is free for all; above that each has a fair share. */
static bool
spool_fits(const struct ledger *l, uint64_t hash, bool finish)
{
	uint64_t max = l->sh->spool_max, total = ledger_spool_used(l);
	uint64_t limit = max;

	if (!max)
		return true;
	if (!finish)
		limit -= l->sh->spool_reserve < max ? l->sh->spool_reserve : 0;
	if (total > limit)
		return false;
	return finish || total <= max / 2 ||
	       spool_of(l, hash) <= limit / spool_users(l);
}

enum err
ledger_spool_take(struct ledger *l, const char *user, uint64_t n, bool finish)
{
	struct ledger_user *u = my_user(l, user, true);

	if (!ledger_mine(l))
		return ERR_OK;
	if (!u)
		return ERR_QUOTA;
	u->spool += n;
	if (spool_fits(l, u->hash, finish))
		return ERR_OK;
	u->spool -= n;
	return ERR_QUOTA;
}

void
ledger_spool_give(struct ledger *l, const char *user, uint64_t n)
{
	struct ledger_user *u = my_user(l, user, false);

	if (u)
		u->spool -= n < u->spool ? n : u->spool;
}

/* Unauthenticated connections. */

static struct ledger_conn *
conn_in(struct ledger_slot *s, uint64_t hash, bool make)
{
	struct ledger_conn *room = NULL;
	size_t i;

	for (i = 0; i < LEDGER_PROBE; i++) {
		struct ledger_conn *c;

		c = &s->conns[(hash + i) % LEDGER_CONNS];
		if (c->hash == hash)
			return c;
		if (!room && !c->count)
			room = c;
		if (!c->hash)
			break;
	}
	if (!make || !room)
		return NULL;
	room->hash = hash;
	return room;
}

static void
count_conns(const struct ledger *l, uint64_t hash, int64_t *addr, int64_t *all)
{
	size_t i, k;

	*addr = *all = 0;
	for (i = 0; i < LEDGER_WORKERS; i++) {
		struct ledger_slot *s = &l->sh->slots[i];

		for (k = 0; s->pid && k < LEDGER_CONNS; k++) {
			*all += s->conns[k].count;
			if (s->conns[k].hash == hash)
				*addr += s->conns[k].count;
		}
	}
}

enum err
ledger_conn_begin(struct ledger *l, const struct sockaddr *sa)
{
	struct ledger_slot *s = ledger_mine(l);
	struct ledger_conn *c;
	int64_t addr, all;

	if (!s)
		return ERR_OK;
	c = conn_in(s, ledger_hash_addr(l, sa), true);
	if (!c)
		return ERR_QUOTA;
	c->count++;
	count_conns(l, c->hash, &addr, &all);
	if ((l->sh->addr_unauth && addr > (int64_t)l->sh->addr_unauth) ||
	    (l->sh->unauth_max && all > (int64_t)l->sh->unauth_max)) {
		c->count--;
		return ERR_QUOTA;
	}
	return ERR_OK;
}

void
ledger_conn_end(struct ledger *l, const struct sockaddr *sa)
{
	struct ledger_slot *s = ledger_mine(l);
	struct ledger_conn *c;

	c = s ? conn_in(s, ledger_hash_addr(l, sa), false) : NULL;
	if (c && c->count > 0)
		c->count--;
}

/* Failed log-ins. */

static struct ledger_failure *
failure_of(const struct ledger *l, uint64_t hash, bool make)
{
	struct ledger_failure *oldest = NULL;
	size_t i;

	for (i = 0; i < LEDGER_PROBE; i++) {
		struct ledger_failure *f;

		f = &l->sh->failures[(hash + i) % LEDGER_ADDRS];
		if (f->hash == hash)
			return f;
		if (!oldest || f->last < oldest->last)
			oldest = f;
	}
	if (!make)
		return NULL;
	oldest->hash = hash;
	oldest->count = 0;
	return oldest;
}

/* Failures that still count; the window begins anew with each one. */
static unsigned
failures(const struct ledger *l, uint64_t hash)
{
	struct ledger_failure *f = failure_of(l, hash, false);

	if (!f || clock_ms() - f->last > l->sh->failure_window_ms)
		return 0;
	return f->count;
}

static void
failure_add(struct ledger *l, uint64_t hash)
{
	struct ledger_failure *f = failure_of(l, hash, true);
	uint64_t now = clock_ms();

	if (now - f->last > l->sh->failure_window_ms)
		f->count = 0;
	f->last = now;
	f->count++;
}

static uint64_t
hash_login(const struct ledger *l, const char *user)
{
	/* Apart from addresses, which share the table. */
	return ledger_hash_user(l, user) ^ 0x5555555555555554ull;
}

void
ledger_login_failed(struct ledger *l, const struct sockaddr *sa,
		    const char *user)
{
	failure_add(l, ledger_hash_addr(l, sa));
	failure_add(l, hash_login(l, user));
}

void
ledger_login_ok(struct ledger *l, const struct sockaddr *sa, const char *user)
{
	struct ledger_failure *f = failure_of(l, hash_login(l, user), false);

	if (f)
		f->count = 0;
	f = failure_of(l, ledger_hash_addr(l, sa), false);
	if (f)
		f->count = 0;
}

static unsigned
delay_for(unsigned n, unsigned max)
{
	unsigned ms = DELAY_FIRST_MS;

	if (!n)
		return 0;
	while (--n && ms < max)
		ms *= 2;
	return ms < max ? ms : max;
}

unsigned
ledger_login_delay(const struct ledger *l, const struct sockaddr *sa,
		   const char *user)
{
	unsigned addr =
		delay_for(failures(l, ledger_hash_addr(l, sa)), DELAY_MAX_MS);
	unsigned name =
		delay_for(failures(l, hash_login(l, user)), DELAY_USER_MAX_MS);

	return addr > name ? addr : name;
}

bool
ledger_login_blocked(const struct ledger *l, const struct sockaddr *sa)
{
	unsigned max = l->sh->failure_max;

	return max && failures(l, ledger_hash_addr(l, sa)) >= max;
}
