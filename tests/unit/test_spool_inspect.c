/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody sees of the spool who drives nothing. */
#include "tests/unit/spool_world.h"

#include "bridge/spool_inspect.h"

struct seen {
	size_t n;
	struct spool_file file;
	char name[SPOOL_NAME_MAX];
};

static void
on_file(void *arg, const struct spool_file *f)
{
	struct seen *s = arg;

	s->n++;
	s->file = *f;
	snprintf(s->name, sizeof(s->name), "%s", f->name);
}

static struct seen
inspect(const struct world *w)
{
	struct seen s = { 0 };

	assert_int_equal(spool_inspect(w->dir, on_file, &s), ERR_OK);
	return s;
}

static void
write_at(const struct world *w, const char *name, off_t at, const char *bytes)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, strlen(bytes), at), strlen(bytes));
	close(fd);
}

static void
test_a_segment_says_what_came(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(2);
	struct segment *g = make(w, &id);
	struct seen s;

	assert_int_equal(append(g, 5000, 1), ERR_OK);
	s = inspect(w);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.file.kind, SPOOL_FILE_SEGMENT);
	assert_string_equal(s.file.id.upload, UPLOAD);
	assert_int_equal(s.file.id.no, 2);
	assert_int_equal(s.file.id.base, id.base);
	assert_int_equal(s.file.id.capacity, id.capacity);
	assert_int_equal(s.file.received, 5000);
	assert_false(s.file.cut);
	assert_int_equal(spool_inspect_data(w->dir, s.name), ERR_OK);
	segment_discard(g);
}

static void
test_after_another_boot_what_was_synced_counts(void **state)
{
	struct world *w = *state;
	unsigned char boot[SEGMENT_BOOT_LEN] = { 7 };
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, 3000, 1), ERR_OK);
	assert_int_equal(sync_now(w, g), ERR_OK);
	assert_int_equal(append(g, 100, 1), ERR_OK);
	segment_close(g);
	spool_test_boot(boot);
	assert_int_equal(inspect(w).file.received, 3000);
	spool_test_boot(NULL);
	assert_int_equal(inspect(w).file.received, 3100);
}

static void
test_damage_is_told_apart(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);
	char path[160];
	struct seen s;

	assert_int_equal(append(g, 5000, 1), ERR_OK);
	segment_close(g);
	s = inspect(w);
	snprintf(path, sizeof(path), "%s/%s", w->dir, s.name);

	write_at(w, s.name, SEGMENT_HEADER + 77, "other");
	assert_int_equal(inspect(w).file.kind, SPOOL_FILE_SEGMENT);
	assert_int_equal(spool_inspect_data(w->dir, s.name), ERR_CORRUPT);
	assert_int_equal(truncate(path, SEGMENT_HEADER + 4999), 0);
	assert_true(inspect(w).file.cut);
	assert_int_equal(inspect(w).file.received, 0);
	write_at(w, s.name, 10, "torn");
	s = inspect(w);
	assert_int_equal(s.file.kind, SPOOL_FILE_DAMAGED);
	assert_string_equal(s.file.id.upload, UPLOAD);
	assert_int_equal(s.file.id.no, 1);
	assert_int_equal(spool_inspect_unlink(w->dir, s.name), ERR_OK);
	assert_int_equal(inspect(w).n, 0);
	assert_int_equal(spool_inspect_unlink(w->dir, s.name), ERR_OK);
}

static void
test_a_copied_file_is_not_taken_for_a_part(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1), other = part(1);
	struct segment *g = make(w, &id);
	char from[160], to[160], name[SPOOL_NAME_MAX];

	assert_int_equal(append(g, 10, 1), ERR_OK);
	segment_close(g);
	spool_name(name, &id);
	snprintf(from, sizeof(from), "%s/%s", w->dir, name);
	strcpy(other.upload, OTHER);
	spool_name(name, &other);
	snprintf(to, sizeof(to), "%s/%s", w->dir, name);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(inspect(w).file.kind, SPOOL_FILE_MISNAMED);
	snprintf(from, sizeof(from), "%s/notes.txt", w->dir);
	assert_int_equal(rename(to, from), 0);
	assert_int_equal(inspect(w).file.kind, SPOOL_FILE_FOREIGN);
}

static void
test_free_files_and_locks_are_left_out(void **state)
{
	struct world *w = *state;
	struct segment_id id = part(1);
	struct segment *g = make(w, &id);

	assert_int_equal(append(g, MIB, 1), ERR_OK);
	segment_discard(g);
	world_settle(w);
	assert_true(world_files(w, "free.", false) > 0);
	assert_int_equal(inspect(w).n, 0);
	assert_int_equal(spool_inspect("/nowhere/at/all", on_file, NULL),
			 ERR_NOT_FOUND);
}

#define C(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		C(test_a_segment_says_what_came),
		C(test_after_another_boot_what_was_synced_counts),
		C(test_damage_is_told_apart),
		C(test_a_copied_file_is_not_taken_for_a_part),
		C(test_free_files_and_locks_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
