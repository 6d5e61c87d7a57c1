/* SPDX-License-Identifier: Apache-2.0 */
/* The store contract: multipart uploads. */
#include "tests/unit/contract_world.h"

#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mem.h"

#define MTIME 1111111111

/* An upload of up to three parts: two of part_bytes() and a short one. */
struct upload {
	char key[KEY_BYTES];
	char id[STORE_BACKEND_ID_MAX + 1];
	char sluice_id[ID_LEN + 1];
	unsigned char *bytes;
	size_t part, len; /* bytes in a part, in all */
	struct store_part parts[3];
};

static struct upload *
begin(const char *name)
{
	struct upload *u = mem_alloc(sizeof(*u));
	struct store_meta meta = { .sluice_id = u->sluice_id, .mtime = MTIME };
	struct got g;

	str_copy(u->key, sizeof(u->key), key_of(name));
	id_new(u->sluice_id);
	u->part = part_bytes();
	u->len = 2 * u->part + 1234;
	u->bytes = make_bytes(u->len, 7);
	g = do_begin(u->key, &meta);
	str_copy(u->id, sizeof(u->id), g.backend_id);
	assert_string_not_equal(u->id, "");
	got_free(&g);
	return u;
}

static void
end(struct upload *u)
{
	free(u->bytes);
	free(u);
}

static void
send_part(struct upload *u, uint32_t no)
{
	uint64_t off = (no - 1) * u->part;
	size_t len = no < 3 ? u->part : u->len - 2 * u->part;
	struct got g = do_part(u->key, u->id, no, off, u->bytes + off, len);

	assert_string_equal(err_name(g.err), err_name(ERR_OK));
	assert_int_equal(g.part.no, no);
	assert_int_equal(g.part.off, off);
	assert_int_equal(g.part.len, len);
	assert_string_not_equal(g.part.etag, "");
	u->parts[no - 1] = g.part;
	got_free(&g);
}

static void
test_parts_become_one_object(void **state)
{
	struct upload *u = begin("assembled");
	struct got g;

	(void)state;
	for (uint32_t no = 1; no <= 3; no++)
		send_part(u, no);
	must_fail(do_head(u->key), ERR_NOT_FOUND);
	g = do_complete(u->key, u->id, u->parts, 3);
	assert_string_equal(err_name(g.err), err_name(ERR_OK));
	assert_string_not_equal(g.object.etag, "");
	got_free(&g);
	g = do_head(u->key);
	assert_int_equal(g.err, ERR_OK);
	assert_string_equal(g.object.sluice_id, u->sluice_id);
	assert_int_equal(g.object.mtime, MTIME);
	got_free(&g);
	must_hold(u->key, u->bytes, u->len);
	end(u);
}

static void
test_parts_may_come_in_any_order_and_again(void **state)
{
	struct upload *u = begin("any order");
	unsigned char *wrong = make_bytes(u->part, 8);

	(void)state;
	send_part(u, 3);
	must(do_part(u->key, u->id, 1, 0, wrong, u->part));
	send_part(u, 2);
	send_part(u, 1); /* replaces */
	send_part(u, 2); /* the same once more */
	must(do_complete(u->key, u->id, u->parts, 3));
	must_hold(u->key, u->bytes, u->len);
	free(wrong);
	end(u);
}

static void
test_one_empty_part_is_an_object(void **state)
{
	struct upload *u = begin("one empty part");
	struct got g;

	(void)state;
	g = do_part(u->key, u->id, 1, 0, "", 0);
	assert_int_equal(g.err, ERR_OK);
	u->parts[0] = g.part;
	got_free(&g);
	must(do_complete(u->key, u->id, u->parts, 1));
	must_hold(u->key, "", 0);
	end(u);
}

static void
test_list_parts_tells_places_and_etags(void **state)
{
	struct upload *u = begin("listed parts");
	struct got g;

	(void)state;
	g = do_list_parts(u->key, u->id);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.nparts, 0);
	got_free(&g);
	send_part(u, 1);
	send_part(u, 2);
	send_part(u, 3);
	g = do_list_parts(u->key, u->id);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.nparts, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(g.parts[i].no, i + 1);
		assert_int_equal(g.parts[i].off, i * u->part);
		assert_int_equal(g.parts[i].len, u->parts[i].len);
		assert_string_equal(g.parts[i].etag, u->parts[i].etag);
	}
	got_free(&g);
	must(do_complete(u->key, u->id, u->parts, 3));
	must_hold(u->key, u->bytes, u->len);
	end(u);
}

static void
test_list_parts_does_not_guess_behind_a_gap(void **state)
{
	struct upload *u = begin("gap");
	struct got g;

	(void)state;
	send_part(u, 1);
	send_part(u, 3);
	g = do_list_parts(u->key, u->id);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.nparts, 2);
	assert_int_equal(g.parts[0].off, 0);
	assert_int_equal(g.parts[1].no, 3);
	if (g.parts[1].off != 2 * u->part)
		assert_true(g.parts[1].off == UINT64_MAX);
	got_free(&g);
	must(do_abort(u->key, u->id));
	end(u);
}

