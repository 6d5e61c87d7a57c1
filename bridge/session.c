/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/session.h"

#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/session_private.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SESSION_ID_BYTES 4 /* 8 hex digits in a log line */

/* A log-in under way. It outlives its session while the pool works for it. */
struct login {
	struct session *s; /* NULL: the session is gone */
	char name[USER_NAME_MAX +
		  1]; /* for the log and the ledger; may be cut */
	const char *method;
	bool probe; /* only asks whether a key would do */
	bool waits; /* auth.c will still call login_checked() */
	enum err err;
	struct loop_timer *timer;
	session_login_fn *fn;
	void *arg;
};

struct session {
	struct bridge *bridge;
	char id[2 * SESSION_ID_BYTES + 1];
	char protocol[8];
	struct sockaddr_storage addr;
	char peer[INET6_ADDRSTRLEN];
	struct user *user; /* NULL: not logged in, counted as that */
	struct login *login;
	struct session_call *calls; /* the most recent first */
	uint64_t since;		    /* clock_ms() */
	bool addr_counted;	    /* of its address's connections */
};

static void
peer_set(struct session *s, const struct sockaddr *sa)
{
	socklen_t len = sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						  : sizeof(struct sockaddr_in);

	if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6) {
		s->addr.ss_family = sa->sa_family;
		str_copy(s->peer, sizeof(s->peer), "local");
		return;
	}
	memcpy(&s->addr, sa, len);
	if (getnameinfo((struct sockaddr *)&s->addr, len, s->peer,
			sizeof(s->peer), NULL, 0, NI_NUMERICHOST) != 0)
		str_copy(s->peer, sizeof(s->peer), "unknown");
}

enum err
session_new(struct session **out, struct bridge *b, const char *protocol,
	    const struct sockaddr *peer)
{
	unsigned char id[SESSION_ID_BYTES];
	struct session *s;
	bool counted;
	enum err err;

	*out = NULL;
	if (ledger_login_blocked(b->ledger, peer))
		return ERR_DENIED;
	err = ledger_conn_begin(b->ledger, peer);
	if (err)
		return err;
	err = ledger_addr_begin(b->ledger, peer, &counted);
	if (err) {
		ledger_conn_end(b->ledger, peer);
		return err;
	}
	s = mem_alloc(sizeof(*s));
	s->addr_counted = counted;
	s->bridge = b;
	s->since = clock_ms();
	id_random(id, sizeof(id));
	hex_encode(id, sizeof(id), s->id);
	session_set_protocol(s, protocol);
	peer_set(s, peer);
	ledger_add(b->ledger, LEDGER_CONNECTIONS, 1);
	log_debug("session", s->id, "connect", KV_S("addr", s->peer),
		  KV_S("protocol", s->protocol));
	*out = s;
	return ERR_OK;
}

static void
login_free(struct login *l)
{
	loop_timer_free(l->timer);
	free(l);
}

static void
login_abandon(struct session *s)
{
	struct login *l = s->login;

	if (!l)
		return;
	s->login = NULL;
	l->s = NULL;
	if (!l->waits)
		login_free(l);
}

static void
calls_end(struct session *s)
{
	struct session_call *c;

	while ((c = s->calls)) {
		session_detach(c);
		c->gone(c->arg);
	}
}

void
session_free(struct session *s)
{
	struct ledger *l;

	if (!s)
		return;
	l = s->bridge->ledger;
	login_abandon(s);
	calls_end(s);
	if (s->user) {
		log_info("session", s->id, "logout",
			 KV_S("user", s->user->name), KV_S("addr", s->peer),
			 KV_S("protocol", s->protocol),
			 KV_U("ms", clock_ms() - s->since));
		ledger_session_end(l, s->user->name);
		user_unref(s->user);
	} else {
		ledger_conn_end(l, session_sockaddr(s));
	}
	if (s->addr_counted)
		ledger_addr_end(l, session_sockaddr(s));
	ledger_add(l, LEDGER_CONNECTIONS, -1);
	free(s);
}

const char *
session_id(const struct session *s)
{
	return s->id;
}

const char *
session_peer(const struct session *s)
{
	return s->peer;
}

const struct sockaddr *
session_sockaddr(const struct session *s)
{
	return (const struct sockaddr *)&s->addr;
}

struct bridge *
session_bridge(const struct session *s)
{
	return s->bridge;
}

const struct user *
session_user(const struct session *s)
{
	return s->user;
}

const char *
session_protocol(const struct session *s)
{
	return s->protocol;
}

