/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/conn_timer.h"

#include <string.h>
#include <utlist.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "sftpd/channel.h"

#define PAUSE_STEP_MS 5000u
#define LEAVE_MS 1000u
#define LINGER_MS (5u * 60 * 1000)

/* 32 KiB in each step: an upload's reserve lasts for several minutes. */
#define TRICKLE_READS 8

/*
 * A client that waits must hear from us now and then. OpenSSH counts any
 * packet as a sign of life. Others that are paused want replies to their
 * WRITEs, so a little is read and taken out of the file's reserve.
 */
static void
show_life(struct conn *c)
{
	const char *banner = ssh_get_clientbanner(c->ssh);
	int i;

	ssh_send_ignore(c->ssh, "");
	if (!(c->stops & STOP_FILE)) {
		conn_wake(c);
		return;
	}
	if (banner == NULL || strstr(banner, "OpenSSH") == NULL) {
		for (i = 0; i < TRICKLE_READS; i++) {
			if (ssh_event_dopoll(c->poll, 0) != SSH_OK)
				break;
		}
	}
	conn_wake(c);
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool
waits_for_us(const struct conn *c)
{
	const struct chan *ch;

	DL_FOREACH (c->chans, ch) {
		if (ch->nreqs > 0)
			return true;
	}
	return c->stops != 0;
}

/* These end the connection or say how long to wait before the next look. */

static uint64_t
check_grace(struct conn *c, uint64_t now)
{
	const uint64_t limit = c->d->config->login_grace_ms;
	const uint64_t age = now - c->born;

	if (age < limit)
		return limit - age;
	conn_end(c, "no log-in in time");
	return limit;
}

static uint64_t
check_idle(struct conn *c, uint64_t now)
{
	const uint64_t limit = c->d->config->idle_timeout_ms;
	const uint64_t idle = now > c->active ? now - c->active : 0;

	if (waits_for_us(c))
		return limit;
	if (idle < limit)
		return limit - idle;
	conn_end(c, "idle for too long");
	return limit;
}

/*
 * Paused, or waiting for a reply that takes long, such as that to a CLOSE
 * while the store is slow.
 */
static uint64_t
check_life(struct conn *c, uint64_t now)
{
	if (!c->auth.done || !waits_for_us(c)) {
		c->life_at = now;
	} else if (now - c->life_at >= PAUSE_STEP_MS) {
		c->life_at = now;
		show_life(c);
	}
	return PAUSE_STEP_MS - (now - c->life_at);
}

static void
tick(void *arg)
{
	struct conn *c = arg;
	const uint64_t now = clock_ms();
	uint64_t next;

	if (c->ssh == NULL) {
		log_warn("sftpd", session_id(c->session), "linger_given_up");
		conn_free(c);
		return;
	}
	if (c->leaving)
		conn_end(c, "the server is going down");
	next = c->auth.done ? check_idle(c, now) : check_grace(c, now);
	next = sooner(next, check_life(c, now));
	loop_timer_set(c->timer, (unsigned)next);
}

struct loop_timer *
conn_timer_new(struct conn *c)
{
	struct loop_timer *t = loop_timer_new(c->d->bridge->loop, tick, c);

	c->life_at = clock_ms();
	loop_timer_set(t, (unsigned)sooner(c->d->config->login_grace_ms,
					   PAUSE_STEP_MS));
	return t;
}

void
conn_timer_soon(struct conn *c)
{
	if (c->ssh != NULL)
		loop_timer_set(c->timer, PAUSE_STEP_MS);
}

void
conn_timer_leave(struct conn *c)
{
	loop_timer_set(c->timer, LEAVE_MS);
}

void
conn_timer_linger(struct conn *c)
{
	loop_timer_set(c->timer, LINGER_MS);
}
