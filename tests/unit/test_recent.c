/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings that are behind the objects: a store that still shows keys 00000000
 * to 00000004 of a folder, as they were long ago, and events that tell more.
 */
#include "bridge/recent.h"

#include "bridge/dir_pages.h"
#include "lib/clock.h"
#include "tests/fake/fake_store.h"
#include "tests/unit/journal_world.h"

static struct {
	struct world *w;
	struct store *store;
	struct recent *recent;
	struct dir_pages *pages;
	unsigned calls;
	bool last, exists;
	size_t n;
	char names[16][16];
	uint64_t sizes[16];
} t;

static void
come(void *arg, const struct dir_page *page)
{
	(void)arg;
	t.calls++;
	assert_int_equal(page->err, ERR_OK);
	t.last = page->last;
	for (size_t i = 0; i < page->n; i++, t.n++) {
		strcpy(t.names[t.n], page->entries[i].key);
		t.sizes[t.n] = page->entries[i].size;
	}
}

static void
told(void *arg, enum err err, const char *why, bool exists)
{
	(void)arg;
	(void)why;
	t.calls++;
	assert_int_equal(err, ERR_OK);
	t.exists = exists;
}

static void
wait_call(void)
{
	unsigned before = t.calls;

	while (t.calls == before)
		loop_turn(t.w->loop, 1000);
}

static void
open_folder(void)
{
	struct dir_pages_config cfg = { t.w->loop, t.store, t.w->journal,
					t.recent, "f/" };

	dir_pages_free(t.pages);
	t.pages = dir_pages_new(&cfg);
	t.n = 0;
}

/* Everything in the folder, in t.names. */
static void
list(void)
{
	open_folder();
	do {
		dir_pages_next(t.pages, come, NULL);
		wait_call();
	} while (!t.last);
}

static void
tell(const char *kind, const char *key, const char *more)
{
	struct journal_upload *u = row("x");
	char body[256];
	struct journal_event e = { .kind = kind, .body = body };
	struct journal_tx tx = { .event = &e, .event_upload = u->id };

	id_new(e.id);
	snprintf(body, sizeof(body), "{\"store\":\"fake\",\"key\":\"%s\"%s%s}",
		 key, *more ? "," : "", more);
	assert_int_equal(commit(t.w, &tx), ERR_OK);
}

static void
made(const char *key)
{
	tell("published", key, "\"size\":77,\"etag\":\"new\"");
}

static int
set_up(void **state)
{
	memset(&t, 0, sizeof(t));
	if (setup(state) != 0)
		return -1;
	t.w = *state;
	t.store = fake_store_open(t.w->loop);
	t.store->limits.lists_late = true;
	t.recent = recent_new(t.w->journal);
	fake_store.keys = 5;
	fake_store.size = 99;
	return 0;
}

static int
tear_down(void **state)
{
	dir_pages_free(t.pages);
	recent_free(t.recent);
	store_close(t.store);
	loop_flush(t.w->loop);
	return teardown(state);
}

static void
test_a_listing_without_news_stays_as_it_is(void **state)
{
	(void)state;
	list();
	assert_int_equal(t.n, 5);
	assert_int_equal(fake_store.started[STORE_CALL_HEAD], 0);
}

static void
test_what_was_published_shows_at_its_place(void **state)
{
	(void)state;
	made("f/00000002b");
	made("f/9");
	made("f/deeper/9");
	made("g/9");
	list();
	assert_int_equal(t.n, 7);
	assert_string_equal(t.names[3], "00000002b");
	assert_int_equal(t.sizes[3], 99); /* as the store itself says */
	assert_string_equal(t.names[6], "9");
	assert_int_equal(fake_store.started[STORE_CALL_HEAD], 2);
}

static void
test_what_was_published_shows_on_its_page(void **state)
{
	(void)state;
	fake_store.page = 2;
	made("f/00000001b");
	made("f/00000004");
	made("f/00000004b");
	list();
	assert_int_equal(t.n, 7);
	assert_string_equal(t.names[2], "00000001b");
	assert_string_equal(t.names[6], "00000004b");
	assert_int_equal(fake_store.started[STORE_CALL_LIST], 3);
}

