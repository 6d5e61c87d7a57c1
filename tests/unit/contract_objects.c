/* SPDX-License-Identifier: Apache-2.0 */
/* The store contract: whole objects. */
#include "tests/unit/contract_world.h"

#include <unistd.h>

#include "lib/clock.h"
#include "lib/crc32c.h"
#include "lib/id.h"

#define MTIME 1234567890

static const char SOME[] = "some bytes\n";
static const char OTHER[] = "other bytes, and more of them\n";

#define N_SOME (sizeof(SOME) - 1)
#define N_OTHER (sizeof(OTHER) - 1)

static void
test_probe_knows_and_leaves_nothing(void **state)
{
	struct got g = { 0 };

	(void)state;
	store_probe(world.store, on_done, &g);
	wait_done(&g);
	assert_int_equal(g.err, ERR_OK);
	assert_true(g.caps.known);
	got_free(&g);
	g = do_list("", NULL);
	assert_int_equal(g.err, ERR_OK);
	for (size_t i = 0; i < g.nentries; i++)
		assert_null(strstr(g.entries[i].key, ".sluice-probe"));
	got_free(&g);
}

static void
probe_other(const char *suffix, enum err err)
{
	char name[STORE_NAME_MAX + 1];
	struct got g = { 0 };
	struct store *s;

	snprintf(name, sizeof(name), "%s-%s", world.name, suffix);
	s = open_other(name);
	if (!s)
		skip();
	store_probe(s, on_done, &g);
	wait_done(&g);
	store_close(s);
	must_fail(g, err);
}

static void
test_probe_says_denied_for_a_wrong_secret(void **state)
{
	(void)state;
	probe_other("denied", ERR_DENIED);
}

static void
test_probe_says_not_found_without_a_bucket(void **state)
{
	(void)state;
	probe_other("missing", ERR_NOT_FOUND);
}

static void
test_probe_says_again_when_nobody_answers(void **state)
{
	(void)state;
	probe_other("silent", ERR_AGAIN);
}

static void
test_probe_trusts_no_unknown_certificate(void **state)
{
	(void)state;
	probe_other("untrusted", ERR_IO);
}

static void
test_put_keeps_bytes_and_metadata(void **state)
{
	struct store_meta meta = { .mtime = MTIME };
	const char *key = key_of("put");
	char id[ID_LEN + 1], etag[STORE_ETAG_MAX + 1];
	struct got g;

	(void)state;
	id_new(id);
	meta.sluice_id = id;
	g = do_put_meta(key, &meta, SOME, N_SOME);
	assert_int_equal(g.err, ERR_OK);
	assert_string_not_equal(g.object.etag, "");
	memcpy(etag, g.object.etag, sizeof(etag));
	got_free(&g);
	g = do_head(key);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.object.size, N_SOME);
	assert_int_equal(g.object.mtime, MTIME);
	assert_string_equal(g.object.sluice_id, id);
	assert_string_equal(g.object.etag, etag);
	got_free(&g);
	must_hold(key, SOME, N_SOME);
}

static void
test_put_without_metadata_shows_when_it_was_stored(void **state)
{
	const char *key = key_of("plain");
	int64_t now = clock_wall_ms() / 1000;
	struct got g;

	(void)state;
	must(do_put(key, SOME, N_SOME));
	g = do_head(key);
	assert_int_equal(g.err, ERR_OK);
	assert_string_equal(g.object.sluice_id, "");
	assert_in_range(g.object.mtime, now - 60, now + 60);
	got_free(&g);
}

static void
test_put_takes_no_bytes(void **state)
{
	const char *key = key_of("empty");
	struct got g;

	(void)state;
	must(do_put(key, "", 0));
	g = do_head(key);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.object.size, 0);
	got_free(&g);
	g = do_get(key, NULL, 0, 10);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.len, 0);
	got_free(&g);
}

static void
test_put_replaces(void **state)
{
	const char *key = key_of("replaced");

	(void)state;
	must(do_put(key, SOME, N_SOME));
	must(do_put(key, OTHER, N_OTHER));
	must_hold(key, OTHER, N_OTHER);
}

