/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunked transfer coding (RFC 9112 section 7.1), read strictly: sizes are
 * 1 to 15 hex digits, lines end in CR LF. Extensions and trailer fields are
 * skipped, and bounded.
 */
#ifndef HTTPD_CHUNK_H
#define HTTPD_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_CHUNK_EXTRA_MAX 8192 /* bytes of extensions and trailers */

struct http_chunk {
	int state;
	unsigned digits;
	uint64_t left;	/* bytes of the chunk */
	size_t extra;	/* bytes that were skipped */
	size_t trailer; /* bytes of the trailer line so far */
};

enum http_chunk_status {
	HTTP_CHUNK_MORE, /* all was used, and more is needed */
	HTTP_CHUNK_DATA, /* the last *len bytes of those used are the body's */
	HTTP_CHUNK_END,	 /* the body is over; what is left is the next's */
	HTTP_CHUNK_BAD
};

void http_chunk_init(struct http_chunk *c);

enum http_chunk_status http_chunk_next(struct http_chunk *c,
				       const unsigned char *p, size_t n,
				       size_t *used, size_t *len);

#endif
