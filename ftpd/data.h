/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One data connection, from PASV or PORT to its end: listens on a port of the
 * range or connects to the client, lets in nobody but the control
 * connection's peer, does the TLS handshake, and moves bytes. It belongs to
 * the control connection that made it and does not outlive it.
 */
#ifndef FTPD_DATA_H
#define FTPD_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ftpd/ftpd.h"
#include "lib/loop.h"

struct data;
struct ssl_st;

/* Borrowed for the life of the data connection. */
struct data_env {
	struct loop *loop;
	const struct sockaddr *local, *peer; /* of the control connection */
	const char *session;		     /* for log lines */
	uint16_t port_first, port_last;
};

/*
 * Listens at the control connection's local address. *port is where. ERR_AGAIN:
 * no port of the range is free; ERR_IO.
 */
enum err data_listen(struct data **out, const struct data_env *env,
		     uint16_t *port);

/* Will connect to `to`; the caller has checked the address. Cannot fail. */
struct data *data_active(const struct data_env *env,
			 const struct sockaddr_storage *to);

void data_free(struct data *d); /* closes at once; NULL is fine */

/*
 * Waits for the connection and, unless ssl is NULL, for the handshake; takes
 * ownership of ssl. fn comes once from the loop: ERR_OK, or ERR_IO with a
 * short text. The caller keeps the time.
 */
typedef void data_ready_fn(void *arg, enum err err, const char *why);
void data_start(struct data *d, struct ssl_st *ssl, data_ready_fn *fn,
		void *arg);

/* The calls below are for a connection that is ready. */

enum data_io {
	DATA_OK,     /* *done bytes have been moved, more than 0 */
	DATA_WAIT,   /* nothing at the moment: data_watch() */
	DATA_EOF,    /* reading: the peer's end, over TLS its close_notify */
	DATA_CUT,    /* reading, TLS: the end came without close_notify */
	DATA_BROKEN, /* reset, or a TLS error */
};

/* Reads until n bytes are there or no more is at hand. */
enum data_io data_read(struct data *d, void *p, size_t n, size_t *done);
enum data_io data_write(struct data *d, const void *p, size_t n, size_t *done);

/* Sends what ends the stream: close_notify, FIN. DATA_OK: all is sent. */
enum data_io data_finish(struct data *d);

/*
 * on: fn is called, once and from the loop, when going on makes sense: at once
 * where the last call did not say DATA_WAIT, else when the socket is ready.
 * Off: fn is not called.
 */
typedef void data_fn(void *arg);
void data_watch(struct data *d, bool on, data_fn *fn, void *arg);

bool data_secure(const struct data *d);
struct ssl_st *data_ssl(const struct data *d);

/* Smoothed round trip of the connection, in microseconds; 0: unknown. */
unsigned data_rtt_us(const struct data *d);

/*
 * Bytes that must be read from a connection that was left alone until its
 * receive buffer was full, for the peer to notice.
 */
size_t data_sip(const struct data *d);

#endif
