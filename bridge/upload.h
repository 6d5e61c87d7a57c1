/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conductor: everything that happens to a key. It begins uploads, takes
 * their bytes into the spool, sends parts, parks, resumes, publishes, removes
 * and renames; only it and what it starts knows store, journal and events
 * together. One struct uploads per worker. vfs.c is its only caller on behalf
 * of clients; doc/upload.md has the states and what each reply waits for.
 *
 * Calls that take a completion return a struct upload_call. The completion
 * comes from the loop, exactly once, never from inside the call, and never
 * after upload_call_drop(): the work itself then goes on to a safe end.
 */
#ifndef BRIDGE_UPLOAD_H
#define BRIDGE_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/bridge.h"
#include "bridge/peer.h"

struct uploads *uploads_new(struct bridge *b);
void uploads_free(struct uploads *us); /* after uploads_drain() */

/* Carries on what earlier processes left: closing, completing, aborting. */
void uploads_recover(struct uploads *us);

/*
 * No new upload begins; open ones are parked, those being published end. done
 * comes once, when nothing is driven any more.
 */
void uploads_drain(struct uploads *us, void (*done)(void *arg), void *arg);

/*
 * Answers another process: "takeover <id> <user> <0|1>", "abort <id>",
 * "publish <id>", answered when it is published, "offset <id>", whose answer is the decimal restart offset as a listing has
 * it, whoever drives the upload, and "recount <store> <home>".
 */
void uploads_serve(struct uploads *us, const char *line,
		   struct peer_request *req);

unsigned uploads_driven(const struct uploads *us);

/* Who asks, borrowed during the call only. */
struct upload_who {
	struct user *user;
	const char *session; /* its id, for log lines */
	const char *protocol;
	const char *addr; /* the client's; NULL: that does not matter */
};

/* A name as vfs resolved it, borrowed during the call only. */
struct upload_name {
	struct store *store;
	const char *key;	/* of the final name */
	const char *path;	/* as the client says it */
	const char *final_path; /* equal to path unless temporary */
	bool temp;
};

struct upload_call;
void upload_call_drop(struct upload_call *c);

typedef void upload_done_fn(void *arg, enum err err, const char *why);

/* What a name shows of uploads. */
struct upload_view {
	bool found;  /* a live upload of the asker under this very path */
	bool hidden; /* the published object of the key does not show */
	bool other;  /* the key has a live upload that is not shown here */
	char hidden_etag[STORE_ETAG_MAX + 1];
	const char *path; /* scan: as opened; valid during the completion */
	const char *key;
	uint64_t end; /* the restart offset */
	char id[ID_LEN + 1];
	bool declared;
	uint64_t total; /* declared */
	int64_t mtime;
	enum upload_state state;
};

/*
 * STAT: the offset is cross-checked with the store when that is due, and
 * pinned when another session drives the upload. A client may rely on it.
 */
typedef void upload_view_fn(void *arg, enum err err, const char *why,
			    const struct upload_view *v);
struct upload_call *upload_look(struct uploads *us, struct upload_who who,
				const struct upload_name *name,
				upload_view_fn *fn, void *arg);

/*
 * LIST: live uploads whose key lies directly below key_prefix; own ones with
 * their offsets as far as journal, memory and LIVE records tell; others only
 * where they hide an object. At most 10,000.
 */
typedef void upload_scan_fn(void *arg, enum err err, const char *why,
			    const struct upload_view *v, size_t n);
struct upload_call *upload_scan(struct uploads *us, struct upload_who who,
				struct store *store, const char *key_prefix,
				upload_scan_fn *fn, void *arg);

/* An upload that a session has open for writing. */
struct upload_file;

enum {
	UPLOAD_F_CREAT = 1,
	UPLOAD_F_TRUNC = 2,
	UPLOAD_F_EXCL = 4,
	UPLOAD_F_APPEND = 8,
	UPLOAD_F_RESTART = 16
};

