/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/ledger.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bridge/ledger_private.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define SLOT_FIRST_PAGE 4096

/*
 * Some 20 MB of addresses, of which only the pages that were used are memory:
 * so nothing here looks at a slot without a worker, or beyond what it uses.
 */
struct ledger *
ledger_new(const struct ledger_limits *limits)
{
	struct ledger *l = mem_alloc(sizeof(*l));
	void *p;

	p = mmap(NULL, sizeof(*l->sh), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		abort(); /* out of memory */
	l->sh = p;
	l->slot = -1;
	id_random(l->sh->seed, sizeof(l->sh->seed));
	ledger_set_limits(l, limits);
	return l;
}

void
ledger_free(struct ledger *l)
{
	if (!l)
		return;
	munmap(l->sh, sizeof(*l->sh));
	free(l);
}

void
ledger_set_limits(struct ledger *l, const struct ledger_limits *limits)
{
	l->sh->spool_max = limits->spool_max;
	l->sh->spool_reserve = limits->spool_reserve;
	l->sh->user_sessions = limits->user_sessions;
	l->sh->addr_unauth = limits->addr_unauth;
	l->sh->addr_connections = limits->addr_connections;
	l->sh->unauth_max = limits->unauth_max;
	l->sh->failure_max = limits->failure_max;
	l->sh->failure_window_ms = limits->failure_window_ms;
}

static uint64_t
rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32) + v[3];
	v[2] += v[1];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012) under a key made at start. */
uint64_t
ledger_hash(const struct ledger *l, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t k0 = l->sh->seed[0], k1 = l->sh->seed[1], m;
	uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
			  k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u };

	for (size_t done = 0, last = 0; !last; done += 8) {
		m = 0;
		last = n - done < 8;
		for (size_t i = 0; i < 8 && done + i < n; i++)
			m |= (uint64_t)p[done + i] << (8 * i);
		if (last)
			m |= (uint64_t)(n & 0xff) << 56;
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	m = v[0] ^ v[1] ^ v[2] ^ v[3];
	return m ? m : 1;
}

uint64_t
ledger_hash_user(const struct ledger *l, const char *user)
{
	return ledger_hash(l, user, strlen(user));
}

uint64_t
ledger_hash_addr(const struct ledger *l, const struct sockaddr *sa)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

	if (sa->sa_family == AF_INET)
		return ledger_hash(l, &in->sin_addr, 4);
	if (sa->sa_family != AF_INET6)
		return ledger_hash(l, "", 0);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return ledger_hash(l, in6->sin6_addr.s6_addr + 12, 4);
	return ledger_hash(l, &in6->sin6_addr, 8);
}

/* The next call finds another: the worker enters the slot only later. */
int
ledger_slot_find(struct ledger *l)
{
	for (int i = 0; i < LEDGER_WORKERS; i++) {
		struct ledger_slot *s = &l->sh->slots[i];

		if (s->pid != 0)
			continue;
		s->beat = clock_ms();
		s->pid = -1;
		return i;
	}
	return -1;
}

/*
 * All but the pid. The pages behind the first are given back, so that the slot
 * of a worker that is gone is no memory; they read as zeroes then.
 */
static void
slot_clear(struct ledger_slot *s)
{
	char *rest = (char *)s + SLOT_FIRST_PAGE;

	memset((char *)s + sizeof(s->pid), 0, SLOT_FIRST_PAGE - sizeof(s->pid));
	if (madvise(rest, sizeof(*s) - SLOT_FIRST_PAGE, MADV_REMOVE) != 0)
		memset(rest, 0, sizeof(*s) - SLOT_FIRST_PAGE);
}

void
ledger_wipe(struct ledger *l, int slot)
{
	if (slot < 0 || slot >= LEDGER_WORKERS)
		return;
	slot_clear(&l->sh->slots[slot]);
	ledger_pins_wipe(l, slot);
	l->sh->slots[slot].pid = 0;
}

void
ledger_enter(struct ledger *l, int slot, pid_t pid)
{
	struct ledger_slot *s = &l->sh->slots[slot];

	s->pid = -1;
	slot_clear(s);
	s->beat = clock_ms();
	s->pid = pid;
	l->slot = slot;
}

