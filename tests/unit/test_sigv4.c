/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples that Amazon publishes: "Authenticating Requests: Using the
 * Authorization Header" in the Amazon S3 API Reference (sig-v4-header-based-
 * auth.html); the keys of 2012 and 2015 in the AWS General Reference, "Examples
 * of how to derive a signing key" (signature-v4-examples.html) and "Calculate
 * the signature" (sigv4-calculate-signature.html).
 */
#include "bridge/sigv4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/id.h"

#define ACCESS "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define HOST "examplebucket.s3.amazonaws.com"
#define DATE "20130524T000000Z"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define WELCOME \
	"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

static void
must_sign(struct sigv4_request r, const char *signed_headers,
	  const char *signature)
{
	struct sigv4 *s = sigv4_new(ACCESS, SECRET, "us-east-1");
	struct buf want, out;

	r.date = DATE;
	buf_init(&want, 1024);
	buf_printf(&want,
		   "AWS4-HMAC-SHA256 Credential=" ACCESS
		   "/20130524/us-east-1/s3/aws4_request,"
		   "SignedHeaders=%s,Signature=%s",
		   signed_headers, signature);
	/* Twice: the second one uses the key that was kept. */
	for (int i = 0; i < 2; i++) {
		buf_init(&out, 1024);
		sigv4_sign(s, &r, &out);
		assert_string_equal(buf_cstr(&out), buf_cstr(&want));
		buf_free(&out);
	}
	buf_free(&want);
	sigv4_free(s);
}

static void
test_sign_get_object_with_range(void **state)
{
	const struct sigv4_header headers[] = {
		{ "x-amz-date", DATE },
		{ "x-amz-content-sha256", EMPTY },
		{ "range", "bytes=0-9" },
		{ "host", HOST },
	};
	struct sigv4_request r = { .method = "GET",
				   .path = "/test.txt",
				   .query = "",
				   .headers = headers,
				   .nheaders = 4,
				   .payload = EMPTY };

	(void)state;
	must_sign(r, "host;range;x-amz-content-sha256;x-amz-date",
		  "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036b"
		  "db41");
}

static void
test_sign_put_object(void **state)
{
	const struct sigv4_header headers[] = {
		{ "date", "Fri, 24 May 2013 00:00:00 GMT" },
		{ "host", HOST },
		{ "x-amz-content-sha256", WELCOME },
		{ "x-amz-date", DATE },
		{ "x-amz-storage-class", "REDUCED_REDUNDANCY" },
	};
	struct sigv4_request r = { .method = "PUT",
				   .query = "",
				   .headers = headers,
				   .nheaders = 5,
				   .payload = WELCOME };
	struct buf path;

	(void)state;
	buf_init(&path, 64);
	sigv4_encode(&path, "/test$file.text", true);
	r.path = buf_cstr(&path);
	must_sign(r,
		  "date;host;x-amz-content-sha256;x-amz-date;"
		  "x-amz-storage-class",
		  "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece1"
		  "08bd");
	buf_free(&path);
}

static void
test_presign_get_object(void **state)
{
	const struct sigv4_header headers[] = { { "host", HOST } };
	const struct sigv4_request r = { .method = "GET",
					 .path = "/test.txt",
					 .headers = headers,
					 .nheaders = 1,
					 .date = DATE };
	struct sigv4 *s = sigv4_new(ACCESS, SECRET, "us-east-1");
	struct buf out;

	(void)state;
	buf_init(&out, 2048);
	sigv4_presign(s, &r, NULL, 86400, &out);
	assert_string_equal(
		buf_cstr(&out),
		"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" ACCESS
		"%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
		"&X-Amz-Date=" DATE "&X-Amz-Expires=86400"
		"&X-Amz-SignedHeaders=host&X-Amz-Signature="
		"aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d"
		"404");
	buf_free(&out);
	sigv4_free(s);
}

static void
must_sign_get(const char *query, const char *signature)
{
	const struct sigv4_header headers[] = {
		{ "host", HOST },
		{ "x-amz-content-sha256", EMPTY },
		{ "x-amz-date", DATE },
	};
	struct sigv4_request r = { .method = "GET",
				   .path = "/",
				   .query = query,
				   .headers = headers,
				   .nheaders = 3,
				   .payload = EMPTY };

	must_sign(r, "host;x-amz-content-sha256;x-amz-date", signature);
}

