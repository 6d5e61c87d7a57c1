/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Swift driver's inside, for bridge/store_swift*.c only. A job carries one
 * store_call out, request after request, as with S3. doc/store.md tells which
 * requests each call makes, and what is kept where:
 *
 *   CONTAINER  PREFIX KEY                     an object, or a manifest
 *   SEGMENTS   PREFIX uploads/HASH/ID         a multipart upload going on
 *              PREFIX segments/HASH/ID/NO-OFF its parts
 *              PREFIX owners/HASH/ID/HASH2    a key whose manifest names them
 *              PREFIX garbage/TIME-HASH-ID    to be looked at after TIME
 *
 * HASH is that of the key; "HASH/ID" is called a set. ID is the backend id.
 */
#ifndef BRIDGE_STORE_SWIFT_H
#define BRIDGE_STORE_SWIFT_H

#include <jansson.h>

#include "bridge/http.h"
#include "bridge/store_http.h"
#include "bridge/store_ops.h"
#include "bridge/swift_auth.h"
#include "lib/buf.h"

#define SWIFT_HEADERS_MAX 16
#define SWIFT_REPLY_MAX ((size_t)8 << 20)	/* bytes of an answer in JSON */
#define SWIFT_SET_LEN (32 + 1 + ID_LEN)		/* "HASH/ID" */
#define SWIFT_NOTE_LEN (14 + SWIFT_SET_LEN + 5) /* "TIME-HASH-ID-seen" */
#define SWIFT_PATIENCE_MS (15 * 60 * 1000u)

struct swift {
	struct store *store;
	struct http_host *host; /* NULL while only settings are checked */
	struct swift_auth *auth;
	char *container, *segments; /* names */
	char *prefix;		    /* "" or ends in '/' */
	char *tempurl_key;	    /* NULL: none */
	bool create;		    /* the container, when it is missing */
	uint64_t delete_after_s;    /* objects expire; 0: never */
	uint64_t grace_ms;	    /* for readers of what was replaced */
	struct swift_reaper *reaper;
};

struct swift_job;
typedef void swift_next_fn(struct swift_job *j, enum err err);

struct swift_job {
	struct swift *swift;
	struct store_call *call; /* NULL: the reaper's own */
	struct http_request *running;
	struct swift_wait wait;

	/* The request. */
	const char *method;
	struct buf path;  /* encoded, below the account: "/container/..." */
	struct buf query; /* encoded */
	char *headers[SWIFT_HEADERS_MAX + 2];
	size_t nheaders;
	bool has_body;
	struct store_body body;
	struct buf text; /* a body made here */
	size_t reply_max, reply_expected;
	bool once, patient, plain_url; /* plain_url: path is a whole URL */
	bool renewed;		       /* with a new token after a 401 */
	unsigned serial;	       /* of the token it was sent with */
	swift_next_fn *next;

	/* The reply, valid while `next` runs. */
	const struct http_reply *reply;
	const char *why;
	bool ambiguous;

	void (*known)(struct swift_job *j); /* after the probe */
	struct store_caps found;	    /* by the probe */

	/* What a call of several requests gathers. */
	void *state;
	void (*free_state)(void *state);
};

/* store_swift_request.c: a job's life, as store_s3.h has it. */
struct swift_job *swift_job_new(struct swift *s, struct store_call *c);
void swift_job_free(struct swift_job *j); /* the reaper's; cancels */
void swift_cancel(struct store *s, struct store_call *c);
void swift_done(struct swift_job *j, const struct store_result *res);
void swift_fail(struct swift_job *j, enum err err, const char *why);
void swift_fail_reply(struct swift_job *j, enum err err);

/* Begins a request on the account, a container, or an object in one. */
void swift_request(struct swift_job *j, const char *method,
		   const char *container, const char *name);
/* On the store's own object: its container and prefix. */
void swift_request_key(struct swift_job *j, const char *method,
		       const char *key);
/* On PREFIX KIND/REST in the container of segments. */
void swift_request_segment(struct swift_job *j, const char *method,
			   const char *kind, const char *rest);
