/* SPDX-License-Identifier: Apache-2.0 */
/* The swift driver: answers that a real cluster seldom gives. */
#include "tests/unit/swift_world.h"

/* Asking the cluster, where that could not be done at the start. */

static const char *
info(void)
{
	static const char json[] =
		"{\"swift\": {\"max_file_size\": 1073741824},"
		" \"slo\": {\"max_manifest_segments\": 500},"
		" \"bulk_delete\": {\"max_deletes_per_request\": 10000}}";
	static char reply[512];

	snprintf(reply, sizeof(reply),
		 "HTTP/1.1 200 OK\r\n" TRANS "Content-Length: %zu\r\n\r\n%s",
		 sizeof(json) - 1, json);
	return reply;
}

static struct got
begin(void)
{
	struct got g = { 0 };

	store_begin(w.store, "key", NULL, got_answer, &g);
	got_wait(&g);
	return g;
}

static void
test_limits_found_late_are_kept(void **state)
{
	const struct script_step steps[] = {
		{ .reply = LOGIN("tok1") },
		{ .reply = STATUS("503 Busy") }, /* the account */
		{ .reply = STATUS("204 x") },
		{ .reply = info() },
		{ .reply = STATUS("204 x") }, /* the container */
		{ .reply = NOT_FOUND },	      /* that of segments */
		{ .reply = CREATED },
		{ .reply = CREATED }, /* the upload */
		{ .reply = CREATED }, /* another: nothing is asked again */
	};

	(void)state;
	swift_open(steps, 9);
	assert_int_equal(store_limits(w.store)->parts_max, 1000);
	assert_int_equal(begin().err, ERR_AGAIN);
	assert_int_equal(begin().err, ERR_OK);
	assert_int_equal(store_limits(w.store)->parts_max, 500);
	assert_int_equal(store_limits(w.store)->part_max, 1 << 30);
	assert_true(swift_heard(3, "GET /info "));
	assert_true(swift_heard(6, "PUT /v1/A/c_segments "));
	assert_int_equal(begin().err, ERR_OK);
	assert_int_equal(script_requests(w.script), 9);
}

static void
test_a_missing_container_is_named(void **state)
{
	const struct script_step steps[] = {
		{ .reply = LOGIN("tok1") },   { .reply = STATUS("204 x") },
		{ .reply = info() },	      { .reply = NOT_FOUND },
		{ .reply = STATUS("204 x") }, { .reply = info() },
		{ .reply = NOT_FOUND },
	};
	struct got g;

	(void)state;
	swift_open(steps, 7);
	g = begin(); /* no object is missing, so it is not "not found" */
	assert_int_equal(g.err, ERR_IO);
	assert_string_equal(g.why, "no such container");
	memset(&g, 0, sizeof(g));
	store_probe(w.store, got_answer, &g);
	got_wait(&g);
	assert_int_equal(g.err, ERR_NOT_FOUND);
	assert_string_equal(g.why, "no such container");
}

/* Answers. */

static void
test_statuses_are_told_apart(void **state)
{
	static const struct {
		const char *reply;
		enum err err;
	} cases[] = {
		{ STATUS("403 Forbidden"), ERR_DENIED },
		{ NOT_FOUND, ERR_NOT_FOUND },
		{ "HTTP/1.1 404 Not Found\r\n" EMPTY, ERR_AGAIN },
		{ STATUS("413 Too Large"), ERR_TOO_LARGE },
		{ STATUS("422 Unprocessable"), ERR_CORRUPT },
		{ STATUS("429 Slow"), ERR_AGAIN },
		{ STATUS("498 Rate Limited"), ERR_AGAIN },
		{ STATUS("507 Full"), ERR_NO_SPACE },
		{ STATUS("302 Elsewhere"), ERR_IO },
		{ STATUS("503 Busy"), ERR_AGAIN },
	};
	enum { N = sizeof(cases) / sizeof(cases[0]) };
	struct script_step steps[N + 1] = { { .reply = LOGIN("tok1") } };

	(void)state;
	for (size_t i = 0; i < N; i++)
		steps[i + 1].reply = cases[i].reply;
	swift_open(steps, N + 1);
	for (size_t i = 0; i < N; i++)
		assert_string_equal(err_name(head_of_some()),
				    err_name(cases[i].err));
}

