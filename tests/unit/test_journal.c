/* SPDX-License-Identifier: Apache-2.0 */
/* What a commit writes and refuses. */
#include "tests/unit/journal_world.h"

/* Rows. */

static void
fill(char *dst, size_t size, char c)
{
	memset(dst, c, size - 1);
	dst[size - 1] = '\0';
}

static void
test_insert_keeps_every_field(void **state)
{
	struct journal_upload u = *row("x");
	struct got g;

	u.epoch = 7;
	u.rewind = UINT32_MAX;
	u.kind = UPLOAD_KIND_COPY;
	u.state = UPLOAD_SEALED;
	u.flags = UPLOAD_TEMP | UPLOAD_NO_TRUNC;
	fill(u.owner, sizeof(u.owner), 'o');
	fill(u.user, sizeof(u.user), 'u');
	fill(u.protocol, sizeof(u.protocol), 'p');
	fill(u.store, sizeof(u.store), 's');
	fill(u.key, sizeof(u.key), 'k');
	fill(u.path, sizeof(u.path), 'p');
	fill(u.final_path, sizeof(u.final_path), 'f');
	fill(u.backend_id, sizeof(u.backend_id), 'b');
	fill(u.hidden_etag, sizeof(u.hidden_etag), 'h');
	fill(u.etag, sizeof(u.etag), 'e');
	fill(u.source, sizeof(u.source), 'S');
	fill(u.source_etag, sizeof(u.source_etag), 'E');
	u.declared = UINT64_MAX;
	u.end = UINT64_MAX - 1;
	u.mtime = -5;
	u.created_at = 1;
	u.creating_at = 2;
	u.verified_at = 3;
	u.parked_at = 4;
	u.ended_at = INT64_MAX;
	assert_int_equal(insert(*state, &u), ERR_OK);
	reopen(*state);
	g = get(*state, u.id);
	assert_true(g.found);
	assert_memory_equal(&g.upload, &u, sizeof(u));
}

static void
test_insert_keeps_any_key_in_utf8(void **state)
{
	struct journal_upload u =
		*row("caf\xc3\xa9/\xf0\x9f\x8e\xac '\"%_.mov");

	assert_int_equal(insert(*state, &u), ERR_OK);
	assert_string_equal(find(*state, u.key).upload.id, u.id);
	assert_false(
		find(*state, "CAF\xc3\xa9/\xf0\x9f\x8e\xac '\"%_.mov").found);
}

static void
test_get_finds_nothing_under_another_id(void **state)
{
	char id[ID_LEN + 1];
	struct got g;

	id_new(id);
	g = get(*state, id);
	assert_int_equal(g.err, ERR_OK);
	assert_false(g.found);
}

/* A row in which each field differs from what row() gives. */
static struct journal_upload
changed(const struct journal_upload *u)
{
	struct journal_upload c = *u;

	c.state = UPLOAD_PARKED;
	c.rewind = 11;
	c.flags = UPLOAD_DECLARED;
	strcpy(c.owner, "node-b");
	strcpy(c.protocol, "ftps");
	strcpy(c.backend_id, "backend");
	c.declared = 12;
	c.end = 13;
	strcpy(c.hidden_etag, "hidden");
	strcpy(c.etag, "etag");
	c.mtime = 14;
	c.creating_at = 15;
	c.verified_at = 16;
	c.parked_at = 17;
	c.ended_at = 18;
	strcpy(c.path, "/p");
	strcpy(c.final_path, "/f");
	return c;
}

