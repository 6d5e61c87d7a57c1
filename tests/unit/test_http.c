/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/unit/http_script.h"
#include "tests/unit/patience.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define MANY (4u << 20)

static struct loop *loop;
static struct http *http;
static struct script *script;
static struct http_host *host;
static unsigned connections = 4;
static unsigned stall_ms = 30000;

struct got {
	unsigned n;
	enum http_end end;
	bool sent;
	unsigned status;
	char body[64], header[64], why[256];
};

static void
on_done(void *arg, const struct http_reply *r)
{
	struct got *g = arg;
	const char *h = http_reply_header(r, "x-WANTED");
	size_t n = r->len < sizeof(g->body) - 1 ? r->len : sizeof(g->body) - 1;

	g->n++;
	g->end = r->end;
	g->sent = r->sent;
	g->status = r->status;
	if (n)
		memcpy(g->body, r->body, n);
	str_copy(g->header, sizeof(g->header), h ? h : "(none)");
	str_copy(g->why, sizeof(g->why), r->why);
}

static void
start(const struct script_step *steps, size_t n)
{
	char url[64];
	struct http_host_config cfg = { .url = url,
					.verify_tls = true,
					.connections = connections,
					.connect_timeout_ms = 5000,
					.stall_timeout_ms = stall_ms,
					.stall_bytes = 1000 };

	script = script_new(steps, n);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", script_port(script));
	host = http_host_new(http, &cfg);
}

static struct http_request *
send_call(struct http_call c, const char *path, struct got *g)
{
	char url[256];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", script_port(script),
		 path);
	c.url = url;
	if (!c.reply_max)
		c.reply_max = 1000;
	return http_send(host, &c, on_done, g);
}

static void
wait_for(struct got *g)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	while (!g->n && clock_ms() < end)
		loop_turn(loop, 1000);
	assert_int_equal(g->n, 1);
}

static struct got
call(struct http_call c, const char *path)
{
	struct got g = { 0 };

	send_call(c, path, &g);
	assert_int_equal(g.n, 0);
	wait_for(&g);
	return g;
}

static struct got
get(const char *path)
{
	return call((struct http_call){ .method = "GET" }, path);
}

static int
set_up(void **state)
{
	(void)state;
	connections = 4;
	stall_ms = 30000;
	loop = loop_new();
	http = http_new(loop);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	http_host_free(host);
	http_free(http);
	loop_turn(loop, 0);
	loop_free(loop);
	script_free(script);
	return 0;
}

static int
file_of(const unsigned char *bytes, size_t n)
{
	char path[] = "http.XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	assert_int_equal(write(fd, bytes, n), n);
	return fd;
}

static unsigned char *
some_bytes(size_t n)
{
	unsigned char *p = mem_alloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 7 + i / 251);
	return p;
}

static void
test_get_brings_status_headers_and_body(void **state)
{
	const struct script_step steps[] = {
		{ .reply = "HTTP/1.1 100 Continue\r\nX-Wanted: no\r\n\r\n"
			   "HTTP/1.1 404 Gone\r\nx-other: a\r\n"
			   "X-Wanted:  yes \r\nContent-Length: 4\r\n\r\nbody" },
	};
	struct got g;

	(void)state;
	start(steps, 1);
	g = get("/a/../b/./c?d=%20");
	assert_int_equal(g.end, HTTP_DONE);
	assert_int_equal(g.status, 404);
	assert_string_equal(g.body, "body");
	assert_string_equal(g.header, "yes");
	assert_string_equal(g.why, "");
	assert_memory_equal(script_head(script, 0),
			    "GET /a/../b/./c?d=%20 HTTP/1.1\r\n", 31);
}

static void
test_put_sends_the_range_of_a_file(void **state)
{
	const struct script_step steps[] = { { .reply = OK } };
	const char *const headers[] = { "x-one: 1", "host: other", NULL };
	unsigned char *bytes = some_bytes(MANY);
	struct http_call c = { .method = "PUT",
			       .headers = headers,
			       .has_body = true,
			       .fd = file_of(bytes, MANY),
			       .off = 1000,
			       .len = MANY - 3000 };
	struct got g;
	size_t len;
	const void *body;

	(void)state;
	start(steps, 1);
	g = call(c, "/k");
	assert_int_equal(g.end, HTTP_DONE);
	assert_true(g.sent);
	body = script_body(script, 0, &len);
	assert_int_equal(len, MANY - 3000);
	assert_memory_equal(body, bytes + 1000, len);
	assert_non_null(strstr(script_head(script, 0), "\r\nx-one: 1\r\n"));
	assert_non_null(
		strcasestr(script_head(script, 0), "\r\nhost: other\r\n"));
	assert_null(strcasestr(script_head(script, 0), "expect"));
	close(c.fd);
	free(bytes);
}

