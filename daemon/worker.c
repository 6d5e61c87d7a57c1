/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/worker.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/bridge.h"
#include "bridge/peer.h"
#include "bridge/upload.h"
#include "daemon/acceptor.h"
#include "daemon/lifeline.h"
#include "ftpd/ftpd.h"
#include "httpd/httpd.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "sftpd/sftpd.h"

#define PART "worker"
#define BEAT_MS 1000
#define LEAVE_MS 50 /* how often a draining worker looks for sessions */

enum worker_state {
	WORKER_SERVES,
	WORKER_RETIRES,
	WORKER_DRAINS,
	WORKER_PARKS,
	WORKER_DONE
};

struct worker {
	const struct worker_env *env;
	enum worker_state state;
	struct bridge *bridge;
	struct sftpd *sftpd; /* NULL: not offered, or closed */
	struct ftpd *ftpd;
	struct httpd *httpd;
	struct acceptor *acceptor;
	struct lifeline *line;
	struct loop_timer *beat, *leave;
};

static const char *const state_names[] = { "serves", "retires", "drains",
					   "parks", "done" };

static void
worker_enter(struct worker *w, enum worker_state state)
{
	log_debug(PART, NULL, "state", KV_S("from", state_names[w->state]),
		  KV_S("to", state_names[state]));
	w->state = state;
}

static unsigned
sessions(const struct worker *w)
{
	return (w->sftpd ? sftpd_sessions(w->sftpd) : 0) +
	       (w->ftpd ? ftpd_sessions(w->ftpd) : 0) +
	       (w->httpd ? httpd_sessions(w->httpd) : 0);
}

static unsigned
connections(void *arg)
{
	return sessions(arg);
}

static void
on_accept(void *arg, enum listener_protocol protocol, int fd,
	  const struct sockaddr *peer)
{
	struct worker *w = arg;

	switch (protocol) {
	case LISTENER_SFTP:
		sftpd_accept(w->sftpd, fd, peer);
		break;
	case LISTENER_FTP:
	case LISTENER_FTPS:
		ftpd_accept(w->ftpd, fd, peer, protocol == LISTENER_FTPS);
		break;
	case LISTENER_HTTP:
	case LISTENER_HTTPS:
		httpd_accept(w->httpd, fd, peer, protocol == LISTENER_HTTPS);
		break;
	}
}

static void
on_beat(void *arg)
{
	struct worker *w = arg;

	ledger_beat(w->env->ledger);
	loop_timer_set(w->beat, BEAT_MS);
}

static void
on_peer(void *arg, const char *line, struct peer_request *req)
{
	struct worker *w = arg;

	uploads_serve(w->bridge->uploads, line, req);
}

static void
front_ends_close(struct worker *w)
{
	sftpd_close(w->sftpd);
	w->sftpd = NULL;
	ftpd_close(w->ftpd);
	w->ftpd = NULL;
	httpd_close(w->httpd);
	w->httpd = NULL;
}

static void
on_parked(void *arg)
{
	struct worker *w = arg;

	worker_enter(w, WORKER_DONE);
	loop_stop(w->bridge->loop);
}

static void
worker_park(struct worker *w)
{
	loop_timer_clear(w->leave);
	front_ends_close(w);
	worker_enter(w, WORKER_PARKS);
	uploads_drain(w->bridge->uploads, on_parked, w);
}

static void
on_leave(void *arg)
{
	struct worker *w = arg;

	if (sessions(w) == 0)
		worker_park(w);
	else
		loop_timer_set(w->leave, LEAVE_MS);
}

static void
on_sftp_drained(void *arg)
{
	(void)arg; /* on_leave() looks at all front ends */
}

static void
listeners_close(struct worker *w)
{
	size_t i;

	acceptor_free(w->acceptor);
	w->acceptor = NULL;
	for (i = 0; i < w->env->nlisteners; i++) {
		listener_close(w->env->listeners[i]);
		w->env->listeners[i] = NULL;
	}
}

