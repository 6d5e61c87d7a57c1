/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/master_private.h"
#include "daemon/notify.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PART "master"

static struct listener *
listener_kept(const struct serving *now, const struct listener_spec *spec,
	      size_t *from)
{
	size_t i;

	for (i = *from; i < now->nlisteners; i++) {
		if (listener_matches(now->listeners[i], spec)) {
			*from = i + 1;
			return now->listeners[i];
		}
	}
	return NULL;
}

/* One spec may stand for several sockets ("*"). */
static enum err
spec_open(struct serving *out, const struct serving *now,
	  const struct listener_spec *spec)
{
	size_t from = 0, before = out->nlisteners;
	struct listener *l;

	while ((l = listener_kept(now, spec, &from)) &&
	       out->nlisteners < LISTENERS_MAX)
		out->listeners[out->nlisteners++] = l;
	if (out->nlisteners > before)
		return ERR_OK;
	return listener_open(spec, out->listeners, &out->nlisteners,
			     LISTENERS_MAX);
}

enum err
serving_open(struct serving *out, struct master *m, struct settings *s)
{
	enum err err = ERR_OK;
	size_t i;

	memset(out, 0, sizeof(*out));
	out->settings = settings_ref(s);
	for (i = 0; i < s->nlisten && !err; i++)
		err = spec_open(out, &m->now, &s->listen[i]);
	if (err)
		serving_close(out, &m->now);
	return err;
}

static bool
has(const struct serving *s, const struct listener *l)
{
	size_t i;

	for (i = 0; s && i < s->nlisteners; i++) {
		if (s->listeners[i] == l)
			return true;
	}
	return false;
}

void
serving_close(struct serving *s, const struct serving *kept)
{
	size_t i;

	for (i = 0; i < s->nlisteners; i++) {
		if (!has(kept, s->listeners[i]))
			listener_close(s->listeners[i]);
	}
	settings_unref(s->settings);
	memset(s, 0, sizeof(*s));
}

void
serving_unlisten(struct serving *s)
{
	size_t i;

	for (i = 0; i < s->nlisteners; i++)
		listener_close(s->listeners[i]);
	s->nlisteners = 0;
}