/* What `to` must be after those fields of `from` were set. */
static void
expect_set(struct journal_upload *to, const struct journal_upload *from,
	   unsigned set)
{
#define MOVE(bit, field) \
	if (set & (bit)) \
	memcpy(&to->field, &from->field, sizeof(to->field))
	MOVE(JSET_STATE, state);
	MOVE(JSET_REWIND, rewind);
	MOVE(JSET_FLAGS, flags);
	MOVE(JSET_OWNER, owner);
	MOVE(JSET_OWNER, protocol);
	MOVE(JSET_BACKEND, backend_id);
	MOVE(JSET_DECLARED, declared);
	MOVE(JSET_END, end);
	MOVE(JSET_HIDDEN, hidden_etag);
	MOVE(JSET_ETAG, etag);
	MOVE(JSET_MTIME, mtime);
	MOVE(JSET_CREATING, creating_at);
	MOVE(JSET_VERIFIED, verified_at);
	MOVE(JSET_PARKED, parked_at);
	MOVE(JSET_ENDED, ended_at);
	MOVE(JSET_PATHS, path);
	MOVE(JSET_PATHS, final_path);
#undef MOVE
}

static void
check_update(struct world *w, unsigned set)
{
	struct journal_upload u = *row("x"), c = changed(&u);
	struct journal_tx tx = { .update = &c, .set = set, .new_epoch = 9 };
	struct got g;

	strcpy(u.key, u.id);
	assert_int_equal(insert(w, &u), ERR_OK);
	assert_int_equal(commit(w, &tx), ERR_OK);
	expect_set(&u, &c, set);
	if (set & JSET_EPOCH)
		u.epoch = 9;
	g = get(w, u.id);
	assert_memory_equal(&g.upload, &u, sizeof(u));
}

static void
test_update_sets_its_fields_alone(void **state)
{
	unsigned bit;

	for (bit = JSET_STATE; bit <= JSET_PATHS; bit <<= 1)
		check_update(*state, bit);
	check_update(*state, 0);
	check_update(*state, JSET_PATHS * 2 - 1);
	/* More sets of fields than statements are kept. */
	for (bit = 1; bit < 80; bit++)
		check_update(*state, bit);
	check_update(*state, JSET_STATE);
}

static void
test_update_wants_the_epoch(void **state)
{
	struct journal_upload u = *row("x"), late;
	struct journal_tx tx = { .update = &u,
				 .set = JSET_EPOCH | JSET_STATE,
				 .new_epoch = 2 };

	assert_int_equal(insert(*state, &u), ERR_OK);
	late = u;
	assert_int_equal(commit(*state, &tx), ERR_OK);
	assert_int_equal(set_state(*state, &late, UPLOAD_PARKED), ERR_CONFLICT);
	tx.set = 0;
	assert_int_equal(commit(*state, &tx), ERR_CONFLICT);
	assert_int_equal(get(*state, u.id).upload.state, UPLOAD_OPEN);
	u.epoch = 2;
	assert_int_equal(commit(*state, &tx), ERR_OK);
	assert_int_equal(set_state(*state, &u, UPLOAD_PARKED), ERR_OK);
}

static void
test_update_of_an_ended_row_is_a_conflict(void **state)
{
	struct journal_upload u = *row("x");
	struct journal_tx tx = { .update = &u, .set = JSET_VERIFIED };

	u.state = UPLOAD_PUBLISHED;
	u.flags = UPLOAD_SOURCE_PENDING;
	strcpy(u.hidden_etag, "h");
	assert_int_equal(insert(*state, &u), ERR_OK);
	assert_int_equal(set_state(*state, &u, UPLOAD_OPEN), ERR_CONFLICT);
	assert_int_equal(commit(*state, &tx), ERR_CONFLICT);
	tx.set = 0;
	assert_int_equal(commit(*state, &tx), ERR_CONFLICT);
	/* But what it still has to do may be ticked off. */
	u.flags = 0;
	strcpy(u.hidden_etag, "");
	tx.set = JSET_FLAGS | JSET_HIDDEN;
	assert_int_equal(commit(*state, &tx), ERR_OK);
	assert_int_equal(get(*state, u.id).upload.flags, 0);
}

