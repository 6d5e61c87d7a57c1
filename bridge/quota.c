/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/quota.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "bridge/quota_private.h"
#include "bridge/upload_private.h"
#include "lib/mem.h"

#define FIRST_MS 500 /* the worker's first sessions come first */

/* `name` is the store, a NUL, and the prefix. */
struct quota_home {
	UT_hash_handle hh;
	size_t store_len;
	char name[QUOTA_NAME_MAX];
};

static size_t
make_name(char name[QUOTA_NAME_MAX], const char *store, const char *home,
	  size_t len)
{
	size_t n = strlen(store) + 1;

	memcpy(name, store, n);
	memcpy(name + n, home, len);
	name[n + len] = '\0';
	return n + len;
}

static bool
has(const struct quota *q, const char *name, size_t len)
{
	struct quota_home *h;

	HASH_FIND(hh, q->homes, name, len, h);
	return h != NULL;
}

static void
home_add(void *arg, const struct user *u)
{
	struct quota *q = arg;
	struct quota_home *h;
	size_t n;

	if (!u->quota_bytes && !u->quota_files)
		return;
	h = mem_alloc(sizeof(*h));
	n = make_name(h->name, u->store, u->home, strlen(u->home));
	h->store_len = strlen(u->store);
	if (has(q, h->name, n))
		free(h);
	else
		HASH_ADD(hh, q->homes, name, n, h);
}

struct quota *
quota_new(struct uploads *us)
{
	struct quota *q = mem_alloc(sizeof(*q));

	q->us = us;
	auth_each(us->b->auth, home_add, q);
	q->timer = loop_timer_new(us->b->loop, quota_count_tick, q);
	loop_timer_set(q->timer, FIRST_MS);
	return q;
}

void
quota_free(struct quota *q)
{
	struct quota_home *h, *next;

	if (!q)
		return;
	quota_count_end(q);
	loop_timer_free(q->timer);
	HASH_ITER (hh, q->homes, h, next) {
		HASH_DEL(q->homes, h);
		free(h);
	}
	free(q);
}

bool
quota_has_home(const struct quota *q, const char *store, const char *home)
{
	char name[QUOTA_NAME_MAX];

	return has(q, name, make_name(name, store, home, strlen(home)));
}

/* Homes that hold the key are its own beginnings, up to each slash. */
bool
quota_covers(const struct quota *q, const char *store, const char *key)
{
	char name[QUOTA_NAME_MAX];
	size_t i, n;

	if (!q || !q->homes)
		return false;
	n = make_name(name, store, "", 0);
	if (has(q, name, n))
		return true;
	for (i = 0; i < STORE_KEY_MAX && key[i]; i++) {
		name[n++] = key[i];
		if (key[i] == '/' && has(q, name, n))
			return true;
	}
	return false;
}

void
quota_each_home(const struct quota *q,
		void (*fn)(struct quota *q, const char *store,
			   const char *home))
{
	struct quota_home *h, *next;

	HASH_ITER (hh, q->homes, h, next)
		fn((struct quota *)q, h->name, h->name + h->store_len + 1);
}

/* "10 MiB", "1.5 GiB", "300 bytes": never more than there is. */
static void
size_text(char *out, size_t size, uint64_t n)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
					     "TiB" };
	uint64_t whole = n, rest = 0;
	size_t i = 0;

	while (whole >= 1024 && i < 4) {
		rest = whole % 1024 * 10 / 1024;
		whole /= 1024;
		i++;
	}
	if (rest)
		str_printf(out, size, "%" PRIu64 ".%" PRIu64 " %s", whole, rest,
			   units[i]);
	else
		str_printf(out, size, "%" PRIu64 " %s", whole, units[i]);
}

void
quota_bytes_why(char *why, size_t size, const struct user *user, uint64_t left)
{
	char all[32] = "", rest[32] = "";

	size_text(all, sizeof(all), user->quota_bytes);
	size_text(rest, sizeof(rest), left);
	why[0] = '\0';
	if (left)
		str_printf(why, size,
			   "the quota of %s has only %s left for this file",
			   all, rest);
	else
		str_printf(why, size, "the quota of %s is used up", all);
}

void
quota_files_why(char *why, size_t size, const struct user *user)
{
	why[0] = '\0';
	str_printf(why, size, "the quota of %" PRIu64 " files is used up",
		   user->quota_files);
}

static uint64_t
less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t
quota_left(const struct user *user, const struct journal_usage *usage)
{
	if (!user->quota_bytes || !usage->counted)
		return UINT64_MAX;
	return less(less(user->quota_bytes, usage->bytes), usage->live_bytes);
}

bool
quota_file_left(const struct user *user, const struct journal_usage *usage)
{
	return !user->quota_files || !usage->counted ||
	       usage->files + usage->live_files < user->quota_files;
}

void
quota_change(struct journal_change *c, const char *store, const char *key,
	     enum journal_doubt doubt)
{
	memset(c, 0, sizeof(*c));
	str_copy(c->store, sizeof(c->store), store);
	str_copy(c->key, sizeof(c->key), key);
	c->doubt = doubt;
}
