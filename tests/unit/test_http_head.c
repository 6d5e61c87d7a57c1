/* SPDX-License-Identifier: Apache-2.0 */
/* Heads, chunks, targets, dates and conditions of HTTP requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "httpd/chunk.h"
#include "httpd/cond.h"
#include "httpd/head.h"
#include "httpd/uri.h"
#include "lib/mem.h"

#define HOST "Host: h\r\n"

static char *text; /* of the head that was parsed last */

/* The status of a whole head; 0: it is one. */
static int
parse(const char *s, struct http_head *h)
{
	size_t scan = 0, n;
	int status;

	free(text);
	text = mem_strdup(s);
	n = http_head_find(text, strlen(text), &scan, &status);
	if (status)
		return status;
	assert_int_equal(n, strlen(text));
	return http_head_parse(text, n, h);
}

static int
refusal(const char *s)
{
	struct http_head h;

	return parse(s, &h);
}

static void
test_head_gives_its_parts(void **state)
{
	struct http_head h;

	(void)state;
	assert_int_equal(parse("\r\nPUT /files/a%20b?x=1 HTTP/1.1\r\n"
			       "HOST: example.com:8443\r\n"
			       "Content-Length:  42 \r\n"
			       "Expect: 100-Continue\r\n"
			       "X-Odd: \xe4 b\tc\r\nX-Empty:\r\n\r\n",
			       &h),
			 0);
	assert_int_equal(h.method, HTTP_PUT);
	assert_string_equal(h.target, "/files/a%20b?x=1");
	assert_string_equal(http_head_get(&h, "host"), "example.com:8443");
	assert_string_equal(http_head_get(&h, "x-empty"), "");
	assert_string_equal(http_head_get(&h, "x-odd"), "\xe4 b\tc");
	assert_null(http_head_get(&h, "x-other"));
	assert_int_equal(h.body, HTTP_BODY_LENGTH);
	assert_int_equal(h.length, 42);
	assert_true(h.expects);
	assert_false(h.close);
}

static void
test_head_comes_in_pieces(void **state)
{
	static const char s[] = "GET / HTTP/1.1\r\n" HOST "\r\nGET";
	size_t scan = 0, i, n = 0;
	int status = 0;

	(void)state;
	for (i = 0; i < sizeof(s) - 1 && n == 0; i++)
		n = http_head_find(s, i, &scan, &status);
	assert_int_equal(status, 0);
	assert_int_equal(n, sizeof(s) - 4);
	assert_int_equal(i - 1, n);
}

static void
test_connection_is_kept_or_not(void **state)
{
	struct http_head h;

	(void)state;
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n", &h), 0);
	assert_true(h.close);
	parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &h);
	assert_false(h.close);
	parse("GET / HTTP/1.1\r\n" HOST "Connection: x, CLOSE\r\n\r\n", &h);
	assert_true(h.close);
	parse("GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", &h);
	assert_false(h.close);
}

