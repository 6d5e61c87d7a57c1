/* SPDX-License-Identifier: Apache-2.0 */
/* The s3 driver against a server that says what each test wants to hear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/http.h"
#include "bridge/store.h"
#include "lib/clock.h"
#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/unit/http_script.h"

#define ID "0123456789abcdef0123456789abcdef"
#define ETAG "\"9b2cf535f27731c974343645a3985328\""
#define MD5_OF_ABC "900150983cd24fb0d6963f7d28e17f72"
#define EMPTY "Content-Length: 0\r\n\r\n"
#define DONE "HTTP/1.1 200 OK\r\nETag: " ETAG "\r\n" EMPTY
#define SLOW                                                   \
	"HTTP/1.1 503 Slow Down\r\nContent-Length: 43\r\n\r\n" \
	"<Error><Code>SlowDown</Code></Error>       "

static struct loop *loop;
static struct http *http;
static struct script *script;
static struct conf *conf;
static struct store *store;
static char replies[8][4096];
static unsigned tries;
static const char *endpoint;

static struct {
	unsigned n;
	enum err err;
	bool ambiguous;
	char why[STORE_WHY_MAX];
	struct store_object object;
	struct store_part part;
	char backend_id[STORE_BACKEND_ID_MAX + 1];
	size_t nparts, nentries, nuploads;
	struct store_part parts[8];
	struct store_caps caps;
	char data[64], next[64];
	size_t len;
} got;

static void
on_done(void *arg, const struct store_result *r)
{
	(void)arg;
	got.n++;
	got.err = r->err;
	got.ambiguous = r->ambiguous;
	str_copy(got.why, sizeof(got.why), r->why);
	got.object = r->object;
	got.part = r->part;
	if (r->backend_id)
		str_copy(got.backend_id, sizeof(got.backend_id), r->backend_id);
	got.nparts = r->nparts;
	for (size_t i = 0; i < r->nparts && i < 8; i++)
		got.parts[i] = r->parts[i];
	got.nentries = r->nentries;
	got.nuploads = r->nuploads;
	got.caps = r->caps;
	if (r->next)
		str_copy(got.next, sizeof(got.next), r->next);
	got.len = r->len;
	if (r->len)
		memcpy(got.data, r->data, r->len < 64 ? r->len : 64);
}

static void
wait_done(void)
{
	uint64_t end = clock_ms() + 60000;

	while (!got.n && clock_ms() < end)
		loop_turn(loop, 1000);
	assert_int_equal(got.n, 1);
	got.n = 0;
}

/* A reply with a body, in one of a few buffers. */
static const char *
body(const char *status_line, const char *text)
{
	static unsigned i;
	char *out = replies[i++ % 8];

	snprintf(out, sizeof(replies[0]),
		 "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status_line,
		 strlen(text), text);
	return out;
}

static void
open_store(const struct script_step *steps, size_t n, const char *more)
{
	struct store_env env = { .loop = loop, .http = http };
	char path[] = "s3.XXXXXX", text[1024];
	int fd = mkstemp(path);

	script = script_new(steps, n);
	snprintf(text, sizeof(text),
		 "[store.t]\ntype = s3\nendpoint = http://%s:%u\n"
		 "bucket = buck\naccess_key = AK\nsecret_key = SK\n"
		 "prefix = pre\ntries = %u\nstall_timeout = 20s\n%s",
		 endpoint, script_port(script), tries, more);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	conf = conf_load(path);
	unlink(path);
	assert_int_equal(store_open(&store, conf, "t", &env), ERR_OK);
	if (conf_finish(conf))
		fail_msg("%s", conf_complaint(conf, 0));
}

static int
set_up(void **state)
{
	(void)state;
	memset(&got, 0, sizeof(got));
	tries = 1;
	endpoint = "127.0.0.1";
	log_open("test", "stderr", LOG_LEVEL_ERROR);
	loop = loop_new();
	http = http_new(loop);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	store_close(store);
	loop_turn(loop, 0);
	http_free(http);
	loop_turn(loop, 0);
	loop_free(loop);
	script_free(script);
	conf_free(conf);
	return 0;
}

