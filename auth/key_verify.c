/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/key_verify.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

static EVP_PKEY *
key_from(const char *name, OSSL_PARAM_BLD *bld)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY *key = NULL;

	if (!ctx || !params || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *
ecdsa_key(struct wire *w)
{
	struct wire_bytes curve = wire_string(w), point = wire_string(w);
	const char *group = wire_equal(curve, "nistp256")   ? "P-256"
			    : wire_equal(curve, "nistp384") ? "P-384"
							    : "P-521";
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;

	if (bld &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
					    group, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
					     point.p, point.n) == 1)
		key = key_from("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return key;
}

static EVP_PKEY *
rsa_key(struct wire *w)
{
	struct wire_bytes e = wire_string(w), n = wire_string(w);
	BIGNUM *be = BN_bin2bn(e.p, (int)e.n, NULL);
	BIGNUM *bn = BN_bin2bn(n.p, (int)n.n, NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;

	if (bld && be && bn &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) == 1)
		key = key_from("RSA", bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(be);
	BN_free(bn);
	return key;
}

static EVP_PKEY *
ed25519_key(struct wire *w)
{
	struct wire_bytes raw = wire_string(w);

	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw.p,
					   raw.n);
}

static EVP_PKEY *
open_key(struct wire_bytes blob, const struct key_type *type)
{
	struct wire w;

	wire_init(&w, blob.p, blob.n);
	wire_string(&w);
	switch (type->family) {
	case KEY_ED25519:
		return ed25519_key(&w);
	case KEY_ECDSA:
		return ecdsa_key(&w);
	case KEY_RSA:
		return rsa_key(&w);
	}
	return NULL;
}

/* OpenSSL takes r and s as DER; the caller frees *out. */
static bool
ecdsa_der(struct wire_bytes rs, unsigned char **out, size_t *len)
{
	struct wire_bytes r, s;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	struct wire w;
	int n = -1;

	wire_init(&w, rs.p, rs.n);
	r = wire_string(&w);
	s = wire_string(&w);
	*out = NULL;
	if (sig && !w.bad && w.left == 0 && r.n <= 67 && s.n <= 67 &&
	    ECDSA_SIG_set0(sig, BN_bin2bn(r.p, (int)r.n, NULL),
			   BN_bin2bn(s.p, (int)s.n, NULL)) == 1)
		n = i2d_ECDSA_SIG(sig, out);
	ECDSA_SIG_free(sig);
	*len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* What a signature must be called, and the hash in it. */
static bool
find_hash(const struct key_type *type, struct wire_bytes name,
	  const EVP_MD **md)
{
	*md = NULL;
	if (type->family == KEY_RSA) {
		if (wire_equal(name, "rsa-sha2-256"))
			*md = EVP_sha256();
		else if (wire_equal(name, "rsa-sha2-512"))
			*md = EVP_sha512();
		return *md != NULL;
	}
	if (type->family == KEY_ECDSA)
		*md = strcmp(type->curve, "nistp256") == 0   ? EVP_sha256()
		      : strcmp(type->curve, "nistp384") == 0 ? EVP_sha384()
							     : EVP_sha512();
	return wire_equal(name, type->name);
}

static bool
check(EVP_PKEY *key, const EVP_MD *md, struct wire_bytes sig,
      struct wire_bytes data)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	good = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
	       EVP_DigestVerify(ctx, sig.p, sig.n, data.p, data.n) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

bool
key_verify(struct wire_bytes key, struct wire_bytes signature,
	   struct wire_bytes data)
{
	const struct key_type *type = key_blob_type(key.p, key.n);
	struct wire_bytes name, sig;
	unsigned char *der = NULL;
	const EVP_MD *md;
	EVP_PKEY *pkey;
	struct wire w;
	bool good;

	wire_init(&w, signature.p, signature.n);
	name = wire_string(&w);
	sig = wire_string(&w);
	if (!type || type->sk || w.bad || w.left > 0 ||
	    key_blob_fault(key.p, key.n, type) || !find_hash(type, name, &md))
		return false;
	if (type->family == KEY_ECDSA) {
		if (!ecdsa_der(sig, &der, &sig.n))
			return false;
		sig.p = der;
	}
	pkey = open_key(key, type);
	good = pkey && check(pkey, md, sig, data);
	EVP_PKEY_free(pkey);
	OPENSSL_free(der);
	return good;
}
