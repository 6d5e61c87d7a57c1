/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 client for stores and sinks: one thread per process around
 * libcurl's multi interface. Requests are handed to the thread by the loop and come back to it
 * as one reply. All calls are made by the loop's thread. Redirects are not
 * followed, no proxy is taken from the environment, and nothing is repeated
 * but by libcurl itself on a kept-alive connection that turns out to be dead.
 */
#ifndef BRIDGE_HTTP_H
#define BRIDGE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/loop.h"

#define HTTP_HEADERS_MAX (64u << 10) /* bytes of a reply's header block */

struct http;
struct http_host;
struct http_request;

struct http *http_new(struct loop *loop);

/* Every request was answered or cancelled, every host freed before. */
void http_free(struct http *h); /* NULL is fine */

struct http_host_config {
	const char *url; /* "http[s]://name[:port]", for messages */
	bool verify_tls;
	const char *ca_file; /* NULL: the system's */
	unsigned connections;
	unsigned connect_timeout_ms;
	/*
	 * A request fails when in this time fewer than stall_bytes move, in
	 * either direction, while it has a connection.
	 */
	unsigned stall_timeout_ms;
	uint64_t stall_bytes;
	unsigned total_timeout_ms; /* of a request, with its connect; 0: none */
	/* Connects to public addresses alone: bridge/address.h. */
	bool only_public;
};

/* Where requests go: limits and TLS settings in common. Strings are copied. */
struct http_host *http_host_new(struct http *h,
				const struct http_host_config *cfg);
void http_host_free(struct http_host *host);

enum http_end {
	HTTP_DONE,	/* a whole reply came: look at its status */
	HTTP_CONNECT,	/* no connection: nothing was sent */
	HTTP_LOST,	/* the connection broke, or the peer spoke no HTTP */
	HTTP_STALLED,	/* no progress for stall_timeout_ms */
	HTTP_TOO_LARGE, /* headers or body beyond their ceiling */
	HTTP_BODY,	/* our own body could not be read */
	HTTP_TLS	/* certificate or TLS settings */
};

struct http_reply {
	enum http_end end;
	bool sent;     /* the request may have reached the server, as a whole */
	bool answered; /* status and headers are whole, if not the body */
	unsigned status;
	const char *why; /* libcurl's words, "" when HTTP_DONE */
	const void *body;
	size_t len;
	unsigned char **owned; /* body; set to NULL by who takes it over */
	const struct http_request *request; /* NULL: it has no headers */
};

/* Valid during the completion. */
const char *http_reply_header(const struct http_reply *r, const char *name);

/*
 * ms that Retry-After (RFC 9110 section 10.2.3) asks to wait, at most max_ms;
 * 0: it asks for nothing.
 */
uint64_t http_reply_retry_after(const struct http_reply *r, uint64_t max_ms);

typedef void http_done_fn(void *arg, const struct http_reply *r);

struct http_call {
	const char *method;
	const char *url;	    /* whole, encoded */
	const char *const *headers; /* "Name: value", NULL-ended */
	/*
	 * The body: at data (borrowed), or at fd. has_body sends a
	 * Content-Length even when len is 0.
	 */
	bool has_body;
	const void *data;
	int fd;
	uint64_t off, len;
	size_t reply_max; /* bytes of the reply's body */
	size_t expected;  /* bytes that it will have, 0: not known */
	bool discard;	  /* nobody wants it; reply_max holds nevertheless */
	bool once;	  /* never twice, not even by libcurl */
	/*
	 * For a reply that may take its time: 0, or instead of the host's, and
	 * then any byte counts as progress.
	 */
	unsigned stall_timeout_ms;
};

/*
 * Sends; strings are copied, the body is borrowed until the completion or
 * until http_cancel() has returned.
 */
struct http_request *http_send(struct http_host *host,
			       const struct http_call *call, http_done_fn *fn,
			       void *arg);

/* No completion comes and the body is not read any more. NULL is fine. */
void http_cancel(struct http_request *r);

#endif