static void
must_say(unsigned request, const char *line)
{
	const char *head = script_head(script, request);

	if (!strcasestr(head, line))
		fail_msg("\"%s\" is not in\n%s", line, head);
}

static void
must_not_say(unsigned request, const char *text)
{
	assert_null(strcasestr(script_head(script, request), text));
}

static void
knows(bool sha256, bool crc32c)
{
	struct store_caps caps = { .known = true,
				   .checks_sha256 = sha256,
				   .checks_crc32c = crc32c };

	store_set_caps(store, &caps);
}

static struct store_target target = { .key = "k e/y", .backend_id = "i/d" };

static void
put_part(void)
{
	struct store_body b = { .data = "abc",
				.len = 3,
				.crc32c = crc32c(0, "abc", 3) };

	store_put_part(store, target, 7, 100, &b, on_done, NULL);
	wait_done();
}

static void
put(void)
{
	struct store_meta meta = { .sluice_id = ID,
				   .content_type = "video/mp4",
				   .mtime = 1234 };
	struct store_body b = { .data = "abc",
				.len = 3,
				.crc32c = crc32c(0, "abc", 3) };

	store_put(store, "key", &meta, &b, on_done, NULL);
	wait_done();
}

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

	(void)state;
	open_store(steps, 1, "payload = unsigned\n");
	assert_int_equal(store_needs(store), STORE_NEED_MD5);
	knows(true, true);
	assert_int_equal(store_needs(store), 0);
	put();
	assert_int_equal(got.err, ERR_OK);
	must_say(0, "\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n");
	must_say(0, "\r\nx-amz-checksum-crc32c: ");
}

static void
test_needs_follow_what_the_server_checks(void **state)
{
	const struct script_step steps[] = { { .reply = DONE } };

	(void)state;
	open_store(steps, 1, "");
	assert_int_equal(store_needs(store), STORE_NEED_SHA256);
	knows(true, false);
	assert_int_equal(store_needs(store), STORE_NEED_SHA256);
	knows(false, true);
	assert_int_equal(store_needs(store), STORE_NEED_SHA256);
	knows(false, false);
	assert_int_equal(store_needs(store),
			 STORE_NEED_SHA256 | STORE_NEED_MD5);
}

static void
test_part_with_another_md5_is_corrupt(void **state)
{
	const struct script_step steps[] = {
		{ .reply = DONE },
		{ .reply = "HTTP/1.1 200 OK\r\nETag: \"" MD5_OF_ABC
			   "\"\r\n" EMPTY },
		{ .reply = "HTTP/1.1 200 OK\r\nETag: "
			   "\"not-an-md5\"\r\n" EMPTY }
	};

	(void)state;
	open_store(steps, 3, "");
	knows(false, false);
	put_part();
	assert_int_equal(got.err, ERR_CORRUPT);
	must_say(0, "\r\ncontent-md5: kAFQmDzST7DWlj99KOF/cg==\r\n");
	put_part();
	assert_int_equal(got.err, ERR_OK);
	put_part();
	assert_int_equal(got.err, ERR_OK);
}

static void
test_part_with_another_checksum_is_corrupt(void **state)
{
	const struct script_step steps[] = {
		{ .reply = "HTTP/1.1 200 OK\r\nETag: " ETAG
			   "\r\nx-amz-checksum-crc32c: AAAAAA==\r\n" EMPTY }
	};

	(void)state;
	open_store(steps, 1, "");
	knows(true, true);
	put_part();
	assert_int_equal(got.err, ERR_CORRUPT);
}

