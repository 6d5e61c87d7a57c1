/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and addresses of authorized_keys, as text alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/address.h"
#include "auth/authorized_keys.h"

#define ED \
	"AAAAC3NzaC1lZDI1NTE5AAAAIDoiCcUxWNT4aRbgYtLoR1Bnu7qR5KATfN0K+uwPleEP"
#define ED_TYPE "ssh-ed25519 "
#define EC                                                             \
	"AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKF052vy" \
	"5E1TxpRbV6Y/JTYsaiIdm4WHsHmXu87/0vMj2WJbuofPcnHpgBkMcJ7RcK6L" \
	"rRGG7NQ60liyWmQ4tvQ="
/* Made up, of the right shape. */
#define SK_ED                                                          \
	"AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIDoiCcUxWNT4aRbg" \
	"YtLoR1Bnu7qR5KATfN0K+uwPleEPAAAABHNzaDo="
#define SK_EC                                                          \
	"AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlz" \
	"dHAyNTYAAABBBKF052vy5E1TxpRbV6Y/JTYsaiIdm4WHsHmXu87/0vMj2WJb" \
	"uofPcnHpgBkMcJ7RcK6LrRGG7NQ60liyWmQ4tvQAAAAEc3NoOg=="
#define RSA_2048                                                       \
	"AAAAB3NzaC1yc2EAAAADAQABAAABAQCw3ZlAaN3YlKW4Cx0QbYZhQhLJJVkU" \
	"FxPGC10gQMTHGSbFXUk4Vmb+/ivQjcTeqT/ozx9NvMrgTAzypl2ww+R0Kt/0" \
	"/oiIT9qDuNzmgo6nQOvRDDmKGtzmVSWKG7H9OTdlnd3bT1JLysRPPSFNb1wY" \
	"CIBnsaRFJMGGU+m3awRkMTjgPG8+dJn99cu3yHC4VgryyYjYF3+jcNA2XQVI" \
	"vP95ZxRr8V0OZGUQIHD1texrJHZC3wC/+Stet6isXYPAEj6FJJHIMl2G+1Tq" \
	"UDIyuOyXrzU4vOUoz9p+UqV0miyJd28H0LtutlQZ2hMVRRnpNALgQ0ISwusA" \
	"D4G4BNN1kD95"
#define RSA_1024                                                       \
	"AAAAB3NzaC1yc2EAAAADAQABAAAAgQDMgv/Jbyz9fUUhsaaYvO+4O8FHvILn" \
	"NGsK2NP1CmYWSqjw0xwWMnIH8KhWVRfRUfQD7Jg2SkXVzbHUPEYedY1BK3HY" \
	"9JQyo/mSXxdED1iuNkPA01JaZTFxPeEmqlYAgKhYPamTUhnQ6t/d/X5pPYaY" \
	"vb/oCQPyHNsBvKZS/eFuXQ=="

static struct authkey *
good(const char *line)
{
	char why[AUTHKEY_WHY_MAX] = "";
	struct authkey *key = NULL;

	if (authkey_parse(line, &key, why) != ERR_OK || !key)
		fail_msg("%s: %s", line, why);
	return key;
}

static void
bad(const char *line, const char *expected)
{
	char why[AUTHKEY_WHY_MAX] = "";
	struct authkey *key = NULL;

	assert_int_equal(authkey_parse(line, &key, why), ERR_INVALID);
	assert_null(key);
	if (!strstr(why, expected))
		fail_msg("%s: \"%s\" lacks \"%s\"", line, why, expected);
}

static void
test_key_types_are_taken(void **state)
{
	static const char *const lines[] = {
		ED_TYPE ED,
		ED_TYPE ED " a comment",
		" \t" ED_TYPE "  " ED,
		"ecdsa-sha2-nistp256 " EC " ann@host",
		"ssh-rsa " RSA_2048,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct authkey *key = good(lines[i]);

		assert_true(key->len > 30);
		assert_null(key->from);
		authkey_free(key);
	}
}

static void
test_blank_lines_and_comments_are_no_keys(void **state)
{
	static const char *const lines[] = { "", "   ", "# " ED_TYPE ED,
					     "\t#" };
	char why[AUTHKEY_WHY_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct authkey *key = (struct authkey *)why;

		assert_int_equal(authkey_parse(lines[i], &key, why), ERR_OK);
		assert_null(key);
	}
}

static void
test_damaged_keys_are_refused(void **state)
{
	(void)state;
	bad(ED_TYPE, "base64");
	bad(ED_TYPE "!!!!", "base64");
	bad(ED_TYPE "AAAA", "another type");
	bad("ssh-rsa " ED, "another type");
	bad("ecdsa-sha2-nistp384 " EC, "another type");
	/* The length of the key proper cut by three bytes. */
	bad(ED_TYPE "AAAAC3NzaC1lZDI1NTE5AAAAHTAtOhgpMHfWVA7mNFybI5DBeN"
		    "gcT4J/xJZmRkQo",
	    "damaged");
}