int
ledger_slot(const struct ledger *l)
{
	return l->slot;
}

struct ledger_slot *
ledger_mine(const struct ledger *l)
{
	return l->slot < 0 ? NULL : &l->sh->slots[l->slot];
}

int
ledger_next(const struct ledger *l, int slot)
{
	while (++slot < LEDGER_WORKERS)
		if (l->sh->slots[slot].pid > 0)
			return slot;
	return -1;
}

void
ledger_beat(struct ledger *l)
{
	struct ledger_slot *s = ledger_mine(l);

	if (s)
		s->beat = clock_ms();
}

uint64_t
ledger_beat_age_ms(const struct ledger *l, int slot)
{
	uint64_t beat = l->sh->slots[slot].beat, now = clock_ms();

	return now > beat ? now - beat : 0;
}

/*
 * Read while it changes it may be a mixture, but never without an end: the
 * last byte of each is never written.
 */
void
ledger_serving(struct ledger *l, const char *session, const char *user)
{
	struct ledger_slot *s = ledger_mine(l);

	if (!s)
		return;
	str_copy(s->session, sizeof(s->session), session ? session : "");
	str_copy(s->user, sizeof(s->user), user ? user : "");
}

void
ledger_set_draining(struct ledger *l, bool draining)
{
	struct ledger_slot *s = ledger_mine(l);

	if (s)
		s->draining = draining;
}

void
ledger_store_down(struct ledger *l, unsigned index, bool down)
{
	struct ledger_slot *s = ledger_mine(l);

	if (!s || index >= 32)
		return;
	if (down)
		s->stores_down |= UINT32_C(1) << index;
	else
		s->stores_down &= ~(UINT32_C(1) << index);
}

void
ledger_add(struct ledger *l, enum ledger_gauge g, int64_t n)
{
	struct ledger_slot *s = ledger_mine(l);

	if (s)
		s->gauges[g] += n;
}

static uint64_t
gauge(const struct ledger_slot *s, enum ledger_gauge g)
{
	int64_t n = s->gauges[g];

	return n > 0 ? (uint64_t)n : 0;
}

void
ledger_worker(const struct ledger *l, int slot, struct ledger_worker *out)
{
	const struct ledger_slot *s = &l->sh->slots[slot];
	int pid = s->pid, sessions;

	memset(out, 0, sizeof(*out));
	if (pid <= 0)
		return;
	out->pid = pid;
	out->draining = s->draining;
	out->uploads = s->uploads_sum;
	sessions = s->sessions;
	out->sessions = sessions > 0 ? (unsigned)sessions : 0;
	out->spool_bytes = s->spool;
	out->stores_down = s->stores_down;
	out->connections = (unsigned)gauge(s, LEDGER_CONNECTIONS);
	out->received_bytes = gauge(s, LEDGER_RECEIVED);
	out->stored_bytes = gauge(s, LEDGER_STORED);
	out->published = gauge(s, LEDGER_PUBLISHED);
	out->failed = gauge(s, LEDGER_FAILED);
	memcpy(out->session, s->session, sizeof(out->session) - 1);
	memcpy(out->user, s->user, sizeof(out->user) - 1);
}

bool
ledger_is_first(const struct ledger *l)
{
	int i = -1;

	while ((i = ledger_next(l, i)) >= 0 && l->sh->slots[i].draining)
		;
	return i >= 0 && i == l->slot;
}

bool
ledger_may_accept(const struct ledger *l)
{
	const struct ledger_slot *mine = ledger_mine(l);
	uint64_t least = UINT64_MAX;

	if (!mine)
		return true;
	for (int i = -1; (i = ledger_next(l, i)) >= 0;) {
		const struct ledger_slot *s = &l->sh->slots[i];
		uint64_t n = gauge(s, LEDGER_CONNECTIONS);

		if (!s->draining && n < least)
			least = n;
	}
	return least == UINT64_MAX ||
	       gauge(mine, LEDGER_CONNECTIONS) <= least + least / 4 + 2;
}
