/* SPDX-License-Identifier: Apache-2.0 */
/* The local store's folders: everything is opened beneath its root. */
#include "bridge/store_local.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY)
#define SWEEP_AGE 3600 /* s */

/* A symlink planted in the tree must neither be followed nor waited for. */
int
local_open(int dir, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY |
				    O_NONBLOCK),
		.mode = flags & O_CREAT ? mode : 0, /* else EINVAL */
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

void
local_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

enum err
local_fail(struct local_job *j, enum err err, const char *why)
{
	j->res.why = why;
	return err;
}

enum err
local_errno(struct local_job *j, const char *what)
{
	int n = errno;

	snprintf(j->detail, sizeof(j->detail), "%s: %s", what, log_errno(n));
	return n ? err_from_errno(n) : ERR_IO;
}

struct local_tree *
local_tree_new(const char *path, bool create)
{
	struct local_tree *t = mem_alloc(sizeof(*t));

	t->path = mem_strdup(path);
	t->create = create;
	t->refs = 1;
	t->root = t->uploads = t->temp = -1;
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void
local_tree_drop(struct local_tree *t)
{
	if (--t->refs)
		return;
	local_close(&t->root);
	local_close(&t->uploads);
	local_close(&t->temp);
	pthread_mutex_destroy(&t->lock);
	free(t->path);
	free(t);
}

static int
make_path(const char *path)
{
	char *p = mem_strdup(path);
	int rc = 0;

	for (char *s = p + 1; rc == 0 && *s; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		rc = mkdir(p, 0755) < 0 && errno != EEXIST ? -1 : 0;
		*s = '/';
	}
	if (rc == 0)
		rc = mkdir(p, 0755) < 0 && errno != EEXIST ? -1 : 0;
	free(p);
	return rc;
}

static enum err
open_root(struct local_job *j)
{
	struct local_tree *t = j->tree;

	if (t->create && make_path(t->path) < 0)
		return local_errno(j, "mkdir of the store's folder");
	t->root = open(t->path, DIR_FLAGS | O_CLOEXEC);
	if (t->root < 0) {
		if (errno == ENOENT)
			j->res.why = "the store's folder does not exist";
		return local_errno(j, "open of the store's folder");
	}
	return ERR_OK;
}

/* A folder of the driver's own: nobody else has business in there. */
static enum err
open_own(struct local_job *j, int dir, const char *name, int *out)
{
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return local_errno(j, "mkdir in the store's folder");
	*out = local_open(dir, name, DIR_FLAGS, 0);
	if (*out >= 0)
		return ERR_OK;
	if (errno == ENOSYS || errno == E2BIG)
		j->res.why = "this kernel has no openat2 (Linux 5.6)";
	return local_errno(j, "open of " LOCAL_RESERVED);
}

static enum err
check_xattr(struct local_job *j)
{
	char name[ID_LEN + 1];
	enum err err = ERR_OK;
	int fd;

	id_new(name);
	fd = local_open(j->tree->temp, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return local_errno(j, "creating a file in the store's folder");
	if (!local_xattr_works(fd)) {
		err = errno == EOPNOTSUPP ? ERR_UNSUPPORTED
					  : local_errno(j, "fsetxattr");
		j->res.why = "the file system of the store's folder has no "
			     "user extended attributes (ext4, xfs and btrfs "
			     "have them)";
	}
	unlinkat(j->tree->temp, name, 0);
	close(fd);
	return err;
}

/* A file in tmp/ is left over when it is old and nobody has it locked. */
static void
sweep_temp(int dir, const char *name)
{
	int fd = id_valid(name) ? local_open(dir, name, O_RDONLY, 0) : -1;
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_mtime + SWEEP_AGE < time(NULL) &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(dir, name, 0);
	close(fd);
}

/* So are a completed upload's records: begin makes the data file first. */
static void
sweep_records(int dir, const char *name)
{
	char data[ID_LEN + 8];
	struct stat st;

	if (strlen(name) != ID_LEN + 6 || strcmp(name + ID_LEN, ".parts") != 0)
		return;
	snprintf(data, sizeof(data), "%.*s.data", ID_LEN, name);
	if (fstatat(dir, data, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		unlinkat(dir, name, 0);
}

/*
 * Whether a record file's header was written: begin syncs it before it answers.
 * Behind a loss of power a file may have its length and no bytes.
 */
static bool
has_header(int dir, const char *parts)
{
	char begins[2] = "";
	int fd = local_open(dir, parts, O_RDONLY, 0);
	ssize_t n;

	if (fd < 0)
		return errno != ENOENT;
	n = read(fd, begins, sizeof(begins));
	close(fd);
	return n < 0 || (n == 2 && begins[0] == '\n' && begins[1] == 'U');
}

/* What begin left when it was killed before it had written the records. */
static void
sweep_data(int dir, const char *name)
{
	char parts[ID_LEN + 8];
	struct stat st;

	if (strlen(name) != ID_LEN + 5 || strcmp(name + ID_LEN, ".data") != 0)
		return;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_mtime + SWEEP_AGE >= time(NULL))
		return;
	snprintf(parts, sizeof(parts), "%.*s.parts", ID_LEN, name);
	if (has_header(dir, parts))
		return;
	unlinkat(dir, name, 0);
	unlinkat(dir, parts, 0);
}

static void
sweep(int folder, void (*fn)(int dir, const char *name))
{
	int fd = local_open(folder, ".", DIR_FLAGS, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		fn(folder, d->d_name);
	if (dir)
		closedir(dir);
	else
		local_close(&fd);
}

static enum err
open_tree(struct local_job *j)
{
	struct local_tree *t = j->tree;
	int own = -1;
	enum err err = open_root(j);

	if (!err)
		err = open_own(j, t->root, LOCAL_RESERVED, &own);
	if (!err)
		err = open_own(j, own, "uploads", &t->uploads);
	if (!err)
		err = open_own(j, own, "tmp", &t->temp);
	if (!err)
		err = check_xattr(j);
	if (!err && (fsync(own) < 0 || fsync(t->root) < 0))
		err = local_errno(j, "fsync of the store's folder");
	local_close(&own);
	if (!err) {
		sweep(t->temp, sweep_temp);
		sweep(t->uploads, sweep_records);
		sweep(t->uploads, sweep_data);
		return ERR_OK;
	}
	local_close(&t->root);
	local_close(&t->uploads);
	local_close(&t->temp);
	return err;
}

enum err
local_tree_ready(struct local_job *j)
{
	struct local_tree *t = j->tree;
	enum err err = ERR_OK;

	pthread_mutex_lock(&t->lock);
	if (!t->ready)
		err = open_tree(j);
	t->ready = !err;
	pthread_mutex_unlock(&t->lock);
	return err;
}

bool
local_key_is_dir(const char *key)
{
	size_t n = strlen(key);

	return n && key[n - 1] == '/';
}

enum err
local_key_check(struct local_job *j, const char *key)
{
	const char *s = key;

	while (*s) {
		size_t n = strcspn(s, "/");

		if (n == 0 || n > LOCAL_NAME_MAX || (n == 1 && s[0] == '.') ||
		    (n == 2 && s[0] == '.' && s[1] == '.'))
			return local_fail(j, ERR_INVALID,
					  "no name for a file here");
		if (s == key && n == strlen(LOCAL_RESERVED) &&
		    memcmp(s, LOCAL_RESERVED, n) == 0)
			return local_fail(j, ERR_DENIED,
					  "this name is reserved");
		s += n;
		s += *s == '/';
	}
	return ERR_OK;
}

/* Opens the folder `name` in dir, and makes it first where it is missing. */
static enum err
step_into(struct local_job *j, int dir, const char *name, bool make, int *out)
{
	*out = local_open(dir, name, DIR_FLAGS, 0);
	if (*out < 0 && errno == ENOENT && make) {
		if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
			return local_errno(j, "mkdir");
		if (fsync(dir) < 0)
			return local_errno(j, "fsync of a folder");
		*out = local_open(dir, name, DIR_FLAGS, 0);
	}
	return *out < 0 ? local_errno(j, "open of a folder") : ERR_OK;
}

/* The folder at the first n bytes of key, which may be none. */
static enum err
open_folder(struct local_job *j, const char *key, size_t n, bool make, int *out)
{
	char path[STORE_KEY_MAX + 1];
	char *rest = path, *name;
	enum err err;
	int dir;

	if (n > STORE_KEY_MAX)
		return ERR_INVALID;
	memcpy(path, key, n);
	path[n] = '\0';
	*out = local_open(j->tree->root, n ? path : ".", DIR_FLAGS, 0);
	if (*out >= 0)
		return ERR_OK;
	if (errno != ENOENT || !make)
		return local_errno(j, "open of a folder");
	err = step_into(j, j->tree->root, ".", false, out);
	while (!err && (name = strsep(&rest, "/"))) {
		dir = *out;
		err = step_into(j, dir, name, true, out);
		close(dir);
	}
	return err;
}

enum err
local_parent(struct local_job *j, const char *key, bool make,
	     struct local_name *out)
{
	size_t n = strlen(key), from;

	if (n && key[n - 1] == '/')
		n--;
	for (from = n; from && key[from - 1] != '/'; from--)
		;
	if (n - from > LOCAL_NAME_MAX)
		return ERR_INVALID;
	memcpy(out->name, key + from, n - from);
	out->name[n - from] = '\0';
	return open_folder(j, key, from ? from - 1 : 0, make, &out->dir);
}

enum err
local_make_dir(struct local_job *j, const char *key)
{
	size_t n = strlen(key);
	int fd = -1;
	enum err err;

	if (n && key[n - 1] == '/')
		n--;
	err = open_folder(j, key, n, true, &fd);
	local_close(&fd);
	return err;
}

enum err
local_open_file(struct local_job *j, const char *key, int *fd, struct stat *st)
{
	*fd = local_open(j->tree->root, key, O_RDONLY, 0);
	if (*fd < 0) {
		/* Another kind of file, or a file on the way: not there. */
		if (errno == ENOTDIR || errno == ENXIO || errno == ELOOP)
			errno = ENOENT;
		return local_errno(j, "open");
	}
	if (fstat(*fd, st) < 0)
		return local_errno(j, "fstat");
	if (S_ISREG(st->st_mode))
		return ERR_OK;
	local_close(fd);
	return ERR_NOT_FOUND;
}