static void
test_put_of_nothing_says_so(void **state)
{
	const struct script_step steps[] = { { .reply = OK } };
	struct http_call c = { .method = "POST", .has_body = true, .data = "" };

	(void)state;
	start(steps, 1);
	assert_int_equal(call(c, "/k").end, HTTP_DONE);
	assert_memory_equal(script_head(script, 0), "POST ", 5);
	assert_non_null(
		strstr(script_head(script, 0), "\r\nContent-Length: 0\r\n"));
}

static void
test_head_waits_for_no_body(void **state)
{
	const struct script_step steps[] = {
		{ .reply = "HTTP/1.1 200 OK\r\nX-Wanted: 1\r\n"
			   "Content-Length: 100\r\n\r\n" },
		{ .reply = "HTTP/1.1 204 No Content\r\n\r\n" },
	};
	struct got g;

	(void)state;
	start(steps, 2);
	g = call((struct http_call){ .method = "HEAD" }, "/k");
	assert_int_equal(g.end, HTTP_DONE);
	assert_string_equal(g.header, "1");
	g = call((struct http_call){ .method = "DELETE" }, "/k");
	assert_int_equal(g.status, 204);
	assert_int_equal(script_connections(script), 1);
}

static void
test_connections_are_kept(void **state)
{
	const struct script_step steps[] = { { .reply = OK },
					     { .reply = OK },
					     { .reply = OK } };

	(void)state;
	start(steps, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(get("/").status, 200);
	assert_int_equal(script_connections(script), 1);
}

static void
test_dead_kept_connection_is_replaced(void **state)
{
	const struct script_step steps[] = { { .reply = OK },
					     { .reply = NULL },
					     { .reply = OK } };
	struct http_call c = {
		.method = "PUT", .has_body = true, .data = "data", .len = 4
	};
	struct got g;
	size_t len;

	(void)state;
	start(steps, 3);
	assert_int_equal(get("/").status, 200);
	g = call(c, "/");
	assert_int_equal(g.end, HTTP_DONE);
	assert_int_equal(script_requests(script), 3);
	assert_memory_equal(script_body(script, 2, &len), "data", 4);
}

static void
test_once_is_never_sent_twice(void **state)
{
	const struct script_step steps[] = { { .reply = OK },
					     { .reply = NULL },
					     { .reply = OK } };
	struct http_call c = {
		.method = "POST", .has_body = true, .data = "", .once = true
	};
	struct got g;

	(void)state;
	start(steps, 3);
	assert_int_equal(get("/").status, 200);
	g = call(c, "/");
	assert_int_equal(g.end, HTTP_LOST);
	assert_true(g.sent);
	assert_int_equal(script_requests(script), 2);
}

static void
test_nobody_listens(void **state)
{
	const struct script_step steps[] = { { .reply = OK } };
	struct http_call c = { .method = "GET",
			       .url = "http://127.0.0.1:9/",
			       .reply_max = 10 };
	struct got g = { 0 };

	(void)state;
	start(steps, 1);
	http_send(host, &c, on_done, &g);
	wait_for(&g);
	assert_int_equal(g.end, HTTP_CONNECT);
	assert_false(g.sent);
	assert_string_not_equal(g.why, "");
}

static void
test_lost_reply_may_have_worked(void **state)
{
	const struct script_step steps[] = { { .reply = NULL } };
	struct http_call c = {
		.method = "PUT", .has_body = true, .data = "data", .len = 4
	};
	struct got g;

	(void)state;
	start(steps, 1);
	g = call(c, "/");
	assert_int_equal(g.end, HTTP_LOST);
	assert_true(g.sent);
}

static void
test_cut_body_cannot_have_worked(void **state)
{
	const struct script_step steps[] = { { .cut_after = 1000 } };
	unsigned char *bytes = some_bytes(MANY);
	struct http_call c = {
		.method = "PUT", .has_body = true, .data = bytes, .len = MANY
	};
	struct got g;

	(void)state;
	start(steps, 1);
	c.len = 16 * MANY; /* more than sockets hold; never read that far */
	c.data = bytes = mem_resize(bytes, 16 * MANY);
	memset(bytes + MANY, 0, 15 * MANY);
	g = call(c, "/");
	assert_int_equal(g.end, HTTP_LOST);
	assert_false(g.sent);
	free(bytes);
}

static void
test_body_shorter_than_promised_is_not_sent(void **state)
{
	const struct script_step steps[] = { { .reply = OK } };
	struct http_call c = { .method = "PUT",
			       .has_body = true,
			       .fd = file_of((const unsigned char *)"abc", 3),
			       .len = 4 };
	struct got g;

	(void)state;
	start(steps, 1);
	g = call(c, "/");
	assert_int_equal(g.end, HTTP_BODY);
	assert_false(g.sent);
	close(c.fd);
}

static void
test_short_reply_is_lost(void **state)
{
	const struct script_step steps[] = {
		{ .reply = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
		  .closes = true },
	};
	struct got g;

	(void)state;
	start(steps, 1);
	g = get("/");
	assert_int_equal(g.end, HTTP_LOST);
	assert_true(g.sent);
}

static void
test_peer_that_speaks_no_http_is_lost(void **state)
{
	const struct script_step steps[] = { { .reply = "SSH-2.0-x\r\n",
					       .closes = true } };

	(void)state;
	start(steps, 1);
	assert_int_equal(get("/").end, HTTP_LOST);
}

static void
test_silent_peer_stalls(void **state)
{
	const struct script_step steps[] = { { .reply = OK, .holds = true } };
	struct got g;

	(void)state;
	stall_ms = 100;
	start(steps, 1);
	g = get("/");
	assert_int_equal(g.end, HTTP_STALLED);
	assert_true(g.sent);
}

static void
test_patient_request_outlasts_the_host(void **state)
{
	const struct script_step steps[] = { { .reply = OK, .holds = true },
					     { .reply = OK, .holds = true } };
	struct got slow = { 0 }, quick = { 0 };

	(void)state;
	stall_ms = 100;
	start(steps, 2);
	send_call((struct http_call){ .method = "POST",
				      .stall_timeout_ms = 60000 },
		  "/", &slow);
	send_call((struct http_call){ .method = "GET" }, "/", &quick);
	wait_for(&quick);
	assert_int_equal(quick.end, HTTP_STALLED);
	assert_int_equal(slow.n, 0);
	script_release(script);
	wait_for(&slow);
	assert_int_equal(slow.status, 200);
}

static void
test_replies_have_ceilings(void **state)
{
	char *many = mem_alloc(200000), *p = many;
	struct script_step steps[] = { { .reply = OK }, { .reply = many } };

	(void)state;
	p = stpcpy(p, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 2000; i++)
		p = stpcpy(p, "x-header: 01234567890123456789012345678\r\n");
	stpcpy(p, "Content-Length: 0\r\n\r\n");
	start(steps, 2);
	assert_int_equal(
		call((struct http_call){ .method = "GET", .reply_max = 1 }, "/")
			.end,
		HTTP_TOO_LARGE);
	assert_int_equal(get("/").end, HTTP_TOO_LARGE);
	free(many);
}

static void
turn_until_held(unsigned n)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	while (script_held(script) < n && clock_ms() < end)
		loop_turn(loop, 10);
	assert_int_equal(script_held(script), n);
}

