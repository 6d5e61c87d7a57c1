/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes to the journal by sluicectl, each under the driver's lock of its
 * key: a worker that drives the upload keeps us out, and we keep it out. The
 * journal is written as the daemon does it, so this works beside one.
 */
#ifndef CTL_REPAIR_H
#define CTL_REPAIR_H

#include <stdbool.h>

#include "bridge/journal_ops.h"
#include "bridge/keylock.h"
#include "ctl/ctl.h"

struct repair;

/* As the daemon's account. NULL after saying what is wrong. */
struct repair *repair_open(const struct ctl *c);
void repair_close(struct repair *r); /* NULL is fine */

/*
 * Locks the row's key and reads the row again. ERR_IN_USE: it is driven;
 * ERR_CONFLICT: it is not what it was. *rows is the caller's to free, also
 * after an error, and the lock is let go of with repair_unlock().
 */
enum err repair_lock(struct repair *r, const struct journal_upload *row,
		     struct journal_rows *rows);
void repair_unlock(struct repair *r);

enum err repair_apply(struct repair *r, const struct journal_tx *tx);

/* For what has no row: the key's lock alone. */
enum err repair_lock_key(struct repair *r, const char *store, const char *key);

/* Why it was not done, in words. */
const char *repair_why(enum err err);

#endif
