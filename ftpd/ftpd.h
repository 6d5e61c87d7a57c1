/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FTP front end of a worker: RFC 959 with explicit and implicit TLS
 * (RFC 4217), extended passive mode (RFC 2428), UTF-8 (RFC 2640), and
 * MLSD, SIZE, MDTM and REST (RFC 3659). One struct ftpd per worker, opened
 * after the fork; it lives until the worker ends.
 */
#ifndef FTPD_FTPD_H
#define FTPD_FTPD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bridge/bridge.h"
#include "ftpd/public_address.h"
#include "lib/conf.h"
#include "lib/err.h"

struct ftpd;

enum ftpd_tls { FTPD_TLS_REQUIRED, FTPD_TLS_OPTIONAL, FTPD_TLS_OFF };

/* [ftp] of the configuration, checked. Times in ms. */
struct ftpd_config {
	enum ftpd_tls tls;
	char *certificate; /* PEM, the chain; NULL only without TLS */
	char *private_key; /* PEM */
	char *chain_pem;   /* what the files hold, once read */
	char *key_pem;
	bool make_certificate;	/* where the two files are missing */
	int tls_min;		/* TLS1_2_VERSION or TLS1_3_VERSION */
	bool data_tls_required; /* where the control connection uses TLS */
	bool require_session_reuse;
	bool require_close_notify;
	bool active;
	bool convert_ascii;
	uint16_t port_first, port_last;
	struct public_rule public[PUBLIC_ADDRESSES_MAX]; /* PASV's address */
	size_t npublic;	    /* 0: the local address */
	bool private_local; /* the local one for clients in private networks */
	char *banner;
	char *motd; /* shown behind the log-in; NULL: nothing */
	unsigned idle_timeout_ms;
	unsigned data_timeout_ms;
	unsigned login_grace_ms;
	unsigned max_auth_tries;
};

/*
 * Reads [ftp], but not the addresses to listen on; complaints go into conf.
 * Opens no file. The caller frees *out with ftpd_config_free().
 */
void ftpd_config_read(struct conf *conf, struct ftpd_config *out);
void ftpd_config_free(struct ftpd_config *cfg);

/*
 * Reads certificate and key into cfg, so that workers need not be able to;
 * with make_certificate, makes them first where the certificate is missing.
 * For the master. ERR_INVALID: they cannot be used; ERR_IO: not be made; the
 * log says why.
 */
enum err ftpd_certificate(struct ftpd_config *cfg);

/*
 * A self-signed certificate (ECDSA P-256, ten years) for common_name, a host
 * name or address, and its key in a file of mode 0600; a key that is there
 * already is used. ERR_EXISTS (the certificate), ERR_IO; the log says why.
 */
enum err ftpd_make_certificate(const char *cert_path, const char *key_path,
			       const char *common_name);

/*
 * Reads certificate and key where ftpd_certificate() has not. cfg and b are
 * borrowed until ftpd_close(). ERR_INVALID: certificate or key cannot be used;
 * the log says why.
 */
enum err ftpd_open(struct ftpd **out, const struct ftpd_config *cfg,
		   struct bridge *b);

/*
 * Takes ownership of fd, a connected stream socket. peer is what accept(2)
 * said. implicit_tls: the connection starts with a TLS handshake.
 */
void ftpd_accept(struct ftpd *f, int fd, const struct sockaddr *peer,
		 bool implicit_tls);

/* Ends idle sessions with 421, the others when their command is done. */
void ftpd_drain(struct ftpd *f);
unsigned ftpd_sessions(const struct ftpd *f);

/* Ends all sessions at once; transfers count as broken off. */
void ftpd_close(struct ftpd *f); /* NULL is fine */

#endif
