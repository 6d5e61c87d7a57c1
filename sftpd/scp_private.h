/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of scp*.c: one state for both directions. */
#ifndef SFTPD_SCP_PRIVATE_H
#define SFTPD_SCP_PRIVATE_H

#include "bridge/journal.h"
#include "lib/buf.h"
#include "sftpd/channel.h"
#include "sftpd/req.h"
#include "sftpd/scp.h"
#include "sftpd/scp_command.h"

#define SCP_LINE_MAX 8192   /* of the peer */
#define SCP_DEPTH_MAX 64    /* folders in folders */
#define SCP_NAMES_MAX 10000 /* that a wildcard stands for */

enum scp_state {
	SCP_LINE,  /* a line, or the byte that acknowledges one, is awaited */
	SCP_DATA,  /* bytes of a file come in */
	SCP_TAIL,  /* the byte behind them */
	SCP_MOVES, /* source: nothing is awaited from the peer */
	SCP_OVER
};

/* A folder that is being sent. */
struct scp_level {
	struct scp_level *up;
	char *path;
	struct handle *h; /* open; NULL: all of it was read */
	struct scp_item *items;
	size_t n, next;
};

/* What is to be sent, or is in a folder. */
struct scp_item {
	char *path; /* whole */
	struct vfs_stat st;
};

typedef void scp_closed_fn(struct scp *s, enum err err, const char *why);

struct scp {
	struct chan *ch;
	struct scp_command cmd;
	enum scp_state state;
	bool busy;	       /* a request is under way */
	scp_closed_fn *closed; /* when the file is */
	unsigned errors;
	struct buf line;

	/* Sink: where the next file goes, and the one that is coming. */
	char *target;
	bool into;  /* the target is a folder */
	char *base; /* the target without folders that came */
	bool base_into;
	unsigned depth; /* folders entered by D */
	bool timed;	/* a T line has come */
	int64_t mtime;
	uint64_t left;
	struct handle *h;
	enum err failed;
	char why[160];
	char *closing; /* the path of what is being closed */

	/* Source. */
	size_t word;		/* the next of cmd.paths */
	struct scp_item *found; /* of a wildcard */
	size_t nfound, next_found;
	struct scp_level *level;     /* the innermost folder */
	struct scp_item item;	     /* is being sent */
	void (*then)(struct scp *s); /* when the peer has acknowledged */
	uint64_t sent;
};

/* Lines to the peer. */
void scp_good(struct scp *s);
void scp_error(struct scp *s, const char *path, const char *why);
void scp_err(struct scp *s, const char *path, enum err err, const char *why);
/* The peer broke the protocol: it is told, and nothing follows. */
void scp_fatal(struct scp *s, const char *why);

/*
 * A request of our own. It starts when the channel runs; scp_end() ends it from
 * its completion, and is false when the channel has ended meanwhile.
 */
struct req *scp_ask(struct scp *s, const struct op *op, struct handle *h,
		    const char *path);
bool scp_end(struct req *r);

/* Gives an open its handle; false, and it is over, if there are too many. */
bool scp_handle(struct req *r, const char *too_many);

/* scp_end() for an open: its handle is the caller's if that was good. */
bool scp_opened(struct req *r, enum err err);

/* Closes s->h; tells `closed` how, unless the channel has ended. */
void scp_close(struct scp *s, enum vfs_end how, scp_closed_fn *closed);

/* "a/b" and "c" -> "a/b/c", clean. NULL: too long. The caller frees it. */
char *scp_join(const char *folder, const char *name);

/* scp_sink.c */
void sink_start(struct scp *s);
size_t sink_input(struct scp *s, const uint8_t *data, size_t len);

/* scp_source.c */
void source_start(struct scp *s);
void source_line(struct scp *s);
void source_run(struct scp *s);
void source_free(struct scp *s);
void source_skip(struct scp *s); /* the peer does not want what it was told */
void source_look(struct scp *s, const char *path); /* at one name */

/* scp_glob.c: what a word stands for. */
void source_word(struct scp *s, const struct scp_word *w);

#endif
