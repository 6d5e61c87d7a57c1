/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What uploads, downloads and listings have in common: one transfer over one
 * data connection, from its command to the last reply. A control connection
 * has at most one; while it lasts the connection is busy.
 */
#ifndef FTPD_TRANSFER_H
#define FTPD_TRANSFER_H

#include "ftpd/control.h"
#include "ftpd/data.h"
#include "lib/log.h"

enum transfer_state {
	TRANSFER_OPENING,    /* file or folder are being opened */
	TRANSFER_CONNECTING, /* 150 was sent, the data connection is awaited */
	TRANSFER_MOVING,
	TRANSFER_LOOKING, /* upload: is the client still there? */
	TRANSFER_CLOSING, /* upload: on its way into the store; or parking */
};

struct transfer;

struct transfer_ops {
	const char *event;		 /* for the log: "upload" */
	enum log_level success, failure; /* the bridge tells of uploads too */

	/* The data connection is ready. */
	void (*begin)(struct transfer *t);

	/*
	 * Gives the transfer up with this reply, now or, where the file must
	 * be opened or closed first, later. May be repeated.
	 */
	void (*stop)(struct transfer *t, int code, const char *why);

	/* ABOR. */
	void (*abort)(struct transfer *t);

	/* The client closed the control connection. */
	void (*lost)(struct transfer *t);

	/* True while the client is not the one who is slow. */
	bool (*waits)(const struct transfer *t);

	/* The timer in TRANSFER_LOOKING. */
	void (*look)(struct transfer *t);

	/* One line about its progress. */
	void (*status)(const struct transfer *t);

	/* Frees what it owns beside *t; no completion comes any more. */
	void (*clear)(struct transfer *t);
};

struct transfer {
	const struct transfer_ops *ops;
	struct control *control;
	struct data *data;
	struct loop_timer *timer;
	enum transfer_state state;
	bool aborted;  /* ABOR is to be answered behind the last reply */
	int stop_code; /* 0: goes on */
	char stop_text[256];
	uint64_t moved; /* bytes over the data connection */
	uint64_t seen;	/* moved, when the timer last looked */
	uint64_t start_ms;
	char path[JOURNAL_PATH_MAX + 1];
};

/* Is there a data connection that the settings allow? Else replies. */
bool transfer_allowed(struct control *c);

/* size bytes, of which the first are struct transfer; for c->path. */
void *transfer_new(struct control *c, const struct transfer_ops *ops,
		   size_t size);

/* Sends the 150 and waits for the data connection. */
void transfer_connect(struct transfer *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void transfer_enter(struct transfer *t, enum transfer_state state);

/* Remembers the reply that a transfer which is given up ends with. */
void transfer_stopped(struct transfer *t, int code, const char *why);

/* The last reply; t is gone. */
void transfer_end(struct transfer *t, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Without a reply, when the control connection ends. NULL is fine. */
void transfer_drop(struct transfer *t);

void transfer_control_lost(struct transfer *t);

#endif
