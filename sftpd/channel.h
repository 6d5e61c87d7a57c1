/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One channel of a connection, and the SFTP session on it: bytes in through
 * the parser, requests in their order, replies out in batches. A channel whose
 * SSH side has ended stays until what it asked for is done.
 */
#ifndef SFTPD_CHANNEL_H
#define SFTPD_CHANNEL_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "sftpd/handle.h"
#include "sftpd/sftp_codec.h"
#include "sftpd/sftp_reply.h"

struct conn;
struct req;
struct scp;

#define CHAN_OUT_HIGH (2u << 20)  /* reads wait while more is to be sent */
#define CHAN_OUT_STALL (4u << 20) /* then input waits too */
#define CHAN_OUT_MAX (6u << 20)	  /* what can come on top of that, at worst */

enum chan_kind { CHAN_NEW, CHAN_SFTP, CHAN_SCP, CHAN_TEXT };

#define CHAN_REST_MAX (512u << 10)

/* The WRITE whose data is coming in. */
struct chan_write {
	bool active;
	struct handle *h; /* NULL: it has failed */
	uint64_t off;
	enum sftp_fx fx; /* how it failed */
	char why[160];
};

struct chan {
	struct chan *prev, *next; /* of its connection */
	struct conn *c;
	ssh_channel ssh; /* NULL: gone */
	struct ssh_channel_callbacks_struct callbacks;
	enum chan_kind kind;
	bool started;	 /* INIT has come */
	bool eof;	 /* the client sends no more */
	bool closed;	 /* the client has closed it */
	bool close_sent; /* we have */
	bool ended;	 /* no input is taken, no output is given */
	bool uploads;	 /* a WRITE has come */
	bool to_stderr;	 /* of CHAN_TEXT: where its text goes */
	int status;	 /* of CHAN_TEXT: the exit status */
	bool left;	 /* libssh holds input that was not taken */
	const char *bad; /* the client broke the protocol: how */
	struct sftp_parser parser;
	struct chan_write write;
	struct buf rest; /* input read from libssh and not yet parsed */
	struct buf out;
	struct req *reqs; /* in the order in which they came */
	unsigned nreqs;
	size_t reading; /* bytes that running READs may answer */
	struct handles handles;
	struct scp *scp;	   /* of CHAN_SCP */
	uint64_t received, raised; /* bytes; received at the last raise */
};

/* One without an SSH side: that is the caller's to add. */
struct chan *chan_new(struct conn *c);

/* From now on the client may open channels: it has logged in. */
void chan_accept_on(struct conn *c);

/*
 * Goes on with everything that can go on: input held back, requests, output,
 * the end. Not inside libssh's callbacks. May free ch.
 */
void chan_run(struct chan *ch);

/*
 * The SSH side is gone or is to go. Requests that change something are
 * carried out, the others dropped; files still open are broken off.
 */
void chan_end(struct chan *ch);

/* The connection is gone, and ch->ssh with it. */
void chan_cut(struct chan *ch);

/* Before session_free(): no page of a folder comes any more. */
void chan_close_dirs(struct chan *ch);
void chan_free(struct chan *ch); /* after session_free(), or when done */

/* Input cannot be taken now. */
bool chan_stalled(const struct chan *ch);

/* Output waits for the client to open its window. */
bool chan_window_shut(const struct chan *ch);

/* Nothing is under way: no file open, no request unanswered. */
bool chan_idle(const struct chan *ch);

/* True while changes that the client asked for wait for their turn. */
bool chan_owes(const struct chan *ch);

/* The client broke the protocol: the channel ends. why is static. */
void chan_bad(struct chan *ch, const char *why);

#endif
