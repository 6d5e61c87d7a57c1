/* SPDX-License-Identifier: Apache-2.0 */
/* What sessions read and list: downloads and folders. */
#include "tests/unit/upload_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define MIB (1u << 20)
#define SIZE (5 * MIB + 777) /* more than one block, none of them whole */

struct reader {
	bool done;
	enum err err;
	struct vfs_file *f;
	struct vfs_dir *d;
	unsigned char *data;
	size_t n;
	char names[512];
};

static void
opened(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct reader *r = arg;

	(void)why;
	r->done = true;
	r->err = err;
	r->f = f;
}

static enum err
reader_open(struct reader *r, struct session *s, const char *path)
{
	struct vfs_open o = { .path = path, .flags = VFS_READ };

	memset(r, 0, sizeof(*r));
	vfs_open(s, &o, opened, r);
	world_wait(&r->done);
	return r->err;
}

static void
got(void *arg, enum err err, const char *why, const void *data, size_t n)
{
	struct reader *r = arg;

	(void)why;
	r->done = true;
	r->err = err;
	r->n = n;
	r->data = mem_alloc(n + 1);
	if (n)
		memcpy(r->data, data, n);
}

/* Reads and compares with the pattern; returns the number of bytes. */
static size_t
check_read(struct reader *r, uint64_t off, size_t n, int seed)
{
	size_t i;

	r->done = false;
	vfs_file_read(r->f, off, n, got, r);
	assert_false(r->done); /* never from inside the call */
	world_wait(&r->done);
	assert_int_equal(r->err, ERR_OK);
	for (i = 0; i < r->n; i++)
		if (r->data[i] != pattern(off + i, seed))
			fail_msg("byte %zu differs", (size_t)off + i);
	free(r->data);
	return r->n;
}

static void
test_reads_give_the_bytes_asked_for(void **state)
{
	struct session *s = world_login("ann");
	struct reader r;
	uint64_t off = 0;
	size_t n;

	(void)state;
	assert_int_equal(do_put(s, "/x", SIZE, 3), ERR_OK);
	assert_int_equal(reader_open(&r, s, "/x"), ERR_OK);
	assert_int_equal(vfs_file_size(r.f), SIZE);
	while ((n = check_read(&r, off, 200000, 3)) > 0)
		off += n;
	assert_int_equal(off, SIZE);
	/* Across blocks, backwards, and the last byte. */
	assert_int_equal(check_read(&r, 3 * MIB - 5, 10, 3), 5);
	assert_int_equal(check_read(&r, 3 * MIB, 10, 3), 10);
	assert_int_equal(check_read(&r, MIB / 2, 2 * MIB, 3), MIB / 2);
	assert_int_equal(check_read(&r, SIZE - 1, 100, 3), 1);
	world_logout(s);
}

static void
test_reads_behind_the_end_are_empty(void **state)
{
	struct session *s = world_login("ann");
	struct reader r;

	(void)state;
	assert_int_equal(do_put(s, "/x", SIZE, 3), ERR_OK);
	assert_int_equal(reader_open(&r, s, "/x"), ERR_OK);
	assert_int_equal(check_read(&r, SIZE, 100, 3), 0);
	assert_int_equal(check_read(&r, SIZE + 1, 100, 3), 0);
	assert_int_equal(check_read(&r, SIZE + 3 * MIB + 12345, 100, 3), 0);
	world_logout(s);
}

static void
test_reader_never_sees_a_mix_of_two_objects(void **state)
{
	struct session *s = world_login("ann");
	struct reader r;

	(void)state;
	assert_int_equal(do_put(s, "/x", SIZE, 3), ERR_OK);
	assert_int_equal(reader_open(&r, s, "/x"), ERR_OK);
	assert_int_equal(check_read(&r, 0, 10, 3), 10);
	assert_int_equal(do_put(s, "/x", SIZE, 4), ERR_OK);
	r.done = false;
	vfs_file_read(r.f, 5 * MIB, 100, got, &r);
	world_wait(&r.done);
	if (r.err == ERR_OK) /* read ahead before it was replaced */
		assert_int_equal(r.data[0], pattern(5 * MIB, 3));
	else
		assert_int_equal(r.err, ERR_CONFLICT);
	free(r.data);
	world_logout(s);
}