static void
test_absolute_form_is_taken(void **state)
{
	struct http_head h;

	(void)state;
	assert_int_equal(
		parse("GET http://h:80/files/a HTTP/1.1\r\n" HOST "\r\n", &h),
		0);
	assert_string_equal(h.target, "/files/a");
	assert_int_equal(refusal("GET http://h HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(parse("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", &h), 0);
	assert_int_equal(refusal("GET * HTTP/1.1\r\n" HOST "\r\n"), 400);
}

/* What two programs could read in two ways. */
static void
test_smuggling_is_refused(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\n" HOST "\r\n",
		"GET / HTTP/1.1\r\nHost: h\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "\n",
		"GET / HTTP/1.1\r\n" HOST "A: b\rC: d\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n",
		"GET / HTTP/1.1\r\n A: b\r\n" HOST "\r\n",
		"GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "A b\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST HOST "\r\n",
		"GET / HTTP/1.1\r\nA: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"GET /\tHTTP/1.1\r\n" HOST "\r\n",
		"GET  / HTTP/1.1\r\n" HOST "\r\n",
		"GET / HTTP/1.1 \r\n" HOST "\r\n",
		"GET /\r\n" HOST "\r\n",
		"G(T / HTTP/1.1\r\n" HOST "\r\n",
		"GET files HTTP/1.1\r\n" HOST "\r\n",
		"GET /a#b HTTP/1.1\r\n" HOST "\r\n",
		"GET / http/1.1\r\n" HOST "\r\n",
		"GET / HTTP/11\r\n" HOST "\r\n",
		"PUT / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n"
		"Transfer-Encoding: chunked\r\n\r\n",
		"PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
		"Content-Length: 1\r\n\r\n",
		"PUT / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n"
		"Content-Length: 1\r\n\r\n",
		"PUT / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n",
		"PUT / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n",
		"PUT / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\n",
		"PUT / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n",
		"PUT / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n",
		"PUT / HTTP/1.1\r\n" HOST
		"Content-Length: 9223372036854775808\r\n\r\n",
		"PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
		"Transfer-Encoding: chunked\r\n\r\n",
		"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "Authorization: a\r\n"
		"Authorization: b\r\n\r\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (refusal(bad[i]) != 400)
			fail_msg("taken for a head: %s", bad[i]);
}

static void
test_other_refusals_have_their_status(void **state)
{
	(void)state;
	assert_int_equal(refusal("GET / HTTP/2.0\r\n" HOST "\r\n"), 505);
	assert_int_equal(refusal("PUT / HTTP/1.1\r\n" HOST
				 "Transfer-Encoding: gzip, chunked\r\n\r\n"),
			 501);
	assert_int_equal(refusal("PUT / HTTP/1.1\r\n" HOST
				 "Expect: 200-maybe\r\n\r\n"),
			 417);
}

static void
test_nul_is_refused(void **state)
{
	char s[] = "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n";
	struct http_head h;

	(void)state;
	*strchr(s, '?') = '\0';
	assert_int_equal(http_head_parse(s, sizeof(s) - 1, &h), 400);
}

static void
test_heads_are_bounded(void **state)
{
	size_t scan = 0, n = HTTP_HEAD_MAX + 100, i;
	char *p = mem_alloc(n + 1);
	struct http_head h;
	int status;

	(void)state;
	memset(p, 'a', n);
	assert_int_equal(http_head_find(p, n, &scan, &status), 0);
	assert_int_equal(status, 414);
	memcpy(p, "GET / HTTP/1.1\r\nA: ", 19);
	scan = 0;
	http_head_find(p, n, &scan, &status);
	assert_int_equal(status, 431);
	/* The end comes, but too late. */
	memcpy(p + n - 4, "\r\n\r\n", 4);
	scan = 0;
	http_head_find(p, n, &scan, &status);
	assert_int_equal(status, 431);
	p[0] = '\0';
	str_printf(p, n, "GET / HTTP/1.1\r\n" HOST);
	for (i = 0; i < HTTP_FIELDS_MAX; i++)
		str_printf(p, n, "a%zu: b\r\n", i);
	str_printf(p, n, "\r\n");
	assert_int_equal(parse(p, &h), 431);
	p[0] = '\0';
	str_printf(p, n, "GET /");
	for (i = 0; i < HTTP_TARGET_MAX; i += 16)
		str_printf(p, n, "0123456789abcdef");
	str_printf(p, n, " HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(parse(p, &h), 414);
	free(p);
}

/* The body, fed `step` bytes at a time; NULL: malformed. */
static char *
decode(const char *s, size_t step, size_t *rest)
{
	struct http_chunk c;
	size_t n = strlen(s), off = 0, used, len, out = 0, piece;
	char *body = mem_alloc(n + 1);

	http_chunk_init(&c);
	while (off < n) {
		piece = n - off < step ? n - off : step;
		switch (http_chunk_next(&c, (const unsigned char *)s + off,
					piece, &used, &len)) {
		case HTTP_CHUNK_BAD:
			free(body);
			return NULL;
		case HTTP_CHUNK_END:
			*rest = n - off - used;
			return body;
		case HTTP_CHUNK_DATA:
			memcpy(body + out, s + off + used - len, len);
			out += len;
			break;
		case HTTP_CHUNK_MORE:
			assert_int_equal(used, piece);
			break;
		}
		off += used;
	}
	*rest = SIZE_MAX; /* the end has not come */
	return body;
}

static void
test_chunks_are_put_together(void **state)
{
	static const char s[] = "4\r\nabcd\r\n0A;x=\"y\"\r\n0123456789\r\n"
				"0\r\nTrailer: t\r\n\r\nGET";
	size_t step, rest;
	char *body;

	(void)state;
	for (step = 1; step < sizeof(s); step++) {
		body = decode(s, step, &rest);
		assert_non_null(body);
		assert_string_equal(body, "abcd0123456789");
		assert_int_equal(rest, 3);
		free(body);
	}
	body = decode("0\r\n\r\n", 1, &rest);
	assert_string_equal(body, "");
	assert_int_equal(rest, 0);
	free(body);
}

static void
test_bad_chunks_are_refused(void **state)
{
	static const char *const bad[] = {
		"\r\n",
		"4\nabcd",
		"4\r\nabcdX",
		"4\r\nabcd\n",
		"-1\r\n",
		"0x4\r\nabcd",
		" 4\r\nabcd",
		"4 \r\nabcd",
		"+4\r\nabcd",
		"1000000000000000\r\n",
		"4;\x01\r\nabcd",
		"4;a\nabcd",
		"0\r\n\n",
		"0\r\nA: b\n\r\n",
		"0\r\nA\x7f: b\r\n\r\n",
	};
	size_t i, rest;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (decode(bad[i], 1, &rest) || decode(bad[i], 99, &rest))
			fail_msg("taken for chunks: %s", bad[i]);
}

static void
test_chunk_extras_are_bounded(void **state)
{
	size_t n = HTTP_CHUNK_EXTRA_MAX + 8, rest;
	char *s = mem_alloc(n + 1);

	(void)state;
	memset(s, 'x', n);
	memcpy(s, "1;", 2);
	assert_null(decode(s, n, &rest));
	memcpy(s, "0\r\n", 3);
	assert_null(decode(s, n, &rest));
	free(s);
}

static void
test_paths_are_decoded(void **state)
{
	struct http_path p;

	(void)state;
	assert_false(http_path("/tus/a", "/files/", &p));
	assert_true(http_path("/files/a%20b/%C3%a4?x", "/files/", &p));
	assert_true(p.valid);
	assert_false(p.folder);
	assert_string_equal(p.text, "/a b/\xc3\xa4");
	assert_true(http_path("/files/", "/files/", &p));
	assert_true(p.valid && p.folder);
	assert_true(http_path("/files/a/", "/files/", &p));
	assert_true(p.valid && p.folder);
}

static void
test_bad_paths_are_told(void **state)
{
	static const char *const bad[] = {
		"/files/../a", "/files/a/..", "/files/%2e%2e/a", "/files/./a",
		"/files/a//b", "/files//a",   "/files/a%2fb",	 "/files/a%00",
		"/files/a%",   "/files/a%2",  "/files/a%zz",	 "/files/%2E",
	};
	struct http_path p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_true(http_path(bad[i], "/files/", &p));
		if (p.valid)
			fail_msg("taken for a path: %s", bad[i]);
	}
}

static void
test_queries_have_values(void **state)
{
	char v[8];

	(void)state;
	assert_true(http_query("/a?b=c&upload=12", "upload", v, sizeof(v)));
	assert_string_equal(v, "12");
	assert_false(http_query("/a?uploads=1", "upload", v, sizeof(v)));
	assert_false(http_query("/a?upload=12345678", "upload", v, sizeof(v)));
	assert_false(http_query("/upload=1", "upload", v, sizeof(v)));
}

static void
test_dates_go_both_ways(void **state)
{
	char s[HTTP_DATE_MAX];
	int64_t t;

	(void)state;
	http_date(784111777, s);
	assert_string_equal(s, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_true(http_date_parse(s, &t));
	assert_int_equal(t, 784111777);
	http_date(-1, s);
	assert_string_equal(s, "Thu, 01 Jan 1970 00:00:00 GMT");
	assert_false(http_date_parse("Sunday, 06-Nov-94 08:49:37 GMT", &t));
	assert_false(http_date_parse("Sun, 06 Nov 1994 08:49:37 CET", &t));
	assert_false(http_date_parse("Sun, 36 Nov 1994 08:49:37 GMT", &t));
	assert_false(http_date_parse("", &t));
}

static int
judge(const char *method, const char *fields, bool exists)
{
	struct http_subject s = { exists, exists ? "e1" : "", 784111777 };
	struct http_head h;
	char whole[512] = "";

	str_printf(whole, sizeof(whole), "%s / HTTP/1.1\r\n" HOST "%s\r\n\r\n",
		   method, fields);
	assert_int_equal(parse(whole, &h), 0);
	return http_conditions(&h, &s);
}

static void
test_conditions_are_judged(void **state)
{
	(void)state;
	assert_int_equal(judge("GET", "If-None-Match: \"e1\"", true), 304);
	assert_int_equal(judge("GET", "If-None-Match: W/\"e1\"", true), 304);
	assert_int_equal(judge("GET", "If-None-Match: \"e2\"", true), 0);
	assert_int_equal(judge("PUT", "If-None-Match: *", true), 412);
	assert_int_equal(judge("PUT", "If-None-Match: *", false), 0);
	assert_int_equal(judge("PUT", "If-Match: *", false), 412);
	assert_int_equal(judge("PUT", "If-Match: \"e2\", \"e1\"", true), 0);
	assert_int_equal(judge("PUT", "If-Match: W/\"e1\"", true), 412);
	assert_int_equal(judge("PUT", "If-Match: e1", true), 412);
	assert_int_equal(
		judge("GET", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
		      true),
		304);
	assert_int_equal(
		judge("GET", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
		      true),
		0);
	assert_int_equal(
		judge("PUT",
		      "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
		      true),
		412);
}

/* "206 0-9" for a file of 100 bytes. */
static const char *
range(const char *fields, uint64_t size)
{
	static char out[80];
	struct http_subject s = { true, "e1", 784111777 };
	struct http_head h;
	char whole[512] = "";
	uint64_t first, last;
	int status;

	str_printf(whole, sizeof(whole), "GET / HTTP/1.1\r\n" HOST "%s\r\n\r\n",
		   fields);
	assert_int_equal(parse(whole, &h), 0);
	status = http_range(&h, &s, size, &first, &last);
	out[0] = '\0';
	str_printf(out, sizeof(out), "%d %llu-%llu", status,
		   (unsigned long long)first, (unsigned long long)last);
	return out;
}

static void
test_ranges_are_cut(void **state)
{
	(void)state;
	assert_string_equal(range("Range: bytes=0-9", 100), "206 0-9");
	assert_string_equal(range("Range: bytes=90-", 100), "206 90-99");
	assert_string_equal(range("Range: bytes=90-500", 100), "206 90-99");
	assert_string_equal(range("Range: bytes=-10", 100), "206 90-99");
	assert_string_equal(range("Range: bytes=-500", 100), "206 0-99");
	assert_int_equal(atoi(range("Range: bytes=100-", 100)), 416);
	assert_int_equal(atoi(range("Range: bytes=-0", 100)), 416);
	assert_int_equal(atoi(range("Range: bytes=-1", 0)), 416);
	assert_string_equal(range("Range: bytes=9-1", 100), "200 0-99");
	assert_string_equal(range("Range: bytes=0-1,5-6", 100), "200 0-99");
	assert_string_equal(range("Range: lines=0-1", 100), "200 0-99");
	assert_string_equal(range("Range: bytes=0-9\r\nIf-Range: \"e1\"", 100),
			    "206 0-9");
	assert_string_equal(range("Range: bytes=0-9\r\nIf-Range: \"e2\"", 100),
			    "200 0-99");
}

static int
free_text(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_gives_its_parts),
		cmocka_unit_test(test_head_comes_in_pieces),
		cmocka_unit_test(test_connection_is_kept_or_not),
		cmocka_unit_test(test_absolute_form_is_taken),
		cmocka_unit_test(test_smuggling_is_refused),
		cmocka_unit_test(test_other_refusals_have_their_status),
		cmocka_unit_test(test_nul_is_refused),
		cmocka_unit_test(test_heads_are_bounded),
		cmocka_unit_test(test_chunks_are_put_together),
		cmocka_unit_test(test_bad_chunks_are_refused),
		cmocka_unit_test(test_chunk_extras_are_bounded),
		cmocka_unit_test(test_paths_are_decoded),
		cmocka_unit_test(test_bad_paths_are_told),
		cmocka_unit_test(test_queries_have_values),
		cmocka_unit_test(test_dates_go_both_ways),
		cmocka_unit_test(test_conditions_are_judged),
		cmocka_unit_test(test_ranges_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, free_text);
}
