/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server in a thread that answers the i-th request with the i-th step
 * of a script and remembers what it was asked. For tests of the HTTP client
 * and of what sits on it.
 */
#ifndef TESTS_UNIT_HTTP_SCRIPT_H
#define TESTS_UNIT_HTTP_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

struct script;

struct script_step {
	/*
	 * What is sent, whole: status line, headers, body. NULL: the
	 * connection is closed without a word.
	 */
	const char *reply;
	bool closes;	  /* after the reply, without saying so in it */
	bool holds;	  /* answers only when script_release() was called */
	size_t cut_after; /* not 0: closes after so many bytes of the body */
};

/* The steps are copied. A request beyond them gets status 599. */
struct script *script_new(const struct script_step *steps, size_t n);
void script_free(struct script *s);

unsigned script_port(const struct script *s);

/* Answers what is held, and holds no more. */
void script_release(struct script *s);

/* From here on any thread may ask. */
unsigned script_requests(struct script *s);    /* whole heads so far */
unsigned script_connections(struct script *s); /* accepted so far */
unsigned script_held(struct script *s);	       /* being held now */

/*
 * Head and body of the i-th request (from 0), valid until script_free(); the
 * head has its CRLFs and an end.
 */
const char *script_head(struct script *s, unsigned i);
const void *script_body(struct script *s, unsigned i, size_t *len);

#endif
