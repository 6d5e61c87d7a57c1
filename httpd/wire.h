/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of one HTTP connection, plain or over TLS: non-blocking reads and
 * writes straight from and into the caller's memory. A bufferevent would copy
 * a body once more, and libevent 2.1 reads no more than 4 KiB at a time into
 * one. It lives as long as its connection, which closes it.
 */
#ifndef HTTPD_WIRE_H
#define HTTPD_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/loop.h"

struct wire;
struct ssl_st;

/* From the loop: reading or writing, as was asked for, makes sense again. */
typedef void wire_fn(void *arg);

/*
 * Takes ownership of fd and of ssl, a server's side before its handshake;
 * NULL: plain.
 */
struct wire *wire_new(struct loop *loop, int fd, struct ssl_st *ssl,
		      wire_fn *fn, void *arg);
void wire_free(struct wire *w); /* closes at once; NULL is fine */

enum wire_io {
	WIRE_OK,    /* *done bytes have been moved, more than 0 */
	WIRE_WAIT,  /* nothing at the moment: wire_watch() */
	WIRE_EOF,   /* the peer sends nothing more */
	WIRE_BROKEN /* reset, a TLS error, or TLS that was cut */
};
/* Reads until n bytes are there or no more is at hand. */
enum wire_io wire_read(struct wire *w, void *p, size_t n, size_t *done);
enum wire_io wire_write(struct wire *w, const void *p, size_t n, size_t *done);

/* Sends what ends the stream, as far as that goes now. */
void wire_finish(struct wire *w);

/*
 * Which of the two is wanted. fn is called, more than once, until the wish is
 * taken back; at once where bytes are at hand already.
 */
void wire_watch(struct wire *w, bool read, bool write);

/* fn is called soon, whatever the socket says. */
void wire_again(struct wire *w);

bool wire_secure(const struct wire *w);

/*
 * Bytes that must be read from a connection that was left alone until its
 * receive buffer was full, for the peer to notice.
 */
size_t wire_sip(const struct wire *w);

#endif
