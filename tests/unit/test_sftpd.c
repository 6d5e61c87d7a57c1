/* SPDX-License-Identifier: Apache-2.0 */
/* The SFTP front end as a client meets it: order and errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mem.h"
#include "tests/unit/sftp_client.h"

static int
set_up(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	world_make(w);
	world_open(w);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	world_free(*state);
	free(*state);
	return 0;
}

static void
test_a_file_goes_in_and_comes_out(void **state)
{
	struct client *c = client_sftp(*state);
	struct buf h;
	uint32_t id;

	open_file(c, "/a", FOR_WRITING, &h);
	id = ask_write(c, &h, 0, "hello ", 6);
	expect_status(c, id, SFTP_FX_OK);
	id = ask_write(c, &h, 6, "world", 5);
	expect_status(c, id, SFTP_FX_OK);
	id = ask_handle(c, SFTP_CLOSE, &h);
	expect_status(c, id, SFTP_FX_OK);
	id = ask_path(c, SFTP_STAT, "/a");
	assert_int_equal(expect_size(c, id), 11);
	buf_free(&h);
	open_file(c, "/a", SFTP_READ_FLAG, &h);
	id = ask_read(c, &h, 3, 100);
	expect_data(c, id, "lo world", 8);
	id = ask_read(c, &h, 11, 100);
	expect_status(c, id, SFTP_FX_EOF);
	id = ask_handle(c, SFTP_CLOSE, &h);
	expect_status(c, id, SFTP_FX_OK);
	buf_free(&h);
}

static void
test_acks_held_back_come_with_ready(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	uint32_t first, second;
	struct buf h;

	open_file(c, "/a", FOR_WRITING, &h);
	w->fake->hold_acks = true;
	first = ask_write(c, &h, 0, "x", 1);
	second = ask_write(c, &h, 1, "y", 1);
	world_settle(w);
	assert_int_equal(w->fake->written, 2);
	assert_false(heard_any(c));
	fake_ready(w->fake, ERR_OK);
	expect_status(c, first, SFTP_FX_OK);
	expect_status(c, second, SFTP_FX_OK);
	w->fake->hold_acks = true;
	first = ask_write(c, &h, 2, "z", 1);
	world_settle(w);
	fake_ready(w->fake, ERR_QUOTA);
	expect_status(c, first, SFTP_FX_FAILURE);
	buf_free(&h);
}

static void
test_acks_go_before_the_reply_to_close(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	uint32_t write, close;
	struct buf h;

	open_file(c, "/a", FOR_WRITING, &h);
	w->fake->hold_acks = true;
	w->fake->close_err = ERR_INCOMPLETE;
	write = ask_write(c, &h, 0, "x", 1);
	close = ask_handle(c, SFTP_CLOSE, &h);
	expect_status(c, write, SFTP_FX_FAILURE);
	expect_status(c, close, SFTP_FX_FAILURE);
	buf_free(&h);
}

static void
test_input_waits_when_too_many_acks_are_held(void **state)
{
	const unsigned n = 3000; /* above ACKS_MAX */
	struct world *w = *state;
	struct client *c = client_sftp(w);
	struct buf h;
	unsigned i;

	open_file(c, "/a", FOR_WRITING, &h);
	w->fake->hold_acks = true;
	for (i = 0; i < n; i++)
		ask_write(c, &h, i, "x", 1);
	world_settle(w);
	assert_int_equal(w->fake->written, 1024);
	for (i = 0; i < n; i++) {
		if (!heard_any(c)) {
			fake_ready(w->fake, ERR_OK);
			world_settle(w);
		}
		expect_status(c, c->id - n + 1 + i, SFTP_FX_OK);
	}
	assert_int_equal(w->fake->written, n);
	buf_free(&h);
}

static void
test_requests_behind_close_wait_for_it(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	uint32_t close, set, rename, stat, other;
	struct buf h;

	open_file(c, "/a", FOR_WRITING, &h);
	fake_put(w->fake, "/b", "", 0);
	fake_ops(w->fake);
	w->fake->hold = true;
	close = ask_handle(c, SFTP_CLOSE, &h);
	set = ask_setstat(c, "/a", 5);
	rename = ask_rename(c, "/a", "/c");
	stat = ask_path(c, SFTP_STAT, "/c");
	other = ask_path(c, SFTP_STAT, "/b");
	world_settle(w);
	assert_string_equal(fake_ops(w->fake), "close /a\nstat /b\n");
	fake_release(w->fake);
	expect_status(c, close, SFTP_FX_OK);
	assert_int_equal(expect_size(c, other), 0);
	expect_status(c, set, SFTP_FX_OK);
	expect_status(c, rename, SFTP_FX_OK);
	expect_size(c, stat);
	assert_string_equal(fake_ops(w->fake),
			    "setstat /a\nrename /a /c\nstat /c\n");
	buf_free(&h);
}