static void
test_second_live_row_of_a_key_is_refused(void **state)
{
	struct journal_upload a = *row("x"), b = *row("x"), c = *row("x");

	strcpy(c.store, "other");
	assert_int_equal(insert(*state, &a), ERR_OK);
	assert_int_equal(insert(*state, &b), ERR_EXISTS);
	assert_int_equal(insert(*state, &c), ERR_OK);
	assert_false(get(*state, b.id).found);
	assert_int_equal(set_state(*state, &a, UPLOAD_ABORTING), ERR_OK);
	assert_int_equal(insert(*state, &b), ERR_OK);
	/* The first cannot come back to life beside it. */
	assert_int_equal(set_state(*state, &a, UPLOAD_PARKED), ERR_EXISTS);
	assert_int_equal(get(*state, a.id).upload.state, UPLOAD_ABORTING);
}

static void
test_supersede_and_insert_are_one(void **state)
{
	struct journal_upload a = *row("x"), b = *row("x");
	struct journal_tx tx = { .insert = &b,
				 .supersede = a.id,
				 .supersede_epoch = 2 };
	struct got g;

	assert_int_equal(insert(*state, &a), ERR_OK);
	assert_int_equal(commit(*state, &tx), ERR_CONFLICT);
	assert_false(get(*state, b.id).found);
	tx.supersede_epoch = 1;
	assert_int_equal(commit(*state, &tx), ERR_OK);
	g = get(*state, a.id);
	assert_int_equal(g.upload.state, UPLOAD_ABORTING);
	assert_int_equal(g.upload.epoch, 2);
	assert_string_equal(find(*state, "x").upload.id, b.id);
}

static void
test_supersede_leaves_what_is_publishing(void **state)
{
	static const struct {
		enum upload_state state;
		enum err err;
	} cases[] = {
		{ UPLOAD_OPEN, ERR_OK },
		{ UPLOAD_PARKED, ERR_OK },
		{ UPLOAD_SEALED, ERR_OK },
		{ UPLOAD_CLOSING, ERR_CONFLICT },
		{ UPLOAD_COMPLETING, ERR_CONFLICT },
		{ UPLOAD_ABORTING, ERR_CONFLICT },
		{ UPLOAD_PUBLISHED, ERR_CONFLICT },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct journal_upload u = *row("x");
		struct journal_tx tx = { .supersede = u.id,
					 .supersede_epoch = 1 };

		snprintf(u.key, sizeof(u.key), "key-%zu", i);
		u.state = cases[i].state;
		assert_int_equal(insert(*state, &u), ERR_OK);
		assert_int_equal(commit(*state, &tx), cases[i].err);
	}
}

/* Parts. */

static void
test_parts_are_added_replaced_and_dropped(void **state)
{
	struct journal_upload u = *row("x");
	struct store_part p[] = { part(2), part(1), part(3) };
	struct journal_tx tx = { .insert = &u, .add_parts = p, .nadd = 3 };
	struct journal_tx more = { .update = &u, .add_parts = p, .nadd = 1 };
	struct got g;

	assert_int_equal(commit(*state, &tx), ERR_OK);
	g = find(*state, "x");
	assert_int_equal(g.nparts, 3);
	assert_memory_equal(&g.parts[0], &p[1], sizeof(p[1]));
	assert_memory_equal(&g.parts[1], &p[0], sizeof(p[0]));
	assert_int_equal(g.parts[2].no, 3);

	strcpy(p[0].etag, "again");
	p[0].off = UINT64_MAX / 4;
	more.drop_from = 3;
	assert_int_equal(commit(*state, &more), ERR_OK);
	g = get(*state, u.id);
	assert_int_equal(g.nparts, 2);
	assert_memory_equal(&g.parts[1], &p[0], sizeof(p[0]));

	more.drop_from = 0;
	more.drop_all_parts = true;
	more.nadd = 0;
	assert_int_equal(commit(*state, &more), ERR_OK);
	assert_int_equal(get(*state, u.id).nparts, 0);
}

