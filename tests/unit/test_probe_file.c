/* SPDX-License-Identifier: Apache-2.0 */
/* What sluice-probe makes of bytes: its frames, blocks, headers and texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mem.h"
#include "lib/probe_wire.h"
#include "probe/bext.h"
#include "probe/source.h"
#include "probe/still.h"
#include "probe/text.h"

#define MIB (1u << 20)

static struct {
	unsigned char *data; /* NULL: a pattern */
	uint64_t size, bytes, last_off;
	unsigned fetches;
	bool fails;
} file;

static unsigned char
byte_at(uint64_t off)
{
	return (unsigned char)(off * 7 + off / 251);
}

static int
fetch(uint64_t off, void *dst, uint32_t len)
{
	unsigned char *p = dst;

	assert_true(len > 0 && len <= PROBE_WIRE_READ_MAX);
	assert_true(off < file.size && len <= file.size - off);
	if (file.fails)
		return -1;
	for (uint32_t i = 0; i < len; i++)
		p[i] = file.data ? file.data[off + i] : byte_at(off + i);
	file.fetches++;
	file.bytes += len;
	file.last_off = off;
	return 0;
}

static void
open_pattern(uint64_t size)
{
	memset(&file, 0, sizeof(file));
	file.size = size;
	source_open(size, fetch);
}

static void
open_bytes(const void *data, size_t n)
{
	open_pattern(n);
	file.data = mem_alloc(n);
	memcpy(file.data, data, n);
}

static int
teardown(void **state)
{
	(void)state;
	source_close();
	free(file.data);
	file.data = NULL;
	return 0;
}

static void
reads(uint64_t off, size_t n)
{
	unsigned char *got = mem_alloc(n);

	assert_int_equal(source_take(off, got, n), 0);
	for (size_t i = 0; i < n; i++)
		if (got[i] != byte_at(off + i))
			fail_msg("byte %zu differs", (size_t)off + i);
	free(got);
}

static void
test_source_gives_the_bytes_that_are_there(void **state)
{
	unsigned char b[8];

	(void)state;
	open_pattern(5 * MIB + 123);
	reads(0, 100);
	reads(5 * MIB + 23, 100);
	reads(SOURCE_BLOCK - 3, 7);
	reads(0, 5 * MIB + 123);
	assert_int_equal(source_read(5 * MIB + 123, b, 1), 0);
	assert_int_equal(source_take(5 * MIB + 120, b, 4), -1);
	assert_int_equal(source_read(UINT64_MAX, b, 8), 0);
}

/* The first fetch is 256 KiB, the longest a MiB. */
static void
test_source_reads_ahead_for_who_reads_on(void **state)
{
	(void)state;
	open_pattern(100 * MIB);
	for (uint64_t off = 0; off < 20 * MIB; off += 32768)
		reads(off, 32768);
	assert_true(file.bytes <= 21 * MIB);
	assert_true(file.fetches <= 22);
}

static void
test_source_reads_one_block_for_who_jumps(void **state)
{
	(void)state;
	open_pattern(2048ull * MIB);
	reads(0, 10);
	file.bytes = 0;
	for (uint64_t i = 1; i <= 20; i++)
		reads(i * 100 * MIB, 10);
	assert_int_equal(file.bytes, 20 * SOURCE_BLOCK);
}

static void
test_source_keeps_head_and_tail(void **state)
{
	(void)state;
	open_pattern(200 * MIB);
	reads(0, 10);
	reads(200 * MIB - 10, 10);
	for (uint64_t i = 10; i < 190; i++)
		reads(i * MIB, 10);
	file.fetches = 0;
	reads(100, 10);
	reads(200 * MIB - 100, 10);
	reads(189 * MIB, 10);
	assert_int_equal(file.fetches, 0);
}

static void
test_source_tells_what_it_cannot_have(void **state)
{
	unsigned char b[8];

	(void)state;
	open_pattern(MIB);
	file.fails = true;
	assert_int_equal(source_read(0, b, 8), -1);
	assert_int_equal(source_take(0, b, 8), -1);
	file.fails = false;
	assert_int_equal(source_take(0, b, 8), 0);
}

/* Frames. */

static void
test_frames_come_whole_or_not_at_all(void **state)
{
	struct probe_order o = { 1ull << 40, 7, 8, 9 }, back;
	struct probe_frame f;
	struct buf whole, part;

	(void)state;
	buf_init(&whole, 1000);
	probe_wire_put_order(&whole, &o);
	for (size_t n = 0; n < buf_len(&whole); n++) {
		buf_init(&part, 1000);
		buf_add(&part, buf_data(&whole), n);
		assert_int_equal(probe_wire_peek(&part, &f), ERR_AGAIN);
		buf_free(&part);
	}
	assert_int_equal(probe_wire_peek(&whole, &f), ERR_OK);
	assert_int_equal(probe_wire_order(&f, &back), ERR_OK);
	assert_memory_equal(&o, &back, sizeof(o));
	buf_free(&whole);
}

static enum err
peek(unsigned char type, uint32_t len)
{
	struct probe_frame f;
	enum err err;
	struct buf b;

	buf_init(&b, 100);
	buf_add_u8(&b, type);
	buf_add_u32(&b, len);
	err = probe_wire_peek(&b, &f);
	buf_free(&b);
	return err;
}

