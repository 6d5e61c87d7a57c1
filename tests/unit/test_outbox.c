/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of events at sinks that do as they like. */
#include <jansson.h>
#include <sys/wait.h>

#include "bridge/journal_ops.h"
#include "tests/unit/outbox_world.h"

static int
make(void **state)
{
	*state = outbox_world_new();
	return 0;
}

static int
unmake(void **state)
{
	outbox_world_free(*state);
	return 0;
}

#define SECOND 1000u
#define HOUR (3600 * SECOND)

static void
put_many(struct world *w, int n, int keys)
{
	char key[32];
	int i;

	for (i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "k%d", i % keys);
		put_event(w, "published", key, NULL);
	}
}

static void
run(struct outbox_world *o)
{
	outbox_world_run(o, 200, 3000);
	assert_true(outbox_idle(o->outbox));
}

/* The number of an event that was sent. */
static long long
seq_of(struct world *w, const char *id)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT seq FROM events WHERE id = '%s'",
		 id);
	return ask(w, sql);
}

/*
 * What was delivered: every event once (or again with the same id), of each
 * key in the order of the events.
 */
static void
check_order(struct outbox_world *o, const struct fake_sink *f)
{
	long long *last = mem_array(10000, sizeof(*last)), seq;
	size_t i;
	int key;

	for (i = 0; i < f->n; i++) {
		if (!f->seen[i].answered ||
		    f->seen[i].outcome != SINK_DELIVERED)
			continue;
		assert_int_equal(sscanf(f->seen[i].key, "main/k%d", &key), 1);
		seq = seq_of(o->w, f->seen[i].id);
		assert_true(seq > last[key]);
		last[key] = seq;
	}
	free(last);
}

static void
test_events_arrive_once_and_in_order(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 7);

	put_many(o->w, 200, 10);
	outbox_world_open(o);
	run(o);
	assert_int_equal(f->n, 200);
	assert_int_equal(f->most, 7);
	check_order(o, f);
	assert_int_equal(ask(o->w, "SELECT cursor FROM sinks"), 200);
	assert_int_equal(ask(o->w, "SELECT count(*) FROM deliveries"), 0);
	/* And what comes later. */
	put_many(o->w, 3, 1);
	run(o);
	assert_int_equal(f->n, 203);
	outbox_world_close(o);
	assert_int_equal(ask(o->w, "SELECT cursor FROM sinks"), 203);
}

static int
fail_k1_twice(struct fake_sink *f, const struct seen *s)
{
	int *left = f->arg;

	if (!strcmp(s->key, "main/k1") && *left > 0) {
		--*left;
		return SINK_RETRY;
	}
	return SINK_DELIVERED;
}

static void
test_a_failed_event_holds_up_its_key_alone(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 4);
	int left = 2;

	f->script = fail_k1_twice;
	f->arg = &left;
	put_many(o->w, 12, 3);
	outbox_world_open(o);
	outbox_world_run(o, 0, 30);
	/* Eight of the others; the four of k1 are rows, one of them due. */
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), 8);
	assert_int_equal(ask(o->w, "SELECT count(*) FROM deliveries"), 4);
	assert_int_equal(ask(o->w, "SELECT count(*) FROM deliveries"
				   " WHERE next_at < 9000000000000000000"),
			 1);
	assert_int_equal(ask(o->w, "SELECT cursor FROM sinks"), 12);
	put_event(o->w, "deleted", "k1", NULL);
	run(o);
	assert_int_equal(fake_sink_count(f, SINK_RETRY), 2);
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), 13);
	check_order(o, f);
	assert_int_equal(ask(o->w, "SELECT count(*) FROM deliveries"), 0);
}

static int
refuse_first(struct fake_sink *f, const struct seen *s)
{
	return s == &f->seen[0] ? SINK_REFUSED : SINK_DELIVERED;
}

static void
test_a_refused_event_is_dead_and_its_key_goes_on(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 4);

	f->script = refuse_first;
	put_many(o->w, 3, 1);
	outbox_world_open(o);
	run(o);
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), 2);
	assert_int_equal(ask(o->w, "SELECT event FROM deliveries"
				   " WHERE state = 2 AND reason = 'scripted'"
				   " AND attempts = 1"),
			 1);
}

static int
fail_k1(struct fake_sink *f, const struct seen *s)
{
	(void)f;
	return strcmp(s->key, "main/k1") ? SINK_DELIVERED : SINK_RETRY;
}

