/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs requests to S3 with AWS Signature Version 4 in the Authorization
 * header ("Authenticating Requests: Using the Authorization Header", Amazon S3
 * API Reference). A signer belongs to one pair of keys and one region; it
 * keeps the signing key of the current day. Used by one thread.
 */
#ifndef BRIDGE_SIGV4_H
#define BRIDGE_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/buf.h"

#define SIGV4_DATE_LEN 16 /* "20130524T000000Z" */
#define SIGV4_HEADERS_MAX 32

struct sigv4;

/* Strings are copied; the secret is wiped when the signer is freed. */
struct sigv4 *sigv4_new(const char *access_key, const char *secret_key,
			const char *region);
void sigv4_free(struct sigv4 *s); /* NULL is fine */

struct sigv4_header {
	const char *name; /* lower case */
	const char *value;
};

struct sigv4_request {
	const char *method;
	const char *path;  /* encoded, begins with '/' */
	const char *query; /* canonical: encoded, sorted, "" when none */
	/*
	 * All headers to be signed: host, x-amz-date and x-amz-content-sha256
	 * among them; at most SIGV4_HEADERS_MAX, each name once, any order.
	 */
	const struct sigv4_header *headers;
	size_t nheaders;
	const char *payload; /* value of x-amz-content-sha256 */
	const char *date;    /* value of x-amz-date */
};

/* Appends the value of the Authorization header to out. */
void sigv4_sign(struct sigv4 *s, const struct sigv4_request *r,
		struct buf *out);

/*
 * The query with which anybody may send the request until it expires
 * ("Authenticating Requests: Using Query Parameters", Amazon S3 API Reference).
 * Of r, the method, the path, the date and one header, "host", count. At most
 * seven days; a session token goes in, or NULL.
 */
void sigv4_presign(struct sigv4 *s, const struct sigv4_request *r,
		   const char *session_token, unsigned seconds,
		   struct buf *out);

/*
 * The signing key of a day ("20130524") for a region and a service
 * ("Signature Version 4 signing key", AWS General Reference).
 */
void sigv4_key(const char *secret_key, const char *day, const char *region,
	       const char *service, unsigned char out[32]);

/* The value of x-amz-date for a Unix time. */
void sigv4_date(time_t t, char out[SIGV4_DATE_LEN + 1]);

/*
 * Appends s with all but unreserved characters (RFC 3986 section 2.3) as %XX;
 * a '/' stays as it is where keep_slash says so.
 */
void sigv4_encode(struct buf *out, const char *s, bool keep_slash);

#endif
