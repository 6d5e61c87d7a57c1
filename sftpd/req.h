/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request that is under way. Requests of a channel start in the order in
 * which they came, except that one may overtake others that have nothing to do
 * with it: another handle, another path. So what is sent behind a CLOSE or a
 * RENAME without waiting for its reply sees what that one left.
 */
#ifndef SFTPD_REQ_H
#define SFTPD_REQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/vfs.h"
#include "lib/err.h"
#include "sftpd/sftp_codec.h"
#include "sftpd/sftp_reply.h"

#define REQS_MAX 256u /* of one channel: then its input waits */

struct chan;
struct handle;
struct req;

/* Two requests with the same handle never run at the same time. */
enum {
	OP_CHANGES = 1, /* its paths, or the file behind its handle */
	OP_BARRIER = 2, /* later WRITEs to its handle wait for its end */
	OP_SENDS = 4,	/* waits while much is to be sent */
	OP_TELLS = 8	/* that it was refused goes to the log */
};

/* One row for each kind of packet. */
struct op {
	uint8_t type;
	const char *name; /* of an extension, else for the log */
	unsigned
		right; /* enum user_right: one of them is needed; 0: vfs decides */
	unsigned how; /* OP_* */
	/*
	 * Reads the packet behind its id into r. A field that is missing is
	 * the caller's to find. Other than ERR_OK: the reply, with r->why.
	 */
	enum err (*parse)(struct req *r, struct sftp_reader *in);
	/* Carries it out; ends, now or later, with req_end(). */
	void (*start)(struct req *r);
};

struct req {
	struct req *prev, *next;
	struct chan *ch;
	const struct op *op;
	uint32_t id;
	bool running;
	bool silent;	   /* the client did not ask: no reply */
	struct handle *h;  /* or NULL */
	struct handle *h2; /* of copy-data: what is read */
	char *path, *path2;
	struct buf ids; /* of users-groups-by-id: uids, then gids */
	size_t nuids;
	const char *why;
	unsigned flags; /* OPEN: VFS_* */
	uint64_t off;	/* READ; of copy-data */
	uint32_t len;
	uint64_t length, to_off; /* of copy-data */
	struct vfs_attrs attrs;
};

/* A request of the server's own, which nobody is told the end of. */
struct req *req_own(struct chan *ch, const struct op *op, struct handle *h);

/* A packet that is not a WRITE. */
void req_packet(struct chan *ch, const struct sftp_packet *packet);

/* Closes a handle that the client will not close any more. */
void req_abandon(struct handle *h);

/* Starts what can start. */
void reqs_run(struct chan *ch);

/* Replies, and ends the request. Frees r. */
void req_status(struct req *r, enum err err, const char *why);
void req_fx(struct req *r, enum sftp_fx fx, const char *why);
void req_end(struct req *r); /* when the reply was written already */

/* Forgets those not started that change nothing; with all, every one. */
void reqs_drop(struct chan *ch, bool all);

/* Requests that name h name none from now on. */
void reqs_forget_handle(struct chan *ch, struct handle *h);

/* True if y, which came later, must wait for x. */
bool req_conflict(const struct req *x, const struct req *y);

/* For op->parse. */
enum err req_read_path(struct req *r, struct sftp_reader *in, char **out);
enum err req_read_handle(struct req *r, struct sftp_reader *in);
enum err req_read_file(struct req *r, struct sftp_reader *in);

/* A completion that only has an outcome; arg: the request. */
void req_done(void *arg, enum err err, const char *why);
void req_stat_done(void *arg, enum err err, const char *why,
		   const struct vfs_stat *st);

#endif
