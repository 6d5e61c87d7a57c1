/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The courier's work for sinks: opens what [events] and [sink.NAME] say and
 * runs the outbox. At a reload two couriers live for a while; only the one that
 * holds the lock file sends, so that no event overtakes another.
 */
#ifndef DAEMON_EVENTS_H
#define DAEMON_EVENTS_H

#include "bridge/journal.h"
#include "daemon/settings.h"
#include "lib/loop.h"

struct events;

/* All are borrowed. */
struct events *events_new(struct loop *loop, struct journal *journal,
			  const struct settings *s);
/* fn is called, from the loop, when nothing is under way or after a while. */
void events_stop(struct events *e, void (*fn)(void *arg), void *arg);
void events_free(struct events *e); /* NULL is fine */

#endif
