/* SPDX-License-Identifier: Apache-2.0 */
/* Listings: pages read ahead of a reader, and what they are merged with. */
#include "bridge/dir_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/vfs_merge.h"
#include "lib/mem.h"
#include "tests/fake/fake_store.h"

static struct {
	struct loop *loop;
	struct store *store;
	struct dir_pages *pages;
	unsigned calls;
	enum err err;
	size_t n;
	bool last, exists, frees;
	char first[16];
} t;

static void
come(void *arg, const struct dir_page *page)
{
	(void)arg;
	t.calls++;
	t.err = page->err;
	t.n = page->n;
	t.last = page->last;
	strcpy(t.first, page->n ? page->entries[0].key : "");
	if (t.frees) {
		dir_pages_free(t.pages);
		t.pages = NULL;
	}
}

static void
told(void *arg, enum err err, const char *why, bool exists)
{
	(void)arg;
	(void)why;
	t.calls++;
	t.err = err;
	t.exists = exists;
}

static void
turn(void)
{
	for (int i = 0; i < 10; i++)
		loop_turn(t.loop, 0);
}

static void
begin(unsigned keys, unsigned page)
{
	struct dir_pages_config cfg = { t.loop, t.store, NULL, NULL, "many/" };

	fake_store.keys = keys;
	fake_store.page = page;
	t.pages = dir_pages_new(&cfg);
}

/* Asks for a page, which need not come. */
static void
next(void)
{
	unsigned before = t.calls;

	dir_pages_next(t.pages, come, NULL);
	assert_int_equal(t.calls, before); /* never from inside the call */
	turn();
}

static int
setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.loop = loop_new();
	t.store = fake_store_open(t.loop);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	dir_pages_free(t.pages);
	store_close(t.store);
	loop_flush(t.loop);
	loop_free(t.loop);
	return 0;
}

static void
test_pages_come_in_order_to_the_last(void **state)
{
	char want[16];

	(void)state;
	begin(2500, 1000);
	for (unsigned i = 0; i < 3; i++) {
		next();
		assert_int_equal(t.calls, i + 1);
		assert_int_equal(t.err, ERR_OK);
		assert_int_equal(t.n, i < 2 ? 1000 : 500);
		assert_int_equal(t.last, i == 2);
		want[0] = '\0';
		str_printf(want, sizeof(want), "%08u", i * 1000);
		assert_string_equal(t.first, want);
	}
	assert_int_equal(fake_store.started[STORE_CALL_LIST], 3);
}

static void
test_pages_are_listed_ahead_but_no_more_than_allowed(void **state)
{
	(void)state;
	begin(500000, 1000);
	turn();
	assert_int_equal(fake_store.started[STORE_CALL_LIST], DIR_PAGES_AHEAD);
	next();
	turn();
	assert_int_equal(fake_store.started[STORE_CALL_LIST],
			 1 + DIR_PAGES_AHEAD);
	assert_int_equal(fake_store.most_live, 1);
}

static void
test_empty_folder_is_one_empty_page(void **state)
{
	(void)state;
	begin(0, 1000);
	dir_pages_exists(t.pages, told, NULL);
	turn();
	assert_int_equal(t.calls, 1);
	assert_false(t.exists);
	next();
	assert_int_equal(t.n, 0);
	assert_true(t.last);
}

static void
test_asking_for_existence_costs_no_page(void **state)
{
	(void)state;
	begin(3, 1000);
	dir_pages_exists(t.pages, told, NULL);
	turn();
	assert_true(t.exists);
	next();
	assert_int_equal(t.n, 3);
	assert_int_equal(fake_store.started[STORE_CALL_LIST], 1);
}

static void
test_page_that_fails_is_told_and_asked_for_again(void **state)
{
	(void)state;
	fake_store.fail_kind = STORE_CALL_LIST;
	fake_store.fail_skip = 1;
	fake_store.fail_times = 1;
	fake_store.fail_err = ERR_DENIED;
	begin(2500, 1000);
	next();
	assert_int_equal(t.err, ERR_OK);
	next();
	assert_int_equal(t.err, ERR_DENIED);
	assert_false(t.last);
	next();
	assert_int_equal(t.err, ERR_OK);
	assert_string_equal(t.first, "00001000");
	next();
	assert_true(t.last);
	assert_int_equal(fake_store.started[STORE_CALL_LIST], 4);
}