struct upload_open {
	struct upload_who who;
	struct upload_name name;
	unsigned flags; /* UPLOAD_F_* */
	bool declared;
	uint64_t size; /* declared */
	int64_t mtime; /* 0: none */
	void (*pause)(void *arg, bool paused);
	void (*ready)(void *arg, enum err err, const char *why);
	void *events_arg;
};
typedef void upload_open_fn(void *arg, enum err err, const char *why,
			    struct upload_file *f);
struct upload_call *upload_open(struct uploads *us, const struct upload_open *o,
				upload_open_fn *fn, void *arg);

/* The upload that the file goes on with, or has begun; id "": neither. */
void upload_file_view(const struct upload_file *f, struct upload_view *out);

/* These mean what the vfs_file_* calls of the same names say. */
uint64_t upload_file_size(const struct upload_file *f);
enum err upload_file_write(struct upload_file *f, uint64_t off,
			   const void *data, size_t n, const char **why);
bool upload_file_acks(const struct upload_file *f);
bool upload_file_paused(const struct upload_file *f);
struct upload_call *upload_file_sync(struct upload_file *f, upload_done_fn *fn,
				     void *arg);
/* ERR_UNSUPPORTED with a text where a truncation is not possible. */
enum err upload_file_truncate(struct upload_file *f, uint64_t size,
			      const char **why);
void upload_file_mtime(struct upload_file *f, int64_t mtime);

/*
 * Reads what was written back, at most n bytes; *got 0 is the end. What the
 * store has of an unfinished upload cannot be read: ERR_INVALID.
 */
enum err upload_file_read(struct upload_file *f, uint64_t off, void *out,
			  size_t n, size_t *got, const char **why);
/* What a reader sees as long as nothing was written; NULL: the upload. */
const struct store_object *upload_file_object(const struct upload_file *f);

/*
 * The store copies a whole object of its own into f, to which nothing was
 * written; key and object are borrowed during the call. With ERR_OK all of it
 * is there, and CLOSE publishes it.
 */
struct upload_call *upload_file_copy(struct upload_file *f, const char *key,
				     const struct store_object *object,
				     upload_done_fn *fn, void *arg);

/*
 * complete false: the client broke off. The completion comes as for a call;
 * f is gone for the caller at once, and upload_file_drop() is not called.
 */
struct upload_call *upload_file_close(struct upload_file *f, bool complete,
				      upload_done_fn *fn, void *arg);
/* The session is gone: as close with complete false, and no completion. */
void upload_file_drop(struct upload_file *f);

/* REMOVE of a path: an upload, a published object, or both. */
struct upload_call *upload_remove(struct uploads *us, struct upload_who who,
				  const struct upload_name *name,
				  upload_done_fn *fn, void *arg);

/*
 * Ends the asker's upload of this id under that name, and nothing else.
 * ERR_CONFLICT: it has ended, or another one is there.
 */
struct upload_call *upload_terminate(struct uploads *us, struct upload_who who,
				     const struct upload_name *name,
				     const char *id, upload_done_fn *fn,
				     void *arg);

/* RENAME: completes a sealed upload, or renames a published object. */
struct upload_move {
	const struct upload_name *from, *to;
	bool replace; /* an object at `to` */
};
struct upload_call *upload_rename(struct uploads *us, struct upload_who who,
				  struct upload_move move, upload_done_fn *fn,
				  void *arg);

/*
 * Changes the size of an upload by its path. ERR_NOT_FOUND: this worker drives
 * none of the asker's there. *why as for upload_file_truncate().
 */
enum err upload_truncate(struct uploads *us, struct upload_who who,
			 const struct upload_name *name, uint64_t size,
			 const char **why);

/*
 * Sets the modification time (0: leaves it) of what the path shows: an upload
 * (err ERR_OK), or
 * ERR_NOT_FOUND when there is none: then the object is vfs's to deal with.
 * Waits while the key is being published, so that a SETSTAT sent right behind
 * CLOSE finds the object.
 */
struct upload_call *upload_set_mtime(struct uploads *us, struct upload_who who,
				     const struct upload_name *name,
				     int64_t mtime, upload_done_fn *fn,
				     void *arg);

#endif