static void
test_connections_have_a_limit(void **state)
{
	struct script_step steps[6];
	struct got g[6] = { 0 };

	(void)state;
	for (int i = 0; i < 6; i++)
		steps[i] = (struct script_step){ .reply = OK, .holds = true };
	connections = 2;
	start(steps, 6);
	for (int i = 0; i < 6; i++)
		send_call((struct http_call){ .method = "GET" }, "/", &g[i]);
	turn_until_held(2);
	script_release(script);
	for (int i = 0; i < 6; i++)
		wait_for(&g[i]);
	assert_int_equal(script_connections(script), 2);
}

static void
test_large_bodies_leave_room_for_small_requests(void **state)
{
	struct script_step steps[5];
	unsigned char *bytes = some_bytes(MANY);
	struct http_call large = {
		.method = "PUT", .has_body = true, .data = bytes, .len = MANY
	};
	struct got g[5] = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++)
		steps[i] = (struct script_step){ .reply = OK, .holds = true };
	connections = 4;
	start(steps, 5);
	for (int i = 0; i < 4; i++)
		send_call(large, "/large", &g[i]);
	turn_until_held(3);
	send_call((struct http_call){ .method = "GET" }, "/small", &g[4]);
	turn_until_held(4);
	assert_int_equal(script_requests(script), 4);
	assert_memory_equal(script_head(script, 3), "GET /small", 10);
	script_release(script);
	for (int i = 0; i < 5; i++)
		wait_for(&g[i]);
	free(bytes);
}

