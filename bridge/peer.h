/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the workers of a node, and sluicectl, ask a worker for something: a Unix
 * socket <run_dir>/worker.<slot>, one line of text each way. Lines are at most
 * PEER_LINE bytes. The folder has mode 0700, and the peer's uid is checked
 * (SO_PEERCRED): the service's own or root.
 */
#ifndef BRIDGE_PEER_H
#define BRIDGE_PEER_H

#include "lib/err.h"
#include "lib/loop.h"

#define PEER_LINE 4096

struct peer;	     /* this worker's socket */
struct peer_request; /* a request that came in and awaits its answer */

/*
 * Called for each request, e.g. "takeover <id>". The handler answers now or
 * later, exactly once, with peer_answer().
 */
typedef void peer_serve_fn(void *arg, const char *line,
			   struct peer_request *req);

/*
 * slot -1: no socket, only peer_ask(). ERR_DENIED when others may write to
 * run_dir, ERR_INVALID when its path is too long for a socket.
 */
enum err peer_open(struct peer **out, struct loop *loop, const char *run_dir,
		   int slot, peer_serve_fn *fn, void *arg);
void peer_close(struct peer *p); /* requests still open get no answer */

/* "ok [text]" or "err <err_name> <why>"; frees req. */
void peer_answer(struct peer_request *req, enum err err, const char *text);

/*
 * Asks the worker in that slot. fn comes once from the loop: the err and text
 * of the answer, or ERR_AGAIN when the worker is gone or silent for timeout_ms.
 */
typedef void peer_answer_fn(void *arg, enum err err, const char *text);
void peer_ask(struct peer *p, int slot, const char *line, unsigned timeout_ms,
	      peer_answer_fn *fn, void *arg);

#endif
