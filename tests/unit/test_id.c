/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/id.h"

static void
test_new_ids_are_valid_and_differ(void **state)
{
	char a[ID_LEN + 1], b[ID_LEN + 1];

	(void)state;
	id_new(a);
	id_new(b);
	assert_int_equal(strlen(a), ID_LEN);
	assert_true(id_valid(a));
	assert_true(id_valid(b));
	assert_string_not_equal(a, b);
}

static void
test_new_id_has_the_layout_of_version_7(void **state)
{
	char id[ID_LEN + 1];
	unsigned char bytes[16];
	uint64_t ms = 0, before = (uint64_t)clock_wall_ms();

	(void)state;
	id_new(id);
	assert_int_equal(id_bytes(id, bytes), 0);
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | bytes[i];
	assert_in_range(ms, before, (uint64_t)clock_wall_ms());
	assert_int_equal(bytes[6] >> 4, 7);
	assert_int_equal(bytes[8] >> 6, 2);
}

static void
test_bytes_and_text_are_inverse(void **state)
{
	static const char id[] = "0123456789abcdef0011223344556677";
	unsigned char bytes[16];
	char text[ID_LEN + 1];

	(void)state;
	assert_int_equal(id_bytes(id, bytes), 0);
	assert_int_equal(bytes[0], 0x01);
	assert_int_equal(bytes[15], 0x77);
	id_text(bytes, text);
	assert_string_equal(text, id);
}

static void
test_malformed_ids_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"0123456789abcdef001122334455667",
		"0123456789abcdef00112233445566778",
		"0123456789ABCDEF0011223344556677",
		"0123456789abcdeg0011223344556677",
		"../../../../../../etc/passwd0000",
	};
	unsigned char bytes[16];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(id_valid(bad[i]));
		assert_int_equal(id_bytes(bad[i], bytes), -1);
	}
}

static void
test_hex_takes_both_cases_and_nothing_else(void **state)
{
	unsigned char out[4];
	char text[9];

	(void)state;
	assert_int_equal(hex_decode("00fFaB7e", 8, out), 0);
	hex_encode(out, 4, text);
	assert_string_equal(text, "00ffab7e");
	assert_int_equal(hex_decode("0", 1, out), -1);
	assert_int_equal(hex_decode("0g", 2, out), -1);
	assert_int_equal(hex_decode("g0", 2, out), -1);
	assert_int_equal(hex_decode("", 0, out), 0);
}

/* RFC 4648, section 10 */
static const char *const base64_vectors[][2] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
};

static void
test_base64_matches_the_standard(void **state)
{
	char text[16], back[16];

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		const char *plain = base64_vectors[i][0];
		const char *coded = base64_vectors[i][1];

		base64_encode(plain, strlen(plain), text);
		assert_string_equal(text, coded);
		assert_int_equal(base64_decode(coded, strlen(coded), back),
				 strlen(plain));
		assert_memory_equal(back, plain, strlen(plain));
	}
}

static void
test_base64_keeps_every_byte(void **state)
{
	unsigned char in[256], out[258];
	char text[4 * 86 + 1];

	(void)state;
	for (int i = 0; i < 256; i++)
		in[i] = (unsigned char)i;
	base64_encode(in, sizeof(in), text);
	assert_non_null(strchr(text, '+'));
	assert_non_null(strchr(text, '/'));
	assert_int_equal(base64_decode(text, strlen(text), out), sizeof(in));
	assert_memory_equal(out, in, sizeof(in));
}

static void
test_malformed_base64_is_refused(void **state)
{
	static const char *const bad[] = {
		"Z",	"Zg",	 "Zg=",	     "Z===",	  "====", "Zg==Zg==",
		"Zm=v", "Zm9v=", "Zm 9v===", "Zm9\nZm8=", "Zh==", "Zm9=",
	};
	char out[16];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (base64_decode(bad[i], strlen(bad[i]), out) != -1)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	assert_int_equal(base64_decode("Zg\0=", 4, out), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_ids_are_valid_and_differ),
		cmocka_unit_test(test_new_id_has_the_layout_of_version_7),
		cmocka_unit_test(test_bytes_and_text_are_inverse),
		cmocka_unit_test(test_malformed_ids_are_refused),
		cmocka_unit_test(test_hex_takes_both_cases_and_nothing_else),
		cmocka_unit_test(test_base64_matches_the_standard),
		cmocka_unit_test(test_base64_keeps_every_byte),
		cmocka_unit_test(test_malformed_base64_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
