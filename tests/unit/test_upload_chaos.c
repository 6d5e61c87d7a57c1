/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions that do anything, in any order, and go away at any moment, on a store
 * that fails now and then. Byte n of every file is the same whoever writes it,
 * so whatever is published must be that, from 0 to its end; and nothing may be
 * left behind. CHAOS_SEED and CHAOS_STEPS choose another run.
 */
#include "tests/unit/upload_world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bridge/sweeper.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define CLIENTS 5
#define SEED 1 /* of the pattern */

struct client {
	struct session *s;
	struct vfs_file *f;
	bool opening;
	uint64_t off;
};

static struct client clients[CLIENTS];
static uint64_t state_of_chance;

static unsigned
chance(unsigned n)
{
	state_of_chance ^= state_of_chance << 13;
	state_of_chance ^= state_of_chance >> 7;
	state_of_chance ^= state_of_chance << 17;
	return (unsigned)(state_of_chance % n);
}

static const char *
any_path(void)
{
	static const char *const paths[] = { "/a", "/b", "/a.filepart",
					     "/b.filepart", "/d/c" };

	return paths[chance(5)];
}

static void
on_pause(void *arg, bool paused)
{
	(void)arg;
	(void)paused;
}

static void
on_ready(void *arg, enum err err, const char *why)
{
	(void)arg;
	(void)err;
	(void)why;
}

static const struct vfs_file_events events = { on_pause, on_ready };

static void
opened(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct client *c = arg;

	(void)why;
	c->opening = false;
	c->f = err ? NULL : f;
	c->off = err ? 0 : vfs_file_size(f);
}

static void
do_open(struct client *c)
{
	static const unsigned flags[] = {
		VFS_CREAT | VFS_TRUNC,	VFS_CREAT | VFS_TRUNC, VFS_CREAT,
		VFS_CREAT | VFS_APPEND, VFS_CREAT | VFS_EXCL,  0
	};
	struct vfs_open o = { .path = any_path(),
			      .flags = VFS_WRITE | flags[chance(6)],
			      .events = &events,
			      .events_arg = c };

	if (chance(8) == 0) {
		o.attrs.set = VFS_SET_SIZE;
		o.attrs.size = chance(4 * PART);
	}
	c->opening = true;
	vfs_open(c->s, &o, opened, c);
}

static void
do_close(struct client *c, enum vfs_end how)
{
	struct vfs_file *f = c->f;

	c->f = NULL;
	vfs_file_close(f, how, NULL, NULL);
}

static void
do_write(struct client *c)
{
	size_t n = chance(8) == 0 ? chance(3 * PART) : chance(PART / 2), i;
	unsigned char *data = mem_alloc(n + 1);
	uint64_t off = c->off;
	const char *why;

	if (chance(12) == 0)
		off = chance(4) == 0 ? 0 : chance((unsigned)c->off + PART);
	for (i = 0; i < n; i++)
		data[i] = pattern(off + i, SEED);
	if (vfs_file_write(c->f, off, data, n, &why) != ERR_OK)
		do_close(c, chance(2) ? VFS_COMPLETE : VFS_BROKEN);
	else if (off + n > c->off)
		c->off = off + n;
	free(data);
}

static void
with_file(struct client *c)
{
	struct vfs_attrs a = { .set = VFS_SET_SIZE };

	switch (chance(16)) {
	case 0:
		do_close(c, VFS_BROKEN);
		break;
	case 1:
	case 2:
	case 3:
		do_close(c, VFS_COMPLETE);
		break;
	case 4:
		a.size = chance(3) ? c->off : chance((unsigned)c->off + 10);
		vfs_file_setstat(c->f, &a, NULL, NULL);
		break;
	case 5:
		vfs_file_sync(c->f, NULL, NULL);
		break;
	case 6:
		a.set = VFS_SET_MTIME;
		a.mtime = 1000 + chance(1000);
		vfs_file_setstat(c->f, &a, NULL, NULL);
		break;
	default:
		do_write(c);
	}
}

