/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child's tie to its master: the pair of sockets on which it says that it is
 * ready and that it lives, on which the master tells it to end, and whose own
 * end tells that the master is gone.
 */
#ifndef DAEMON_LIFELINE_H
#define DAEMON_LIFELINE_H

#include "daemon/children.h"
#include "lib/loop.h"

struct lifeline;

/*
 * Called in the loop for each order of the master (children.h); CHILD_PARK also
 * when the master is gone.
 */
typedef void lifeline_order_fn(void *arg, enum child_order order);

struct lifeline *lifeline_new(struct loop *loop, int fd, lifeline_order_fn *fn,
			      void *arg);
void lifeline_free(struct lifeline *l); /* closes fd; NULL is fine */

void lifeline_ready(struct lifeline *l);
void lifeline_beat(struct lifeline *l);

#endif
