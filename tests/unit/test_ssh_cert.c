/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates as bytes, the rules for them, and what is revoked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/revoked.h"
#include "auth/ssh_cert.h"
#include "lib/id.h"
#include "lib/mem.h"
#include "tests/unit/ssh_certs.h"

#define START 1735689600 /* 2025-01-01T00:00:00Z */
#define END 1767225600	 /* 2026-01-01T00:00:00Z */

static unsigned char blob[4096];

static size_t
decode(const char *text)
{
	long n = base64_decode(text, strlen(text), blob);

	assert_true(n > 0);
	return (size_t)n;
}

/* Points into `blob`. */
static struct ssh_cert
cert(const char *text)
{
	struct ssh_cert c;

	assert_true(ssh_cert_parse(&c, blob, decode(text)));
	return c;
}

static void
check(const char *text, const char *addr, int64_t now, const char *expected)
{
	struct ssh_cert c = cert(text);
	struct ssh_cert_terms terms;
	const char *why = ssh_cert_refused(&c, addr, now, &terms);

	if (!why)
		why = "good";
	if (!strstr(why, expected ? expected : "good"))
		fail_msg("\"%s\" where it should be otherwise", why);
	ssh_cert_free(&c);
}

static void
test_fields_are_read(void **state)
{
	struct ssh_cert c = cert(cert_plain);
	unsigned char key[256];
	long n = base64_decode(key_plain, strlen(key_plain), key);

	(void)state;
	assert_string_equal(c.type->name, "ssh-ed25519");
	assert_int_equal(c.serial, 42);
	assert_int_equal(c.kind, SSH_CERT_USER);
	assert_true(wire_equal(c.id, "id of plain"));
	assert_int_equal(c.after, START);
	assert_int_equal(c.before, END);
	assert_int_equal(c.key_len, n);
	assert_memory_equal(c.key, key, c.key_len);
	assert_true(ssh_cert_names(&c, "ann", 3));
	assert_true(ssh_cert_names(&c, "bob", 3));
	assert_false(ssh_cert_names(&c, "an", 2));
	assert_false(ssh_cert_names(&c, "", 0));
	ssh_cert_free(&c);
}

static void
test_signatures_of_all_types_are_checked(void **state)
{
	static const char *const good[] = { cert_plain, cert_ecdsa, cert_p521,
					    cert_rsa };
	struct ssh_cert c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		c = cert(good[i]);
		assert_true(ssh_cert_signed(&c));
		/* Any other principal, and it is not what was signed. */
		blob[c.principals.p + 4 - blob] ^= 1;
		assert_false(ssh_cert_signed(&c));
		blob[c.principals.p + 4 - blob] ^= 1;
		blob[c.signature.p + c.signature.n - 5 - blob] ^= 1;
		assert_false(ssh_cert_signed(&c));
		ssh_cert_free(&c);
	}
}

static void
test_a_signature_over_sha1_is_wrong(void **state)
{
	struct ssh_cert c = cert(cert_sha1);

	(void)state;
	assert_false(ssh_cert_signed(&c));
	ssh_cert_free(&c);
}

static void
test_validity_has_a_beginning_and_an_end(void **state)
{
	(void)state;
	check(cert_plain, "192.0.2.1", START - 1, "not valid yet");
	check(cert_plain, "192.0.2.1", START, NULL);
	check(cert_plain, "192.0.2.1", END - 1, NULL);
	check(cert_plain, "192.0.2.1", END, "expired");
	check(cert_plain, "192.0.2.1", -1, "not valid yet");
	check(cert_forever, "192.0.2.1", 0, NULL);
	check(cert_forever, "192.0.2.1", INT64_MAX, NULL);
}

static void
test_only_users_with_names_are_let_in(void **state)
{
	(void)state;
	check(cert_host, "192.0.2.1", START, "not a user's");
	check(cert_nobody, "192.0.2.1", START, "no principals");
}

static void
test_critical_options_are_held_to(void **state)
{
	(void)state;
	check(cert_source, "192.0.2.1", START, NULL);
	check(cert_source, "2001:db8::7", START, NULL);
	check(cert_source, "198.51.100.1", START, "this address");
	check(cert_source, NULL, START, "this address");
	check(cert_force, "192.0.2.1", START, "forces a command");
	check(cert_sftp, "192.0.2.1", START, NULL);
	check(cert_critical, "192.0.2.1", START, "critical option");
}

static void
test_terms_of_security_keys_are_told(void **state)
{
	struct ssh_cert c = cert(cert_verify);
	struct ssh_cert_terms terms;

	(void)state;
	assert_null(ssh_cert_refused(&c, "192.0.2.1", START, &terms));
	assert_true(terms.no_touch);
	assert_true(terms.verify_required);
	ssh_cert_free(&c);
	c = cert(cert_plain);
	assert_null(ssh_cert_refused(&c, "192.0.2.1", START, &terms));
	assert_false(terms.no_touch);
	assert_false(terms.verify_required);
	ssh_cert_free(&c);
}

