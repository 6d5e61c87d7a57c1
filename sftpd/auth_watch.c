/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/auth_watch.h"

#include <dlfcn.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <string.h>

#include "auth/key_wire.h"

/* SHA-256 of the application, flags, a counter, SHA-256 of the message. */
#define SIGNED_LEN (SHA256_DIGEST_LENGTH + 1 + 4 + SHA256_DIGEST_LENGTH)

typedef int verify_fn(EVP_MD_CTX *, const unsigned char *, size_t,
		      const unsigned char *, size_t);

static _Thread_local struct auth_watch *watch;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static verify_fn *openssl_verify;

static void
find_verify(void)
{
	void *p = dlsym(RTLD_NEXT, "EVP_DigestVerify");

	memcpy(&openssl_verify, &p, sizeof(openssl_verify));
}

static void
note_signature(struct auth_watch *w, const unsigned char *what)
{
	unsigned i = w->nsigned;

	/* More than can be at once: then those asked for find another key's. */
	if (i == AUTH_WATCH_SIGNED_MAX)
		return;
	memcpy(w->signed_by[i].application, what, SHA256_DIGEST_LENGTH);
	w->signed_by[i].flags = what[SHA256_DIGEST_LENGTH];
	w->nsigned++;
}

/* Stands before OpenSSL's for all of the program, libraries included. */
int
EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t siglen,
		 const unsigned char *tbs, size_t tbslen)
{
	int good;

	pthread_once(&once, find_verify);
	if (openssl_verify == NULL)
		return -1;
	good = openssl_verify(ctx, sig, siglen, tbs, tbslen);
	if (good == 1 && watch != NULL && tbslen == SIGNED_LEN)
		note_signature(watch, tbs);
	return good;
}

/* libssh answers GSSAPI by itself. */
static void
on_log(int priority, const char *function, const char *text, void *arg)
{
	static const char begins[] = ": Auth request for service ";

	(void)priority;
	(void)arg;
	if (watch != NULL &&
	    strcmp(function, "ssh_packet_userauth_request") == 0 &&
	    strstr(text, begins) != NULL &&
	    strstr(text, ", method gssapi-with-mic") == NULL)
		watch->begun++;
}

void
auth_watch_start(void)
{
	ssh_set_log_callback(on_log);
	ssh_set_log_level(SSH_LOG_NOLOG);
}

void
auth_watch_set(struct auth_watch *w)
{
	watch = w;
	ssh_set_log_level(w != NULL ? SSH_LOG_PACKET : SSH_LOG_NOLOG);
}

void
auth_watch_message(struct auth_watch *w)
{
	if (w->begun > 0)
		w->begun--;
}

bool
auth_watch_dropped(struct auth_watch *w)
{
	if (w->begun == 0)
		return false;
	w->begun--;
	return true;
}

/* The application is the last field of such a key. */
static bool
hash_application(const void *key, size_t len, unsigned char out[32])
{
	const struct key_type *type = key_blob_type(key, len);
	struct wire_bytes last = { NULL, 0 };
	struct wire w;

	if (type == NULL || !type->sk)
		return false;
	wire_init(&w, key, len);
	while (!w.bad && w.left > 0)
		last = wire_string(&w);
	SHA256(last.p, last.n, out);
	return !w.bad;
}

bool
auth_watch_flags(struct auth_watch *w, const void *key, size_t len,
		 unsigned char *flags)
{
	unsigned char application[SHA256_DIGEST_LENGTH];
	bool same;

	if (w->nsigned == 0 || !hash_application(key, len, application))
		return false;
	*flags = w->signed_by[0].flags;
	same = memcmp(w->signed_by[0].application, application,
		      sizeof(application)) == 0;
	w->nsigned--;
	memmove(&w->signed_by[0], &w->signed_by[1],
		w->nsigned * sizeof(w->signed_by[0]));
	return same;
}