static void
test_part_is_named_and_placed(void **state)
{
	const struct script_step steps[] = { { .reply = DONE } };

	(void)state;
	open_store(steps, 1, "");
	knows(true, true);
	put_part();
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(got.part.no, 7);
	assert_int_equal(got.part.off, 100);
	assert_int_equal(got.part.len, 3);
	assert_string_equal(got.part.sum, "Nks/tw==");
	must_say(0, "PUT /buck/pre/k%20e/y?partNumber=7&uploadId=i%2Fd HTTP");
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

/* What a reply to a PUT of a part means. */
static void
test_refusals_have_their_meaning(void **state)
{
	static const struct {
		const char *status, *code;
		enum err err;
	} known[] = {
		{ "400 x", "BadDigest", ERR_CORRUPT },
		{ "400 x", "XAmzContentSHA256Mismatch", ERR_CORRUPT },
		{ "400 x", "EntityTooLarge", ERR_TOO_LARGE },
		{ "400 x", "RequestTimeout", ERR_AGAIN },
		{ "400 x", "Whatever", ERR_IO },
		{ "403 x", "AccessDenied", ERR_DENIED },
		{ "403 x", "QuotaExceeded", ERR_NO_SPACE },
		{ "400 x", "ExpiredToken", ERR_DENIED },
		{ "404 x", "NoSuchUpload", ERR_NOT_FOUND },
		{ "404 x", "NoSuchBucket", ERR_IO },
		{ "408 x", "", ERR_AGAIN },
		{ "409 x", "ConditionalRequestConflict", ERR_CONFLICT },
		{ "409 x", "OperationAborted", ERR_AGAIN },
		{ "412 x", "PreconditionFailed", ERR_CONFLICT },
		{ "429 x", "", ERR_AGAIN },
		{ "500 x", "InternalError", ERR_AGAIN },
		{ "501 x", "NotImplemented", ERR_UNSUPPORTED },
		{ "503 x", "SlowDown", ERR_AGAIN },
		{ "507 x", "", ERR_NO_SPACE },
		{ "301 x", "PermanentRedirect", ERR_IO },
	};
	const size_t n = sizeof(known) / sizeof(known[0]);
	struct script_step steps[sizeof(known) / sizeof(known[0])] = { 0 };
	char *texts[sizeof(known) / sizeof(known[0])];

	(void)state;
	for (size_t i = 0; i < n; i++) {
		char *xml = mem_printf("<Error><Code>%s</Code></Error>",
				       known[i].code);

		texts[i] = mem_printf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n"
				      "\r\n%s",
				      known[i].status, strlen(xml), xml);
		steps[i].reply = texts[i];
		free(xml);
	}
	open_store(steps, n, "");
	for (size_t i = 0; i < n; i++) {
		put_part();
		if (got.err != known[i].err)
			fail_msg("%s %s gives %s", known[i].status,
				 known[i].code, err_name(got.err));
	}
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
}

static void
test_not_found_is_believed_from_the_store_alone(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body("404 x", "<html>no such page</html>") },
		{ .reply = "HTTP/1.1 404 x\r\n" EMPTY },
	};

	(void)state;
	open_store(steps, 2, "");
	store_list_parts(store, target, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_AGAIN);
	store_head(store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_NOT_FOUND);
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
	assert_int_equal(script_requests(script), 5);
}

static void
test_retry_after_makes_parts_wait(void **state)
{
	const struct script_step steps[] = {
		{ .reply = "HTTP/1.1 503 x\r\nRetry-After: 1\r\n" EMPTY },
		{ .reply = DONE },
	};
	uint64_t began = clock_ms();

	(void)state;
	tries = 2;
	open_store(steps, 2, "");
	put_part();
	assert_int_equal(got.err, ERR_OK);
	assert_true(clock_ms() - began >= 990);
}

static void
test_begin_gives_the_id_and_names_the_algorithm(void **state)
{
	const char *xml = "<InitiateMultipartUploadResult><UploadId>u-1"
			  "</UploadId></InitiateMultipartUploadResult>";
	const struct script_step steps[] = { { .reply = body("200 x", xml) },
					     { .reply = body("200 x", xml) } };
	struct store_meta meta = { .sluice_id = ID };

	(void)state;
	open_store(steps, 2, "");
	store_begin(store, "key", &meta, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_OK);
	assert_string_equal(got.backend_id, "u-1");
	must_say(0, "POST /buck/pre/key?uploads= HTTP/1.1\r\n");
	must_say(0, "\r\nx-amz-meta-sluice-id: " ID "\r\n");
	must_not_say(0, "x-amz-checksum-algorithm");
	knows(true, true);
	store_begin(store, "key", &meta, on_done, NULL);
	wait_done();
	must_say(1, "\r\nx-amz-checksum-algorithm: CRC32C\r\n");
}

