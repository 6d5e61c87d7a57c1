/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the local store driver: the folder tree that it keeps objects in, and
 * one job for each call. Everything here but the job's start and end runs in
 * the work pool, so it may block. Only store_local*.c include this.
 *
 * An object is the file <root>/<key>. What the driver itself needs lies in
 * <root>/.sluice, which is no key of anybody: uploads/<id>.data and
 * uploads/<id>.parts for a multipart upload, tmp/ for files being written.
 */
#ifndef BRIDGE_STORE_LOCAL_H
#define BRIDGE_STORE_LOCAL_H

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "bridge/store_ops.h"
#include "lib/work.h"

#define LOCAL_RESERVED ".sluice"
#define LOCAL_XATTR_ID "user.sluice.id"
#define LOCAL_XATTR_CRC "user.sluice.crc32c"
#define LOCAL_XATTR_TYPE "user.mime_type"
#define LOCAL_NAME_MAX 255	 /* bytes in a component */
#define LOCAL_CHUNK (128u << 10) /* bytes copied at a time */
#define LOCAL_TURN (32u << 20)	 /* bytes copied in one turn of a job */
#define LOCAL_PARTS_MAX 10000u
#define LOCAL_UPLOADS_MAX 1000u /* in one list_uploads */

struct local_tree {
	char *path;
	bool create;
	unsigned refs;	      /* the loop's thread only */
	pthread_mutex_t lock; /* for what follows */
	bool ready;
	int root, uploads, temp; /* folders */
};

struct local_job {
	struct work work;
	struct local_tree *tree;
	struct store_call *call; /* the loop's thread only; NULL: canceled */
	enum store_call_kind kind;

	/* Copies of the call's arguments. */
	char *key, *to, *from, *backend_id, *etag, *marker;
	char *sluice_id, *content_type;
	int64_t mtime;
	struct store_body body; /* read only through local_read() */
	uint64_t off, len;
	uint32_t no;
	struct store_part *want; /* complete */
	size_t nwant;

	pthread_mutex_t lock; /* for `canceled`, and while a body is read */
	bool canceled;

	/* A call that moves many bytes takes turns in the pool. */
	bool more;	     /* another turn is needed */
	int src, dst, parts; /* -1: not open */
	uint64_t done, total, dst_off;
	uint32_t crc;
	uint64_t wait_until;   /* ms; 0: no lock was waited for yet */
	char temp[ID_LEN + 1]; /* a file in tmp/, "" when there is none */

	/* Results. */
	struct store_result res;
	char detail[STORE_DETAIL_MAX];
	struct store_part *out_parts;
	struct store_upload *out_uploads;
	struct store_entry *out_entries;
	char *text; /* what entries, uploads and `next` point into */
	unsigned char *data;
};

typedef enum err local_run_fn(struct local_job *j);

/* store_local_tree.c */

/*
 * Opens root and .sluice, once; makes what is missing where that is allowed.
 * ERR_NOT_FOUND, ERR_DENIED, ERR_UNSUPPORTED (no openat2, no user xattrs).
 */
enum err local_tree_ready(struct local_job *j);
struct local_tree *local_tree_new(const char *path, bool create);
void local_tree_drop(struct local_tree *t); /* one reference */

/* openat2() that never leaves dir and never follows a link; -1 and errno. */
int local_open(int dir, const char *path, int flags, mode_t mode);

/* ERR_INVALID, or ERR_DENIED for what is reserved; sets the text. */
enum err local_key_check(struct local_job *j, const char *key);
bool local_key_is_dir(const char *key); /* ends in '/' */

/* Notes what failed for the log; the nearest value for errno. */
enum err local_errno(struct local_job *j, const char *what);
enum err local_fail(struct local_job *j, enum err err, const char *why);

/* A key's folder, and its last component without a slash. */
struct local_name {
	int dir; /* -1 before; the caller closes it */
	char name[LOCAL_NAME_MAX + 1];
};
/* make: creates missing folders, each synced into its parent. */
enum err local_parent(struct local_job *j, const char *key, bool make,
		      struct local_name *out);
/* Makes the folder that key names (without a slash too). */
enum err local_make_dir(struct local_job *j, const char *key);

/* A regular file for reading; ERR_NOT_FOUND when it is anything else. */
enum err local_open_file(struct local_job *j, const char *key, int *fd,
			 struct stat *st);
void local_describe(int fd, const struct stat *st, struct store_object *out);
void local_close(int *fd); /* sets it to -1 */

/* store_local_seal.c: what stands beside the bytes, and the last step. */

/*
 * Sets mtime and attributes of a finished file with a new ETag (in
 * res.object), syncs it and renames it to key in one step, synced too.
 */
enum err local_publish(struct local_job *j, int fd, int dir, const char *name,
		       const char *key);
/* Writes the ETag anew for a changed time stamp. */
enum err local_reseal(struct local_job *j, int fd,
		      const struct store_object *o);
bool local_xattr_works(int fd);
int local_xattr_set(int fd, const char *name, const char *value);
/* A NUL-ended value; false: absent or longer than size - 1. */
bool local_xattr_get(int fd, const char *name, char *value, size_t size);

/* store_local_file.c */
local_run_fn local_probe, local_put, local_head, local_get, local_delete,
	local_copy, local_move, local_touch;

/* An object may not take a folder's name; told before bytes are moved. */
enum err local_check_place(struct local_job *j, const char *key);

/* Moves the next LOCAL_TURN bytes from body or src to dst, with their CRC. */
enum err local_copy_turn(struct local_job *j);
/* ERR_CANCELED when the call was given up. */
enum err local_still_wanted(struct local_job *j);
/* Opens copy's source as j->src, checks its ETag; again when all is read. */
enum err local_open_source(struct local_job *j, struct stat *st);
enum err local_check_source(struct local_job *j);

/* store_local_upload.c */
local_run_fn local_begin, local_put_part, local_list_parts, local_complete,
	local_abort, local_list_uploads;

/* store_local_list.c */
local_run_fn local_list;

#endif