static void
test_short_rsa_keys_are_refused(void **state)
{
	(void)state;
	bad("ssh-rsa " RSA_1024, "2048");
}

static void
test_types_that_cannot_be_checked_are_refused(void **state)
{
	(void)state;
	bad("ssh-dss AAAA", "not supported");
	bad("webauthn-sk-ecdsa-sha2-nistp256@openssh.com AAAA",
	    "not supported");
	bad("ssh-ed25519-cert-v01@openssh.com AAAA", "not supported");
}

static void
test_options_that_restrict_otherwise_are_refused(void **state)
{
	static const char *const options[] = {
		"permitopen=\"a:1\"",
		"environment=\"A=b\"",
		"nonsense",
	};
	char line[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		snprintf(line, sizeof(line), "%s " ED_TYPE ED, options[i]);
		bad(line, "not supported");
	}
}

static void
test_options_that_hold_anyway_are_taken(void **state)
{
	(void)state;
	authkey_free(good("restrict " ED_TYPE ED));
	authkey_free(good("no-pty,no-port-forwarding " ED_TYPE ED));
	authkey_free(good("RESTRICT,no-X11-forwarding " ED_TYPE ED));
}

static void
test_security_keys_are_taken(void **state)
{
	struct authkey *key;

	(void)state;
	authkey_free(good("sk-ssh-ed25519@openssh.com " SK_ED));
	key = good("no-touch-required,verify-required "
		   "sk-ecdsa-sha2-nistp256@openssh.com " SK_EC);
	assert_true(key->no_touch);
	assert_true(key->verify_required);
	authkey_free(key);
	bad("sk-ssh-ed25519@openssh.com " ED, "another type");
	bad(ED_TYPE SK_ED, "another type");
	bad("cert-authority sk-ssh-ed25519@openssh.com " SK_ED,
	    "cannot be a cert-authority");
}

static void
test_authorities_are_taken(void **state)
{
	struct authkey *key;

	(void)state;
	key = good("cert-authority " ED_TYPE ED);
	assert_true(key->ca);
	assert_null(key->principals);
	authkey_free(key);
	key = good("CERT-AUTHORITY,principals=\"a, b\" " ED_TYPE ED);
	assert_string_equal(key->principals, "a, b");
	authkey_free(key);
	bad("principals=\"a\" " ED_TYPE ED, "belongs to a cert-authority");
	bad("cert-authority,principals=\"\" " ED_TYPE ED, "takes names");
	bad("cert-authority,principals=a " ED_TYPE ED, "needs \"quotes\"");
}

static void
test_expiry_is_read(void **state)
{
	static const char *const wrong[] = {
		"2030", "20300001", "20301301",	    "2030010124Z", "20300101x",
		"",	"Z",	    "203001010060", "20300101010", "20300100"
	};
	struct authkey *key;
	char line[256];
	size_t i;

	(void)state;
	key = good("expiry-time=\"20300102Z\" " ED_TYPE ED);
	assert_int_equal(key->expires, 1893542400);
	authkey_free(key);
	key = good("expiry-time=\"20300102030405z\" " ED_TYPE ED);
	assert_int_equal(key->expires, 1893542400 + 3 * 3600 + 4 * 60 + 5);
	authkey_free(key);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(line, sizeof(line), "expiry-time=\"%s\" " ED_TYPE ED,
			 wrong[i]);
		bad(line, "expiry-time= takes");
	}
}

static void
test_only_the_command_that_is_offered_is_taken(void **state)
{
	(void)state;
	authkey_free(good("command=\"internal-sftp\" " ED_TYPE ED));
	bad("restrict,command=\"x\" " ED_TYPE ED, "command=");
}

static void
test_from_is_kept_and_checked(void **state)
{
	struct authkey *key;

	(void)state;
	key = good("restrict,from=\"10.0.0.0/8,!10.1.2.3\" " ED_TYPE ED);
	assert_string_equal(key->from, "10.0.0.0/8,!10.1.2.3");
	authkey_free(key);
	bad("from=\"*.example.org\" " ED_TYPE ED, "host names");
	bad("from=10.0.0.1 " ED_TYPE ED, "quotes");
	bad("from=\"10.0.0.1 " ED_TYPE ED, "quote");
	bad("from=\"\" " ED_TYPE ED, "host names");
}

