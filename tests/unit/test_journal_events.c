/* SPDX-License-Identifier: Apache-2.0 */
/* Events, cursors, deliveries and media as sinks and sluicectl see them. */
#include "bridge/journal_ops.h"
#include "lib/clock.h"
#include "tests/unit/journal_world.h"

#define PAGE 8

/* A reply about events, copied. */
struct page {
	int calls;
	enum err err;
	size_t n;
	bool more;
	int64_t seq[PAGE], next_at, newest;
	uint64_t touched;
	struct journal_delivery row[PAGE];
	bool has_row[PAGE];
	struct journal_sink sinks[PAGE];
	char *media;
};

static void
take_page(void *arg, const struct journal_reply *r)
{
	struct page *p = arg;
	size_t i;

	p->calls++;
	p->err = r->err;
	p->n = r->n;
	p->more = r->more;
	p->next_at = r->next_at;
	p->newest = r->newest;
	p->touched = r->touched;
	p->media = r->media ? mem_strdup(r->media->body) : NULL;
	for (i = 0; r->events && i < r->n && i < PAGE; i++) {
		p->seq[i] = r->events[i].seq;
		p->has_row[i] = r->events[i].delivery != NULL;
		if (p->has_row[i])
			p->row[i] = *r->events[i].delivery;
	}
	for (i = 0; r->sinks && i < r->n && i < PAGE; i++)
		p->sinks[i] = r->sinks[i];
}

static struct page
wait_page(struct world *w, struct page *p)
{
	while (p->calls == 0)
		loop_turn(w->loop, 1000);
	assert_int_equal(p->err, ERR_OK);
	return *p;
}

static struct page
events(struct world *w, const struct journal_event_query *q)
{
	struct page p = { 0 };

	journal_events(w->journal, q, take_page, &p);
	return wait_page(w, &p);
}

static struct page
sinks(struct world *w, enum journal_sinks_what what)
{
	struct page p = { 0 };

	journal_sinks(w->journal, what, take_page, &p);
	return wait_page(w, &p);
}

static void
declare(struct world *w, const char *a, const char *b, bool from_start)
{
	const char *names[] = { a, b };
	bool start[] = { from_start, from_start };
	struct page p = { 0 };

	journal_sinks_declare(w->journal, names, start, b ? 2 : 1, take_page,
			      &p);
	wait_page(w, &p);
}

static void
put_events(struct world *w, int n)
{
	for (; n > 0; n--) {
		struct journal_upload u = *row("x");
		struct journal_event e = event("published");
		struct journal_tx tx = { .event = &e, .event_upload = u.id };

		assert_int_equal(commit(w, &tx), ERR_OK);
	}
}

static struct journal_delivery
delivery(int64_t event, const char *key, enum delivery_state state,
	 int64_t next_at)
{
	struct journal_delivery d = {
		.event = event,
		.state = state,
		.attempts = 1,
		.first_at = 5,
		.next_at = next_at,
		.reason = "500",
	};

	str_copy(d.key, sizeof(d.key), key);
	return d;
}

static void
settle(struct world *w, int64_t cursor, const struct journal_delivery *d,
       size_t n)
{
	struct journal_settle s = {
		.sink = "s", .cursor = cursor, .changes = d, .n = n, .now = 77
	};
	struct page p = { 0 };

	journal_settle(w->journal, &s, take_page, &p);
	wait_page(w, &p);
}

static void
test_a_new_sink_begins_at_the_newest_event(void **state)
{
	struct world *w = *state;
	struct page p;

	put_events(w, 3);
	declare(w, "s", NULL, false);
	declare(w, "s", "t", true);
	p = sinks(w, SINKS_COUNTS);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.newest, 3);
	assert_int_equal(p.sinks[0].cursor, 3);
	assert_int_equal(p.sinks[0].lag, 0);
	assert_int_equal(p.sinks[1].cursor, 0);
	assert_int_equal(p.sinks[1].lag, 3);
	/* What is declared no more keeps its place. */
	declare(w, "t", NULL, false);
	p = sinks(w, SINKS_ROWS);
	assert_false(p.sinks[0].active);
	assert_true(p.sinks[1].active);
	assert_int_equal(p.sinks[1].cursor, 0);
	declare(w, "s", "t", true);
	assert_int_equal(sinks(w, SINKS_ROWS).sinks[0].cursor, 3);
}

