/* SPDX-License-Identifier: Apache-2.0 */
/* The s3 driver: multipart uploads, and what refusals mean. */
#include "tests/unit/s3_world.h"

#include "lib/clock.h"
#include "lib/mem.h"

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
test_part_goes_without_a_checksum_where_none_is_wanted(void **state)
{
	const struct script_step steps[] = {
		{ .reply = body("400 x", "<Error><Code>InvalidRequest</Code>"
					 "</Error>") },
		{ .reply = DONE },
		{ .reply = body("400 x", "<Error><Code>InvalidRequest</Code>"
					 "</Error>") },
		{ .reply = body("400 x", "<Error><Code>InvalidRequest</Code>"
					 "</Error>") },
	};

	(void)state;
	open_store(steps, 4, "");
	knows(true, true);
	put_part();
	assert_int_equal(got.err, ERR_OK);
	assert_string_equal(got.part.sum, "");
	must_say(0, "\r\nx-amz-checksum-crc32c: ");
	must_not_say(1, "x-amz-checksum-crc32c");
	put_part(); /* it was something else */
	assert_int_equal(got.err, ERR_IO);
	assert_int_equal(script_requests(w.script), 4);
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
	store_list_parts(w.store, target, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_AGAIN);
	store_head(w.store, "key", on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_NOT_FOUND);
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
	w.tries = 2;
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
	store_begin(w.store, "key", &meta, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_OK);
	assert_string_equal(got.backend_id, "u-1");
	must_say(0, "POST /buck/pre/key?uploads= HTTP/1.1\r\n");
	must_say(0, "\r\nx-amz-meta-sluice-id: " ID "\r\n");
	must_not_say(0, "x-amz-checksum-algorithm");
	knows(true, true);
	store_begin(w.store, "key", &meta, on_done, NULL);
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
	w.tries = 3;
	open_store(steps, 3, "");
	store_begin(w.store, "key", NULL, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_AGAIN);
	assert_true(got.ambiguous);
	store_begin(w.store, "key", NULL, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_AGAIN);
	assert_true(got.ambiguous);
	store_begin(w.store, "key", NULL, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_AGAIN);
	assert_false(got.ambiguous);
	assert_int_equal(script_requests(w.script), 3);
}

static void
complete(void)
{
	static const struct store_part parts[] = {
		{ .no = 1, .etag = "e1", .sum = "AAAAAA==" },
		{ .no = 2, .etag = "e2" },
	};

	store_complete(w.store, target, parts, 2, on_done, NULL);
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
	sent = script_body(w.script, 0, &len);
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(sent, want, len);
}

/* Ceph 16 leaves it empty: then what is there is asked for. */
static void
test_complete_without_an_etag_looks_at_the_object(void **state)
{
	const char *blank =
		body("200 x", "<CompleteMultipartUploadResult><ETag></ETag>"
			      "</CompleteMultipartUploadResult>");
	const struct script_step steps[] = {
		{ .reply = blank },
		{ .reply = DONE },
		{ .reply = blank },
		{ .reply = "HTTP/1.1 404 x\r\n" EMPTY },
	};

	(void)state;
	open_store(steps, 4, "");
	complete();
	assert_int_equal(got.err, ERR_OK);
	assert_string_equal(got.object.etag,
			    "9b2cf535f27731c974343645a3985328");
	must_say(1, "HEAD /buck/pre/");
	complete();
	assert_int_equal(got.err, ERR_AGAIN);
	assert_true(got.ambiguous);
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
	store_list_parts(w.store, target, on_done, NULL);
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
	assert_int_equal(script_requests(w.script), 2);
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
	store_list_uploads(w.store, "k", on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(got.nuploads, 2);
	assert_int_equal(script_requests(w.script), 2);
	must_say(1, "key-marker=pre%2Fk&max-uploads=1000&prefix=pre%2Fk&"
		    "upload-id-marker=1&uploads= HTTP");
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
	store_copy(w.store, &c, "to", NULL, on_done, NULL);
	wait_done();
	assert_int_equal(got.err, ERR_AGAIN);
	assert_int_equal(script_requests(w.script), 5);
	must_say(1, "\r\ncontent-type: text/x\r\n");
	must_say(2, "PUT /buck/pre/to?partNumber=1&uploadId=u HTTP");
	must_say(2, "\r\nx-amz-copy-source: /buck/pre/a%20b\r\n");
	must_say(2, "\r\nx-amz-copy-source-range: bytes=0-5242879\r\n");
	must_say(3, "\r\nx-amz-copy-source-range: bytes=5242880-10485759\r\n");
	must_say(4, "DELETE /buck/pre/to?uploadId=u HTTP");
}

static void
copy_part(const char *etag)
{
	struct store_copy c = { .from = "a b", .from_etag = etag, .len = 10 };

	store_copy_part(w.store, target, 1, &c, on_done, NULL);
	wait_done();
}

/* Not every server does that by itself, and then says nothing. */
static void
test_a_copied_part_is_of_the_object_that_was_meant(void **state)
{
	const char *made = body("200 x", "<CopyPartResult><ETag>p1</ETag>"
					 "</CopyPartResult>");
	const struct script_step steps[] = {
		{ .reply = made }, { .reply = DONE }, { .reply = made },
		{ .reply = DONE }, { .reply = made },
	};

	(void)state;
	open_store(steps, 5, "");
	copy_part("9b2cf535f27731c974343645a3985328");
	assert_int_equal(got.err, ERR_OK);
	assert_string_equal(got.part.etag, "p1");
	must_say(1, "HEAD /buck/pre/a%20b HTTP");
	copy_part("another");
	assert_int_equal(got.err, ERR_CONFLICT);
	copy_part(NULL); /* any will do */
	assert_int_equal(got.err, ERR_OK);
	assert_int_equal(script_requests(w.script), 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HTTP(test_part_with_another_md5_is_corrupt),
		WITH_HTTP(test_part_with_another_checksum_is_corrupt),
		WITH_HTTP(
			test_part_goes_without_a_checksum_where_none_is_wanted),
		WITH_HTTP(test_part_is_named_and_placed),
		WITH_HTTP(test_refusals_have_their_meaning),
		WITH_HTTP(test_not_found_is_believed_from_the_store_alone),
		WITH_HTTP(test_retry_after_makes_parts_wait),
		WITH_HTTP(test_begin_gives_the_id_and_names_the_algorithm),
		WITH_HTTP(test_begin_without_an_answer_is_ambiguous),
		WITH_HTTP(test_complete_lists_parts_and_reads_the_result),
		WITH_HTTP(test_complete_without_an_etag_looks_at_the_object),
		WITH_HTTP(test_complete_takes_an_error_in_a_200_for_an_error),
		WITH_HTTP(test_list_parts_goes_through_all_pages),
		WITH_HTTP(test_list_parts_refuses_a_list_that_is_not_sound),
		WITH_HTTP(test_list_uploads_asks_for_the_key_alone),
		WITH_HTTP(test_copy_aborts_what_it_could_not_finish),
		WITH_HTTP(test_a_copied_part_is_of_the_object_that_was_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
