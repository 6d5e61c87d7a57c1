/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's lock: who may write to a key. An OFD lock (fcntl(2),
 * F_OFD_SETLK) on one byte of <spool>/lock, the byte being the low 62 bits of
 * SHA-256(store, NUL, key). The kernel drops it with the process. Each lock has
 * a file description of its own, opened after the fork; a table in the worker
 * refuses a second lock on a key in the same process.
 */
#ifndef BRIDGE_KEYLOCK_H
#define BRIDGE_KEYLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct keylock_table;
struct keylock;

/* dir is the spool folder. */
enum err keylock_table_open(struct keylock_table **out, const char *dir);
void keylock_table_close(struct keylock_table *t);

/* ERR_IN_USE when this or another process has it. Never waits. */
enum err keylock_take(struct keylock_table *t, const char *store,
		      const char *key, struct keylock **out);
void keylock_drop(struct keylock *l); /* NULL is fine */

/* Whether another process has it now; takes nothing. */
bool keylock_held(const struct keylock_table *t, const char *store,
		  const char *key);

/* The byte, which is also the key's number in the ledger. */
uint64_t keylock_hash(const char *store, const char *key);

#endif
