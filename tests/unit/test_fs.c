/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/fs.h"

static void
test_network_file_systems_are_refused_by_name(void **state)
{
	static const unsigned long nets[] = {
		0x6969,	    /* nfs */
		0xff534d42, /* cifs */
		0xfe534d42, /* smb2 */
		0x65735546, /* fuse */
		0x00c36400, /* ceph */
		0x01021997, /* 9p */
		0x0bd00bd0, /* lustre */
		0x01161970, /* gfs2 */
		0x7461636f, /* ocfs2 */
		0x5346414f, /* afs */
		0,
	};

	(void)state;
	assert_int_equal(fs_check(0xef53), ERR_OK);
	assert_int_equal(fs_check(0x9123683e), ERR_OK);
	assert_int_equal(fs_check(0x01021994), ERR_OK);
	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++)
		assert_int_equal(fs_check(nets[i]), ERR_UNSUPPORTED);
	assert_string_equal(fs_name(0x6969), "nfs");
	assert_int_equal(fs_check(0x65735546), ERR_UNSUPPORTED);
	assert_string_equal(fs_name(0x65735546), "fuse");
	/* Where long has 64 bits, a 32-bit number may come sign-extended. */
	assert_int_equal(fs_check((unsigned long)(int32_t)0xff534d42),
			 ERR_UNSUPPORTED);
	assert_string_equal(fs_name((unsigned long)(int32_t)0xff534d42),
			    "cifs");
	assert_int_equal(fs_check((unsigned long)(int32_t)0x9123683e), ERR_OK);
	assert_int_equal(fs_check(12345), ERR_UNSUPPORTED);
	assert_string_equal(fs_name(12345), "unknown");
}

static void
test_a_folder_that_is_not_there_lies_where_its_parent_does(void **state)
{
	struct fs_info root, below;

	(void)state;
	assert_int_equal(fs_of("/", &root), ERR_OK);
	assert_true(root.size > 0);
	assert_int_equal(fs_of("/no/such/folder", &below), ERR_OK);
	assert_true(below.type == root.type);
	assert_true(below.size == root.size);
	assert_int_not_equal(fs_of("/dev/null/x", &below), ERR_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network_file_systems_are_refused_by_name),
		cmocka_unit_test(
			test_a_folder_that_is_not_there_lies_where_its_parent_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
