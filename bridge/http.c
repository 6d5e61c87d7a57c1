/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/http.h"

#include <signal.h>
#include <stdlib.h>
#include <utlist.h>

#include "bridge/http_request.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define IDLE_EASY_MAX 16
#define KEPT_CONNECTIONS 64L
#define STALL_SCAN_MS 500
#define IDLE_POLL_MS 60000

struct http {
	struct loop *loop;
	CURLM *multi;
	pthread_t thread;

	/* Taken in this order where both are. */
	pthread_mutex_t reading; /* held while a body is read */
	pthread_mutex_t lock;	 /* for the next paragraph */

	struct http_request *inbox, *done;
	unsigned canceled; /* requests that the thread has yet to drop */
	bool stop;
	bool kicked; /* the kick is posted */

	/* The loop's. */
	struct loop_call kick; /* runs the completions of what is done */
	bool closed, running;

	/* The thread's. */
	struct http_request *waiting; /* for a connection of their host */
	struct http_request *active;
	CURL *idle[IDLE_EASY_MAX];
	unsigned nidle;
	uint64_t scanned_ms;
};

static void
host_unref(struct http_host *host)
{
	struct http *h = host->http;
	bool last;

	pthread_mutex_lock(&h->lock);
	last = --host->refs == 0;
	pthread_mutex_unlock(&h->lock);
	if (!last)
		return;
	free(host->ca_file);
	free(host);
}

static void
drop(struct http_request *r)
{
	struct http_host *host = r->host;

	request_free(r);
	host_unref(host);
}

/* The thread. */

static CURL *
easy_get(struct http *h)
{
	CURL *easy;

	if (h->nidle)
		return h->idle[--h->nidle];
	easy = curl_easy_init();
	if (!easy)
		abort();
	return easy;
}

static void
easy_put(struct http *h, CURL *easy)
{
	if (h->nidle == IDLE_EASY_MAX) {
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	h->idle[h->nidle++] = easy;
}

/* Hands a request back to the loop; one that was cancelled just goes. */
static void
hand_back(struct http *h, struct http_request *r)
{
	bool canceled, kick = false;

	pthread_mutex_lock(&h->lock);
	canceled = r->canceled;
	if (canceled) {
		h->canceled--;
	} else {
		r->state = REQUEST_DONE;
		DL_APPEND(h->done, r);
		kick = !h->kicked;
		h->kicked = true;
	}
	pthread_mutex_unlock(&h->lock);
	if (kick)
		loop_post(h->loop, &h->kick);
	if (canceled)
		drop(r);
}

static void
take_off_curl(struct http *h, struct http_request *r)
{
	DL_DELETE(h->active, r);
	r->host->active--;
	curl_multi_remove_handle(h->multi, r->easy);
}

static void
end_active(struct http *h, struct http_request *r, CURLcode code)
{
	CURL *easy = r->easy;

	take_off_curl(h, r);
	request_finish(r, code);
	easy_put(h, easy);
	hand_back(h, r);
}

static void
end_stalled(struct http *h, struct http_request *r)
{
	CURL *easy = r->easy;

	take_off_curl(h, r);
	request_stalled(r);
	easy_put(h, easy);
	hand_back(h, r);
}

/* A quarter of a host's connections is kept for what is small. */
static bool
may_start(const struct http_request *r)
{
	unsigned limit = r->host->connections;

	if (request_is_bulk(r) && limit > 1)
		limit -= (limit + 3) / 4;
	return r->host->active < limit;
}

static void
start_waiting(struct http *h)
{
	struct http_request *r, *next;

	DL_FOREACH_SAFE (h->waiting, r, next) {
		if (!may_start(r))
			continue;
		DL_DELETE(h->waiting, r);
		DL_APPEND(h->active, r);
		r->host->active++;
		request_prepare(r, easy_get(h));
		if (curl_multi_add_handle(h->multi, r->easy) != CURLM_OK)
			abort();
	}
}

static void
drop_canceled(struct http *h)
{
	struct http_request *r, *next;

	DL_FOREACH_SAFE (h->waiting, r, next) {
		if (!r->canceled)
			continue;
		DL_DELETE(h->waiting, r);
		hand_back(h, r);
	}
	DL_FOREACH_SAFE (h->active, r, next) {
		if (r->canceled)
			end_active(h, r, CURLE_ABORTED_BY_CALLBACK);
	}
}

/* Takes what the loop has for the thread; false when it has to stop. */
static bool
take_inbox(struct http *h)
{
	struct http_request *r, *list;
	unsigned canceled;
	bool stop;

	pthread_mutex_lock(&h->lock);
	list = h->inbox;
	h->inbox = NULL;
	DL_FOREACH (list, r)
		r->state = REQUEST_TAKEN;
	canceled = h->canceled;
	stop = h->stop;
	pthread_mutex_unlock(&h->lock);
	DL_CONCAT(h->waiting, list);
	if (canceled)
		drop_canceled(h);
	return !stop;
}

static void
take_finished(struct http *h)
{
	struct http_request *r;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(h->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &r);
		end_active(h, r, msg->data.result);
	}
}