static void
test_list_parts_turns_pages(void **state)
{
	const uint32_t max = store_limits(world.store)->parts_max;
	const uint32_t n = max < 1005 ? max : 1005;
	struct upload *u;
	struct got g;

	(void)state;
	if (!world.slow)
		skip();
	u = begin("many parts");
	for (uint32_t no = 1; no <= n; no++)
		must(do_part(u->key, u->id, no, no - 1, "x", 1));
	g = do_list_parts(u->key, u->id);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.nparts, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(g.parts[i].no, i + 1);
		assert_int_equal(g.parts[i].off, i);
	}
	got_free(&g);
	must(do_abort(u->key, u->id));
	end(u);
}

static void
test_complete_refuses_a_part_that_differs(void **state)
{
	struct upload *u = begin("wrong etag");
	struct store_part wrong[2];

	(void)state;
	send_part(u, 1);
	send_part(u, 2);
	memcpy(wrong, u->parts, sizeof(wrong));
	memset(wrong[1].etag, 'a', strlen(wrong[1].etag));
	must_fail(do_complete(u->key, u->id, wrong, 2), ERR_CORRUPT);
	must_fail(do_head(u->key), ERR_NOT_FOUND);
	/* The upload is as good as before. */
	must(do_complete(u->key, u->id, u->parts, 2));
	must_hold(u->key, u->bytes, 2 * u->part);
	end(u);
}

static void
test_complete_refuses_a_part_that_is_missing(void **state)
{
	struct upload *u = begin("missing part");

	(void)state;
	send_part(u, 1);
	u->parts[1] = u->parts[0];
	u->parts[1].no = 2;
	u->parts[1].off = u->part;
	must_fail(do_complete(u->key, u->id, u->parts, 2), ERR_CORRUPT);
	must_fail(do_head(u->key), ERR_NOT_FOUND);
	must(do_abort(u->key, u->id));
	end(u);
}

static void
test_complete_again_does_no_harm(void **state)
{
	struct upload *u = begin("completed twice");
	struct got g;

	(void)state;
	send_part(u, 1);
	must(do_complete(u->key, u->id, u->parts, 1));
	g = do_complete(u->key, u->id, u->parts, 1);
	assert_true(g.err == ERR_OK || g.err == ERR_NOT_FOUND);
	got_free(&g);
	g = do_head(u->key);
	assert_string_equal(g.object.sluice_id, u->sluice_id);
	got_free(&g);
	must_hold(u->key, u->bytes, u->part);
	end(u);
}

static void
test_complete_replaces_in_one_step(void **state)
{
	struct upload *u = begin("replaced by parts");

	(void)state;
	must(do_put(u->key, "old", 3));
	send_part(u, 1);
	must_hold(u->key, "old", 3);
	must(do_complete(u->key, u->id, u->parts, 1));
	must_hold(u->key, u->bytes, u->part);
	end(u);
}

static void
test_unknown_uploads_are_told(void **state)
{
	struct upload *u = begin("aborted");
	struct got g;

	(void)state;
	send_part(u, 1);
	must(do_abort(u->key, u->id));
	must_fail(do_list_parts(u->key, u->id), ERR_NOT_FOUND);
	/* Ceph takes it for a second Complete under way, and says 500. */
	g = do_complete(u->key, u->id, u->parts, 1);
	assert_true(g.err == ERR_NOT_FOUND ||
		    (g.err == ERR_AGAIN && g.ambiguous));
	got_free(&g);
	g = do_part(u->key, u->id, 2, u->part, u->bytes, 10);
	assert_int_equal(g.err, ERR_NOT_FOUND);
	got_free(&g);
	must(do_abort(u->key, u->id));
	must_fail(do_head(u->key), ERR_NOT_FOUND);
	end(u);
}

static void
test_list_uploads_shows_those_at_the_key(void **state)
{
	struct upload *u = begin("up"), *longer = begin("up and more");
	int64_t now = clock_wall_ms();
	struct got g;

	(void)state;
	send_part(u, 1);
	send_part(longer, 1);
	g = do_list_uploads(u->key);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.nuploads, 1);
	assert_string_equal(g.uploads[0], u->id);
	assert_in_range(g.initiated[0], now - 60000, now + 60000);
	got_free(&g);
	must(do_abort(u->key, u->id));
	must(do_abort(longer->key, longer->id));
	g = do_list_uploads(u->key);
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.nuploads, 0);
	got_free(&g);
	end(u);
	end(longer);
}

