/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"

static void
test_append_keeps_order_over_growth(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	for (unsigned i = 0; i < 10000; i++)
		buf_add_u32(&b, i);
	assert_false(b.failed);
	assert_int_equal(buf_len(&b), 40000);
	for (unsigned i = 0; i < 10000; i++) {
		const unsigned char *p = buf_data(&b);

		assert_int_equal(p[2] << 8 | p[3], i);
		buf_consume(&b, 4);
	}
	assert_int_equal(buf_len(&b), 0);
	buf_free(&b);
}

static void
test_append_at_maximum_fits_and_one_more_changes_nothing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	buf_add(&b, "12345678", 8);
	assert_false(b.failed);
	buf_add_u8(&b, '9');
	assert_true(b.failed);
	assert_string_equal(buf_cstr(&b), "12345678");
	buf_free(&b);
}

static void
test_failed_buffer_takes_nothing_until_cleared(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	buf_add_text(&b, "12345");
	buf_add_text(&b, "1");
	assert_true(b.failed);
	assert_int_equal(buf_len(&b), 0);
	buf_clear(&b);
	buf_add_text(&b, "1");
	assert_false(b.failed);
	assert_string_equal(buf_cstr(&b), "1");
	buf_free(&b);
}

static void
test_string_that_does_not_fit_leaves_no_length_behind(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	buf_add_string(&b, "12345");
	assert_true(b.failed);
	assert_int_equal(buf_len(&b), 0);
	buf_free(&b);
}

static void
test_integers_are_big_endian(void **state)
{
	static const unsigned char expected[] = {
		0x01, 0x02, 0x03, 0x04, 0x05, 0x11, 0x12, 0x13, 0x14, 0x15,
		0x16, 0x17, 0x18, 0,	0,    0,    2,	  'o',	'k',
	};
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	buf_add_u8(&b, 1);
	buf_add_u32(&b, 0x02030405);
	buf_add_u64(&b, 0x1112131415161718);
	buf_add_string(&b, "ok");
	assert_int_equal(buf_len(&b), sizeof(expected));
	assert_memory_equal(buf_data(&b), expected, sizeof(expected));
	buf_free(&b);
}

static void
test_consumed_room_is_used_again(void **state)
{
	unsigned char chunk[100] = { 0 };
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (int i = 0; i < 100000; i++) {
		buf_add(&b, chunk, sizeof(chunk));
		if (buf_len(&b) > 500)
			buf_consume(&b, sizeof(chunk));
	}
	assert_false(b.failed);
	assert_true(b.size <= 4096);
	buf_free(&b);
}

static void
check_moving(unsigned consumed)
{
	struct buf b;

	buf_init(&b, 1000);
	for (int i = 0; i < 256; i++)
		buf_add_u8(&b, (uint8_t)i);
	buf_consume(&b, consumed);
	buf_add_text(&b, "tail");
	assert_int_equal(buf_len(&b), 256 - consumed + 4);
	for (unsigned i = consumed; i < 256; i++)
		assert_int_equal(buf_data(&b)[i - consumed], i);
	assert_memory_equal(buf_data(&b) + 256 - consumed, "tail", 4);
	buf_free(&b);
}

static void
test_moving_keeps_the_bytes(void **state)
{
	(void)state;
	/* Much and little to move; a sanitizer sees where both overlap. */
	check_moving(200);
	check_moving(128);
	check_moving(10);
}

static void
test_reserve_without_commit_adds_nothing(void **state)
{
	struct buf b;
	char *p;

	(void)state;
	buf_init(&b, 10);
	p = buf_reserve(&b, 10);
	assert_non_null(p);
	memcpy(p, "0123456789", 10);
	assert_int_equal(buf_len(&b), 0);
	buf_commit(&b, 3);
	assert_string_equal(buf_cstr(&b), "012");
	assert_null(buf_reserve(&b, 8));
	assert_true(b.failed);
	buf_free(&b);
}

static void
test_huge_reserve_fails_without_overflow(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	buf_add_u8(&b, 1);
	assert_null(buf_reserve(&b, SIZE_MAX));
	buf_free(&b);
}

static void
test_printf_fills_to_the_last_byte(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 256);
	buf_printf(&b, "%0256d", 7);
	assert_false(b.failed);
	assert_int_equal(buf_len(&b), 256);
	assert_int_equal(buf_data(&b)[255], '7');
	buf_printf(&b, "%d", 1);
	assert_true(b.failed);
	assert_int_equal(buf_len(&b), 256);
	buf_free(&b);
}

static void
test_empty_buffer_is_an_empty_string(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_string_equal(buf_cstr(&b), "");
	buf_add(&b, NULL, 0);
	assert_false(b.failed);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_keeps_order_over_growth),
		cmocka_unit_test(
			test_append_at_maximum_fits_and_one_more_changes_nothing),
		cmocka_unit_test(
			test_failed_buffer_takes_nothing_until_cleared),
		cmocka_unit_test(
			test_string_that_does_not_fit_leaves_no_length_behind),
		cmocka_unit_test(test_integers_are_big_endian),
		cmocka_unit_test(test_consumed_room_is_used_again),
		cmocka_unit_test(test_moving_keeps_the_bytes),
		cmocka_unit_test(test_reserve_without_commit_adds_nothing),
		cmocka_unit_test(test_huge_reserve_fails_without_overflow),
		cmocka_unit_test(test_printf_fills_to_the_last_byte),
		cmocka_unit_test(test_empty_buffer_is_an_empty_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
