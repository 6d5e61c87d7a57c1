/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is not logged in yet: connections by address, in each worker's slot, and
 * failed log-ins, in one table of the node that outlives the workers.
 *
 * A failed log-in counts three times: for the address, for the user's name,
 * and for both together. Success takes back what this name failed from this
 * address, and no more: whoever has one account cannot use it to guess at
 * others undisturbed. An entry is one word, so nobody ever sees half of one:
 * 28 bits of the hash, 20 bits of the time of the last failure, 16 bits of the
 * count.
 */
#include <string.h>

#include "bridge/ledger_private.h"
#include "lib/clock.h"

#define DELAY_FIRST_MS 500
#define DELAY_MAX_MS 8000
#define DELAY_USER_MAX_MS 2000 /* nobody keeps a user out for long */
#define COUNT_MAX 65535
#define WHEN_MASK 0xfffffu

/* The address's entry in this worker's slot. */
static struct ledger_conn *
conn_find(struct ledger_slot *s, uint64_t hash, bool make)
{
	struct ledger_conn *room = NULL;

	for (unsigned i = 0; i < LEDGER_PROBE; i++) {
		struct ledger_conn *c = &s->conns[(hash + i) % LEDGER_CONNS];

		if (c->hash == hash)
			return c;
		if (!room && c->count == 0 && c->all == 0)
			room = c;
		if (c->hash == 0)
			break;
	}
	if (!make || !room)
		return NULL;
	room->hash = hash;
	return room;
}

static bool
conn_fits(const struct ledger *l, uint64_t hash)
{
	unsigned addr_max = l->sh->addr_unauth, all_max = l->sh->unauth_max;
	uint64_t addr = 0, all = 0;

	for (int i = -1; (i = ledger_next(l, i)) >= 0;) {
		struct ledger_slot *s = &l->sh->slots[i];
		const struct ledger_conn *c = conn_find(s, hash, false);

		addr += c ? c->count : 0;
		all += s->conns_sum;
	}
	return (addr_max == 0 || addr <= addr_max) &&
	       (all_max == 0 || all <= all_max);
}

enum err
ledger_conn_begin(struct ledger *l, const struct sockaddr *sa)
{
	struct ledger_slot *s = ledger_mine(l);
	uint64_t hash = ledger_hash_addr(l, sa);
	struct ledger_conn *c;

	if (!s)
		return ERR_OK;
	c = conn_find(s, hash, true);
	if (!c)
		return ERR_QUOTA;
	c->count++;
	s->conns_sum++;
	if (conn_fits(l, hash))
		return ERR_OK;
	ledger_conn_end(l, sa);
	return ERR_QUOTA;
}

void
ledger_conn_end(struct ledger *l, const struct sockaddr *sa)
{
	struct ledger_slot *s = ledger_mine(l);
	struct ledger_conn *c;

	c = s ? conn_find(s, ledger_hash_addr(l, sa), false) : NULL;
	if (!c || c->count == 0)
		return;
	c->count--;
	s->conns_sum--;
}

static uint64_t
addr_sum(const struct ledger *l, uint64_t hash)
{
	uint64_t n = 0;

	for (int i = -1; (i = ledger_next(l, i)) >= 0;) {
		const struct ledger_conn *c =
			conn_find(&l->sh->slots[i], hash, false);

		n += c ? c->all : 0;
	}
	return n;
}

enum err
ledger_addr_begin(struct ledger *l, const struct sockaddr *sa, bool *counted)
{
	struct ledger_slot *s = ledger_mine(l);
	unsigned max = l->sh->addr_connections;
	uint64_t hash = ledger_hash_addr(l, sa);
	struct ledger_conn *c;

	*counted = false;
	if (!s || max == 0)
		return ERR_OK;
	c = conn_find(s, hash, true);
	if (!c)
		return ERR_QUOTA;
	c->all++;
	*counted = addr_sum(l, hash) <= max;
	if (*counted)
		return ERR_OK;
	c->all--;
	return ERR_QUOTA;
}

void
ledger_addr_end(struct ledger *l, const struct sockaddr *sa)
{
	struct ledger_slot *s = ledger_mine(l);
	struct ledger_conn *c;

	c = s ? conn_find(s, ledger_hash_addr(l, sa), false) : NULL;
	if (c && c->all > 0)
		c->all--;
}

struct failure {
	uint32_t tag, when, count;
};

static uint32_t
now_units(void)
{
	return (uint32_t)(clock_ms() / LEDGER_FAILURE_UNIT) & WHEN_MASK;
}

static struct failure
unpack(uint64_t word)
{
	return (struct failure){ .tag = (uint32_t)(word >> 36),
				 .when = (uint32_t)(word >> 16) & WHEN_MASK,
				 .count = (uint32_t)word & COUNT_MAX };
}

