/* SPDX-License-Identifier: Apache-2.0 */
/* USER, PASS, and the security extensions (RFC 2228, RFC 4217). */
#include <string.h>
#include <strings.h>

#include "ftpd/handler.h"
#include "ftpd/listing.h"
#include "lib/log.h"
#include "lib/mem.h"

#define WELCOME_MAX 32768 /* bytes; each line break takes six */

/* The user goes, the connection stays. False when it has to go too. */
static bool
log_out(struct control *c)
{
	struct session *s;

	if (session_new(&s, c->ftpd->bridge, session_protocol(c->session),
			(const struct sockaddr *)&c->peer) != ERR_OK) {
		control_bye(c, 421, "Not available, try again later.");
		return false;
	}
	session_free(c->session);
	c->session = s;
	control_begin(c);
	return true;
}

/* Another user may come at any time (RFC 959 section 4.1.1). */
void
handle_user(struct control *c, const char *arg)
{
	if (c->logged_in && !log_out(c))
		return;
	if (c->ftpd->config->tls == FTPD_TLS_REQUIRED && !c->ssl) {
		control_reply(c, 530,
			      "Use AUTH TLS first: log-ins must be "
			      "encrypted here.");
	} else if (str_copy(c->user, sizeof(c->user), arg) != 0) {
		c->user[0] = '\0';
		control_reply(c, 501, "The name is too long.");
	} else {
		control_reply(c, 331, "Now the password.");
	}
}

static void
refused(struct control *c, enum err err)
{
	const struct ftpd_config *cfg = c->ftpd->config;

	c->user[0] = '\0';
	if (++c->failures >= cfg->max_auth_tries) {
		control_bye(c, 421, "Too many failed log-ins.");
		return;
	}
	if (err == ERR_QUOTA)
		control_reply(c, 530, "This user has too many sessions.");
	else if (err == ERR_DENIED)
		control_reply(c, 530, "Name or password are wrong.");
	else
		control_reply(c, 530, "Log-in is not possible now.");
}

/* A reply of as many lines as the message has, and one. */
static void
welcome(struct control *c)
{
	const char *s = c->ftpd->config->motd;
	struct buf b;
	size_t n;

	buf_init(&b, WELCOME_MAX);
	while (s && *s) {
		n = strcspn(s, "\r\n");
		buf_printf(&b, "230-%.*s\r\n", (int)n, s);
		s += n;
		s += *s == '\r';
		s += *s == '\n';
	}
	buf_add_text(&b, "230 Logged in.\r\n");
	control_send(c, &b);
	buf_free(&b);
}

static void
logged_in(void *arg, enum err err)
{
	struct control *c = arg;

	if (err) {
		refused(c, err);
	} else {
		c->logged_in = true;
		welcome(c);
	}
	control_done(c);
}

void
handle_pass(struct control *c, const char *arg)
{
	if (c->logged_in) {
		control_reply(c, 503, "You are logged in already.");
		return;
	}
	if (c->user[0] == '\0') {
		control_reply(c, 503, "USER comes first.");
		return;
	}
	c->busy = true;
	session_login_password(c->session, c->user, arg, logged_in, c);
}

/*
 * RFC 959 section 4.1.1: all is as it was when the client had just come. Over
 * TLS the control connection would have to go on in the clear (RFC 4217
 * section 11), which nobody should want.
 */
void
handle_rein(struct control *c, const char *arg)
{
	(void)arg;
	if (c->ssl) {
		control_reply(c, 502, "Not over TLS: connect anew.");
		return;
	}
	if (!log_out(c))
		return;
	c->ascii = c->pings = false;
	c->facts = FACT_ALL;
	control_reply(c, 220, "%s", c->ftpd->config->banner);
}

void
handle_auth(struct control *c, const char *arg)
{
	if (!c->ftpd->tls) {
		control_reply(c, 502, "TLS is not offered here.");
	} else if (c->ssl || c->logged_in) {
		control_reply(c, 503, "Too late for AUTH.");
	} else if (strcasecmp(arg, "TLS") != 0 &&
		   strcasecmp(arg, "TLS-C") != 0 &&
		   strcasecmp(arg, "TLS-P") != 0 &&
		   strcasecmp(arg, "SSL") != 0) {
		control_reply(c, 504, "AUTH TLS is what is offered.");
	} else {
		/* Names and offsets from before are not to be trusted. */
		c->user[0] = '\0';
		c->busy = c->upgrading = true;
		control_reply(c, 234, "Go ahead with TLS.");
	}
}

void
handle_pbsz(struct control *c, const char *arg)
{
	if (!c->ssl) {
		control_reply(c, 503, "AUTH TLS comes first.");
		return;
	}
	c->pbsz = true;
	/* RFC 4217 section 8: 0 is the only size there is. */
	if (strcmp(arg, "0") == 0)
		control_reply(c, 200, "PBSZ=0");
	else
		control_reply(c, 200, "PBSZ=0 is taken instead.");
}

void
handle_prot(struct control *c, const char *arg)
{
	bool p = strcasecmp(arg, "P") == 0;

	if (!c->ssl || !c->pbsz) {
		control_reply(c, 503, "AUTH TLS and PBSZ come first.");
	} else if (p) {
		c->protect = true;
		control_reply(c, 200, "Data connections will be encrypted.");
	} else if (strcasecmp(arg, "C") != 0) {
		control_reply(c, 536, "PROT P is what is offered.");
	} else if (c->ftpd->config->data_tls_required) {
		control_reply(c, 534,
			      "Data connections must be encrypted "
			      "here.");
	} else {
		c->protect = false;
		control_reply(c, 200, "Data connections will be plain.");
	}
}
