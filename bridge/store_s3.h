/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The S3 driver's inside, for bridge/store_s3*.c only. A job carries one
 * store_call out: it builds a request, sends it, looks at the reply, and
 * perhaps builds the next one, until it is done. doc/store.md says what each
 * call sends and how answers are taken.
 */
#ifndef BRIDGE_STORE_S3_H
#define BRIDGE_STORE_S3_H

#include "bridge/http.h"
#include "bridge/s3_xml.h"
#include "bridge/sigv4.h"
#include "bridge/store_http.h"
#include "bridge/store_ops.h"

#define S3_QUERY_MAX 12
#define S3_HEADERS_MAX 20
#define S3_REPLY_MAX ((size_t)8 << 20) /* bytes of an answer in XML */
#define S3_PARTS_MAX 10000	       /* parts in one upload, at most */
#define S3_UNSIGNED "UNSIGNED-PAYLOAD"
#define S3_CRC_LEN 9 /* base64 of a CRC-32C and NUL */

/*
 * Completing and copying may take minutes, and only then does a byte come.
 */
#define S3_PATIENCE_MS (15 * 60 * 1000u)

enum s3_payload { S3_PAYLOAD_AUTO, S3_PAYLOAD_SIGNED, S3_PAYLOAD_UNSIGNED };

struct s3 {
	struct store *store;
	struct http_host *host; /* NULL while only settings are checked */
	struct sigv4 *signer;
	char *url;	 /* "https://name[:port]" */
	char *authority; /* value of the Host header */
	char *root;	 /* "/bucket" with path style, else "" */
	char *bucket;
	char *prefix; /* "" or ends in '/' */
	char *session_token, *sse, *sse_kms_key_id, *storage_class;
	bool https;
	enum s3_payload payload;
	int64_t skew_s; /* the server's clock minus ours */
};

struct s3_pair {
	const char *name;
	char *value;
};

struct s3_job;
typedef void s3_next_fn(struct s3_job *j, enum err err);

struct s3_job {
	struct s3 *s3;
	struct store_call *call;
	struct http_request *running;

	/* The request. */
	const char *method;
	struct buf path; /* encoded */
	struct s3_pair query[S3_QUERY_MAX];
	size_t nquery;
	struct s3_pair headers[S3_HEADERS_MAX];
	size_t nheaders;
	bool has_body;
	struct store_body body; /* text is sent from data */
	struct buf text;	/* an XML body */
	char payload[65];	/* x-amz-content-sha256 */
	size_t reply_max, reply_expected;
	bool once, patient;
	bool resent; /* after the clock was set right */
	bool no_crc; /* for this upload the server wants none */
	s3_next_fn *next;

	/* The reply, valid while `next` runs. */
	const struct http_reply *reply;
	struct s3_error error;
	const char *why;
	bool ambiguous;

	/* What a call of several requests gathers. */
	void *state;
	void (*free_state)(void *state);
};

/* store_s3_request.c: a job's life. */
struct s3_job *s3_job_new(struct store *s, struct store_call *c);
void s3_cancel(struct store *s, struct store_call *c);

/* Both end the job: it is gone afterwards. */
void s3_done(struct s3_job *j, const struct store_result *res);
void s3_fail(struct s3_job *j, enum err err, const char *why);

/* Begins a request on a key below the store's prefix, or on the bucket. */
void s3_request(struct s3_job *j, const char *method, const char *key);
void s3_request_bucket(struct s3_job *j, const char *method);
void s3_query(struct s3_job *j, const char *name, const char *value);
void s3_query_uint(struct s3_job *j, const char *name, uint64_t value);
void s3_header(struct s3_job *j, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Sends; next gets ERR_OK for a 2xx, else what the reply means. */
void s3_send(struct s3_job *j, s3_next_fn *next);

/* Ends the job with what the reply meant, as `next` was told. */
void s3_fail_reply(struct s3_job *j, enum err err);

/*
 * What an answer with an error inside, or one that is no such answer, means:
 * sets why and ambiguous, and returns the error.
 */
enum err s3_xml_err(struct s3_job *j, enum s3_xml res);

time_t s3_server_time(const struct s3 *s);

/* store_s3_error.c: what a reply means; sets why, ambiguous and the detail. */
enum err s3_classify(struct s3_job *j, const struct http_reply *r);

/* store_s3_body.c: bodies, digests and what goes with an object. */
bool s3_sends_crc(const struct s3 *s);
unsigned s3_needs(const struct store *s);
void s3_body_object(struct s3_job *j, const struct store_body *b);
void s3_body_signed(struct s3_job *j, const void *data, size_t n);
void s3_body_text(struct s3_job *j); /* what was written to j->text */
void s3_body_none(struct s3_job *j); /* PUT and POST without one */
void s3_object_headers(struct s3_job *j, const struct store_meta *meta);
void s3_source_headers(struct s3_job *j, const struct store_copy *c);

/* Compares a reply's ETag and checksum with what was sent: NULL, or a text. */
const char *s3_digest_fault(struct s3_job *j, const char *etag);
void s3_crc_text(uint32_t crc, char out[S3_CRC_LEN]);

/* The object that a HEAD or GET reply describes. */
void s3_read_object(struct s3_job *j, struct store_object *out);

/*
 * store_s3_probe.c: goes on once it is known what the server checks; asks it
 * first where that is not known, and fails the job if that fails.
 */
typedef void s3_known_fn(struct s3_job *j);
void s3_when_known(struct s3_job *j, s3_known_fn *then);

/* The calls. */
void s3_probe(struct store *s, struct store_call *c);
void s3_put(struct store *s, struct store_call *c);
void s3_head(struct store *s, struct store_call *c);
void s3_get(struct store *s, struct store_call *c);
void s3_delete(struct store *s, struct store_call *c);
void s3_begin(struct store *s, struct store_call *c);
void s3_put_part(struct store *s, struct store_call *c);
void s3_copy_part(struct store *s, struct store_call *c);
void s3_list_parts(struct store *s, struct store_call *c);
void s3_complete(struct store *s, struct store_call *c);
void s3_abort(struct store *s, struct store_call *c);
void s3_list_uploads(struct store *s, struct store_call *c);
void s3_list(struct store *s, struct store_call *c);
void s3_copy(struct store *s, struct store_call *c);
void s3_presign(struct store *s, struct store_call *c);

/*
 * After a Complete that did not tell the ETag: asks for what is at the key
 * now. The reply is s3_made_seen()'s to read: ERR_OK and *out, or what to fail
 * with.
 */
void s3_look_at_made(struct s3_job *j, const char *key, s3_next_fn *then);
enum err s3_made_seen(struct s3_job *j, enum err err, struct store_object *out);

/* The body of Complete, into j->text. */
void s3_complete_body(struct s3_job *j, const struct store_part *parts,
		      size_t n);

#endif