static uint64_t
pack(struct failure f)
{
	return (uint64_t)f.tag << 36 | (uint64_t)f.when << 16 | f.count;
}

static uint64_t
age_ms(struct failure f)
{
	return (uint64_t)((now_units() - f.when) & WHEN_MASK) *
	       LEDGER_FAILURE_UNIT;
}

static bool
counts(const struct ledger *l, struct failure f)
{
	return f.count > 0 && age_ms(f) <= l->sh->failure_window_ms;
}

/* The entry with that hash, or the one that is missed least. */
static _Atomic uint64_t *
failure_at(const struct ledger *l, uint64_t hash, uint64_t *word)
{
	_Atomic uint64_t *best = NULL;
	uint64_t best_age = 0;

	for (unsigned i = 0; i < LEDGER_NODE_PROBE; i++) {
		_Atomic uint64_t *at =
			&l->sh->failures[(hash + i) % LEDGER_ADDRS];
		uint64_t w = *at;
		struct failure f = unpack(w);
		uint64_t age = counts(l, f) ? age_ms(f) : UINT64_MAX;

		if (f.count > 0 && f.tag == (uint32_t)(hash >> 36)) {
			*word = w;
			return at;
		}
		if (!best || age > best_age) {
			best = at;
			best_age = age;
			*word = w;
		}
	}
	return best;
}

/* Failures of the hash that still count. */
static unsigned
failure_count(const struct ledger *l, uint64_t hash)
{
	uint64_t word;
	struct failure f;

	failure_at(l, hash, &word);
	f = unpack(word);
	return f.tag == (uint32_t)(hash >> 36) && counts(l, f) ? f.count : 0;
}

/* n > 0: so many more; n < 0: so many less, and the time stays. */
static void
failure_add(struct ledger *l, uint64_t hash, int n)
{
	_Atomic uint64_t *at;
	struct failure f;
	uint64_t word;

	do {
		at = failure_at(l, hash, &word);
		f = unpack(word);
		if (f.tag != (uint32_t)(hash >> 36) || !counts(l, f))
			f = (struct failure){ .tag = (uint32_t)(hash >> 36) };
		if (n < 0 && f.count <= (unsigned)-n)
			f.count = 0;
		else if (n > 0 && f.count + (unsigned)n > COUNT_MAX)
			f.count = COUNT_MAX;
		else
			f.count = (uint32_t)((int)f.count + n);
		if (n > 0)
			f.when = now_units();
		if (n < 0 && f.count == 0)
			f = (struct failure){ 0 };
	} while (!atomic_compare_exchange_strong(at, &word, pack(f)));
}

/* The same table has addresses, names and pairs: told apart by a prefix. */
static uint64_t
hash_login(const struct ledger *l, uint64_t addr, const char *user)
{
	uint64_t parts[2] = { addr, ledger_hash_user(l, user) };

	return ledger_hash(l, parts, sizeof(parts));
}

void
ledger_login_failed(struct ledger *l, const struct sockaddr *sa,
		    const char *user)
{
	uint64_t addr = ledger_hash_addr(l, sa);

	failure_add(l, addr, 1);
	failure_add(l, hash_login(l, 0, user), 1);
	failure_add(l, hash_login(l, addr, user), 1);
}

void
ledger_login_ok(struct ledger *l, const struct sockaddr *sa, const char *user)
{
	uint64_t addr = ledger_hash_addr(l, sa);
	uint64_t both = hash_login(l, addr, user);
	unsigned n = failure_count(l, both);

	if (n > 0) {
		failure_add(l, addr, -(int)n);
		failure_add(l, both, -(int)n);
	}
	failure_add(l, hash_login(l, 0, user), -COUNT_MAX);
}

static unsigned
delay_for(unsigned n, unsigned max)
{
	unsigned ms = DELAY_FIRST_MS;

	if (n == 0)
		return 0;
	while (--n > 0 && ms < max)
		ms *= 2;
	return ms < max ? ms : max;
}

unsigned
ledger_login_delay(const struct ledger *l, const struct sockaddr *sa,
		   const char *user)
{
	unsigned addr, name;

	addr = failure_count(l, ledger_hash_addr(l, sa));
	name = failure_count(l, hash_login(l, 0, user));
	addr = delay_for(addr, DELAY_MAX_MS);
	name = delay_for(name, DELAY_USER_MAX_MS);
	return addr > name ? addr : name;
}

bool
ledger_login_blocked(const struct ledger *l, const struct sockaddr *sa)
{
	unsigned max = l->sh->failure_max;

	if (max > COUNT_MAX)
		max = COUNT_MAX;
	return max > 0 && failure_count(l, ledger_hash_addr(l, sa)) >= max;
}
