/* SPDX-License-Identifier: Apache-2.0 */
/* Slots, gauges and the uploads that workers drive. */
#include "bridge/ledger_private.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

struct ledger *
ledger_new(const struct ledger_limits *limits)
{
	struct ledger *l = mem_alloc(sizeof(*l));
	void *p = mmap(NULL, sizeof(*l->sh), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort(); /* out of memory */
	l->sh = p;
	l->slot = -1;
	id_random(&l->sh->seed, sizeof(l->sh->seed));
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
	l->sh->unauth_max = limits->unauth_max;
	l->sh->failure_max = limits->failure_max;
	l->sh->failure_window_ms = limits->failure_window_ms;
}

/* FNV-1a from a secret start, mixed: peers cannot aim at collisions. */
uint64_t
ledger_hash(const struct ledger *l, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t h = l->sh->seed ^ 0xcbf29ce484222325ull;

	while (n--)
		h = (h ^ *p++) * 0x100000001b3ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	return h > 1 ? h : 2; /* 0 and 1 have a meaning in tables */
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
		return 2;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return ledger_hash(l, in6->sin6_addr.s6_addr + 12, 4);
	return ledger_hash(l, &in6->sin6_addr, 8);
}

/* Slots. */

int
ledger_slot_find(struct ledger *l)
{
	int i;

	for (i = 0; i < LEDGER_WORKERS; i++)
		if (!l->sh->slots[i].pid)
			return i;
	return -1;
}

void
ledger_wipe(struct ledger *l, int slot)
{
	if (slot >= 0 && slot < LEDGER_WORKERS)
		memset((void *)&l->sh->slots[slot], 0,
		       sizeof(l->sh->slots[slot]));
}

void
ledger_enter(struct ledger *l, int slot, pid_t pid)
{
	ledger_wipe(l, slot);
	l->slot = slot;
	l->sh->slots[slot].beat = clock_ms();
	l->sh->slots[slot].pid = pid;
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
ledger_add(struct ledger *l, enum ledger_gauge g, int64_t n)
{
	struct ledger_slot *s = ledger_mine(l);

	if (s)
		s->gauges[g] += n;
}

static uint64_t
positive(int64_t n)
{
	return n > 0 ? (uint64_t)n : 0;
}

void
ledger_worker(const struct ledger *l, int slot, struct ledger_worker *out)
{
	struct ledger_slot *s = &l->sh->slots[slot];
	int64_t sessions = 0;
	size_t i;

	memset(out, 0, sizeof(*out));
	out->pid = s->pid;
	out->draining = s->draining;
	out->uploads = s->uploads_n;
	out->connections = (unsigned)positive(s->gauges[LEDGER_CONNECTIONS]);
	out->received_bytes = positive(s->gauges[LEDGER_RECEIVED]);
	out->stored_bytes = positive(s->gauges[LEDGER_STORED]);
	out->published = positive(s->gauges[LEDGER_PUBLISHED]);
	out->failed = positive(s->gauges[LEDGER_FAILED]);
	for (i = 0; i < LEDGER_USERS; i++) {
		sessions += s->users[i].sessions;
		out->spool_bytes += s->users[i].spool;
	}
	out->sessions = (unsigned)positive(sessions);
	memcpy(out->session, s->session, sizeof(out->session) - 1);
	memcpy(out->user, s->user, sizeof(out->user) - 1);
}

bool
ledger_may_accept(const struct ledger *l)
{
	struct ledger_slot *mine = ledger_mine(l);
	int64_t least = INT64_MAX, own;
	size_t i;

	if (!mine)
		return true;
	own = mine->gauges[LEDGER_CONNECTIONS];
	for (i = 0; i < LEDGER_WORKERS; i++) {
		struct ledger_slot *s = &l->sh->slots[i];

		if (s->pid && !s->draining &&
		    s->gauges[LEDGER_CONNECTIONS] < least)
			least = s->gauges[LEDGER_CONNECTIONS];
	}
	return own <= least + least / 4 + 2;
}

/* Uploads. */

enum err
ledger_upload_add(struct ledger *l, const char *id, uint64_t key)
{
	struct ledger_slot *s = ledger_mine(l);
	size_t i;

	if (!s)
		return ERR_OK;
	key = key > 1 ? key : 2;
	for (i = 0; i < LEDGER_UPLOADS; i++) {
		struct ledger_upload *u;

		u = &s->uploads[(key + i) % LEDGER_UPLOADS];
		if (u->key > 1)
			continue;
		str_copy(u->id, sizeof(u->id), id);
		u->key = key;
		s->uploads_n++;
		return ERR_OK;
	}
	return ERR_TOO_LARGE;
}

void
ledger_upload_remove(struct ledger *l, const char *id)
{
	struct ledger_slot *s = ledger_mine(l);
	size_t i;

	for (i = 0; s && i < LEDGER_UPLOADS; i++)
		if (s->uploads[i].key > 1 && !strcmp(s->uploads[i].id, id)) {
			s->uploads[i].key = 1;
			s->uploads_n--;
			return;
		}
}

int
ledger_upload_find(const struct ledger *l, uint64_t key, char id[ID_LEN + 1])
{
	int slot;
	size_t i;

	key = key > 1 ? key : 2;
	for (slot = 0; slot < LEDGER_WORKERS; slot++) {
		struct ledger_slot *s = &l->sh->slots[slot];

		for (i = 0; s->pid && i < LEDGER_UPLOADS; i++) {
			struct ledger_upload *u;
			uint64_t at;

			u = &s->uploads[(key + i) % LEDGER_UPLOADS];
			at = u->key;
			if (!at)
				break;
			if (at != key)
				continue;
			memcpy(id, u->id, ID_LEN + 1);
			id[ID_LEN] = '\0';
			if (u->key == key)
				return slot;
		}
	}
	return -1;
}

/* Pins. */

static struct ledger_pin *
pin_of(const struct ledger *l, uint64_t hash, bool make)
{
	struct ledger_pin *best = NULL;
	size_t i;

	for (i = 0; i < LEDGER_PROBE; i++) {
		struct ledger_pin *p = &l->sh->pins[(hash + i) % LEDGER_PINS];

		if (p->hash == hash)
			return p;
		if (!best || p->until < best->until)
			best = p;
	}
	/* The one that runs out first makes room. */
	if (make)
		best->hash = hash;
	return make ? best : NULL;
}

void
ledger_pin(struct ledger *l, const char *id, uint64_t off, unsigned ms)
{
	struct ledger_pin *p = pin_of(l, ledger_hash_user(l, id), true);

	p->off = off;
	p->until = clock_ms() + ms;
}

bool
ledger_pinned(const struct ledger *l, const char *id, uint64_t *off)
{
	uint64_t hash = ledger_hash_user(l, id);
	struct ledger_pin *p = pin_of(l, hash, false);

	if (!p || clock_ms() >= p->until)
		return false;
	*off = p->off;
	return p->hash == hash;
}
