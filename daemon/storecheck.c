/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/storecheck.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge/http.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/work.h"

#define PART "master"
#define POOL_THREADS 2
#define GRACE_MS 2000 /* for the child beyond the stores' own time */

/* The child's side: one store being asked. */
struct asked {
	struct asking *all;
	struct store *store;
	struct store_op *op;
	struct store_state state;
};

struct asking {
	struct loop *loop;
	struct work_pool *pool;
	struct http *http;
	size_t n, open;
	struct asked list[BRIDGE_STORES_MAX];
};

static void
asked_done(void *arg, const struct store_result *res)
{
	struct asked *a = arg;

	a->op = NULL;
	a->state.err = res->err;
	a->state.caps = res->caps;
	str_copy(a->state.why, sizeof(a->state.why), res->why);
	if (--a->all->open == 0)
		loop_stop(a->all->loop);
}

static void
asking_timeout(void *arg)
{
	struct asking *all = arg;

	loop_stop(all->loop);
}

static void
ask(struct asking *all, struct settings *s, const char *name)
{
	struct store_env env = { all->loop, all->pool, all->http };
	struct asked *a = &all->list[all->n++];

	a->all = all;
	str_copy(a->state.name, sizeof(a->state.name), name);
	a->state.err = ERR_AGAIN;
	str_copy(a->state.why, sizeof(a->state.why), "no answer in time");
	if (store_open(&a->store, s->conf, name, &env) != ERR_OK)
		return;
	str_copy(a->state.kind, sizeof(a->state.kind), store_kind(a->store));
	all->open++;
	a->op = store_probe(a->store, asked_done, a);
}

/* A record is smaller than PIPE_BUF and all of them than a pipe. */
static void
asking_tell(const struct asking *all, int fd)
{
	size_t i;

	for (i = 0; i < all->n; i++) {
		if (write(fd, &all->list[i].state, sizeof(all->list[i].state)) <
		    0)
			return;
	}
}

static void
asking_close(struct asking *all)
{
	size_t i;

	for (i = 0; i < all->n; i++) {
		store_cancel(all->list[i].op);
		if (all->list[i].store)
			store_close(all->list[i].store);
	}
	http_free(all->http);
	work_pool_free(all->pool);
	loop_free(all->loop);
}

static void
child_run(struct settings *s, int fd)
{
	struct asking *all = mem_alloc(sizeof(*all));
	struct loop_timer *limit;
	char **name;

	all->loop = loop_new();
	all->pool = work_pool_new(all->loop, POOL_THREADS);
	all->http = http_new(all->loop);
	limit = loop_timer_new(all->loop, asking_timeout, all);
	for (name = s->bridge.stores; *name; name++)
		ask(all, s, *name);
	if (all->open > 0) {
		loop_timer_set(limit, s->store_timeout_ms);
		loop_run(all->loop);
	}
	asking_tell(all, fd);
	loop_timer_free(limit);
	asking_close(all);
	free(all);
}

enum err
storecheck_start(struct storecheck *c, struct settings *s,
		 void (*in_child)(void *arg), void *arg)
{
	int fds[2];
	char **name;

	memset(c, 0, sizeof(*c));
	for (name = s->bridge.stores; *name; name++, c->n++) {
		str_copy(c->states[c->n].name, sizeof(c->states[0].name),
			 *name);
		c->states[c->n].err = ERR_AGAIN;
		str_copy(c->states[c->n].why, sizeof(c->states[0].why),
			 "the check ended without a result");
	}
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
		log_error(PART, NULL, "pipe", KV_ERRNO(errno));
		return ERR_IO;
	}
	c->pid = fork();
	if (c->pid == 0) {
		close(fds[0]);
		in_child(arg);
		child_run(s, fds[1]);
		exit(0);
	}
	close(fds[1]);
	c->fd = fds[0];
	c->deadline = clock_ms() + s->store_timeout_ms + GRACE_MS;
	if (c->pid > 0)
		return ERR_OK;
	log_error(PART, NULL, "fork", KV_ERRNO(errno));
	close(c->fd);
	c->pid = 0;
	return ERR_IO;
}

static void
storecheck_end(struct storecheck *c)
{
	close(c->fd);
	c->fd = -1;
	/* The child has written all it will; what it still does is cleaning. */
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
}

bool
storecheck_read(struct storecheck *c)
{
	struct store_state state;
	ssize_t n;

	if (c->pid == 0)
		return true;
	while ((n = read(c->fd, &state, sizeof(state))) ==
	       (ssize_t)sizeof(state)) {
		if (c->got < c->n)
			c->states[c->got++] = state;
	}
	if (n < 0 && errno == EAGAIN && c->got < c->n &&
	    clock_ms() < c->deadline)
		return false;
	storecheck_end(c);
	return true;
}

void
storecheck_wait(struct storecheck *c)
{
	struct pollfd fd = { .fd = c->fd, .events = POLLIN };

	while (!storecheck_read(c))
		poll(&fd, 1, 100);
}

void
storecheck_stop(struct storecheck *c)
{
	if (c->pid > 0)
		storecheck_end(c);
}

static const char *
advice(enum err err, const char *kind)
{
	if (err == ERR_DENIED)
		return strcmp(kind, "local") == 0
			       ? "let the daemon's account read and write the "
				 "folder"
			       : "check access key, secret key, region and the "
				 "rights on the bucket";
	if (err == ERR_NOT_FOUND)
		return strcmp(kind, "local") == 0
			       ? "make the folder or correct its path"
			       : "make the bucket or correct its name";
	return "see why";
}

bool
storecheck_log(const struct storecheck *c)
{
	const struct store_state *s;
	bool usable = true;
	size_t i;

	for (i = 0; i < c->n; i++) {
		s = &c->states[i];
		if (!s->err) {
			log_info(PART, NULL, "store", KV_S("name", s->name),
				 KV_S("kind", s->kind),
				 KV_U("sha256", s->caps.checks_sha256),
				 KV_U("crc32c", s->caps.checks_crc32c));
		} else if (s->err == ERR_AGAIN) {
			log_warn(PART, NULL, "store_unreachable",
				 KV_S("name", s->name), KV_S("why", s->why));
		} else {
			usable = false;
			log_error(PART, NULL, "store_unusable",
				  KV_S("name", s->name), KV_ERR(s->err),
				  KV_S("why", s->why),
				  KV_S("advice", advice(s->err, s->kind)));
		}
	}
	return usable;
}
