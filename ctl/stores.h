/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stores of sluice.ini, asked one question at a time and waited for. One
 * that could not be reached once is not asked again: it would cost its time
 * limit each time.
 */
#ifndef CTL_STORES_H
#define CTL_STORES_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/store.h"
#include "ctl/ctl.h"

struct stores;

/* Opens all; NULL after saying what is wrong. Secrets are read now. */
struct stores *stores_open(struct ctl *c);
void stores_close(struct stores *s); /* NULL is fine */

/* NULL: no store has this name. */
struct store *stores_get(const struct stores *s, const char *name);
size_t stores_count(const struct stores *s);
struct store *stores_at(const struct stores *s, size_t i);

/* An answer; the caller frees it with stores_forget(). */
struct stores_answer {
	enum err err;
	char why[STORE_WHY_MAX];
	struct store_object object;
	struct store_part *parts;
	size_t nparts;
	struct store_upload *uploads; /* their texts are copies */
	size_t nuploads;
	bool more; /* there are more uploads than these */
	char *url;
};
void stores_forget(struct stores_answer *a);

void stores_head(struct stores *s, struct store *st, const char *key,
		 struct stores_answer *out);
void stores_parts(struct stores *s, struct store *st, struct store_target t,
		  struct stores_answer *out);
/* key "": all that the store has under way. */
void stores_uploads(struct stores *s, struct store *st, const char *key,
		    struct stores_answer *out);
void stores_abort(struct stores *s, struct store *st, struct store_target t,
		  struct stores_answer *out);

/* The URL is in `url`. */
void stores_presign(struct stores *s, struct store *st, const char *key,
		    struct store_grant grant, struct stores_answer *out);

/* Why a store was given up, or NULL. */
const char *stores_down(const struct stores *s, const struct store *st);

#endif