static void
test_frames_that_cannot_be_are_refused_by_their_head(void **state)
{
	(void)state;
	assert_int_equal(peek('X', 0), ERR_CORRUPT);
	assert_int_equal(peek(0, 0), ERR_CORRUPT);
	assert_int_equal(peek(PROBE_READ, 13), ERR_CORRUPT);
	assert_int_equal(peek(PROBE_RESULT, PROBE_WIRE_RESULT_MAX), ERR_AGAIN);
	assert_int_equal(peek(PROBE_RESULT, PROBE_WIRE_RESULT_MAX + 1),
			 ERR_CORRUPT);
	assert_int_equal(peek(PROBE_DATA, UINT32_MAX), ERR_CORRUPT);
}

/* Images. */

static void
test_truncated_headers_of_images_are_broken_not_believed(void **state)
{
	static const struct {
		const char *head;
		size_t n;
	} files[] = {
		{ "\x89PNG\r\n\x1a\n\0\0\0\rIHD", 15 },
		{ "\xff\xd8\xff\xe0\0\x10JFIF", 10 },
		{ "\xff\xd8\xff\xe0\0\0\0\0\0\0\0\0", 12 },
		{ "SDPX\0\0\0\0\0\0", 10 },
		{ "\x76\x2f\x31\x01\x02\0\0\0channels\0chl", 20 },
		{ "\x76\x2f\x31\x01\x02\0\0\0a\0b\0\xff\xff\xff\xff", 16 },
		{ "II*\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 16 },
		{ "MM\0*\0\0\0\x08\xff\xff\0\0\0\0\0\0", 16 },
		{ "MM\0+\0\x08\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16 },
	};
	struct still s;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		open_bytes(files[i].head, files[i].n);
		assert_true(still_read(&s));
		if (!s.reason)
			fail_msg("file %zu is believed", i);
		teardown(state);
	}
}

static void
test_no_image_is_none(void **state)
{
	struct still s;

	(void)state;
	open_bytes("hello, world", 12);
	assert_false(still_read(&s));
	teardown(state);
	open_bytes("II*", 3);
	assert_false(still_read(&s));
}

static void
test_tiff_directory_may_lie_anywhere(void **state)
{
	static const unsigned char dir[] = {
		3, 0, 0, 1, 4, 0, 1, 0, 0,    0, 0x40, 1, 0, 0, /* width 320 */
		1, 1, 3, 0, 1, 0, 0, 0, 0xb4, 0, 0,    0,	/* height 180 */
		3, 1, 3, 0, 1, 0, 0, 0, 5,    0, 0,    0,	/* LZW */
	};
	unsigned char *data = mem_alloc(MIB);
	struct still s;

	(void)state;
	memcpy(data, "II*\0\x40\x42\x0f\0", 8); /* at 1,000,000 */
	memcpy(data + 1000000, dir, sizeof(dir));
	open_bytes(data, MIB);
	free(data);
	assert_true(still_read(&s));
	assert_null(s.reason);
	assert_int_equal(s.width, 320);
	assert_int_equal(s.height, 180);
	assert_string_equal(s.compression, "lzw");
}

/* Texts. */

static void
is_text(const char *in, size_t n, const char *expected)
{
	json_t *s = text_json(in, n);

	assert_non_null(s);
	assert_string_equal(json_string_value(s), expected);
	json_decref(s);
}

static void
test_texts_become_utf8_without_control_characters(void **state)
{
	char lots[3 * TEXT_MAX];

	(void)state;
	is_text("plain", 5, "plain");
	is_text("ends\0here", 9, "ends");
	is_text("a\nb\x7f", 4, "a b ");
	is_text("\xc3\xa9", 2, "\xc3\xa9");
	is_text("caf\xe9", 4, "caf\xef\xbf\xbd");
	is_text("\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd");
	is_text("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	memset(lots, 0xff, sizeof(lots));
	for (size_t n = 0; n < sizeof(lots); n += 50) {
		json_t *s = text_json(lots, n);

		assert_non_null(s);
		assert_true(json_string_length(s) <= TEXT_MAX);
		json_decref(s);
	}
}

static void
test_bext_that_is_cut_off_is_left_out(void **state)
{
	static const char head[] = "RIFF\xff\xff\xff\xff"
				   "WAVEbext\xff\xff\xff\xff"
				   "a scene";
	json_t *o = json_object();

	(void)state;
	open_bytes(head, sizeof(head));
	bext_read(o);
	assert_int_equal(json_object_size(o), 0);
	json_decref(o);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_teardown(fn, teardown)
	const struct CMUnitTest tests[] = {
		T(test_source_gives_the_bytes_that_are_there),
		T(test_source_reads_ahead_for_who_reads_on),
		T(test_source_reads_one_block_for_who_jumps),
		T(test_source_keeps_head_and_tail),
		T(test_source_tells_what_it_cannot_have),
		cmocka_unit_test(test_frames_come_whole_or_not_at_all),
		cmocka_unit_test(
			test_frames_that_cannot_be_are_refused_by_their_head),
		T(test_truncated_headers_of_images_are_broken_not_believed),
		T(test_no_image_is_none),
		T(test_tiff_directory_may_lie_anywhere),
		cmocka_unit_test(
			test_texts_become_utf8_without_control_characters),
		T(test_bext_that_is_cut_off_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
