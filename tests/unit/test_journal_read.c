/* SPDX-License-Identifier: Apache-2.0 */
/* What lookups and listings find, and what pruning leaves. */
#include "lib/clock.h"
#include "tests/unit/journal_world.h"

#define LIVE 0x1fu
#define ACTIVE 0x3fu
#define ENDED 0x1c0u
#define ANY 0x1ffu

/* A row with this key and state, put into the journal. */
static struct journal_upload
put(struct world *w, const char *key, enum upload_state s)
{
	struct journal_upload u = *row(key);

	u.state = s;
	assert_int_equal(insert(w, &u), ERR_OK);
	return u;
}

/* Lists; g->ids must be freed, or listed into again. */
static size_t
list(struct world *w, const struct journal_query *q, struct got *g)
{
	int calls = g->calls + 1;

	journal_list(w->journal, q, take, g);
	wait_calls(w, g, calls);
	assert_int_equal(g->err, ERR_OK);
	return g->n;
}

static size_t
count(struct world *w, struct journal_query q)
{
	struct got g = { 0 };
	size_t n = list(w, &q, &g);

	free(g.ids);
	return n;
}

/* Lookups. */

static void
test_find_wants_a_live_row(void **state)
{
	struct world *w = *state;
	struct journal_upload u = put(w, "x", UPLOAD_COMPLETING);

	put(w, "x", UPLOAD_PUBLISHED);
	put(w, "x", UPLOAD_ABORTING);
	assert_string_equal(find(w, "x").upload.id, u.id);
	assert_int_equal(set_state(w, &u, UPLOAD_PUBLISHED), ERR_OK);
	assert_false(find(w, "x").found);
	assert_int_equal(find(w, "x").err, ERR_OK);
}

static void
test_find_ended_gives_the_youngest(void **state)
{
	struct world *w = *state;
	struct journal_upload a = *row("x"), b;
	struct got g = { 0 };

	/* Made at one millisecond, ids have no order but what is set here. */
	a.id[0] = '1';
	a.state = UPLOAD_LOST;
	assert_int_equal(insert(w, &a), ERR_OK);
	b = a;
	b.id[0] = '2';
	b.state = UPLOAD_PUBLISHED;
	assert_int_equal(insert(w, &b), ERR_OK);
	b.id[0] = '0';
	assert_int_equal(insert(w, &b), ERR_OK);
	b.id[0] = '2';
	put(w, "y", UPLOAD_PUBLISHED);
	journal_find_ended(w->journal, "main", "x", take, &g);
	wait_calls(w, &g, 1);
	assert_string_equal(g.upload.id, b.id);
	journal_find_ended(w->journal, "main", "z", take, &g);
	wait_calls(w, &g, 2);
	assert_int_equal(g.err, ERR_OK);
	assert_false(g.found);
}

/* Listings. */

static void
test_list_selects_by_state(void **state)
{
	struct world *w = *state;
	unsigned s, mask, n, i;
	char key[16];

	for (s = 0; s < UPLOAD_STATES; s++) {
		snprintf(key, sizeof(key), "d/%u", s);
		put(w, key, s);
	}
	for (mask = 0; mask <= ANY; mask++) {
		struct journal_query q = { .states = mask };

		for (n = 0, i = mask; i != 0; i &= i - 1)
			n++;
		assert_int_equal(count(w, q), n);
		q.store = "main";
		q.key_prefix = "d/";
		assert_int_equal(count(w, q), n);
		q.key_prefix = "e/";
		assert_int_equal(count(w, q), 0);
	}
}

