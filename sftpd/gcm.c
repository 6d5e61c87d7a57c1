/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/gcm.h"

#include <event2/util.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"

#define CIPHER "aes128-gcm@openssh.com"
#define PATIENCE_MS 5000u

/* A client and a server, each on a socket pair; we carry the bytes. */
struct trial {
	ssh_bind bind;
	ssh_session client, server;
	ssh_event client_poll, server_poll;
	int client_fd[2], server_fd[2]; /* [0] libssh's, [1] ours */
	bool flip;			/* falsify what the client sends next */
	bool flipped;
	uint64_t deadline;
};

enum verdict { UNKNOWN, TAKEN, REFUSED };

static bool
make_pair(int fd[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		return false;
	evutil_make_socket_nonblocking(fd[0]);
	evutil_make_socket_nonblocking(fd[1]);
	return true;
}

static bool
make_server(struct trial *t)
{
	const bool no_file = false;
	ssh_key key = NULL;

	t->bind = ssh_bind_new();
	t->server = ssh_new();
	if (t->bind == NULL || t->server == NULL ||
	    ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK)
		return false;
	ssh_bind_options_set(t->bind, SSH_BIND_OPTIONS_PROCESS_CONFIG,
			     &no_file);
	ssh_bind_options_set(t->bind, SSH_BIND_OPTIONS_IMPORT_KEY, key);
	ssh_bind_options_set(t->bind, SSH_BIND_OPTIONS_CIPHERS_C_S, CIPHER);
	ssh_bind_options_set(t->bind, SSH_BIND_OPTIONS_CIPHERS_S_C, CIPHER);
	if (ssh_bind_accept_fd(t->bind, t->server, t->server_fd[0]) != SSH_OK)
		return false;
	t->server_fd[0] = -1;
	ssh_set_blocking(t->server, 0);
	if (ssh_handle_key_exchange(t->server) == SSH_ERROR)
		return false;
	t->server_poll = ssh_event_new();
	return t->server_poll != NULL &&
	       ssh_event_add_session(t->server_poll, t->server) == SSH_OK;
}

static bool
make_client(struct trial *t)
{
	const bool no_file = false;

	t->client = ssh_new();
	if (t->client == NULL)
		return false;
	/* Nothing of this is used; it keeps libssh from asking the system. */
	ssh_options_set(t->client, SSH_OPTIONS_PROCESS_CONFIG, &no_file);
	ssh_options_set(t->client, SSH_OPTIONS_SSH_DIR, "/nonexistent");
	ssh_options_set(t->client, SSH_OPTIONS_USER, "self");
	ssh_options_set(t->client, SSH_OPTIONS_HOST, "localhost");
	ssh_options_set(t->client, SSH_OPTIONS_CIPHERS_C_S, CIPHER);
	ssh_options_set(t->client, SSH_OPTIONS_CIPHERS_S_C, CIPHER);
	ssh_options_set(t->client, SSH_OPTIONS_FD, &t->client_fd[0]);
	ssh_set_blocking(t->client, 0);
	return true;
}

static void
carry(struct trial *t, int from, int to, bool flip)
{
	unsigned char data[16384];
	ssize_t n = read(from, data, sizeof(data));

	if (n <= 0)
		return;
	/* The last byte is one of the tag's. */
	if (flip) {
		data[n - 1] ^= 1;
		t->flip = false;
		t->flipped = true;
	}
	if (write(to, data, (size_t)n) != n)
		t->deadline = 0;
}

/* One step of everybody; false when there is no time left. */
static bool
step(struct trial *t)
{
	if (t->client_poll != NULL)
		ssh_event_dopoll(t->client_poll, 0);
	carry(t, t->client_fd[1], t->server_fd[1], t->flip);
	ssh_event_dopoll(t->server_poll, 0);
	carry(t, t->server_fd[1], t->client_fd[1], false);
	return clock_ms() < t->deadline;
}

static bool
server_failed(const struct trial *t)
{
	return ssh_get_status(t->server) & (SSH_CLOSED | SSH_CLOSED_ERROR) ||
	       !ssh_is_connected(t->server);
}

/* Both ends have the keys and use the cipher in question. */
static bool
handshake(struct trial *t)
{
	const char *cipher;
	int rc;

	do {
		rc = ssh_connect(t->client);
		if (rc == SSH_ERROR || !step(t) || server_failed(t))
			return false;
	} while (rc != SSH_OK);
	t->client_poll = ssh_event_new();
	if (t->client_poll == NULL ||
	    ssh_event_add_session(t->client_poll, t->client) != SSH_OK)
		return false;
	do {
		cipher = ssh_get_cipher_in(t->server);
		if (!step(t))
			return false;
	} while (cipher == NULL);
	return strcmp(cipher, CIPHER) == 0;
}

static enum verdict
judge(struct trial *t, bool flip)
{
	ssh_message m;

	t->flip = flip;
	/* Sends a request for the log-in service and waits for no answer. */
	if (ssh_userauth_none(t->client, NULL) == SSH_AUTH_ERROR)
		return UNKNOWN;
	while (step(t)) {
		if (server_failed(t))
			return flip == t->flipped ? REFUSED : UNKNOWN;
		m = ssh_message_get(t->server);
		if (m != NULL) {
			ssh_message_free(m);
			return flip == t->flipped ? TAKEN : UNKNOWN;
		}
	}
	return UNKNOWN;
}

static void
free_side(ssh_session s, ssh_event poll)
{
	if (poll != NULL) {
		ssh_event_remove_session(poll, s);
		ssh_event_free(poll);
	}
	/* ssh_disconnect() would leave the client's descriptor open. */
	if (s != NULL)
		ssh_free(s);
}

static void
close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static enum verdict
trial(bool flip)
{
	struct trial t = { .client_fd = { -1, -1 },
			   .server_fd = { -1, -1 },
			   .deadline = clock_ms() + PATIENCE_MS };
	enum verdict v = UNKNOWN;

	if (make_pair(t.client_fd) && make_pair(t.server_fd) &&
	    make_server(&t) && make_client(&t) && handshake(&t))
		v = judge(&t, flip);
	free_side(t.client, t.client_poll);
	free_side(t.server, t.server_poll);
	if (t.bind != NULL)
		ssh_bind_free(t.bind);
	close_fd(t.client_fd[1]);
	close_fd(t.server_fd[0]);
	close_fd(t.server_fd[1]);
	return v;
}

bool
gcm_works(void)
{
	return trial(false) == TAKEN && trial(true) == REFUSED;
}

enum err
gcm_decide(enum sftpd_gcm mode, bool works, bool *offered)
{
	*offered = works && mode != SFTPD_GCM_NO;
	if (works || mode == SFTPD_GCM_NO)
		return ERR_OK;
	LOG_AT(mode == SFTPD_GCM_YES ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
	       "sftpd", NULL, "gcm_not_offered",
	       KV_S("why", "this libssh does not verify AES-GCM's tag: what "
			   "is changed on the way would be stored"),
	       KV_S("libssh", ssh_version(0)),
	       KV_S("do", "install its security update; until then gcm = no "
			  "silences this"));
	return mode == SFTPD_GCM_YES ? ERR_UNSUPPORTED : ERR_OK;
}

enum err
gcm_offered(enum sftpd_gcm mode, bool *offered)
{
	return gcm_decide(mode, mode != SFTPD_GCM_NO && gcm_works(), offered);
}
