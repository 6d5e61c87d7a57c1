/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of objects in the last RECENT_MS, as the journal's events tell:
 * for stores whose listings may be behind the objects themselves. One struct
 * per worker, which follows the events only when somebody asks. At most
 * RECENT_MAX changes are kept, the latest; one for each key.
 */
#ifndef BRIDGE_RECENT_H
#define BRIDGE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/journal.h"

#define RECENT_MS (15 * 60 * 1000)
#define RECENT_MAX 20000

struct recent;

struct recent *recent_new(struct journal *j);
void recent_free(struct recent *r); /* nobody waits; NULL is fine */

/* Embedded in its owner. */
struct recent_wait {
	void (*fn)(void *arg);
	void *arg;
	struct recent_wait *prev, *next; /* the module's */
	unsigned round;
	bool waiting;
};

/*
 * Brings it up to date: what was recorded before this call will be known. fn is
 * called once, from the loop; where the journal cannot be read, that is with
 * what was known before.
 */
void recent_update(struct recent *r, struct recent_wait *w);
void recent_unwait(struct recent *r, struct recent_wait *w);

struct recent_change {
	const char *key; /* valid until the next update */
	int64_t at;	 /* Unix ms */
	bool gone;	 /* deleted, or renamed to another key */
	uint64_t size;
	const char *etag;
};

/*
 * The changes directly below a prefix, behind the key `from` ("": from the
 * first one) and up to `to` (NULL: to the last), by key. The caller frees *out.
 */
struct recent_range {
	const char *store, *prefix, *from, *to;
};
size_t recent_changes(const struct recent *r, const struct recent_range *range,
		      struct recent_change **out);

/* The object that was made is not there any more: others deleted it. */
void recent_drop(struct recent *r, const char *store, const char *key);

#endif
