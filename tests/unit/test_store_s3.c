/* SPDX-License-Identifier: Apache-2.0 */
/* The s3 driver: probe, objects and listings. */
#include "tests/unit/s3_world.h"

#include <time.h>

static void
test_put_is_signed_and_described(void **state)
{
	const struct script_step steps[] = { { .reply = DONE } };

	(void)state;
	open_store(steps, 1,
		   "sse = AES256\nstorage_class = STANDARD_IA\n"
		   "session_token = tok\n");
	put();
	assert_int_equal(got.err, ERR_OK);
	assert_string_equal(got.object.etag,
			    "9b2cf535f27731c974343645a3985328");
	assert_int_equal(got.object.size, 3);
	must_say(0, "PUT /buck/pre/key HTTP/1.1\r\n");
	must_say(0, "\r\ncontent-type: video/mp4\r\n");
	must_say(0, "\r\nx-amz-meta-sluice-id: " ID "\r\n");
	must_say(0, "\r\nx-amz-meta-mtime: 1234\r\n");
	must_say(0, "\r\nx-amz-server-side-encryption: AES256\r\n");
	must_say(0, "\r\nx-amz-storage-class: STANDARD_IA\r\n");
	must_say(0, "\r\nx-amz-security-token: tok\r\n");
	must_say(0, "\r\nx-amz-content-sha256: "
		    "ba7816bf8f01cfea414140de5dae2223"
		    "b00361a396177a9cb410ff61f20015ad\r\n");
	must_say(0, "/us-east-1/s3/aws4_request,SignedHeaders=content-type;"
		    "host;x-amz-content-sha256;x-amz-date;x-amz-meta-mtime;"
		    "x-amz-meta-sluice-id;x-amz-security-token;"
		    "x-amz-server-side-encryption;x-amz-storage-class,");
	must_not_say(0, "x-amz-checksum");
	must_not_say(0, "content-md5");
}

static void
test_put_over_http_goes_unsigned_if_told_to(void **state)
{
	const struct script_step steps[] = {
		{ .reply = "HTTP/1.1 200 OK\r\nETag: " ETAG
			   "\r\nx-amz-checksum-crc32c: Nks/tw==\r\n" EMPTY }
	};
	static const struct store_caps unknown;

	(void)state;
	open_store(steps, 1, "payload = unsigned\n");
	store_set_caps(w.store, &unknown);
	assert_int_equal(store_needs(w.store), STORE_NEED_MD5);
	knows(true, true);
	assert_int_equal(store_needs(w.store), 0);
	put();
	assert_int_equal(got.err, ERR_OK);
	must_say(0, "\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n");
	must_say(0, "\r\nx-amz-checksum-crc32c: ");
}

static void
test_needs_follow_what_the_server_checks(void **state)
{
	static const struct store_caps unknown;
	const struct script_step steps[] = { { .reply = DONE } };

	(void)state;
	open_store(steps, 1, "");
	store_set_caps(w.store, &unknown);
	assert_int_equal(store_needs(w.store), STORE_NEED_SHA256);
	knows(true, false);
	assert_int_equal(store_needs(w.store), STORE_NEED_SHA256);
	knows(false, true);
	assert_int_equal(store_needs(w.store), STORE_NEED_SHA256);
	knows(false, false);
	assert_int_equal(store_needs(w.store),
			 STORE_NEED_SHA256 | STORE_NEED_MD5);
}

static void
test_answers_without_an_etag_are_not_taken(void **state)
{
	const struct script_step steps[] = {
		{ .reply = "HTTP/1.1 200 OK\r\n" EMPTY },
		{ .reply = "HTTP/1.1 200 OK\r\n" EMPTY }
	};

	(void)state;
	open_store(steps, 2, "");
	put_part();
	assert_int_equal(got.err, ERR_AGAIN);
	put();
	assert_int_equal(got.err, ERR_AGAIN);
	assert_true(got.ambiguous);
}

static void
test_outcome_of_a_put_is_unknown_or_not(void **state)
{
	static const bool ambiguous[] = { true, true, true, false, false };
	const struct script_step steps[] = {
		{ .reply = NULL }, /* the reply is lost */
		{ .reply = body("500 x",
				"<Error><Code>InternalError</Code></Error>") },
		{ .reply = body("503 x", "a proxy's words") },
		{ .reply = SLOW },
		{ .reply = body("403 x", "") },
	};

	(void)state;
	open_store(steps, 5, "");
	for (size_t i = 0; i < 5; i++) {
		put();
		assert_int_not_equal(got.err, ERR_OK);
		assert_int_equal(got.ambiguous, ambiguous[i]);
	}
	assert_int_equal(script_requests(w.script), 5);
}

