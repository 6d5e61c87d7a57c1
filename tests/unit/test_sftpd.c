/* SPDX-License-Identifier: Apache-2.0 */
/* The SFTP front end as a client meets it: order, errors, ends. */
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

static void
wait_for_end(struct client *c)
{
	int i;

	for (i = 0; i < 50 && client_channel_open(c); i++)
		world_settle(c->w);
	assert_false(client_channel_open(c));
}

static void
test_what_cannot_be_framed_ends_the_channel(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} cases[] = {
		{ "\0\0\0\0\1", 5 },		/* no type */
		{ "\xff\xff\xff\xff\1", 5 },	/* too long */
		{ "\0\0\0\3\x11\0\0", 7 },	/* no id */
		{ "\0\0\0\5\1\0\0\0\3", 9 },	/* INIT again */
		{ "\0\0\0\6\6\0\0\0\1\0", 10 }, /* WRITE cut short */
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client *c = client_sftp(w);
		struct buf h;

		open_file(c, "/a", FOR_WRITING, &h);
		ask_raw(c, cases[i].bytes, cases[i].n);
		wait_for_end(c);
		assert_int_equal(w->fake->files, 0);
		assert_int_equal(w->fake->broken, i + 1);
		buf_free(&h);
		client_free(c);
	}
}

static void
test_nothing_comes_before_init(void **state)
{
	struct world *w = *state;
	struct client *c = client_new(w);

	assert_int_equal(client_login(c, "ann", "secret"), SSH_AUTH_SUCCESS);
	client_channel(c);
	ask_path(c, SFTP_STAT, "/");
	wait_for_end(c);
	client_free(c);
	c = client_new(w);
	assert_int_equal(client_login(c, "ann", "secret"), SSH_AUTH_SUCCESS);
	client_channel(c);
	ask_raw(c, "\0\0\0\x16\6\0\0\0\1\0\0\0\1h", 14);
	ask_raw(c, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
	wait_for_end(c);
}

static void
test_too_many_handles_are_refused(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	struct buf h;
	int i;

	fake_put(w->fake, "/a", "x", 1);
	for (i = 0; i < 128; i++) {
		open_file(c, "/a", SFTP_READ_FLAG, &h);
		if (i < 127)
			buf_free(&h);
	}
	expect_status(c, ask_open(c, "/a", SFTP_READ_FLAG), SFTP_FX_FAILURE);
	expect_status(c, ask_handle(c, SFTP_CLOSE, &h), SFTP_FX_OK);
	buf_free(&h);
	open_file(c, "/a", SFTP_READ_FLAG, &h);
	buf_free(&h);
}

static void
test_an_upload_that_is_cut_is_broken_off(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	struct buf h;

	open_file(c, "/a", FOR_WRITING, &h);
	expect_status(c, ask_write(c, &h, 0, "x", 1), SFTP_FX_OK);
	fake_ops(w->fake);
	client_free(c);
	assert_string_equal(fake_ops(w->fake), "broken /a\n");
	assert_int_equal(sftpd_sessions(w->sftpd), 0);
	buf_free(&h);
}

/* CLOSE was read, but waits for FSETSTAT when the client is gone. */
static void
test_a_close_that_was_read_is_carried_out(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	struct buf h;

	open_file(c, "/a", FOR_WRITING, &h);
	expect_status(c, ask_write(c, &h, 0, "abc", 3), SFTP_FX_OK);
	fake_ops(w->fake);
	w->fake->hold = true;
	ask_fsetstat(c, &h, 3);
	ask_handle(c, SFTP_CLOSE, &h);
	ask_setstat(c, "/a", 5);
	ask_path(c, SFTP_STAT, "/a");
	world_settle(w);
	client_free(c);
	assert_int_equal(sftpd_sessions(w->sftpd), 1);
	fake_release(w->fake);
	world_settle(w);
	assert_string_equal(fake_ops(w->fake),
			    "setstat /a\nclose /a\nsetstat /a\n");
	assert_int_equal(sftpd_sessions(w->sftpd), 0);
	buf_free(&h);
}

static void
test_requests_sent_before_eof_are_answered(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	struct buf h;
	uint32_t id;

	open_file(c, "/a", FOR_WRITING, &h);
	w->fake->hold = true;
	id = ask_handle(c, SFTP_CLOSE, &h);
	world_settle(w);
	ssh_channel_send_eof(c->ch);
	world_settle(w);
	fake_release(w->fake);
	expect_status(c, id, SFTP_FX_OK);
	wait_for_end(c);
	assert_int_equal(w->fake->broken, 0);
	buf_free(&h);
}

static void
test_an_open_that_comes_too_late_is_broken_off(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);

	w->fake->hold = true;
	ask_open(c, "/a", FOR_WRITING);
	ask_path(c, SFTP_OPENDIR, "/");
	world_settle(w);
	ssh_channel_close(c->ch);
	world_settle(w);
	assert_int_equal(w->fake->files, 1);
	fake_release(w->fake);
	world_settle(w);
	assert_int_equal(w->fake->files, 0);
	assert_int_equal(w->fake->dirs, 0);
	assert_int_equal(w->fake->broken, 1);
}

static void
test_a_session_that_ends_with_requests_under_way_is_clean(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	struct buf file, dir;
	struct reply *r;
	const uint8_t *p;
	uint32_t len;

	fake_put(w->fake, "/r", "0123456789", 10);
	open_file(c, "/r", SFTP_READ_FLAG, &file);
	ask_path(c, SFTP_OPENDIR, "/");
	r = hear(c);
	p = sftp_read_string(&r->r, &len);
	buf_init(&dir, 100);
	buf_add(&dir, p, len);
	w->fake->hold = true;
	ask_read(c, &file, 0, 5);
	ask_read(c, &file, 5, 5);
	ask_handle(c, SFTP_READDIR, &dir);
	ask_handle(c, SFTP_READDIR, &dir);
	ask_open(c, "/w", FOR_WRITING);
	ask_path(c, SFTP_OPENDIR, "/");
	ask_path(c, SFTP_STAT, "/");
	world_settle(w);
	client_free(c);
	assert_int_equal(sftpd_sessions(w->sftpd), 0);
	assert_int_equal(w->fake->files, 0);
	assert_int_equal(w->fake->dirs, 0);
	buf_free(&file);
	buf_free(&dir);
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
		T(test_many_reads_are_answered_in_full_and_in_order),
		T(test_a_client_that_does_not_listen_stops_the_reads),
		T(test_more_requests_than_fit_are_all_answered),
		T(test_a_pause_stops_reading),
		T(test_a_folder_comes_in_pages),
		T(test_wrong_requests_get_their_errors),
		T(test_rights_are_asked_before_the_vfs),
		T(test_what_cannot_be_framed_ends_the_channel),
		T(test_nothing_comes_before_init),
		T(test_too_many_handles_are_refused),
		T(test_an_upload_that_is_cut_is_broken_off),
		T(test_a_close_that_was_read_is_carried_out),
		T(test_requests_sent_before_eof_are_answered),
		T(test_an_open_that_comes_too_late_is_broken_off),
		T(test_a_session_that_ends_with_requests_under_way_is_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
