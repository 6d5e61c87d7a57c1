/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object store as its callers see it: S3, Swift or a local directory. One
 * struct store per [store.NAME] section and process; it lives as long as its
 * worker. Every call returns at once with an operation; its completion comes
 * from the loop, exactly once, never from inside the call, and never after
 * store_cancel(). The dispatcher checks arguments, logs failures once, and
 * repeats what is safe to repeat (see each call) with exponential back-off
 * and full jitter; Retry-After is honoured.
 *
 * Errors: ERR_NOT_FOUND (404), ERR_CONFLICT (412, 409, an ETag that differs),
 * ERR_DENIED (401, 403: our credentials or rights), ERR_AGAIN (5xx, 429, 408,
 * time-outs, resets: what the tries did not mend), ERR_CORRUPT (the store says
 * that a digest is wrong, or answers with a wrong ETag or checksum; or
 * InvalidPart), ERR_NO_SPACE, ERR_TOO_LARGE, ERR_UNSUPPORTED, ERR_IO (the rest).
 */
#ifndef BRIDGE_STORE_H
#define BRIDGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/id.h"
#include "lib/loop.h"
#include "lib/work.h"

#define STORE_KEY_MAX 1024	 /* bytes in a key, S3's limit */
#define STORE_NAME_MAX 31	 /* bytes in a store's name */
#define STORE_ETAG_MAX 79	 /* bytes in an ETag, without quotes */
#define STORE_SUM_MAX 47	 /* base64 or hex of a checksum */
#define STORE_BACKEND_ID_MAX 255 /* a multipart upload's id */
#define STORE_GET_MAX (8u << 20) /* bytes in one store_get() */
#define STORE_LIST_MAX 1000	 /* entries in one page */
#define STORE_WHY_MAX 200

struct store;
struct store_op; /* one running call */

/* Which digests of a body a caller must supply. */
enum { STORE_NEED_SHA256 = 1, STORE_NEED_MD5 = 2 };

struct store_limits {
	uint64_t part_min;   /* smallest part but the last, bytes */
	uint64_t part_max;   /* largest part */
	uint64_t part_base;  /* configured part size: where parts begin */
	uint64_t put_max;    /* largest single PUT */
	uint64_t copy_max;   /* largest single copy */
	uint64_t object_max; /* largest object */
	uint32_t parts_max;  /* parts in one upload */
	bool equal_parts;    /* all but the last must have one length */
	bool lists_late;     /* a listing may be behind the objects */
};

/* Found by asking the server once, then shared by all workers: plain data. */
struct store_caps {
	bool known;
	bool checks_sha256; /* refuses a wrong x-amz-content-sha256 */
	bool checks_crc32c; /* refuses a wrong x-amz-checksum-crc32c */
	bool if_none_match; /* refuses a PUT on an existing key */
	bool bulk_delete;   /* takes a page of names in one request */
	uint64_t part_max; /* its limits, where it tells them; 0: it does not */
	uint32_t parts_max;
};

struct store_env {
	struct loop *loop;
	struct work_pool *pool;
	struct http *http; /* the worker's HTTP client thread; may be NULL */
};

/*
 * Opens the store that [store.NAME] describes; complaints go into conf.
 * No request is sent. The caller frees *out with store_close().
 */
enum err store_open(struct store **out, struct conf *conf, const char *name,
		    const struct store_env *env);
void store_close(struct store *s); /* cancels what runs */

/* Checks section [store.NAME] only, as `sluiced -t` does. */
void store_check(struct conf *conf, const char *name);

const char *store_name(const struct store *s);
const char *store_kind(const struct store *s); /* "s3", "swift", "local" */
const struct store_limits *store_limits(const struct store *s);
unsigned store_needs(const struct store *s); /* STORE_NEED_* for bodies */
void store_set_caps(struct store *s, const struct store_caps *caps);
bool store_can_move(const struct store *s); /* rename without a copy */

/*
 * Down: the last calls failed in a way that may pass, so that only a probe goes
 * out now and then (doc/store.md). fn hears of each change, from the loop.
 */