static void
test_a_write_behind_fsetstat_waits_for_it(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	uint32_t set, write, close;
	struct buf h;

	open_file(c, "/a", FOR_WRITING, &h);
	w->fake->hold = true;
	set = ask_fsetstat(c, &h, 0);
	write = ask_write(c, &h, 0, "abc", 3);
	close = ask_handle(c, SFTP_CLOSE, &h);
	world_settle(w);
	assert_int_equal(w->fake->written, 0);
	fake_release(w->fake);
	expect_status(c, set, SFTP_FX_OK);
	expect_status(c, write, SFTP_FX_OK);
	expect_status(c, close, SFTP_FX_OK);
	assert_int_equal(w->fake->written, 3);
	buf_free(&h);
}

static void
test_a_failing_write_says_why_and_fails_close(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	struct reply *r;
	const uint8_t *text;
	uint32_t id, len;
	struct buf h;

	open_file(c, "/a", FOR_WRITING, &h);
	w->fake->write_err = ERR_NO_SPACE;
	w->fake->write_err_from = 10;
	id = ask_write(c, &h, 0, "0123456789", 10);
	expect_status(c, id, SFTP_FX_OK);
	id = ask_write(c, &h, 10, "x", 1);
	r = hear(c);
	assert_int_equal(r->id, id);
	assert_int_equal(sftp_read_u32(&r->r), SFTP_FX_FAILURE);
	text = sftp_read_string(&r->r, &len);
	assert_int_equal(len, strlen("the write was made to fail"));
	assert_memory_equal(text, "the write was made to fail", len);
	id = ask_handle(c, SFTP_CLOSE, &h);
	expect_status(c, id, SFTP_FX_FAILURE);
	buf_free(&h);
}

static void
test_append_decides_only_where_the_client_does_not(void **state)
{
	const uint32_t flags = SFTP_WRITE_FLAG | SFTP_APPEND_FLAG;
	struct world *w = *state;
	struct client *c = client_sftp(w);
	struct buf h;
	size_t n;

	fake_put(w->fake, "/knows", "0123", 4);
	open_file(c, "/knows", flags, &h);
	expect_status(c, ask_write(c, &h, 4, "45", 2), SFTP_FX_OK);
	expect_status(c, ask_write(c, &h, 6, "67", 2), SFTP_FX_OK);
	buf_free(&h);
	assert_memory_equal(fake_get(w->fake, "/knows", &n), "01234567", 8);
	assert_int_equal(n, 8);

	fake_put(w->fake, "/counts", "0123", 4);
	open_file(c, "/counts", flags, &h);
	expect_status(c, ask_write(c, &h, 0, "45", 2), SFTP_FX_OK);
	expect_status(c, ask_write(c, &h, 2, "67", 2), SFTP_FX_OK);
	buf_free(&h);
	assert_memory_equal(fake_get(w->fake, "/counts", &n), "01234567", 8);
	assert_int_equal(n, 8);

	fake_put(w->fake, "/zero", "0123", 4);
	open_file(c, "/zero", flags, &h);
	expect_status(c, ask_write(c, &h, 0, "45", 2), SFTP_FX_OK);
	expect_status(c, ask_write(c, &h, 0, "67", 2), SFTP_FX_OK);
	buf_free(&h);
	assert_memory_equal(fake_get(w->fake, "/zero", &n), "01234567", 8);
	assert_int_equal(n, 8);
}

static void
test_append_may_begin_at_0_with_each_buffer(void **state)
{
	const uint32_t flags =
		SFTP_WRITE_FLAG | SFTP_APPEND_FLAG | SFTP_CREAT_FLAG;
	static const char *const paths[] = { "/old", "/new" };
	struct world *w = *state;
	struct client *c = client_sftp(w);
	struct buf h;
	size_t i, n, old;

	fake_put(w->fake, "/old", "0123", 4);
	for (i = 0; i < 2; i++) {
		old = i == 0 ? 4 : 0;
		open_file(c, paths[i], flags, &h);
		expect_status(c, ask_write(c, &h, 0, "45", 2), SFTP_FX_OK);
		expect_status(c, ask_write(c, &h, 2, "67", 2), SFTP_FX_OK);
		expect_status(c, ask_write(c, &h, 0, "89", 2), SFTP_FX_OK);
		expect_status(c, ask_write(c, &h, 2, "ab", 2), SFTP_FX_OK);
		buf_free(&h);
		assert_memory_equal(fake_get(w->fake, paths[i], &n),
				    &"0123456789ab"[4 - old], 8 + old);
		assert_int_equal(n, 8 + old);
	}
}

