/* SPDX-License-Identifier: Apache-2.0 */
/* The swift driver: its login, and answers that a real cluster seldom gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/http.h"
#include "bridge/store.h"
#include "bridge/swift_auth.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/unit/http_script.h"
#include "tests/unit/patience.h"

#define MANY 200
#define THOUSAND 1000
#define HELD 8 /* fewer than the connections of a store */
#define TRANS "X-Trans-Id: tx1\r\n"
#define EMPTY "Content-Length: 0\r\n\r\n"
#define LOGIN_FOR(token, seconds)                 \
	"HTTP/1.1 200 OK\r\nX-Auth-Token: " token \
	"\r\nX-Auth-Token-Expires: " seconds "\r\n" EMPTY
#define LOGIN(token) LOGIN_FOR(token, "3600")
#define ID "0123456789abcdef0123456789abcdef"
#define OBJECT                                       \
	"HTTP/1.1 200 OK\r\n" TRANS                  \
	"Etag: 900150983cd24fb0d6963f7d28e17f72\r\n" \
	"X-Object-Meta-Sluice-Id: " ID "\r\n" EMPTY
#define STATUS(words) "HTTP/1.1 " words "\r\n" TRANS EMPTY
#define NOT_FOUND STATUS("404 Not Found")
#define CREATED STATUS("201 Created")

struct got {
	bool done, ambiguous;
	enum err err;
	char why[128], text[64];
};

static struct loop *loop;
static struct http *http;
static struct conf *conf;
static struct store *store;
static struct script *script;
static char run_dir[64];
static const char *credential; /* for Keystone; NULL: a user of TempAuth */

static void
on_done(void *arg, const struct store_result *r)
{
	struct got *g = arg;

	assert_false(g->done);
	g->done = true;
	g->err = r->err;
	g->ambiguous = r->ambiguous;
	str_copy(g->why, sizeof(g->why), r->why ? r->why : "");
	if (r->data && r->len < sizeof(g->text))
		memcpy(g->text, r->data, r->len);
}

static void
wait_done(struct got *g)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	while (!g->done && clock_ms() < end)
		loop_turn(loop, 1000);
	assert_true(g->done);
}

static void
who_we_are(char *out, size_t size)
{
	unsigned port = script_port(script);

	if (credential)
		snprintf(out, size,
			 "auth = application_credential\n"
			 "auth_url = http://127.0.0.1:%u\n"
			 "credential_id = %s\ncredential_secret = secret\n",
			 port, credential);
	else
		snprintf(out, size,
			 "auth = v1\nuser = a:u\npassword = secret\n"
			 "auth_url = http://127.0.0.1:%u/auth/v1.0\n",
			 port);
}

static void
open_again(const char *daemon)
{
	struct store_env env = { .loop = loop, .http = http };
	char path[] = "swift.XXXXXX", who[256], text[1024];
	int fd = mkstemp(path);

	store_close(store);
	conf_free(conf);
	who_we_are(who, sizeof(who));
	snprintf(text, sizeof(text),
		 "%s[store.t]\ntype = swift\n%s"
		 "storage_url = http://127.0.0.1:%u/v1/A\n"
		 "container = c\ntries = 1\n",
		 daemon, who, script_port(script));
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	conf = conf_load(path);
	unlink(path);
	assert_int_equal(store_open(&store, conf, "t", &env), ERR_OK);
}

static void
open_store(const struct script_step *steps, size_t n)
{
	script = script_new(steps, n);
	open_again("");
}

static int
set_up(void **state)
{
	(void)state;
	log_open("test", "stderr", LOG_LEVEL_ERROR);
	loop = loop_new();
	http = http_new(loop);
	run_dir[0] = '\0';
	credential = NULL;
	return 0;
}

