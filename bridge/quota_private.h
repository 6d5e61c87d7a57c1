/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of quota.c and quota_count.c: the homes, and the one counted. */
#ifndef BRIDGE_QUOTA_PRIVATE_H
#define BRIDGE_QUOTA_PRIVATE_H

#include "bridge/quota.h"
#include "bridge/store.h"

#define QUOTA_NAME_MAX (STORE_NAME_MAX + STORE_KEY_MAX + 2)

struct quota_home;

struct quota {
	struct uploads *us;
	struct quota_home *homes; /* a hash table by store and prefix */
	struct loop_timer *timer;
	bool rows_made; /* every home has a row */
	bool busy;

	/* The home that is being counted. */
	struct journal_usage was; /* before the listing */
	struct store *store;
	struct store_op *op;
	uint64_t bytes, files;
	unsigned tries;
	char *folder, *marker;	     /* of the page that is being listed */
	char **folders;		     /* still to be listed */
	size_t nfolders, room, text; /* text: bytes of their names */
};

bool quota_has_home(const struct quota *q, const char *store, const char *home);
void quota_each_home(const struct quota *q,
		     void (*fn)(struct quota *q, const char *store,
				const char *home));

/* quota_count.c */
void quota_count_tick(void *q);
void quota_count_end(struct quota *q); /* gives up what is under way */

#endif