typedef void store_down_fn(void *arg, struct store *s, bool down);
void store_watch(struct store *s, store_down_fn *fn, void *arg);
bool store_is_down(const struct store *s);
unsigned store_held(const struct store *s); /* calls that wait for its return */

/* What an object carries besides its bytes. NULL and 0 mean absent. */
struct store_meta {
	const char *sluice_id;	  /* the upload that made it */
	const char *content_type; /* NULL: application/octet-stream */
	int64_t mtime;		  /* as the client set it, Unix seconds */
};

struct store_object {
	uint64_t size;
	int64_t mtime; /* the client's if stored, else Last-Modified; s */
	char etag[STORE_ETAG_MAX + 1];
	char sluice_id[ID_LEN + 1]; /* "" when it is not ours */
};

struct store_part {
	uint32_t no; /* from 1 */
	uint64_t off, len;
	char etag[STORE_ETAG_MAX + 1];
	char sum[STORE_SUM_MAX + 1]; /* base64 CRC32C where the store has it */
};

struct store_entry {
	const char *key; /* below the prefix; ends in '/' for a folder */
	bool is_dir;
	uint64_t size;
	int64_t mtime; /* Unix seconds */
	const char *etag;
};

struct store_upload {
	const char *key;
	const char *backend_id;
	int64_t initiated; /* Unix ms */
};

/*
 * A body: len bytes at `off` of fd, or at data. Both are borrowed until the
 * completion or until store_cancel() has returned.
 */
struct store_body {
	const void *data; /* NULL: from fd */
	int fd;
	uint64_t off, len;
	uint32_t crc32c; /* of these bytes; always given */
	bool has_sha256, has_md5;
	unsigned char sha256[32];
	unsigned char md5[16];
};

/* A body of no bytes at all, with every digest. */
void store_body_empty(struct store_body *body);

/* Everything a completion can tell; pointers are valid during the call. */
struct store_result {
	enum err err;
	bool ambiguous;	 /* failed, but may have taken effect at the store */
	const char *why; /* a short text for err; never NULL */
	struct store_caps caps;		/* probe */
	struct store_object object;	/* head, put, complete, copy: etag */
	struct store_part part;		/* put_part, copy_part: etag and sum */
	const char *backend_id;		/* begin */
	const struct store_part *parts; /* list_parts, by number */
	size_t nparts;
	const struct store_entry *entries; /* list, by key */
	size_t nentries;
	bool marker; /* list: the folder itself is there (first page) */
	const struct store_upload *uploads; /* list_uploads */
	size_t nuploads;
	const char *next; /* marker of the next page, NULL on the last */
	const void *data; /* get */
	size_t len;
	/*
	 * get: malloc'ed memory that begins with data. Whoever sets it to NULL
	 * has taken it over. NULL: data can only be copied.
	 */
	unsigned char **owned;
};

typedef void store_done_fn(void *arg, const struct store_result *res);

/*
 * Asks the server what it can do, and that bucket and credentials work. Leaves
 * nothing behind. ERR_AGAIN when it cannot be reached; ERR_NOT_FOUND: no such
 * bucket or folder; ERR_DENIED: credentials.
 */
struct store_op *store_probe(struct store *s, store_done_fn *fn, void *arg);

/*
 * One PUT of a whole object (0 .. put_max bytes), replacing what is there in
 * one step. Not repeated by the dispatcher when the outcome is unknown.
 */
struct store_op *store_put(struct store *s, const char *key,
			   const struct store_meta *meta,
			   const struct store_body *body, store_done_fn *fn,
			   void *arg);

/* Creates a multipart upload. Sent once: an unknown outcome is `ambiguous`. */
struct store_op *store_begin(struct store *s, const char *key,
			     const struct store_meta *meta, store_done_fn *fn,
			     void *arg);

struct store_target {
	const char *key;
	const char *backend_id;
};

/* A part's number, from 1, and its first byte in the object. */
struct store_slot {
	uint32_t no;
	uint64_t off;
};

struct store_range {
	uint64_t off;
	size_t len;
};