/* All that the store has under way, whatever its key. */
static void
test_list_uploads_without_a_key_shows_all(void **state)
{
	struct upload *a = begin("all/a"), *b = begin("all/b");
	unsigned seen = 0;
	struct got g;
	size_t i;

	(void)state;
	send_part(a, 1);
	send_part(b, 1);
	g = do_list_uploads("");
	assert_int_equal(g.err, ERR_OK);
	assert_true(g.nuploads >= 2);
	for (i = 0; i < g.nuploads; i++) {
		seen += strcmp(g.uploads[i], a->id) == 0 &&
			strcmp(g.upload_keys[i], a->key) == 0;
		seen += strcmp(g.uploads[i], b->id) == 0 &&
			strcmp(g.upload_keys[i], b->key) == 0;
	}
	assert_int_equal(seen, 2);
	got_free(&g);
	must(do_abort(a->key, a->id));
	must(do_abort(b->key, b->id));
	end(a);
	end(b);
}

static void
test_a_part_can_be_copied_from_an_object(void **state)
{
	struct upload *u = begin("appended");
	struct store_target t = { .key = u->key, .backend_id = u->id };
	struct store_copy c = { .from = key_of("to append to"),
				.len = u->part };
	struct got g, copied = { 0 };

	(void)state;
	g = do_put(c.from, u->bytes, u->part + 10);
	assert_int_equal(g.err, ERR_OK);
	c.from_etag = g.object.etag;
	store_copy_part(world.store, t, 1, &c, on_done, &copied);
	wait_done(&copied);
	assert_string_equal(err_name(copied.err), err_name(ERR_OK));
	assert_int_equal(copied.part.len, u->part);
	u->parts[0] = copied.part;
	got_free(&copied);
	got_free(&g);
	send_part(u, 2);
	send_part(u, 3);
	must(do_complete(u->key, u->id, u->parts, 3));
	must_hold(u->key, u->bytes, u->len);
	end(u);
}

static void
test_a_part_is_not_copied_from_a_changed_object(void **state)
{
	struct upload *u = begin("not appended");
	struct store_target t = { .key = u->key, .backend_id = u->id };
	struct store_copy c = { .from = key_of("changed meanwhile"),
				.from_etag = "0123456789abcdef",
				.len = u->part };
	struct got g = { 0 };

	(void)state;
	must(do_put(c.from, u->bytes, u->part));
	store_copy_part(world.store, t, 1, &c, on_done, &g);
	wait_done(&g);
	must_fail(g, ERR_CONFLICT);
	must(do_abort(u->key, u->id));
	end(u);
}

static void
test_parts_beyond_the_limit_are_refused(void **state)
{
	const struct store_limits *l = store_limits(world.store);
	struct got g = do_part("key", "id", l->parts_max + 1, 0, "x", 1);

	(void)state;
	must_fail(g, ERR_TOO_LARGE);
}

static void
test_a_cancelled_part_can_be_sent_again(void **state)
{
	struct upload *u = begin("cancelled part");
	struct store_target t = { .key = u->key, .backend_id = u->id };
	struct store_body b = body_of(u->bytes, u->part);
	struct store_op *op;
	struct got g;

	(void)state;
	for (unsigned turns = 0; turns < 5; turns++) {
		memset(&g, 0, sizeof(g));
		op = store_put_part(world.store, t, (struct store_slot){ 1, 0 },
				    &b, on_done, &g);
		cancel_after(op, &g, turns);
	}
	send_part(u, 1);
	must(do_complete(u->key, u->id, u->parts, 1));
	must_hold(u->key, u->bytes, u->part);
	end(u);
}

const struct CMUnitTest contract_parts[] = {
	cmocka_unit_test(test_parts_become_one_object),
	cmocka_unit_test(test_parts_may_come_in_any_order_and_again),
	cmocka_unit_test(test_one_empty_part_is_an_object),
	cmocka_unit_test(test_list_parts_tells_places_and_etags),
	cmocka_unit_test(test_list_parts_does_not_guess_behind_a_gap),
	cmocka_unit_test(test_list_parts_turns_pages),
	cmocka_unit_test(test_complete_refuses_a_part_that_differs),
	cmocka_unit_test(test_complete_refuses_a_part_that_is_missing),
	cmocka_unit_test(test_complete_again_does_no_harm),
	cmocka_unit_test(test_complete_replaces_in_one_step),
	cmocka_unit_test(test_unknown_uploads_are_told),
	cmocka_unit_test(test_list_uploads_shows_those_at_the_key),
	cmocka_unit_test(test_list_uploads_without_a_key_shows_all),
	cmocka_unit_test(test_a_part_can_be_copied_from_an_object),
	cmocka_unit_test(test_a_part_is_not_copied_from_a_changed_object),
	cmocka_unit_test(test_parts_beyond_the_limit_are_refused),
	cmocka_unit_test(test_a_cancelled_part_can_be_sent_again),
};
const size_t n_contract_parts =
	sizeof(contract_parts) / sizeof(contract_parts[0]);
