/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/transfer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ftpd/handler.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define CONNECT_MS 30000 /* for the data connection and its handshake */

static const char *
state_name(enum transfer_state state)
{
	static const char *const names[] = { "opening", "connecting", "moving",
					     "looking", "closing" };

	return names[state];
}

void
transfer_enter(struct transfer *t, enum transfer_state state)
{
	log_debug("ftpd", session_id(t->control->session), t->ops->event,
		  KV_S("from", state_name(t->state)),
		  KV_S("to", state_name(state)));
	t->state = state;
}

bool
transfer_allowed(struct control *c)
{
	const struct ftpd_config *cfg = c->ftpd->config;

	if (!c->data || c->gone)
		control_reply(c, 425, "Use PASV, EPSV, PORT or EPRT first.");
	else if (cfg->data_tls_required && c->ssl && !c->protect)
		/* RFC 4217 section 10 */
		control_reply(
			c, 521,
			"Data connections must be encrypted: use PROT P.");
	else
		return true;
	return false;
}

static void
transfer_timer(void *arg)
{
	struct transfer *t = arg;
	const struct ftpd_config *cfg = t->control->ftpd->config;

	switch (t->state) {
	case TRANSFER_CONNECTING:
		t->ops->stop(t, 425, "No data connection came in time.");
		return;
	case TRANSFER_MOVING:
		break;
	case TRANSFER_LOOKING:
		t->ops->look(t);
		return;
	case TRANSFER_OPENING:
	case TRANSFER_CLOSING:
		return;
	}
	if (t->stop_code) {
		t->ops->stop(t, t->stop_code, t->stop_text);
		return;
	}
	if (t->moved == t->seen && !t->ops->waits(t)) {
		t->ops->stop(t, 426, "No data came through for too long.");
		return;
	}
	t->seen = t->moved;
	loop_timer_set(t->timer, cfg->data_timeout_ms);
}

void *
transfer_new(struct control *c, const struct transfer_ops *ops, size_t size)
{
	struct transfer *t = mem_alloc(size);

	t->ops = ops;
	t->control = c;
	t->data = c->data;
	c->data = NULL;
	t->timer = loop_timer_new(c->ftpd->loop, transfer_timer, t);
	t->start_ms = clock_ms();
	str_copy(t->path, sizeof(t->path), c->path);
	c->transfer = t;
	c->busy = true;
	return t;
}

/* FTP has no other way to bind the two connections together. */
static bool
wrong_session(const struct transfer *t)
{
	const struct control *c = t->control;

	return c->ftpd->config->require_session_reuse && data_secure(t->data) &&
	       !ftp_tls_resumed(data_ssl(t->data));
}

static void
transfer_secured(const struct transfer *t)
{
	const struct control *c = t->control;
	bool tls = data_secure(t->data);
	bool resumed = tls && ftp_tls_resumed(data_ssl(t->data));

	log_debug("ftpd", session_id(c->session), "data", KV_I("tls", tls),
		  KV_I("resumed", resumed));
	if (resumed)
		ftp_tls_refill(c->ssl);
}

static void
transfer_ready(void *arg, enum err err, const char *why)
{
	struct transfer *t = arg;

	if (err) {
		t->ops->stop(t, 425, why);
	} else if (wrong_session(t)) {
		t->ops->stop(t, 522,
			     "The control connection's TLS session must be "
			     "resumed.");
	} else {
		transfer_secured(t);
		transfer_enter(t, TRANSFER_MOVING);
		loop_timer_set(t->timer,
			       t->control->ftpd->config->data_timeout_ms);
		t->ops->begin(t);
	}
}

void
transfer_connect(struct transfer *t, const char *fmt, ...)
{
	struct control *c = t->control;
	char text[512];
	va_list ap;
	struct ssl_st *ssl = NULL;

	if (c->protect) {
		ssl = ftp_tls_new_data(c->ftpd->tls, c->tls_id);
		if (!ssl) {
			t->ops->stop(t, 425, "Out of resources.");
			return;
		}
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	control_reply(c, 150, "%s", text);
	transfer_enter(t, TRANSFER_CONNECTING);
	loop_timer_set(t->timer, CONNECT_MS);
	data_start(t->data, ssl, transfer_ready, t);
}

void
transfer_stopped(struct transfer *t, int code, const char *why)
{
	if (t->stop_code)
		return;
	t->stop_code = code;
	str_copy(t->stop_text, sizeof(t->stop_text), why);
}

static void
transfer_free(struct transfer *t)
{
	t->ops->clear(t);
	data_free(t->data);
	loop_timer_free(t->timer);
	free(t);
}

void
transfer_drop(struct transfer *t)
{
	if (!t)
		return;
	t->control->transfer = NULL;
	transfer_free(t);
}

/* The data connection is closed before the reply: clients wait for either. */
void
transfer_end(struct transfer *t, int code, const char *fmt, ...)
{
	struct control *c = t->control;
	bool aborted = t->aborted;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	LOG_AT(code >= 400 ? t->ops->failure : t->ops->success, "ftpd",
	       session_id(c->session), t->ops->event, KV_S("path", t->path),
	       KV_U("bytes", t->moved), KV_U("ms", clock_ms() - t->start_ms),
	       KV_I("code", code), KV_S("text", text));
	transfer_drop(t);
	control_reply(c, code, "%s", text);
	if (aborted)
		control_reply(c, 226, "ABOR done.");
	control_done(c);
}

void
transfer_control_lost(struct transfer *t)
{
	t->ops->lost(t);
}

/*
 * RFC 959 section 4.1.3: 426 for the transfer, then 226 for ABOR. What is on
 * its way into the store can no longer be called back: its own reply comes
 * first then.
 */
void
handle_abor(struct control *c, const char *arg)
{
	struct transfer *t = c->transfer;

	(void)arg;
	if (!t) {
		data_free(c->data);
		c->data = NULL;
		control_reply(c, 226, "Nothing to abort.");
		return;
	}
	t->aborted = true;
	if (t->state != TRANSFER_CLOSING)
		t->ops->abort(t);
}