static void
test_what_others_deleted_is_asked_for_once(void **state)
{
	(void)state;
	made("f/9");
	fake_store.fail_kind = STORE_CALL_HEAD;
	fake_store.fail_times = 1;
	fake_store.fail_err = ERR_NOT_FOUND;
	list();
	assert_int_equal(t.n, 5);
	list();
	assert_int_equal(t.n, 5);
	assert_int_equal(fake_store.started[STORE_CALL_HEAD], 1);
}

static void
test_what_cannot_be_asked_for_shows(void **state)
{
	(void)state;
	made("f/9");
	fake_store.fail_kind = STORE_CALL_HEAD;
	fake_store.fail_times = 1;
	fake_store.fail_err = ERR_AGAIN;
	list();
	assert_int_equal(t.n, 6);
	assert_int_equal(t.sizes[5], 77);
}

static void
test_what_was_replaced_shows_as_it_is(void **state)
{
	(void)state;
	made("f/00000003");
	list();
	assert_int_equal(t.n, 5);
	assert_int_equal(t.sizes[3], 77);
	/* Once the listing has it, that is believed. */
	strcpy(fake_store.etag, "new");
	list();
	assert_int_equal(t.sizes[3], 3);
	assert_int_equal(fake_store.started[STORE_CALL_HEAD], 0);
}

static void
test_what_was_deleted_or_renamed_is_hidden(void **state)
{
	(void)state;
	tell("deleted", "f/00000000", "");
	tell("renamed", "f/7",
	     "\"source_key\":\"f/00000004\",\"size\":4,\"etag\":\"first\"");
	list();
	assert_int_equal(t.n, 4);
	assert_string_equal(t.names[0], "00000001");
	assert_string_equal(t.names[3], "7");
	/* Made anew since: the last event counts. */
	made("f/00000000");
	list();
	assert_int_equal(t.n, 5);
	assert_string_equal(t.names[0], "00000000");
}

static void
test_a_younger_entry_is_believed(void **state)
{
	(void)state;
	tell("deleted", "f/00000000", "");
	made("f/00000001");
	fake_store.mtime = clock_wall_ms() / 1000 + 60;
	list();
	assert_int_equal(t.n, 5);
	assert_int_equal(t.sizes[1], 1);
}

static void
test_old_news_is_no_news(void **state)
{
	sqlite3 *db;
	char sql[128];

	(void)state;
	tell("deleted", "f/00000000", "");
	made("f/9");
	snprintf(sql, sizeof(sql), "UPDATE events SET at = %lld",
		 (long long)clock_wall_ms() - RECENT_MS - 1000);
	assert_int_equal(sqlite3_open(t.w->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	list();
	assert_int_equal(t.n, 5);
}

static void
test_a_folder_exists_with_its_first_file(void **state)
{
	(void)state;
	fake_store.keys = 0;
	open_folder();
	dir_pages_exists(t.pages, told, NULL);
	wait_call();
	assert_false(t.exists);
	made("f/9");
	open_folder();
	dir_pages_exists(t.pages, told, NULL);
	wait_call();
	assert_true(t.exists);
}

static void
test_other_stores_are_taken_at_their_word(void **state)
{
	(void)state;
	t.store->limits.lists_late = false;
	tell("deleted", "f/00000000", "");
	made("f/9");
	list();
	assert_int_equal(t.n, 5);
}

static void
test_a_listing_is_given_up_at_any_time(void **state)
{
	(void)state;
	made("f/8");
	made("f/9");
	for (int turns = 0; turns < 8; turns++) {
		open_folder();
		for (int i = 0; i < turns; i++)
			loop_turn(t.w->loop, 1);
	}
}

#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_a_listing_without_news_stays_as_it_is),
		IN_WORLD(test_what_was_published_shows_at_its_place),
		IN_WORLD(test_what_was_published_shows_on_its_page),
		IN_WORLD(test_what_others_deleted_is_asked_for_once),
		IN_WORLD(test_what_cannot_be_asked_for_shows),
		IN_WORLD(test_what_was_replaced_shows_as_it_is),
		IN_WORLD(test_what_was_deleted_or_renamed_is_hidden),
		IN_WORLD(test_a_younger_entry_is_believed),
		IN_WORLD(test_old_news_is_no_news),
		IN_WORLD(test_a_folder_exists_with_its_first_file),
		IN_WORLD(test_other_stores_are_taken_at_their_word),
		IN_WORLD(test_a_listing_is_given_up_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
