/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/server.h"

#include <event2/event.h>
#include <libssh/libssh.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utlist.h>

#include "bridge/session.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "sftpd/algorithms.h"
#include "sftpd/auth_watch.h"
#include "sftpd/conn.h"
#include "sftpd/gcm.h"

static enum err
set_option(struct sftpd *d, enum ssh_bind_options_e option, const char *name,
	   const void *value)
{
	if (ssh_bind_options_set(d->bind, option, value) == 0)
		return ERR_OK;
	log_error("sftpd", NULL, "bad_setting", KV_S("setting", name),
		  KV_S("why", ssh_get_error(d->bind)));
	return ERR_INVALID;
}

static enum err
set_algorithms(struct sftpd *d)
{
	const struct sftpd_config *c = d->config;
	bool gcm;
	enum err err = gcm_offered(c->gcm, &gcm);
	char *ciphers = algorithms_ciphers(c->ciphers, gcm);
	const struct {
		enum ssh_bind_options_e option;
		const char *name, *value;
	} lists[] = {
		{ SSH_BIND_OPTIONS_BANNER, "software", c->software },
		{ SSH_BIND_OPTIONS_CIPHERS_C_S, "ciphers", ciphers },
		{ SSH_BIND_OPTIONS_CIPHERS_S_C, "ciphers", ciphers },
		{ SSH_BIND_OPTIONS_KEY_EXCHANGE, "kex", c->kex },
		{ SSH_BIND_OPTIONS_HMAC_C_S, "macs", c->macs },
		{ SSH_BIND_OPTIONS_HMAC_S_C, "macs", c->macs },
		{ SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, "host_algorithms",
		  c->host_algorithms },
		{ SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, "key_algorithms",
		  c->key_algorithms },
	};
	size_t i;

	for (i = 0; err == ERR_OK && i < sizeof(lists) / sizeof(lists[0]); i++)
		err = set_option(d, lists[i].option, lists[i].name,
				 lists[i].value);
	free(ciphers);
	return err;
}

static enum err
set_keys(struct sftpd *d)
{
	enum err err = sftpd_keys_load(d->config);
	ssh_key *key, copy;

	for (key = d->config->host_keys; err == ERR_OK && *key != NULL; key++) {
		copy = ssh_key_dup(*key); /* the bind takes ownership */
		if (copy == NULL)
			return ERR_IO;
		err = set_option(d, SSH_BIND_OPTIONS_IMPORT_KEY, "host_key",
				 copy);
	}
	return err;
}

static enum err
make_bind(struct sftpd *d)
{
	const bool no_file = false;
	enum err err;

	d->bind = ssh_bind_new();
	if (d->bind == NULL)
		return ERR_IO;
	/* First: else /etc/ssh/libssh_server_config is read. */
	err = set_option(d, SSH_BIND_OPTIONS_PROCESS_CONFIG, "", &no_file);
	if (err == ERR_OK)
		err = set_keys(d);
	if (err == ERR_OK)
		err = set_algorithms(d);
	return err;
}

/* Address space only: libssh is asked for this much and has far less. */
static enum err
make_scratch(struct sftpd *d)
{
	void *p = mmap(NULL, d->config->window, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return ERR_NO_SPACE;
	d->scratch = p;
	return ERR_OK;
}

static void
on_drained(evutil_socket_t fd, short what, void *arg)
{
	struct sftpd *d = arg;

	(void)fd;
	(void)what;
	d->drained(d->drained_arg);
}

enum err
sftpd_open(struct sftpd **out, struct sftpd_config *config, struct bridge *b)
{
	struct sftpd *d = mem_alloc(sizeof(*d));
	enum err err;

	d->config = config;
	d->bridge = b;
	d->drained_event = event_new(loop_base(b->loop), -1, 0, on_drained, d);
	d->window_trick = ssh_version(SSH_VERSION_INT(0, 11, 0)) == NULL;
	auth_watch_start();
	err = make_scratch(d);
	if (err == ERR_OK)
		err = make_bind(d);
	if (err != ERR_OK) {
		sftpd_close(d);
		return err;
	}
	*out = d;
	return ERR_OK;
}

void
sftpd_accept(struct sftpd *d, int fd, const struct sockaddr *peer)
{
	struct session *session;
	struct conn *c;
	enum err err;

	err = d->draining ? ERR_CANCELED
			  : session_new(&session, d->bridge, "sftp", peer);
	if (err != ERR_OK) {
		log_debug("sftpd", NULL, "refused", KV_ERR(err));
		close(fd);
		return;
	}
	c = conn_new(d, fd, session);
	if (c == NULL) {
		log_warn("sftpd", session_id(session), "ssh_setup_failed");
		session_free(session);
		return;
	}
	DL_APPEND(d->conns, c);
	d->nconns++;
}

void
sftpd_forget(struct sftpd *d, struct conn *c)
{
	DL_DELETE(d->conns, c);
	d->nconns--;
	if (d->nconns == 0 && d->drained != NULL)
		event_active(d->drained_event, EV_READ, 0);
}

void
sftpd_drain(struct sftpd *d, sftpd_drained_fn *fn, void *arg)
{
	struct conn *c;

	if (d->draining)
		return;
	d->draining = true;
	d->drained = fn;
	d->drained_arg = arg;
	DL_FOREACH (d->conns, c) {
		conn_wake(c);
	}
	if (d->nconns == 0)
		event_active(d->drained_event, EV_READ, 0);
}

unsigned
sftpd_sessions(const struct sftpd *d)
{
	return d->nconns;
}

void
sftpd_close(struct sftpd *d)
{
	struct conn *c, *next;

	if (d == NULL)
		return;
	d->drained = NULL;
	event_free(d->drained_event);
	DL_FOREACH_SAFE (d->conns, c, next) {
		conn_free(c);
	}
	if (d->bind != NULL)
		ssh_bind_free(d->bind);
	if (d->scratch != NULL)
		munmap(d->scratch, d->config->window);
	free(d);
}