static void
test_put_reads_a_range_of_a_file(void **state)
{
	const char *key = key_of("from-fd");
	unsigned char *bytes = make_bytes(3 << 20, 1);
	char path[] = "contract.XXXXXX";
	int fd = mkstemp(path);
	struct store_body b = body_of(bytes + 4096, (3 << 20) - 4096);
	struct got g = { 0 };

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(pwrite(fd, bytes, 3 << 20, 0), 3 << 20);
	b.data = NULL;
	b.fd = fd;
	b.off = 4096;
	store_put(world.store, key, NULL, &b, on_done, &g);
	wait_done(&g);
	must(g);
	must_hold(key, bytes + 4096, (3 << 20) - 4096);
	close(fd);
	free(bytes);
}

static void
test_put_of_a_file_that_ends_early_fails(void **state)
{
	const char *key = key_of("short-fd");
	char path[] = "contract.XXXXXX";
	int fd = mkstemp(path);
	struct store_body b = body_of(SOME, N_SOME);
	struct got g = { 0 };

	(void)state;
	unlink(path);
	assert_int_equal(pwrite(fd, SOME, N_SOME / 2, 0), N_SOME / 2);
	b.data = NULL;
	b.fd = fd;
	store_put(world.store, key, NULL, &b, on_done, &g);
	wait_done(&g);
	assert_int_not_equal(g.err, ERR_OK);
	got_free(&g);
	must_fail(do_head(key), ERR_NOT_FOUND);
	close(fd);
}

static void
test_put_with_a_wrong_digest_is_refused(void **state)
{
	const char *key = key_of("wrong-digest");
	struct store_body b = body_of(SOME, N_SOME);
	unsigned needs = store_needs(world.store);
	struct got g = { 0 };

	(void)state;
	if (needs & STORE_NEED_MD5)
		b.md5[0] ^= 1;
	else if (world.caps.checks_crc32c || !needs)
		b.crc32c ^= 1;
	else
		b.sha256[0] ^= 1;
	store_put(world.store, key, NULL, &b, on_done, &g);
	wait_done(&g);
	must_fail(g, ERR_CORRUPT);
}

static void
test_missing_objects_are_told(void **state)
{
	const char *key = key_of("not-there");

	(void)state;
	must_fail(do_head(key), ERR_NOT_FOUND);
	must_fail(do_get(key, NULL, 0, 10), ERR_NOT_FOUND);
	must(do_delete(key));
}

static void
test_delete_removes(void **state)
{
	const char *key = key_of("deleted");

	(void)state;
	must(do_put(key, SOME, N_SOME));
	must(do_delete(key));
	must_fail(do_head(key), ERR_NOT_FOUND);
}

static void
test_get_gives_what_is_there_of_a_range(void **state)
{
	const char *key = key_of("ranges");
	struct got g;

	(void)state;
	must(do_put(key, SOME, N_SOME));
	g = do_get(key, NULL, 5, 3);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.len, 3);
	must_be(g.data, SOME + 5, 3);
	got_free(&g);
	g = do_get(key, NULL, N_SOME - 2, 100);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.len, 2);
	must_be(g.data, SOME + N_SOME - 2, 2);
	got_free(&g);
	g = do_get(key, NULL, N_SOME, 1);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.len, 0);
	got_free(&g);
	g = do_get(key, NULL, 1000, 1);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.len, 0);
	got_free(&g);
}

static void
test_get_minds_the_etag(void **state)
{
	const char *key = key_of("pinned");
	struct got put, g;

	(void)state;
	put = do_put(key, SOME, N_SOME);
	assert_int_equal(put.err, ERR_OK);
	g = do_get(key, put.object.etag, 0, 4);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.len, 4);
	got_free(&g);
	must(do_put(key, OTHER, N_OTHER));
	must_fail(do_get(key, put.object.etag, 0, 4), ERR_CONFLICT);
	got_free(&put);
}