void
session_set_protocol(struct session *s, const char *p)
{
	str_copy(s->protocol, sizeof(s->protocol), p);
}

void
session_attach(struct session *s, struct session_call *c)
{
	assert(!c->session);
	c->session = s;
	c->prev = NULL;
	c->next = s->calls;
	if (c->next)
		c->next->prev = c;
	s->calls = c;
}

void
session_detach(struct session_call *c)
{
	if (!c->session)
		return;
	if (c->prev)
		c->prev->next = c->next;
	else
		c->session->calls = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->session = NULL;
	c->prev = c->next = NULL;
}

/* The end of a log-in: the callback may free the session. */
static void
login_end(struct login *l, enum err err)
{
	session_login_fn *fn = l->fn;
	void *arg = l->arg;

	l->s->login = NULL;
	login_free(l);
	fn(arg, err);
}

static void
login_later(void *arg)
{
	struct login *l = arg;

	login_end(l, l->err);
}

/* Holds the answer back, so that guessing costs time. */
static void
login_fail(struct login *l, enum err err, const char *reason)
{
	struct session *s = l->s;
	struct ledger *ledger = s->bridge->ledger;

	log_warn("session", s->id, "login_failed", KV_S("user", l->name),
		 KV_S("addr", s->peer), KV_S("protocol", s->protocol),
		 KV_S("method", l->method), KV_S("reason", reason));
	l->err = err;
	loop_timer_set(l->timer, ledger_login_delay(ledger, session_sockaddr(s),
						    l->name));
}

static void
login_refused(struct login *l)
{
	struct session *s = l->s;
	struct bridge *b = s->bridge;

	ledger_login_failed(b->ledger, session_sockaddr(s), l->name);
	login_fail(l, ERR_DENIED,
		   auth_knows(b->auth, l->name) ? "wrong_credentials"
						: "unknown_user");
}

/* Takes ownership of u. */
static void
login_accepted(struct login *l, struct user *u)
{
	struct session *s = l->s;
	struct ledger *ledger = s->bridge->ledger;

	if (ledger_session_begin(ledger, u->name, u->max_sessions) != ERR_OK) {
		user_unref(u);
		login_fail(l, ERR_QUOTA, "too_many_sessions");
		return;
	}
	ledger_login_ok(ledger, session_sockaddr(s), u->name);
	ledger_conn_end(ledger, session_sockaddr(s));
	s->user = u;
	s->since = clock_ms();
	log_info("session", s->id, "login", KV_S("user", u->name),
		 KV_S("addr", s->peer), KV_S("protocol", s->protocol),
		 KV_S("method", l->method));
	login_end(l, ERR_OK);
}

static void
login_checked(void *arg, enum err err, struct user *u)
{
	struct login *l = arg;

	l->waits = false;
	if (!l->s) {
		user_unref(u);
		login_free(l);
	} else if (l->probe) {
		user_unref(u);
		login_end(l, err);
	} else if (err) {
		login_refused(l);
	} else {
		login_accepted(l, u);
	}
}

/* NULL: refused already, the answer is on its way. */
static struct login *
login_new(struct session *s, const char *name, const char *method,
	  session_login_fn *fn, void *arg)
{
	struct login *l = mem_alloc(sizeof(*l));

	assert(!s->login && !s->user);
	l->s = s;
	l->fn = fn;
	l->arg = arg;
	l->method = method;
	l->timer = loop_timer_new(s->bridge->loop, login_later, l);
	str_copy(l->name, sizeof(l->name), name);
	s->login = l;
	if (ledger_login_blocked(s->bridge->ledger, session_sockaddr(s))) {
		login_fail(l, ERR_DENIED, "held_off");
		return NULL;
	}
	l->waits = true;
	return l;
}

void
session_login_password(struct session *s, const char *name,
		       const char *password, session_login_fn *fn, void *arg)
{
	struct login *l = login_new(s, name, "password", fn, arg);

	if (l)
		auth_password(s->bridge->auth, name, password, login_checked,
			      l);
}

void
session_login_pubkey(struct session *s, const char *name,
		     const struct auth_key *key, bool verified,
		     session_login_fn *fn, void *arg)
{
	struct auth_key from = *key;
	struct login *l = login_new(s, name, "publickey", fn, arg);

	if (!l)
		return;
	l->probe = !verified;
	from.addr = s->peer;
	from.proved = verified;
	auth_pubkey(s->bridge->auth, name, &from, login_checked, l);
}
