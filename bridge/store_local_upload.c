/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multipart uploads of the local store. Parts are written in place into
 * uploads/<id>.data and synced; only then does a record of the part enter
 * uploads/<id>.parts. Complete gives the data file its final name, so it costs
 * the same for any size. Whoever writes holds an OFD lock on the part's range,
 * complete one on the whole file: a call that was given up, in this process or
 * in another, is out of the way before its successor goes on.
 */
#include "bridge/store_local.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bridge/store_local_parts.h"
#include "lib/clock.h"
#include "lib/crc32c.h"
#include "lib/mem.h"

#define LOCK_WAIT_MS 60000
#define LOCK_POLL_NS 2000000

enum { DATA, PARTS };

/* The name of one of the upload's files; ids come from begin alone. */
static enum err
file_name(struct local_job *j, int which, char *out, size_t size)
{
	if (!id_valid(j->backend_id))
		return local_fail(j, ERR_NOT_FOUND, "no such upload");
	snprintf(out, size, "%s.%s", j->backend_id,
		 which == DATA ? "data" : "parts");
	return ERR_OK;
}

static enum err
open_file(struct local_job *j, int which, int flags, int *fd)
{
	char name[ID_LEN + 8];
	enum err err = file_name(j, which, name, sizeof(name));

	if (err)
		return err;
	*fd = local_open(j->tree->uploads, name, flags, 0644);
	if (*fd < 0 && errno == ENOENT)
		j->res.why = "no such upload";
	return *fd < 0 ? local_errno(j, "open of an upload's file") : ERR_OK;
}

static enum err
remove_file(struct local_job *j, int which)
{
	char name[ID_LEN + 8];
	enum err err = file_name(j, which, name, sizeof(name));

	if (!err && unlinkat(j->tree->uploads, name, 0) < 0 && errno != ENOENT)
		err = local_errno(j, "unlink of an upload's file");
	return err;
}

static enum err
sync_uploads(struct local_job *j)
{
	if (fsync(j->tree->uploads) < 0)
		return local_errno(j, "fsync of a folder");
	return ERR_OK;
}

static enum err
make_files(struct local_job *j)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL;
	enum err err = open_file(j, DATA, flags, &j->dst);

	if (!err)
		err = open_file(j, PARTS, flags | O_APPEND, &j->parts);
	if (!err && j->sluice_id &&
	    local_xattr_set(j->dst, LOCAL_XATTR_ID, j->sluice_id) < 0)
		err = local_errno(j, "fsetxattr");
	if (!err && j->content_type &&
	    local_xattr_set(j->dst, LOCAL_XATTR_TYPE, j->content_type) < 0)
		err = local_errno(j, "fsetxattr");
	if (!err && fsync(j->dst) < 0)
		err = local_errno(j, "fsync");
	if (!err)
		err = local_records_start(j, j->parts);
	return err ? err : sync_uploads(j);
}

enum err
local_begin(struct local_job *j)
{
	enum err err = local_check_place(j, j->key);

	if (err)
		return err;
	j->backend_id = mem_alloc(ID_LEN + 1);
	id_new(j->backend_id);
	err = make_files(j);
	if (err) {
		remove_file(j, DATA);
		remove_file(j, PARTS);
		return err;
	}
	j->res.backend_id = j->backend_id;
	return ERR_OK;
}

/*
 * Never waits in the pool for long: the holder's own next turn may need this
 * thread. With j->more set the caller tries again in another turn.
 */
static enum err
lock_range(struct local_job *j, uint64_t off, uint64_t len)
{
	struct flock fl = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)off,
		.l_len = (off_t)len,
	};
	const struct timespec pause = { .tv_nsec = LOCK_POLL_NS };

	j->more = false;
	if (fcntl(j->dst, F_OFD_SETLK, &fl) == 0)
		return ERR_OK;
	if (errno != EAGAIN && errno != EACCES)
		return local_errno(j, "lock of an upload's file");
	if (!j->wait_until)
		j->wait_until = clock_ms() + LOCK_WAIT_MS;
	if (clock_ms() > j->wait_until)
		return local_fail(j, ERR_AGAIN, "the upload is busy");
	nanosleep(&pause, NULL);
	j->more = true;
	return local_still_wanted(j);
}

