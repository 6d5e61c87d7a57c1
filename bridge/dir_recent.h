/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One page of a store whose listings may be late, put right by what the
 * journal tells of the last minutes: what was deleted or renamed away does not
 * show, what was replaced shows as it is, and what was made but is not listed
 * yet shows if it is there, for which the store is asked. Deeper folders stay
 * as they are listed. One struct per page; the caller owns it.
 */
#ifndef BRIDGE_DIR_RECENT_H
#define BRIDGE_DIR_RECENT_H

#include "bridge/recent.h"
#include "bridge/store.h"

#define DIR_RECENT_ASKED 1000 /* objects asked for, in one page */

struct dir_recent;

struct dir_recent_page {
	struct store *store;
	const char *prefix;
	const char *from;		   /* the last key of the page before */
	const struct store_entry *entries; /* by key; they outlive it */
	size_t n;
	bool last;
};

/* Completes once, from the loop. Strings of the page are the caller's still. */
struct dir_recent *dir_recent_start(struct recent *r,
				    const struct dir_recent_page *page,
				    void (*fn)(void *arg), void *arg);

/* After the completion: what to show, by key. The caller frees *out. */
size_t dir_recent_entries(const struct dir_recent *d, struct store_entry **out);

/* Cancels what is under way, and frees what entries point to. NULL is fine. */
void dir_recent_free(struct dir_recent *d);

#endif