/* Repeated on ERR_AGAIN. Part numbers and offsets as the schedule gives. */
struct store_op *store_put_part(struct store *s, struct store_target t,
				struct store_slot slot,
				const struct store_body *body,
				store_done_fn *fn, void *arg);

struct store_copy {
	const char *from;
	const char *from_etag; /* If-Match; NULL: any */
	uint64_t off, len;     /* copy_part: the range of `from` */
};

/* A part that the store copies from another object's range. Repeated. */
struct store_op *store_copy_part(struct store *s, struct store_target t,
				 uint32_t no, const struct store_copy *c,
				 store_done_fn *fn, void *arg);

/* All confirmed parts, all pages. ERR_NOT_FOUND: no such upload. Repeated. */
struct store_op *store_list_parts(struct store *s, struct store_target t,
				  store_done_fn *fn, void *arg);

/*
 * Completes; parts are borrowed until the completion. A 200 that carries an
 * error is that error. ERR_CORRUPT: a part is missing or differs
 * (InvalidPart); ERR_NOT_FOUND: no such upload (perhaps because it was
 * completed before). May take minutes. Sent once.
 */
struct store_op *store_complete(struct store *s, struct store_target t,
				const struct store_part *parts, size_t n,
				store_done_fn *fn, void *arg);

/* ERR_OK also when there is no such upload any more. Repeated. */
struct store_op *store_abort(struct store *s, struct store_target t,
			     store_done_fn *fn, void *arg);

/*
 * Multipart uploads at this very key, all pages up to 1000; with key "" those
 * of every key, up to 10,000, and `next` set where there are more. Repeated.
 */
struct store_op *store_list_uploads(struct store *s, const char *key,
				    store_done_fn *fn, void *arg);

struct store_op *store_head(struct store *s, const char *key, store_done_fn *fn,
			    void *arg);

/* At most STORE_GET_MAX bytes; etag (If-Match) may be NULL. Repeated. */
struct store_op *store_get(struct store *s, const char *key, const char *etag,
			   struct store_range range, store_done_fn *fn,
			   void *arg);

/*
 * One page, at most STORE_LIST_MAX entries, of what lies directly below
 * prefix ("" or ending in '/'): objects and, once each, folders. marker is
 * NULL or the `next` of the page before. The prefix's own marker object
 * ("prefix" itself) is not listed. Repeated.
 */
struct store_op *store_list(struct store *s, const char *prefix,
			    const char *marker, store_done_fn *fn, void *arg);

/*
 * Deletes an object; ERR_OK also when it is not there. A key that ends in '/'
 * is a folder's marker; the local store then removes the empty folder and
 * says ERR_NOT_EMPTY when it is not. Repeated.
 */
struct store_op *store_delete(struct store *s, const char *key,
			      store_done_fn *fn, void *arg);

/*
 * A whole object copied by the store, by parts where it is above copy_max.
 * meta replaces the old metadata but the content type. Sent once.
 */
struct store_op *store_copy(struct store *s, const struct store_copy *c,
			    const char *to, const struct store_meta *meta,
			    store_done_fn *fn, void *arg);

/* Atomic rename of an object or folder, replacing an object; local only. */
struct store_op *store_move(struct store *s, const char *from, const char *to,
			    store_done_fn *fn, void *arg);

/* Sets an object's modification time in place where that costs no copy. */
struct store_op *store_touch(struct store *s, const char *key, int64_t mtime,
			     store_done_fn *fn, void *arg);

#define STORE_GRANT_MAX_S (7 * 24 * 3600)

struct store_grant {
	bool put;	  /* else GET */
	unsigned seconds; /* until it expires, at most STORE_GRANT_MAX_S */
};

/*
 * A URL with which anybody may GET or PUT the object until it expires: in
 * `data`, with a NUL behind it. ERR_NOT_FOUND: there is nothing to GET.
 */
struct store_op *store_presign(struct store *s, const char *key,
			       struct store_grant grant, store_done_fn *fn,
			       void *arg);

/* No completion comes any more; bodies are no longer read. NULL is fine. */
void store_cancel(struct store_op *op);

#endif
