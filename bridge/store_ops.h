/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store driver provides. A driver is one `const struct store_ops`; it
 * has no header of its own. The dispatcher (store.c) checks arguments, copies
 * them into a struct store_call, logs failures once, repeats what may be
 * repeated and calls the caller's completion; a driver only carries one call
 * out, once for each start.
 *
 * All functions here are called by the loop's thread, and never from inside
 * a caller's store_xxx(): so a start may complete the call at once.
 */
#ifndef BRIDGE_STORE_OPS_H
#define BRIDGE_STORE_OPS_H

#include "bridge/store.h"

enum store_call_kind {
	STORE_CALL_PROBE,
	STORE_CALL_PUT,
	STORE_CALL_BEGIN,
	STORE_CALL_PUT_PART,
	STORE_CALL_COPY_PART,
	STORE_CALL_LIST_PARTS,
	STORE_CALL_COMPLETE,
	STORE_CALL_ABORT,
	STORE_CALL_LIST_UPLOADS,
	STORE_CALL_HEAD,
	STORE_CALL_GET,
	STORE_CALL_LIST,
	STORE_CALL_DELETE,
	STORE_CALL_COPY,
	STORE_CALL_MOVE,
	STORE_CALL_TOUCH,
	STORE_CALL_PRESIGN,
	STORE_CALLS
};

#define STORE_DETAIL_MAX 400 /* bytes of detail for the log */

/*
 * One call. Strings are the dispatcher's copies; they, the body, copy and
 * parts stay valid until the driver calls store_call_done() or its cancel()
 * has returned. What a kind does not use is NULL or 0. Keys were checked:
 * 1..STORE_KEY_MAX bytes, no NUL; a store's `prefix` is the driver's to add.
 */
struct store_call {
	struct store *store;
	enum store_call_kind kind;
	unsigned attempt; /* 0 for the first start */
	void *driver;	  /* the driver's, NULL at each start */

	const char *key;	/* put .. touch; list: the prefix; move: from */
	const char *to;		/* copy, move: the new key */
	const char *backend_id; /* calls on a multipart upload */
	const char *etag;	/* get: If-Match, or NULL */
	const char *marker;	/* list: `next` of the page before, or NULL */
	struct store_meta meta; /* put, begin, copy */
	struct store_body body; /* put, put_part; has what store_needs() asks */
	struct store_copy copy; /* copy, copy_part: the source */
	uint32_t no;		/* put_part, copy_part */
	/*
	 * put_part: where the part lies in the object. copy_part: the same,
	 * which is also copy.off, for a copied part keeps its place. get: the
	 * range; what lies behind the end is no error but makes the result
	 * shorter, down to 0 bytes.
	 */
	uint64_t off;
	uint64_t len;			/* get; copy_part: copy.len */
	int64_t mtime;			/* touch */
	struct store_grant grant;	/* presign */
	const struct store_part *parts; /* complete: by number, from 1 */
	size_t nparts;

	/* What the driver may add before a failing store_call_done(). */
	unsigned retry_after_ms;       /* the server's wish, 0: none */
	char detail[STORE_DETAIL_MAX]; /* for the log: status, code, errno */
};

struct store {
	const struct store_ops *ops;
	char name[STORE_NAME_MAX + 1];
	struct store_env env; /* all NULL while only the settings are checked */
	struct store_limits limits; /* open() fills this */
	struct store_caps caps;	    /* as the last store_set_caps() told */
	unsigned tries;		    /* for calls that are repeated */
	void *driver;		    /* the driver's own state */
	struct store_queue *queue;  /* the dispatcher's live calls */
};

struct store_ops {
	const char *kind; /* the word after "type =" */

	/*
	 * Reads [section] and fills s->limits and s->driver. What is wrong goes
	 * to conf_complain(); when anything did, returns ERR_INVALID and leaves
	 * nothing allocated. Sends no request. With s->env.loop NULL only the
	 * settings are being checked: close() follows and no call is made.
	 */
	enum err (*open)(struct store *s, struct conf *conf,
			 const char *section);
	void (*close)(struct store *s); /* no call is live any more */

	/* STORE_NEED_* of bodies, as s->caps stands. NULL: none. */
	unsigned (*needs)(const struct store *s);

	/*
	 * Starts a call; a NULL entry means that the store does not offer it.
	 * Exactly one store_call_done() follows, now or later from the loop,
	 * unless cancel() comes before it. After either of the two, neither
	 * the call nor its body is touched again, by any thread.
	 */
	void (*start[STORE_CALLS])(struct store *s, struct store_call *c);

	/* Gives a started call up; waits for a thread that reads the body. */
	void (*cancel)(struct store *s, struct store_call *c);
};

/*
 * Ends a call. res and all it points to are read before this returns; c is
 * gone afterwards, and so may be the store. res->why may be NULL: err_text()
 * is used then. In a page of list, entry.key is what follows the listed prefix.
 */
void store_call_done(struct store_call *c, const struct store_result *res);

/* Ends a call with an error, a short text for a client, and no result. */
void store_call_fail(struct store_call *c, enum err err, const char *why);

/* An ETag without its quotes; false, and "", when it cannot be a real one. */
bool store_etag(const char *s, char out[STORE_ETAG_MAX + 1]);

/* store_open() with a driver that is not in its list, such as a test's. */
enum err store_open_driver(struct store **out, const struct store_ops *ops,
			   struct conf *conf, const char *name,
			   const struct store_env *env);

/*
 * part_size, max_parts and equal_parts of [section] into part_base, parts_max
 * and equal_parts; l holds the driver's defaults and limits before.
 */
void store_conf_parts(struct conf *conf, const char *section,
		      struct store_limits *l);

extern const struct store_ops store_s3;
extern const struct store_ops store_swift;
extern const struct store_ops store_local;

#endif
