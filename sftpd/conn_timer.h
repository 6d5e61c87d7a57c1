/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection does because time passed: log-in grace, idle time-out,
 * signs of life to a client whose upload is paused, the end of lingering.
 */
#ifndef SFTPD_CONN_TIMER_H
#define SFTPD_CONN_TIMER_H

#include "sftpd/conn.h"

struct loop_timer *conn_timer_new(struct conn *c);

/* A pause has begun: look again after a pause's step. */
void conn_timer_soon(struct conn *c);

/* We have closed all channels: the client has a moment to do so too. */
void conn_timer_leave(struct conn *c);

/* The connection is gone: requests have this long to end. */
void conn_timer_linger(struct conn *c);

#endif
