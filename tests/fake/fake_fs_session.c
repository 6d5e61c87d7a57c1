/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "bridge/ledger.h"
#include "lib/id.h"
#include "lib/mem.h"
#include "tests/fake/fake_fs_private.h"

struct fake *
fake_of(const struct session *s)
{
	return s->f;
}

struct fake *
fake_new(struct loop *loop)
{
	struct fake *f = mem_alloc(sizeof(*f));

	f->bridge.loop = loop;
	str_copy(f->user.name, sizeof(f->user.name), "ann");
	f->user.rights = USER_READ | USER_WRITE | USER_DELETE | USER_LIST |
			 USER_RENAME | USER_MKDIR;
	f->password = "secret";
	f->space_total = UINT64_MAX;
	buf_init(&f->ops, 1u << 20);
	fake_put_dir(f, "/");
	return f;
}

void
fake_free(struct fake *f)
{
	struct fake_node *n, *next;

	HASH_ITER (hh, f->nodes, n, next) {
		fake_node_free(f, n);
	}
	buf_free(&f->ops);
	free(f);
}

static void
call_free(struct fake *f, struct fake_call *c)
{
	size_t i;

	DL_DELETE(f->calls, c);
	event_free(c->timer);
	if (c->entries != NULL)
		for (i = 0; i < c->n; i++)
			free((char *)(uintptr_t)c->entries[i].name);
	free(c->entries);
	free(c->data);
	free(c);
}

/* Whoever is called may end everything: the call is forgotten first. */
static void
deliver(evutil_socket_t fd, short what, void *arg)
{
	struct fake_call *c = arg;
	struct fake *f = c->s->f;
	const char *why = c->err == ERR_OK ? "" : err_text(c->err);

	(void)fd;
	(void)what;
	DL_DELETE(f->calls, c);
	if (c->login != NULL) {
		c->s->logged_in = c->err == ERR_OK && c->n == 0;
		c->n = 0;
		c->login(c->arg, c->err);
	} else if (c->done != NULL) {
		c->done(c->arg, c->err, why);
	} else if (c->look != NULL) {
		struct vfs_look l = { .is_dir = c->st.is_dir,
				      .size = c->st.size,
				      .mtime = c->st.mtime,
				      .etag = "fake" };

		c->look(c->arg, c->err, why, c->err ? NULL : &l);
	} else if (c->stat != NULL) {
		c->stat(c->arg, c->err, why, &c->st);
	} else if (c->dir_open != NULL) {
		c->dir_open(c->arg, c->err, why, c->dir);
	} else if (c->page != NULL) {
		c->page(c->arg, c->err, why, c->entries, c->n);
	} else if (c->open != NULL) {
		c->open(c->arg, c->err, why, c->file);
	} else if (c->read != NULL) {
		c->read(c->arg, c->err, why, c->data, c->n);
	} else if (c->space != NULL) {
		struct vfs_space space = { .total = f->space_total,
					   .used = f->space_used,
					   .files_total = UINT64_MAX,
					   .counted = true };

		c->space(c->arg, c->err, why, &space);
	}
	DL_APPEND(f->calls, c);
	call_free(f, c);
}

struct fake_call *
fake_call_new(struct session *s, enum err err, void *arg)
{
	struct fake_call *c = mem_alloc(sizeof(*c));
	struct fake *f = s->f;

	c->s = s;
	c->err = err;
	c->arg = arg;
	c->timer = evtimer_new(loop_base(f->bridge.loop), deliver, c);
	DL_APPEND(f->calls, c);
	return c;
}

void
fake_call_go(struct fake_call *c)
{
	const struct fake *f = c->s->f;
	const struct timeval delay = { f->delay_ms / 1000,
				       f->delay_ms % 1000 * 1000 };

	c->held = f->hold;
	if (!c->held)
		evtimer_add(c->timer, &delay);
}

void
fake_release(struct fake *f)
{
	struct fake_call *c;

	f->hold = false;
	DL_FOREACH (f->calls, c) {
		if (c->held)
			fake_call_go(c);
	}
}

unsigned
fake_waiting(const struct fake *f)
{
	const struct fake_call *c;
	unsigned n = 0;

	DL_FOREACH (f->calls, c) {
		n++;
	}
	return n;
}

/* Those of a session, or of one folder of it. */
void
fake_calls_drop(struct fake *f, const struct session *s,
		const struct vfs_dir *dir)
{
	struct fake_call *c, *next;

	DL_FOREACH_SAFE (f->calls, c, next) {
		if (c->s != s || (dir != NULL && c->dir != dir))
			continue;
		if (c->dir_open != NULL && c->dir != NULL)
			vfs_dir_close(c->dir);
		call_free(f, c);
	}
}

enum err
session_new(struct session **out, struct bridge *b, const char *protocol,
	    const struct sockaddr *peer)
{
	struct session *s = mem_alloc(sizeof(*s));
	unsigned char random[4];

	s->f = (struct fake *)(void *)((char *)b -
				       offsetof(struct fake, bridge));
	s->f->sessions++;
	s->protocol = protocol;
	id_random(random, sizeof(random));
	hex_encode(random, sizeof(random), s->id);
	if (peer != NULL && peer->sa_family == AF_INET) {
		memcpy(&s->addr, peer, sizeof(struct sockaddr_in));
		inet_ntop(AF_INET,
			  &((const struct sockaddr_in *)(const void *)peer)
				   ->sin_addr,
			  s->peer, sizeof(s->peer));
	}
	*out = s;
	return ERR_OK;
}

void
session_free(struct session *s)
{
	struct vfs_file *file, *next;
	struct fake *f;

	if (s == NULL)
		return;
	f = s->f;
	fake_calls_drop(f, s, NULL);
	DL_FOREACH_SAFE (f->open, file, next) {
		if (file->s != s)
			continue;
		if (file->flags & VFS_WRITE) {
			f->broken++;
			fake_note(f, "broken", file->path, NULL);
		}
		fake_file_free(file);
	}
	f->sessions--;
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
	return &s->f->bridge;
}

const struct user *
session_user(const struct session *s)
{
	return s->logged_in ? &s->f->user : NULL;
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
	const struct fake *f = s->f;
	const bool ok = f->password != NULL &&
			strcmp(name, f->user.name) == 0 &&
			strcmp(password, f->password) == 0;
	struct fake_call *c = fake_call_new(s, ok ? ERR_OK : ERR_DENIED, arg);

	c->login = fn;
	fake_call_go(c);
}

void
session_login_pubkey(struct session *s, const char *name,
		     const struct auth_key *key, bool verified,
		     session_login_fn *fn, void *arg)
{
	const struct fake *f = s->f;
	const bool ok = f->key != NULL && strcmp(name, f->user.name) == 0 &&
			key->len == f->key_len &&
			memcmp(key->blob, f->key, key->len) == 0;
	struct fake_call *c = fake_call_new(s, ok ? ERR_OK : ERR_DENIED, arg);

	c->login = fn;
	c->n = !verified; /* asks only: no log-in */
	fake_call_go(c);
}

/* The worker's scoreboard is not part of this. */
void
ledger_serving(struct ledger *l, const char *session, const char *user)
{
	(void)l;
	(void)session;
	(void)user;
}
