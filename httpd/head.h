/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1.1 request (RFC 9112): request line and header fields,
 * read strictly. What two programs could understand in two ways is refused:
 * bare LF or CR, folded lines, blanks before a colon, a second Content-Length,
 * Content-Length beside Transfer-Encoding, codings other than chunked. Pure:
 * bytes in, a struct or an HTTP status out.
 */
#ifndef HTTPD_HEAD_H
#define HTTPD_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 32768	/* bytes of a whole head */
#define HTTP_TARGET_MAX 8192	/* bytes of the request's target */
#define HTTP_FIELDS_MAX 100	/* header fields */
#define HTTP_BODY_MAX INT64_MAX /* bytes of a body */

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_PUT,
	HTTP_POST,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER
};

struct http_field {
	const char *name; /* lower case */
	const char *value;
};

enum http_body { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED };

/* All text points into the head that was parsed. */
struct http_head {
	enum http_method method;
	const char *method_name;
	char *target; /* path and query; "*" of OPTIONS */
	bool http10;
	enum http_body body;
	uint64_t length; /* HTTP_BODY_LENGTH */
	bool expects;	 /* Expect: 100-continue */
	bool close;	 /* the connection ends with this request */
	size_t nfields;
	struct http_field fields[HTTP_FIELDS_MAX];
};

/*
 * How many of the n bytes are the head, with the empty line that ends it; 0:
 * more is needed, or *status is the answer to a head that cannot become one.
 * *scan, 0 at first, is kept between calls on the same growing head. Empty
 * lines in front count as part of it (RFC 9112 section 2.2).
 */
size_t http_head_find(const char *p, size_t n, size_t *scan, int *status);

/*
 * Parses a whole head of n bytes in place: p is changed, and must live as long
 * as *out. Returns 0, or the status of the answer (400, 414, 417, 431, 501,
 * 505).
 */
int http_head_parse(char *p, size_t n, struct http_head *out);

/* The value of the only field of that lower-case name; NULL: none. */
const char *http_head_get(const struct http_head *h, const char *name);
/* True when a field, which makes sense only once, was given more often. */
bool http_head_repeats(const struct http_head *h, const char *name);

/* Whether a list of tokens ("close, upgrade") has this one, in any case. */
bool http_list_has(const char *list, const char *token);

/* Decimal digits only, at most INT64_MAX. */
bool http_number(const char *s, uint64_t *out);

#endif
