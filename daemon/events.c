/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "bridge/http.h"
#include "bridge/outbox.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/work.h"

#define PART "courier"
#define LOCK_STEP_MS 100
#define STOP_STEP_MS 20
#define STOP_LIMIT_MS 5000 /* less than a courier is given */
#define POOL_THREADS 2

struct events {
	struct loop *loop;
	struct journal *journal;
	const struct settings *settings;
	struct loop_timer *timer;
	struct work_pool *pool;
	struct http *http;
	struct outbox *outbox;
	struct prober *prober; /* or NULL */
	struct store *stores[BRIDGE_STORES_MAX];
	size_t nstores;
	int lock_fd;
	void (*stopped)(void *arg);
	void *stopped_arg;
	uint64_t stop_until; /* clock_ms() */
};

/* For probes, and for URLs. */
static void
stores_open(struct events *e)
{
	const struct settings *s = e->settings;
	struct store_env env = { e->loop, e->pool, e->http };
	char **name;

	if (!s->probe.enabled && !s->events.url)
		return;
	for (name = s->bridge.stores; *name; name++)
		if (store_open(&e->stores[e->nstores], s->conf, *name, &env) ==
		    ERR_OK)
			e->nstores++;
}

/* NULL: nothing is probed. */
static struct sink *
prober_open(struct events *e)
{
	const struct settings *s = e->settings;
	struct outbox_prober_env prober = { .loop = e->loop,
					    .journal = e->journal,
					    .stores = e->stores };

	if (!s->probe.enabled)
		return NULL;
	e->prober = prober_new(e->loop, &s->probe);
	prober.prober = e->prober;
	prober.nstores = e->nstores;
	/* The next ones are at hand when a child ends. */
	prober.concurrency = 2 * s->probe.concurrency;
	return outbox_prober_new(&prober);
}

static void
sinks_open(struct events *e)
{
	const struct outbox_config *cfg = &e->settings->events;
	struct sink_env sink_env = { e->loop, e->pool, e->http };
	struct outbox_env env = { .loop = e->loop,
				  .journal = e->journal,
				  .config = cfg,
				  .stores = e->stores };
	struct sink *sinks[OUTBOX_SINKS_MAX] = { NULL };
	size_t i;

	for (i = 0; i < cfg->nsinks; i++) {
		if (sink_open(&sinks[i], e->settings->conf,
			      cfg->sinks[i].section, &sink_env) != ERR_OK)
			log_error(PART, NULL, "sink_not_opened",
				  KV_S("sink", cfg->sinks[i].name));
	}
	stores_open(e);
	env.nstores = e->nstores;
	e->outbox = outbox_new(&env, sinks, prober_open(e));
	log_info(PART, NULL, "outbox", KV_U("sinks", cfg->nsinks),
		 KV_S("probes", e->prober ? "yes" : "no"));
}

static void
lock_try(struct events *e)
{
	if (flock(e->lock_fd, LOCK_EX | LOCK_NB) == 0) {
		sinks_open(e);
		return;
	}
	if (errno != EWOULDBLOCK)
		log_error(PART, NULL, "lock_failed", KV_ERRNO(errno));
	loop_timer_set(e->timer, LOCK_STEP_MS);
}

static void
stop_try(struct events *e)
{
	if (e->outbox && outbox_stop(e->outbox) > 0 &&
	    clock_ms() < e->stop_until) {
		loop_timer_set(e->timer, STOP_STEP_MS);
		return;
	}
	e->stopped(e->stopped_arg);
}

static void
on_timer(void *arg)
{
	struct events *e = arg;

	if (e->stopped)
		stop_try(e);
	else
		lock_try(e);
}

struct events *
events_new(struct loop *loop, struct journal *journal, const struct settings *s)
{
	struct events *e = mem_alloc(sizeof(*e));
	char *path = mem_printf("%s/outbox.lock", s->bridge.state_dir);

	e->loop = loop;
	e->journal = journal;
	e->settings = s;
	e->timer = loop_timer_new(loop, on_timer, e);
	e->pool = work_pool_new(loop, POOL_THREADS);
	e->http = http_new(loop);
	e->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (e->lock_fd < 0)
		log_error(PART, NULL, "lock_failed", KV_S("file", path),
			  KV_ERRNO(errno));
	else
		loop_timer_set(e->timer, 0);
	free(path);
	return e;
}

void
events_stop(struct events *e, void (*fn)(void *arg), void *arg)
{
	if (e->stopped)
		return;
	e->stopped = fn;
	e->stopped_arg = arg;
	e->stop_until = clock_ms() + STOP_LIMIT_MS;
	loop_timer_set(e->timer, 0);
}

void
events_free(struct events *e)
{
	size_t i;

	if (!e)
		return;
	outbox_free(e->outbox);
	prober_free(e->prober);
	for (i = 0; i < e->nstores; i++)
		store_close(e->stores[i]);
	http_free(e->http);
	work_pool_free(e->pool);
	loop_timer_free(e->timer);
	/* The lock goes with the process, when all is in the journal. */
	free(e);
}
