/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP connection, from accept to its end: it reads one request after the
 * other, hands each to its exchange, and sends what that replies. While a
 * request is under way nothing behind it is read, so what a client pipelines
 * waits in the socket.
 *
 * All work is done by client_run(), from the loop. Whatever is called from
 * elsewhere changes fields and has the connection run soon; so an exchange may
 * end and still be used until its function returns.
 */
#ifndef HTTPD_CLIENT_H
#define HTTPD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/user.h"
#include "bridge/session.h"
#include "bridge/vfs.h"
#include "httpd/chunk.h"
#include "httpd/head.h"
#include "httpd/httpd_private.h"
#include "httpd/uri.h"
#include "httpd/wire.h"
#include "lib/buf.h"

#define CLIENT_OUTPUT_MAX (2u << 20)   /* bytes that wait to be sent */
#define CLIENT_OUTPUT_LOW (256u << 10) /* below it an exchange may add more */
#define CLIENT_DIGEST 32

enum client_state {
	CLIENT_HEAD,	/* a request's head is being read */
	CLIENT_LOGIN,	/* waits for the log-in */
	CLIENT_REQUEST, /* an exchange is under way */
	CLIENT_LINGER, /* the last reply goes out; what still comes is dropped */
};

/* What the connection waits for, for its timer. */
enum client_wait {
	WAIT_NONE,
	WAIT_IDLE,
	WAIT_HEAD,
	WAIT_BODY,
	WAIT_PAUSED,
	WAIT_SEND,
	WAIT_LINGER
};

struct exchange;

struct client {
	struct httpd *httpd;
	struct client *prev, *next;
	struct session *session; /* NULL: refused, or given up */
	struct sockaddr_storage peer;
	struct wire *wire;
	struct loop_timer *timer, *reaper;
	enum client_state state;
	enum client_wait wait;
	uint64_t moved, timed; /* bytes; and as the timer last saw them */
	unsigned requests;
	bool running, dead, finished;
	bool close; /* after this request */

	struct buf in, out;
	size_t scan; /* of in, that holds no end of a head */
	char *text;  /* of the request under way */
	struct http_head head;
	char id[24]; /* the request's */

	/* The body of the request under way. */
	bool body_done; /* nothing more of it will come */
	bool expects;	/* 100 Continue was not sent yet */
	uint64_t left;	/* bytes, of a body of known length */
	struct http_chunk chunk;
	size_t sip; /* bytes that may be read although it is paused */

	struct exchange *exchange;
	int status; /* of the reply that was begun; 0: none yet */

	/* Who it is, by the last Authorization that was accepted. */
	bool logged_in;
	unsigned char digest[CLIENT_DIGEST];
	unsigned failures;
};

/* One request and its reply. Handlers embed it at the front of their own. */
struct exchange_ops {
	/* Bytes of the body; may pause or end the exchange. */
	void (*body)(struct exchange *x, const void *data, size_t n);
	void (*body_end)(struct exchange *x);
	/*
	 * No more of the body now, although exchange_pause() has not said so
	 * (yet): asked again soon. NULL: never.
	 */
	bool (*full)(const struct exchange *x);
	/* Room for more of the reply; NULL: replies are short. */
	void (*drained)(struct exchange *x);
	/* Frees what it holds; nothing of the session may be used any more. */
	void (*clear)(struct exchange *x);
};

struct exchange {
	struct client *c;
	const struct exchange_ops *ops;
	struct http_path path;
	bool taking; /* the body is read */
	bool paused;
	bool ended;
	unsigned busy; /* completions that will come although it has ended */
};

/* Takes ownership of fd. */
void client_accept(struct httpd *h, int fd, const struct sockaddr *peer,
		   bool tls);
void client_free(struct client *c); /* only from the reaper and httpd_close() */

void client_run(struct client *c);
void client_soon(struct client *c); /* client_run() from the loop */
void client_kill(struct client *c); /* at once, from the loop */

/* A request that cannot be understood or waited for: the last reply. */
void client_fail(struct client *c, int status, const char *detail);

/* A new, zeroed exchange of the connection. */
void *exchange_new(struct client *c, const struct exchange_ops *ops,
		   size_t size);
/* The body may come: says 100 Continue where that is waited for. */
void exchange_take(struct exchange *x);
void exchange_pause(struct exchange *x, bool paused);
/* Whether bytes of the body would be taken now. */
bool exchange_open(const struct exchange *x);
void exchange_stop(struct exchange *x); /* takes no more of it */
void exchange_end(struct exchange *x);	/* the reply is complete */

/* Adds to the output, the first bytes straight into the socket. */
void client_write(struct client *c, const void *data, size_t n);

/* client_body.c: reads some of the body. False: nothing can be done now. */
bool client_read_body(struct client *c);

/* Notes in the ledger whose work the worker is about to do, or has done. */
void client_serving(const struct client *c, bool begins);

/* route.c: a request whose head has been read. */
void route_request(struct client *c);

#endif
