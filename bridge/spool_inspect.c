/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/spool_inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/spool_private.h"
#include "lib/log.h"

struct looking {
	unsigned char boot[SEGMENT_BOOT_LEN];
	spool_file_fn *fn;
	void *arg;
};

static enum err
dir_open(const char *dir, int *fd)
{
	*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd >= 0)
		return ERR_OK;
	return errno == ENOENT ? ERR_NOT_FOUND : err_from_errno(errno);
}

/* The record that counts, or NULL. */
static const struct segment_record *
record_of(const struct segment_header *h,
	  const unsigned char boot[SEGMENT_BOOT_LEN])
{
	if (h->live.count > 0 &&
	    memcmp(h->live.rec[0].boot, boot, SEGMENT_BOOT_LEN) == 0)
		return &h->live.rec[0];
	return h->sync.count > 0 ? &h->sync.rec[0] : NULL;
}

static void
take_header(const struct looking *l, const struct segment_header *h,
	    struct spool_file *f)
{
	const struct segment_record *r = record_of(h, l->boot);

	f->kind = SPOOL_FILE_SEGMENT;
	if (strcmp(h->who.id.upload, f->id.upload) != 0 ||
	    h->who.id.no != f->id.no)
		f->kind = SPOOL_FILE_MISNAMED;
	f->id = h->who.id;
	f->id.rewind = segment_header_rewind(h);
	f->received = r ? r->received : 0;
	f->cut = f->received > f->bytes;
	if (f->cut)
		f->received = 0;
}

/* What is discarded meanwhile is passed over. */
static void
look(const struct looking *l, int dir, const char *name)
{
	struct spool_file f = { .name = name, .kind = SPOOL_FILE_FOREIGN };
	struct segment_header h;
	struct stat st;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		f.changed = (int64_t)st.st_mtim.tv_sec * 1000;
		if (st.st_size > SEGMENT_HEADER)
			f.bytes = (uint64_t)st.st_size - SEGMENT_HEADER;
		if (spool_name_parse(name, &f.id) == ERR_OK) {
			f.kind = SPOOL_FILE_DAMAGED;
			if (spool_read_header(fd, &h) == ERR_OK)
				take_header(l, &h, &f);
		}
	}
	if (fd >= 0)
		close(fd);
	l->fn(l->arg, &f);
}

static bool
is_ours(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	       strcmp(name, "lock") == 0 || strcmp(name, "daemon.lock") == 0 ||
	       strncmp(name, "free.", 5) == 0 ||
	       strncmp(name, "journal.", 8) == 0;
}

enum err
spool_inspect(const char *dir, spool_file_fn *fn, void *arg)
{
	struct looking l = { .fn = fn, .arg = arg };
	struct dirent *e;
	enum err err;
	DIR *d;
	int fd;

	err = spool_boot(l.boot);
	if (err == ERR_OK)
		err = dir_open(dir, &fd);
	if (err != ERR_OK)
		return err;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return ERR_IO;
	}
	while ((errno = 0, e = readdir(d)) != NULL)
		if (!is_ours(e->d_name))
			look(&l, dirfd(d), e->d_name);
	if (errno != 0)
		err = ERR_IO;
	closedir(d);
	return err;
}

static enum err
data_check(int fd)
{
	unsigned char boot[SEGMENT_BOOT_LEN];
	const struct segment_record *r;
	struct segment_header h;
	uint32_t crc;
	enum err err = spool_boot(boot);

	if (err == ERR_OK)
		err = spool_read_header(fd, &h);
	if (err != ERR_OK)
		return err;
	r = record_of(&h, boot);
	if (!r || r->flags & SEGMENT_DIRTY)
		return ERR_OK;
	err = spool_data_crc(fd, 0, r->received, &crc);
	return err == ERR_OK && crc != r->crc ? ERR_CORRUPT : err;
}

enum err
spool_inspect_data(const char *dir, const char *name)
{
	enum err err;
	int dirfd, fd;

	err = dir_open(dir, &dirfd);
	if (err != ERR_OK)
		return err;
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	err = fd < 0 ? err_from_errno(errno) : data_check(fd);
	if (fd >= 0)
		close(fd);
	close(dirfd);
	return err;
}

enum err
spool_inspect_unlink(const char *dir, const char *name)
{
	enum err err;
	int fd;

	err = dir_open(dir, &fd);
	if (err != ERR_OK)
		return err;
	if ((unlinkat(fd, name, 0) != 0 && errno != ENOENT) || fsync(fd) != 0)
		err = err_from_errno(errno);
	close(fd);
	return err;
}
