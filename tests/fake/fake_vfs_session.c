/* SPDX-License-Identifier: Apache-2.0 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/id.h"
#include "lib/mem.h"
#include "tests/fake/fake_vfs_private.h"

void
fake_call_end(struct call *c)
{
	DL_DELETE(c->s->calls, c);
	loop_timer_free(c->timer);
	free(c);
}

static void
call_fire(void *arg)
{
	struct call copy = *(struct call *)arg;

	fake_call_end(arg);
	copy.run(&copy);
}

struct call *
fake_call_new(struct session *s, void (*run)(struct call *c), void *arg,
	      unsigned ms)
{
	struct call *c = mem_alloc(sizeof(*c));

	c->s = s;
	c->run = run;
	c->arg = arg;
	c->timer = loop_timer_new(s->b->loop, call_fire, c);
	DL_APPEND(s->calls, c);
	loop_timer_set(c->timer, ms);
	return c;
}

void
fake_result(struct call *c, enum err err)
{
	c->err = err;
	str_copy(c->why, sizeof(c->why), err_text(err));
}

void
fake_run_done(struct call *c)
{
	c->done(c->arg, c->err, c->why);
}

void
fake_finish(struct session *s, enum err err, vfs_done_fn *fn, void *arg)
{
	struct call *c = fake_call_new(s, fake_run_done, arg, 0);

	c->done = fn;
	fake_result(c, err);
}

static void
run_login(struct call *c)
{
	c->login(c->arg, c->err);
}

enum err
session_new(struct session **out, struct bridge *b, const char *protocol,
	    const struct sockaddr *peer)
{
	struct session *s = mem_alloc(sizeof(*s));
	unsigned char random[4];

	s->b = b;
	s->protocol = protocol;
	id_random(random, sizeof(random));
	hex_encode(random, sizeof(random), s->id);
	memcpy(&s->sa, peer,
	       peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					   : sizeof(struct sockaddr_in));
	if (getnameinfo((struct sockaddr *)&s->sa, sizeof(s->sa), s->peer,
			sizeof(s->peer), NULL, 0, NI_NUMERICHOST) != 0)
		str_copy(s->peer, sizeof(s->peer), "?");
	str_copy(s->user.name, sizeof(s->user.name), "demo");
	s->user.rights = USER_READ | USER_WRITE | USER_DELETE | USER_LIST |
			 USER_RENAME | USER_MKDIR;
	*out = s;
	return ERR_OK;
}

void
session_free(struct session *s)
{
	while (s->calls)
		fake_call_end(s->calls);
	while (s->files)
		fake_file_free(s->files);
	while (s->dirs)
		vfs_dir_close(s->dirs);
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
	return (const struct sockaddr *)&s->sa;
}

struct bridge *
session_bridge(const struct session *s)
{
	return s->b;
}

const struct user *
session_user(const struct session *s)
{
	return s->logged_in ? &s->user : NULL;
}

const char *
session_protocol(const struct session *s)
{
	return s->protocol;
}

void
session_set_protocol(struct session *s, const char *p)
{
	s->protocol = p;
}

void
session_login_password(struct session *s, const char *name,
		       const char *password, session_login_fn *fn, void *arg)
{
	bool ok = strcmp(name, "demo") == 0 && strcmp(password, "demo") == 0;
	struct call *c = fake_call_new(s, run_login, arg, ok ? 0 : 300);

	c->login = fn;
	c->err = ok ? ERR_OK : ERR_DENIED;
	s->logged_in = ok;
}

void
session_login_pubkey(struct session *s, const char *name,
		     const struct auth_key *key, bool verified,
		     session_login_fn *fn, void *arg)
{
	struct call *c = fake_call_new(s, run_login, arg, 0);

	(void)key;
	c->login = fn;
	c->err = strcmp(name, "demo") == 0 ? ERR_OK : ERR_DENIED;
	if (!c->err && verified)
		s->logged_in = true;
}