static void
test_a_quota_of_the_store_is_no_size_limit(void **state)
{
	const struct script_step steps[] = {
		{ .reply = LOGIN("tok1") },
		{ .reply = "HTTP/1.1 413 Too Large\r\n" TRANS
			   "Content-Length: 21\r\n\r\nUpload exceeds quota." },
	};
	struct got g = { 0 };

	(void)state;
	swift_open(steps, 2);
	store_get(w.store, "key", NULL, (struct store_range){ 0, 10 },
		  got_answer, &g);
	got_wait(&g);
	assert_int_equal(g.err, ERR_NO_SPACE);
}

/* Replies that end before their body does. */
#define PART(tag, range, length, text)                                      \
	{                                                                   \
		.reply = "HTTP/1.1 206 x\r\n" TRANS "Etag: " tag            \
			 "\r\nContent-Range: bytes " range                  \
			 "/100\r\nContent-Length: " length "\r\n\r\n" text, \
		.closes = true                                              \
	}

static void
get_bytes_2_to_7(struct got *g)
{
	store_get(w.store, "key", "mine", (struct store_range){ 2, 6 },
		  got_answer, g);
	got_wait(g);
}

static void
test_a_get_goes_on_where_it_broke(void **state)
{
	const struct script_step steps[] = {
		{ .reply = LOGIN("tok1") },
		PART("mine", "2-7", "6", "ab"),
		PART("mine", "4-7", "4", "c"),
		PART("mine", "5-7", "3", "def"),
	};
	struct got g = { 0 };

	(void)state;
	swift_open(steps, 4);
	get_bytes_2_to_7(&g);
	assert_int_equal(g.err, ERR_OK);
	assert_string_equal(g.text, "abcdef");
	assert_true(swift_heard(1, "Range: bytes=2-7\r\n"));
	assert_true(swift_heard(2, "Range: bytes=4-7\r\n"));
	assert_true(swift_heard(3, "Range: bytes=5-7\r\n"));
	assert_true(swift_heard(3, "If-Match: \"mine\"\r\n"));
}

static void
test_a_get_that_broke_does_not_go_on_with_another_object(void **state)
{
	const struct script_step steps[] = {
		{ .reply = LOGIN("tok1") },
		PART("mine", "2-7", "6", "ab"),
		PART("other", "4-7", "4", "cdef"),
	};
	struct got g = { 0 };

	(void)state;
	swift_open(steps, 3);
	get_bytes_2_to_7(&g);
	assert_int_equal(g.err, ERR_CONFLICT);
}

/* Complete, up to the manifest, whose answer is a status and a body. */
static struct got
complete(const char *status, const char *json)
{
	const struct store_target t = { .key = "key", .backend_id = ID };
	const struct store_part part = { .no = 1, .len = 3, .etag = "x" };
	char last[512];
	const struct script_step steps[] = {
		{ .reply = LOGIN("tok1") },
		{ .reply = OBJECT },	/* the upload */
		{ .reply = NOT_FOUND }, /* what is replaced */
		{ .reply = CREATED },	/* the owner */
		{ .reply = last },
		{ .reply = STATUS("204 No Content") }, /* nothing astray */
		{ .reply = STATUS("204 No Content") }, /* the upload */
	};
	struct got g = { 0 };

	snprintf(last, sizeof(last),
		 "HTTP/1.1 %s\r\n" TRANS "Content-Length: %zu\r\n\r\n%s",
		 status, strlen(json), json);
	swift_open(steps, 7);
	store_complete(w.store, t, &part, 1, got_answer, &g);
	got_wait(&g);
	assert_true(swift_heard(4, "PUT /v1/A/c/key?multipart-manifest=put&"
				   "heartbeat=on "));
	return g;
}