static void
test_an_event_dies_after_its_time(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 4);
	uint64_t since = world_now;

	f->script = fail_k1;
	o->cfg.sinks[0].retry_for_ms = 10 * HOUR;
	put_event(o->w, "published", "k1", NULL);
	put_event(o->w, "published", "k0", NULL);
	outbox_world_open(o);
	outbox_world_run(o, 600 * SECOND, 3000);
	assert_true(outbox_idle(o->outbox));
	assert_true(world_now - since >= 10 * HOUR);
	/* At most an hour between two attempts, seconds at first. */
	assert_in_range(fake_sink_count(f, SINK_RETRY), 10, 60);
	assert_int_equal(ask(o->w, "SELECT state FROM deliveries"), 2);
	assert_int_equal(ask(o->w, "SELECT event FROM deliveries"), 1);
}

static void
test_what_a_peer_asks_for_is_waited_for(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 4);
	int left = 1;

	f->script = fail_k1_twice;
	f->arg = &left;
	f->retry_after_ms = 2 * HOUR;
	put_event(o->w, "published", "k1", NULL);
	outbox_world_open(o);
	outbox_world_run(o, 60 * SECOND, 110);
	assert_int_equal(f->n, 1);
	outbox_world_run(o, 60 * SECOND, 60);
	assert_int_equal(f->n, 2);
}

static int
down_while(struct fake_sink *f, const struct seen *s)
{
	(void)s;
	return *(bool *)f->arg ? SINK_DOWN : SINK_DELIVERED;
}

static void
test_a_sink_that_is_down_costs_no_rows(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 4);
	bool down = true;

	f->script = down_while;
	f->arg = &down;
	put_many(o->w, 50, 50);
	outbox_world_open(o);
	outbox_world_run(o, SECOND, 300);
	/* Four at first, then one now and then. */
	assert_in_range(f->n, 6, 60);
	assert_int_equal(ask(o->w, "SELECT count(*) FROM deliveries"), 0);
	assert_int_equal(ask(o->w, "SELECT cursor FROM sinks"), 0);
	assert_int_equal(ask(o->w, "SELECT state FROM sinks"), 1);
	down = false;
	run(o);
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), 50);
	check_order(o, f);
	assert_int_equal(ask(o->w, "SELECT state FROM sinks"), 0);
}

static int
always_retry(struct fake_sink *f, const struct seen *s)
{
	(void)f;
	(void)s;
	return SINK_RETRY;
}

static void
test_many_failures_in_a_row_are_a_sink_that_is_down(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 4);

	f->script = always_retry;
	put_many(o->w, 500, 500);
	outbox_world_open(o);
	outbox_world_run(o, SECOND, 300);
	assert_in_range(f->n, 10, 80);
	assert_int_equal(ask(o->w, "SELECT state FROM sinks"), 1);
	f->script = NULL;
	run(o);
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), 500);
	check_order(o, f);
}

static int
gone(struct fake_sink *f, const struct seen *s)
{
	(void)f;
	(void)s;
	return SINK_GONE;
}

static void
test_a_sink_that_is_gone_is_left_alone(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 1);
	void *db;
	struct journal_place place = { .path = o->w->path,
				       .lock_path = o->w->lock };

	f->script = gone;
	put_many(o->w, 3, 3);
	outbox_world_open(o);
	outbox_world_run(o, HOUR, 50);
	assert_int_equal(f->n, 1);
	assert_int_equal(ask(o->w, "SELECT state FROM sinks"), 2);
	/* It stays so over a restart. */
	outbox_world_close(o);
	f->script = NULL;
	outbox_world_open(o);
	outbox_world_run(o, HOUR, 50);
	assert_int_equal(f->n, 1);
	/* Until an operator says otherwise. */
	assert_int_equal(journal_sqlite.open(&db, &place), ERR_OK);
	assert_int_equal(journal_sqlite.begin(db, true), ERR_OK);
	assert_int_equal(journal_sqlite.enable(db, "s"), ERR_OK);
	assert_int_equal(journal_sqlite.commit(db), ERR_OK);
	journal_sqlite.close(db);
	run(o);
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), 3);
}

static void
test_a_changed_configuration_enables_a_sink(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 1);

	f->script = gone;
	put_many(o->w, 3, 3);
	outbox_world_open(o);
	outbox_world_run(o, HOUR, 50);
	outbox_world_close(o);
	f->script = NULL;
	strcpy(o->cfg.sinks[0].digest, "second");
	outbox_world_open(o);
	run(o);
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), 3);
	assert_int_equal(ask(o->w, "SELECT state FROM sinks"), 0);
}

