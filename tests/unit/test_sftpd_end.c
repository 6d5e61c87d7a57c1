/* SPDX-License-Identifier: Apache-2.0 */
/* The SFTP front end when a client breaks off or breaks the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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