static void
test_parts_of_an_older_driver_are_refused(void **state)
{
	struct journal_upload u = *row("x");
	struct store_part p[] = { part(1), part(2) };
	struct journal_tx tx = { .insert = &u, .add_parts = p, .nadd = 2 };

	assert_int_equal(commit(*state, &tx), ERR_OK);
	tx.insert = NULL;
	tx.update = &u;
	tx.drop_from = 1;
	u.epoch = 0;
	assert_int_equal(commit(*state, &tx), ERR_CONFLICT);
	assert_int_equal(get(*state, u.id).nparts, 2);
}

static void
test_ten_thousand_parts_are_read_back(void **state)
{
	struct journal_upload u = *row("x");
	struct store_part *p = mem_array(10000, sizeof(*p));
	struct journal_tx tx = { .insert = &u, .add_parts = p, .nadd = 10000 };
	uint32_t i;

	for (i = 0; i < 10000; i++)
		p[i] = part(i + 1);
	assert_int_equal(commit(*state, &tx), ERR_OK);
	assert_int_equal(find(*state, "x").nparts, 10000);
	free(p);
}

/* Events. */

static void
test_publish_writes_one_event_once(void **state)
{
	struct journal_upload u = *row("x");
	struct journal_event e = event("published");
	struct journal_tx tx = { .update = &u, .set = JSET_STATE, .event = &e };
	char sql[200];

	u.state = UPLOAD_COMPLETING;
	assert_int_equal(insert(*state, &u), ERR_OK);
	u.state = UPLOAD_PUBLISHED;
	assert_int_equal(commit(*state, &tx), ERR_OK);
	assert_int_equal(commit(*state, &tx), ERR_CONFLICT);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM events WHERE id = '%s' AND"
		 " upload = '%s' AND kind = 'published' AND at > 0 AND"
		 " body = '{\"a\":1}'",
		 e.id, u.id);
	assert_int_equal(ask(*state, sql), 1);
	assert_int_equal(ask(*state, "SELECT count(*) FROM events"), 1);
}

static void
test_event_goes_with_the_rest_or_not_at_all(void **state)
{
	struct journal_upload u = *row("x");
	struct journal_event e = event("deleted");
	struct journal_tx tx = { .event = &e, .event_upload = u.id };
	struct journal_attr a = { .store = "main", .key = "x", .etag = "e" };

	assert_int_equal(insert(*state, &u), ERR_OK);
	assert_int_equal(commit(*state, &tx), ERR_OK);
	tx.update = &u;
	tx.set = JSET_STATE;
	tx.attr = &a;
	u.state = UPLOAD_PARKED;
	assert_int_equal(commit(*state, &tx), ERR_EXISTS);
	assert_int_equal(get(*state, u.id).upload.state, UPLOAD_OPEN);
	assert_int_equal(ask(*state, "SELECT count(*) FROM attributes"), 0);
	e = event("parked");
	assert_int_equal(commit(*state, &tx), ERR_OK);
	assert_int_equal(ask(*state, "SELECT max(seq) FROM events"), 2);
}

/* Refusals that cost nothing. */

