/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/auth.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdlib.h>
#include <string.h>

#include "auth/ssh_cert.h"
#include "bridge/session.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sftpd/channel.h"
#include "sftpd/conn.h"

/* A client with many keys asks about each: that is not guessing. */
#define PROBES_PER_TRY 4

#define KEY_BASE64_MAX (KEY_BLOB_MAX / 3 * 4)

#define METHODS                                                 \
	(SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_PUBLICKEY | \
	 SSH_AUTH_METHOD_INTERACTIVE)

static void
drop_key(struct auth_state *a)
{
	free(a->key);
	a->key = NULL;
	a->key_len = 0;
}

void
auth_free(struct auth_state *a)
{
	if (a->pending != NULL)
		ssh_message_free(a->pending);
	a->pending = NULL;
	if (a->spare != NULL)
		ssh_message_free(a->spare);
	a->spare = NULL;
	free(a->name);
	a->name = NULL;
	drop_key(a);
}

static void
count_failure(struct conn *c)
{
	struct auth_state *a = &c->auth;
	const unsigned max = c->d->config->max_auth_tries;

	if (a->key != NULL && !a->verified)
		a->probes++;
	else
		a->failures++;
	if (a->failures >= max || a->probes >= max * PROBES_PER_TRY)
		conn_end(c, "too many failed log-ins");
}

static void
log_in(struct conn *c, ssh_message m)
{
	ssh_message_auth_reply_success(m, 0);
	c->auth.done = true;
	chan_accept_on(c);
}

/* The answer to the pending attempt. */
static void
login_done(void *arg, enum err err)
{
	struct conn *c = arg;
	struct auth_state *a = &c->auth;
	ssh_message m = a->pending;

	a->pending = NULL;
	if (err != ERR_OK) {
		ssh_message_reply_default(m);
		count_failure(c);
	} else if (a->key != NULL && !a->verified) {
		ssh_message_auth_reply_pk_ok_simple(m);
	} else {
		log_in(c, m);
	}
	ssh_message_free(m);
	drop_key(a);
	conn_go(c, STOP_LOGIN);
}

/* Any request will do to say no by; most clients begin with one. */
static void
refuse(struct conn *c, ssh_message m)
{
	ssh_message_reply_default(m);
	if (c->auth.spare == NULL && ssh_message_type(m) == SSH_REQUEST_AUTH)
		c->auth.spare = m;
	else
		ssh_message_free(m);
}

/* A request that libssh could not read, or whose signature is wrong. */
static void
refuse_dropped(struct conn *c)
{
	log_debug("sftpd", session_id(c->session), "bad_signature");
	c->auth.failures++;
	if (c->auth.failures >= c->d->config->max_auth_tries)
		conn_end(c, "too many failed log-ins");
	else if (c->auth.spare != NULL)
		ssh_message_reply_default(c->auth.spare);
	else
		conn_end(c, "a key or its signature is not valid here");
}

static void
wait_for_answer(struct conn *c, ssh_message m)
{
	c->auth.pending = m;
	conn_stop(c, STOP_LOGIN);
}

/*
 * libssh marks the getters of messages as deprecated in favour of callbacks
 * that must answer at once, which a check in the pool cannot.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static const char *
message_password(ssh_message m)
{
	return ssh_message_auth_password(m);
}

static ssh_key
message_key(ssh_message m)
{
	return ssh_message_auth_pubkey(m);
}

static int
message_key_state(ssh_message m)
{
	return ssh_message_auth_publickey_state(m);
}

#pragma GCC diagnostic pop

static void
on_password(struct conn *c, ssh_message m)
{
	const char *user = ssh_message_auth_user(m);
	const char *password = message_password(m);

	if (user == NULL || password == NULL) {
		refuse(c, m);
		return;
	}
	wait_for_answer(c, m);
	session_login_password(c->session, user, password, login_done, c);
}

/*
 * The key, or the certificate, in wire format into a->key. libssh has checked
 * the signature by the key in a certificate, and nothing else about it.
 */
static bool
take_key(struct auth_state *a, ssh_key key)
{
	char *text = NULL;
	size_t n;
	long len;

	if (key == NULL)
		return false;
	if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
		return false;
	n = strlen(text);
	if (n > KEY_BASE64_MAX) {
		ssh_string_free_char(text);
		return false;
	}
	a->key = mem_alloc(3 * (n / 4) + 3);
	len = base64_decode(text, n, a->key);
	ssh_string_free_char(text);
	if (len <= 0) {
		drop_key(a);
		return false;
	}
	a->key_len = (size_t)len;
	return true;
}