static void
test_listing_given_up_cancels_its_request(void **state)
{
	(void)state;
	fake_store.holds = true;
	begin(2500, 1000);
	next();
	assert_int_equal(t.calls, 0);
	assert_int_equal(fake_store.live, 1);
	dir_pages_free(t.pages);
	t.pages = NULL;
	assert_int_equal(fake_store.cancelled[STORE_CALL_LIST], 1);
	assert_int_equal(fake_store.live, 0);
	turn();
	assert_int_equal(t.calls, 0);
}

static void
test_listing_may_be_given_up_in_a_completion(void **state)
{
	(void)state;
	t.frees = true;
	begin(2500, 1000);
	next();
	assert_int_equal(t.calls, 1);
	assert_null(t.pages);
}

/* Merging. */

static struct upload_view
view(const char *path, uint64_t end)
{
	return (struct upload_view){
		.found = true, .path = path, .key = path + 1, .end = end
	};
}

static struct store_entry
entry(const char *key, const char *etag)
{
	return (struct store_entry){ .key = key,
				     .etag = etag,
				     .is_dir = strchr(key, '/') != NULL };
}

static void
check_merge(struct vfs_merge *m, const struct store_entry *entries, size_t n,
	    bool last, const char *want)
{
	struct dir_page page = { .entries = entries, .n = n, .last = last };
	const struct vfs_entry *out;
	char found[200] = "";

	n = vfs_merge_page(m, &page, &out);
	for (size_t i = 0; i < n; i++)
		str_printf(found, sizeof(found), "%s%s:%u ", out[i].name,
			   out[i].st.is_dir ? "/" : "",
			   (unsigned)out[i].st.size);
	assert_string_equal(found, want);
}

static void
test_uploads_stand_in_order_each_once(void **state)
{
	struct upload_view v[] = { view("/d/z", 9), view("/d/b", 5),
				   view("/d/a", 4) };
	struct store_entry one[] = { entry("aa", "1"), entry("b", "2") };
	struct store_entry two[] = { entry("c/", NULL), entry("d", "3") };
	struct vfs_merge *m = vfs_merge_new("d/", v, 3);

	(void)state;
	assert_true(vfs_merge_shows(m));
	/* The object "b" is replaced by its upload. */
	check_merge(m, one, 2, false, "a:4 aa:0 b:5 ");
	check_merge(m, two, 2, true, "c/:0 d:0 z:9 ");
	vfs_merge_free(m);
}

static void
test_removed_object_does_not_show_while_it_is_the_same(void **state)
{
	struct upload_view v[] = { { .hidden = true, .key = "d/x" } };
	struct store_entry same[] = { entry("w", "1"), entry("x", "old") };
	struct store_entry other[] = { entry("x", "new") };
	struct vfs_merge *m;

	(void)state;
	strcpy(v[0].hidden_etag, "old");
	m = vfs_merge_new("d/", v, 1);
	assert_false(vfs_merge_shows(m));
	check_merge(m, same, 2, false, "w:0 ");
	check_merge(m, other, 1, true, "x:0 ");
	vfs_merge_free(m);
}

static void
test_uploads_show_in_an_empty_folder(void **state)
{
	struct upload_view v[] = { view("/d/b", 5), view("/d/a", 4) };
	struct vfs_merge *m = vfs_merge_new("d/", v, 2);

	(void)state;
	check_merge(m, NULL, 0, true, "a:4 b:5 ");
	vfs_merge_free(m);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pages_come_in_order_to_the_last),
		T(test_pages_are_listed_ahead_but_no_more_than_allowed),
		T(test_empty_folder_is_one_empty_page),
		T(test_asking_for_existence_costs_no_page),
		T(test_page_that_fails_is_told_and_asked_for_again),
		T(test_listing_given_up_cancels_its_request),
		T(test_listing_may_be_given_up_in_a_completion),
		cmocka_unit_test(test_uploads_stand_in_order_each_once),
		cmocka_unit_test(
			test_removed_object_does_not_show_while_it_is_the_same),
		cmocka_unit_test(test_uploads_show_in_an_empty_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