static void
test_list_selects_by_prefix(void **state)
{
	static const char *const keys[] = {
		"a",
		"a/",
		"a/b",
		"a/b/c",
		"a0",
		"a/\xef\xbf\xbf",
		"a/\xf4\x8f\xbf\xbf",
		"b/a",
		"A/b",
	};
	struct world *w = *state;
	struct journal_query q = { .states = LIVE, .store = "main" };
	size_t i, all = sizeof(keys) / sizeof(keys[0]);
	unsigned pass;

	for (i = 0; i < all; i++)
		put(w, keys[i], UPLOAD_OPEN);
	/* By the index of keys, then by the one of ids. */
	for (pass = 0; pass < 2; pass++) {
		q.key_prefix = "a/";
		assert_int_equal(count(w, q), 5);
		q.key_prefix = "a/b";
		assert_int_equal(count(w, q), 2);
		q.key_prefix = "a/\xf4\x8f\xbf\xbf";
		assert_int_equal(count(w, q), 1);
		q.key_prefix = "";
		assert_int_equal(count(w, q), all);
		q.key_prefix = "\xff\xff";
		assert_int_equal(count(w, q), 0);
		q.states = ANY;
	}
	q.store = "other";
	q.key_prefix = "a/";
	assert_int_equal(count(w, q), 0);
	q.store = NULL;
	assert_int_equal(count(w, q), 5);
}

static void
test_list_selects_by_user(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	struct journal_query q = { .states = ANY, .user = "eve" };

	strcpy(u.user, "eve");
	put(w, "y", UPLOAD_OPEN);
	assert_int_equal(insert(w, &u), ERR_OK);
	assert_int_equal(count(w, q), 1);
	q.user = "ev";
	assert_int_equal(count(w, q), 0);
}

/* Three rows with work left, beside one without, in a given state. */
static void
put_chores(struct world *w, enum upload_state s)
{
	struct journal_upload u = *row("x");
	unsigned i;

	for (i = 0; i < 4; i++) {
		id_new(u.id);
		strcpy(u.key, u.id);
		u.state = s;
		u.flags = i == 0   ? UPLOAD_SOURCE_PENDING | UPLOAD_TEMP
			  : i == 1 ? UPLOAD_CREATE_UNKNOWN
				   : UPLOAD_NO_TRUNC;
		strcpy(u.hidden_etag, i == 2 ? "h" : "");
		assert_int_equal(insert(w, &u), ERR_OK);
	}
}

static void
test_list_selects_what_has_work_left(void **state)
{
	struct world *w = *state;
	struct journal_query q = { .states = ANY, .source_pending = true };

	put_chores(w, UPLOAD_OPEN);
	put_chores(w, UPLOAD_PUBLISHED);
	assert_int_equal(count(w, q), 2);
	q.states = ENDED;
	assert_int_equal(count(w, q), 1);
	q.create_unknown = true;
	assert_int_equal(count(w, q), 0);
	q.source_pending = false;
	assert_int_equal(count(w, q), 1);
	q = (struct journal_query){ .states = ACTIVE, .hidden = true };
	assert_int_equal(count(w, q), 1);
	q.key_prefix = "z";
	assert_int_equal(count(w, q), 0);
}

static void
test_list_goes_on_after_an_id(void **state)
{
	struct world *w = *state;
	char last[ID_LEN + 1] = "";
	struct journal_query q = { .states = LIVE, .max = 10 };
	struct got g = { 0 };
	size_t i, all = 0;
	char key[16];

	for (i = 0; i < 25; i++) {
		snprintf(key, sizeof(key), "k%zu", i);
		put(w, key, UPLOAD_PARKED);
	}
	do {
		size_t n = list(w, &q, &g);

		assert_true(n == 10 || !g.more);
		for (i = 0; i < n; i++) {
			assert_true(strcmp(g.ids[i], last) > 0);
			memcpy(last, g.ids[i], sizeof(last));
		}
		all += n;
		q.after_id = last;
	} while (g.more);
	assert_int_equal(all, 25);
	q.max = 0; /* as many as there may be */
	q.after_id = NULL;
	assert_int_equal(list(w, &q, &g), 25);
	q.max = 25;
	assert_int_equal(list(w, &q, &g), 25);
	assert_false(g.more);
	free(g.ids);
}

static void
test_list_is_at_most_a_thousand(void **state)
{
	struct world *w = *state;
	struct journal_query q = { .states = LIVE, .max = SIZE_MAX };
	struct got g = { 0 };
	int i;

	for (i = 0; i < 1001; i++) {
		struct journal_upload u = *row("x");
		struct journal_tx tx = { .insert = &u };

		strcpy(u.key, u.id);
		journal_commit(w->journal, &tx, NULL, NULL);
	}
	assert_int_equal(list(w, &q, &g), 1000);
	assert_true(g.more);
	free(g.ids);
}

