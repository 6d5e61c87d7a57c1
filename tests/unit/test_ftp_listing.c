/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "ftpd/listing.h"

#define NOW 1769860800 /* 2026-01-31 12:00:00 */

static const struct vfs_entry file = {
	.name = "a file.mov",
	.st = { .size = 5000000000,
		.mtime = NOW - 86400,
		.mode = S_IFREG | 0644 },
};
static const struct vfs_entry folder = {
	.name = "show",
	.st = { .mtime = NOW - 300 * 86400,
		.mode = S_IFDIR | 0755,
		.is_dir = true },
};

static void
expect(const struct listing *l, const struct vfs_entry *e, const char *want)
{
	struct buf b;

	buf_init(&b, LISTING_LINE_MAX);
	listing_entry(&b, l, e);
	assert_false(b.failed);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void
test_list_has_the_form_of_ls(void **state)
{
	struct listing l = {
		.kind = LISTING_LIST, .now = NOW, .owner = "ftp", .prefix = ""
	};

	(void)state;
	expect(&l, &file,
	       "-rw-r--r--   1 ftp      ftp        5000000000 "
	       "Jan 30 12:00 a file.mov\r\n");
	expect(&l, &folder,
	       "drwxr-xr-x   2 ftp      ftp                 0 "
	       "Apr  6  2025 show\r\n");
}

static void
test_list_shows_the_year_of_a_time_to_come(void **state)
{
	struct listing l = {
		.kind = LISTING_LIST, .now = NOW, .owner = "ftp", .prefix = ""
	};
	struct vfs_entry e = file;

	(void)state;
	e.st.mtime = NOW + 7200;
	expect(&l, &e,
	       "-rw-r--r--   1 ftp      ftp        5000000000 "
	       "Jan 31  2026 a file.mov\r\n");
}

static void
test_nlst_repeats_the_folder(void **state)
{
	struct listing l = { .kind = LISTING_NLST, .prefix = "sub/" };

	(void)state;
	expect(&l, &file, "sub/a file.mov\r\n");
}

static void
test_facts_follow_kind_rights_and_choice(void **state)
{
	struct listing l = { .kind = LISTING_MLSD,
			     .facts = FACT_ALL,
			     .rights = USER_READ | USER_WRITE | USER_DELETE |
				       USER_LIST | USER_RENAME | USER_MKDIR };

	(void)state;
	expect(&l, &file,
	       "type=file;size=5000000000;modify=20260130120000;"
	       "perm=adfrw;UNIX.mode=0644; a file.mov\r\n");
	expect(&l, &folder,
	       "type=dir;modify=20250406120000;perm=cdeflmp;"
	       "UNIX.mode=0755; show\r\n");
	l.rights = USER_WRITE;
	l.facts = FACT_PERM;
	expect(&l, &file, "perm=aw; a file.mov\r\n");
	l.facts = 0;
	expect(&l, &file, " a file.mov\r\n");
}

static void
test_times_out_of_range_are_shown_as_none(void **state)
{
	char when[24];

	(void)state;
	listing_time(-1, when);
	assert_string_equal(when, "19700101000000");
	listing_time(INT64_MAX, when);
	assert_string_equal(when, "19700101000000");
	listing_time(253402300799, when);
	assert_string_equal(when, "99991231235959");
	listing_time(253402300800, when);
	assert_string_equal(when, "19700101000000");
}

static void
test_longest_entry_fits(void **state)
{
	struct listing l = { .kind = LISTING_MLSD,
			     .facts = FACT_ALL,
			     .rights = ~0u };
	char name[256];
	struct vfs_entry e = file;
	struct buf b;

	(void)state;
	memset(name, 'x', 255);
	name[255] = '\0';
	e.name = name;
	e.st.size = UINT64_MAX;
	buf_init(&b, LISTING_LINE_MAX);
	listing_entry(&b, &l, &e);
	assert_false(b.failed);
	buf_free(&b);
}

static void
test_choose_ignores_what_it_does_not_know(void **state)
{
	struct buf b;

	(void)state;
	assert_int_equal(listing_choose("Type;SIZE;"), FACT_TYPE | FACT_SIZE);
	assert_int_equal(listing_choose("unix.MODE;media-type;modify"),
			 FACT_MODE | FACT_MODIFY);
	assert_int_equal(listing_choose(""), 0);
	assert_int_equal(listing_choose(";;;"), 0);
	assert_int_equal(listing_choose("typ;sizes;"), 0);
	buf_init(&b, 256);
	listing_chosen(&b, FACT_SIZE | FACT_MODE);
	assert_string_equal(buf_cstr(&b), "size;UNIX.mode;");
	buf_clear(&b);
	listing_features(&b, FACT_TYPE | FACT_PERM);
	assert_string_equal(buf_cstr(&b),
			    "MLST type*;size;modify;perm*;UNIX.mode;");
	buf_free(&b);
}

static void
test_match_knows_star_and_question_mark(void **state)
{
	(void)state;
	assert_true(listing_match("*.mov", "a.mov"));
	assert_true(listing_match("*", ""));
	assert_true(listing_match("a*b*c", "aXbXbc"));
	assert_true(listing_match("?.mov", "a.mov"));
	assert_true(listing_match("a", "a"));
	assert_false(listing_match("?.mov", ".mov"));
	assert_false(listing_match("*.mov", "a.mov.part"));
	assert_false(listing_match("a", "ab"));
	assert_false(listing_match("ab", "a"));
	assert_false(listing_match("", "a"));
	assert_true(listing_match("[a]", "[a]"));
	assert_false(listing_match("[a]", "a"));
}

/* What would take for ever if every star were tried with every other. */
static void
test_match_of_many_stars_ends_soon(void **state)
{
	char name[256];

	(void)state;
	memset(name, 'a', 255);
	name[255] = '\0';
	assert_false(listing_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_has_the_form_of_ls),
		cmocka_unit_test(test_list_shows_the_year_of_a_time_to_come),
		cmocka_unit_test(test_nlst_repeats_the_folder),
		cmocka_unit_test(test_facts_follow_kind_rights_and_choice),
		cmocka_unit_test(test_times_out_of_range_are_shown_as_none),
		cmocka_unit_test(test_longest_entry_fits),
		cmocka_unit_test(test_choose_ignores_what_it_does_not_know),
		cmocka_unit_test(test_match_knows_star_and_question_mark),
		cmocka_unit_test(test_match_of_many_stars_ends_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
