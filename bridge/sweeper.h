/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweeper ends what nobody comes back for, once a minute: parked uploads
 * whose time is up are aborted, open ones that no worker drives are parked, a
 * sealed one that is not renamed for a week is reported once, work that an
 * ended row still asks for is done, and, once an hour, segments are removed
 * that belong to no upload. Every worker has one; that of the lowest slot which
 * takes new sessions sweeps. Two at once do no harm: locks and states decide.
 */
#ifndef BRIDGE_SWEEPER_H
#define BRIDGE_SWEEPER_H

#include <stdbool.h>

struct sweeper;
struct uploads;

struct sweeper *sweeper_new(struct uploads *us);
void sweeper_free(struct sweeper *s); /* after uploads_drain(); NULL is fine */

/* Sweeps now, segments too, unless a sweep is under way. */
void sweeper_now(struct sweeper *s);
bool sweeper_busy(const struct sweeper *s);

#endif
