/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bucket behind null_s3: it keeps names, sizes and ETags of objects and
 * multipart uploads, and none of their bytes. Any bucket name will do.
 */
#ifndef TESTS_FAKE_NULL_S3_H
#define TESTS_FAKE_NULL_S3_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <uthash.h>

#include "lib/buf.h"
#include "lib/id.h"

#define NULL_S3_QUERY_MAX 16
#define NULL_S3_KEPT_BODY (4u << 20) /* a body in XML */
#define NULL_S3_CHECKED_BODY 8192u   /* smaller ones have digests checked */

#define NULL_S3_ETAG 48
#define NULL_S3_PAGE 1000

struct object {
	char *key; /* "bucket/key" */
	uint64_t size;
	time_t modified;
	char etag[NULL_S3_ETAG];
	char *type, *sluice_id, *mtime;
	UT_hash_handle hh;
};

struct part {
	uint64_t size;
	char etag[NULL_S3_ETAG]; /* "": not there */
};

struct upload {
	char id[ID_LEN + 1];
	struct object object; /* what it will become */
	struct part *parts;   /* by number - 1 */
	uint32_t room, last;
	UT_hash_handle hh;
};

struct null_s3 {
	struct object *objects;
	struct object **sorted; /* by key; NULL: to be made anew */
	struct upload *uploads;
	uint64_t etags;			 /* given so far */
	uint64_t puts, parts, gets, all; /* requests */
	uint64_t bytes;			 /* of bodies */
};

struct null_s3_request {
	char method[8];
	char *bucket, *key; /* decoded; key is "" for the bucket itself */
	struct {
		char *name, *value;
	} query[NULL_S3_QUERY_MAX];
	unsigned nquery;
	uint64_t length; /* of the body */

	/* Headers, NULL when absent. */
	char *sha256, *crc32c, *range, *if_match, *if_none_match;
	char *copy_source, *copy_range, *copy_if_match, *type, *algorithm;
	char *sluice_id, *mtime;

	/* The body where it was kept, else NULL. */
	const unsigned char *body;
};

/* The reply: headers beyond Content-Length as lines with CRLF. */
struct null_s3_reply {
	unsigned status;
	struct buf headers, body;
	uint64_t zeros; /* instead of a body: as many zero bytes */
};

struct null_s3 *null_s3_new(void);
void null_s3_free(struct null_s3 *s);

/* Puts n empty objects into the folder "many" of the bucket "bench". */
void null_s3_fill(struct null_s3 *s, unsigned n);

/* Whether the request's body must be kept until null_s3_serve(). */
bool null_s3_wants_body(const struct null_s3_request *r);
void null_s3_serve(struct null_s3 *s, const struct null_s3_request *r,
		   struct null_s3_reply *out);

/* The value of a query parameter, NULL when it is not there. */
const char *null_s3_param(const struct null_s3_request *r, const char *name);

/* For the bucket's own files: objects, uploads, listings. */
typedef void null_s3_fn(struct null_s3 *s, const struct null_s3_request *r,
			struct null_s3_reply *out);
void null_s3_fail(struct null_s3_reply *out, unsigned status, const char *code);
void null_s3_new_etag(struct null_s3 *s, char etag[NULL_S3_ETAG]);
char *null_s3_full_key(const struct null_s3_request *r);
struct object null_s3_describe(const struct null_s3_request *r);
struct object *null_s3_store(struct null_s3 *s, struct object o);
void null_s3_drop(struct object *o); /* its strings */
void null_s3_drop_upload(struct null_s3 *s, struct upload *u);
bool null_s3_digests_match(const struct null_s3_request *r);
bool null_s3_cut_range(const char *range, uint64_t size, uint64_t *first,
		       uint64_t *last);

/* The object to copy from; NULL when out says what is wrong. */
struct object *null_s3_source(struct null_s3 *s,
			      const struct null_s3_request *r,
			      struct null_s3_reply *out);
void null_s3_add_etag(struct null_s3_reply *out, const char *etag);
null_s3_fn *null_s3_upload_call(const struct null_s3_request *r);
null_s3_fn *null_s3_bucket_call(const struct null_s3_request *r);
null_s3_fn null_s3_begin;

#endif
