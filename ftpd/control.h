/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control connection: one FTP session from accept to its end. It reads
 * command lines, carries them out one after the other, and replies. Commands
 * that come while one is under way wait in a bounded queue, so that replies
 * keep the order of the commands; ABOR and a bare STAT alone go past it.
 *
 * It is freed by its own timer, never inside a call: a handler may end it and
 * go on using it until it returns.
 */
#ifndef FTPD_CONTROL_H
#define FTPD_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "auth/user.h"
#include "bridge/names.h"
#include "bridge/session.h"
#include "bridge/vfs.h"
#include "ftpd/command.h"
#include "ftpd/ftpd_private.h"
#include "ftpd/line.h"
#include "lib/buf.h"
#include "lib/loop.h"

#define CONTROL_BAD_MAX 8    /* lines that are no commands */
#define CONTROL_PING_MS 5000 /* the least patient client waits for 15 s */

enum control_timing { TIMING_ANEW, TIMING_IDLE, TIMING_BUSY };

struct control {
	struct ftpd *ftpd;
	struct control *prev, *next;
	struct session *session;
	struct bufferevent *bev;
	struct ssl_st *ssl; /* bev's; NULL: not encrypted */
	int fd;		    /* bev's */
	struct sockaddr_storage local, peer;
	unsigned char tls_id[FTP_TLS_ID];
	struct loop_timer
		*timer; /* log-in grace, idle time, pings, last words */
	enum control_timing timing; /* once logged in */
	struct loop_timer *reaper;

	bool implicit;	 /* greet after the handshake */
	bool upgrading;	 /* 234 is on its way, then the handshake */
	bool shaking;	 /* the handshake is under way */
	bool running;	 /* inside control_run() */
	bool busy;	 /* a command is under way */
	bool closing;	 /* the last reply is on its way */
	bool gone;	 /* the client sends nothing more; what waits goes on */
	bool mute;	 /* nothing can be sent any more */
	bool dead;	 /* the reaper has been told */
	bool quit;	 /* QUIT waits in the queue */
	bool pings;	 /* the client skips lines of less than four bytes */
	uint64_t pinged; /* bytes of the transfer at the last ping */

	struct line_reader reader;
	struct pending *first, *last;
	unsigned npending;
	unsigned bad;

	/* What the commands leave behind. */
	char user[USER_NAME_MAX + 1]; /* of USER */
	bool logged_in;
	unsigned failures; /* log-ins */
	char cwd[JOURNAL_PATH_MAX + 1];
	char path[JOURNAL_PATH_MAX + 1];   /* of the command under way */
	char rename[JOURNAL_PATH_MAX + 1]; /* of RNFR; "": none */
	char touch[JOURNAL_PATH_MAX + 1];  /* of MDTM with a time; "": none */
	int64_t touch_mtime;
	char sized[JOURNAL_PATH_MAX + 1]; /* of SIZE; "": none */
	uint64_t size;			  /* that it was told */
	bool ascii;
	bool protect; /* PROT P */
	bool pbsz;
	bool epsv_all;
	bool has_allo;
	uint64_t allo, rest;
	unsigned facts;	   /* FACT_*, by OPTS MLST */
	struct data *data; /* after PASV or PORT, until a transfer takes it */
	struct transfer *transfer;
	struct status *status; /* STAT with a path, under way */
};

/* Takes ownership of fd. */
void control_accept(struct ftpd *f, int fd, const struct sockaddr *peer,
		    bool implicit);

/* Nobody is logged in, and nothing is left of who was. */
void control_begin(struct control *c);

/* Frees it now: only from the reaper and from ftpd_close(). */
void control_free(struct control *c);

/* One reply line; nothing once the client has gone. */
void control_reply(struct control *c, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The reply for an error, with its text. ERR_OK: 250 and ok_text. */
void control_result(struct control *c, enum err err, const char *why,
		    const char *ok_text);

/* Lines that are complete already, as of a reply of several lines. */
void control_send(struct control *c, struct buf *b);

/* The command that set busy has ended: the next one may begin. */
void control_done(struct control *c);

/* Notes in the ledger whose work the worker is about to do, or has done. */
void control_serving(const struct control *c, bool begins);

/* Carries out what has been read and what waits, as far as it may. */
void control_run(struct control *c);

/*
 * A last reply, none with code 0; the connection is closed when all has been
 * sent.
 */
void control_bye(struct control *c, int code, const char *text);
void control_kill(struct control *c); /* at once, from the loop */

/*
 * Skips the "-la" of "-la dir", which people type who think of ls(1). False
 * after a reply: -R is refused, as who asks for it would take the one folder
 * for all that there is.
 */
bool control_options(struct control *c, const char **arg);

/* TYPE A, and line ends are converted: offsets and sizes mean nothing. */
bool control_converts(const struct control *c);

/* The peer's end of the connection: closed, reset, or still there. */
enum control_peer { CONTROL_THERE, CONTROL_SAYS, CONTROL_LOST };
enum control_peer control_look(const struct control *c);

/* c->path from the argument; false after a reply. */
bool control_path(struct control *c, const char *arg);

#endif