static void
test_begin_without_an_answer_is_ambiguous(void **state)
{
	const struct script_step steps[] = {
		{ .reply = NULL },
		{ .reply = body("200 x", "<Initiate") },
		{ .reply = SLOW },
	};

	(void)state;
	tries = 3;
	open_store(steps, 3, "");
	store_begin(store, "key", NULL, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_AGAIN);
	assert_true(got.ambiguous);
	store_begin(store, "key", NULL, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_AGAIN);
	assert_true(got.ambiguous);
	store_begin(store, "key", NULL, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_AGAIN);
	assert_false(got.ambiguous);
	assert_int_equal(script_requests(script), 3);
}

static void
complete(void)
{
	static const struct store_part parts[] = {
		{ .no = 1, .etag = "e1", .sum = "AAAAAA==" },
		{ .no = 2, .etag = "e2" },
	};

	store_complete(store, target, parts, 2, on_done, NULL);
	wait_done();
}

static void
test_complete_lists_parts_and_reads_the_result(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body("200 x",
				"   \n<CompleteMultipartUploadResult><ETag>"
				"&quot;whole-2&quot;</ETag>"
				"</CompleteMultipartUploadResult>") }
	};
	static const char want[] =
		"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
		"<ETag>\"e1\"</ETag><ChecksumCRC32C>AAAAAA==</ChecksumCRC32C>"
		"</Part><Part><PartNumber>2</PartNumber><ETag>\"e2\"</ETag>"
		"</Part></CompleteMultipartUpload>";
	const void *sent;
	size_t len;

	(void)state;
	open_store(steps, 1, "");
	complete();
	assert_int_equal(got.err, ERR_OK);
	assert_string_equal(got.object.etag, "whole-2");
	sent = script_body(script, 0, &len);
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(sent, want, len);
}

static void
test_complete_takes_an_error_in_a_200_for_an_error(void **state)
{
	static const struct {
		const char *status, *text;
		enum err err;
		bool ambiguous;
	} known[] = {
		{ "200 x", " <Error><Code>InternalError</Code></Error>",
		  ERR_AGAIN, true },
		{ "200 x", "<Error><Code>SlowDown</Code></Error>", ERR_AGAIN,
		  true },
		{ "200 x", "<Error><Code>InvalidPart</Code></Error>",
		  ERR_CORRUPT, false },
		{ "200 x", "", ERR_AGAIN, true },
		{ "200 x", "<CompleteMultipartUploadRes", ERR_AGAIN, true },
		{ "400 x", "<Error><Code>InvalidPartOrder</Code></Error>",
		  ERR_CORRUPT, false },
		{ "400 x", "<Error><Code>EntityTooSmall</Code></Error>",
		  ERR_CORRUPT, false },
	};
	const size_t n = sizeof(known) / sizeof(known[0]);
	struct script_step steps[sizeof(known) / sizeof(known[0])] = { 0 };

	(void)state;
	for (size_t i = 0; i < n; i++)
		steps[i].reply = body(known[i].status, known[i].text);
	open_store(steps, n, "");
	for (size_t i = 0; i < n; i++) {
		complete();
		if (got.err != known[i].err ||
		    got.ambiguous != known[i].ambiguous)
			fail_msg("%s: %s", known[i].text, err_name(got.err));
	}
}

static void
list_parts(void)
{
	store_list_parts(store, target, on_done, NULL);
	wait_done();
}

static void
test_list_parts_goes_through_all_pages(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body("200 x",
				"<ListPartsResult><IsTruncated>true"
				"</IsTruncated><NextPartNumberMarker>2"
				"</NextPartNumberMarker>"
				"<Part><PartNumber>1</PartNumber>"
				"<Size>10</Size></Part>"
				"<Part><PartNumber>2</PartNumber>"
				"<Size>20</Size></Part></ListPartsResult>") },
		{ .reply = body("200 x", "<ListPartsResult>"
					 "<Part><PartNumber>3</PartNumber>"
					 "<Size>5</Size></Part>"
					 "<Part><PartNumber>5</PartNumber>"
					 "<Size>5</Size></Part>"
					 "</ListPartsResult>") },
	};

	(void)state;
	open_store(steps, 2, "");
	list_parts();
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(got.nparts, 4);
	assert_int_equal(got.parts[1].off, 10);
	assert_int_equal(got.parts[2].off, 30);
	assert_true(got.parts[3].off == UINT64_MAX);
	must_say(1, "&part-number-marker=2&uploadId=i%2Fd HTTP");
}