/* Attributes. */

static struct got
attrs(struct world *w, const char *prefix)
{
	char to[STORE_KEY_MAX];
	struct journal_range r = { "main", prefix, prefix, to };
	struct got g = { 0 };

	snprintf(to, sizeof(to), "%s\xff", prefix);
	journal_attrs(w->journal, &r, take, &g);
	wait_calls(w, &g, 1);
	assert_int_equal(g.err, ERR_OK);
	return g;
}

static void
put_attr(struct world *w, const char *key, int64_t mtime)
{
	struct journal_attr a = { .store = "main", .etag = "e" };
	struct journal_tx tx = { .attr = &a };

	strcpy(a.key, key);
	a.mtime = mtime;
	a.mode = 0640;
	assert_int_equal(commit(w, &tx), ERR_OK);
}

static void
test_attributes_are_replaced_and_dropped(void **state)
{
	struct world *w = *state;
	struct journal_attr drop = { .store = "main", .key = "d/a" };
	struct journal_tx tx = { .attr_drop = &drop };
	struct got g;

	put_attr(w, "d/a", 1);
	put_attr(w, "d/b", 2);
	put_attr(w, "e", 3);
	put_attr(w, "d/a", -4);
	g = attrs(w, "d/");
	assert_int_equal(g.n, 2);
	assert_string_equal(g.attrs[0].key, "d/a");
	assert_string_equal(g.attrs[0].store, "main");
	assert_string_equal(g.attrs[0].etag, "e");
	assert_int_equal(g.attrs[0].mtime, -4);
	assert_int_equal(g.attrs[0].mode, 0640);
	assert_int_equal(g.attrs[1].mtime, 2);
	assert_int_equal(commit(w, &tx), ERR_OK);
	assert_int_equal(attrs(w, "").n, 1); /* d/b lies deeper */
	assert_int_equal(attrs(w, "d/").n, 1);
	assert_int_equal(commit(w, &tx), ERR_OK); /* gone already */
}

static void
test_attributes_of_a_page_leave_deeper_folders_out(void **state)
{
	static const char *const keys[] = { "d/a",   "d/b",   "d/b!",
					    "d/b/x", "d/b/y", "d/b/y/z",
					    "d/b0",  "d/c",   "d/d" };
	struct journal_range r = { "main", "d/", "d/b", "d/c" };
	struct got g = { 0 };
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		put_attr(w, keys[i], (int64_t)i);
	journal_attrs(w->journal, &r, take, &g);
	wait_calls(w, &g, 1);
	assert_int_equal(g.err, ERR_OK);
	assert_false(g.more);
	assert_int_equal(g.n, 4);
	assert_string_equal(g.attrs[0].key, "d/b");
	assert_string_equal(g.attrs[1].key, "d/b!");
	assert_string_equal(g.attrs[2].key, "d/b0");
	assert_string_equal(g.attrs[3].key, "d/c");
	/* One key, as STAT asks. */
	g = (struct got){ 0 };
	r = (struct journal_range){ "main", "d/b", "d/b", "d/b" };
	journal_attrs(w->journal, &r, take, &g);
	wait_calls(w, &g, 1);
	assert_int_equal(g.n, 1);
	assert_string_equal(g.attrs[0].key, "d/b");
}

/* Pruning. */

static bool
prune(struct world *w, int64_t before, size_t attrs_max)
{
	struct journal_ages ages = { .before_ms = before,
				     .events_ms = before,
				     .dead_ms = before,
				     .attrs_max = attrs_max,
				     .media_max = 10 };
	struct got g = { 0 };

	journal_prune(w->journal, &ages, take, &g);
	wait_calls(w, &g, 1);
	assert_int_equal(g.err, ERR_OK);
	return g.more;
}

static struct journal_upload
put_ended(struct world *w, const char *key, int64_t at)
{
	struct journal_upload u = *row(key);
	struct store_part p = part(1);
	struct journal_tx tx = { .insert = &u, .add_parts = &p, .nadd = 1 };

	u.state = UPLOAD_PUBLISHED;
	u.ended_at = at;
	assert_int_equal(commit(w, &tx), ERR_OK);
	return u;
}