static void
test_every_cut_is_noticed(void **state)
{
	size_t n = decode(cert_plain), i;
	unsigned char *exact;
	struct ssh_cert c;

	(void)state;
	for (i = 0; i < n; i++) {
		/* Exactly as long, so that a reader beyond it is found. */
		exact = malloc(i + 1);
		memcpy(exact, blob, i);
		assert_false(ssh_cert_parse(&c, exact, i));
		ssh_cert_free(&c);
		free(exact);
	}
	blob[n] = 0;
	assert_false(ssh_cert_parse(&c, blob, n + 1));
	ssh_cert_free(&c);
}

static void
test_a_plain_key_is_no_certificate(void **state)
{
	size_t n = decode(key_plain);
	struct ssh_cert c;

	(void)state;
	assert_false(ssh_cert_is(blob, n));
	assert_false(ssh_cert_parse(&c, blob, n));
	ssh_cert_free(&c);
	assert_true(ssh_cert_is(blob, decode(cert_plain)));
}

static struct revoked *
list_of(const char *text, const char *fault)
{
	char path[] = "/tmp/test_revoked.XXXXXX", why[REVOKED_WHY_MAX] = "";
	struct revoked *r = NULL;
	int fd = mkstemp(path);
	enum err err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	err = revoked_read(path, &r, why);
	unlink(path);
	assert_int_equal(err, fault ? ERR_INVALID : ERR_OK);
	if (fault && !strstr(why, fault))
		fail_msg("\"%s\" lacks \"%s\"", why, fault);
	return r;
}

static void
test_revoked_certificates_are_found(void **state)
{
	struct ssh_cert c = cert(cert_plain);
	char print[KEY_FINGERPRINT_MAX], ca[KEY_FINGERPRINT_MAX];
	static const struct {
		const char *text;
		bool hit;
	} rows[] = {
		{ "serial: 42", true },	     { "serial: 41", false },
		{ "serial: 40-42\n", true }, { "serial: 43-50", false },
		{ "id: id of plain", true }, { "id: id of", false },
		{ "# nothing\n\n", false },
	};
	struct revoked *r;
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r = list_of(rows[i].text, NULL);
		assert_int_equal(revoked_cert(r, &c), rows[i].hit);
		revoked_free(r);
	}
	key_fingerprint(c.key, c.key_len, print);
	key_fingerprint(c.ca.p, c.ca.n, ca);
	text = mem_printf("ssh-ed25519 %s gone\r\n", ca_ed25519);
	r = list_of(text, NULL);
	assert_true(revoked_cert(r, &c));
	assert_true(revoked_key(r, c.ca.p, c.ca.n));
	assert_false(revoked_key(r, c.key, c.key_len));
	revoked_free(r);
	free(text);
	text = mem_printf("  %s \n%s\n", print, print);
	r = list_of(text, NULL);
	assert_true(revoked_cert(r, &c));
	assert_true(revoked_key(r, c.key, c.key_len));
	revoked_free(r);
	free(text);
	assert_false(revoked_cert(NULL, &c));
	ssh_cert_free(&c);
}

static void
test_lists_of_revoked_keys_are_checked(void **state)
{
	(void)state;
	list_of("serial: x", "line 1: expected \"serial");
	list_of("serial: 5-4", "line 1: expected \"serial");
	list_of("serial: -1", "line 1: expected \"serial");
	list_of("serial: 99999999999999999999999", "expected \"serial");
	list_of("id:", "expected \"id");
	list_of("#\nSHA256:abc", "line 2: this is no whole SHA256");
	list_of("ssh-ed25519 AAAA", "another type");
	list_of("nonsense", "not supported");
	list_of("SSHKRL\n", "a KRL is not read");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_are_read),
		cmocka_unit_test(test_signatures_of_all_types_are_checked),
		cmocka_unit_test(test_a_signature_over_sha1_is_wrong),
		cmocka_unit_test(test_validity_has_a_beginning_and_an_end),
		cmocka_unit_test(test_only_users_with_names_are_let_in),
		cmocka_unit_test(test_critical_options_are_held_to),
		cmocka_unit_test(test_terms_of_security_keys_are_told),
		cmocka_unit_test(test_every_cut_is_noticed),
		cmocka_unit_test(test_a_plain_key_is_no_certificate),
		cmocka_unit_test(test_revoked_certificates_are_found),
		cmocka_unit_test(test_lists_of_revoked_keys_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
