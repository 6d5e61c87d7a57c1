/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SFTP front end: SSH by libssh on the worker's loop, SFTP version 3 by a
 * codec of our own. One struct sftpd serves all connections of a worker; the
 * worker makes it after the fork and closes it before its bridge.
 */
#ifndef SFTPD_SFTPD_H
#define SFTPD_SFTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bridge/bridge.h"
#include "lib/conf.h"
#include "lib/err.h"

struct sftpd;
struct ssh_key_struct;

#define SFTPD_HOST_KEYS 3 /* one of each type: ed25519, ecdsa, rsa */

/*
 * AES-GCM is offered only where the libssh in use is known to check the tag.
 * auto, yes: proved by a handshake with itself and a flipped bit, at
 * sftpd_open(), which fails with yes where the proof does.
 */
enum sftpd_gcm { SFTPD_GCM_AUTO, SFTPD_GCM_YES, SFTPD_GCM_NO };

/* [sftp] of the configuration, checked. Times in ms, sizes in bytes. */
struct sftpd_config {
	char *host_key_paths[SFTPD_HOST_KEYS + 1]; /* NULL-ended */
	struct ssh_key_struct *host_keys[SFTPD_HOST_KEYS + 1];
	bool make_host_keys;	    /* make the missing ones (demo) */
	bool default_host_keys;	    /* nobody named them: some may miss */
	char *software;		    /* the client reads "SSH-2.0-<software>" */
	char *banner;		    /* shown before the log-in; NULL: nothing */
	char *kex, *ciphers, *macs; /* lists with commas; NULL: ours */
	char *host_algorithms, *key_algorithms; /* the same */
	enum sftpd_gcm gcm;
	unsigned login_grace_ms;
	unsigned idle_timeout_ms;
	unsigned max_auth_tries;
	unsigned max_channels; /* of one connection */
	uint32_t window;       /* receive window of a channel */
	uint64_t rekey_bytes;  /* 0: the library's limits */
};

/*
 * Reads [sftp] (but not the addresses: they are the daemon's); complaints go
 * into conf. Touches no file. The caller frees *out.
 */
void sftpd_config_read(struct conf *conf, struct sftpd_config *out);

/*
 * Reads the host keys into *c, making missing ones where make_host_keys says
 * so. To be called while the files may still be read (before privileges are
 * dropped and before the fork); sftpd_open() calls it otherwise. A second call
 * does nothing. ERR_NOT_FOUND, ERR_INVALID, ERR_IO: the log says which file.
 */
enum err sftpd_keys_load(struct sftpd_config *c);
void sftpd_config_free(struct sftpd_config *c); /* wipes the keys */

/*
 * Makes a host key, mode 0600, unless the file is there already. The file's
 * name tells its type ("ecdsa", "rsa"); else it is ed25519.
 */
enum err sftpd_make_host_key(const char *path);

/* Borrows c and b until sftpd_close(). The log says what failed. */
enum err sftpd_open(struct sftpd **out, struct sftpd_config *c,
		    struct bridge *b);

/*
 * Takes ownership of fd (a connected TCP socket; it is made non-blocking) and
 * serves it. What is refused is closed and logged.
 */
void sftpd_accept(struct sftpd *d, int fd, const struct sockaddr *peer);

/*
 * From now on connections are closed as soon as nothing is under way on them:
 * no file is open, no request is unanswered; new ones are refused. fn comes
 * once from the loop when the last one is gone, not after sftpd_close().
 */
typedef void sftpd_drained_fn(void *arg);
void sftpd_drain(struct sftpd *d, sftpd_drained_fn *fn, void *arg);

unsigned sftpd_sessions(const struct sftpd *d); /* connections, all states */

/* Ends every connection at once. Uploads under way become resumable. */
void sftpd_close(struct sftpd *d); /* NULL is fine */

#endif