static void
test_prune_takes_old_ended_rows_with_their_parts(void **state)
{
	struct world *w = *state;
	struct journal_upload old = put_ended(w, "a", 999);
	struct journal_upload young = put_ended(w, "b", 1000);
	struct journal_upload live = put(w, "c", UPLOAD_PARKED);

	assert_false(prune(w, 1000, 10));
	assert_false(get(w, old.id).found);
	assert_true(get(w, young.id).found);
	assert_true(get(w, live.id).found);
	assert_int_equal(ask(w, "SELECT count(*) FROM parts"), 1);
}

static void
test_prune_leaves_what_has_work_left(void **state)
{
	struct world *w = *state;

	put_chores(w, UPLOAD_PUBLISHED);
	prune(w, 1000, 10);
	assert_int_equal(ask(w, "SELECT count(*) FROM uploads"), 3);
}

static void
test_prune_is_done_in_pieces(void **state)
{
	struct world *w = *state;
	int i, n = 0;

	for (i = 0; i < 1200; i++) {
		struct journal_upload u = *row("x");
		struct journal_tx tx = { .insert = &u };

		u.state = UPLOAD_ABORTED;
		journal_commit(w->journal, &tx, NULL, NULL);
	}
	while (prune(w, 1000, 10))
		n++;
	assert_int_equal(n, 2);
	assert_int_equal(ask(w, "SELECT count(*) FROM uploads"), 0);
}

static void
test_prune_leaves_the_youngest_attributes(void **state)
{
	struct world *w = *state;

	put_attr(w, "a", 1);
	put_attr(w, "b", 2);
	put_attr(w, "c", 3);
	put_attr(w, "a", 4); /* now the youngest */
	prune(w, 0, 3);
	assert_int_equal(attrs(w, "").n, 3);
	prune(w, 0, 2);
	assert_int_equal(attrs(w, "").n, 2);
	assert_int_equal(attrs(w, "b").n, 0);
	prune(w, 0, 0);
	assert_int_equal(attrs(w, "").n, 0);
}

static void
put_event(struct world *w, const char *kind)
{
	struct journal_upload u = *row("x");
	struct journal_event e = event(kind);
	struct journal_tx tx = { .event = &e, .event_upload = u.id };

	assert_int_equal(commit(w, &tx), ERR_OK);
}

/* A row of sink s or t. */
static void
put_delivery(struct world *w, int event, const char *sink, int state,
	     long long next_at)
{
	char *text = mem_printf("INSERT INTO deliveries VALUES"
				" (%d, '%s', 'k', %d, 1, 0, %lld, '')",
				event, sink, state, next_at);

	ask(w, text);
	free(text);
}

static void
test_prune_leaves_events_until_every_sink_is_past(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 0; i < 6; i++)
		put_event(w, "published");
	ask(w, "INSERT INTO sinks(name, cursor, active)"
	       " VALUES ('s', 4, 1), ('t', 3, 1), ('left', 0, 0)");
	put_delivery(w, 2, "t", 0, 0);
	prune(w, 0, 10);
	assert_int_equal(ask(w, "SELECT count(*) FROM events"), 6);
	prune(w, INT64_MAX, 10);
	/* The second waits at one of the sinks; none has seen the fourth. */
	assert_int_equal(ask(w, "SELECT sum(seq) FROM events"), 2 + 4 + 5 + 6);
	assert_int_equal(ask(w, "SELECT count(*) FROM deliveries"), 1);
}

static void
test_prune_keeps_the_dead_for_a_while(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 0; i < 3; i++)
		put_event(w, "published");
	put_delivery(w, 1, "s", 2, clock_wall_ms() + 3600000);
	put_delivery(w, 2, "s", 2, 1000);
	ask(w, "INSERT INTO sinks(name, cursor) VALUES ('s', 3)");
	prune(w, clock_wall_ms() + 60000, 10);
	assert_int_equal(ask(w, "SELECT sum(seq) FROM events"), 1 + 3);
	assert_int_equal(ask(w, "SELECT event FROM deliveries"), 1);
}

