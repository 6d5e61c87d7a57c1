/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is particular to the local store: folders, hostile trees, foreign
 * files. What it shares with the others is in the contract test.
 */
#include "tests/unit/local_world.h"

#include <fcntl.h>
#include <sys/xattr.h>

static int
setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	world_make(w);
	world_start(w, "create = yes");
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	world_stop(w);
	world_remove(w);
	free(w);
	return 0;
}

static const char *
below(const struct world *w, const char *name)
{
	static char path[800];

	snprintf(path, sizeof(path), "%s/%s", w->root, name);
	return path;
}

static void
write_foreign(const struct world *w, const char *name, const char *text)
{
	FILE *f = fopen(below(w, name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
test_put_makes_parents_and_reads_back(void **state)
{
	struct world *w = *state;
	struct got g;

	assert_int_equal(put(w, &g, "a/b/c.txt", "hello"), ERR_OK);
	assert_int_equal(get(w, &g, "a/b/c.txt"), ERR_OK);
	assert_string_equal(g.data, "hello");
	assert_int_equal(g.object.size, 5);
}

static void
test_put_gives_a_new_etag_for_equal_bytes(void **state)
{
	struct world *w = *state;
	char first[STORE_ETAG_MAX + 1];
	struct got g;

	assert_int_equal(put(w, &g, "x", "same"), ERR_OK);
	str_copy(first, sizeof(first), g.object.etag);
	assert_int_equal(head(w, &g, "x"), ERR_OK);
	assert_string_equal(g.object.etag, first);
	assert_int_equal(put(w, &g, "x", "same"), ERR_OK);
	assert_string_not_equal(g.object.etag, first);
}

static void
test_put_refuses_a_wrong_crc_and_keeps_the_old(void **state)
{
	struct world *w = *state;
	struct store_body b = body_of("new");
	struct got g;

	assert_int_equal(put(w, &g, "x", "old"), ERR_OK);
	b.crc32c ^= 1;
	WAIT(w, &g, store_put(w->store, "x", NULL, &b, take, &g));
	assert_int_equal(g.err, ERR_CORRUPT);
	assert_int_equal(get(w, &g, "x"), ERR_OK);
	assert_string_equal(g.data, "old");
}

static void
test_keys_that_are_no_paths_are_refused(void **state)
{
	static const char *const bad[] = { "..",    "../x",   "a/../../x",
					   "a/./b", "/etc/x", "a//b",
					   "a/..",  "./a",    "a/../b" };
	struct world *w = *state;
	char longest[400];
	struct got g;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(put(w, &g, bad[i], "x"), ERR_INVALID);
		assert_int_equal(head(w, &g, bad[i]), ERR_INVALID);
	}
	memset(longest, 'n', sizeof(longest));
	longest[256] = '\0';
	assert_int_equal(put(w, &g, longest, "x"), ERR_INVALID);
	longest[255] = '\0';
	assert_int_equal(put(w, &g, longest, "x"), ERR_OK);
}

static void
test_reserved_folder_is_out_of_reach(void **state)
{
	struct world *w = *state;
	struct got g;

	assert_int_equal(put(w, &g, "keep", "x"), ERR_OK);
	assert_int_equal(put(w, &g, ".sluice/x", "x"), ERR_DENIED);
	assert_int_equal(put(w, &g, ".sluice", "x"), ERR_DENIED);
	assert_int_equal(head(w, &g, ".sluice/tmp/"), ERR_DENIED);
	WAIT(w, &g, store_list(w->store, ".sluice/", NULL, take, &g));
	assert_int_equal(g.err, ERR_DENIED);
	WAIT(w, &g, store_move(w->store, "keep", ".sluice/x", take, &g));
	assert_int_equal(g.err, ERR_DENIED);
	WAIT(w, &g, store_delete(w->store, ".sluice/", take, &g));
	assert_int_equal(g.err, ERR_DENIED);
	WAIT(w, &g, store_list(w->store, "", NULL, take, &g));
	assert_string_equal(g.names, "keep ");
	/* Deeper down the name means nothing. */
	assert_int_equal(put(w, &g, "a/.sluice", "x"), ERR_OK);
}

static void
test_symlinks_are_never_followed(void **state)
{
	struct world *w = *state;
	char secret[400], text[16] = "";
	struct got g;
	FILE *f;

	snprintf(secret, sizeof(secret), "%s/secret", w->dir);
	f = fopen(secret, "w");
	fputs("secret", f);
	fclose(f);
	assert_int_equal(put(w, &g, "seen", "x"), ERR_OK);
	assert_int_equal(symlink(w->dir, below(w, "out")), 0);
	assert_int_equal(symlink("../secret", below(w, "link")), 0);
	assert_int_equal(symlink("seen", below(w, "inner")), 0);

	assert_int_equal(head(w, &g, "link"), ERR_NOT_FOUND);
	assert_int_equal(get(w, &g, "inner"), ERR_NOT_FOUND);
	assert_int_not_equal(get(w, &g, "out/secret"), ERR_OK);
	assert_int_not_equal(put(w, &g, "out/planted", "x"), ERR_OK);
	assert_int_not_equal(put(w, &g, "out/deep/planted", "x"), ERR_OK);
	WAIT(w, &g, store_list(w->store, "", NULL, take, &g));
	assert_string_equal(g.names, "seen ");
	WAIT(w, &g, store_list(w->store, "out/", NULL, take, &g));
	assert_int_equal(g.nentries, 0);

	/* A put takes the link's name; what it led to stays as it is. */
	assert_int_equal(put(w, &g, "link", "mine"), ERR_OK);
	f = fopen(secret, "r");
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, "secret");
	snprintf(secret, sizeof(secret), "%s/planted", w->dir);
	assert_int_not_equal(access(secret, F_OK), 0);
}

static void
test_special_files_are_not_there(void **state)
{
	struct world *w = *state;
	struct got g;

	assert_int_equal(put(w, &g, "a", "x"), ERR_OK);
	assert_int_equal(mkfifo(below(w, "fifo"), 0600), 0);
	assert_int_equal(head(w, &g, "fifo"), ERR_NOT_FOUND);
	assert_int_equal(get(w, &g, "fifo"), ERR_NOT_FOUND);
	WAIT(w, &g, store_list(w->store, "", NULL, take, &g));
	assert_string_equal(g.names, "a ");
}

static void
test_file_in_the_way_of_a_folder(void **state)
{
	struct world *w = *state;
	struct got g;

	assert_int_equal(put(w, &g, "a", "x"), ERR_OK);
	assert_int_equal(put(w, &g, "a/b", "x"), ERR_NOT_DIR);
	WAIT(w, &g, store_begin(w->store, "a/b", NULL, take, &g));
	assert_int_equal(g.err, ERR_NOT_DIR);
	assert_int_equal(head(w, &g, "a/b"), ERR_NOT_FOUND);
	assert_int_equal(put(w, &g, "a/", ""), ERR_NOT_DIR);
	WAIT(w, &g, store_delete(w->store, "a/", take, &g));
	assert_int_equal(g.err, ERR_NOT_DIR);
}

static void
test_folder_in_the_way_of_a_file(void **state)
{
	struct world *w = *state;
	struct got g;

	assert_int_equal(put(w, &g, "d/", ""), ERR_OK);
	assert_int_equal(put(w, &g, "d", "x"), ERR_IS_DIR);
	WAIT(w, &g, store_begin(w->store, "d", NULL, take, &g));
	assert_int_equal(g.err, ERR_IS_DIR);
	assert_int_equal(head(w, &g, "d"), ERR_NOT_FOUND);
	WAIT(w, &g, store_delete(w->store, "d", take, &g));
	assert_int_equal(g.err, ERR_IS_DIR);
	assert_int_equal(head(w, &g, "d/"), ERR_OK);
}

static void
test_folders_are_made_and_removed(void **state)
{
	struct world *w = *state;
	struct got g;

	assert_int_equal(head(w, &g, "d/e/"), ERR_NOT_FOUND);
	assert_int_equal(put(w, &g, "d/e/", ""), ERR_OK);
	assert_int_equal(put(w, &g, "d/e/", ""), ERR_OK);
	assert_int_equal(put(w, &g, "d/e/", "x"), ERR_INVALID);
	assert_int_equal(head(w, &g, "d/e/"), ERR_OK);
	WAIT(w, &g, store_delete(w->store, "d/", take, &g));
	assert_int_equal(g.err, ERR_NOT_EMPTY);
	WAIT(w, &g, store_delete(w->store, "d/e/", take, &g));
	assert_int_equal(g.err, ERR_OK);
	WAIT(w, &g, store_delete(w->store, "d/e/", take, &g));
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(head(w, &g, "d/"), ERR_OK);
}

static void
test_list_pages_a_folder_in_order(void **state)
{
	struct world *w = *state;
	char name[32], marker[300];
	struct got g;

	assert_int_equal(put(w, &g, "d/zz/", ""), ERR_OK);
	for (int i = 0; i < 2 * STORE_LIST_MAX + 1; i++) {
		snprintf(name, sizeof(name), "d/%05d", (i * 7919) % 2001);
		write_foreign(w, name, "");
	}
	WAIT(w, &g, store_list(w->store, "d/", NULL, take, &g));
	assert_int_equal(g.nentries, STORE_LIST_MAX);
	assert_string_equal(g.first, "00000");
	assert_string_equal(g.last, "00999");
	str_copy(marker, sizeof(marker), g.next);
	WAIT(w, &g, store_list(w->store, "d/", marker, take, &g));
	assert_int_equal(g.nentries, STORE_LIST_MAX);
	assert_string_equal(g.first, "01000");
	str_copy(marker, sizeof(marker), g.next);
	WAIT(w, &g, store_list(w->store, "d/", marker, take, &g));
	assert_string_equal(g.names, "02000 zz/ ");
	assert_string_equal(g.next, "");
}

static void
test_list_hides_names_with_control_bytes(void **state)
{
	struct world *w = *state;
	struct got g;

	assert_int_equal(put(w, &g, "ok", "x"), ERR_OK);
	write_foreign(w, "a\r\nb", "x");
	WAIT(w, &g, store_list(w->store, "", NULL, take, &g));
	assert_string_equal(g.names, "ok ");
}

static void
test_foreign_file_has_an_etag_that_follows_it(void **state)
{
	struct world *w = *state;
	char first[STORE_ETAG_MAX + 1];
	struct got g;

	assert_int_equal(put(w, &g, "mine", "x"), ERR_OK);
	write_foreign(w, "f", "one");
	assert_int_equal(head(w, &g, "f"), ERR_OK);
	assert_string_equal(g.object.sluice_id, "");
	str_copy(first, sizeof(first), g.object.etag);
	write_foreign(w, "f", "longer");
	assert_int_equal(head(w, &g, "f"), ERR_OK);
	assert_string_not_equal(g.object.etag, first);
	WAIT(w, &g,
	     store_get(w->store, "f", first, (struct store_range){ 0, 10 },
		       take, &g));
	assert_int_equal(g.err, ERR_CONFLICT);
}

static void
test_object_changed_by_others_is_not_ours_any_more(void **state)
{
	struct store_meta meta = { .sluice_id =
					   "0123456789abcdef0123456789abcdef" };
	struct store_body b = body_of("ours");
	struct world *w = *state;
	char first[STORE_ETAG_MAX + 1];
	struct got g;

	WAIT(w, &g, store_put(w->store, "x", &meta, &b, take, &g));
	assert_int_equal(head(w, &g, "x"), ERR_OK);
	assert_string_equal(g.object.sluice_id, meta.sluice_id);
	str_copy(first, sizeof(first), g.object.etag);
	write_foreign(w, "x", "theirs");
	assert_int_equal(head(w, &g, "x"), ERR_OK);
	assert_string_equal(g.object.sluice_id, "");
	assert_string_not_equal(g.object.etag, first);
}

static void
test_touch_keeps_the_etag(void **state)
{
	struct world *w = *state;
	char first[STORE_ETAG_MAX + 1];
	struct got g;

	assert_int_equal(put(w, &g, "x", "x"), ERR_OK);
	str_copy(first, sizeof(first), g.object.etag);
	WAIT(w, &g, store_touch(w->store, "x", 1000000000, take, &g));
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(head(w, &g, "x"), ERR_OK);
	assert_string_equal(g.object.etag, first);
	assert_int_equal(g.object.mtime, 1000000000);
	WAIT(w, &g, store_touch(w->store, "none", 1, take, &g));
	assert_int_equal(g.err, ERR_NOT_FOUND);
}

static void
test_move_takes_files_and_folders(void **state)
{
	struct world *w = *state;
	struct got g;

	assert_int_equal(put(w, &g, "a/f", "one"), ERR_OK);
	assert_int_equal(put(w, &g, "b/g", "two"), ERR_OK);
	WAIT(w, &g, store_move(w->store, "a/f", "b/g", take, &g));
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(get(w, &g, "b/g"), ERR_OK);
	assert_string_equal(g.data, "one");
	assert_int_equal(head(w, &g, "a/f"), ERR_NOT_FOUND);
	WAIT(w, &g, store_move(w->store, "b/", "c/d/", take, &g));
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(get(w, &g, "c/d/g"), ERR_OK);
	WAIT(w, &g, store_move(w->store, "c/", "c/d/x/", take, &g));
	assert_int_equal(g.err, ERR_INVALID);
	WAIT(w, &g, store_move(w->store, "c", "e", take, &g));
	assert_int_equal(g.err, ERR_IS_DIR);
	WAIT(w, &g, store_move(w->store, "none", "e", take, &g));
	assert_int_equal(g.err, ERR_NOT_FOUND);
	WAIT(w, &g, store_move(w->store, "c/d/g", "c/", take, &g));
	assert_int_equal(g.err, ERR_INVALID);
}

static void
test_complete_refuses_what_was_not_stored(void **state)
{
	struct store_target t = { .key = "x" };
	struct store_part parts[2];
	struct world *w = *state;
	struct got g;

	WAIT(w, &g, store_begin(w->store, "x", NULL, take, &g));
	t.backend_id = strdup(g.backend_id);
	assert_int_equal(put_part(w, &g, t, 1, 0, "aaaa"), ERR_OK);
	parts[0] = g.part;
	assert_int_equal(put_part(w, &g, t, 3, 8, "cccc"), ERR_OK);
	parts[1] = g.part;
	/* A gap: bytes 4 to 8 were never written. */
	WAIT(w, &g, store_complete(w->store, t, parts, 2, take, &g));
	assert_int_equal(g.err, ERR_CORRUPT);
	parts[0].etag[0] ^= 1;
	WAIT(w, &g, store_complete(w->store, t, parts, 1, take, &g));
	assert_int_equal(g.err, ERR_CORRUPT);
	assert_int_equal(head(w, &g, "x"), ERR_NOT_FOUND);
	parts[0].etag[0] ^= 1;
	WAIT(w, &g, store_complete(w->store, t, parts, 1, take, &g));
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(get(w, &g, "x"), ERR_OK);
	assert_string_equal(g.data, "aaaa");
	WAIT(w, &g, store_complete(w->store, t, parts, 1, take, &g));
	assert_int_equal(g.err, ERR_NOT_FOUND);
	free((void *)t.backend_id);
}

static void
test_torn_part_record_spoils_no_other(void **state)
{
	struct store_target t = { .key = "x" };
	struct world *w = *state;
	char path[400];
	struct got g;
	FILE *f;

	WAIT(w, &g, store_begin(w->store, "x", NULL, take, &g));
	t.backend_id = strdup(g.backend_id);
	assert_int_equal(put_part(w, &g, t, 1, 0, "aaaa"), ERR_OK);
	snprintf(path, sizeof(path), ".sluice/uploads/%s.parts", t.backend_id);
	f = fopen(below(w, path), "a");
	fputs("\nP 2 4 4 01234567 012", f);
	fclose(f);
	assert_int_equal(put_part(w, &g, t, 3, 8, "cccc"), ERR_OK);
	assert_int_equal(put_part(w, &g, t, 1, 0, "AAAAA"), ERR_OK);
	WAIT(w, &g, store_list_parts(w->store, t, take, &g));
	assert_int_equal(g.err, ERR_OK);
	assert_int_equal(g.nparts, 2);
	assert_int_equal(g.parts[0].no, 1);
	assert_int_equal(g.parts[0].len, 5);
	assert_int_equal(g.parts[1].no, 3);
	assert_int_equal(g.parts[1].off, 8);
	free((void *)t.backend_id);
}

/* A begin that was killed leaves data without records; nobody knows of it. */
static void
test_half_begun_upload_goes_at_a_later_start(void **state)
{
	static const char half[] =
		".sluice/uploads/0123456789abcdef0123456789abcdef.data";
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct world *w = *state;
	struct got g;
	char path[400], id[STORE_BACKEND_ID_MAX + 1];

	WAIT(w, &g, store_begin(w->store, "x", NULL, take, &g));
	str_copy(id, sizeof(id), g.backend_id);
	snprintf(path, sizeof(path), ".sluice/uploads/%s.data", id);
	assert_int_equal(utimensat(AT_FDCWD, below(w, path), old, 0), 0);
	fclose(fopen(below(w, half), "w"));
	world_stop(w);
	world_start(w, "");
	head(w, &g, "x");
	assert_int_equal(access(below(w, half), F_OK), 0); /* it is young */
	assert_int_equal(utimensat(AT_FDCWD, below(w, half), old, 0), 0);
	world_stop(w);
	world_start(w, "");
	head(w, &g, "x");
	assert_int_equal(access(below(w, half), F_OK), -1);
	assert_int_equal(access(below(w, path), F_OK), 0);
}

/* A loss of power may leave the length of what was written, without it. */
static void
test_begin_that_lost_its_record_goes_at_a_later_start(void **state)
{
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct world *w = *state;
	char data[400], parts[400];
	struct stat st;
	struct got g;

	WAIT(w, &g, store_begin(w->store, "x", NULL, take, &g));
	snprintf(data, sizeof(data), ".sluice/uploads/%s.data", g.backend_id);
	snprintf(parts, sizeof(parts), ".sluice/uploads/%s.parts",
		 g.backend_id);
	assert_int_equal(stat(below(w, parts), &st), 0);
	assert_int_equal(truncate(below(w, parts), 0), 0);
	assert_int_equal(truncate(below(w, parts), st.st_size), 0);
	assert_int_equal(utimensat(AT_FDCWD, below(w, data), old, 0), 0);
	world_stop(w);
	world_start(w, "");
	head(w, &g, "x");
	assert_int_equal(access(below(w, data), F_OK), -1);
	assert_int_equal(access(below(w, parts), F_OK), -1);
}

/* As after a takeover: the other worker's last write is not over yet. */
static void
test_part_waits_for_another_writer(void **state)
{
	struct flock fl = { .l_type = F_WRLCK, .l_start = 2, .l_len = 1 };
	struct store_target t = { .key = "x" };
	struct store_body b = body_of("aaaa");
	struct world *w = *state;
	char path[400];
	struct got g;
	int fd;

	WAIT(w, &g, store_begin(w->store, "x", NULL, take, &g));
	t.backend_id = strdup(g.backend_id);
	snprintf(path, sizeof(path), ".sluice/uploads/%s.data", t.backend_id);
	fd = open(below(w, path), O_RDWR);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	memset(&g, 0, sizeof(g));
	store_put_part(w->store, t, (struct store_slot){ 1, 0 }, &b, take, &g);
	for (int i = 0; i < 5; i++)
		loop_turn(w->loop, 1000);
	assert_false(g.done);
	close(fd);
	while (!g.done)
		loop_turn(w->loop, 1000);
	assert_int_equal(g.err, ERR_OK);
	free((void *)t.backend_id);
}

static void
test_upload_ids_are_not_paths(void **state)
{
	struct store_target t = { .key = "x", .backend_id = "../../x" };
	struct world *w = *state;
	struct got g;

	assert_int_equal(put_part(w, &g, t, 1, 0, "a"), ERR_NOT_FOUND);
	WAIT(w, &g, store_list_parts(w->store, t, take, &g));
	assert_int_equal(g.err, ERR_NOT_FOUND);
	WAIT(w, &g, store_abort(w->store, t, take, &g));
	assert_int_equal(g.err, ERR_OK);
}

static void
test_canceled_put_publishes_nothing(void **state)
{
	struct world *w = *state;
	struct store_body b = { 0 };
	char *data = mem_alloc(8u << 20);
	struct got g = { 0 };
	struct store_op *op;

	b.data = data;
	b.fd = -1;
	b.len = 8u << 20;
	b.crc32c = crc32c(0, data, b.len);
	op = store_put(w->store, "x", NULL, &b, take, &g);
	loop_turn(w->loop, 0); /* the pool has it now */
	store_cancel(op);
	free(data); /* nobody reads it any more */
	while (work_pool_pending(w->pool))
		loop_turn(w->loop, 1000);
	assert_false(g.done);
	/* Unless it was quicker than the cancel, there is nothing. */
	if (head(w, &g, "x") == ERR_OK)
		assert_int_equal(g.object.size, 8u << 20);
	else
		assert_int_equal(g.err, ERR_NOT_FOUND);
}

static void
test_large_copy_takes_turns(void **state)
{
	struct store_copy c = { .from = "a" };
	struct store_meta meta = { .mtime = 1234567890 };
	struct world *w = *state;
	struct store_body b = { 0 };
	char *data = mem_alloc(40u << 20);
	struct got g;

	memset(data + (35u << 20), 'x', 1000);
	b.data = data;
	b.fd = -1;
	b.len = 40u << 20;
	b.crc32c = crc32c(0, data, b.len);
	WAIT(w, &g, store_put(w->store, "a", NULL, &b, take, &g));
	assert_int_equal(g.err, ERR_OK);
	WAIT(w, &g, store_copy(w->store, &c, "b", &meta, take, &g));
	assert_int_equal(g.err, ERR_OK);
	WAIT(w, &g,
	     store_get(w->store, "b", NULL,
		       (struct store_range){ 35u << 20, 10 }, take, &g));
	assert_string_equal(g.data, "xxxxxxxxxx");
	assert_int_equal(head(w, &g, "b"), ERR_OK);
	assert_int_equal(g.object.size, 40u << 20);
	assert_int_equal(g.object.mtime, 1234567890);
	free(data);
}

static void
test_missing_root_is_told_by_probe_and_never_guessed(void **state)
{
	struct world w;
	struct got g;

	(void)state;
	world_make(&w);
	world_start(&w, "tries = 1");
	WAIT(&w, &g, store_probe(w.store, take, &g));
	assert_int_equal(g.err, ERR_NOT_FOUND);
	/* An object may be there when the folder is mounted again. */
	assert_int_equal(head(&w, &g, "x"), ERR_AGAIN);
	assert_int_equal(mkdir(w.root, 0700), 0);
	WAIT(&w, &g, store_probe(w.store, take, &g));
	assert_int_equal(g.err, ERR_OK);
	assert_true(g.done);
	assert_int_equal(head(&w, &g, "x"), ERR_NOT_FOUND);
	world_stop(&w);
	world_remove(&w);
}

static void
test_old_temporary_files_are_swept_at_start(void **state)
{
	const char *old = ".sluice/tmp/00000000000000000000000000000001";
	const char *young = ".sluice/tmp/00000000000000000000000000000002";
	struct timespec ts[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct world *w = *state;
	struct got g;

	assert_int_equal(put(w, &g, "x", "x"), ERR_OK);
	write_foreign(w, old, "left by a crash");
	write_foreign(w, young, "being written");
	assert_int_equal(utimensat(AT_FDCWD, below(w, old), ts, 0), 0);
	world_stop(w);
	world_start(w, "");
	assert_int_equal(head(w, &g, "x"), ERR_OK);
	assert_int_not_equal(access(below(w, old), F_OK), 0);
	assert_int_equal(access(below(w, young), F_OK), 0);
}

static void
test_relative_path_is_refused(void **state)
{
	struct store_env env = { 0 };
	struct world w;
	struct conf *conf;
	struct store *s;
	char path[400];
	FILE *f;

	(void)state;
	world_make(&w);
	snprintf(path, sizeof(path), "%s/bad.ini", w.dir);
	f = fopen(path, "w");
	fputs("[store.t]\ntype = local\npath = media\n", f);
	fclose(f);
	conf = conf_load(path);
	assert_int_equal(store_open(&s, conf, "t", &env), ERR_INVALID);
	assert_int_equal(conf_finish(conf), 1);
	assert_non_null(strstr(conf_complaint(conf, 0), "absolute"));
	conf_free(conf);
	world_remove(&w);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_put_makes_parents_and_reads_back),
		CASE(test_put_gives_a_new_etag_for_equal_bytes),
		CASE(test_put_refuses_a_wrong_crc_and_keeps_the_old),
		CASE(test_keys_that_are_no_paths_are_refused),
		CASE(test_reserved_folder_is_out_of_reach),
		CASE(test_symlinks_are_never_followed),
		CASE(test_special_files_are_not_there),
		CASE(test_file_in_the_way_of_a_folder),
		CASE(test_folder_in_the_way_of_a_file),
		CASE(test_folders_are_made_and_removed),
		CASE(test_list_pages_a_folder_in_order),
		CASE(test_list_hides_names_with_control_bytes),
		CASE(test_foreign_file_has_an_etag_that_follows_it),
		CASE(test_object_changed_by_others_is_not_ours_any_more),
		CASE(test_touch_keeps_the_etag),
		CASE(test_move_takes_files_and_folders),
		CASE(test_complete_refuses_what_was_not_stored),
		CASE(test_torn_part_record_spoils_no_other),
		CASE(test_half_begun_upload_goes_at_a_later_start),
		CASE(test_begin_that_lost_its_record_goes_at_a_later_start),
		CASE(test_part_waits_for_another_writer),
		CASE(test_upload_ids_are_not_paths),
		CASE(test_canceled_put_publishes_nothing),
		CASE(test_large_copy_takes_turns),
		CASE(test_old_temporary_files_are_swept_at_start),
		cmocka_unit_test(
			test_missing_root_is_told_by_probe_and_never_guessed),
		cmocka_unit_test(test_relative_path_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
