/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/account.h"
#include "lib/mem.h"

#define USERS_SIZE_MAX (4 << 20) /* what sluiced reads, bytes */
#define NEW_MODE 0640

/* Opening. */

static bool
failed(const char *path, const char *doing)
{
	ctl_error("%s: cannot %s: %s", path, doing, strerror(errno));
	return false;
}

/* The group with which the daemon runs; false: it is not to be told. */
static bool
daemon_group(const struct ctl *c, gid_t *out)
{
	const char *user = conf_str(c->conf, "daemon", "user", NULL);
	const char *group = conf_str(c->conf, "daemon", "group", NULL);
	const struct group *gr = group != NULL ? getgrnam(group) : NULL;
	const struct passwd *pw = user != NULL ? getpwnam(user) : NULL;

	if (geteuid() != 0 || pw == NULL)
		return false;
	*out = gr != NULL ? gr->gr_gid : pw->pw_gid;
	return true;
}

/*
 * A new file belongs to whom the configuration belongs, and the daemon can
 * read it.
 */
static bool
make(const struct ctl *c)
{
	const char *path = c->users_file;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return errno == EEXIST || failed(path, "make it");
	if (stat(c->config_path, &st) == 0) {
		daemon_group(c, &st.st_gid);
		if (fchown(fd, st.st_uid, st.st_gid))
			errno = 0; /* not root: it is ours then */
	}
	fchmod(fd, NEW_MODE);
	close(fd);
	return true;
}

/*
 * Locks the file that has the name now: it may have been replaced while this
 * waited for the lock.
 */
static bool
lock(struct users_file *u)
{
	struct stat named, ours;

	for (;;) {
		u->fd = open(u->path, O_RDONLY | O_CLOEXEC);
		if (u->fd < 0)
			return failed(u->path, "read it");
		if (flock(u->fd, LOCK_EX) != 0 || fstat(u->fd, &ours) != 0)
			return failed(u->path, "lock it");
		if (stat(u->path, &named) == 0 && named.st_ino == ours.st_ino &&
		    named.st_dev == ours.st_dev)
			return true;
		close(u->fd);
	}
}

static bool
read_all(struct users_file *u)
{
	struct stat st;
	ssize_t n;

	if (fstat(u->fd, &st) != 0)
		return failed(u->path, "read it");
	if (!S_ISREG(st.st_mode) || st.st_size > USERS_SIZE_MAX) {
		ctl_error("%s: not a file of at most 4 MiB", u->path);
		return false;
	}
	u->text = mem_alloc((size_t)st.st_size + 1);
	n = pread(u->fd, u->text, (size_t)st.st_size, 0);
	if (n != st.st_size)
		return failed(u->path, "read it");
	if (strlen(u->text) != (size_t)n) {
		ctl_error("%s: there is a NUL byte in it", u->path);
		return false;
	}
	return true;
}

bool
users_file_open(struct users_file *u, const struct ctl *c)
{
	memset(u, 0, sizeof(*u));
	u->fd = -1;
	if (access(c->users_file, F_OK) != 0 && !make(c))
		return false;
	u->path = realpath(c->users_file, NULL);
	if (u->path == NULL)
		return failed(c->users_file, "find it");
	return lock(u) && read_all(u);
}

void
users_file_close(struct users_file *u)
{
	if (u->fd >= 0)
		close(u->fd);
	mem_wipe_free(u->text);
	free(u->path);
	memset(u, 0, sizeof(*u));
	u->fd = -1;
}

/* Checking. */

static struct conf *
check(const struct ctl *c, const char *path, size_t *complaints)
{
	struct auth_config cfg = {
		.users_file = path,
		.stores = (const char *const *)c->bridge.stores,
		.default_store = c->bridge.default_store,
		.user_ca_keys = c->bridge.user_ca_keys,
	};
	struct conf *conf = conf_load(path);

	auth_check(conf, &cfg);
	*complaints = conf_finish(conf);
	return conf;
}

/* A complaint starts with the name of the file that was checked. */
static void
complain(const struct conf *conf, const char *checked, const char *path)
{
	size_t i, n = strlen(checked);
	const char *text;

	for (i = 0; (text = conf_complaint(conf, i)) != NULL; i++)
		fprintf(stderr, "  %s%s\n",
			strncmp(text, checked, n) == 0 ? path : "",
			strncmp(text, checked, n) == 0 ? text + n : text);
}

/*
 * An old error elsewhere in the file is no reason to refuse a change, a new
 * one is.
 */
static bool
acceptable(const struct users_file *u, const struct ctl *c, const char *temp)
{
	size_t before, after;
	struct conf *conf = check(c, u->path, &before);

	conf_free(conf);
	conf = check(c, temp, &after);
	if (after > before)
		ctl_error("not done, for sluiced would refuse the file:");
	else if (after > 0)
		ctl_error("done, but sluiced will refuse the file until this "
			  "is mended:");
	complain(conf, temp, u->path);
	conf_free(conf);
	return after <= before;
}

/* Replacing. */

static bool
write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		left -= (size_t)n;
	}
	return fsync(fd) == 0;
}

/* The same owner and mode, before any text is in it. */
static bool
same_owner(int fd, int old)
{
	struct stat st, now;

	if (fstat(old, &st) != 0 || fstat(fd, &now) != 0)
		return false;
	if ((st.st_uid != now.st_uid || st.st_gid != now.st_gid) &&
	    fchown(fd, st.st_uid, st.st_gid) != 0)
		return false;
	return fchmod(fd, st.st_mode & 07777) == 0;
}

static bool
sync_folder(const char *path)
{
	char *copy = mem_strdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	free(copy);
	return done;
}

static bool
write_temp(const struct users_file *u, char *temp, const char *text)
{
	int fd = mkostemp(temp, O_CLOEXEC);
	bool done;

	if (fd < 0)
		return failed(temp, "make it");
	done = same_owner(fd, u->fd) && write_all(fd, text);
	if (!done)
		failed(temp, "write it");
	close(fd);
	return done;
}

bool
users_file_replace(struct users_file *u, const struct ctl *c, const char *text)
{
	char *temp = mem_printf("%s.XXXXXX", u->path);
	bool done = write_temp(u, temp, text) && acceptable(u, c, temp);

	if (done && rename(temp, u->path) != 0)
		done = failed(u->path, "replace it");
	if (!done)
		unlink(temp);
	else if (!sync_folder(u->path))
		done = failed(u->path, "make it durable");
	free(temp);
	return done;
}

struct account *
users_file_accounts(const struct ctl *c)
{
	struct auth_config cfg = {
		.users_file = c->users_file,
		.stores = (const char *const *)c->bridge.stores,
		.default_store = c->bridge.default_store,
	};
	struct conf *conf = conf_load(c->users_file);
	struct account *accounts = NULL;

	if (conf_complaint(conf, 0) == NULL)
		accounts = accounts_read(conf, &cfg);
	if (conf_complaint(conf, 0) != NULL) {
		ctl_error("sluiced would refuse this file:");
		complain(conf, "", "");
	}
	conf_free(conf);
	return accounts;
}