static void
test_cancelled_request_is_silent(void **state)
{
	const struct script_step steps[] = { { .reply = OK, .holds = true },
					     { .reply = OK } };
	struct got never = { 0 }, queued = { 0 };
	struct http_request *r, *q;

	(void)state;
	connections = 1;
	start(steps, 2);
	r = send_call((struct http_call){ .method = "GET" }, "/", &never);
	turn_until_held(1);
	q = send_call((struct http_call){ .method = "GET" }, "/", &queued);
	http_cancel(q);
	http_cancel(r);
	assert_int_equal(get("/").status, 200);
	assert_int_equal(never.n, 0);
	assert_int_equal(queued.n, 0);
}

/* What is freed here must not be read; the sanitizers watch. */
static void
test_cancelled_body_is_not_read(void **state)
{
	struct script_step steps[40];
	struct got never = { 0 };

	(void)state;
	for (int i = 0; i < 40; i++)
		steps[i] = (struct script_step){ .reply = OK, .holds = true };
	start(steps, 40);
	for (int i = 0; i < 30; i++) {
		unsigned char *bytes = some_bytes(MANY);
		struct http_call c = { .method = "PUT",
				       .has_body = true,
				       .data = bytes,
				       .len = MANY };
		unsigned before = script_requests(script);
		struct http_request *r = send_call(c, "/", &never);
		uint64_t end = clock_ms() + PATIENCE_MS;

		while (i % 3 && script_requests(script) == before &&
		       clock_ms() < end)
			loop_turn(loop, 0);
		http_cancel(r);
		memset(bytes, 0, MANY);
		free(bytes);
	}
	loop_turn(loop, 0);
	assert_int_equal(never.n, 0);
}

static void
test_cancel_between_reply_and_completion(void **state)
{
	const struct script_step steps[] = { { .reply = OK }, { .reply = OK } };
	struct got first = { 0 }, second = { 0 };
	struct http_request *r;
	uint64_t end = clock_ms() + PATIENCE_MS;

	(void)state;
	start(steps, 2);
	send_call((struct http_call){ .method = "GET" }, "/", &first);
	r = send_call((struct http_call){ .method = "GET" }, "/", &second);
	/* Both are answered while the loop stands still. */
	while (script_requests(script) < 2 && clock_ms() < end)
		usleep(1000);
	http_cancel(r);
	wait_for(&first);
	loop_turn(loop, 10);
	assert_int_equal(second.n, 0);
}

static void
test_free_with_cancelled_requests_under_way(void **state)
{
	const struct script_step steps[] = { { .reply = OK, .holds = true },
					     { .reply = OK, .holds = true } };
	struct got never = { 0 };
	struct http_request *r;

	(void)state;
	start(steps, 2);
	r = send_call((struct http_call){ .method = "GET" }, "/", &never);
	turn_until_held(1);
	http_cancel(r);
	/* tear_down frees the client at once. */
}

#define WITH_HTTP(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HTTP(test_get_brings_status_headers_and_body),
		WITH_HTTP(test_put_sends_the_range_of_a_file),
		WITH_HTTP(test_put_of_nothing_says_so),
		WITH_HTTP(test_head_waits_for_no_body),
		WITH_HTTP(test_connections_are_kept),
		WITH_HTTP(test_dead_kept_connection_is_replaced),
		WITH_HTTP(test_once_is_never_sent_twice),
		WITH_HTTP(test_nobody_listens),
		WITH_HTTP(test_lost_reply_may_have_worked),
		WITH_HTTP(test_cut_body_cannot_have_worked),
		WITH_HTTP(test_body_shorter_than_promised_is_not_sent),
		WITH_HTTP(test_short_reply_is_lost),
		WITH_HTTP(test_peer_that_speaks_no_http_is_lost),
		WITH_HTTP(test_silent_peer_stalls),
		WITH_HTTP(test_patient_request_outlasts_the_host),
		WITH_HTTP(test_replies_have_ceilings),
		WITH_HTTP(test_connections_have_a_limit),
		WITH_HTTP(test_large_bodies_leave_room_for_small_requests),
		WITH_HTTP(test_cancelled_request_is_silent),
		WITH_HTTP(test_cancelled_body_is_not_read),
		WITH_HTTP(test_cancel_between_reply_and_completion),
		WITH_HTTP(test_free_with_cancelled_requests_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