static void
test_a_manifest_may_fail_after_its_status(void **state)
{
	struct got g = complete("202 Accepted",
				"  {\"Response Status\": \"400 Bad Request\","
				" \"Errors\": [[\"/s/p\", \"404\"]]}");

	(void)state;
	assert_int_equal(g.err, ERR_CORRUPT);
	assert_false(g.ambiguous);
	assert_int_equal(script_requests(w.script), 5);
}

static void
test_a_manifest_that_the_cluster_failed_on_is_unknown(void **state)
{
	struct got g = complete("202 Accepted",
				"   {\"Response Status\": \"503 Busy\"}");

	(void)state;
	assert_int_equal(g.err, ERR_AGAIN);
	assert_true(g.ambiguous);
	assert_int_equal(script_requests(w.script), 5);
}

static void
test_a_manifest_whose_answer_is_cut_off_is_unknown(void **state)
{
	struct got g = complete("202 Accepted", "          ");

	(void)state;
	assert_int_equal(g.err, ERR_AGAIN);
	assert_true(g.ambiguous);
	assert_int_equal(script_requests(w.script), 5);
}

static void
test_a_manifest_refused_at_once_is_told(void **state)
{
	struct got g = complete("400 Bad Request",
				"{\"Errors\": [[\"/s/p\", \"404\"]]}");

	(void)state;
	assert_int_equal(g.err, ERR_CORRUPT);
	assert_false(g.ambiguous);
}

static void
test_a_manifest_that_worked_ends_the_upload(void **state)
{
	struct got g = complete("202 Accepted",
				" {\"Response Status\": \"201 Created\", "
				"\"Etag\": \"\\\"abc\\\"\"}");

	(void)state;
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(script_requests(w.script), 7);
	assert_true(swift_heard(6, "DELETE /v1/A/c_segments/uploads/"));
}

/* A part may be on its way, of a process that was killed. */
static void
test_abort_notes_what_may_come_later(void **state)
{
	const struct script_step steps[] = {
		{ .reply = LOGIN("tok1") },
		{ .reply = NOT_FOUND }, /* HEAD key */
		{ .reply = CREATED },	/* the note */
		{ .reply = CREATED },	/* DELETE uploads/ */
		{ .reply = CREATED },	/* listing of segments/: nothing */
		{ .reply = CREATED },	/* listing of owners/ */
	};
	const struct store_target t = { .key = "key", .backend_id = ID };
	struct got g = { 0 };

	(void)state;
	swift_open(steps, 6);
	store_abort(w.store, t, got_answer, &g);
	got_wait(&g);
	assert_int_equal(g.err, ERR_OK);
	assert_true(swift_heard(2, "PUT /v1/A/c_segments/garbage/"));
	assert_true(swift_heard(3, "DELETE /v1/A/c_segments/uploads/"));
	assert_int_equal(script_requests(w.script), 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(test_limits_found_late_are_kept),
		WITH_STORE(test_a_missing_container_is_named),
		WITH_STORE(test_statuses_are_told_apart),
		WITH_STORE(test_a_quota_of_the_store_is_no_size_limit),
		WITH_STORE(test_a_get_goes_on_where_it_broke),
		WITH_STORE(
			test_a_get_that_broke_does_not_go_on_with_another_object),
		WITH_STORE(test_a_manifest_may_fail_after_its_status),
		WITH_STORE(
			test_a_manifest_that_the_cluster_failed_on_is_unknown),
		WITH_STORE(test_a_manifest_whose_answer_is_cut_off_is_unknown),
		WITH_STORE(test_a_manifest_refused_at_once_is_told),
		WITH_STORE(test_a_manifest_that_worked_ends_the_upload),
		WITH_STORE(test_abort_notes_what_may_come_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