static void
test_events_are_read_behind_a_cursor(void **state)
{
	struct world *w = *state;
	struct journal_event_query q = {
		.which = EVENTS_AFTER, .sink = "s", .after = 1, .max = 2
	};
	struct journal_delivery d = delivery(3, "s/k", DELIVERY_DEAD, 9);
	struct page p;

	put_events(w, 4);
	declare(w, "s", NULL, true);
	settle(w, 0, &d, 1);
	p = events(w, &q);
	assert_int_equal(p.n, 2);
	assert_true(p.more);
	assert_int_equal(p.seq[0], 2);
	assert_false(p.has_row[0]);
	assert_int_equal(p.seq[1], 3);
	assert_true(p.has_row[1]);
	assert_int_equal(p.row[1].state, DELIVERY_DEAD);
	assert_string_equal(p.row[1].reason, "500");
	q.after = 3;
	assert_false(events(w, &q).more);
}

static void
test_a_cursor_never_goes_back(void **state)
{
	struct world *w = *state;

	put_events(w, 3);
	declare(w, "s", NULL, true);
	settle(w, 2, NULL, 0);
	settle(w, 1, NULL, 0);
	settle(w, 0, NULL, 0);
	assert_int_equal(sinks(w, SINKS_ROWS).sinks[0].cursor, 2);
}

static void
test_rows_are_due_in_the_order_of_their_key(void **state)
{
	struct world *w = *state;
	struct journal_event_query q = { .which = EVENTS_DUE,
					 .sink = "s",
					 .now = 100 };
	struct journal_delivery d[] = {
		delivery(1, "s/a", DELIVERY_WAITING, 100),
		delivery(2, "s/a", DELIVERY_WAITING, JOURNAL_BEHIND),
		delivery(3, "s/a", DELIVERY_WAITING, JOURNAL_BEHIND),
		delivery(4, "s/b", DELIVERY_WAITING, 101),
	};
	struct page p;

	put_events(w, 4);
	declare(w, "s", NULL, true);
	settle(w, 4, d, 4);
	p = events(w, &q);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.seq[0], 1);
	assert_int_equal(p.next_at, 101);
	/* Delivered: the next of its key is due at once. */
	d[0].state = DELIVERY_NONE;
	settle(w, 0, d, 1);
	p = events(w, &q);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.seq[0], 2);
	assert_int_equal(p.row[0].next_at, 77);
	/* Dead: likewise. */
	d[1].state = DELIVERY_DEAD;
	settle(w, 0, &d[1], 1);
	assert_int_equal(events(w, &q).seq[0], 3);
	q.which = EVENTS_WAITING;
	p = events(w, &q);
	assert_int_equal(p.n, 2);
	assert_string_equal(p.row[0].key, "s/a");
	q.which = EVENTS_DEAD;
	p = events(w, &q);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.seq[0], 2);
	p = sinks(w, SINKS_COUNTS);
	assert_int_equal(p.sinks[0].waiting, 2);
	assert_int_equal(p.sinks[0].dead, 1);
}

static void
test_a_row_of_an_event_that_is_gone_is_not_made(void **state)
{
	struct world *w = *state;
	struct journal_delivery d = delivery(9, "s/a", DELIVERY_WAITING, 1);

	put_events(w, 1);
	declare(w, "s", NULL, true);
	settle(w, 1, &d, 1);
	assert_int_equal(sinks(w, SINKS_COUNTS).sinks[0].waiting, 0);
	assert_int_equal(sinks(w, SINKS_ROWS).sinks[0].cursor, 1);
}

static void
test_the_state_of_a_sink_is_kept(void **state)
{
	struct world *w = *state;
	struct journal_settle s = { .sink = "s",
				    .set_state = true,
				    .state = JOURNAL_SINK_DISABLED,
				    .reason = "410 Gone",
				    .config = "abc",
				    .now = 5 };
	struct page p = { 0 };

	declare(w, "s", NULL, true);
	journal_settle(w->journal, &s, take_page, &p);
	wait_page(w, &p);
	reopen(w);
	p = sinks(w, SINKS_ROWS);
	assert_int_equal(p.sinks[0].state, JOURNAL_SINK_DISABLED);
	assert_string_equal(p.sinks[0].reason, "410 Gone");
	assert_string_equal(p.sinks[0].config, "abc");
	assert_int_equal(p.sinks[0].since, 5);
}

/* What sluicectl writes, by a connection of its own. */
static void *
operator(struct world *w)
{
	struct journal_place place = { .path = w->path, .lock_path = w->lock };
	void *db;

	assert_int_equal(journal_sqlite.open(&db, &place), ERR_OK);
	assert_int_equal(journal_sqlite.begin(db, true), ERR_OK);
	return db;
}

static void
operator_done(void *db)
{
	assert_int_equal(journal_sqlite.commit(db), ERR_OK);
	journal_sqlite.close(db);
}

