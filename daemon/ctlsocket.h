/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master's control socket, <run_dir>/sluiced.sock (a Unix stream socket,
 * mode 0600), through which sluicectl speaks to the running daemon. One request
 * a connection: a line of at most CONTROL_LINE bytes, ended by '\n'. The answer
 * is one line of at most CONTROL_REPLY bytes, then the connection is closed:
 *
 *   "ok"  or  "ok <text>"  or  "err <err_name> <why>"
 *
 * Only root and the account that the daemon runs as may ask (SO_PEERCRED).
 *
 *   status   "ok " and a JSON object on one line:
 *     {"version": "0.1.0", "pid": 1, "node": "gw1", "config": "/etc/...ini",
 *      "started_at": "2026-01-31T12:00:00.123Z", "uptime_ms": 1,
 *      "state": "running" | "reloading" | "draining" | "stopping",
 *      "generation": 1,
 *      "listeners": [{"protocol": "sftp", "address": "127.0.0.1:2022"}],
 *      "spool": {"used": 1, "max": 1},
 *      "stores": [{"name": "main", "kind": "s3", "state": "ok" | "unknown"}],
 *      "courier": {"pid": 1, "beat_age_ms": 1} | null,
 *      "workers": [{"slot": 0, "pid": 1, "generation": 1, "draining": false,
 *        "beat_age_ms": 1, "connections": 0, "sessions": 0, "uploads": 0,
 *        "spool_bytes": 0, "received_bytes": 0, "stored_bytes": 0,
 *        "published": 0, "failed": 0,
 *        "serving": {"session": "4f2a91c0", "user": "ann"} | null}]}
 *     Sizes are bytes. protocol is "sftp", "ftp", "ftps" (implicit TLS),
 *     "http" or "https". A store is "down" while a worker gets no answers from it, and "unknown"
 *     when it could not be reached when it was last asked.
 *   reload   as SIGHUP. "ok" once the new workers serve; "err invalid <why>"
 *            when the new configuration is refused (the old one stays).
 *   drain    takes no new connections, ends sessions that have nothing under
 *            way and the others when they have, without a time limit, then
 *            ends the daemon. "ok" at once.
 *   stop     as SIGTERM: drains for at most drain_timeout. "ok" at once.
 */
#ifndef DAEMON_CTLSOCKET_H
#define DAEMON_CTLSOCKET_H

#include <poll.h>
#include <sys/types.h>

#include "lib/err.h"

#define CONTROL_SOCKET "sluiced.sock" /* below run_dir */
#define CONTROL_LINE 256
#define CONTROL_REPLY (256 * 1024)
#define CONTROL_CLIENTS 8	/* at once; more wait in the backlog */
#define CONTROL_TIMEOUT_MS 5000 /* for a client to send its line */

struct ctlsocket;
struct ctlsocket_client; /* a request that awaits its answer */

/*
 * Called for each request; answers now or later, exactly once, with
 * ctlsocket_answer().
 */
typedef void ctlsocket_serve_fn(void *arg, const char *line,
				struct ctlsocket_client *client);

/*
 * The socket is non-blocking and belongs to the master's poll loop: it asks
 * for the descriptors before poll(2) and hands the results back after it.
 * uid: the account besides root that may ask.
 */
enum err ctlsocket_open(struct ctlsocket **out, const char *run_dir, uid_t uid,
			ctlsocket_serve_fn *fn, void *arg);
void ctlsocket_close(struct ctlsocket *c);   /* removes the socket */
void ctlsocket_abandon(struct ctlsocket *c); /* in a child: closes, keeps it */

/* At most CONTROL_CLIENTS + 1 entries; returns how many. */
size_t ctlsocket_poll_fill(const struct ctlsocket *c, struct pollfd *fds);
void ctlsocket_poll_done(struct ctlsocket *c, const struct pollfd *fds,
			 size_t n);

/* text may be NULL; cut at CONTROL_REPLY. */
void ctlsocket_answer(struct ctlsocket_client *client, enum err err,
		      const char *text);

#endif