static void
test_address_list_matches_networks_and_wildcards(void **state)
{
	static const struct {
		const char *list, *addr;
		bool match;
	} cases[] = {
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.70", false },
		{ "192.0.2.0/25", "192.0.2.127", true },
		{ "192.0.2.0/25", "192.0.2.128", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "2001:db8::/32", "2001:db8:ffff::1", true },
		{ "2001:db8::/32", "2001:db9::1", false },
		{ "192.0.2.7", "::ffff:192.0.2.7", true },
		{ "192.0.2.*", "192.0.2.99", true },
		{ "192.0.?.1", "192.0.22.1", false },
		{ "*,!192.0.2.7", "192.0.2.8", true },
		{ "*,!192.0.2.7", "192.0.2.7", false },
		{ "!192.0.2.7,*", "192.0.2.7", false },
		{ "!192.0.2.7", "192.0.2.8", false },
		{ " 10.0.0.1 , 10.0.0.2", "10.0.0.2", true },
		{ "10.0.0.1", "nonsense", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (address_list_match(cases[i].list, cases[i].addr) !=
		    cases[i].match)
			fail_msg("%s %s", cases[i].list, cases[i].addr);
	}
}

static void
test_address_list_refuses_what_never_matches(void **state)
{
	static const char *const lists[] = {
		"",
		",",
		"10.0.0.1,",
		"10.0.0.0/33",
		"10.0.0.1/8",
		"10.0.0.0/",
		"10.0.0.0/8x",
		"host.example",
		"*.example.org",
		"10.0.0.256",
		"2001:db8::/129",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (address_list_valid(lists[i]))
			fail_msg("%s", lists[i]);
	}
	assert_true(address_list_valid("10.0.0.0/8,!10.0.0.1,fe80::*"));
}

static char path[] = "/tmp/sluice-keys-XXXXXX";

static int
file_setup(void **state)
{
	int fd;

	(void)state;
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int
file_teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static void
file_write(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
test_file_gives_its_keys_in_order(void **state)
{
	char why[AUTHKEY_WHY_MAX];
	struct authkey *keys;

	(void)state;
	file_write("# keys\n" ED_TYPE ED "\r\n\n"
		   "ecdsa-sha2-nistp256 " EC "\nssh-rsa " RSA_2048);
	assert_int_equal(authkey_read(path, &keys, why), ERR_OK);
	assert_int_equal(keys->len, 51);
	assert_int_equal(keys->next->len, 104);
	assert_non_null(keys->next->next);
	assert_null(keys->next->next->next);
	authkey_free(keys);
}

static void
test_file_names_the_bad_line(void **state)
{
	char why[AUTHKEY_WHY_MAX];
	struct authkey *keys;

	(void)state;
	file_write(ED_TYPE ED "\ncommand=\"x\" " ED_TYPE ED "\n");
	assert_int_equal(authkey_read(path, &keys, why), ERR_INVALID);
	assert_null(keys);
	assert_ptr_equal(strstr(why, "line 2: "), why);
}

static void
test_file_that_others_may_write_is_refused(void **state)
{
	char why[AUTHKEY_WHY_MAX];
	struct authkey *keys;

	(void)state;
	file_write(ED_TYPE ED "\n");
	chmod(path, 0620);
	assert_int_equal(authkey_read(path, &keys, why), ERR_INVALID);
	assert_non_null(strstr(why, "chmod"));
	assert_int_equal(authkey_read("/nonexistent", &keys, why), ERR_INVALID);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_types_are_taken),
		cmocka_unit_test(test_blank_lines_and_comments_are_no_keys),
		cmocka_unit_test(test_damaged_keys_are_refused),
		cmocka_unit_test(test_short_rsa_keys_are_refused),
		cmocka_unit_test(test_types_that_cannot_be_checked_are_refused),
		cmocka_unit_test(
			test_options_that_restrict_otherwise_are_refused),
		cmocka_unit_test(test_options_that_hold_anyway_are_taken),
		cmocka_unit_test(test_security_keys_are_taken),
		cmocka_unit_test(test_authorities_are_taken),
		cmocka_unit_test(test_expiry_is_read),
		cmocka_unit_test(
			test_only_the_command_that_is_offered_is_taken),
		cmocka_unit_test(test_from_is_kept_and_checked),
		cmocka_unit_test(
			test_address_list_matches_networks_and_wildcards),
		cmocka_unit_test(test_address_list_refuses_what_never_matches),
		cmocka_unit_test_setup_teardown(
			test_file_gives_its_keys_in_order, file_setup,
			file_teardown),
		cmocka_unit_test_setup_teardown(test_file_names_the_bad_line,
						file_setup, file_teardown),
		cmocka_unit_test_setup_teardown(
			test_file_that_others_may_write_is_refused, file_setup,
			file_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