static void
test_list_takes_what_belongs_there(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body(
			  "200 x",
			  "<ListBucketResult><IsTruncated>true</IsTruncated>"
			  "<NextContinuationToken>to/k</NextContinuationToken>"
			  "<Contents><Key>pre/d/</Key><Size>0</Size></Contents>"
			  "<Contents><Key>pre/d/f</Key><Size>1</Size></"
			  "Contents>"
			  "<Contents><Key>pre/d/x/f</Key><Size>1</Size></"
			  "Contents>"
			  "<Contents><Key>other/f</Key><Size>1</Size></"
			  "Contents>"
			  "<CommonPrefixes><Prefix>pre/d/s/</Prefix></"
			  "CommonPrefixes>"
			  "</ListBucketResult>") }
	};

	(void)state;
	open_store(steps, 1, "");
	store_list(w.store, "d/", "m=1", on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(got.nentries, 2);
	assert_string_equal(got.next, "to/k");
	must_say(0, "GET /buck/?continuation-token=m%3D1&delimiter=%2F&"
		    "encoding-type=url&list-type=2&max-keys=1000&"
		    "prefix=pre%2Fd%2F HTTP/1.1\r\n");
}

static void
get(uint64_t off, size_t len, const char *etag)
{
	store_get(w.store, "key", etag, (struct store_range){ off, len },
		  on_done, NULL);
	wait_done();
}

static void
test_get_checks_the_range(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body("206 x\r\nContent-Range: bytes 2-4/100",
				"abc") },
		{ .reply = body("206 x\r\nContent-Range: bytes 3-5/100",
				"abc") },
		{ .reply = body("206 x\r\nContent-Range: bytes 2-4/100",
				"abcd") },
		{ .reply =
			  body("206 x\r\nContent-Range: bytes 2-3/100", "ab") },
		{ .reply = body("206 x\r\nContent-Range: bytes 2-3/4", "ab") },
		{ .reply = body("206 x", "abc") },
		{ .reply = body("200 x", "0123456789") },
	};

	(void)state;
	open_store(steps, 7, "");
	get(2, 3, NULL);
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(got.len, 3);
	assert_memory_equal(got.data, "abc", 3);
	assert_int_equal(got.object.size, 100);
	must_say(0, "\r\nrange: bytes=2-4\r\n");
	for (int i = 0; i < 3; i++) {
		get(2, 3, NULL);
		assert_int_equal(got.err, ERR_IO);
	}
	get(2, 3, NULL); /* the end of the object */
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(got.len, 2);
	get(2, 3, NULL);
	assert_int_equal(got.err, ERR_IO);
	get(2, 3, NULL); /* ranges are ignored */
	assert_int_equal(got.err, ERR_IO);
}

/* Replies that end before their body does. */
#define PART(tag, range, length, text)                                         \
	{                                                                      \
		.reply =                                                       \
			"HTTP/1.1 206 x\r\n" tag "Content-Range: bytes " range \
			"/100\r\nContent-Length: " length "\r\n\r\n" text,     \
		.closes = true                                                 \
	}
#define MINE "ETag: \"mine\"\r\n"

static void
test_get_goes_on_where_it_broke(void **state)
{
	const struct script_step steps[] = {
		PART(MINE, "2-7", "6", "ab"),
		PART(MINE, "4-7", "4", "c"),
		PART(MINE, "5-7", "3", "def"),
	};

	(void)state;
	open_store(steps, 3, "");
	get(2, 6, "mine");
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(got.len, 6);
	assert_memory_equal(got.data, "abcdef", 6);
	must_say(0, "\r\nrange: bytes=2-7\r\n");
	must_say(1, "\r\nrange: bytes=4-7\r\n");
	must_say(2, "\r\nrange: bytes=5-7\r\n");
	must_say(2, "\r\nif-match: \"mine\"\r\n");
}

static void
test_get_that_broke_does_not_go_on_with_another_object(void **state)
{
	const struct script_step steps[] = {
		PART(MINE, "2-7", "6", "ab"),
		{ .reply = body("412 x", "<Error><Code>PreconditionFailed"
					 "</Code></Error>") },
		PART("", "2-7", "6", "ab"),
	};

	(void)state;
	open_store(steps, 3, "");
	get(2, 6, "mine");
	assert_int_equal(got.err, ERR_CONFLICT);
	get(2, 6, NULL); /* nothing tells whether it is the same */
	assert_int_equal(got.err, ERR_AGAIN);
	assert_int_equal(script_requests(w.script), 3);
}

static void
test_get_that_breaks_again_and_again_is_given_up(void **state)
{
	const struct script_step steps[] = {
		PART(MINE, "2-7", "6", "a"), PART(MINE, "3-7", "5", "b"),
		PART(MINE, "4-7", "4", "c"), PART(MINE, "5-7", "3", "d"),
		PART(MINE, "6-7", "2", "e"),
	};

	(void)state;
	open_store(steps, 5, "");
	get(2, 6, "mine");
	assert_int_equal(got.err, ERR_AGAIN);
	assert_int_equal(script_requests(w.script), 4);
}