static void
test_keys_are_kept_to_the_byte(void **state)
{
	static const char *const names[] = {
		"a b",
		"a+b",
		"a%b",
		"a%20b",
		"a&b=c",
		"a?b",
		"a#b",
		"a'b\"c",
		"a<b>c",
		"a;b:c@d,e$f",
		"~!*()[]{}|^`",
		"gr\xc3\xbc\xc3\x9f",
		"\xe4\xb8\xad\xe6\x96\x87",
		"...",
		"a.",
		".hidden",
	};
	const size_t n = sizeof(names) / sizeof(names[0]);
	char key[KEY_BYTES];
	struct got g;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "%skeys/%s", world.root, names[i]);
		must(do_put(key, names[i], strlen(names[i])));
	}
	for (size_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "%skeys/%s", world.root, names[i]);
		must_hold(key, names[i], strlen(names[i]));
	}
	g = do_list(key_of("keys/"), NULL);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.nentries, n);
	for (size_t i = 0; i < n; i++) {
		bool found = false;

		for (size_t k = 0; k < n; k++)
			found |= strcmp(g.entries[k].key, names[i]) == 0;
		if (!found)
			fail_msg("\"%s\" is not listed", names[i]);
	}
	got_free(&g);
}

static void
test_long_keys_are_kept(void **state)
{
	char key[STORE_KEY_MAX + 2];
	size_t n = strlen(world.root);
	struct got g;

	(void)state;
	memcpy(key, world.root, n);
	memset(key + n, 'k', sizeof(key) - n);
	for (size_t i = n + 100; i < STORE_KEY_MAX - 1; i += 100)
		key[i] = '/';
	key[STORE_KEY_MAX + 1] = '\0';
	must_fail(do_put(key, SOME, N_SOME), ERR_INVALID);
	key[STORE_KEY_MAX - 100] = '\0'; /* a store may have a prefix */
	g = do_put(key, SOME, N_SOME);
	must(g);
	must_hold(key, SOME, N_SOME);
}

static void
test_copy_keeps_bytes_and_takes_new_metadata(void **state)
{
	struct store_meta meta = { .mtime = MTIME };
	struct store_copy c = { .from = key_of("copy from") };
	const char *to = key_of("copy to");
	char id[ID_LEN + 1];
	struct got g = { 0 }, put;

	(void)state;
	put = do_put(c.from, SOME, N_SOME);
	assert_int_equal(put.err, ERR_OK);
	c.from_etag = put.object.etag;
	id_new(id);
	meta.sluice_id = id;
	store_copy(world.store, &c, to, &meta, on_done, &g);
	wait_done(&g);
	must(g);
	got_free(&put);
	g = do_head(to);
	assert_string_equal(g.object.sluice_id, id);
	assert_int_equal(g.object.mtime, MTIME);
	got_free(&g);
	must_hold(to, SOME, N_SOME);
	must_hold(c.from, SOME, N_SOME);
}

static void
test_copy_minds_the_etag(void **state)
{
	struct store_copy c = { .from = key_of("changed") };
	const char *to = key_of("never");
	struct got g = { 0 }, put;

	(void)state;
	put = do_put(c.from, SOME, N_SOME);
	must(do_put(c.from, OTHER, N_OTHER));
	c.from_etag = put.object.etag;
	store_copy(world.store, &c, to, NULL, on_done, &g);
	wait_done(&g);
	must_fail(g, ERR_CONFLICT);
	got_free(&put);
	must_fail(do_head(to), ERR_NOT_FOUND);
}

static void
test_copy_by_parts_gives_the_same_bytes(void **state)
{
	const size_t n = (6u << 20) + 17;
	unsigned char *bytes;
	struct store_copy c = { .from = key_of("large") };
	const char *to = key_of("large copy");
	char name[STORE_NAME_MAX + 1];
	struct got g = { 0 };
	struct store *s;

	(void)state;
	snprintf(name, sizeof(name), "%s-copy", world.name);
	s = open_other(name); /* the same with copy_max = 5M */
	if (!s)
		skip();
	bytes = make_bytes(n, 2);
	must(do_put(c.from, bytes, n));
	store_copy(s, &c, to, NULL, on_done, &g);
	wait_done(&g);
	store_close(s);
	must(g);
	must_hold(to, bytes, n);
	free(bytes);
}