static void
test_list_parts_refuses_a_list_that_is_not_sound(void **state)
{
	static const char *const bad[] = {
		/* for ever the same page */
		"<ListPartsResult><IsTruncated>true</IsTruncated>"
		"<NextPartNumberMarker>0</NextPartNumberMarker>"
		"</ListPartsResult>",
		/* twice the same number */
		"<ListPartsResult><Part><PartNumber>1</PartNumber></Part>"
		"<Part><PartNumber>1</PartNumber></Part></ListPartsResult>",
	};
	const struct script_step steps[] = { { .reply = body("200 x", bad[0]) },
					     { .reply = body("200 x",
							     bad[1]) } };

	(void)state;
	open_store(steps, 2, "");
	list_parts();
	assert_int_equal(got.err, ERR_IO);
	list_parts();
	assert_int_equal(got.err, ERR_IO);
	assert_int_equal(script_requests(script), 2);
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
	store_list(store, "d/", "m=1", on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(got.nentries, 2);
	assert_string_equal(got.next, "to/k");
	must_say(0, "GET /buck/?continuation-token=m%3D1&delimiter=%2F&"
		    "encoding-type=url&list-type=2&max-keys=1000&"
		    "prefix=pre%2Fd%2F HTTP/1.1\r\n");
}

static void
test_list_uploads_asks_for_the_key_alone(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body("200 x",
				"<ListMultipartUploadsResult><IsTruncated>true"
				"</IsTruncated><NextKeyMarker>pre/k"
				"</NextKeyMarker><NextUploadIdMarker>1"
				"</NextUploadIdMarker><Upload><Key>pre/k</Key>"
				"<UploadId>1</UploadId></Upload>"
				"</ListMultipartUploadsResult>") },
		{ .reply = body("200 x",
				"<ListMultipartUploadsResult><IsTruncated>true"
				"</IsTruncated><NextKeyMarker>pre/kk"
				"</NextKeyMarker><NextUploadIdMarker>3"
				"</NextUploadIdMarker><Upload><Key>pre/k</Key>"
				"<UploadId>2</UploadId></Upload>"
				"<Upload><Key>pre/kk</Key>"
				"<UploadId>3</UploadId></Upload>"
				"</ListMultipartUploadsResult>") },
	};

	(void)state;
	open_store(steps, 2, "");
	store_list_uploads(store, "k", on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(got.nuploads, 2);
	assert_int_equal(script_requests(script), 2);
	must_say(1, "key-marker=pre%2Fk&max-uploads=1000&prefix=pre%2Fk&"
		    "upload-id-marker=1&uploads= HTTP");
}

