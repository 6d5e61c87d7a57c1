/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for control and data connections: one context per worker, since data
 * connections resume the session of their control connection. Every session
 * and ticket carries the id of the control connection for which it was made.
 */
#ifndef FTPD_FTP_TLS_H
#define FTPD_FTP_TLS_H

#include <stdbool.h>

#include "ftpd/ftpd.h"

#define FTP_TLS_ID 16 /* bytes, random, one control connection */

struct ftp_tls;
struct ssl_st;

/* ERR_INVALID: the log says what is wrong with certificate or key. */
enum err ftp_tls_open(struct ftp_tls **out, const struct ftpd_config *cfg);

/* Reads the two files; the caller frees both texts, with mem_wipe_free(). */
enum err ftp_tls_read(const struct ftpd_config *cfg, char **chain_pem,
		      char **key_pem);
void ftp_tls_close(struct ftp_tls *t); /* NULL is fine */

/*
 * A server's side that has not begun its handshake; the caller frees it with
 * SSL_free().
 */
struct ssl_st *ftp_tls_new(struct ftp_tls *t, const unsigned char *id);

/*
 * The same for a data connection. It issues no ticket: a client that sends
 * and closes without ever reading would answer the ticket with a reset, and
 * the reset takes the end of the file with it.
 */
struct ssl_st *ftp_tls_new_data(struct ftp_tls *t, const unsigned char *id);

/* After the handshake of a data connection: of its control's session. */
bool ftp_tls_resumed(struct ssl_st *ssl);

/*
 * Sends a ticket more with the control connection's next reply (TLS 1.3):
 * clients use each ticket once, and data connections bring no new ones.
 */
void ftp_tls_refill(struct ssl_st *control);

#endif