static void
scan_stalls(struct http *h)
{
	uint64_t now = clock_ms();
	struct http_request *r, *next;

	if (now - h->scanned_ms < STALL_SCAN_MS)
		return;
	h->scanned_ms = now;
	DL_FOREACH_SAFE (h->active, r, next) {
		if (request_check_stall(r, now))
			end_stalled(h, r);
	}
}

static void *
thread_main(void *arg)
{
	struct http *h = arg;
	int running;

	while (take_inbox(h)) {
		start_waiting(h);
		curl_multi_perform(h->multi, &running);
		take_finished(h);
		scan_stalls(h);
		start_waiting(h);
		curl_multi_poll(h->multi, NULL, 0,
				h->active ? STALL_SCAN_MS : IDLE_POLL_MS, NULL);
	}
	return NULL;
}

/* The loop. */

static void
destroy(struct http *h)
{
	pthread_mutex_destroy(&h->lock);
	pthread_mutex_destroy(&h->reading);
	free(h);
}

static struct http_request *
next_done(struct http *h)
{
	struct http_request *r;

	pthread_mutex_lock(&h->lock);
	r = h->done;
	if (r) {
		DL_DELETE(h->done, r);
		r->state = REQUEST_RUNNING;
	} else {
		h->kicked = false;
	}
	pthread_mutex_unlock(&h->lock);
	return r;
}

static void
run_done(void *arg)
{
	struct http *h = arg;
	struct http_request *r;

	h->running = true;
	while (!h->closed && (r = next_done(h))) {
		r->fn(r->arg, &r->reply);
		drop(r);
	}
	h->running = false;
	if (h->closed)
		destroy(h);
}

static void
start_thread(struct http *h)
{
	sigset_t all, old;

	/* Signals are for the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&h->thread, NULL, thread_main, h) != 0)
		abort();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct http *
http_new(struct loop *loop)
{
	struct http *h = mem_alloc(sizeof(*h));

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
	h->loop = loop;
	h->kick.fn = run_done;
	h->kick.arg = h;
	pthread_mutex_init(&h->lock, NULL);
	pthread_mutex_init(&h->reading, NULL);
	h->multi = curl_multi_init();
	if (!h->multi)
		abort();
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	start_thread(h);
	return h;
}

/* What is left was cancelled and not dropped yet. */
static void
drop_rest(struct http *h)
{
	while (h->waiting) {
		struct http_request *r = h->waiting;

		DL_DELETE(h->waiting, r);
		drop(r);
	}
	while (h->active) {
		struct http_request *r = h->active;
		CURL *easy = r->easy;

		take_off_curl(h, r);
		easy_put(h, easy);
		drop(r);
	}
	while (h->nidle)
		curl_easy_cleanup(h->idle[--h->nidle]);
}

void
http_free(struct http *h)
{
	bool kicked;

	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_mutex_unlock(&h->lock);
	curl_multi_wakeup(h->multi);
	pthread_join(h->thread, NULL);
	drop_rest(h);
	curl_multi_cleanup(h->multi);
	curl_global_cleanup();
	h->closed = true;
	kicked = h->kicked;
	if (!kicked && !h->running)
		destroy(h);
}

struct http_host *
http_host_new(struct http *h, const struct http_host_config *cfg)
{
	struct http_host *host = mem_alloc(sizeof(*host));

	host->http = h;
	host->ca_file = mem_strdup(cfg->ca_file);
	host->verify_tls = cfg->verify_tls;
	host->connections = cfg->connections ? cfg->connections : 1;
	host->connect_timeout_ms = cfg->connect_timeout_ms;
	host->stall_timeout_ms = cfg->stall_timeout_ms;
	host->stall_bytes = cfg->stall_bytes;
	host->total_timeout_ms = cfg->total_timeout_ms;
	host->only_public = cfg->only_public;
	host->refs = 1;
	return host;
}

void
http_host_free(struct http_host *host)
{
	if (host)
		host_unref(host);
}

struct http_request *
http_send(struct http_host *host, const struct http_call *call,
	  http_done_fn *fn, void *arg)
{
	struct http_request *r = request_new(host, call);
	struct http *h = host->http;

	r->fn = fn;
	r->arg = arg;
	r->reading = &h->reading;
	pthread_mutex_lock(&h->lock);
	host->refs++;
	DL_APPEND(h->inbox, r);
	pthread_mutex_unlock(&h->lock);
	curl_multi_wakeup(h->multi);
	return r;
}

void
http_cancel(struct http_request *r)
{
	struct http *h;
	enum request_state state;

	if (!r)
		return;
	h = r->host->http;
	pthread_mutex_lock(&h->reading);
	pthread_mutex_lock(&h->lock);
	state = r->state;
	if (state == REQUEST_QUEUED) {
		DL_DELETE(h->inbox, r);
	} else if (state == REQUEST_DONE) {
		DL_DELETE(h->done, r);
	} else if (state == REQUEST_TAKEN) {
		r->canceled = true;
		h->canceled++;
	}
	pthread_mutex_unlock(&h->lock);
	pthread_mutex_unlock(&h->reading);
	if (state == REQUEST_TAKEN)
		curl_multi_wakeup(h->multi);
	else if (state != REQUEST_RUNNING)
		drop(r);
}
