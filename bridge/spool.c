/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bridge/spool_private.h"
#include "lib/clock.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/mem.h"

#define ROOM_MS 5000 /* without a refusal: there is room again */
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

static unsigned char test_boot[SEGMENT_BOOT_LEN];
static bool test_boot_set;

void
spool_test_boot(const unsigned char boot[SEGMENT_BOOT_LEN])
{
	test_boot_set = boot != NULL;
	if (boot)
		memcpy(test_boot, boot, SEGMENT_BOOT_LEN);
}

/* A UUID in text: the digits count, the dashes do not. */
static enum err
boot_parse(const char *text, unsigned char out[SEGMENT_BOOT_LEN])
{
	char digits[2 * SEGMENT_BOOT_LEN];
	size_t n = 0;

	for (; *text && *text != '\n'; text++) {
		if (*text == '-')
			continue;
		if (n == sizeof(digits))
			return ERR_INVALID;
		digits[n++] = *text;
	}
	if (n != sizeof(digits) || hex_decode(digits, n, out) != 0)
		return ERR_INVALID;
	return ERR_OK;
}

enum err
spool_boot(unsigned char out[SEGMENT_BOOT_LEN])
{
	char text[64];
	ssize_t n;
	int fd;

	if (test_boot_set) {
		memcpy(out, test_boot, SEGMENT_BOOT_LEN);
		return ERR_OK;
	}
	fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ERR_IO;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return ERR_IO;
	text[n] = '\0';
	return boot_parse(text, out);
}

static enum err
dir_check(const char *dir, int fd)
{
	struct statfs fs;
	struct stat st;
	enum err err;
	char mode[8];

	if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0) {
		log_error("spool", NULL, "stat", KV_S("dir", dir),
			  KV_ERRNO(errno));
		return ERR_IO;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 0777) != 0700) {
		snprintf(mode, sizeof(mode), "%04o", st.st_mode & 0777);
		log_error("spool", NULL, "folder_not_ours", KV_S("dir", dir),
			  KV_U("uid", st.st_uid),
			  KV_U("expected_uid", geteuid()), KV_S("mode", mode),
			  KV_S("expected_mode", "0700"),
			  KV_S("do", "chown it to the service's user and "
				     "chmod it to 0700"));
		return ERR_DENIED;
	}
	err = fs_check((unsigned long)fs.f_type);
	if (err != ERR_OK)
		log_error("spool", NULL, "file_system", KV_S("dir", dir),
			  KV_S("found", fs_name((unsigned long)fs.f_type)),
			  KV_U("f_type", (unsigned long)fs.f_type),
			  KV_S("expected", FS_EXPECTED));
	return err;
}

static enum err
dir_open(const char *dir, int *out)
{
	enum err err;
	int fd;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		log_error("spool", NULL, "mkdir", KV_S("dir", dir),
			  KV_ERRNO(errno));
		return ERR_IO;
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = errno == EACCES ? ERR_DENIED : ERR_IO;
		log_error("spool", NULL, "open", KV_S("dir", dir),
			  KV_ERRNO(errno),
			  KV_S("do", "let the service's user own it and pass "
				     "the folders above it"));
		return err;
	}
	err = dir_check(dir, fd);
	if (err != ERR_OK) {
		close(fd);
		return err;
	}
	*out = fd;
	return ERR_OK;
}

enum err
spool_open(struct spool **out, const struct spool_config *cfg)
{
	unsigned char boot[SEGMENT_BOOT_LEN];
	struct spool *s;
	enum err err;
	int fd;

	if (spool_boot(boot) != ERR_OK) {
		log_error("spool", NULL, "boot_id", KV_S("file", BOOT_ID_FILE),
			  KV_S("do", "make /proc/sys visible to the service"));
		return ERR_IO;
	}
	err = dir_open(cfg->dir, &fd);
	if (err != ERR_OK)
		return err;
	s = mem_alloc(sizeof(*s));
	s->dir = mem_strdup(cfg->dir);
	s->dirfd = fd;
	s->free_max = cfg->free_max;
	s->loop = cfg->loop;
	s->pool = cfg->pool;
	memcpy(s->boot, boot, sizeof(s->boot));
	s->refs = 1;
	spool_free_adopt(s);
	*out = s;
	return ERR_OK;
}

void
spool_close(struct spool *s)
{
	if (!s)
		return;
	spool_free_drop(s);
	s->closed = true;
	spool_unref(s);
}

void
spool_ref(struct spool *s)
{
	s->refs++;
}

void
spool_unref(struct spool *s)
{
	if (--s->refs > 0)
		return;
	close(s->dirfd);
	free(s->dir);
	free(s);
}

void
spool_no_space(struct spool *s)
{
	s->full_at = clock_ms();
	if (s->full)
		return;
	s->full = true;
	log_warn("spool", NULL, "full", KV_S("dir", s->dir),
		 KV_S("do", "make room on the disk, or lower spool_max"));
}

/* A write into blocks that are there succeeds on a full disk too. */
void
spool_took(struct spool *s)
{
	if (!s->full || clock_ms() - s->full_at < ROOM_MS)
		return;
	s->full = false;
	log_info("spool", NULL, "has_room", KV_S("dir", s->dir));
}

uint64_t
spool_free_bytes(const struct spool *s)
{
	return s->free_bytes + s->slack;
}

bool
spool_has_open(const struct spool *s, const char *name)
{
	const struct spool_opening *o;
	const struct segment *g;
	struct segment_id id;

	for (g = s->segments; g; g = g->next)
		if (strcmp(g->name, name) == 0)
			return true;
	if (spool_name_parse(name, &id) != ERR_OK)
		return false;
	for (o = s->opening; o; o = o->next)
		if (o->id->no == id.no && strcmp(o->id->upload, id.upload) == 0)
			return true;
	return false;
}
