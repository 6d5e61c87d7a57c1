/* SPDX-License-Identifier: Apache-2.0 */
/* Extensions of SFTP as a client meets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mem.h"
#include "sftpd/wire.h"
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
extended(struct buf *body, const char *name)
{
	buf_init(body, 100000);
	buf_add_string(body, name);
}

static void
put_bytes(struct buf *body, const void *data, size_t n)
{
	buf_add_u32(body, (uint32_t)n);
	buf_add(body, data, n);
}

static void
expect_name(struct client *c, uint32_t id, const char *name)
{
	struct reply *r = hear(c);
	const uint8_t *p;
	uint32_t len;

	assert_int_equal(r->type, SFTP_NAME);
	assert_int_equal(r->id, id);
	assert_int_equal(sftp_read_u32(&r->r), 1);
	p = sftp_read_string(&r->r, &len);
	assert_int_equal(len, strlen(name));
	assert_memory_equal(p, name, len);
}

static void
test_there_is_one_home(void **state)
{
	struct client *c = client_sftp(*state);
	static const char home[] = "home-directory";
	static const char expand[] = "expand-path@openssh.com";

	expect_name(c, ask_extended(c, home, ""), "/");
	expect_name(c, ask_extended(c, home, "ann"), "/");
	expect_status(c, ask_extended(c, home, "an"), SFTP_FX_NO_SUCH_FILE);
	expect_status(c, ask_extended(c, home, NULL), SFTP_FX_BAD_MESSAGE);
	expect_name(c, ask_extended(c, expand, "~"), "/");
	expect_name(c, ask_extended(c, expand, "~ann/a/.."), "/");
	expect_name(c, ask_extended(c, expand, "x/~"), "/x/~");
	expect_status(c, ask_extended(c, expand, "~root"),
		      SFTP_FX_NO_SUCH_FILE);
}

static uint32_t
ask_ids(struct client *c, size_t uids, size_t gids, size_t odd)
{
	static unsigned char ids[8192];
	struct buf body;
	size_t i;

	for (i = 0; i < sizeof(ids); i += 4)
		memcpy(ids + i, i == 4 ? "\0\0\3\350" : "\0\0\0\0", 4);
	extended(&body, "users-groups-by-id@openssh.com");
	put_bytes(&body, ids, 4 * uids + odd);
	put_bytes(&body, ids, 4 * gids);
	return ask(c, SFTP_EXTENDED, &body);
}

static void
test_one_id_has_a_name(void **state)
{
	struct client *c = client_sftp(*state);
	uint32_t id = ask_ids(c, 2, 3, 0), len;
	struct reply *r = hear(c);
	const uint8_t *p;

	assert_int_equal(WIRE_ID, 1000); /* as the bytes above say */
	assert_int_equal(r->type, SFTP_EXTENDED_REPLY);
	assert_int_equal(r->id, id);
	p = sftp_read_string(&r->r, &len);
	assert_int_equal(len, 4 + 4 + 3);
	assert_memory_equal(p, "\0\0\0\0\0\0\0\3ann", len);
	p = sftp_read_string(&r->r, &len);
	assert_int_equal(len, 4 + 4 + 3 + 4);
	assert_memory_equal(p, "\0\0\0\0\0\0\0\3ann\0\0\0\0", len);
	assert_int_equal(r->r.left, 0);

	ask_ids(c, 0, 0, 0);
	assert_int_equal(hear(c)->type, SFTP_EXTENDED_REPLY);
	ask_ids(c, 1024, 0, 0);
	assert_int_equal(hear(c)->type, SFTP_EXTENDED_REPLY);
	expect_status(c, ask_ids(c, 1024, 1, 0), SFTP_FX_FAILURE);
	expect_status(c, ask_ids(c, 1, 1, 3), SFTP_FX_BAD_MESSAGE);
}

static uint32_t
ask_copy(struct client *c, const struct buf *from, const struct buf *to,
	 uint64_t len)
{
	struct buf body;

	extended(&body, "copy-data");
	put_bytes(&body, buf_data(from), buf_len(from));
	buf_add_u64(&body, 0);
	buf_add_u64(&body, len);
	put_bytes(&body, buf_data(to), buf_len(to));
	buf_add_u64(&body, 0);
	return ask(c, SFTP_EXTENDED, &body);
}

static void
test_a_copy_is_whole_and_others_wait_for_it(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	uint32_t copy, write, close, close_from;
	struct buf from, to;

	fake_put(w->fake, "/a", "abc", 3);
	open_file(c, "/a", SFTP_READ_FLAG, &from);
	open_file(c, "/b", FOR_WRITING, &to);
	expect_status(c, ask_copy(c, &from, &to, 2), SFTP_FX_OP_UNSUPPORTED);
	expect_status(c, ask_copy(c, &from, &from, 0), SFTP_FX_FAILURE);
	expect_status(c, ask_copy(c, &to, &from, 0), SFTP_FX_FAILURE);
	fake_ops(w->fake);
	copy = ask_copy(c, &from, &to, 0);
	write = ask_write(c, &to, 3, "d", 1);
	close_from = ask_handle(c, SFTP_CLOSE, &from);
	close = ask_handle(c, SFTP_CLOSE, &to);
	expect_status(c, copy, SFTP_FX_OK);
	expect_status(c, write, SFTP_FX_OK);
	expect_status(c, close_from, SFTP_FX_OK);
	expect_status(c, close, SFTP_FX_OK);
	assert_int_equal(expect_size(c, ask_path(c, SFTP_STAT, "/b")), 4);
	buf_free(&from);
	buf_free(&to);
}

static void
test_copies_need_the_right_to_read(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	struct buf from, to;

	fake_put(w->fake, "/a", "abc", 3);
	open_file(c, "/a", SFTP_READ_FLAG, &from);
	open_file(c, "/b", FOR_WRITING, &to);
	w->fake->user.rights = USER_WRITE;
	expect_status(c, ask_copy(c, &from, &to, 0), SFTP_FX_PERMISSION_DENIED);
	buf_free(&from);
	buf_free(&to);
}

static void
test_a_copy_cut_off_leaves_no_handle_behind(void **state)
{
	struct world *w = *state;
	struct client *c = client_sftp(w);
	struct buf from, to;

	fake_put(w->fake, "/a", "abc", 3);
	open_file(c, "/a", SFTP_READ_FLAG, &from);
	open_file(c, "/b", FOR_WRITING, &to);
	ask_copy(c, &from, &to, 0);
	client_free(c);
	world_settle(w);
	assert_int_equal(w->fake->files, 0);
	buf_free(&from);
	buf_free(&to);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_there_is_one_home),
		T(test_one_id_has_a_name),
		T(test_a_copy_is_whole_and_others_wait_for_it),
		T(test_copies_need_the_right_to_read),
		T(test_a_copy_cut_off_leaves_no_handle_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