static void
test_move_and_touch_work_where_they_are_offered(void **state)
{
	const char *from = key_of("moving"), *to = key_of("moved");
	struct got g = { 0 }, t = { 0 };

	(void)state;
	must(do_put(from, SOME, N_SOME));
	store_move(world.store, from, to, on_done, &g);
	wait_done(&g);
	if (!store_can_move(world.store)) {
		must_fail(g, ERR_UNSUPPORTED);
		store_touch(world.store, from, MTIME, on_done, &t);
		wait_done(&t);
		must_fail(t, ERR_UNSUPPORTED);
		return;
	}
	must(g);
	must_fail(do_head(from), ERR_NOT_FOUND);
	store_touch(world.store, to, MTIME, on_done, &t);
	wait_done(&t);
	must(t);
	g = do_head(to);
	assert_int_equal(g.object.mtime, MTIME);
	got_free(&g);
}

static void
test_bad_arguments_come_back_from_the_loop(void **state)
{
	(void)state;
	must_fail(do_head(""), ERR_INVALID);
	must_fail(do_list("no-slash", NULL), ERR_INVALID);
	must_fail(do_get("key", NULL, 0, 0), ERR_INVALID);
	must_fail(do_get("key", NULL, 0, STORE_GET_MAX + 1), ERR_INVALID);
	must_fail(do_list_parts("key", ""), ERR_INVALID);
	must_fail(do_complete("key", "id", NULL, 0), ERR_INVALID);
	must_fail(do_part("key", "id", 0, 0, SOME, N_SOME), ERR_TOO_LARGE);
}

static void
test_cancel_silences_a_call_at_any_time(void **state)
{
	unsigned char *bytes = make_bytes(1 << 20, 3);
	struct store_body b = body_of(bytes, 1 << 20);
	struct store_op *op;
	struct got g;

	(void)state;
	for (unsigned turns = 0; turns < 6; turns++) {
		memset(&g, 0, sizeof(g));
		op = store_put(world.store, key_of("cancelled"), NULL, &b,
			       on_done, &g);
		cancel_after(op, &g, turns);
	}
	memset(bytes, 0, 1 << 20);
	free(bytes); /* must not be read any more */
	must(do_put(key_of("after"), SOME, N_SOME));
}

const struct CMUnitTest contract_objects[] = {
	cmocka_unit_test(test_probe_knows_and_leaves_nothing),
	cmocka_unit_test(test_probe_says_denied_for_a_wrong_secret),
	cmocka_unit_test(test_probe_says_not_found_without_a_bucket),
	cmocka_unit_test(test_probe_says_again_when_nobody_answers),
	cmocka_unit_test(test_probe_trusts_no_unknown_certificate),
	cmocka_unit_test(test_put_keeps_bytes_and_metadata),
	cmocka_unit_test(test_put_without_metadata_shows_when_it_was_stored),
	cmocka_unit_test(test_put_takes_no_bytes),
	cmocka_unit_test(test_put_replaces),
	cmocka_unit_test(test_put_reads_a_range_of_a_file),
	cmocka_unit_test(test_put_of_a_file_that_ends_early_fails),
	cmocka_unit_test(test_put_with_a_wrong_digest_is_refused),
	cmocka_unit_test(test_missing_objects_are_told),
	cmocka_unit_test(test_delete_removes),
	cmocka_unit_test(test_get_gives_what_is_there_of_a_range),
	cmocka_unit_test(test_get_minds_the_etag),
	cmocka_unit_test(test_keys_are_kept_to_the_byte),
	cmocka_unit_test(test_long_keys_are_kept),
	cmocka_unit_test(test_copy_keeps_bytes_and_takes_new_metadata),
	cmocka_unit_test(test_copy_minds_the_etag),
	cmocka_unit_test(test_copy_by_parts_gives_the_same_bytes),
	cmocka_unit_test(test_move_and_touch_work_where_they_are_offered),
	cmocka_unit_test(test_bad_arguments_come_back_from_the_loop),
	cmocka_unit_test(test_cancel_silences_a_call_at_any_time),
};
const size_t n_contract_objects =
	sizeof(contract_objects) / sizeof(contract_objects[0]);
