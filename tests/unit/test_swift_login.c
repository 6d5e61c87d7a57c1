/* SPDX-License-Identifier: Apache-2.0 */
/* How the swift driver logs in. */
#include "tests/unit/swift_world.h"

#include <sys/stat.h>

#include "bridge/swift_auth.h"
#include "lib/clock.h"

#define MANY 200
#define THOUSAND 1000
#define HELD 8 /* fewer than the connections of a store */

static void
test_one_login_serves_all_calls(void **state)
{
	static struct script_step steps[MANY + 1];
	static struct got all[MANY];

	(void)state;
	memset(all, 0, sizeof(all));
	steps[0].reply = LOGIN("tok1");
	for (size_t i = 1; i <= MANY; i++)
		steps[i].reply = OBJECT;
	swift_open(steps, MANY + 1);
	for (size_t i = 0; i < MANY; i++)
		store_head(w.store, "key", got_answer, &all[i]);
	for (size_t i = 0; i < MANY; i++) {
		got_wait(&all[i]);
		assert_int_equal(all[i].err, ERR_OK);
	}
	assert_int_equal(script_requests(w.script), MANY + 1);
	assert_true(swift_heard(0, "GET /auth/v1.0 "));
	assert_true(swift_heard(0, "X-Auth-Key: secret\r\n"));
	for (unsigned i = 1; i <= MANY; i++)
		assert_true(swift_heard(i, "X-Auth-Token: tok1\r\n"));
}

static void
test_a_token_that_all_calls_see_refused_is_renewed_once(void **state)
{
	struct script_step steps[2 * HELD + 2] = { { 0 } };
	struct got all[HELD] = { { 0 } };

	(void)state;
	steps[0].reply = LOGIN("tok1");
	for (size_t i = 1; i <= HELD; i++) {
		steps[i].reply = STATUS("401 Unauthorized");
		steps[i].holds = true;
		steps[HELD + 1 + i].reply = OBJECT;
	}
	steps[HELD + 1].reply = LOGIN("tok2");
	swift_open(steps, 2 * HELD + 2);
	for (size_t i = 0; i < HELD; i++)
		store_head(w.store, "key", got_answer, &all[i]);
	while (script_held(w.script) < HELD)
		loop_turn(w.loop, 10);
	script_release(w.script);
	for (size_t i = 0; i < HELD; i++) {
		got_wait(&all[i]);
		assert_int_equal(all[i].err, ERR_OK);
	}
	assert_int_equal(script_requests(w.script), 2 * HELD + 2);
	assert_true(swift_heard(HELD + 1, "GET /auth/v1.0 "));
	for (unsigned i = HELD + 2; i < 2 * HELD + 2; i++)
		assert_true(swift_heard(i, "X-Auth-Token: tok2\r\n"));
}

static struct store_slot
slot(uint32_t i)
{
	return (struct store_slot){ .no = i + 1, .off = 3 * (uint64_t)i };
}

/* They all wait for the one that is asked for. */
static void
test_a_thousand_parts_after_expiry_ask_for_one_token(void **state)
{
	static struct script_step steps[2 * THOUSAND + 3];
	static struct got all[THOUSAND];
	const struct store_target t = { .key = "key", .backend_id = ID };
	const struct store_body body = { .data = "abc", .len = 3 };
	int64_t dies;

	(void)state;
	memset(all, 0, sizeof(all));
	for (size_t i = 0; i < 2 * THOUSAND + 3; i++)
		steps[i].reply = OBJECT; /* to a PUT, or to HEAD */
	steps[0].reply = LOGIN_FOR("tok1", "1");
	steps[2].reply = LOGIN("tok2");
	swift_open(steps, 2 * THOUSAND + 3);
	assert_int_equal(head_of_some(), ERR_OK);
	dies = clock_wall_ms() + 1000;
	while (clock_wall_ms() <= dies)
		loop_turn(w.loop, 100);
	for (size_t i = 0; i < THOUSAND; i++)
		store_put_part(w.store, t, slot((uint32_t)i), &body, got_answer,
			       &all[i]);
	for (size_t i = 0; i < THOUSAND; i++) {
		got_wait(&all[i]);
		assert_int_equal(all[i].err, ERR_OK);
	}
	assert_int_equal(script_requests(w.script), 2 * THOUSAND + 3);
	assert_true(swift_heard(2, "GET /auth/v1.0 "));
	for (unsigned i = 3; i < 2 * THOUSAND + 3; i++)
		assert_true(swift_heard(i, "X-Auth-Token: tok2\r\n"));
}

