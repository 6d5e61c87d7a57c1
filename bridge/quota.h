/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users' quotas: which keys they cover, what a client is told, and the count
 * of what lies under a home. What is there belongs to the home, whoever put
 * it there: users who share one share what is used. The journal keeps the sums
 * (journal.h, Usage); here they are counted for the first time, again once in
 * `quota_recount`, and soon after a change with an unknown outcome. Every
 * worker has a struct quota; that of the lowest slot which takes new sessions
 * counts. Freed after uploads_drain().
 */
#ifndef BRIDGE_QUOTA_H
#define BRIDGE_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/user.h"
#include "bridge/journal.h"

struct quota;
struct uploads;

struct quota *quota_new(struct uploads *us);
void quota_free(struct quota *q); /* NULL is fine */

/* True when the key lies in a home that some user has a quota on. */
bool quota_covers(const struct quota *q, const char *store, const char *key);

struct peer_request;
/*
 * Answers "recount <store> <home>" of another process, the home with its
 * last slash: it is counted anew within seconds. ERR_NOT_FOUND: no
 * user has a quota there.
 */
void quota_serve(struct quota *q, const char *args, struct peer_request *req);

/* Counts what is due now, unless a count is under way. */
void quota_count_now(struct quota *q);
bool quota_counting(const struct quota *q);

/* What a client is told: the file has `size` bytes, or more than are left. */
void quota_bytes_why(char *why, size_t size, const struct user *user,
		     uint64_t left);
void quota_files_why(char *why, size_t size, const struct user *user);

/* Bytes that a usage leaves of a user's quota; UINT64_MAX: no limit. */
uint64_t quota_left(const struct user *user, const struct journal_usage *usage);
bool quota_file_left(const struct user *user,
		     const struct journal_usage *usage);

/* Fills a change of the homes that hold a key. */
void quota_change(struct journal_change *c, const char *store, const char *key,
		  enum journal_doubt doubt);

#endif
