/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/ssh_cert.h"

#include <stdlib.h>
#include <string.h>

#include "auth/address.h"
#include "auth/key_verify.h"
#include "lib/mem.h"

bool
ssh_cert_is(const void *blob, size_t len)
{
	struct wire_bytes name;
	struct wire w;

	wire_init(&w, blob, len);
	name = wire_string(&w);
	return !w.bad && key_type_of_cert((const char *)name.p, name.n);
}

static void
put_u32(unsigned char *p, size_t v)
{
	p[0] = (unsigned char)(v >> 24);
	p[1] = (unsigned char)(v >> 16);
	p[2] = (unsigned char)(v >> 8);
	p[3] = (unsigned char)v;
}

/* The key's fields stand in a certificate as they do in the key. */
static bool
take_key(struct ssh_cert *c, struct wire *w)
{
	const unsigned char *start = w->p;
	const size_t name = strlen(c->type->name);
	size_t n;
	unsigned i;

	for (i = 0; i < c->type->fields; i++)
		wire_string(w);
	if (w->bad)
		return false;
	n = (size_t)(w->p - start);
	c->key_len = 4 + name + n;
	c->key = mem_alloc(c->key_len);
	put_u32(c->key, name);
	memcpy(c->key + 4, c->type->name, name);
	memcpy(c->key + 4 + name, start, n);
	return key_blob_fault(c->key, c->key_len, c->type) == NULL;
}

/* A list of `each` strings an entry. */
static bool
list_valid(struct wire_bytes list, unsigned each, unsigned max)
{
	struct wire w;
	unsigned n;

	wire_init(&w, list.p, list.n);
	for (n = 0; !w.bad && w.left > 0; n++)
		wire_string(&w);
	return !w.bad && n % each == 0 && n / each <= max;
}

bool
ssh_cert_parse(struct ssh_cert *c, const void *blob, size_t len)
{
	struct wire_bytes name;
	struct wire w;

	memset(c, 0, sizeof(*c));
	wire_init(&w, blob, len);
	name = wire_string(&w);
	c->type = key_type_of_cert((const char *)name.p, name.n);
	wire_string(&w); /* a nonce */
	if (!c->type || len > KEY_BLOB_MAX || !take_key(c, &w))
		return false;
	c->serial = wire_u64(&w);
	c->kind = wire_u32(&w);
	c->id = wire_string(&w);
	c->principals = wire_string(&w);
	c->after = wire_u64(&w);
	c->before = wire_u64(&w);
	c->critical = wire_string(&w);
	c->extensions = wire_string(&w);
	wire_string(&w); /* reserved */
	c->ca = wire_string(&w);
	c->signed_part.p = blob;
	c->signed_part.n = (size_t)(w.p - c->signed_part.p);
	c->signature = wire_string(&w);
	return !w.bad && w.left == 0 &&
	       list_valid(c->principals, 1, SSH_CERT_PRINCIPALS_MAX) &&
	       list_valid(c->critical, 2, SSH_CERT_OPTIONS_MAX) &&
	       list_valid(c->extensions, 2, SSH_CERT_OPTIONS_MAX);
}

void
ssh_cert_free(struct ssh_cert *c)
{
	free(c->key);
	c->key = NULL;
}

bool
ssh_cert_signed(const struct ssh_cert *c)
{
	return key_verify(c->ca, c->signature, c->signed_part);
}

bool
ssh_cert_names(const struct ssh_cert *c, const char *name, size_t n)
{
	struct wire_bytes b;
	struct wire w;

	wire_init(&w, c->principals.p, c->principals.n);
	while (!w.bad && w.left > 0) {
		b = wire_string(&w);
		if (!w.bad && b.n == n && n > 0 && memcmp(b.p, name, n) == 0)
			return true;
	}
	return false;
}

/* The text that an option's data holds, or NULL. The caller frees it. */
static char *
option_text(struct wire_bytes data)
{
	struct wire_bytes b;
	struct wire w;

	wire_init(&w, data.p, data.n);
	b = wire_string(&w);
	if (w.bad || w.left > 0 || memchr(b.p, '\0', b.n))
		return NULL;
	return mem_strndup((const char *)b.p, b.n);
}

static const char *
source_refused(struct wire_bytes data, const char *addr)
{
	char *list = option_text(data);
	const char *why = NULL;

	if (!list || !address_list_valid(list))
		why = "its source-address is no list of networks";
	else if (!addr || !address_list_match(list, addr))
		why = "it is not valid from this address";
	free(list);
	return why;
}

/* Nothing but this is offered anyway. */
static const char *
command_refused(struct wire_bytes data)
{
	char *command = option_text(data);
	const bool sftp = command && strcmp(command, "internal-sftp") == 0;

	free(command);
	return sftp ? NULL : "it forces a command, and none is run here";
}

static const char *
critical_refused(const struct ssh_cert *c, const char *addr,
		 struct ssh_cert_terms *terms)
{
	struct wire_bytes name, data;
	const char *why = NULL;
	struct wire w;

	wire_init(&w, c->critical.p, c->critical.n);
	while (!why && w.left > 0) {
		name = wire_string(&w);
		data = wire_string(&w);
		if (wire_equal(name, "source-address"))
			why = source_refused(data, addr);
		else if (wire_equal(name, "force-command"))
			why = command_refused(data);
		else if (wire_equal(name, "verify-required"))
			terms->verify_required = true;
		else
			why = "it has a critical option that is not known here";
	}
	return why;
}

static bool
has_extension(const struct ssh_cert *c, const char *wanted)
{
	struct wire_bytes name;
	struct wire w;

	wire_init(&w, c->extensions.p, c->extensions.n);
	while (!w.bad && w.left > 0) {
		name = wire_string(&w);
		wire_string(&w);
		if (wire_equal(name, wanted))
			return true;
	}
	return false;
}

const char *
ssh_cert_refused(const struct ssh_cert *c, const char *addr, int64_t now,
		 struct ssh_cert_terms *terms)
{
	memset(terms, 0, sizeof(*terms));
	if (c->kind != SSH_CERT_USER)
		return "it is not a user's certificate";
	if (now < 0 || (uint64_t)now < c->after)
		return "it is not valid yet";
	if ((uint64_t)now >= c->before)
		return "it has expired";
	if (c->principals.n == 0)
		return "it names no principals";
	terms->no_touch = has_extension(c, "no-touch-required");
	return critical_refused(c, addr, terms);
}
