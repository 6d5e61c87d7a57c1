/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which worker drives which upload, and the offsets that were reported. An
 * upload's entry is its worker's alone; a reader looks at the key before and
 * after it has copied the id. A pin may be written by any worker, so it is
 * claimed first; the master ends the claim of a worker that died with it.
 */
#include <string.h>

#include "bridge/ledger_private.h"
#include "lib/clock.h"

#define KEY_USED (UINT64_C(1) << 63) /* keys have 62 bits */
#define CLAIM_TRIES 1000

enum err
ledger_upload_add(struct ledger *l, const char *id, uint64_t key)
{
	struct ledger_slot *s = ledger_mine(l);
	uint64_t words[2];

	if (!s)
		return ERR_OK;
	if (id_bytes(id, (unsigned char *)words) != 0)
		return ERR_INVALID;
	for (uint32_t i = 0; i < LEDGER_UPLOADS; i++) {
		struct ledger_upload *u = &s->uploads[i];

		if (u->key != 0)
			continue;
		u->id[0] = words[0];
		u->id[1] = words[1];
		u->key = key | KEY_USED;
		if (s->uploads_high <= i)
			s->uploads_high = i + 1;
		s->uploads_sum++;
		return ERR_OK;
	}
	return ERR_QUOTA;
}

void
ledger_upload_remove(struct ledger *l, const char *id)
{
	struct ledger_slot *s = ledger_mine(l);
	uint64_t words[2];

	if (!s || id_bytes(id, (unsigned char *)words) != 0)
		return;
	for (uint32_t i = 0; i < s->uploads_high; i++) {
		struct ledger_upload *u = &s->uploads[i];

		if (u->key == 0 || u->id[0] != words[0] || u->id[1] != words[1])
			continue;
		u->key = 0;
		s->uploads_sum--;
		break;
	}
	while (s->uploads_high > 0 && s->uploads[s->uploads_high - 1].key == 0)
		s->uploads_high--;
}

static bool
find_in(const struct ledger_slot *s, uint64_t key, uint64_t words[2])
{
	uint32_t high = s->uploads_high;

	for (uint32_t i = 0; i < high && i < LEDGER_UPLOADS; i++) {
		const struct ledger_upload *u = &s->uploads[i];

		if (u->key != key)
			continue;
		words[0] = u->id[0];
		words[1] = u->id[1];
		if (u->key == key)
			return true;
	}
	return false;
}

static bool
drives(const struct ledger_slot *s, const uint64_t words[2])
{
	uint32_t high = s->uploads_high;

	for (uint32_t i = 0; i < high && i < LEDGER_UPLOADS; i++)
		if (s->uploads[i].key != 0 && s->uploads[i].id[0] == words[0] &&
		    s->uploads[i].id[1] == words[1])
			return true;
	return false;
}

bool
ledger_drives(const struct ledger *l, const char *id)
{
	uint64_t words[2];

	if (id_bytes(id, (unsigned char *)words) != 0)
		return false;
	for (int i = -1; (i = ledger_next(l, i)) >= 0;)
		if (drives(&l->sh->slots[i], words))
			return true;
	return false;
}

int
ledger_upload_find(const struct ledger *l, uint64_t key, char id[ID_LEN + 1])
{
	uint64_t words[2];

	for (int i = -1; (i = ledger_next(l, i)) >= 0;) {
		if (!find_in(&l->sh->slots[i], key | KEY_USED, words))
			continue;
		id_text((const unsigned char *)words, id);
		return i;
	}
	return -1;
}

/* A pin as it was at one moment; false while it is being written. */
struct pin_copy {
	uint64_t claim, id[2], off, until;
};

static bool
pin_read(const struct ledger_pin *p, struct pin_copy *c)
{
	for (int i = 0; i < CLAIM_TRIES; i++) {
		c->claim = p->claim;
		c->id[0] = p->id[0];
		c->id[1] = p->id[1];
		c->off = p->off;
		c->until = p->until;
		if (c->claim % 2 == 0 && p->claim == c->claim)
			return true;
	}
	return false;
}

static bool
pin_is(const struct pin_copy *c, const uint64_t id[2])
{
	return c->until != 0 && c->id[0] == id[0] && c->id[1] == id[1];
}

/* claim: what it was when p was found to be the right place. */
static bool
pin_write(const struct ledger *l, struct ledger_pin *p,
	  const struct pin_copy *c)
{
	uint64_t was = c->claim;
	uint64_t busy = (was >> 8) << 8 | (uint64_t)(l->slot + 1) << 1 | 1;

	if (!atomic_compare_exchange_strong(&p->claim, &was, busy))
		return false;
	p->id[0] = c->id[0];
	p->id[1] = c->id[1];
	p->off = c->off;
	p->until = c->until;
	p->claim = ((c->claim >> 8) + 1) << 8;
	return true;
}

static uint64_t
pin_hash(const struct ledger *l, const uint64_t id[2])
{
	return ledger_hash(l, id, 2 * sizeof(id[0]));
}

/* The upload's own place, else the one that runs out first. */
static struct ledger_pin *
pin_place(const struct ledger *l, const uint64_t id[2], struct pin_copy *out)
{
	uint64_t hash = pin_hash(l, id);
	struct ledger_pin *best = NULL;

	for (unsigned i = 0; i < LEDGER_NODE_PROBE; i++) {
		struct ledger_pin *p = &l->sh->pins[(hash + i) % LEDGER_PINS];
		struct pin_copy c;

		if (!pin_read(p, &c))
			continue;
		if (pin_is(&c, id)) {
			*out = c;
			return p;
		}
		if (!best || c.until < out->until) {
			best = p;
			*out = c;
		}
	}
	return best;
}

void
ledger_pin(struct ledger *l, const char *id, uint64_t off, unsigned ms)
{
	struct ledger_pin *p;
	struct pin_copy c;
	uint64_t words[2];

	if (id_bytes(id, (unsigned char *)words) != 0)
		return;
	for (int i = 0; i < CLAIM_TRIES; i++) {
		p = pin_place(l, words, &c);
		if (!p)
			return;
		memcpy(c.id, words, sizeof(c.id));
		c.off = off;
		c.until = clock_ms() + ms;
		if (pin_write(l, p, &c))
			return;
	}
}

/*
 * Two workers may have pinned the same upload at the same moment in two
 * places; the one that lasts longer is the later one.
 */
bool
ledger_pinned(const struct ledger *l, const char *id, uint64_t *off)
{
	uint64_t words[2], hash, now = clock_ms(), until = 0;

	if (id_bytes(id, (unsigned char *)words) != 0)
		return false;
	hash = pin_hash(l, words);
	for (unsigned i = 0; i < LEDGER_NODE_PROBE; i++) {
		struct ledger_pin *p = &l->sh->pins[(hash + i) % LEDGER_PINS];
		struct pin_copy c;

		if (!pin_read(p, &c) || !pin_is(&c, words) || c.until <= now ||
		    c.until <= until)
			continue;
		until = c.until;
		*off = c.off;
	}
	return until > 0;
}

void
ledger_pins_wipe(struct ledger *l, int slot)
{
	for (unsigned i = 0; i < LEDGER_PINS; i++) {
		struct ledger_pin *p = &l->sh->pins[i];
		uint64_t was = p->claim;

		if (was % 2 == 0 || (was & 0xff) >> 1 != (uint64_t)slot + 1)
			continue;
		p->until = 0;
		p->claim = ((was >> 8) + 1) << 8;
	}
}