static void
get(uint64_t off, size_t len, const char *etag)
{
	store_get(store, "key", etag, off, len, on_done, NULL);
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
	store_head(store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(got.object.size, 42);
	assert_int_equal(got.object.mtime, 1600000000);
	assert_string_equal(got.object.sluice_id, ID);
	store_head(store, "key", on_done, NULL);
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
	store_head(store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(script_requests(script), 2);
	must_say(1, stamp);
	store_head(store, "key", on_done, NULL);
	wait_done();
	must_say(2, stamp); /* it was kept */
	store_head(store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_DENIED); /* now it is something else */
	assert_int_equal(script_requests(script), 4);
}

static void
test_copy_aborts_what_it_could_not_finish(void **state)
{
	const struct script_step steps[] = {
		{ .reply = "HTTP/1.1 200 x\r\nContent-Length: 11000000\r\n"
			   "Content-Type: text/x\r\nETag: " ETAG "\r\n\r\n" },
		{ .reply = body("200 x", "<InitiateMultipartUploadResult>"
					 "<UploadId>u</UploadId>"
					 "</InitiateMultipartUploadResult>") },
		{ .reply = body("200 x", "<CopyPartResult><ETag>p1</ETag>"
					 "</CopyPartResult>") },
		{ .reply = body("200 x", "<Error><Code>InternalError</Code>"
					 "</Error>") },
		{ .reply = "HTTP/1.1 204 x\r\n\r\n" },
	};
	struct store_copy c = { .from = "a b" };

	(void)state;
	open_store(steps, 5, "copy_max = 5M\n");
	store_copy(store, &c, "to", NULL, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_AGAIN);
	assert_int_equal(script_requests(script), 5);
	must_say(1, "\r\ncontent-type: text/x\r\n");
	must_say(2, "PUT /buck/pre/to?partNumber=1&uploadId=u HTTP");
	must_say(2, "\r\nx-amz-copy-source: /buck/pre/a%20b\r\n");
	must_say(2, "\r\nx-amz-copy-source-range: bytes=0-5242879\r\n");
	must_say(3, "\r\nx-amz-copy-source-range: bytes=5242880-10485759\r\n");
	must_say(4, "DELETE /buck/pre/to?uploadId=u HTTP");
}

#define MISMATCH body("400 x", "<Error><Code>BadDigest</Code></Error>")
#define PRECONDITION \
	body("412 x", "<Error><Code>PreconditionFailed</Code></Error>")
#define GONE "HTTP/1.1 204 x\r\n\r\n"

static void
probe(void)
{
	store_probe(store, on_done, NULL);
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
	assert_int_equal(script_requests(script), 6);
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
test_virtual_hosts_carry_the_bucket(void **state)
{
	const struct script_step steps[] = { { .reply = DONE } };
	char host[64];

	(void)state;
	/* libcurl takes every name below localhost for this machine. */
	endpoint = "localhost";
	open_store(steps, 1, "path_style = no\n");
	put();
	assert_int_equal(got.err, ERR_OK);
	snprintf(host, sizeof(host), "\r\nhost: buck.localhost:%u\r\n",
		 script_port(script));
	must_say(0, host);
	must_say(0, "PUT /pre/key HTTP/1.1\r\n");
}

#define WITH_HTTP(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HTTP(test_put_is_signed_and_described),
		WITH_HTTP(test_put_over_http_goes_unsigned_if_told_to),
		WITH_HTTP(test_needs_follow_what_the_server_checks),
		WITH_HTTP(test_part_with_another_md5_is_corrupt),
		WITH_HTTP(test_part_with_another_checksum_is_corrupt),
		WITH_HTTP(test_part_is_named_and_placed),
		WITH_HTTP(test_answers_without_an_etag_are_not_taken),
		WITH_HTTP(test_refusals_have_their_meaning),
		WITH_HTTP(test_not_found_is_believed_from_the_store_alone),
		WITH_HTTP(test_outcome_of_a_put_is_unknown_or_not),
		WITH_HTTP(test_retry_after_makes_parts_wait),
		WITH_HTTP(test_begin_gives_the_id_and_names_the_algorithm),
		WITH_HTTP(test_begin_without_an_answer_is_ambiguous),
		WITH_HTTP(test_complete_lists_parts_and_reads_the_result),
		WITH_HTTP(test_complete_takes_an_error_in_a_200_for_an_error),
		WITH_HTTP(test_list_parts_goes_through_all_pages),
		WITH_HTTP(test_list_parts_refuses_a_list_that_is_not_sound),
		WITH_HTTP(test_list_takes_what_belongs_there),
		WITH_HTTP(test_list_uploads_asks_for_the_key_alone),
		WITH_HTTP(test_get_checks_the_range),
		WITH_HTTP(test_get_takes_a_whole_small_object),
		WITH_HTTP(test_head_reads_times_and_ids),
		WITH_HTTP(test_clock_is_set_after_the_server),
		WITH_HTTP(test_copy_aborts_what_it_could_not_finish),
		WITH_HTTP(test_probe_finds_a_server_that_checks_everything),
		WITH_HTTP(test_probe_finds_a_server_that_checks_nothing),
		WITH_HTTP(
			test_probe_distrusts_a_server_that_refuses_any_checksum),
		WITH_HTTP(test_probe_that_may_not_write_cleans_up_and_says_so),
		WITH_HTTP(test_virtual_hosts_carry_the_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