static int
no_answer_k1(struct fake_sink *f, const struct seen *s)
{
	(void)f;
	return strcmp(s->key, "main/k1") ? SINK_DELIVERED : -1;
}

static void
test_one_that_never_answers_holds_up_its_key_alone(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 2);

	f->script = no_answer_k1;
	put_many(o->w, 90, 3);
	outbox_world_open(o);
	outbox_world_run(o, 100, 200);
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), 60);
	assert_int_equal(f->open, 1);
	/* The cursor stays before it: it is sent again, with the rest. */
	assert_int_equal(ask(o->w, "SELECT cursor FROM sinks"), 1);
	outbox_world_close(o);
	assert_int_equal(f->open, 0);
	f->script = NULL;
	fake_sink_reset(f);
	outbox_world_open(o);
	run(o);
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), 89);
	check_order(o, f);
}

static unsigned long long random_state;

static unsigned
next_random(unsigned n)
{
	random_state =
		random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(random_state >> 33) % n;
}

static int
at_random(struct fake_sink *f, const struct seen *s)
{
	(void)f;
	(void)s;
	switch (next_random(20)) {
	case 0:
		return SINK_DOWN;
	case 1:
		return SINK_REFUSED;
	case 2:
	case 3:
	case 4:
		return SINK_RETRY;
	case 5:
	case 6:
	case 7:
		return -1;
	default:
		return SINK_DELIVERED;
	}
}

/* Delivered or dead, each event at each sink; nothing else is left. */
static void
check_complete(struct outbox_world *o, const struct fake_sink *f, int events)
{
	char sql[128];
	long long dead;

	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM deliveries WHERE sink = '%s'"
		 " AND state = 2",
		 f == o->sinks[0] ? "s" : "t");
	dead = ask(o->w, sql);
	assert_int_equal(fake_sink_count(f, SINK_REFUSED), dead);
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), events - dead);
	check_order(o, f);
}

static void
test_order_holds_whatever_happens(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 5);
	struct fake_sink *g = outbox_world_sink(o, "t", 1);

	random_state = 42;
	f->script = g->script = at_random;
	put_many(o->w, 150, 12);
	outbox_world_open(o);
	outbox_world_run(o, SECOND, 100);
	put_many(o->w, 150, 12);
	outbox_world_run(o, 10 * SECOND, 20000);
	assert_true(outbox_idle(o->outbox));
	check_complete(o, f, 300);
	check_complete(o, g, 300);
	assert_int_equal(ask(o->w, "SELECT count(*) FROM deliveries"
				   " WHERE state = 0"),
			 0);
}

static void
test_sinks_do_not_wait_for_each_other(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 5);
	struct fake_sink *g = outbox_world_sink(o, "t", 5);
	bool down = true;

	f->script = down_while;
	f->arg = &down;
	put_many(o->w, 100, 10);
	outbox_world_open(o);
	outbox_world_run(o, 100, 200);
	assert_int_equal(fake_sink_count(g, SINK_DELIVERED), 100);
	assert_int_equal(ask(o->w, "SELECT cursor FROM sinks"
				   " WHERE name = 't'"),
			 100);
	assert_int_equal(ask(o->w, "SELECT cursor FROM sinks"
				   " WHERE name = 's'"),
			 0);
}

#define EVENTS 240

static void
test_a_sink_that_cannot_be_opened_keeps_its_events(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 3);

	put_many(o->w, 5, 5);
	o->sinks[0] = NULL;
	outbox_world_open(o);
	outbox_world_run(o, 100, 5);
	assert_int_equal(ask(o->w, "SELECT active AND state = 1 AND cursor = 0"
				   " FROM sinks"),
			 1);
	outbox_world_close(o);
	o->sinks[0] = f;
	outbox_world_open(o);
	run(o);
	assert_int_equal(f->n, 5);
	assert_int_equal(ask(o->w, "SELECT state FROM sinks"), 0);
}

/* Killed: a child delivers so many and is gone. */
struct killed {
	int fd;
	unsigned left;
};

static int
deliver_until_killed(struct fake_sink *f, const struct seen *s)
{
	struct killed *k = f->arg;

	if (write(k->fd, s->id, ID_LEN) != ID_LEN || --k->left == 0)
		_exit(0);
	return strcmp(s->key, "main/k3") ? SINK_DELIVERED : SINK_RETRY;
}

