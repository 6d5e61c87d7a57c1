/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/ftp_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/tls.h"

#define SESSIONS_MAX 2048		 /* kept for clients without tickets */
#define SESSION_SECONDS (7L * 24 * 3600) /* the most that TLS 1.3 allows */
#define DATA_READ_SIZE (128 * 1024)	 /* bytes asked of the socket at once */

struct ftp_tls {
	SSL_CTX *ctx;
};

static void
set_options(struct ftp_tls *t, const struct ftpd_config *cfg)
{
	SSL_CTX *ctx = t->ctx;

	SSL_CTX_set_min_proto_version(ctx, cfg->tls_min);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
	SSL_CTX_sess_set_cache_size(ctx, SESSIONS_MAX);
	SSL_CTX_set_timeout(ctx, SESSION_SECONDS);
}

static struct tls_files
files(const struct ftpd_config *cfg)
{
	return (struct tls_files){ .part = "ftpd",
				   .certificate = cfg->certificate,
				   .private_key = cfg->private_key,
				   .chain_pem = cfg->chain_pem,
				   .key_pem = cfg->key_pem };
}

enum err
ftp_tls_read(const struct ftpd_config *cfg, char **chain_pem, char **key_pem)
{
	struct tls_files f = files(cfg);

	return tls_files_read(&f, chain_pem, key_pem);
}

enum err
ftp_tls_open(struct ftp_tls **out, const struct ftpd_config *cfg)
{
	struct ftp_tls *t = mem_alloc(sizeof(*t));
	struct tls_files f = files(cfg);
	enum err err;

	t->ctx = SSL_CTX_new(TLS_server_method());
	if (!t->ctx) {
		log_error("ftpd", NULL, "tls", KV_S("why", tls_error()));
		ftp_tls_close(t);
		return ERR_IO;
	}
	set_options(t, cfg);
	err = tls_files_use(&f, t->ctx);
	if (err) {
		ftp_tls_close(t);
		return err;
	}
	*out = t;
	return ERR_OK;
}

void
ftp_tls_close(struct ftp_tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	mem_wipe(t, sizeof(*t));
	free(t);
}

SSL *
ftp_tls_new(struct ftp_tls *t, const unsigned char *id)
{
	SSL *ssl = SSL_new(t->ctx);

	if (!ssl || SSL_set_session_id_context(ssl, id, FTP_TLS_ID) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return ssl;
}

SSL *
ftp_tls_new_data(struct ftp_tls *t, const unsigned char *id)
{
	SSL *ssl = ftp_tls_new(t, id);

	if (!ssl)
		return NULL;
	SSL_set_num_tickets(ssl, 0);
	SSL_clear_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_set_read_ahead(ssl, 1);
	SSL_set_default_read_buffer_len(ssl, DATA_READ_SIZE);
	return ssl;
}

bool
ftp_tls_resumed(SSL *ssl)
{
	return SSL_session_reused(ssl);
}

void
ftp_tls_refill(SSL *control)
{
	if (SSL_version(control) != TLS1_3_VERSION)
		return;
	if (SSL_new_session_ticket(control) != 1)
		ERR_clear_error();
}
