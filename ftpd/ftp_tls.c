/* SPDX-License-Identifier: Apache-2.0 */
#include "ftpd/ftp_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

#define SESSIONS_MAX 2048		 /* kept for clients without tickets */
#define SESSION_SECONDS (7L * 24 * 3600) /* the most that TLS 1.3 allows */
#define PEM_MAX (256 * 1024)		 /* bytes of a file */
#define DATA_READ_SIZE (128 * 1024)	 /* bytes asked of the socket at once */

struct ftp_tls {
	SSL_CTX *ctx;
};

const char *
ftp_tls_error(void)
{
	static _Thread_local char text[256];
	unsigned long e = ERR_get_error();

	ERR_error_string_n(e, text, sizeof(text));
	ERR_clear_error();
	return e ? text : "no detail";
}

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

static enum err
unusable(const char *file, const char *why)
{
	log_error("ftpd", NULL, "certificate", KV_S("file", file),
		  KV_S("why", why));
	return ERR_INVALID;
}

static char *
read_text(const char *path)
{
	char *text = mem_alloc(PEM_MAX + 1), *exact = NULL;
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, PEM_MAX, f) : 0;
	int err = errno;
	bool ok = f && !ferror(f) && n < PEM_MAX;

	if (f)
		fclose(f);
	if (ok)
		exact = mem_strndup(text, n);
	else
		unusable(path, f && n == PEM_MAX ? "too long" : log_errno(err));
	mem_wipe(text, n);
	free(text);
	return exact;
}

enum err
ftp_tls_read(const struct ftpd_config *cfg, char **chain_pem, char **key_pem)
{
	*chain_pem = read_text(cfg->certificate);
	*key_pem = *chain_pem ? read_text(cfg->private_key) : NULL;
	if (*key_pem)
		return ERR_OK;
	mem_wipe_free(*chain_pem);
	*chain_pem = NULL;
	return ERR_INVALID;
}

/* Nobody is there to be asked for a passphrase. */
static int
no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out, (void)size, (void)writing, (void)arg;
	return -1;
}

static bool
use_chain(SSL_CTX *ctx, const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
	bool ok = cert && SSL_CTX_use_certificate(ctx, cert) == 1;
	unsigned long e;

	X509_free(cert);
	while (ok) {
		cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (!cert)
			break;
		ok = SSL_CTX_add1_chain_cert(ctx, cert) == 1;
		X509_free(cert);
	}
	BIO_free(bio);
	/* The end of the text is no error. */
	e = ERR_peek_last_error();
	if (ok && ERR_GET_REASON(e) == PEM_R_NO_START_LINE)
		ERR_clear_error();
	return ok && ERR_peek_error() == 0;
}

static bool
use_key(SSL_CTX *ctx, const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	bool ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
		  SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(key);
	BIO_free(bio);
	return ok;
}

static enum err
use_files(SSL_CTX *ctx, const struct ftpd_config *cfg)
{
	char *chain = cfg->chain_pem, *key = cfg->key_pem;
	enum err err = ERR_OK;

	if (!key)
		err = ftp_tls_read(cfg, &chain, &key);
	ERR_clear_error();
	if (!err && !use_chain(ctx, chain))
		err = unusable(cfg->certificate, ftp_tls_error());
	if (!err && !use_key(ctx, key))
		err = unusable(cfg->private_key, ftp_tls_error());
	if (!cfg->key_pem) {
		mem_wipe_free(chain);
		mem_wipe_free(key);
	}
	return err;
}

enum err
ftp_tls_open(struct ftp_tls **out, const struct ftpd_config *cfg)
{
	struct ftp_tls *t = mem_alloc(sizeof(*t));
	enum err err;

	t->ctx = SSL_CTX_new(TLS_server_method());
	if (!t->ctx) {
		log_error("ftpd", NULL, "tls", KV_S("why", ftp_tls_error()));
		ftp_tls_close(t);
		return ERR_IO;
	}
	set_options(t, cfg);
	err = use_files(t->ctx, cfg);
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
