/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the servers over TLS share: certificates and keys from PEM files, which
 * the master reads before it gives up its rights, and OpenSSL's errors.
 */
#ifndef LIB_TLS_H
#define LIB_TLS_H

#include "lib/err.h"

struct ssl_ctx_st;

/* What a context is made from; all borrowed. */
struct tls_files {
	const char *part;		       /* for log lines */
	const char *certificate, *private_key; /* paths */
	const char *chain_pem, *key_pem; /* what they hold; NULL: read them */
};

/*
 * Reads the two files; the caller frees both texts, with mem_wipe_free().
 * ERR_INVALID: the log says what is wrong.
 */
enum err tls_files_read(const struct tls_files *f, char **chain_pem,
			char **key_pem);

/* Gives a context its certificate, chain and key. Errors as above. */
enum err tls_files_use(const struct tls_files *f, struct ssl_ctx_st *ctx);

/* The first error that OpenSSL has queued, as text; empties the queue. */
const char *tls_error(void);

#endif
