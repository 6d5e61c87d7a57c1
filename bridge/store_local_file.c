/* SPDX-License-Identifier: Apache-2.0 */
/* The local store's calls on whole objects and folders. */
#include "bridge/store_local.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/crc32c.h"
#include "lib/mem.h"

enum err
local_still_wanted(struct local_job *j)
{
	bool canceled;

	pthread_mutex_lock(&j->lock);
	canceled = j->canceled;
	pthread_mutex_unlock(&j->lock);
	return canceled ? ERR_CANCELED : ERR_OK;
}

enum err
local_probe(struct local_job *j)
{
	/* local_tree_ready() has tried all that a driver needs. */
	j->res.caps.known = true;
	j->res.caps.checks_crc32c = true;
	if (faccessat(j->tree->root, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return local_errno(j, "access to the store's folder");
	return ERR_OK;
}

static ssize_t
read_body(struct local_job *j, void *dst, size_t n)
{
	const struct store_body *b = &j->body;

	if (!b->data)
		return pread(b->fd, dst, n, (off_t)(b->off + j->done));
	memcpy(dst, (const char *)b->data + j->done, n);
	return (ssize_t)n;
}

/* A body is borrowed until cancel returns: no byte is read after that. */
static enum err
read_chunk(struct local_job *j, void *dst, size_t n)
{
	enum err err = ERR_OK;
	ssize_t got = 0;

	pthread_mutex_lock(&j->lock);
	if (j->canceled)
		err = ERR_CANCELED;
	else if (j->src >= 0)
		got = pread(j->src, dst, n, (off_t)(j->off + j->done));
	else
		got = read_body(j, dst, n);
	pthread_mutex_unlock(&j->lock);
	if (err)
		return err;
	if (got < 0)
		return local_errno(j, "pread of the source");
	if ((size_t)got == n)
		return ERR_OK;
	return local_fail(j, ERR_IO, "the source is shorter than it was");
}

static enum err
write_chunk(struct local_job *j, const unsigned char *data, size_t n)
{
	uint64_t at = j->dst_off + j->done;

	while (n) {
		ssize_t put = pwrite(j->dst, data, n, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return local_errno(j, "pwrite");
		data += put;
		at += (uint64_t)put;
		n -= (size_t)put;
	}
	return ERR_OK;
}

enum err
local_copy_turn(struct local_job *j)
{
	unsigned char *chunk = malloc(LOCAL_CHUNK);
	uint64_t turn = 0;
	enum err err = chunk ? ERR_OK : ERR_AGAIN;

	while (!err && turn < LOCAL_TURN && j->done < j->total) {
		uint64_t left = j->total - j->done;
		size_t n = left < LOCAL_CHUNK ? (size_t)left : LOCAL_CHUNK;

		err = read_chunk(j, chunk, n);
		if (!err)
			err = write_chunk(j, chunk, n);
		if (err)
			break;
		j->crc = crc32c(j->crc, chunk, n);
		j->done += n;
		turn += n;
	}
	free(chunk);
	j->more = !err && j->done < j->total;
	return err;
}

enum err
local_check_place(struct local_job *j, const char *key)
{
	struct local_name at = { .dir = -1 };
	struct stat st;
	enum err err = local_parent(j, key, false, &at);

	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (!err && fstatat(at.dir, at.name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		err = local_fail(j, ERR_IS_DIR, "a folder has this name");
	local_close(&at.dir);
	return err;
}

static enum err
open_temp(struct local_job *j, const char *key)
{
	enum err err = local_check_place(j, key);

	if (err)
		return err;
	id_new(j->temp);
	j->dst = local_open(j->tree->temp, j->temp, O_RDWR | O_CREAT | O_EXCL,
			    0644);
	if (j->dst >= 0) {
		/* Says to a sweep that somebody still writes this. */
		flock(j->dst, LOCK_EX | LOCK_NB);
		return ERR_OK;
	}
	j->temp[0] = '\0';
	return local_errno(j, "creating a file in " LOCAL_RESERVED);
}

static enum err
publish_temp(struct local_job *j, const char *key)
{
	enum err err = local_publish(j, j->dst, j->tree->temp, j->temp, key);

	if (!err || j->res.ambiguous)
		j->temp[0] = '\0'; /* it has its name now */
	return err == ERR_NOT_FOUND ? ERR_AGAIN : err;
}

static enum err
describe_dir(struct local_job *j, const char *key)
{
	struct stat st;
	int fd = local_open(j->tree->root, key, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0) {
		if (errno == ENOTDIR || errno == ELOOP)
			errno = ENOENT;
		return local_errno(j, "open of a folder");
	}
	if (fstat(fd, &st) < 0) {
		close(fd);
		return local_errno(j, "fstat");
	}
	local_describe(fd, &st, &j->res.object);
	close(fd);
	return ERR_OK;
}

enum err
local_put(struct local_job *j)
{
	enum err err = ERR_OK;

	if (local_key_is_dir(j->key)) {
		if (j->body.len)
			return local_fail(j, ERR_INVALID,
					  "a folder has no content");
		err = local_make_dir(j, j->key);
		return err ? err : describe_dir(j, j->key);
	}
	if (j->dst < 0) {
		j->total = j->body.len;
		err = open_temp(j, j->key);
	}
	if (!err)
		err = local_copy_turn(j);
	if (err || j->more)
		return err;
	if (j->crc != j->body.crc32c)
		return local_fail(j, ERR_CORRUPT, "the body's CRC32C differs");
	return publish_temp(j, j->key);
}

enum err
local_head(struct local_job *j)
{
	struct stat st;
	enum err err;

	if (local_key_is_dir(j->key))
		return describe_dir(j, j->key);
	err = local_open_file(j, j->key, &j->src, &st);
	if (!err)
		local_describe(j->src, &st, &j->res.object);
	return err;
}

/* Opens an object and compares the ETag that the caller expects, if any. */
static enum err
open_expected(struct local_job *j, const char *key, const char *etag,
	      struct store_object *o)
{
	struct stat st;
	enum err err = local_open_file(j, key, &j->src, &st);

	if (err)
		return err;
	local_describe(j->src, &st, o);
	if (etag && strcmp(etag, o->etag) != 0)
		return local_fail(j, ERR_CONFLICT, "the object has changed");
	return ERR_OK;
}

enum err
local_get(struct local_job *j)
{
	struct store_object *o = &j->res.object;
	enum err err = open_expected(j, j->key, j->etag, o);
	size_t n, got = 0;

	if (err || j->off >= o->size)
		return err;
	n = o->size - j->off < j->len ? (size_t)(o->size - j->off)
				      : (size_t)j->len;
	j->data = malloc(n ? n : 1);
	if (!j->data)
		return ERR_AGAIN;
	while (got < n) {
		ssize_t r = pread(j->src, j->data + got, n - got,
				  (off_t)(j->off + got));

		if (r < 0)
			return local_errno(j, "pread");
		if (r == 0)
			break;
		got += (size_t)r;
	}
	j->res.data = j->data;
	j->res.owned = &j->data;
	j->res.len = got;
	return ERR_OK;
}

enum err
local_delete(struct local_job *j)
{
	bool dir = local_key_is_dir(j->key);
	struct local_name at = { .dir = -1 };
	enum err err = local_parent(j, j->key, false, &at);

	if (err == ERR_NOT_FOUND || err == ERR_NOT_DIR)
		return ERR_OK;
	if (!err && unlinkat(at.dir, at.name, dir ? AT_REMOVEDIR : 0) < 0) {
		if (errno == EEXIST)
			errno = ENOTEMPTY;
		err = local_errno(j, dir ? "rmdir" : "unlink");
	}
	if (!err && fsync(at.dir) < 0)
		err = local_errno(j, "fsync of a folder");
	local_close(&at.dir);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err
local_open_source(struct local_job *j, struct stat *st)
{
	struct store_object o;
	enum err err = open_expected(j, j->from, j->etag, &o);

	if (!err && fstat(j->src, st) < 0)
		err = local_errno(j, "fstat");
	if (err || j->etag)
		return err;
	j->etag = mem_strdup(o.etag); /* it must not change on the way */
	return ERR_OK;
}

enum err
local_check_source(struct local_job *j)
{
	struct store_object o;
	struct stat st;

	if (fstat(j->src, &st) < 0)
		return local_errno(j, "fstat");
	local_describe(j->src, &st, &o);
	if (strcmp(o.etag, j->etag) != 0)
		return local_fail(j, ERR_CONFLICT, "the source has changed");
	return ERR_OK;
}

/*
 * Where the file system can share blocks (btrfs, xfs), no byte is moved: if the
 * CRC32C of the source is known, for the copy keeps it.
 */
static void
share_blocks(struct local_job *j)
{
	char crc[9];

	if (j->etag[0] == 'f' ||
	    !local_xattr_get(j->src, LOCAL_XATTR_CRC, crc, sizeof(crc)) ||
	    ioctl(j->dst, FICLONE, j->src) < 0)
		return;
	j->crc = (uint32_t)strtoul(crc, NULL, 16);
	j->done = j->total;
}

static enum err
copy_start(struct local_job *j)
{
	char type[256];
	struct stat st;
	enum err err = local_open_source(j, &st);

	if (!err)
		err = open_temp(j, j->to);
	if (err)
		return err;
	j->total = (uint64_t)st.st_size;
	share_blocks(j);
	if (local_xattr_get(j->src, LOCAL_XATTR_TYPE, type, sizeof(type)) &&
	    local_xattr_set(j->dst, LOCAL_XATTR_TYPE, type) < 0)
		return local_errno(j, "fsetxattr");
	return ERR_OK;
}

enum err
local_copy(struct local_job *j)
{
	enum err err = ERR_OK;

	if (j->dst < 0)
		err = copy_start(j);
	if (!err)
		err = local_copy_turn(j);
	if (!err && !j->more)
		err = local_check_source(j);
	if (err || j->more)
		return err;
	return publish_temp(j, j->to);
}

static enum err
check_kind(struct local_job *j, const struct local_name *at, bool dir)
{
	struct stat st;

	if (fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return local_errno(j, "fstatat");
	if (S_ISDIR(st.st_mode) ? dir : (S_ISREG(st.st_mode) && !dir))
		return ERR_OK;
	if (S_ISDIR(st.st_mode))
		return ERR_IS_DIR;
	return S_ISREG(st.st_mode) ? ERR_NOT_DIR : ERR_NOT_FOUND;
}

static enum err
move_to(struct local_job *j, const struct local_name *from,
	const struct local_name *to)
{
	enum err err = local_still_wanted(j);

	if (err)
		return err;
	if (renameat(from->dir, from->name, to->dir, to->name) < 0)
		return local_errno(j, "rename");
	if (fsync(to->dir) == 0 && fsync(from->dir) == 0)
		return ERR_OK;
	j->res.ambiguous = true;
	return local_errno(j, "fsync of a folder");
}

enum err
local_move(struct local_job *j)
{
	bool dir = local_key_is_dir(j->key);
	struct local_name from = { .dir = -1 }, to = { .dir = -1 };
	enum err err;

	if (dir != local_key_is_dir(j->to))
		return ERR_INVALID;
	err = local_parent(j, j->key, false, &from);
	if (!err)
		err = check_kind(j, &from, dir);
	if (!err)
		err = local_parent(j, j->to, true, &to);
	if (!err)
		err = move_to(j, &from, &to);
	local_close(&from.dir);
	local_close(&to.dir);
	return err;
}

enum err
local_touch(struct local_job *j)
{
	enum err err = ERR_OK;
	struct stat st;

	if (local_key_is_dir(j->key)) {
		j->src = local_open(j->tree->root, j->key,
				    O_RDONLY | O_DIRECTORY, 0);
		if (j->src < 0 || fstat(j->src, &st) < 0)
			err = local_errno(j, "open of a folder");
	} else {
		err = local_open_file(j, j->key, &j->src, &st);
	}
	if (err)
		return err;
	local_describe(j->src, &st, &j->res.object);
	return local_reseal(j, j->src, &j->res.object);
}
