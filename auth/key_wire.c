/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/key_wire.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "lib/id.h"

#define CERT "-cert-v01@openssh.com"

void
wire_init(struct wire *w, const void *p, size_t n)
{
	w->p = p;
	w->left = n;
	w->bad = false;
}

/* The next n bytes, or NULL. */
static const unsigned char *
take(struct wire *w, size_t n)
{
	const unsigned char *p = w->p;

	if (w->bad || n > w->left) {
		w->bad = true;
		return NULL;
	}
	w->p += n;
	w->left -= n;
	return p;
}

uint32_t
wire_u32(struct wire *w)
{
	const unsigned char *p = take(w, 4);

	if (!p)
		return 0;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

uint64_t
wire_u64(struct wire *w)
{
	uint64_t high = wire_u32(w);

	return high << 32 | wire_u32(w);
}

struct wire_bytes
wire_string(struct wire *w)
{
	struct wire_bytes b;

	b.n = wire_u32(w);
	b.p = take(w, b.n);
	if (!b.p) {
		b.p = (const unsigned char *)"";
		b.n = 0;
	}
	return b;
}

bool
wire_equal(struct wire_bytes b, const char *text)
{
	return b.n == strlen(text) && memcmp(b.p, text, b.n) == 0;
}

/* clang-format off */
static const struct key_type types[] = {
	{ "ssh-ed25519", "ssh-ed25519" CERT, KEY_ED25519, NULL, 1, false },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256" CERT, KEY_ECDSA,
	  "nistp256", 2, false },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384" CERT, KEY_ECDSA,
	  "nistp384", 2, false },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521" CERT, KEY_ECDSA,
	  "nistp521", 2, false },
	{ "ssh-rsa", "ssh-rsa" CERT, KEY_RSA, NULL, 2, false },
	{ "sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519" CERT, KEY_ED25519,
	  NULL, 2, true },
	{ "sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256" CERT,
	  KEY_ECDSA, "nistp256", 3, true },
};
/* clang-format on */

#define TYPES (sizeof(types) / sizeof(types[0]))

static bool
same(const char *a, const char *b, size_t n)
{
	return strlen(a) == n && memcmp(a, b, n) == 0;
}

const struct key_type *
key_type_find(const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < TYPES; i++) {
		if (same(types[i].name, name, n))
			return &types[i];
	}
	return NULL;
}

const struct key_type *
key_type_of_cert(const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < TYPES; i++) {
		if (same(types[i].cert, name, n))
			return &types[i];
	}
	return NULL;
}

const struct key_type *
key_blob_type(const void *blob, size_t len)
{
	struct wire_bytes name;
	struct wire w;

	wire_init(&w, blob, len);
	name = wire_string(&w);
	return w.bad ? NULL : key_type_find((const char *)name.p, name.n);
}

static const char damaged[] = "the key is damaged";

/* RFC 5656 section 3.1: the curve's name and an uncompressed point. */
static const char *
ecdsa_fault(struct wire *w, const char *curve)
{
	const size_t want = strcmp(curve, "nistp256") == 0   ? 32
			    : strcmp(curve, "nistp384") == 0 ? 48
							     : 66;
	const bool named = wire_equal(wire_string(w), curve);
	struct wire_bytes point = wire_string(w);

	if (!named || point.n != 1 + 2 * want || point.p[0] != 4)
		return damaged;
	return NULL;
}

static const char *
rsa_fault(struct wire *w)
{
	struct wire_bytes e = wire_string(w), n = wire_string(w);
	unsigned char top;
	size_t bits;

	if (e.n == 0 || n.n == 0)
		return damaged;
	while (n.n > 0 && n.p[0] == 0) {
		n.p++;
		n.n--;
	}
	bits = n.n * 8;
	for (top = n.n ? n.p[0] : 0; bits > 0 && !(top & 0x80); bits--)
		top = (unsigned char)(top << 1);
	if (bits < KEY_RSA_BITS_MIN)
		return "an RSA key needs at least 2048 bits";
	return NULL;
}

static const char *
fields_fault(struct wire *w, const struct key_type *type)
{
	switch (type->family) {
	case KEY_ED25519:
		return wire_string(w).n == 32 ? NULL : damaged;
	case KEY_ECDSA:
		return ecdsa_fault(w, type->curve);
	case KEY_RSA:
		return rsa_fault(w);
	}
	return damaged;
}

const char *
key_blob_fault(const void *blob, size_t len, const struct key_type *type)
{
	const char *fault;
	struct wire w;

	wire_init(&w, blob, len);
	if (!wire_equal(wire_string(&w), type->name))
		return "the key is of another type than its line says";
	fault = fields_fault(&w, type);
	if (fault)
		return fault;
	/* What the key was made for: "ssh:" and what follows. */
	if (type->sk && wire_string(&w).n == 0)
		return damaged;
	return w.bad || w.left > 0 ? damaged : NULL;
}

void
key_fingerprint(const void *blob, size_t len, char out[KEY_FINGERPRINT_MAX])
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	char text[4 * ((SHA256_DIGEST_LENGTH + 2) / 3) + 1];

	SHA256(blob, len, hash);
	base64_encode(hash, sizeof(hash), text);
	text[strcspn(text, "=")] = '\0';
	snprintf(out, KEY_FINGERPRINT_MAX, "SHA256:%s", text);
}
