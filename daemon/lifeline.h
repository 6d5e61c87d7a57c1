/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child's tie to its master: the pair of sockets on which it says that it is
 * ready and that it lives, and whose end tells that the master is gone; and the
 * signal by which the master tells it to end.
 */
#ifndef DAEMON_LIFELINE_H
#define DAEMON_LIFELINE_H

#include <stdbool.h>

#include "lib/loop.h"

struct lifeline;

/*
 * fn is called in the loop for each SIGTERM (orphaned false), and once when the
 * master is gone (orphaned true).
 */
typedef void lifeline_end_fn(void *arg, bool orphaned);
struct lifeline *lifeline_new(struct loop *loop, int fd, lifeline_end_fn *fn,
			      void *arg);
void lifeline_free(struct lifeline *l); /* closes fd; NULL is fine */

void lifeline_ready(struct lifeline *l);
void lifeline_beat(struct lifeline *l);

#endif