static void
without_file(struct client *c)
{
	struct vfs_attrs a = { .set = VFS_SET_MTIME, .mtime = 5000 };

	switch (chance(10)) {
	case 0:
		vfs_stat(c->s, any_path(), NULL, NULL);
		break;
	case 1:
		vfs_remove(c->s, any_path(), NULL, NULL);
		break;
	case 2:
		vfs_rename(c->s, "/a.filepart", "/a", chance(2), NULL, NULL);
		break;
	case 3:
		vfs_rename(c->s, "/b.filepart", "/b", chance(2), NULL, NULL);
		break;
	case 4:
		vfs_rename(c->s, any_path(), any_path(), chance(2), NULL, NULL);
		break;
	case 5:
		vfs_setstat(c->s, any_path(), &a, NULL, NULL);
		break;
	default:
		if (!c->opening)
			do_open(c);
	}
}

static void
leave(struct client *c)
{
	if (c->s)
		world_logout(c->s);
	memset(c, 0, sizeof(*c));
}

static void
break_something(void)
{
	struct fault f = { .kind = (enum store_call_kind)chance(STORE_CALLS),
			   .skip = chance(3),
			   .times = 1 + chance(2),
			   .err = ERR_AGAIN,
			   .after = chance(2) };

	if (!f.after && chance(3) == 0)
		f.err = chance(2) ? ERR_DENIED : ERR_CORRUPT;
	world_fault(f);
}

static void
step(void)
{
	struct client *c = &clients[chance(CLIENTS)];

	if (!c->s)
		c->s = world_login(chance(6) ? "ann" : "bob");
	else if (chance(40) == 0)
		leave(c);
	else if (c->f)
		with_file(c);
	else
		without_file(c);
	if (chance(30) == 0)
		break_something();
	if (chance(60) == 0)
		sweeper_now(w.b->sweeper);
	if (chance(3) == 0)
		loop_turn(w.b->loop, chance(4));
	if (chance(50) == 0)
		world_run(chance(150));
}

/* Every file below the folder is a beginning of the pattern. */
static void
check_folder(const char *folder)
{
	char path[512];
	struct dirent *e;
	struct stat st;
	DIR *d;

	snprintf(path, sizeof(path), "%s/objects%s", w.dir, folder);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/objects%s/%s", w.dir, folder,
			 e->d_name);
		if (e->d_name[0] == '.' || stat(path, &st) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (S_ISDIR(st.st_mode))
			check_folder(path);
		else
			check_object(path + 1, (size_t)st.st_size, SEED);
	}
	if (d)
		closedir(d);
}

/* What is on its way to an end comes to it. */
static void
check_ends(void)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	uploads_recover(w.b->uploads);
	while (count_rows("state IN (0, 2, 4, 5)") ||
	       uploads_driven(w.b->uploads) || sweeper_busy(w.b->sweeper)) {
		if (clock_ms() > end)
			fail_msg("left: %u open, %u closing, %u completing, %u "
				 "aborting; %u are driven",
				 count_rows("state = 0"),
				 count_rows("state = 2"),
				 count_rows("state = 4"),
				 count_rows("state = 5"),
				 uploads_driven(w.b->uploads));
		sweeper_now(w.b->sweeper);
		world_run(50);
	}
}

static unsigned
from_environment(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void
test_anything_may_happen(void **state)
{
	unsigned steps = from_environment("CHAOS_STEPS", 1500), i;

	(void)state;
	state_of_chance = 0x9e3779b97f4a7c15u *
			  (1 + (uint64_t)from_environment("CHAOS_SEED", 1));
	for (i = 0; i < steps; i++) {
		step();
		if (i % 500 != 499)
			continue;
		for (struct client *c = clients; c < clients + CLIENTS; c++)
			leave(c);
		world_fault((struct fault){ .times = 0 });
		world_close();
		world_open();
		check_folder("");
	}
	for (struct client *c = clients; c < clients + CLIENTS; c++)
		leave(c);
	world_fault((struct fault){ .times = 0 });
	check_ends();
	check_folder("");
	assert_int_equal(count_events("published"),
			 count_rows("state = 6 AND kind = 0"));
	assert_int_equal(count_events("aborted"),
			 count_rows("state = 7 AND kind = 0"));
	print_message("%u published, %u aborted, %u lost, %u renamed, %u "
		      "parked, %u sealed\n",
		      count_events("published"), count_events("aborted"),
		      count_events("lost"), count_events("renamed"),
		      count_rows("state = 1"), count_rows("state = 3"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_anything_may_happen,
						world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
