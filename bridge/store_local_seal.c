/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands beside an object's bytes, in extended attributes of its file:
 * the upload that made it (user.sluice.id), its CRC32C where it is known
 * (user.sluice.crc32c), its content type (user.mime_type), and an ETag that is
 * new for each object (user.sluice.etag). The ETag's value ends with the
 * modification time it was written for: a file that another program has
 * changed since then is not the object any more, and gets an ETag made of
 * inode, size and time, as every file has that was not stored by us.
 */
#include "bridge/store_local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/mem.h"

#define XATTR_ETAG "user.sluice.etag"
#define XATTR_PROBE "user.sluice.probe"

#define ETAG_RANDOM 12 /* bytes */

bool
local_xattr_works(int fd)
{
	return fsetxattr(fd, XATTR_PROBE, "1", 1, 0) == 0;
}

int
local_xattr_set(int fd, const char *name, const char *value)
{
	return fsetxattr(fd, name, value, strlen(value), 0);
}

bool
local_xattr_get(int fd, const char *name, char *value, size_t size)
{
	ssize_t n = fgetxattr(fd, name, value, size - 1);

	if (n < 0)
		n = 0;
	value[n] = '\0';
	return n > 0;
}

static void
stamp(const struct stat *st, char *dst, size_t size)
{
	snprintf(dst, size, "%lld.%09ld", (long long)st->st_mtim.tv_sec,
		 st->st_mtim.tv_nsec);
}

/* True when the file carries an ETag of ours that still holds. */
static bool
read_etag(int fd, const struct stat *st, char *etag, size_t size)
{
	char value[STORE_ETAG_MAX + 40], now[40];
	char *at;

	if (!local_xattr_get(fd, XATTR_ETAG, value, sizeof(value)))
		return false;
	at = strchr(value, ' ');
	if (!at)
		return false;
	*at++ = '\0';
	stamp(st, now, sizeof(now));
	return strcmp(at, now) == 0 && str_copy(etag, size, value) == 0;
}

void
local_describe(int fd, const struct stat *st, struct store_object *out)
{
	memset(out, 0, sizeof(*out));
	out->mtime = st->st_mtim.tv_sec;
	if (S_ISREG(st->st_mode)) {
		out->size = (uint64_t)st->st_size;
		if (read_etag(fd, st, out->etag, sizeof(out->etag))) {
			local_xattr_get(fd, LOCAL_XATTR_ID, out->sluice_id,
					sizeof(out->sluice_id));
			return;
		}
	}
	snprintf(out->etag, sizeof(out->etag), "f%llx-%llx-%llx.%09ld",
		 (unsigned long long)st->st_ino, (unsigned long long)out->size,
		 (unsigned long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

static int
write_etag(int fd, const char *etag)
{
	char value[STORE_ETAG_MAX + 41], when[40];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	stamp(&st, when, sizeof(when));
	snprintf(value, sizeof(value), "%s %s", etag, when);
	return local_xattr_set(fd, XATTR_ETAG, value);
}

static int
set_time(int fd, int64_t mtime)
{
	struct timespec ts[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = mtime },
	};

	return futimens(fd, ts);
}

enum err
local_reseal(struct local_job *j, int fd, const struct store_object *o)
{
	bool ours = o->etag[0] != 'f' && o->etag[0];

	if (set_time(fd, j->mtime) < 0)
		return local_errno(j, "setting the modification time");
	if (ours && write_etag(fd, o->etag) < 0)
		return local_errno(j, "fsetxattr");
	if (fsync(fd) < 0)
		return local_errno(j, "fsync");
	return ERR_OK;
}

/* Everything that must be there before the file gets its name. */
static enum err
seal(struct local_job *j, int fd)
{
	struct store_object *o = &j->res.object;
	unsigned char random[ETAG_RANDOM];
	char crc[9];
	struct stat st;

	id_random(random, sizeof(random));
	hex_encode(random, sizeof(random), o->etag);
	/* Never an 'f' in front: that marks what is not ours. */
	if (o->etag[0] == 'f')
		o->etag[0] = 'e';
	snprintf(crc, sizeof(crc), "%08x", j->crc);
	if (j->mtime && set_time(fd, j->mtime) < 0)
		return local_errno(j, "setting the modification time");
	if ((j->sluice_id &&
	     local_xattr_set(fd, LOCAL_XATTR_ID, j->sluice_id) < 0) ||
	    (j->content_type &&
	     local_xattr_set(fd, LOCAL_XATTR_TYPE, j->content_type) < 0) ||
	    local_xattr_set(fd, LOCAL_XATTR_CRC, crc) < 0 ||
	    write_etag(fd, o->etag) < 0)
		return local_errno(j, "fsetxattr");
	if (fsync(fd) < 0 || fstat(fd, &st) < 0)
		return local_errno(j, "fsync");
	local_describe(fd, &st, o);
	return ERR_OK;
}

/* Once a cancel has returned, no name changes any more. */
static enum err
rename_wanted(struct local_job *j, int dir, const char *name,
	      const struct local_name *to)
{
	enum err err = ERR_OK;

	pthread_mutex_lock(&j->lock);
	if (j->canceled)
		err = ERR_CANCELED;
	else if (renameat(dir, name, to->dir, to->name) < 0)
		err = local_errno(j, "rename");
	pthread_mutex_unlock(&j->lock);
	return err;
}

enum err
local_publish(struct local_job *j, int fd, int dir, const char *name,
	      const char *key)
{
	struct local_name to = { .dir = -1 };
	enum err err = seal(j, fd);

	if (err)
		return err;
	/* A folder may be removed while it is still empty: made again. */
	for (int tries = 0; tries < 3; tries++) {
		local_close(&to.dir);
		err = local_parent(j, key, true, &to);
		if (!err)
			err = rename_wanted(j, dir, name, &to);
		if (err != ERR_NOT_FOUND)
			break;
	}
	if (!err && fsync(to.dir) < 0) {
		err = local_errno(j, "fsync of a folder");
		j->res.ambiguous = true;
	}
	local_close(&to.dir);
	return err;
}