static void
worker_retire(struct worker *w)
{
	worker_enter(w, WORKER_RETIRES);
	log_info(PART, NULL, "leaves", KV_U("sessions", sessions(w)));
	ledger_set_draining(w->env->ledger, true);
	listeners_close(w);
	on_leave(w);
}

static void
worker_drain(struct worker *w)
{
	worker_enter(w, WORKER_DRAINS);
	if (w->sftpd)
		sftpd_drain(w->sftpd, on_sftp_drained, w);
	if (w->ftpd)
		ftpd_drain(w->ftpd);
	if (w->httpd)
		httpd_drain(w->httpd);
}

static void
on_order(void *arg, enum child_order order)
{
	struct worker *w = arg;

	if (w->state == WORKER_SERVES)
		worker_retire(w);
	if (order >= CHILD_DRAIN && w->state == WORKER_RETIRES)
		worker_drain(w);
	if (order >= CHILD_PARK && w->state == WORKER_DRAINS)
		worker_park(w);
}

static void
stores_tell(struct worker *w)
{
	const struct store_state *s;
	struct store *store;
	size_t i;

	for (i = 0; i < w->env->nstores; i++) {
		s = &w->env->stores[i];
		store = bridge_store(w->bridge, s->name);
		if (store && !s->err)
			store_set_caps(store, &s->caps);
	}
}

static enum err
front_ends_open(struct worker *w)
{
	struct settings *s = w->env->settings;
	enum err err = ERR_OK;

	if (settings_listens(s, LISTENER_SFTP))
		err = sftpd_open(&w->sftpd, &s->sftp, w->bridge);
	if (!err && (settings_listens(s, LISTENER_FTP) ||
		     settings_listens(s, LISTENER_FTPS)))
		err = ftpd_open(&w->ftpd, &s->ftp, w->bridge);
	if (!err && (settings_listens(s, LISTENER_HTTP) ||
		     settings_listens(s, LISTENER_HTTPS)))
		err = httpd_open(&w->httpd, &s->http, w->bridge);
	return err;
}

static enum err
worker_open(struct worker *w)
{
	struct settings *s = w->env->settings;
	enum err err;

	err = bridge_open(&w->bridge, s->conf, &s->bridge, w->env->ledger,
			  s->users_file);
	if (err)
		return err;
	stores_tell(w);
	err = peer_open(&w->bridge->peer, w->bridge->loop, s->bridge.run_dir,
			w->env->slot, on_peer, w);
	if (!err)
		err = front_ends_open(w);
	return err;
}

static void
worker_serve(struct worker *w)
{
	struct acceptor_config cfg = {
		.loop = w->bridge->loop,
		.ledger = w->env->ledger,
		.listeners = w->env->listeners,
		.nlisteners = w->env->nlisteners,
		.connections = connections,
		.connections_max = w->env->settings->connections_max,
	};

	w->line = lifeline_new(w->bridge->loop, w->env->fd, on_order, w);
	w->beat = loop_timer_new(w->bridge->loop, on_beat, w);
	w->leave = loop_timer_new(w->bridge->loop, on_leave, w);
	uploads_recover(w->bridge->uploads);
	w->acceptor = acceptor_new(&cfg, on_accept, w);
	on_beat(w);
	lifeline_ready(w->line);
	loop_run(w->bridge->loop);
}

static void
worker_close(struct worker *w)
{
	listeners_close(w);
	front_ends_close(w);
	loop_timer_free(w->beat);
	loop_timer_free(w->leave);
	lifeline_free(w->line);
	if (w->bridge && w->bridge->peer) {
		peer_close(w->bridge->peer);
		w->bridge->peer = NULL;
	}
	bridge_close(w->bridge);
}

int
worker_run(const struct worker_env *env)
{
	struct worker w = { .env = env };
	enum err err;

	ledger_enter(env->ledger, env->slot, getpid());
	err = worker_open(&w);
	if (err) {
		log_error(PART, NULL, "open", KV_ERR(err));
		_exit(1);
	}
	worker_serve(&w);
	worker_close(&w);
	return 0;
}