static void
test_many_reads_are_answered_in_full_and_in_order(void **state)
{
	enum { SIZE = 1000000, CHUNK = 32768 };
	struct world *w = *state;
	struct client *c = client_sftp(w);
	unsigned char *data = mem_alloc(SIZE);
	uint32_t first, off;
	struct buf h;
	size_t i;

	for (i = 0; i < SIZE; i++)
		data[i] = (unsigned char)(i * 31 + i / 251);
	fake_put(w->fake, "/a", data, SIZE);
	w->fake->read_max = 10000; /* the store gives less than was asked */
	open_file(c, "/a", SFTP_READ_FLAG, &h);
	first = c->id + 1;
	for (off = 0; off < SIZE + 2 * CHUNK; off += CHUNK)
		ask_read(c, &h, off, CHUNK);
	for (off = 0; off < SIZE; off += CHUNK, first++)
		expect_data(c, first, data + off,
			    SIZE - off < CHUNK ? SIZE - off : CHUNK);
	expect_status(c, first++, SFTP_FX_EOF);
	expect_status(c, first, SFTP_FX_EOF);
	buf_free(&h);
	free(data);
}

/* The client asks for far more than it takes, and then takes it. */
static void
test_a_client_that_does_not_listen_stops_the_reads(void **state)
{
	enum { N = 600, CHUNK = 16384 };
	struct world *w = *state;
	struct client *c = client_sftp(w);
	unsigned char *data = mem_alloc(CHUNK);
	struct buf h;
	unsigned i;

	fake_put(w->fake, "/a", data, CHUNK);
	open_file(c, "/a", SFTP_READ_FLAG, &h);
	c->deaf = true;
	for (i = 0; i < N; i++)
		ask_read(c, &h, 0, CHUNK);
	for (i = 0; i < 20; i++)
		world_settle(w);
	c->deaf = false;
	for (i = 0; i < N; i++)
		expect_data(c, c->id - N + 1 + i, data, CHUNK);
	buf_free(&h);
	free(data);
}

/* Requests that are refused at once are many replies for few bytes. */
static void
test_replies_that_nobody_takes_stop_the_input(void **state)
{
	enum { N = 300000 };
	struct world *w = *state;
	struct client *c = client_sftp(w);
	uint32_t first = c->id + 1;
	unsigned i;

	c->deaf = true;
	for (i = 0; i < N; i++) {
		buf_add(&c->out, "\0\0\0\5\x63", 5);
		buf_add_u32(&c->out, ++c->id);
	}
	for (i = 0; i < 10; i++)
		world_settle(w);
	assert_true(client_channel_open(c));
	c->deaf = false;
	for (i = 0; i < N; i++)
		expect_status(c, first + i, SFTP_FX_OP_UNSUPPORTED);
}

static void
test_more_requests_than_fit_are_all_answered(void **state)
{
	enum { N = 2000 };
	struct world *w = *state;
	struct client *c = client_sftp(w);
	uint32_t first;
	unsigned i;

	fake_put(w->fake, "/a", "x", 1);
	w->fake->hold = true;
	first = c->id + 1;
	for (i = 0; i < N; i++)
		ask_path(c, SFTP_STAT, "/a");
	world_settle(w);
	assert_false(heard_any(c));
	fake_release(w->fake);
	for (i = 0; i < N; i++)
		assert_int_equal(expect_size(c, first + i), 1);
}

static void
test_a_pause_stops_reading(void **state)
{
	enum { N = 64, CHUNK = 65536 };
	struct world *w = *state;
	struct client *c = client_sftp(w);
	unsigned char *data = mem_alloc(CHUNK);
	uint64_t before;
	struct buf h;
	unsigned i;

	open_file(c, "/a", FOR_WRITING, &h);
	fake_pause(w->fake, true);
	before = w->fake->written;
	for (i = 0; i < N; i++)
		ask_write(c, &h, (uint64_t)i * CHUNK, data, CHUNK);
	for (i = 0; i < 5; i++)
		world_settle(w);
	assert_int_equal(w->fake->written, before);
	fake_pause(w->fake, false);
	for (i = 0; i < N; i++)
		expect_status(c, c->id - N + 1 + i, SFTP_FX_OK);
	assert_int_equal(w->fake->written, N * CHUNK);
	buf_free(&h);
	free(data);
}

