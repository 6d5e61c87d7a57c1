/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever bytes come as a certificate: what is read of it lies within them,
 * its lists can be walked, and a plain key inside is whole.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/ssh_cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_within(struct wire_bytes b, const uint8_t *data, size_t size)
{
	if (b.n > 0 &&
	    (b.p < data || b.n > size || (size_t)(b.p - data) > size - b.n))
		abort();
}

static void
check_cert(const struct ssh_cert *c, const uint8_t *data, size_t size)
{
	struct ssh_cert_terms terms;

	check_within(c->id, data, size);
	check_within(c->principals, data, size);
	check_within(c->critical, data, size);
	check_within(c->extensions, data, size);
	check_within(c->ca, data, size);
	check_within(c->signature, data, size);
	check_within(c->signed_part, data, size);
	if (key_blob_fault(c->key, c->key_len, c->type))
		abort();
	if (ssh_cert_names(c, "", 0))
		abort();
	ssh_cert_names(c, "ann", 3);
	ssh_cert_refused(c, "192.0.2.7", 1735689600, &terms);
	ssh_cert_signed(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char print[KEY_FINGERPRINT_MAX];
	const struct key_type *type = key_blob_type(data, size);
	struct ssh_cert cert;

	if (type)
		key_blob_fault(data, size, type);
	key_fingerprint(data, size, print);
	if (ssh_cert_parse(&cert, data, size)) {
		if (!ssh_cert_is(data, size))
			abort();
		check_cert(&cert, data, size);
	}
	ssh_cert_free(&cert);
	return 0;
}
