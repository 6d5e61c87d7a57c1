/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client connection, on any front end: who it is and what it has under
 * way. The front end makes it on accept and frees it when the connection is
 * gone. Everything asked of vfs.h in its name ends with it: after
 * session_free() no completion comes, and files still open for writing are
 * treated as broken off (kept and resumable, or published when CLOSE had
 * already been asked with every byte received).
 */
#ifndef BRIDGE_SESSION_H
#define BRIDGE_SESSION_H

#include <stdbool.h>
#include <sys/socket.h>

#include "auth/user.h"
#include "bridge/bridge.h"
#include "lib/err.h"

struct session;

/*
 * protocol: "sftp", "ftp", "ftps". Counts as an unauthenticated connection
 * until it logs in: ERR_QUOTA when the address or the node has too many,
 * ERR_DENIED when the address is held off after failed log-ins.
 */
enum err session_new(struct session **out, struct bridge *b,
		     const char *protocol, const struct sockaddr *peer);
void session_free(struct session *s);

const char *session_id(const struct session *s);   /* for log lines */
const char *session_peer(const struct session *s); /* address as text */
const struct sockaddr *session_sockaddr(const struct session *s);
struct bridge *session_bridge(const struct session *s);
const struct user *session_user(const struct session *s); /* NULL before */
const char *session_protocol(const struct session *s);
void session_set_protocol(struct session *s, const char *p); /* after TLS */

/*
 * Log-in. The completion comes once from the loop, a failure after a delay
 * that grows with the failures of address and user. On ERR_OK the session has
 * its user, and the log line is written. ERR_DENIED: wrong; ERR_QUOTA: too many
 * sessions of this user. One at a time.
 */
typedef void session_login_fn(void *arg, enum err err);
void session_login_password(struct session *s, const char *name,
			    const char *password, session_login_fn *fn,
			    void *arg);

/*
 * verified: the signature was checked. With verified false this only asks
 * whether the key would do (no log-in, no penalty).
 */
void session_login_pubkey(struct session *s, const char *name,
			  const struct auth_key *key, bool verified,
			  session_login_fn *fn, void *arg);

#endif