static void
test_sign_get_bucket_lifecycle(void **state)
{
	(void)state;
	must_sign_get("lifecycle=",
		      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0"
		      "136783543");
}

static void
test_sign_list_objects(void **state)
{
	(void)state;
	must_sign_get("max-keys=2&prefix=J",
		      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711e"
		      "f69dc6f7");
}

static void
test_sign_trims_what_headers_say(void **state)
{
	struct sigv4 *s = sigv4_new(ACCESS, SECRET, "us-east-1");
	struct sigv4_header plain = { "x-amz-meta-a", "a b c" };
	struct sigv4_header spaced = { "x-amz-meta-a", "  a   b\t c \t" };
	struct sigv4_request r = { .method = "PUT",
				   .path = "/",
				   .query = "",
				   .headers = &plain,
				   .nheaders = 1,
				   .payload = EMPTY,
				   .date = DATE };
	struct buf a, b;

	(void)state;
	buf_init(&a, 1024);
	buf_init(&b, 1024);
	sigv4_sign(s, &r, &a);
	r.headers = &spaced;
	sigv4_sign(s, &r, &b);
	assert_string_equal(buf_cstr(&a), buf_cstr(&b));
	buf_free(&a);
	buf_free(&b);
	sigv4_free(s);
}

static void
test_sign_changes_the_key_with_the_day(void **state)
{
	struct sigv4 *s = sigv4_new(ACCESS, SECRET, "us-east-1"), *fresh;
	struct sigv4_request r = { .method = "GET",
				   .path = "/",
				   .query = "",
				   .payload = EMPTY,
				   .date = DATE };
	struct buf a, b;

	(void)state;
	buf_init(&a, 1024);
	buf_init(&b, 1024);
	sigv4_sign(s, &r, &a);
	buf_clear(&a);
	r.date = "20130525T000000Z";
	sigv4_sign(s, &r, &a);
	fresh = sigv4_new(ACCESS, SECRET, "us-east-1");
	sigv4_sign(fresh, &r, &b);
	assert_string_equal(buf_cstr(&a), buf_cstr(&b));
	assert_non_null(strstr(buf_cstr(&a), "/20130525/"));
	buf_free(&a);
	buf_free(&b);
	sigv4_free(s);
	sigv4_free(fresh);
}

static void
test_keys_are_the_published_ones(void **state)
{
	unsigned char key[32];
	char hex[65];

	(void)state;
	sigv4_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215",
		  "us-east-1", "iam", key);
	hex_encode(key, sizeof(key), hex);
	assert_string_equal(hex, "f4780e2d9f65fa895f9c67b32ce1baf0"
				 "b0d8a43505a000a1a9e090d414db404d");
	sigv4_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830",
		  "us-east-1", "iam", key);
	hex_encode(key, sizeof(key), hex);
	assert_string_equal(hex, "c4afb1cc5771d871763a393e44b70357"
				 "1b55cc28424d1a5e86da6ed3c154a4b9");
}

static void
test_date_is_written_in_utc(void **state)
{
	char date[SIGV4_DATE_LEN + 1];

	(void)state;
	sigv4_date(1369353600, date);
	assert_string_equal(date, DATE);
}

static void
test_encode_keeps_only_what_is_unreserved(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 256);
	sigv4_encode(&b, "aZ09-._~/ +%&=?#\xc3\xbc", true);
	assert_string_equal(buf_cstr(&b),
			    "aZ09-._~/%20%2B%25%26%3D%3F%23%C3%BC");
	buf_clear(&b);
	sigv4_encode(&b, "a/b", false);
	assert_string_equal(buf_cstr(&b), "a%2Fb");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sign_get_object_with_range),
		cmocka_unit_test(test_sign_put_object),
		cmocka_unit_test(test_presign_get_object),
		cmocka_unit_test(test_sign_get_bucket_lifecycle),
		cmocka_unit_test(test_sign_list_objects),
		cmocka_unit_test(test_sign_trims_what_headers_say),
		cmocka_unit_test(test_sign_changes_the_key_with_the_day),
		cmocka_unit_test(test_keys_are_the_published_ones),
		cmocka_unit_test(test_date_is_written_in_utc),
		cmocka_unit_test(test_encode_keeps_only_what_is_unreserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
