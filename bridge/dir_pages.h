/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of a folder, read ahead: while the caller deals with one page the
 * store already lists the next. A page carries the modification times that
 * clients set, asked of the journal for a whole page at once, and is put right
 * where the store's listings may be late (dir_recent.h). At most
 * DIR_PAGES_AHEAD pages are held besides the one being delivered, however many
 * keys there are. One struct for each listing; the caller owns it.
 */
#ifndef BRIDGE_DIR_PAGES_H
#define BRIDGE_DIR_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/journal.h"
#include "bridge/recent.h"
#include "bridge/store.h"

#define DIR_PAGES_AHEAD 2

struct dir_pages;

struct dir_pages_config {
	struct loop *loop;
	struct store *store;
	struct journal *journal; /* NULL: times are the store's */
	struct recent *recent;	 /* for a store that lists late; or NULL */
	const char *prefix;	 /* "" or ends in '/' */
};

/* The entries are valid during the completion. */
struct dir_page {
	enum err err;
	const char *why;
	const struct store_entry *entries; /* by key, as store_list() gives */
	size_t n;
	bool last; /* no page follows */
};

/* Starts to list at once. */
struct dir_pages *dir_pages_new(const struct dir_pages_config *cfg);

/*
 * Tells whether the folder is there: a marker, or anything below. Takes no
 * page away. To be asked once, before the first page is.
 */
typedef void dir_exists_fn(void *arg, enum err err, const char *why,
			   bool exists);
void dir_pages_exists(struct dir_pages *p, dir_exists_fn *fn, void *arg);

/*
 * The next page. Completes once, from the loop; not to be called again before
 * that, nor after a page that was the last. After an error the same page is
 * asked for again.
 */
typedef void dir_page_fn(void *arg, const struct dir_page *page);
void dir_pages_next(struct dir_pages *p, dir_page_fn *fn, void *arg);

/* Cancels what is under way; no completion comes. NULL is fine. */
void dir_pages_free(struct dir_pages *p);

#endif