static void
test_a_folder_comes_in_pages(void **state)
{
	enum { FILES = 1234 };
	struct world *w = *state;
	struct client *c = client_sftp(w);
	unsigned i, seen = 0, count;
	struct reply *r;
	char path[300];
	uint32_t id, len;
	struct buf h;

	fake_put_dir(w->fake, "/d");
	for (i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "/d/%0200u", i);
		fake_put(w->fake, path, "", 0);
	}
	w->fake->page_max = 500;
	id = ask_path(c, SFTP_OPENDIR, "/d");
	r = hear(c);
	assert_int_equal(r->type, SFTP_HANDLE);
	assert_int_equal(r->id, id);
	buf_init(&h, 100);
	const uint8_t *handle = sftp_read_string(&r->r, &len);
	buf_add(&h, handle, len);
	for (;;) {
		ask_handle(c, SFTP_READDIR, &h);
		r = hear(c);
		assert_true(r->r.left + 9 <= 32768);
		if (r->type == SFTP_STATUS)
			break;
		assert_int_equal(r->type, SFTP_NAME);
		for (count = sftp_read_u32(&r->r); count > 0; count--) {
			struct sftp_attrs a;

			assert_non_null(sftp_read_string(&r->r, &len));
			assert_int_equal(len, 200);
			sftp_read_string(&r->r, &len);
			sftp_read_attrs(&r->r, &a);
			seen++;
		}
		assert_false(r->r.bad);
	}
	assert_int_equal(sftp_read_u32(&r->r), SFTP_FX_EOF);
	assert_int_equal(seen, FILES);
	expect_status(c, ask_handle(c, SFTP_CLOSE, &h), SFTP_FX_OK);
	buf_free(&h);
}

static void
test_wrong_requests_get_their_errors(void **state)
{
	struct client *c = client_sftp(*state);
	struct buf h, none;

	buf_init(&none, 8);
	expect_status(c, ask_path(c, SFTP_STAT, "/none"), SFTP_FX_NO_SUCH_FILE);
	expect_status(c, ask_path(c, SFTP_STAT, "/a\nb"), SFTP_FX_FAILURE);
	expect_status(c, ask_handle(c, SFTP_CLOSE, &none), SFTP_FX_FAILURE);
	expect_status(c, ask_write(c, &none, 0, "x", 1), SFTP_FX_FAILURE);
	expect_status(c, ask_path(c, SFTP_READLINK, "/a"),
		      SFTP_FX_OP_UNSUPPORTED);
	expect_status(c, ask_path(c, 77, "/a"), SFTP_FX_OP_UNSUPPORTED);
	expect_status(c, ask_extended(c, "hardlink@openssh.com", "/a"),
		      SFTP_FX_OP_UNSUPPORTED);
	expect_status(c, ask_open(c, "/a", 0), SFTP_FX_FAILURE);
	ask_raw(c, "\0\0\0\7\x11\0\0\1\0\0\0", 11); /* STAT, cut short */
	expect_status(c, 256, SFTP_FX_BAD_MESSAGE);
	open_file(c, "/a", FOR_WRITING, &h);
	expect_status(c, ask_read(c, &h, 0, 1), SFTP_FX_PERMISSION_DENIED);
	expect_status(c, ask_handle(c, SFTP_READDIR, &h), SFTP_FX_FAILURE);
	expect_status(c, ask_handle(c, SFTP_CLOSE, &h), SFTP_FX_OK);
	expect_status(c, ask_handle(c, SFTP_CLOSE, &h), SFTP_FX_FAILURE);
	expect_status(c, ask_handle(c, SFTP_FSTAT, &h), SFTP_FX_FAILURE);
	assert_true(client_channel_open(c));
	buf_free(&h);
}

static void
test_rights_are_asked_before_the_vfs(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);

	w->fake->user.rights = USER_READ;
	fake_ops(w->fake);
	expect_status(c, ask_path(c, SFTP_REMOVE, "/a"),
		      SFTP_FX_PERMISSION_DENIED);
	expect_status(c, ask_path(c, SFTP_OPENDIR, "/"),
		      SFTP_FX_PERMISSION_DENIED);
	expect_status(c, ask_path(c, SFTP_MKDIR, "/d"),
		      SFTP_FX_PERMISSION_DENIED);
	expect_status(c, ask_rename(c, "/a", "/b"), SFTP_FX_PERMISSION_DENIED);
	assert_string_equal(fake_ops(w->fake), "");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_a_file_goes_in_and_comes_out),
		T(test_acks_held_back_come_with_ready),
		T(test_acks_go_before_the_reply_to_close),
		T(test_input_waits_when_too_many_acks_are_held),
		T(test_requests_behind_close_wait_for_it),
		T(test_a_write_behind_fsetstat_waits_for_it),
		T(test_a_failing_write_says_why_and_fails_close),
		T(test_append_decides_only_where_the_client_does_not),
		T(test_append_may_begin_at_0_with_each_buffer),
		T(test_many_reads_are_answered_in_full_and_in_order),
		T(test_a_client_that_does_not_listen_stops_the_reads),
		T(test_replies_that_nobody_takes_stop_the_input),
		T(test_more_requests_than_fit_are_all_answered),
		T(test_a_pause_stops_reading),
		T(test_a_folder_comes_in_pages),
		T(test_wrong_requests_get_their_errors),
		T(test_rights_are_asked_before_the_vfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