static void
dir_opened(void *arg, enum err err, const char *why, struct vfs_dir *d)
{
	struct reader *r = arg;

	(void)why;
	r->done = true;
	r->err = err;
	r->d = d;
}

static void
dir_page(void *arg, enum err err, const char *why,
	 const struct vfs_entry *entries, size_t n)
{
	struct reader *r = arg;
	size_t i;

	(void)why;
	r->done = true;
	r->err = err;
	r->n = n;
	for (i = 0; i < n; i++)
		str_printf(r->names, sizeof(r->names), "%s%s:%llu ",
			   entries[i].name, entries[i].st.is_dir ? "/" : "",
			   (unsigned long long)entries[i].st.size);
}

static void
check_list(struct session *s, const char *path, const char *want)
{
	struct reader r = { 0 };

	vfs_dir_open(s, path, dir_opened, &r);
	world_wait(&r.done);
	assert_int_equal(r.err, ERR_OK);
	do {
		r.done = false;
		vfs_dir_next(r.d, dir_page, &r);
		world_wait(&r.done);
		assert_int_equal(r.err, ERR_OK);
	} while (r.n);
	vfs_dir_close(r.d);
	assert_string_equal(r.names, want);
}

static void
test_list_shows_own_uploads_and_hides_what_was_removed(void **state)
{
	struct session *a = world_login("ann"), *b = world_login("bob");
	struct writer x;

	(void)state;
	assert_int_equal(do_put(a, "/d/one", 10, 1), ERR_OK);
	assert_int_equal(do_put(a, "/d/two", 20, 1), ERR_OK);
	assert_int_equal(do_put(a, "/d/e/three", 30, 1), ERR_OK);
	check_list(a, "/d", "e/:0 one:10 two:20 ");
	/* An upload in flight stands in the place of the old object. */
	assert_int_equal(writer_open(&x, a, "/d/two", VFS_CREAT | VFS_TRUNC, 0),
			 ERR_OK);
	assert_int_equal(writer_write(&x, 0, 5, 2), ERR_OK);
	check_list(a, "/d", "e/:0 one:10 two:5 ");
	check_list(b, "/d", "e/:0 one:10 two:20 ");
	assert_int_equal(writer_close(&x, VFS_BROKEN), ERR_OK);
	check_list(a, "/d", "e/:0 one:10 two:5 ");
	/* A removed object does not show while its upload lives. */
	assert_int_equal(do_put(a, "/d/one.filepart", 7, 3), ERR_OK);
	assert_int_equal(do_remove(a, "/d/one"), ERR_OK);
	check_list(a, "/d", "e/:0 one.filepart:7 two:5 ");
	assert_int_equal(do_rename(a, "/d/one.filepart", "/d/one", false),
			 ERR_OK);
	check_list(b, "/d", "e/:0 one:7 two:20 ");
	world_logout(a);
	world_logout(b);
}

static void
test_list_of_a_file_or_of_nothing_fails(void **state)
{
	struct session *s = world_login("ann");
	struct reader r = { 0 };

	(void)state;
	assert_int_equal(do_put(s, "/x", 1, 3), ERR_OK);
	vfs_dir_open(s, "/x", dir_opened, &r);
	world_wait(&r.done);
	assert_int_equal(r.err, ERR_NOT_DIR);
	r.done = false;
	vfs_dir_open(s, "/none", dir_opened, &r);
	world_wait(&r.done);
	assert_int_equal(r.err, ERR_NOT_FOUND);
	world_logout(s);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reads_give_the_bytes_asked_for),
		TEST(test_reads_behind_the_end_are_empty),
		TEST(test_reader_never_sees_a_mix_of_two_objects),
		TEST(test_list_shows_own_uploads_and_hides_what_was_removed),
		TEST(test_list_of_a_file_or_of_nothing_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