static void
test_a_new_token_that_is_refused_does_not_mean_denied(void **state)
{
	const struct script_step steps[] = {
		{ .reply = LOGIN("tok1") },
		{ .reply = STATUS("401 Unauthorized") },
		{ .reply = LOGIN("tok2") },
		{ .reply = STATUS("401 Unauthorized") },
	};

	(void)state;
	swift_open(steps, 4);
	assert_int_equal(head_of_some(), ERR_AGAIN);
	assert_int_equal(script_requests(w.script), 4);
}

static void
test_only_the_login_service_denies(void **state)
{
	const struct script_step steps[] = {
		{ .reply = STATUS("503 Busy") },
		{ .reply = STATUS("401 Unauthorized") },
		{ .reply = LOGIN("tok1") },
		{ .reply = OBJECT },
	};

	(void)state;
	swift_open(steps, 4);
	assert_int_equal(head_of_some(), ERR_AGAIN);
	assert_int_equal(head_of_some(), ERR_DENIED);
	assert_int_equal(head_of_some(), ERR_OK);
}

/* The token that was taken until now is not, and no other can be had. */
static void
test_a_revoked_credential_is_told(void **state)
{
	const struct script_step steps[] = {
		{ .reply = LOGIN("tok1") },
		{ .reply = OBJECT },
		{ .reply = STATUS("401 Unauthorized") },
		{ .reply = STATUS("401 Unauthorized") }, /* the login */
	};
	struct got g = { 0 };

	(void)state;
	swift_open(steps, 4);
	assert_int_equal(head_of_some(), ERR_OK);
	store_head(w.store, "key", got_answer, &g);
	got_wait(&g);
	assert_int_equal(g.err, ERR_DENIED);
	assert_string_equal(g.why, "the login service refused the credentials");
	assert_int_equal(script_requests(w.script), 4);
	assert_true(swift_heard(3, "GET /auth/v1.0 "));
}

static enum err
try_credential(const char *status, const char *body, char why[128])
{
	char reply[512];
	struct script_step step = { .reply = reply };
	struct got g = { 0 };

	snprintf(reply, sizeof(reply),
		 "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status,
		 strlen(body), body);
	w.credential = "0123";
	swift_open(&step, 1);
	store_head(w.store, "key", got_answer, &g);
	got_wait(&g);
	str_copy(why, 128, g.why);
	return g.err;
}

/* As Keystone says it. */
static void
test_a_deleted_application_credential_is_told(void **state)
{
	char why[128];
	enum err err = try_credential(
		"404 NOT FOUND",
		"{\"error\":{\"code\":404,\"message\":\"Could not find "
		"Application Credential: 0123.\",\"title\":\"Not Found\"}}",
		why);

	(void)state;
	assert_int_equal(err, ERR_DENIED);
	assert_non_null(strstr(why, "no such application credential"));
	assert_true(swift_heard(0, "POST /v3/auth/tokens "));
}

static void
test_a_missing_login_service_is_no_deleted_credential(void **state)
{
	char why[128];
	enum err err = try_credential("404 Not Found", "<html></html>", why);

	(void)state;
	assert_int_equal(err, ERR_IO);
	assert_string_equal(why, "no login service at auth_url");
}

#define TOKEN_OF(token)                                   \
	"HTTP/1.1 201 Created\r\nX-Subject-Token: " token \
	"\r\nContent-Length: 2\r\n\r\n{}"

static void
make_run_dir(char *daemon, size_t size)
{
	str_copy(w.run_dir, sizeof(w.run_dir), "swift-run.XXXXXX");
	assert_non_null(mkdtemp(w.run_dir));
	snprintf(daemon, size, "[daemon]\nrun_dir = %s\n", w.run_dir);
}

