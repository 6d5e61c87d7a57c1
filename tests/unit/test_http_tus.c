/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of tus, and bytes that wait for their checksum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "httpd/tus_field.h"
#include "httpd/tus_stage.h"
#include "lib/mem.h"

static void
test_metadata_is_found(void **state)
{
	static const char field[] = "filename aGVsbG8=, type, size NQ==";
	char out[16];

	(void)state;
	assert_true(tus_metadata_valid(field));
	assert_true(tus_metadata(field, "filename", out, sizeof(out)));
	assert_string_equal(out, "hello");
	assert_true(tus_metadata(field, "size", out, sizeof(out)));
	assert_string_equal(out, "5");
	assert_true(tus_metadata(field, "type", out, sizeof(out)));
	assert_string_equal(out, "");
	assert_false(tus_metadata(field, "file", out, sizeof(out)));
	assert_false(tus_metadata(NULL, "file", out, sizeof(out)));
	/* Too long for its place, and not a text. */
	assert_false(tus_metadata(field, "filename", out, 5));
	assert_false(tus_metadata("filename YQBi", "filename", out, 16));
}

static void
test_bad_metadata_is_told(void **state)
{
	static const char *const bad[] = { "a !!",	     "a YQ",
					   "a YQ==,,b YQ==", ", a YQ==",
					   "a YQ== YQ==",    "a YQ==," };
	size_t i;

	(void)state;
	assert_true(tus_metadata_valid(NULL));
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (tus_metadata_valid(bad[i]))
			fail_msg("taken for metadata: %s", bad[i]);
}

static void
test_checksums_are_read(void **state)
{
	static const char *const bad[] = { "sha1",
					   "sha1 ",
					   "sha1 AAAA",
					   "md5 AAAAAAAAAAAAAAAAAAAAAA==",
					   "crc32c AAAAAAA=",
					   "crc32c !!!!!!==",
					   "SHA1 AAAA",
					   "" };
	struct tus_checksum sum;
	size_t i;

	(void)state;
	assert_true(tus_checksum("crc32c 4waSgw==", &sum));
	assert_int_equal(sum.algorithm, TUS_CRC32C);
	assert_int_equal(sum.len, 4);
	assert_memory_equal(sum.digest, "\xe3\x06\x92\x83", 4);
	assert_true(tus_checksum("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", &sum));
	assert_int_equal(sum.algorithm, TUS_SHA1);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (tus_checksum(bad[i], &sum))
			fail_msg("taken for a checksum: %s", bad[i]);
}

static bool
stage(const char *field, const char *bytes)
{
	struct tus_checksum sum;
	uint64_t total = 0;
	struct tus_stage *s;
	const void *out;
	size_t n;
	bool right;

	assert_true(tus_checksum(field, &sum));
	s = tus_stage_new(&sum, &total);
	for (n = 0; bytes[n]; n++)
		assert_int_equal(tus_stage_add(s, bytes + n, 1), TUS_STAGE_OK);
	assert_true(total >= n);
	right = tus_stage_verify(s);
	while (right && (n = tus_stage_take(s, 2, &out)) > 0) {
		assert_memory_equal(out, bytes, n);
		bytes += n;
	}
	tus_stage_free(s);
	assert_int_equal(total, 0);
	return right;
}

static void
test_staged_bytes_are_verified(void **state)
{
	static const char sha256[] =
		"sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

	(void)state;
	assert_true(stage("crc32c 4waSgw==", "123456789"));
	assert_false(stage("crc32c 4waSgw==", "123456788"));
	assert_true(stage("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", "hello"));
	assert_false(stage("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", "hell0"));
	assert_true(stage(sha256, "hello"));
	assert_false(stage(sha256, ""));
}

static void
test_staged_bytes_are_bounded(void **state)
{
	static char block[1 << 20];
	struct tus_checksum sum;
	uint64_t total = TUS_STAGED_MAX - 2 * sizeof(block);
	struct tus_stage *s;
	size_t i;

	(void)state;
	assert_true(tus_checksum("crc32c 4waSgw==", &sum));
	s = tus_stage_new(&sum, &total);
	assert_int_equal(tus_stage_add(s, block, sizeof(block)), TUS_STAGE_OK);
	assert_int_equal(tus_stage_add(s, block, sizeof(block)), TUS_STAGE_OK);
	assert_int_equal(tus_stage_add(s, block, 1), TUS_STAGE_FULL);
	tus_stage_free(s);
	assert_int_equal(total, TUS_STAGED_MAX - 2 * sizeof(block));
	total = 0;
	s = tus_stage_new(&sum, &total);
	for (i = 0; i < TUS_STAGE_MAX / sizeof(block); i++)
		assert_int_equal(tus_stage_add(s, block, sizeof(block)),
				 TUS_STAGE_OK);
	assert_int_equal(total, TUS_STAGE_MAX);
	assert_int_equal(tus_stage_add(s, block, 1), TUS_STAGE_LARGE);
	tus_stage_free(s);
	assert_int_equal(total, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metadata_is_found),
		cmocka_unit_test(test_bad_metadata_is_told),
		cmocka_unit_test(test_checksums_are_read),
		cmocka_unit_test(test_staged_bytes_are_verified),
		cmocka_unit_test(test_staged_bytes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
