/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lib/mem.h"

#define PEM_MAX (256 * 1024) /* bytes of a file */

const char *
tls_error(void)
{
	static _Thread_local char text[256];
	unsigned long e = ERR_get_error();

	ERR_error_string_n(e, text, sizeof(text));
	ERR_clear_error();
	return e ? text : "no detail";
}

static enum err
unusable(const struct tls_files *f, const char *file, const char *why)
{
	log_error(f->part, NULL, "certificate", KV_S("file", file),
		  KV_S("why", why));
	return ERR_INVALID;
}

static char *
read_text(const struct tls_files *f, const char *path)
{
	char *text = mem_alloc(PEM_MAX + 1), *exact = NULL;
	FILE *in = fopen(path, "re");
	size_t n = in ? fread(text, 1, PEM_MAX, in) : 0;
	int err = errno;
	bool ok = in && !ferror(in) && n < PEM_MAX;

	if (in)
		fclose(in);
	if (ok)
		exact = mem_strndup(text, n);
	else
		unusable(f, path,
			 in && n == PEM_MAX ? "too long" : log_errno(err));
	mem_wipe(text, n);
	free(text);
	return exact;
}

enum err
tls_files_read(const struct tls_files *f, char **chain_pem, char **key_pem)
{
	*chain_pem = read_text(f, f->certificate);
	*key_pem = *chain_pem ? read_text(f, f->private_key) : NULL;
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

enum err
tls_files_use(const struct tls_files *f, SSL_CTX *ctx)
{
	char *chain = NULL, *key = NULL;
	enum err err = ERR_OK;

	if (!f->key_pem)
		err = tls_files_read(f, &chain, &key);
	ERR_clear_error();
	if (!err && !use_chain(ctx, chain ? chain : f->chain_pem))
		err = unusable(f, f->certificate, tls_error());
	if (!err && !use_key(ctx, key ? key : f->key_pem))
		err = unusable(f, f->private_key, tls_error());
	mem_wipe_free(chain);
	mem_wipe_free(key);
	return err;
}