/* The name must still lead to the locked file: complete takes it away. */
static enum err
check_linked(struct local_job *j)
{
	struct stat a, b;
	char name[ID_LEN + 8];
	enum err err = file_name(j, DATA, name, sizeof(name));

	if (err)
		return err;
	if (fstat(j->dst, &a) < 0 ||
	    fstatat(j->tree->uploads, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return local_errno(j, "fstat of an upload's file");
	return a.st_ino == b.st_ino ? ERR_OK : ERR_NOT_FOUND;
}

/* Opens and locks; ERR_OK with j->more means that another turn is needed. */
static enum err
part_start(struct local_job *j)
{
	enum err err = ERR_OK;

	if (j->no < 1 || j->no > LOCAL_PARTS_MAX || j->dst_off > INT64_MAX ||
	    j->total > INT64_MAX - j->dst_off)
		return local_fail(j, ERR_TOO_LARGE, "the file is too large");
	if (j->dst < 0)
		err = open_file(j, DATA, O_WRONLY, &j->dst);
	if (!err)
		err = lock_range(j, j->dst_off, j->total ? j->total : 1);
	if (err || j->more)
		return err;
	err = check_linked(j);
	if (!err)
		err = open_file(j, PARTS, O_WRONLY | O_APPEND, &j->parts);
	return err;
}

static enum err
part_end(struct local_job *j)
{
	struct local_record r = {
		.known = true, .off = j->dst_off, .len = j->total, .crc = j->crc
	};
	enum err err;

	if (fdatasync(j->dst) < 0)
		return local_errno(j, "fdatasync of a part");
	err = local_records_add(j, j->parts);
	if (!err)
		local_part_describe(&r, j->no, &j->res.part);
	return err;
}

enum err
local_put_part(struct local_job *j)
{
	bool copies = j->from != NULL;
	struct stat st;
	enum err err = ERR_OK;

	if (copies && j->src < 0)
		err = local_open_source(j, &st);
	if (!err && j->parts < 0)
		err = part_start(j);
	if (err || (j->more && j->parts < 0))
		return err;
	err = local_copy_turn(j);
	if (err || j->more)
		return err;
	if (copies)
		err = local_check_source(j);
	else if (j->crc != j->body.crc32c)
		err = local_fail(j, ERR_CORRUPT, "the body's CRC32C differs");
	return err ? err : part_end(j);
}

static enum err
read_records(struct local_job *j, bool parts, struct local_records *out)
{
	int fd = -1;
	enum err err = open_file(j, PARTS, O_RDONLY, &fd);

	return err ? err : local_records_read(j, fd, parts, out);
}

enum err
local_list_parts(struct local_job *j)
{
	struct local_records r = { 0 };
	enum err err = open_file(j, DATA, O_RDONLY, &j->src);

	if (!err)
		err = read_records(j, true, &r);
	if (!err && strcmp(r.key, j->key) != 0)
		err = local_fail(j, ERR_NOT_FOUND, "no such upload");
	if (!err) {
		j->out_parts = mem_array(r.n + 1, sizeof(*j->out_parts));
		j->res.parts = j->out_parts;
	}
	for (size_t i = 0; !err && i < r.n; i++)
		if (r.part[i].known)
			local_part_describe(&r.part[i], (uint32_t)i + 1,
					    &j->out_parts[j->res.nparts++]);
	local_records_free(&r);
	return err;
}

/* The list must be exactly what is stored, without a gap. */
static enum err
check_parts(struct local_job *j, const struct local_records *r)
{
	uint64_t end = 0;
	struct store_part have;

	for (size_t i = 0; i < j->nwant; i++) {
		const struct store_part *p = &j->want[i];

		if (p->no < 1 || p->no > r->n || !r->part[p->no - 1].known ||
		    (i && p->no <= j->want[i - 1].no))
			return local_fail(j, ERR_CORRUPT, "a part is missing");
		local_part_describe(&r->part[p->no - 1], p->no, &have);
		if (strcmp(have.etag, p->etag) != 0 || have.off != end)
			return local_fail(j, ERR_CORRUPT, "a part differs");
		j->crc = crc32c_combine(j->crc, r->part[p->no - 1].crc,
					have.len);
		end += have.len;
	}
	j->total = end;
	return j->nwant ? ERR_OK
			: local_fail(j, ERR_CORRUPT, "there are no parts");
}

static enum err
complete_locked(struct local_job *j)
{
	struct local_records r = { 0 };
	char name[ID_LEN + 8];
	struct stat st;
	enum err err = check_linked(j);

	if (!err)
		err = read_records(j, true, &r);
	if (!err && strcmp(r.key, j->key) != 0)
		err = local_fail(j, ERR_NOT_FOUND, "no such upload");
	if (!err)
		err = check_parts(j, &r);
	j->mtime = r.mtime;
	local_records_free(&r);
	if (!err && fstat(j->dst, &st) < 0)
		err = local_errno(j, "fstat");
	if (!err && (uint64_t)st.st_size < j->total)
		err = local_fail(j, ERR_CORRUPT, "the upload's file is short");
	if (!err && ftruncate(j->dst, (off_t)j->total) < 0)
		err = local_errno(j, "ftruncate");
	if (!err)
		err = file_name(j, DATA, name, sizeof(name));
	if (!err)
		err = local_publish(j, j->dst, j->tree->uploads, name, j->key);
	return err;
}

/* It may have got its name just before a crash: then that must last. */
static enum err
already_gone(struct local_job *j)
{
	struct local_name at = { .dir = -1 };

	if (local_parent(j, j->key, false, &at) == ERR_OK && fsync(at.dir) < 0)
		return local_errno(j, "fsync of a folder");
	local_close(&at.dir);
	j->res.why = "no such upload";
	remove_file(j, PARTS);
	return ERR_NOT_FOUND;
}

enum err
local_complete(struct local_job *j)
{
	enum err err = ERR_OK;

	if (j->dst < 0)
		err = open_file(j, DATA, O_RDWR, &j->dst);
	if (err == ERR_NOT_FOUND)
		return already_gone(j);
	if (!err)
		err = lock_range(j, 0, 0);
	if (err || j->more)
		return err;
	err = complete_locked(j);
	if (err)
		return err;
	/* What fails now is no failure: the object has its name. */
	if (remove_file(j, PARTS) == ERR_OK)
		sync_uploads(j);
	j->detail[0] = '\0';
	return ERR_OK;
}

enum err
local_abort(struct local_job *j)
{
	enum err err;

	if (!id_valid(j->backend_id))
		return ERR_OK;
	err = remove_file(j, DATA);
	if (!err)
		err = remove_file(j, PARTS);
	return err ? err : sync_uploads(j);
}

/* Records without data are what a crash right behind complete leaves. */
static bool
has_data(struct local_job *j, const char *name)
{
	char data[ID_LEN + 8];
	struct stat st;

	snprintf(data, sizeof(data), "%.*s.data", ID_LEN, name);
	return fstatat(j->tree->uploads, data, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* An upload's id and key, each with its NUL. */
#define UPLOAD_TEXT (ID_LEN + 1 + STORE_KEY_MAX + 1)

/* Reads one record file's header; adds it when it is of this key, or of any. */
static void
add_upload(struct local_job *j, const char *name)
{
	struct local_records r = { 0 };
	struct store_upload *u = &j->out_uploads[j->res.nuploads];
	char *id = j->text + j->res.nuploads * UPLOAD_TEXT;
	char *key = id + ID_LEN + 1;
	size_t n = strlen(name);
	int fd;

	if (n != ID_LEN + 6 || strcmp(name + ID_LEN, ".parts") != 0 ||
	    !has_data(j, name))
		return;
	fd = local_open(j->tree->uploads, name, O_RDONLY, 0);
	if (fd < 0)
		return;
	if (local_records_read(j, fd, false, &r) == ERR_OK &&
	    (!*j->key || strcmp(r.key, j->key) == 0) &&
	    strlen(r.key) <= STORE_KEY_MAX) {
		memcpy(id, name, ID_LEN);
		strcpy(key, r.key);
		u->key = key;
		u->backend_id = id;
		u->initiated = r.initiated;
		j->res.nuploads++;
	}
	local_records_free(&r);
}

enum err
local_list_uploads(struct local_job *j)
{
	int fd = local_open(j->tree->uploads, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir) {
		local_close(&fd);
		return local_errno(j, "open of a folder");
	}
	j->out_uploads = mem_array(LOCAL_UPLOADS_MAX, sizeof(*j->out_uploads));
	j->text = mem_array(LOCAL_UPLOADS_MAX, UPLOAD_TEXT);
	while (j->res.nuploads < LOCAL_UPLOADS_MAX && (d = readdir(dir)))
		add_upload(j, d->d_name);
	if (j->res.nuploads == LOCAL_UPLOADS_MAX && !*j->key)
		j->res.next = "";
	closedir(dir);
	j->res.uploads = j->out_uploads;
	j->res.why = NULL;
	j->detail[0] = '\0';
	return ERR_OK;
}