static void
test_an_operator_revives_what_is_dead(void **state)
{
	struct world *w = *state;
	struct journal_event_query q = { .which = EVENTS_DUE,
					 .sink = "s",
					 .now = INT64_MAX - 1 };
	struct journal_delivery d[] = {
		delivery(1, "s/a", DELIVERY_DEAD, 1),
		delivery(2, "s/b", DELIVERY_DEAD, 1),
	};
	void *db;
	uint64_t n;

	put_events(w, 2);
	declare(w, "s", NULL, true);
	settle(w, 2, d, 2);
	assert_int_equal(sinks(w, SINKS_NEWS).touched, 0);
	db = operator(w);
	assert_int_equal(journal_sqlite.revive(db, "nothing", NULL, &n),
			 ERR_NOT_FOUND);
	assert_int_equal(journal_sqlite.revive(db, NULL, "t", &n),
			 ERR_NOT_FOUND);
	assert_int_equal(journal_sqlite.revive(db, NULL, "s", &n), ERR_OK);
	assert_int_equal(n, 2);
	operator_done(db);
	assert_true(sinks(w, SINKS_NEWS).touched > 0);
	assert_int_equal(events(w, &q).n, 2);
}

static void
test_an_operator_enables_a_sink(void **state)
{
	struct world *w = *state;
	void *db;

	declare(w, "s", NULL, true);
	ask(w, "UPDATE sinks SET state = 2");
	db = operator(w);
	assert_int_equal(journal_sqlite.enable(db, "t"), ERR_NOT_FOUND);
	assert_int_equal(journal_sqlite.enable(db, "s"), ERR_OK);
	operator_done(db);
	assert_int_equal(sinks(w, SINKS_ROWS).sinks[0].state, JOURNAL_SINK_ON);
	assert_int_equal(sinks(w, SINKS_NEWS).touched, 1);
}

static void
test_media_is_replaced_and_outlives_its_upload(void **state)
{
	struct world *w = *state;
	struct journal_media m = { .store = "main", .key = "k", .etag = "e" };
	struct journal_rows rows = { 0 };
	struct page p = { 0 };
	void *db;

	id_new(m.upload);
	m.body = "{\"status\":\"failed\"}";
	journal_media_put(w->journal, &m, NULL, NULL);
	m.body = "{\"status\":\"ok\"}";
	journal_media_put(w->journal, &m, NULL, NULL);
	journal_media_get(w->journal, m.upload, take_page, &p);
	wait_page(w, &p);
	assert_string_equal(p.media, m.body);
	free(p.media);
	p.calls = 0;
	journal_media_get(w->journal, "none", take_page, &p);
	wait_page(w, &p);
	assert_null(p.media);
	db = operator(w);
	assert_int_equal(journal_sqlite.media(db, NULL, "main", "k", &rows),
			 ERR_OK);
	assert_string_equal(rows.media.upload, m.upload);
	assert_string_equal(rows.media.etag, "e");
	assert_true(rows.media.at > 0);
	journal_rows_free(&rows);
	operator_done(db);
}

static void
test_an_upload_is_parked_many_times(void **state)
{
	struct world *w = *state;
	struct journal_upload u = *row("x");
	struct journal_event e = event("parked");
	struct journal_tx tx = { .event = &e, .event_upload = u.id };

	assert_int_equal(commit(w, &tx), ERR_OK);
	assert_int_equal(commit(w, &tx), ERR_OK);
	e.kind = "lost";
	assert_int_equal(commit(w, &tx), ERR_OK);
	assert_int_equal(commit(w, &tx), ERR_EXISTS);
	assert_int_equal(ask(w, "SELECT count(*) FROM events"), 3);
}

static void
test_a_page_is_bounded_in_bytes(void **state)
{
	struct world *w = *state;
	struct journal_event_query q = { .which = EVENTS_AFTER };
	struct page p;

	ask(w, "WITH RECURSIVE n(i) AS"
	       " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
	       " INSERT INTO events SELECT i, printf('%032x', i),"
	       " printf('%032x', i), 'k', 0, 1, printf('%016384d', 0) FROM n");
	p = events(w, &q);
	assert_true(p.more);
	assert_int_equal(p.n, JOURNAL_PAGE_BYTES / 16384);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_new_sink_begins_at_the_newest_event),
		T(test_events_are_read_behind_a_cursor),
		T(test_a_cursor_never_goes_back),
		T(test_rows_are_due_in_the_order_of_their_key),
		T(test_a_row_of_an_event_that_is_gone_is_not_made),
		T(test_the_state_of_a_sink_is_kept),
		T(test_an_operator_revives_what_is_dead),
		T(test_an_operator_enables_a_sink),
		T(test_media_is_replaced_and_outlives_its_upload),
		T(test_an_upload_is_parked_many_times),
		T(test_a_page_is_bounded_in_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