static void
child(struct outbox_world *o, int fd, unsigned left)
{
	struct killed k = { fd, left };

	assert_int_equal(try_open(o->w), ERR_OK);
	o->sinks[0]->script = deliver_until_killed;
	o->sinks[0]->arg = &k;
	outbox_world_open(o);
	outbox_world_run(o, 100, 5000);
	_exit(1);
}

/* ids: one after the other, ID_LEN each. */
static bool
contains(const char *ids, size_t n, const char *id)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!memcmp(ids + i * ID_LEN, id, ID_LEN))
			return true;
	return false;
}

static void
test_a_kill_repeats_and_loses_nothing(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 3);
	char *ids = mem_alloc(8192 * ID_LEN), id[ID_LEN + 1];
	size_t n = 0, i;
	ssize_t got;
	int fds[2], status, kill;

	put_many(o->w, EVENTS, 8);
	close_journal(o->w);
	for (kill = 1; kill <= 6; kill++) {
		assert_int_equal(pipe(fds), 0);
		if (fork() == 0)
			child(o, fds[1], (unsigned)kill * 5);
		close(fds[1]);
		while ((got = read(fds[0], ids + n * ID_LEN, ID_LEN)) > 0)
			n++;
		close(fds[0]);
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(try_open(o->w), ERR_OK);
	outbox_world_open(o);
	outbox_world_run(o, 60 * SECOND, 3000);
	assert_true(outbox_idle(o->outbox));
	check_order(o, f);
	for (i = 0; i < f->n; i++)
		memcpy(ids + n++ * ID_LEN, f->seen[i].id, ID_LEN);
	for (i = 0; i < EVENTS; i++) {
		char sql[128];
		sqlite3 *db;
		sqlite3_stmt *st;

		snprintf(sql, sizeof(sql),
			 "SELECT id FROM events ORDER BY seq LIMIT 1 OFFSET "
			 "%zu",
			 i);
		sqlite3_open(o->w->path, &db);
		sqlite3_prepare_v2(db, sql, -1, &st, NULL);
		assert_int_equal(sqlite3_step(st), SQLITE_ROW);
		str_copy(id, sizeof(id),
			 (const char *)sqlite3_column_text(st, 0));
		sqlite3_finalize(st);
		sqlite3_close(db);
		assert_true(contains(ids, n, id));
	}
	free(ids);
}

static void
test_filters_choose_events(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 3);
	char *paths[] = { "/in/*.mov", NULL };

	o->cfg.sinks[0].paths = paths;
	o->cfg.sinks[0].kinds = 1u << OUTBOX_PUBLISHED;
	put_event(o->w, "published", "in/a.mov", NULL);
	put_event(o->w, "published", "in/a.txt", NULL);
	put_event(o->w, "deleted", "in/a.mov", NULL);
	put_event(o->w, "something", "in/a.mov", NULL);
	outbox_world_open(o);
	run(o);
	assert_int_equal(f->n, 1);
	assert_string_equal(f->seen[0].key, "main/in/a.mov");
	assert_int_equal(ask(o->w, "SELECT cursor FROM sinks"), 4);
}

static void
test_a_damaged_row_holds_nothing_up(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 3);

	put_many(o->w, 3, 3);
	ask(o->w, "UPDATE events SET body = 'no' WHERE seq = 2");
	outbox_world_open(o);
	run(o);
	assert_int_equal(f->n, 2);
	assert_int_equal(ask(o->w, "SELECT event FROM deliveries"
				   " WHERE state = 2"),
			 2);
}

static void
test_globs_match(void **state)
{
	(void)state;
	assert_true(outbox_glob("*", ""));
	assert_true(outbox_glob("/a/*.mov", "/a/b/c.mov"));
	assert_true(outbox_glob("*a*b*", "xxaxxbxx"));
	assert_true(outbox_glob("a?c", "abc"));
	assert_false(outbox_glob("a?c", "ac"));
	assert_false(outbox_glob("*.mov", "a.mov2"));
	assert_false(outbox_glob("", "a"));
}

/* Probes. */

