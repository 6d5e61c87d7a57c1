/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies: a head field by field, then perhaps a body; or one problem in JSON
 * (RFC 9457) for whatever went wrong.
 */
#ifndef HTTPD_REPLY_H
#define HTTPD_REPLY_H

#include <stdint.h>

#include "httpd/client.h"

/* Status line and the fields that every reply has. */
void reply_begin(struct client *c, int status);
void reply_field(struct client *c, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Ends the head of a reply with a body of so many bytes. */
void reply_body(struct client *c, uint64_t length);

/* A whole reply without a body, begun with reply_begin(). */
void reply_empty(struct client *c);

/* The whole of it. detail: a short sentence for the client. */
void reply_problem(struct client *c, int status, const char *detail);

/* The status for an error of the bridge. */
int reply_status(enum err err);

/* The same for exchanges, which end with it. ERR_OK is none. */
void exchange_problem(struct exchange *x, int status, const char *detail);
void exchange_error(struct exchange *x, enum err err, const char *why);

#endif
