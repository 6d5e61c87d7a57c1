/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/work.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

struct work_pool {
	struct loop *loop;
	pthread_t *threads;
	unsigned thread_count;
	atomic_uint pending;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct work *first;
	struct work **last;
	bool stopping;
};

static void
run_done(void *arg)
{
	struct work *w = arg;

	atomic_fetch_sub(&w->pool->pending, 1);
	if (w->done)
		w->done(w);
}

static void
run(struct work *w)
{
	struct loop *loop = w->pool->loop;

	w->run(w);
	w->call = (struct loop_call){ .fn = run_done, .arg = w };
	loop_post(loop, &w->call);
}

/* NULL when the pool stops and nothing is left. */
static struct work *
take(struct work_pool *p)
{
	struct work *w;

	pthread_mutex_lock(&p->lock);
	while (!p->first && !p->stopping)
		pthread_cond_wait(&p->wake, &p->lock);
	w = p->first;
	if (w) {
		p->first = w->next;
		if (!p->first)
			p->last = &p->first;
	}
	pthread_mutex_unlock(&p->lock);
	return w;
}

static void *
thread_main(void *arg)
{
	struct work *w;

	while ((w = take(arg)))
		run(w);
	return NULL;
}

/* Signals are the loop's: the threads start with all of them blocked. */
static void
start_threads(struct work_pool *p, unsigned count)
{
	sigset_t all, before;
	int errnum = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (p->thread_count < count && !errnum) {
		errnum = pthread_create(&p->threads[p->thread_count], NULL,
					thread_main, p);
		if (!errnum)
			pthread_setname_np(p->threads[p->thread_count++],
					   "work");
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* A smaller pool is slower; without any thread nothing would end. */
	if (p->thread_count == 0) {
		fprintf(stderr, "sluice: pthread_create: %s\n",
			strerror(errnum));
		abort();
	}
}

struct work_pool *
work_pool_new(struct loop *loop, unsigned threads)
{
	struct work_pool *p = mem_alloc(sizeof(*p));

	if (threads == 0)
		threads = 1;
	p->loop = loop;
	p->last = &p->first;
	p->threads = mem_array(threads, sizeof(*p->threads));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	start_threads(p, threads);
	return p;
}

void
work_pool_free(struct work_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->thread_count; i++)
		pthread_join(p->threads[i], NULL);
	while (work_pool_pending(p) > 0)
		loop_flush(p->loop);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
}

void
work_submit(struct work_pool *p, struct work *w)
{
	bool stopping;

	w->pool = p;
	w->next = NULL;
	atomic_fetch_add(&p->pending, 1);
	pthread_mutex_lock(&p->lock);
	stopping = p->stopping;
	if (!stopping) {
		*p->last = w;
		p->last = &w->next;
		pthread_cond_signal(&p->wake);
	}
	pthread_mutex_unlock(&p->lock);
	/* While the pool ends, a `done` may submit: its threads are gone. */
	if (stopping)
		run(w);
}

unsigned
work_pool_pending(const struct work_pool *p)
{
	return atomic_load(&p->pending);
}