/* It may be for another project. */
static void
test_a_token_of_others_is_not_used(void **state)
{
	const struct script_step steps[] = {
		{ .reply = TOKEN_OF("tok1") },
		{ .reply = OBJECT },
		{ .reply = TOKEN_OF("tok2") },
		{ .reply = OBJECT },
	};
	char daemon[128];

	(void)state;
	make_run_dir(daemon, sizeof(daemon));
	w.script = script_new(steps, 4);
	w.credential = "0123";
	swift_open_again(daemon);
	assert_int_equal(head_of_some(), ERR_OK);
	w.credential = "4567";
	swift_open_again(daemon);
	assert_int_equal(head_of_some(), ERR_OK);
	assert_int_equal(script_requests(w.script), 4);
	assert_true(swift_heard(3, "X-Auth-Token: tok2\r\n"));
}

static void
test_processes_share_a_token(void **state)
{
	const struct script_step steps[] = {
		{ .reply = LOGIN("tok1") },
		{ .reply = OBJECT },
		{ .reply = OBJECT },
		{ .reply = STATUS("401 Unauthorized") },
		{ .reply = LOGIN("tok2") },
		{ .reply = OBJECT },
	};
	char daemon[128], file[128];
	struct stat st;

	(void)state;
	make_run_dir(daemon, sizeof(daemon));
	w.script = script_new(steps, 6);
	swift_open_again(daemon);
	assert_int_equal(head_of_some(), ERR_OK);
	snprintf(file, sizeof(file), "%s/store.t.token", w.run_dir);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	swift_open_again(daemon); /* as another process would */
	assert_int_equal(head_of_some(), ERR_OK);
	assert_int_equal(script_requests(w.script), 3);
	/* A token in the file that was refused is not taken from it again. */
	swift_open_again(daemon);
	assert_int_equal(head_of_some(), ERR_OK);
	assert_int_equal(script_requests(w.script), 6);
}

static const char catalogue[] =
	"{\"token\":{\"expires_at\":\"2026-11-21T10:10:00.000000Z\","
	"\"issued_at\":\"2026-11-21T10:00:00.000000Z\",\"catalog\":["
	"{\"type\":\"identity\",\"endpoints\":[{\"interface\":\"public\","
	"\"region\":\"R1\",\"url\":\"http://k\"}]},"
	"{\"type\":\"object-store\",\"endpoints\":["
	"{\"interface\":\"internal\",\"region\":\"R1\",\"url\":\"http://i1\"},"
	"{\"interface\":\"public\",\"region\":\"R1\",\"url\":\"http://p1\"},"
	"{\"interface\":\"public\",\"region_id\":\"R2\",\"url\":\"http://p2\"}"
	"]}]}}";

static void
test_the_catalogue_is_searched_by_region_and_interface(void **state)
{
	static const struct {
		const char *region, *interface, *url;
	} cases[] = {
		{ "", "public", "http://p1" },
		{ "R2", "public", "http://p2" },
		{ "R1", "internal", "http://i1" },
		{ "R2", "internal", NULL },
		{ "R3", "public", NULL },
	};
	long lives = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *url =
			swift_catalogue_url(catalogue, sizeof(catalogue) - 1,
					    cases[i].region, cases[i].interface,
					    &lives);

		if (cases[i].url)
			assert_string_equal(url, cases[i].url);
		else
			assert_null(url);
		assert_int_equal(lives, 600);
		free(url);
	}
	assert_null(swift_catalogue_url("{", 1, "", "public", &lives));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(test_one_login_serves_all_calls),
		WITH_STORE(
			test_a_token_that_all_calls_see_refused_is_renewed_once),
		WITH_STORE(
			test_a_thousand_parts_after_expiry_ask_for_one_token),
		WITH_STORE(
			test_a_new_token_that_is_refused_does_not_mean_denied),
		WITH_STORE(test_only_the_login_service_denies),
		WITH_STORE(test_a_revoked_credential_is_told),
		WITH_STORE(test_a_deleted_application_credential_is_told),
		WITH_STORE(
			test_a_missing_login_service_is_no_deleted_credential),
		WITH_STORE(test_a_token_of_others_is_not_used),
		WITH_STORE(test_processes_share_a_token),
		cmocka_unit_test(
			test_the_catalogue_is_searched_by_region_and_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
