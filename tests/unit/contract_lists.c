/* SPDX-License-Identifier: Apache-2.0 */
/* The store contract: listings and folders. */
#include "tests/unit/contract_world.h"

#define MANY 1005 /* more than one page */

static void
put_name(const char *name)
{
	must(do_put(key_of(name), name, strlen(name)));
}

static void
test_list_shows_what_lies_directly_below(void **state)
{
	struct got g;

	(void)state;
	put_name("dir/b");
	put_name("dir/a");
	put_name("dir/sub/x");
	put_name("dir/sub/y");
	put_name("dir/sub/deep/z");
	put_name("dirt");
	g = do_list(key_of("dir/"), NULL);
	assert_int_equal(g.err, ERR_OK);
	assert_null(g.next);
	assert_int_equal(g.nentries, 3);
	assert_string_equal(g.entries[0].key, "a");
	assert_false(g.entries[0].is_dir);
	assert_int_equal(g.entries[0].size, strlen("dir/a"));
	assert_true(g.entries[0].mtime > 0);
	assert_string_equal(g.entries[1].key, "b");
	assert_string_equal(g.entries[2].key, "sub/");
	assert_true(g.entries[2].is_dir);
	got_free(&g);
}

static void
test_list_of_nothing_is_empty(void **state)
{
	struct got g = do_list(key_of("nothing here/"), NULL);

	(void)state;
	/* A store of real folders may say that this one is missing. */
	if (g.err != ERR_NOT_FOUND)
		assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.nentries, 0);
	assert_false(g.marker);
	got_free(&g);
}

static void
test_folder_marker_is_a_key_and_not_its_own_entry(void **state)
{
	struct got g;

	(void)state;
	must(do_put(key_of("marked/"), "", 0));
	g = do_head(key_of("marked/"));
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.object.size, 0);
	got_free(&g);
	put_name("marked/file");
	g = do_list(key_of("marked/"), NULL);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.nentries, 1);
	assert_true(g.marker);
	assert_string_equal(g.entries[0].key, "file");
	got_free(&g);
	must(do_delete(key_of("marked/file")));
	must(do_delete(key_of("marked/")));
	must_fail(do_head(key_of("marked/")), ERR_NOT_FOUND);
}

static void
test_list_shows_an_empty_marked_folder(void **state)
{
	struct got g;

	(void)state;
	must(do_put(key_of("outer/inner/"), "", 0));
	g = do_list(key_of("outer/"), NULL);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.nentries, 1);
	assert_string_equal(g.entries[0].key, "inner/");
	assert_true(g.entries[0].is_dir);
	got_free(&g);
	must(do_delete(key_of("outer/inner/")));
}

static void
test_list_hides_uploads_that_are_not_complete(void **state)
{
	const char *key = key_of("half/way");
	struct got b, g;

	(void)state;
	b = do_begin(key, NULL);
	must(do_part(key, b.backend_id, 1, 0, "x", 1));
	g = do_list(key_of("half/"), NULL);
	assert_int_equal(g.nentries, 0);
	got_free(&g);
	must(do_abort(key, b.backend_id));
	got_free(&b);
}

static void
put_many(void)
{
	static struct store_body b;
	static struct got got[MANY];
	char key[KEY_BYTES];

	b = body_of("x", 1);
	memset(got, 0, sizeof(got));
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "%smany/%04u", world.root, i);
		store_put(world.store, key, NULL, &b, on_done, &got[i]);
	}
	for (unsigned i = 0; i < MANY; i++) {
		if (!got[i].done)
			wait_done(&got[i]);
		must(got[i]);
	}
}

static void
test_list_turns_pages_in_order(void **state)
{
	char *marker = NULL, want[16];
	unsigned n = 0, pages = 0;
	struct got g;

	(void)state;
	if (!world.slow)
		skip();
	put_many();
	do {
		g = do_list(key_of("many/"), marker);
		assert_int_equal(g.err, ERR_OK);
		assert_true(g.nentries <= STORE_LIST_MAX);
		for (size_t i = 0; i < g.nentries; i++) {
			snprintf(want, sizeof(want), "%04u", n++);
			assert_string_equal(g.entries[i].key, want);
		}
		free(marker);
		marker = g.next ? strdup(g.next) : NULL;
		got_free(&g);
		assert_true(++pages < 10);
	} while (marker);
	assert_int_equal(n, MANY);
	assert_true(pages >= 2);
}

const struct CMUnitTest contract_lists[] = {
	cmocka_unit_test(test_list_shows_what_lies_directly_below),
	cmocka_unit_test(test_list_of_nothing_is_empty),
	cmocka_unit_test(test_folder_marker_is_a_key_and_not_its_own_entry),
	cmocka_unit_test(test_list_shows_an_empty_marked_folder),
	cmocka_unit_test(test_list_hides_uploads_that_are_not_complete),
	cmocka_unit_test(test_list_turns_pages_in_order),
};
const size_t n_contract_lists =
	sizeof(contract_lists) / sizeof(contract_lists[0]);
