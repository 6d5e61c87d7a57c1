/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSH certificates (PROTOCOL.certkeys of OpenSSH) as bytes, and the rules
 * for those of users. Nothing is asked of the outside: time and address are
 * given.
 */
#ifndef AUTH_SSH_CERT_H
#define AUTH_SSH_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/key_wire.h"

#define SSH_CERT_PRINCIPALS_MAX 256
#define SSH_CERT_OPTIONS_MAX 64

enum { SSH_CERT_USER = 1, SSH_CERT_HOST = 2 };

/* Points into the bytes it was read from, `key` excepted. */
struct ssh_cert {
	const struct key_type *type;
	unsigned char *key; /* the certified key by itself, in wire format */
	size_t key_len;
	uint64_t serial;
	uint32_t kind; /* SSH_CERT_USER .. */
	struct wire_bytes id;
	struct wire_bytes principals, critical, extensions; /* lists */
	uint64_t after, before;				    /* Unix seconds */
	struct wire_bytes ca, signature, signed_part;
};

/* True if these bytes call themselves a certificate. */
bool ssh_cert_is(const void *blob, size_t len);

/*
 * False: not a whole certificate of a key that we know. The authority's
 * signature is not checked. The caller frees *out, also on failure.
 */
bool ssh_cert_parse(struct ssh_cert *out, const void *blob, size_t len);
void ssh_cert_free(struct ssh_cert *cert);

/* The authority's signature, with the key that the certificate names. */
bool ssh_cert_signed(const struct ssh_cert *cert);

/* The name is among the principals; with none in it, no name is. */
bool ssh_cert_names(const struct ssh_cert *cert, const char *name, size_t n);

/* What a certificate asks for that only its user's log-in can tell. */
struct ssh_cert_terms {
	bool no_touch;	      /* extension: presence need not be proved */
	bool verify_required; /* option: PIN or fingerprint must be proved */
};

/*
 * NULL: a user's certificate that is valid at `now` for a client at `addr`
 * (text), with no critical option but those that are held to. Else why not.
 */
const char *ssh_cert_refused(const struct ssh_cert *cert, const char *addr,
			     int64_t now, struct ssh_cert_terms *terms);

#endif