static int
probe_not_k1(struct fake_sink *f, const struct seen *s)
{
	struct outbox_world *o = f->arg;
	struct journal_media m = { .store = "main",
				   .body = "{\"codec\":\"x\"}" };
	char sql[160];
	json_t *e;

	if (!strcmp(s->key, "main/k1"))
		return -1;
	e = json_loads(s->json, 0, NULL);
	str_copy(m.upload, sizeof(m.upload),
		 json_string_value(json_object_get(json_object_get(e, "data"),
						   "upload")));
	json_decref(e);
	snprintf(sql, sizeof(sql), "SELECT 1 FROM media WHERE upload = '%s'",
		 m.upload);
	journal_media_put(o->w->journal, &m, NULL, NULL);
	while (ask(o->w, sql) < 0)
		loop_turn(o->w->loop, 10);
	return SINK_DELIVERED;
}

static void
test_published_events_wait_for_their_probe(void **state)
{
	struct outbox_world *o = *state;
	struct fake_sink *f = outbox_world_sink(o, "s", 3);

	o->cfg.wait = true;
	o->prober = fake_sink_new(2);
	o->prober->script = probe_not_k1;
	o->prober->arg = o;
	outbox_world_open(o);
	run(o);
	put_event(o->w, "published", "k0", NULL);
	put_event(o->w, "published", "k1", NULL);
	put_event(o->w, "deleted", "k1", NULL);
	put_event(o->w, "deleted", "k2", NULL);
	outbox_world_run(o, 100, 100);
	/* All but k1 and what comes behind it. */
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), 2);
	assert_int_equal(o->prober->n, 2);
	/* After a minute it goes without. */
	outbox_world_run(o, SECOND, 100);
	assert_int_equal(fake_sink_count(f, SINK_DELIVERED), 4);
	check_order(o, f);
	for (size_t i = 0; i < f->n; i++) {
		bool has = strstr(f->seen[i].json,
				  "\"media\":{\"codec\":\"x\"}") != NULL;

		assert_int_equal(has, !strcmp(f->seen[i].key, "main/k0"));
	}
}

static void
test_events_are_cloud_events(void **state)
{
	static const char body[] =
		"{\"id\":\"i\",\"type\":\"lost\",\"time\":\"T\",\"store\":"
		"\"m\","
		"\"key\":\"a\\\"b\\nc\xc3\xa4\",\"user\":\"ann\"}";
	struct outbox_config cfg = { .source = "urn:x", .type_prefix = "p" };
	struct journal_event_row row = { .id = "0123", .kind = "lost" };
	struct outbox_event e;
	json_t *o;

	(void)state;
	row.body = (char *)body;
	assert_int_equal(outbox_event_make(&e, &cfg, &row, "{\"a\":[1]}"),
			 ERR_OK);
	assert_string_equal(e.e.type, "p.upload.lost");
	assert_string_equal(e.e.subject, "a\"b\nc\xc3\xa4");
	assert_string_equal(e.e.data,
			    "{\"store\":\"m\",\"key\":\"a\\\"b\\nc\xc3\xa4\","
			    "\"user\":\"ann\",\"media\":{\"a\":[1]}}");
	o = json_loadb(e.e.json, e.e.json_len, 0, NULL);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "subject")),
			    e.e.subject);
	assert_string_equal(
		json_string_value(json_object_get(o, "partitionkey")),
		e.e.partitionkey);
	assert_string_equal(json_string_value(json_object_get(o, "id")),
			    "0123");
	assert_true(json_is_object(json_object_get(o, "data")));
	json_decref(o);
	outbox_event_free(&e);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_events_arrive_once_and_in_order),
		T(test_a_failed_event_holds_up_its_key_alone),
		T(test_a_refused_event_is_dead_and_its_key_goes_on),
		T(test_an_event_dies_after_its_time),
		T(test_what_a_peer_asks_for_is_waited_for),
		T(test_a_sink_that_is_down_costs_no_rows),
		T(test_many_failures_in_a_row_are_a_sink_that_is_down),
		T(test_a_sink_that_is_gone_is_left_alone),
		T(test_a_changed_configuration_enables_a_sink),
		T(test_one_that_never_answers_holds_up_its_key_alone),
		T(test_order_holds_whatever_happens),
		T(test_sinks_do_not_wait_for_each_other),
		T(test_a_sink_that_cannot_be_opened_keeps_its_events),
		T(test_a_kill_repeats_and_loses_nothing),
		T(test_filters_choose_events),
		T(test_a_damaged_row_holds_nothing_up),
		T(test_published_events_wait_for_their_probe),
		cmocka_unit_test(test_globs_match),
		cmocka_unit_test(test_events_are_cloud_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
