/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates, ranges and conditions of requests (RFC 9110 sections 5.6.7, 13 and
 * 14). Pure.
 */
#ifndef HTTPD_COND_H
#define HTTPD_COND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpd/head.h"

#define HTTP_DATE_MAX 30 /* with its NUL */

/* "Sun, 06 Nov 1994 08:49:37 GMT" of Unix seconds. */
void http_date(int64_t t, char out[HTTP_DATE_MAX]);
/* The reverse; false for the two obsolete forms too. */
bool http_date_parse(const char *s, int64_t *out);

/*
 * Whether a list of entity tags (If-Match, If-None-Match) names etag, which
 * comes without quotes. weak: W/ tags count (If-None-Match). "*": any.
 */
bool http_etag_listed(const char *list, const char *etag, bool weak);

/* What is there now. */
struct http_subject {
	bool exists;
	const char *etag; /* without quotes; "": none */
	int64_t mtime;	  /* Unix seconds */
};

/*
 * The conditions in the order of RFC 9110 section 13.2.2: 0 go on, 304 or 412.
 */
int http_conditions(const struct http_head *h, const struct http_subject *s);

/*
 * "Range: bytes=..." of one range, given the size; If-Range is looked at. 200:
 * the whole; 206: *first up to *last, inclusive; 416.
 */
int http_range(const struct http_head *h, const struct http_subject *s,
	       uint64_t size, uint64_t *first, uint64_t *last);

#endif
