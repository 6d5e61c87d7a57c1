/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/pubkey.h"

#include <string.h>

#include "auth/address.h"
#include "auth/ssh_cert.h"

/* Of the flags that a security key signs (PROTOCOL.u2f). */
#define SK_PRESENT 0x01
#define SK_VERIFIED 0x04

/* What the key's line says of address and time. */
static const char *
line_refused(const struct authkey *line, const struct auth_key *key,
	     int64_t now)
{
	if (line->from &&
	    (!key->addr || !address_list_match(line->from, key->addr)))
		return "its line does not allow this address";
	if (line->expires && now >= line->expires)
		return "its line has expired";
	return NULL;
}

/* The touch of a security key, and its PIN. Only a proved log-in tells. */
static const char *
touch_refused(const struct auth_key *key, bool no_touch, bool verify_required)
{
	if (!key->proved || (no_touch && !verify_required))
		return NULL;
	if (!key->sk_known)
		return "libssh does not tell whether it was touched; only "
		       "no-touch-required lets it in";
	if (!no_touch && !(key->sk_flags & SK_PRESENT))
		return "nobody has touched the security key";
	if (verify_required && !(key->sk_flags & SK_VERIFIED))
		return "no PIN was given to the security key";
	return NULL;
}

static const char *
plain_refused(const struct pubkey_rules *rules, const struct account *acc,
	      const struct auth_key *key, const struct key_type *type)
{
	const char *why = "", *found;
	const struct authkey *k;

	for (k = acc->keys; k; k = k->next) {
		if (k->ca || k->len != key->len ||
		    memcmp(k->blob, key->blob, k->len) != 0)
			continue;
		found = line_refused(k, key, rules->now);
		if (!found && type->sk)
			found = touch_refused(key, k->no_touch,
					      k->verify_required);
		if (!found &&
		    revoked_key(rules->trust->revoked, key->blob, key->len))
			found = "it is revoked";
		if (!found)
			return NULL;
		why = found;
	}
	return why;
}

/* A name of the list is one of the certificate's. */
static bool
names_one(const struct ssh_cert *cert, const char *list)
{
	size_t n;

	while (*(list += strspn(list, ", \t"))) {
		n = strcspn(list, ", \t");
		if (ssh_cert_names(cert, list, n))
			return true;
		list += n;
	}
	return false;
}

/* One line of an authority that has signed the certificate, so it says. */
static const char *
ca_refused(const struct pubkey_rules *rules, const struct authkey *ca,
	   const char *names, const struct auth_key *key,
	   const struct ssh_cert *cert)
{
	struct ssh_cert_terms terms;
	const char *why = line_refused(ca, key, rules->now);

	if (!why)
		why = ssh_cert_refused(cert, key->addr, rules->now, &terms);
	if (why)
		return why;
	if (!names_one(cert, names))
		return "this user is not among its principals";
	if (!cert->type->sk)
		return NULL;
	return touch_refused(key, terms.no_touch,
			     terms.verify_required || ca->verify_required);
}

static bool
signed_by(const struct authkey *ca, const struct ssh_cert *cert)
{
	return ca->len == cert->ca.n &&
	       memcmp(ca->blob, cert->ca.p, ca->len) == 0;
}

/* The signature is checked last, and by keys that are trusted only. */
static const char *
cert_refused(const struct pubkey_rules *rules, const struct account *acc,
	     const struct auth_key *key, const struct ssh_cert *cert)
{
	const char *own = acc->principals ? acc->principals : acc->user->name;
	const char *why = "its authority is not trusted";
	const struct authkey *ca;

	for (ca = rules->trust->cas; ca && why; ca = ca->next) {
		if (signed_by(ca, cert))
			why = ca_refused(rules, ca, own, key, cert);
	}
	for (ca = acc->keys; ca && why; ca = ca->next) {
		if (ca->ca && signed_by(ca, cert))
			why = ca_refused(rules, ca,
					 ca->principals ? ca->principals : own,
					 key, cert);
	}
	if (why)
		return why;
	if (revoked_cert(rules->trust->revoked, cert))
		return "it is revoked";
	return ssh_cert_signed(cert) ? NULL : "its signature is wrong";
}

const char *
pubkey_refused(const struct pubkey_rules *rules, const struct account *acc,
	       const struct auth_key *key)
{
	const struct key_type *type = key_blob_type(key->blob, key->len);
	struct ssh_cert cert;
	const char *why;

	if (!ssh_cert_is(key->blob, key->len))
		return type ? plain_refused(rules, acc, key, type) : "";
	why = ssh_cert_parse(&cert, key->blob, key->len)
		      ? cert_refused(rules, acc, key, &cert)
		      : "it is damaged";
	ssh_cert_free(&cert);
	return why;
}