static void
remove_run_dir(void)
{
	char path[128];

	if (!run_dir[0])
		return;
	snprintf(path, sizeof(path), "%s/store.t.token", run_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/store.t.token.lock", run_dir);
	unlink(path);
	rmdir(run_dir);
}

static int
tear_down(void **state)
{
	(void)state;
	store_close(store);
	store = NULL;
	loop_turn(loop, 0);
	http_free(http);
	loop_turn(loop, 0);
	loop_free(loop);
	script_free(script);
	conf_free(conf);
	conf = NULL;
	remove_run_dir();
	return 0;
}

static enum err
head(void)
{
	struct got g = { 0 };

	store_head(store, "key", on_done, &g);
	wait_done(&g);
	return g.err;
}

static bool
says(unsigned i, const char *text)
{
	return strstr(script_head(script, i), text) != NULL;
}

/* Logging in. */

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
	open_store(steps, MANY + 1);
	for (size_t i = 0; i < MANY; i++)
		store_head(store, "key", on_done, &all[i]);
	for (size_t i = 0; i < MANY; i++) {
		wait_done(&all[i]);
		assert_int_equal(all[i].err, ERR_OK);
	}
	assert_int_equal(script_requests(script), MANY + 1);
	assert_true(says(0, "GET /auth/v1.0 "));
	assert_true(says(0, "X-Auth-Key: secret\r\n"));
	for (unsigned i = 1; i <= MANY; i++)
		assert_true(says(i, "X-Auth-Token: tok1\r\n"));
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
	open_store(steps, 2 * HELD + 2);
	for (size_t i = 0; i < HELD; i++)
		store_head(store, "key", on_done, &all[i]);
	while (script_held(script) < HELD)
		loop_turn(loop, 10);
	script_release(script);
	for (size_t i = 0; i < HELD; i++) {
		wait_done(&all[i]);
		assert_int_equal(all[i].err, ERR_OK);
	}
	assert_int_equal(script_requests(script), 2 * HELD + 2);
	assert_true(says(HELD + 1, "GET /auth/v1.0 "));
	for (unsigned i = HELD + 2; i < 2 * HELD + 2; i++)
		assert_true(says(i, "X-Auth-Token: tok2\r\n"));
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
	open_store(steps, 2 * THOUSAND + 3);
	assert_int_equal(head(), ERR_OK);
	dies = clock_wall_ms() + 1000;
	while (clock_wall_ms() <= dies)
		loop_turn(loop, 100);
	for (size_t i = 0; i < THOUSAND; i++)
		store_put_part(store, t, slot((uint32_t)i), &body, on_done,
			       &all[i]);
	for (size_t i = 0; i < THOUSAND; i++) {
		wait_done(&all[i]);
		assert_int_equal(all[i].err, ERR_OK);
	}
	assert_int_equal(script_requests(script), 2 * THOUSAND + 3);
	assert_true(says(2, "GET /auth/v1.0 "));
	for (unsigned i = 3; i < 2 * THOUSAND + 3; i++)
		assert_true(says(i, "X-Auth-Token: tok2\r\n"));
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
	open_store(steps, 4);
	assert_int_equal(head(), ERR_AGAIN);
	assert_int_equal(script_requests(script), 4);
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
	open_store(steps, 4);
	assert_int_equal(head(), ERR_AGAIN);
	assert_int_equal(head(), ERR_DENIED);
	assert_int_equal(head(), ERR_OK);
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
	open_store(steps, 4);
	assert_int_equal(head(), ERR_OK);
	store_head(store, "key", on_done, &g);
	wait_done(&g);
	assert_int_equal(g.err, ERR_DENIED);
	assert_string_equal(g.why, "the login service refused the credentials");
	assert_int_equal(script_requests(script), 4);
	assert_true(says(3, "GET /auth/v1.0 "));
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
	credential = "0123";
	open_store(&step, 1);
	store_head(store, "key", on_done, &g);
	wait_done(&g);
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
	assert_true(says(0, "POST /v3/auth/tokens "));
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
	str_copy(run_dir, sizeof(run_dir), "swift-run.XXXXXX");
	assert_non_null(mkdtemp(run_dir));
	snprintf(daemon, size, "[daemon]\nrun_dir = %s\n", run_dir);
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
	script = script_new(steps, 4);
	credential = "0123";
	open_again(daemon);
	assert_int_equal(head(), ERR_OK);
	credential = "4567";
	open_again(daemon);
	assert_int_equal(head(), ERR_OK);
	assert_int_equal(script_requests(script), 4);
	assert_true(says(3, "X-Auth-Token: tok2\r\n"));
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
	script = script_new(steps, 6);
	open_again(daemon);
	assert_int_equal(head(), ERR_OK);
	snprintf(file, sizeof(file), "%s/store.t.token", run_dir);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	open_again(daemon); /* as another process would */
	assert_int_equal(head(), ERR_OK);
	assert_int_equal(script_requests(script), 3);
	/* A token in the file that was refused is not taken from it again. */
	open_again(daemon);
	assert_int_equal(head(), ERR_OK);
	assert_int_equal(script_requests(script), 6);
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

	store_begin(store, "key", NULL, on_done, &g);
	wait_done(&g);
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
	open_store(steps, 9);
	assert_int_equal(store_limits(store)->parts_max, 1000);
	assert_int_equal(begin().err, ERR_AGAIN);
	assert_int_equal(begin().err, ERR_OK);
	assert_int_equal(store_limits(store)->parts_max, 500);
	assert_int_equal(store_limits(store)->part_max, 1 << 30);
	assert_true(says(3, "GET /info "));
	assert_true(says(6, "PUT /v1/A/c_segments "));
	assert_int_equal(begin().err, ERR_OK);
	assert_int_equal(script_requests(script), 9);
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
	open_store(steps, 7);
	g = begin(); /* no object is missing, so it is not "not found" */
	assert_int_equal(g.err, ERR_IO);
	assert_string_equal(g.why, "no such container");
	memset(&g, 0, sizeof(g));
	store_probe(store, on_done, &g);
	wait_done(&g);
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
	open_store(steps, N + 1);
	for (size_t i = 0; i < N; i++)
		assert_string_equal(err_name(head()), err_name(cases[i].err));
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
	open_store(steps, 2);
	store_get(store, "key", NULL, (struct store_range){ 0, 10 }, on_done,
		  &g);
	wait_done(&g);
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
	store_get(store, "key", "mine", (struct store_range){ 2, 6 }, on_done,
		  g);
	wait_done(g);
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
	open_store(steps, 4);
	get_bytes_2_to_7(&g);
	assert_int_equal(g.err, ERR_OK);
	assert_string_equal(g.text, "abcdef");
	assert_true(says(1, "Range: bytes=2-7\r\n"));
	assert_true(says(2, "Range: bytes=4-7\r\n"));
	assert_true(says(3, "Range: bytes=5-7\r\n"));
	assert_true(says(3, "If-Match: \"mine\"\r\n"));
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
	open_store(steps, 3);
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
	open_store(steps, 7);
	store_complete(store, t, &part, 1, on_done, &g);
	wait_done(&g);
	assert_true(says(4, "PUT /v1/A/c/key?multipart-manifest=put&"
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
	assert_int_equal(script_requests(script), 5);
}

static void
test_a_manifest_that_the_cluster_failed_on_is_unknown(void **state)
{
	struct got g = complete("202 Accepted",
				"   {\"Response Status\": \"503 Busy\"}");

	(void)state;
	assert_int_equal(g.err, ERR_AGAIN);
	assert_true(g.ambiguous);
	assert_int_equal(script_requests(script), 5);
}

static void
test_a_manifest_whose_answer_is_cut_off_is_unknown(void **state)
{
	struct got g = complete("202 Accepted", "          ");

	(void)state;
	assert_int_equal(g.err, ERR_AGAIN);
	assert_true(g.ambiguous);
	assert_int_equal(script_requests(script), 5);
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
	assert_int_equal(script_requests(script), 7);
	assert_true(says(6, "DELETE /v1/A/c_segments/uploads/"));
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
	open_store(steps, 6);
	store_abort(store, t, on_done, &g);
	wait_done(&g);
	assert_int_equal(g.err, ERR_OK);
	assert_true(says(2, "PUT /v1/A/c_segments/garbage/"));
	assert_true(says(3, "DELETE /v1/A/c_segments/uploads/"));
	assert_int_equal(script_requests(script), 6);
}

#define WITH_STORE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

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