static void
test_get_takes_a_whole_small_object(void **state)
{
	const struct script_step steps[] = { { .reply = body("200 x\r\nETag: "
							     "\"other\"",
							     "0123456789") },
					     { .reply = body("200 x",
							     "0123") } };

	(void)state;
	open_store(steps, 2, "");
	get(0, 3, "mine"); /* and If-Match too */
	assert_int_equal(got.err, ERR_CONFLICT);
	must_say(0, "\r\nif-match: \"mine\"\r\n");
	get(0, 3, NULL);
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(got.len, 3);
}

static void
test_head_reads_times_and_ids(void **state)
{
	const struct script_step steps[] = {
		{ .reply = "HTTP/1.1 200 x\r\nContent-Length: 42\r\nETag: " ETAG
			   "\r\nx-amz-meta-mtime: 1600000000.123456789\r\n"
			   "X-Amz-Meta-Sluice-Id: " ID "\r\n\r\n" },
		{ .reply = "HTTP/1.1 200 x\r\nContent-Length: 1\r\n"
			   "Last-Modified: Wed, 12 Oct 2009 17:50:00 GMT\r\n"
			   "x-amz-meta-mtime: never\r\n"
			   "x-amz-meta-sluice-id: ../../x\r\n\r\n" },
	};

	(void)state;
	open_store(steps, 2, "");
	store_head(w.store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(got.object.size, 42);
	assert_int_equal(got.object.mtime, 1600000000);
	assert_string_equal(got.object.sluice_id, ID);
	store_head(w.store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(got.object.mtime, 1255369800);
	assert_string_equal(got.object.sluice_id, "");
}

static void
test_clock_is_set_after_the_server(void **state)
{
	static char late[512], head[512];
	const struct script_step steps[] = { { .reply = late },
					     { .reply = head },
					     { .reply = head },
					     { .reply = late } };
	time_t then = time(NULL) - 7200;
	char date[64], stamp[32];
	struct tm tm;

	(void)state;
	gmtime_r(&then, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	strftime(stamp, sizeof(stamp), "\r\nx-amz-date: %Y%m%dT%H", &tm);
	snprintf(late, sizeof(late),
		 "HTTP/1.1 403 Forbidden\r\nDate: %s\r\n" EMPTY, date);
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nDate: %s\r\n" EMPTY,
		 date);
	open_store(steps, 4, "");
	store_head(w.store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(script_requests(w.script), 2);
	must_say(1, stamp);
	store_head(w.store, "key", on_done, NULL);
	wait_done();
	must_say(2, stamp); /* it was kept */
	store_head(w.store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_DENIED); /* now it is something else */
	assert_int_equal(script_requests(w.script), 4);
}

#define MISMATCH body("400 x", "<Error><Code>BadDigest</Code></Error>")
#define PRECONDITION \
	body("412 x", "<Error><Code>PreconditionFailed</Code></Error>")
#define GONE "HTTP/1.1 204 x\r\n\r\n"

static void
probe(void)
{
	store_probe(w.store, on_done, NULL);
	wait_done();
}

static void
test_probe_finds_a_server_that_checks_everything(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body("200 x", "<ListBucketResult/>") },
		{ .reply = MISMATCH },
		{ .reply = MISMATCH },
		{ .reply = DONE },
		{ .reply = PRECONDITION },
		{ .reply = GONE },
	};

	(void)state;
	open_store(steps, 6, "");
	probe();
	assert_int_equal(got.err, ERR_OK);
	assert_true(got.caps.known);
	assert_true(got.caps.checks_sha256);
	assert_true(got.caps.checks_crc32c);
	assert_true(got.caps.if_none_match);
	assert_int_equal(script_requests(w.script), 6);
	must_say(4, "\r\nif-none-match: *\r\n");
	must_say(5, "DELETE /buck/pre/.sluice-probe-");
}

static void
test_probe_finds_a_server_that_checks_nothing(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body("200 x", "<ListBucketResult/>") },
		{ .reply = DONE },
		{ .reply = DONE },
		{ .reply = DONE },
		{ .reply = body("501 x",
				"<Error><Code>NotImplemented</Code></Error>") },
		{ .reply = GONE },
	};

	(void)state;
	open_store(steps, 6, "");
	probe();
	assert_int_equal(got.err, ERR_OK);
	assert_true(got.caps.known);
	assert_false(got.caps.checks_sha256);
	assert_false(got.caps.checks_crc32c);
	assert_false(got.caps.if_none_match);
	must_not_say(3, "x-amz-checksum");
}

