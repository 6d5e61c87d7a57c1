/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP front end of a worker: HTTP/1.1 over TLS or plain, with PUT, GET,
 * HEAD and DELETE of files below /files/, and resumable uploads (tus 1.0.0)
 * below /tus/. One struct httpd per worker, opened after the fork; it lives
 * until the worker ends.
 */
#ifndef HTTPD_HTTPD_H
#define HTTPD_HTTPD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bridge/bridge.h"
#include "lib/conf.h"
#include "lib/err.h"

#define HTTPD_ORIGINS_MAX 32

struct httpd;

/* [http] of the configuration, checked. Times in ms. */
struct httpd_config {
	bool allow_plain;  /* log-ins over connections without TLS */
	char *certificate; /* PEM, the chain; NULL: no TLS */
	char *private_key; /* PEM */
	char *chain_pem;   /* what the files hold, once read */
	char *key_pem;
	int tls_min; /* TLS1_2_VERSION or TLS1_3_VERSION */
	char *origins[HTTPD_ORIGINS_MAX + 1]; /* of other sites, NULL-ended */
	unsigned header_timeout_ms;
	unsigned body_timeout_ms;
	unsigned idle_timeout_ms;
	unsigned max_auth_tries;
};

/*
 * Reads [http], but not the addresses to listen on; complaints go into conf.
 * Opens no file. The caller frees *out with httpd_config_free().
 */
void httpd_config_read(struct conf *conf, struct httpd_config *out);
void httpd_config_free(struct httpd_config *cfg);

/*
 * Reads certificate and key into cfg, so that workers need not be able to. For
 * the master. ERR_INVALID: they cannot be used; the log says why.
 */
enum err httpd_certificate(struct httpd_config *cfg);

/*
 * cfg and b are borrowed until httpd_close(). ERR_INVALID: certificate or key
 * cannot be used; the log says why.
 */
enum err httpd_open(struct httpd **out, const struct httpd_config *cfg,
		    struct bridge *b);

/*
 * Takes ownership of fd, a connected stream socket. peer is what accept(2)
 * said. tls: the connection starts with a handshake.
 */
void httpd_accept(struct httpd *h, int fd, const struct sockaddr *peer,
		  bool tls);

/* Ends idle connections, the others when their request is done. */
void httpd_drain(struct httpd *h);
unsigned httpd_sessions(const struct httpd *h);

/* Ends all at once; uploads count as broken off. */
void httpd_close(struct httpd *h); /* NULL is fine */

#endif
