/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/crc32c.h"
#include "lib/crc32c_private.h"

enum { DATA_SIZE = 3 * 8192 * 2 + 3 * 256 * 5 + 77 };

static unsigned char data[DATA_SIZE];

static int
fill(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++) {
		x = x * 1664525 + 1013904223;
		data[i] = (unsigned char)(x >> 24);
	}
	return 0;
}

/* One bit at a time, straight from the definition. */
static uint32_t
reference(const unsigned char *p, size_t n)
{
	uint32_t crc = 0xffffffff;

	while (n-- > 0) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

static void
test_check_values_match_the_standard(void **state)
{
	unsigned char block[32];

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c_by_table(0, "123456789", 9), 0xe3069283);
	/* RFC 3720, B.4 */
	memset(block, 0, sizeof(block));
	assert_int_equal(crc32c(0, block, 32), 0x8a9136aa);
	memset(block, 0xff, sizeof(block));
	assert_int_equal(crc32c(0, block, 32), 0x62a8ab43);
	for (unsigned char i = 0; i < 32; i++)
		block[i] = i;
	assert_int_equal(crc32c(0, block, 32), 0x46dd794e);
}

static void
test_nothing_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(crc32c(0, data, 0), 0);
	assert_int_equal(crc32c(0x12345678, data, 0), 0x12345678);
}

static void
test_table_matches_the_definition(void **state)
{
	(void)state;
	for (size_t n = 0; n < 64; n++)
		assert_int_equal(crc32c_by_table(0, data + n, n),
				 reference(data + n, n));
	assert_int_equal(crc32c_by_table(0, data, sizeof(data)),
			 reference(data, sizeof(data)));
}

static void
test_hardware_matches_the_table(void **state)
{
	(void)state;
	if (!crc32c_has_hardware()) {
		print_message("no SSE4.2 on this machine\n");
		skip();
	}
	for (size_t n = 0; n < 2048; n++)
		assert_int_equal(crc32c_by_hardware(7, data + n % 8, n),
				 crc32c_by_table(7, data + n % 8, n));
	for (size_t n = sizeof(data); n > 0; n -= n > 997 ? 997 : n)
		assert_int_equal(crc32c_by_hardware(0, data, n),
				 crc32c_by_table(0, data, n));
}

static void
test_going_on_equals_one_pass(void **state)
{
	const uint32_t whole = crc32c(0, data, sizeof(data));

	(void)state;
	for (size_t cut = 0; cut < sizeof(data); cut += 1231) {
		uint32_t crc = crc32c(0, data, cut);

		crc = crc32c(crc, data + cut, sizeof(data) - cut);
		assert_int_equal(crc, whole);
	}
}

static void
test_combine_equals_one_pass(void **state)
{
	const uint32_t whole = crc32c(0, data, sizeof(data));

	(void)state;
	for (size_t cut = 0; cut <= sizeof(data); cut += 997) {
		uint32_t a = crc32c(0, data, cut);
		uint32_t b = crc32c(0, data + cut, sizeof(data) - cut);

		assert_int_equal(crc32c_combine(a, b, sizeof(data) - cut),
				 whole);
	}
}

static void
test_combine_takes_lengths_beyond_32_bits(void **state)
{
	/* By doubling, the CRC of 2^33 zero bytes; then split elsewhere. */
	const uint32_t one = crc32c(0, "", 1);
	const uint64_t n = 1ULL << 33;
	uint32_t zeros = one, all_but_one = one;

	(void)state;
	for (uint64_t len = 1; len < n; len *= 2)
		zeros = crc32c_combine(zeros, zeros, len);
	for (uint64_t len = 1; len < n - 1; len = 2 * len + 1) {
		all_but_one = crc32c_combine(all_but_one, all_but_one, len);
		all_but_one = crc32c_combine(all_but_one, one, 1);
	}
	assert_int_equal(crc32c_combine(all_but_one, one, 1), zeros);
	assert_int_equal(crc32c_combine(one, all_but_one, n - 1), zeros);
	assert_int_not_equal(crc32c_combine(one, all_but_one, (uint32_t)-1),
			     zeros);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_values_match_the_standard),
		cmocka_unit_test(test_nothing_changes_nothing),
		cmocka_unit_test(test_table_matches_the_definition),
		cmocka_unit_test(test_hardware_matches_the_table),
		cmocka_unit_test(test_going_on_equals_one_pass),
		cmocka_unit_test(test_combine_equals_one_pass),
		cmocka_unit_test(test_combine_takes_lengths_beyond_32_bits),
	};

	return cmocka_run_group_tests(tests, fill, NULL);
}