void swift_query(struct swift_job *j, const char *name, const char *value);
void swift_header(struct swift_job *j, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void swift_body_object(struct swift_job *j, const struct store_body *b);
void swift_body_text(struct swift_job *j); /* what is in j->text */
void swift_body_none(struct swift_job *j);

/* Sends; next gets ERR_OK for a 2xx, else what the reply means. */
void swift_send(struct swift_job *j, swift_next_fn *next);

/* store_swift_error.c */
enum err swift_classify(struct swift_job *j, const struct http_reply *r);

/* The JSON of the reply; NULL: it is none. The caller frees it. */
json_t *swift_json(struct swift_job *j);

/* What a reply to a request that any key may get means: no container. */
enum err swift_need_container(struct swift_job *j, enum err err);

/*
 * What the body of an answer to a manifest or a bulk request says, whose
 * status came before its outcome was known: sets why and ambiguous.
 */
enum err swift_late_status(struct swift_job *j, json_t *answer);

/*
 * store_swift_probe.c: goes on once the cluster was asked for its limits and
 * the containers are there; asks first where that was not done at the start.
 */
void swift_when_known(struct swift_job *j, void (*then)(struct swift_job *j));

/*
 * store_swift_list.c: begins a request for the names of a container with this
 * prefix, behind the marker (NULL: from the first one), at most `limit`.
 */
void swift_request_page(struct swift_job *j, const char *container,
			const char *prefix, const char *marker, unsigned limit);
/* The reply's names; NULL: it is no such answer, and why says so. */
json_t *swift_page(struct swift_job *j);
const char *swift_page_name(const json_t *page, size_t i); /* or NULL */

/* store_swift_names.c */
void swift_key_hash(const char *key, char out[32 + 1]);
void swift_set_of(const char *key, const char *id, char out[SWIFT_SET_LEN + 1]);
bool swift_set_valid(const char *set);
/* "00001-00000000000000000000": sorts by number. */
void swift_part_name(uint32_t no, uint64_t off, char out[32]);
bool swift_part_parse(const char *name, uint32_t *no, uint64_t *off);
/* "TIME-HASH-ID" or, when somebody looked once, with "-seen" behind. */
void swift_note_name(const char *set, int64_t due_ms, bool again,
		     char out[SWIFT_NOTE_LEN + 1]);
bool swift_note_parse(const char *name, int64_t *due_ms,
		      char set[SWIFT_SET_LEN + 1], bool *again);

/* store_swift_object.c */
void swift_object_headers(struct swift_job *j, const struct store_meta *meta);
void swift_read_object(struct swift_job *j, struct store_object *out);
/* Makes a PUT a copy of the object at a key, without its metadata. */
void swift_copy_from(struct swift_job *j, const char *key);
/* The set that the reply's object is a manifest of, or NULL: it is none. */
const char *swift_read_set(struct swift_job *j);

/*
 * Goes on once it is noted which set of segments a key's manifest names, for
 * it is about to be replaced; `keep` is the set that may stay, or NULL.
 */
void swift_note_old(struct swift_job *j, const char *key, const char *keep,
		    swift_next_fn *then);

/* store_swift_parts.c: ends with "no such upload", if the container is there. */
void swift_no_upload(struct swift_job *j);

/* store_swift_sets.c: notes that key's manifest is about to name a set. */
void swift_claim(struct swift_job *j, const char *set, const char *key,
		 swift_next_fn *then);
/*
 * Notes that after so many ms it is worth looking whether anybody names a set;
 * again says that somebody looked once.
 */
void swift_note_garbage(struct swift_job *j, const char *set, uint64_t ms,
			bool again, swift_next_fn *then);
/* Deletes every segment of a set, and the notes of who owned it. */
void swift_delete_set(struct swift_job *j, const char *set,
		      swift_next_fn *then);
/* Deletes the segments of a set that are not these parts, numbered from 1. */
void swift_tidy_set(struct swift_job *j, const char *set,
		    const struct store_part *keep, size_t nkeep,
		    swift_next_fn *then);

/*
 * store_swift_reaper.c: deletes the sets that nobody names any more, in one of
 * the processes that share a lock (NULL: there are no others).
 */
struct swift_reaper *swift_reaper_new(struct swift *s, const char *lock_path);
void swift_reaper_free(struct swift_reaper *r); /* NULL is fine */

/* The calls. */
void swift_probe(struct store *s, struct store_call *c);
void swift_put(struct store *s, struct store_call *c);
void swift_head(struct store *s, struct store_call *c);
void swift_get(struct store *s, struct store_call *c);
void swift_delete(struct store *s, struct store_call *c);
void swift_begin(struct store *s, struct store_call *c);
void swift_put_part(struct store *s, struct store_call *c);
void swift_copy_part(struct store *s, struct store_call *c);
void swift_list_parts(struct store *s, struct store_call *c);
void swift_complete(struct store *s, struct store_call *c);
void swift_abort(struct store *s, struct store_call *c);
void swift_list_uploads(struct store *s, struct store_call *c);
void swift_list(struct store *s, struct store_call *c);
void swift_copy(struct store *s, struct store_call *c);
void swift_presign(struct store *s, struct store_call *c);

#endif
