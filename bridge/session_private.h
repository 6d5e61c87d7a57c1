/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the bridge's own files tie what they have under way to a session, so
 * that it ends with it. Whoever starts a call for a session embeds a struct
 * session_call, sets gone and arg, and attaches it; when the call ends in the
 * ordinary way it is detached before its completion is delivered.
 * session_free() detaches every call that is left, the most recent first, and
 * then runs its gone(), once: from there on the owner delivers nothing to the
 * front end and must not use the session any more.
 */
#ifndef BRIDGE_SESSION_PRIVATE_H
#define BRIDGE_SESSION_PRIVATE_H

#include "bridge/session.h"

struct session_call {
	void (*gone)(void *arg); /* may free the struct it is embedded in */
	void *arg;
	struct session *session; /* the session's, as all below */
	struct session_call *prev, *next;
};

/* Not from inside gone(). */
void session_attach(struct session *s, struct session_call *c);

/* Harmless when c is not attached (zeroed memory counts as that). */
void session_detach(struct session_call *c);

#endif
