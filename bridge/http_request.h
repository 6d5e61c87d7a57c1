/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request as the HTTP thread sees it; for http.c and http_request.c only.
 * A request belongs to the loop while it is queued and once it is done, and
 * to the thread in between.
 */
#ifndef BRIDGE_HTTP_REQUEST_H
#define BRIDGE_HTTP_REQUEST_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bridge/address.h"
#include "bridge/http.h"

struct http_host {
	struct http *http;
	char *ca_file;
	bool verify_tls, only_public;
	unsigned connections;
	unsigned connect_timeout_ms, stall_timeout_ms, total_timeout_ms;
	uint64_t stall_bytes;
	unsigned refs;	 /* under the lock: requests and the owner */
	unsigned active; /* the thread's: requests with curl */
};

enum request_state {
	REQUEST_QUEUED,	 /* in the inbox */
	REQUEST_TAKEN,	 /* the thread has it */
	REQUEST_DONE,	 /* in the list of what is done */
	REQUEST_RUNNING, /* its completion runs */
};

struct http_request {
	struct http_host *host;
	enum request_state state; /* under the lock */
	atomic_bool canceled;	  /* written under both locks */
	http_done_fn *fn;
	void *arg;
	struct http_request *prev, *next;

	char *method, *url;
	struct curl_slist *headers;
	bool has_body, once, discard;
	const unsigned char *data;
	int fd;
	uint64_t off, len;
	size_t expected, reply_max;
	unsigned stall_timeout_ms;
	uint64_t stall_bytes;

	/* The thread's, while it has the request. */
	pthread_mutex_t *reading; /* held while the body is read */
	CURL *easy;
	uint64_t pos;	   /* of the body handed to curl */
	unsigned attempts; /* how often curl was about to send */
	bool sent_whole;
	bool body_failed, too_large;
	bool answered;			/* the header block has ended */
	bool refused;			/* an address that is not public */
	char address[ADDRESS_TEXT_MAX]; /* which */
	size_t discarded;
	uint64_t moved, moved_at_ms; /* for the stall */

	/* The reply. */
	struct buf head; /* lines without CRLF, each ended by NUL */
	struct buf body;
	struct http_reply reply;
	char error[CURL_ERROR_SIZE];
};

struct http_request *request_new(struct http_host *host,
				 const struct http_call *call);
void request_free(struct http_request *r); /* not its host */

/* True for what may not take the connections kept for small requests. */
bool request_is_bulk(const struct http_request *r);

/* Sets the request up on an easy handle that was reset. */
void request_prepare(struct http_request *r, CURL *easy);

/* Fills the reply in from curl's result and takes the handle away. */
void request_finish(struct http_request *r, CURLcode code);

/* Fills the reply in for a request that made no progress. */
void request_stalled(struct http_request *r);

/* Whether it stands still at this time; call it every now and then. */
bool request_check_stall(struct http_request *r, uint64_t now_ms);

#endif