static void
test_commit_refuses_what_makes_no_sense(void **state)
{
	struct journal_upload u = *row("x");
	struct store_part p = part(1);
	struct journal_event e = event("published");
	struct journal_tx tx = { 0 };

	assert_int_equal(commit(*state, &tx), ERR_INVALID);
	tx.add_parts = &p;
	tx.nadd = 1;
	tx.event = &e;
	assert_int_equal(commit(*state, &tx), ERR_INVALID);
	tx.insert = &u;
	p.no = 0;
	assert_int_equal(commit(*state, &tx), ERR_INVALID);
	p.no = 10001;
	assert_int_equal(commit(*state, &tx), ERR_INVALID);
	p.no = 1;
	memset(u.key, 'k', sizeof(u.key)); /* no NUL */
	assert_int_equal(commit(*state, &tx), ERR_INVALID);
	strcpy(u.key, ""); /* the table's own check */
	assert_int_equal(commit(*state, &tx), ERR_INVALID);
	strcpy(u.key, "x");
	strcpy(u.id, "not an id");
	assert_int_equal(commit(*state, &tx), ERR_INVALID);
	id_new(u.id);
	assert_int_equal(commit(*state, &tx), ERR_OK);
	tx = (struct journal_tx){ .update = &u,
				  .set = JSET_EPOCH,
				  .new_epoch = 1 };
	assert_int_equal(commit(*state, &tx), ERR_INVALID);
	assert_int_equal(ask(*state, "SELECT count(*) FROM uploads"), 1);
}

static void
test_commit_refuses_a_huge_event(void **state)
{
	struct journal_upload u = *row("x");
	struct journal_event e = event("published");
	struct journal_tx tx = { .insert = &u, .event = &e };
	char *body = mem_alloc(JOURNAL_EVENT_MAX + 2);

	memset(body, ' ', JOURNAL_EVENT_MAX + 1);
	e.body = body;
	assert_int_equal(commit(*state, &tx), ERR_INVALID);
	body[JOURNAL_EVENT_MAX] = '\0';
	assert_int_equal(commit(*state, &tx), ERR_OK);
	free(body);
}

static void
test_arguments_are_copied(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x"), c = u;
	struct store_part p = part(1);
	char kind[] = "made", body[] = "{}";
	struct journal_event e = event(kind);
	struct journal_tx tx = {
		.insert = &c, .add_parts = &p, .nadd = 1, .event = &e
	};
	struct got g = { 0 }, found;

	e.body = body;
	journal_commit(w->journal, &tx, take, &g);
	memset(&c, 'x', sizeof(c));
	memset(&p, 'x', sizeof(p));
	memset(&e, 0, sizeof(e));
	memset(kind, 'x', 4);
	memset(body, 'x', 2);
	memset(&tx, 0, sizeof(tx));
	wait_calls(w, &g, 1);
	assert_int_equal(g.err, ERR_OK);
	found = get(w, u.id);
	assert_memory_equal(&found.upload, &u, sizeof(u));
	assert_int_equal(ask(w, "SELECT count(*) FROM events"
				" WHERE kind = 'made' AND body = '{}'"),
			 1);
}

static void
test_state_names_are_known(void **state)
{
	(void)state;
	assert_string_equal(upload_state_name(UPLOAD_OPEN), "open");
	assert_string_equal(upload_state_name(UPLOAD_LOST), "lost");
	assert_string_equal(upload_state_name((enum upload_state)99),
			    "unknown");
	assert_true(upload_state_live(UPLOAD_COMPLETING));
	assert_false(upload_state_live(UPLOAD_ABORTING));
	assert_false(upload_state_live(UPLOAD_PUBLISHED));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_insert_keeps_every_field),
		T(test_insert_keeps_any_key_in_utf8),
		T(test_get_finds_nothing_under_another_id),
		T(test_update_sets_its_fields_alone),
		T(test_update_wants_the_epoch),
		T(test_update_of_an_ended_row_is_a_conflict),
		T(test_second_live_row_of_a_key_is_refused),
		T(test_supersede_and_insert_are_one),
		T(test_supersede_leaves_what_is_publishing),
		T(test_parts_are_added_replaced_and_dropped),
		T(test_parts_of_an_older_driver_are_refused),
		T(test_ten_thousand_parts_are_read_back),
		T(test_publish_writes_one_event_once),
		T(test_event_goes_with_the_rest_or_not_at_all),
		T(test_commit_refuses_what_makes_no_sense),
		T(test_commit_refuses_a_huge_event),
		T(test_arguments_are_copied),
		cmocka_unit_test(test_state_names_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
