/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child's tie to its master: the pair of sockets on which it says that it is
 * ready and that it lives, on which the master tells it to end, and whose own
 * end tells that the master is gone.
 */
#ifndef DAEMON_LIFELINE_H
#define DAEMON_LIFELINE_H

#include "lib/loop.h"

struct lifeline;

enum lifeline_order {
	LIFELINE_DRAIN, /* finish what is under way, and end */
	LIFELINE_PARK	/* end at once; also when the master is gone */
};

/* Called in the loop, perhaps several times. */
typedef void lifeline_order_fn(void *arg, enum lifeline_order order);

struct lifeline *lifeline_new(struct loop *loop, int fd, lifeline_order_fn *fn,
			      void *arg);
void lifeline_free(struct lifeline *l); /* closes fd; NULL is fine */

void lifeline_ready(struct lifeline *l);
void lifeline_beat(struct lifeline *l);

#endif