/* What a security key has signed besides. */
static void
read_flags(struct auth_state *a, struct auth_key *key)
{
	struct ssh_cert cert;

	if (!ssh_cert_is(key->blob, key->len)) {
		key->sk_known = auth_watch_flags(&a->watch, key->blob, key->len,
						 &key->sk_flags);
		return;
	}
	if (ssh_cert_parse(&cert, key->blob, key->len))
		key->sk_known = auth_watch_flags(&a->watch, cert.key,
						 cert.key_len, &key->sk_flags);
	ssh_cert_free(&cert);
}

static void
on_publickey(struct conn *c, ssh_message m)
{
	struct auth_state *a = &c->auth;
	const char *user = ssh_message_auth_user(m);
	const int state = message_key_state(m);
	struct auth_key key = { 0 };

	if (user == NULL ||
	    (state != SSH_PUBLICKEY_STATE_NONE &&
	     state != SSH_PUBLICKEY_STATE_VALID) ||
	    !take_key(a, message_key(m))) {
		a->failures++;
		refuse(c, m);
		return;
	}
	a->verified = state == SSH_PUBLICKEY_STATE_VALID;
	key.blob = a->key;
	key.len = a->key_len;
	if (a->verified)
		read_flags(a, &key);
	wait_for_answer(c, m);
	session_login_pubkey(c->session, user, &key, a->verified, login_done,
			     c);
}

static void
on_interactive(struct conn *c, ssh_message m)
{
	struct auth_state *a = &c->auth;
	const char *prompts[] = { "Password: " };
	char echo[] = { 0 };
	const char *answer;

	if (!ssh_message_auth_kbdint_is_response(m)) {
		const char *user = ssh_message_auth_user(m);

		free(a->name);
		a->name = mem_strdup(user == NULL ? "" : user);
		ssh_message_auth_interactive_request(m, "", "", 1, prompts,
						     echo);
		ssh_message_free(m);
		return;
	}
	answer = a->name == NULL || ssh_userauth_kbdint_getnanswers(c->ssh) != 1
			 ? NULL
			 : ssh_userauth_kbdint_getanswer(c->ssh, 0);
	if (answer == NULL) {
		a->failures++;
		refuse(c, m);
		return;
	}
	wait_for_answer(c, m);
	session_login_password(c->session, a->name, answer, login_done, c);
}

static void
on_attempt(struct conn *c, ssh_message m)
{
	switch (ssh_message_subtype(m)) {
	case SSH_AUTH_METHOD_PASSWORD:
		on_password(c, m);
		break;
	case SSH_AUTH_METHOD_PUBLICKEY:
		on_publickey(c, m);
		break;
	case SSH_AUTH_METHOD_INTERACTIVE:
		on_interactive(c, m);
		break;
	case SSH_AUTH_METHOD_NONE: /* asks which methods there are */
		refuse(c, m);
		break;
	default:
		c->auth.failures++;
		refuse(c, m);
	}
	if (c->auth.failures >= c->d->config->max_auth_tries)
		conn_end(c, "too many failed log-ins");
}

static void
send_banner(struct conn *c)
{
	const char *text = c->d->config->banner;
	ssh_string s;

	if (text == NULL || c->auth.welcomed)
		return;
	c->auth.welcomed = true;
	s = ssh_string_from_char(text);
	if (s != NULL)
		ssh_send_issue_banner(c->ssh, s);
	ssh_string_free(s);
}

static void
on_service(struct conn *c, ssh_message m)
{
	const char *service = ssh_message_service_service(m);

	if (service != NULL && strcmp(service, "ssh-userauth") == 0) {
		ssh_message_service_reply_success(m);
		ssh_set_auth_methods(c->ssh, METHODS);
		send_banner(c);
		ssh_message_free(m);
		return;
	}
	refuse(c, m);
}

static void
on_message(struct conn *c, ssh_message m)
{
	/* RFC 4252 section 5.1: attempts after success are ignored. */
	if (c->auth.done) {
		ssh_message_free(m);
		return;
	}
	switch (ssh_message_type(m)) {
	case SSH_REQUEST_AUTH:
		if (!ssh_message_auth_kbdint_is_response(m))
			auth_watch_message(&c->auth.watch);
		on_attempt(c, m);
		break;
	case SSH_REQUEST_SERVICE:
		on_service(c, m);
		break;
	default:
		refuse(c, m);
	}
}

void
auth_run(struct conn *c)
{
	struct auth_state *a = &c->auth;
	ssh_message m;

	while (a->pending == NULL && c->ending == NULL) {
		m = ssh_message_get(c->ssh);
		if (m != NULL)
			on_message(c, m);
		else if (auth_watch_dropped(&a->watch))
			refuse_dropped(c);
		else
			return;
	}
}