static void
in_check_child(void *arg)
{
	struct master *m = arg;

	ctlsocket_abandon(m->control);
	children_abandon(m->children, NULL);
	close(m->signal_fd);
	children_signals_reset();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void
answer(struct bringup *up, enum err err, const char *why)
{
	if (up->client)
		ctlsocket_answer(up->client, err, why);
	up->client = NULL;
}

void
bringup_fail(struct master *m, enum err err, const char *why)
{
	struct bringup *up = &m->up;

	if (up->step == BRINGUP_NONE)
		return;
	log_error(PART, NULL,
		  m->now.generation ? "reload_failed" : "start_failed",
		  KV_S("why", why));
	storecheck_stop(&up->check);
	children_drop(m->children, up->next.generation);
	serving_close(&up->next, &m->now);
	up->step = BRINGUP_NONE;
	answer(up, err, why);
	if (m->now.generation == 0) {
		m->code = 1;
		master_enter(m, MASTER_STOPPING);
	} else if (m->state == MASTER_RELOADING) {
		master_enter(m, MASTER_RUNNING);
		notify_ready();
	}
}

void
bringup_start(struct master *m, struct ctlsocket_client *client)
{
	struct bringup *up = &m->up;

	up->client = client;
	up->next.generation = ++m->generation;
	up->step = BRINGUP_STORES;
	if (storecheck_start(&up->check, up->next.settings, in_check_child,
			     m) != ERR_OK)
		bringup_fail(m, ERR_IO, "the stores could not be asked");
}

static void
courier_start(struct master *m)
{
	struct bringup *up = &m->up;

	up->step = BRINGUP_COURIER;
	if (children_start(m->children, CHILD_COURIER, up->next.settings,
			   up->next.generation) != ERR_OK)
		bringup_fail(m, ERR_IO, "the courier could not be started");
}

static void
stores_asked(struct master *m)
{
	struct bringup *up = &m->up;

	if (!storecheck_log(&up->check)) {
		bringup_fail(m, ERR_INVALID,
			     "a store cannot be used (see the log)");
		return;
	}
	memcpy(up->next.stores, up->check.states, sizeof(up->next.stores));
	up->next.nstores = up->check.n;
	courier_start(m);
}

static void
workers_start(struct master *m)
{
	struct bringup *up = &m->up;
	unsigned i;

	up->step = BRINGUP_WORKERS;
	ledger_set_limits(m->ledger, &up->next.settings->limits);
	for (i = 0; i < up->next.settings->workers; i++) {
		if (children_start(m->children, CHILD_WORKER, up->next.settings,
				   up->next.generation) != ERR_OK) {
			/* Workers that leave slowly may hold their slots. */
			children_order(m->children, CHILD_WORKER,
				       m->now.generation, CHILD_DRAIN,
				       up->next.settings->drain_timeout_ms);
			bringup_fail(m, ERR_TOO_LARGE,
				     "a worker could not be started");
			return;
		}
	}
}

static void
log_listening(const struct serving *s)
{
	size_t i;

	for (i = 0; i < s->nlisteners; i++)
		log_info(PART, NULL, "listening",
			 KV_S("protocol",
			      listener_protocol_name(
				      listener_protocol(s->listeners[i]))),
			 KV_S("address", listener_address(s->listeners[i])));
}

static void
bringup_done(struct master *m)
{
	struct bringup *up = &m->up;
	struct settings *s = up->next.settings;
	bool first = m->now.generation == 0;

	children_order(m->children, CHILD_WORKER, up->next.generation,
		       CHILD_RETIRE, s->reload_timeout_ms);
	children_order(m->children, CHILD_COURIER, up->next.generation,
		       CHILD_DRAIN, COURIER_END_MS);
	serving_close(&m->now, &up->next);
	m->now = up->next;
	memset(&up->next, 0, sizeof(up->next));
	up->step = BRINGUP_NONE;
	if (!first)
		log_open("sluiced", s->log_target, s->log_level);
	log_listening(&m->now);
	log_info(PART, NULL, first ? "ready" : "reloaded",
		 KV_U("generation", m->now.generation),
		 KV_U("workers", s->workers));
	master_enter(m, MASTER_RUNNING);
	notify_ready();
	answer(up, ERR_OK, NULL);
}

void
bringup_tick(struct master *m)
{
	struct bringup *up = &m->up;
	unsigned gen = up->next.generation;

	if (up->step == BRINGUP_STORES && storecheck_read(&up->check))
		stores_asked(m);
	if (up->step == BRINGUP_COURIER &&
	    children_ready(m->children, CHILD_COURIER, gen) == 1)
		workers_start(m);
	if (up->step == BRINGUP_WORKERS &&
	    children_ready(m->children, CHILD_WORKER, gen) ==
		    up->next.settings->workers)
		bringup_done(m);
	if (up->step == BRINGUP_NONE && m->reload_again &&
	    m->state == MASTER_RUNNING) {
		m->reload_again = false;
		master_reload(m, NULL);
	}
}

enum err
master_secrets(struct settings *s, unsigned which)
{
	bool ftp = settings_listens(s, LISTENER_FTP) ||
		   settings_listens(s, LISTENER_FTPS);
	bool http = settings_listens(s, LISTENER_HTTP) ||
		    settings_listens(s, LISTENER_HTTPS);
	enum err err = ERR_OK;

	if (settings_listens(s, LISTENER_SFTP) &&
	    (which & (s->sftp.make_host_keys ? SECRETS_MADE : SECRETS_FOUND)))
		err = sftpd_keys_load(&s->sftp);
	if (!err && ftp &&
	    (which & (s->ftp.make_certificate ? SECRETS_MADE : SECRETS_FOUND)))
		err = ftpd_certificate(&s->ftp);
	if (!err && http && which & SECRETS_FOUND)
		err = httpd_certificate(&s->http);
	return err;
}

static void
on_complaint(void *arg, const char *text)
{
	(void)arg;
	log_error(PART, NULL, "config", KV_S("complaint", text));
}

static void
reload_refused(struct master *m, struct ctlsocket_client *client,
	       const char *why)
{
	log_error(PART, NULL, "reload_failed", KV_S("why", why));
	master_enter(m, MASTER_RUNNING);
	notify_ready();
	if (client)
		ctlsocket_answer(client, ERR_INVALID, why);
}

/* ERR_OK: *out may be served with. *why says what is wrong otherwise. */
static enum err
reload_read(struct master *m, struct settings **out, const char **why)
{
	struct settings *s;
	const char *fixed;

	*why = "the configuration is not valid (see the log)";
	if (settings_load(&s, m->now.settings->path, on_complaint, NULL) !=
	    ERR_OK)
		return ERR_INVALID;
	fixed = settings_fixed_change(m->now.settings, s);
	if (fixed) {
		log_error(PART, NULL, "needs_restart", KV_S("key", fixed));
		*why = "a key changed that needs a restart (see the log)";
	} else if (master_secrets(s, SECRETS_FOUND | SECRETS_MADE) != ERR_OK) {
		*why = "host keys or certificate cannot be used (see the log)";
	} else {
		*out = s;
		return ERR_OK;
	}
	settings_unref(s);
	return ERR_INVALID;
}

void
master_reload(struct master *m, struct ctlsocket_client *client)
{
	struct settings *s;
	const char *why;

	if (m->state != MASTER_RUNNING) {
		m->reload_again = m->state == MASTER_RELOADING;
		if (client)
			ctlsocket_answer(client, ERR_AGAIN,
					 "it is not running or reloading");
		return;
	}
	master_enter(m, MASTER_RELOADING);
	notify_reloading();
	if (reload_read(m, &s, &why) != ERR_OK) {
		reload_refused(m, client, why);
		return;
	}
	if (serving_open(&m->up.next, m, s) == ERR_OK)
		bringup_start(m, client);
	else
		reload_refused(m, client,
			       "an address cannot be listened on (see the "
			       "log)");
	settings_unref(s);
}
