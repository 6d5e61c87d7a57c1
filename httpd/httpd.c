/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/httpd.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <utlist.h>

#include "httpd/client.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/tls.h"

#define READ_SIZE (128 * 1024) /* bytes asked of the socket at once */

static struct tls_files
files(const struct httpd_config *cfg)
{
	return (struct tls_files){ .part = "httpd",
				   .certificate = cfg->certificate,
				   .private_key = cfg->private_key,
				   .chain_pem = cfg->chain_pem,
				   .key_pem = cfg->key_pem };
}

static void
set_options(SSL_CTX *ctx, const struct httpd_config *cfg)
{
	SSL_CTX_set_min_proto_version(ctx, cfg->tls_min);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_SIZE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

/* HTTP/1.1 is all that is spoken; whoever asks for anything else is told. */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen,
		const unsigned char *in, unsigned inlen, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *found;

	(void)ssl, (void)arg;
	if (SSL_select_next_proto(&found, outlen, ours, sizeof(ours) - 1, in,
				  inlen) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = found;
	return SSL_TLSEXT_ERR_OK;
}

static enum err
tls_open(SSL_CTX **out, const struct httpd_config *cfg)
{
	struct tls_files f = files(cfg);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	enum err err;

	*out = NULL;
	if (!ctx) {
		log_error("httpd", NULL, "tls", KV_S("why", tls_error()));
		return ERR_IO;
	}
	set_options(ctx, cfg);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	err = tls_files_use(&f, ctx);
	if (err)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return err;
}

enum err
httpd_certificate(struct httpd_config *cfg)
{
	struct tls_files f = files(cfg);
	SSL_CTX *ctx;
	enum err err;

	if (!cfg->certificate)
		return ERR_OK;
	mem_wipe_free(cfg->chain_pem);
	mem_wipe_free(cfg->key_pem);
	cfg->chain_pem = cfg->key_pem = NULL;
	err = tls_files_read(&f, &cfg->chain_pem, &cfg->key_pem);
	if (!err)
		err = tls_open(&ctx, cfg);
	if (!err)
		SSL_CTX_free(ctx);
	return err;
}

enum err
httpd_open(struct httpd **out, const struct httpd_config *cfg, struct bridge *b)
{
	struct httpd *h = mem_alloc(sizeof(*h));
	enum err err = ERR_OK;

	h->config = cfg;
	h->bridge = b;
	h->loop = b->loop;
	if (cfg->certificate)
		err = tls_open(&h->tls, cfg);
	if (err) {
		free(h);
		return err;
	}
	h->buffer = mem_alloc(HTTPD_BUFFER);
	*out = h;
	return ERR_OK;
}

void
httpd_accept(struct httpd *h, int fd, const struct sockaddr *peer, bool tls)
{
	client_accept(h, fd, peer, tls);
}

void
httpd_drain(struct httpd *h)
{
	struct client *c;

	h->draining = true;
	DL_FOREACH (h->clients, c)
		client_soon(c);
}

unsigned
httpd_sessions(const struct httpd *h)
{
	return h->count;
}

void
httpd_close(struct httpd *h)
{
	struct client *c, *next;

	if (!h)
		return;
	DL_FOREACH_SAFE (h->clients, c, next)
		client_free(c);
	SSL_CTX_free(h->tls);
	mem_wipe(h->buffer, HTTPD_BUFFER);
	free(h->buffer);
	free(h);
}