static void
test_prune_forgets_sinks_that_were_left(void **state)
{
	struct world *w = *state;

	put_event(w, "published");
	put_event(w, "published");
	ask(w, "INSERT INTO sinks(name, cursor, active, since) VALUES"
	       " ('old', 0, 0, 1000), ('new', 0, 0, 3000), ('s', 0, 1, 1)");
	put_delivery(w, 1, "old", 0, 0);
	put_delivery(w, 1, "new", 0, 0);
	prune(w, 2000, 10);
	assert_int_equal(ask(w, "SELECT count(*) FROM sinks"), 2);
	assert_int_equal(ask(w, "SELECT count(*) FROM deliveries"
				" WHERE sink = 'old'"),
			 0);
	assert_int_equal(ask(w, "SELECT count(*) FROM deliveries"), 1);
}

static void
test_prune_keeps_the_newest_event(void **state)
{
	struct world *w = *state;

	put_event(w, "published");
	put_event(w, "published");
	assert_false(prune(w, INT64_MAX, 10));
	assert_int_equal(ask(w, "SELECT sum(seq) FROM events"), 2);
	put_event(w, "published");
	assert_int_equal(ask(w, "SELECT max(seq) FROM events"), 3);
}

static void
test_prune_of_events_is_done_in_pieces(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 0; i < 20; i++) {
		put_event(w, "published");
		put_delivery(w, i + 1, "s", 0, 0);
	}
	ask(w, "INSERT INTO sinks(name, cursor) VALUES ('s', 5000)");
	/* The oldest are owed for ever; what lies behind them still goes. */
	ask(w, "WITH RECURSIVE n(i) AS"
	       " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1201)"
	       " INSERT INTO events SELECT 20 + i, printf('%032x', i),"
	       " printf('%032x', i), 'k', 0, 1, '{}' FROM n");
	assert_int_equal(ask(w, "SELECT count(*) FROM events"), 1221);
	assert_true(prune(w, INT64_MAX, 10));
	assert_true(prune(w, INT64_MAX, 10));
	assert_false(prune(w, INT64_MAX, 10));
	assert_int_equal(ask(w, "SELECT count(*) FROM events"), 21);
	/* The next series begins at the start again. */
	ask(w, "DELETE FROM deliveries WHERE event < 11");
	prune(w, INT64_MAX, 10);
	assert_int_equal(ask(w, "SELECT count(*) FROM events"), 11);
}

static void
test_prune_leaves_the_youngest_media_and_what_is_owed(void **state)
{
	struct world *w = *state;

	ask(w, "WITH RECURSIVE n(i) AS"
	       " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)"
	       " INSERT INTO media SELECT i, printf('%032x', i), 's', 'k', '',"
	       " 1, '{}' FROM n");
	ask(w, "INSERT INTO events SELECT 1, upload, upload, 'published', 0, 1,"
	       " '{}' FROM media WHERE seq = 3");
	prune(w, 0, 10);
	assert_int_equal(ask(w, "SELECT count(*) FROM media"), 11);
	assert_int_equal(ask(w, "SELECT min(seq) FROM media"), 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_find_wants_a_live_row),
		T(test_find_ended_gives_the_youngest),
		T(test_list_selects_by_state),
		T(test_list_selects_by_prefix),
		T(test_list_selects_by_user),
		T(test_list_selects_what_has_work_left),
		T(test_list_goes_on_after_an_id),
		T(test_list_is_at_most_a_thousand),
		T(test_attributes_are_replaced_and_dropped),
		T(test_attributes_of_a_page_leave_deeper_folders_out),
		T(test_prune_takes_old_ended_rows_with_their_parts),
		T(test_prune_leaves_what_has_work_left),
		T(test_prune_is_done_in_pieces),
		T(test_prune_leaves_the_youngest_attributes),
		T(test_prune_leaves_events_until_every_sink_is_past),
		T(test_prune_keeps_the_dead_for_a_while),
		T(test_prune_forgets_sinks_that_were_left),
		T(test_prune_leaves_the_youngest_media_and_what_is_owed),
		T(test_prune_keeps_the_newest_event),
		T(test_prune_of_events_is_done_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