static void
test_probe_distrusts_a_server_that_refuses_any_checksum(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body("200 x", "<ListBucketResult/>") },
		{ .reply = MISMATCH },
		{ .reply = MISMATCH },
		{ .reply = MISMATCH }, /* a right one, too */
		{ .reply = DONE },
		{ .reply = DONE },
		{ .reply = GONE },
	};

	(void)state;
	open_store(steps, 7, "");
	probe();
	assert_int_equal(got.err, ERR_OK);
	assert_false(got.caps.checks_crc32c);
	must_not_say(4, "x-amz-checksum");
}

static void
test_probe_that_may_not_write_cleans_up_and_says_so(void **state)
{
	const char *denied =
		body("403 x", "<Error><Code>AccessDenied</Code></Error>");
	const struct script_step steps[] = {
		{ .reply = body("200 x", "<ListBucketResult/>") },
		{ .reply = denied },
		{ .reply = denied },
		{ .reply = denied },
		{ .reply = denied },
		{ .reply = GONE },
	};

	(void)state;
	open_store(steps, 6, "");
	probe();
	assert_int_equal(got.err, ERR_DENIED);
	assert_false(got.caps.known);
	must_say(5, "DELETE ");
}

static void
test_server_is_asked_before_the_first_call_that_depends(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body("200 x", "<ListBucketResult/>") },
		{ .reply = MISMATCH },
		{ .reply = MISMATCH },
		{ .reply = DONE },
		{ .reply = PRECONDITION },
		{ .reply = GONE },
		{ .reply = DONE },
		{ .reply = DONE },
	};
	static const struct store_caps unknown;

	(void)state;
	open_store(steps, 8, "");
	store_set_caps(w.store, &unknown);
	put();
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(script_requests(w.script), 7);
	must_say(6, "PUT /buck/pre/key HTTP");
	must_say(6, "\r\nx-amz-checksum-crc32c: ");
	put(); /* known by now */
	assert_int_equal(script_requests(w.script), 8);
}

static void
test_nothing_is_sent_to_a_server_that_could_not_be_asked(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body("200 x", "<ListBucketResult/>") },
		{ .reply = SLOW },
		{ .reply = GONE },
	};
	static const struct store_caps unknown;

	(void)state;
	open_store(steps, 3, "");
	store_set_caps(w.store, &unknown);
	put();
	assert_int_equal(got.err, ERR_AGAIN);
	assert_false(got.ambiguous);
	assert_int_equal(script_requests(w.script), 3);
	must_say(2, "DELETE /buck/pre/.sluice-probe-");
}

static void
test_virtual_hosts_carry_the_bucket(void **state)
{
	const struct script_step steps[] = { { .reply = DONE } };
	char host[64];

	(void)state;
	/* libcurl takes every name below localhost for this machine. */
	w.endpoint = "localhost";
	open_store(steps, 1, "path_style = no\n");
	put();
	assert_int_equal(got.err, ERR_OK);
	snprintf(host, sizeof(host), "\r\nhost: buck.localhost:%u\r\n",
		 script_port(w.script));
	must_say(0, host);
	must_say(0, "PUT /pre/key HTTP/1.1\r\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HTTP(test_put_is_signed_and_described),
		WITH_HTTP(test_put_over_http_goes_unsigned_if_told_to),
		WITH_HTTP(test_needs_follow_what_the_server_checks),
		WITH_HTTP(test_answers_without_an_etag_are_not_taken),
		WITH_HTTP(test_outcome_of_a_put_is_unknown_or_not),
		WITH_HTTP(test_list_takes_what_belongs_there),
		WITH_HTTP(test_get_checks_the_range),
		WITH_HTTP(test_get_goes_on_where_it_broke),
		WITH_HTTP(
			test_get_that_broke_does_not_go_on_with_another_object),
		WITH_HTTP(test_get_that_breaks_again_and_again_is_given_up),
		WITH_HTTP(test_get_takes_a_whole_small_object),
		WITH_HTTP(test_head_reads_times_and_ids),
		WITH_HTTP(test_clock_is_set_after_the_server),
		WITH_HTTP(test_probe_finds_a_server_that_checks_everything),
		WITH_HTTP(test_probe_finds_a_server_that_checks_nothing),
		WITH_HTTP(
			test_probe_distrusts_a_server_that_refuses_any_checksum),
		WITH_HTTP(test_probe_that_may_not_write_cleans_up_and_says_so),
		WITH_HTTP(
			test_server_is_asked_before_the_first_call_that_depends),
		WITH_HTTP(
			test_nothing_is_sent_to_a_server_that_could_not_be_asked),
		WITH_HTTP(test_virtual_hosts_carry_the_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
