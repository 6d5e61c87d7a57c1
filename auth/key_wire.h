/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public keys as SSH sends them (RFC 4251 section 5, RFC 4253 section 6.6, RFC
 * 5656, RFC 8709, and OpenSSH's PROTOCOL.u2f for the sk- types). Pure: a reader
 * for such bytes, and the shapes that a key of each type must have.
 */
#ifndef AUTH_KEY_WIRE_H
#define AUTH_KEY_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_RSA_BITS_MIN 2048
#define KEY_BLOB_MAX 16384     /* bytes; certificates included */
#define KEY_FINGERPRINT_MAX 56 /* "SHA256:" and base64, with its NUL */

struct wire_bytes {
	const unsigned char *p;
	size_t n;
};

/*
 * What is not there sets `bad`, and from then on everything reads as 0 or
 * empty: check once, at the end.
 */
struct wire {
	const unsigned char *p;
	size_t left;
	bool bad;
};

void wire_init(struct wire *w, const void *p, size_t n);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);
struct wire_bytes wire_string(struct wire *w);
bool wire_equal(struct wire_bytes b, const char *text);

enum key_family { KEY_ED25519, KEY_ECDSA, KEY_RSA };

struct key_type {
	const char *name; /* as in authorized_keys */
	const char *cert; /* of a certificate for such a key */
	enum key_family family;
	const char *curve; /* ECDSA */
	unsigned fields;   /* strings behind the type */
	bool sk;	   /* kept in a security key: PROTOCOL.u2f */
};

const struct key_type *key_type_find(const char *name, size_t n);
const struct key_type *key_type_of_cert(const char *name, size_t n);

/* The type that a key says it has; NULL: none of ours. */
const struct key_type *key_blob_type(const void *blob, size_t len);

/* NULL: a whole key of that type. Else what is wrong with it. */
const char *key_blob_fault(const void *blob, size_t len,
			   const struct key_type *type);

/* "SHA256:..." as ssh-keygen -l shows it. */
void key_fingerprint(const void *blob, size_t len,
		     char out[KEY_FINGERPRINT_MAX]);

#endif
