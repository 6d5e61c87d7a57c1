/* SPDX-License-Identifier: Apache-2.0 */
/* "backup" and "restore" of the journal. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/cmd_check.h"
#include "ctl/records.h"
#include "ctl/text.h"
#include "lib/mem.h"

#define COPY_CHUNK (256 * 1024)

static bool
sync_folder(const char *path)
{
	char *folder = mem_strdup(path), *slash = strrchr(folder, '/');
	bool ok;
	int fd;

	if (slash)
		*(slash == folder ? slash + 1 : slash) = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && fsync(fd) == 0;
	if (!ok)
		ctl_error("%s: %s", folder, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(folder);
	return ok;
}

static void
say_done(const struct ctl *c, const char *what, const char *path,
	 const char *more)
{
	char size[TEXT_MAX];
	struct stat st = { .st_size = 0 };
	json_t *o;

	stat(path, &st);
	if (!c->json) {
		printf("%s: %s, %s.%s", path, what,
		       text_size((uint64_t)st.st_size, size), more);
		putchar('\n');
		return;
	}
	o = json_pack("{s:o, s:I}", "file", records_text(path), "bytes",
		      (json_int_t)st.st_size);
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

/* backup */

/* Complete and checked under another name, then in place in one step. */
static bool
backup_to(struct records *r, const char *path, bool replace)
{
	char *temp = mem_printf("%s.part.%ld", path, (long)getpid());
	enum err err = records_backup(r, temp);
	int rc = -1;

	if (err) {
		ctl_error("%s: no copy could be made: %s", path, err_text(err));
	} else {
		rc = renameat2(AT_FDCWD, temp, AT_FDCWD, path,
			       replace ? 0 : RENAME_NOREPLACE);
		if (rc != 0 && errno == EEXIST)
			ctl_error("%s exists already; --replace replaces it",
				  path);
		else if (rc != 0)
			ctl_error("%s: %s", path, strerror(errno));
		if (rc != 0)
			unlink(temp);
	}
	free(temp);
	return rc == 0 && sync_folder(path);
}

int
cmd_backup(struct ctl *c, int argc, char **argv)
{
	bool replace = false, ok;
	const struct ctl_option options[] = {
		{ "--replace", &replace, NULL },
		{ NULL, NULL, NULL },
	};
	int status = ctl_options(c, options, &argc, argv);
	struct records *r;

	if (status >= 0)
		return status;
	if (argc != 1)
		return ctl_usage(c, "backup needs the name of one file");
	r = records_open(c);
	if (!r)
		return CTL_FAILED;
	if (!records_exist(r)) {
		ctl_error("%s: there is no journal yet", records_path(r));
		records_close(r);
		return CTL_FAILED;
	}
	ok = backup_to(r, argv[0], replace);
	records_close(r);
	if (ok)
		say_done(c, "a copy of the journal", argv[0], "");
	return ok ? CTL_OK : CTL_FAILED;
}

/* restore */

/* The lock that a running daemon holds; -1: it runs, or it cannot be told. */
static int
lock_folder(const char *dir)
{
	char *path = mem_printf("%s/daemon.lock", dir);
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	/* No daemon ever ran here. */
	if (fd < 0 && errno == ENOENT)
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		ctl_error("%s: %s", path, strerror(errno));
	} else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		ctl_error("a daemon runs on %s: stop it first", dir);
		close(fd);
		fd = -1;
	}
	free(path);
	return fd;
}

static bool
copy_bytes(int from, int to)
{
	char *buf = mem_alloc(COPY_CHUNK);
	ssize_t n;

	while ((n = read(from, buf, COPY_CHUNK)) > 0 &&
	       write(to, buf, (size_t)n) == n)
		;
	free(buf);
	return n == 0;
}

/* A copy with the owner of the state folder, durable. */
static bool
copy_file(const char *from, const char *to, const char *dir)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	struct stat st;
	bool ok;

	unlink(to);
	if (in >= 0)
		out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok = out >= 0 && stat(dir, &st) == 0 &&
	     (geteuid() != 0 || fchown(out, st.st_uid, st.st_gid) == 0) &&
	     copy_bytes(in, out) && fsync(out) == 0;
	if (!ok)
		ctl_error("%s: cannot be copied to %s: %s", from, to,
			  strerror(errno));
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return ok;
}

static bool
move_aside(const char *db, const char *suffix, const char *stamp)
{
	char *from = mem_printf("%s%s", db, suffix);
	char *to = mem_printf("%s.%s%s", db, stamp, suffix);
	bool ok = rename(from, to) == 0 || errno == ENOENT;

	if (!ok)
		ctl_error("%s: cannot be moved to %s: %s", from, to,
			  strerror(errno));
	free(from);
	free(to);
	return ok;
}

/*
 * The database goes first: until the new one is in its place a log without its
 * database keeps a daemon from starting.
 */
static bool
exchange(const char *db, const char *copy)
{
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	if (!localtime_r(&now, &tm) ||
	    strftime(stamp, sizeof(stamp), "before-%Y%m%d-%H%M%S", &tm) == 0)
		return false;
	if (!move_aside(db, "", stamp) || !move_aside(db, "-shm", stamp) ||
	    !move_aside(db, "-wal", stamp))
		return false;
	if (rename(copy, db) == 0)
		return sync_folder(db);
	ctl_error("%s: %s", db, strerror(errno));
	return false;
}

static bool
restore_from(const struct ctl *c, const char *path)
{
	const char *dir = c->bridge.state_dir;
	char *db = mem_printf("%s/journal.db", dir);
	char *copy = mem_printf("%s/journal.db.new", dir);
	enum err err = journal_sqlite.verify(path);
	bool ok = false;

	if (err)
		ctl_error("%s: it cannot take the journal's place: %s", path,
			  records_why(err));
	else
		ok = copy_file(path, copy, dir) && exchange(db, copy);
	if (ok)
		say_done(c, "restored", db,
			 " Next: sluicectl check --repair, then start the "
			 "daemon.");
	free(db);
	free(copy);
	return ok;
}

int
cmd_restore(struct ctl *c, int argc, char **argv)
{
	int status = ctl_options(c, NULL, &argc, argv), lock;
	bool ok;

	if (status >= 0)
		return status;
	if (argc != 1)
		return ctl_usage(c, "restore needs the name of one file");
	if (!ctl_config(c))
		return CTL_FAILED;
	lock = lock_folder(c->bridge.state_dir);
	if (lock < 0)
		return CTL_FAILED;
	ok = restore_from(c, argv[0]);
	close(lock);
	return ok ? CTL_OK : CTL_FAILED;
}
