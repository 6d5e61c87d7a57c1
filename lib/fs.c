/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "lib/mem.h"

/*
 * The numbers are those of statfs(2) and of the kernel's sources; not all are
 * in linux/magic.h of every release.
 */
static const struct fs {
	unsigned long type;
	bool local;
	const char *name;
} known[] = {
	{ 0xef53, true, "ext4" },	   { 0x58465342, true, "xfs" },
	{ 0x9123683e, true, "btrfs" },	   { 0x01021994, true, "tmpfs" },
	{ 0x794c7630, true, "overlayfs" }, /* in containers */
	{ 0x2fc12fc1, true, "zfs" },	   { 0xf2f52010, true, "f2fs" },
	{ 0x6969, false, "nfs" },	   { 0x517b, false, "smb" },
	{ 0xff534d42, false, "cifs" },	   { 0xfe534d42, false, "smb2" },
	{ 0x65735546, false, "fuse" },	   { 0x01021997, false, "9p" },
	{ 0x00c36400, false, "ceph" },	   { 0x5346414f, false, "afs" },
	{ 0x0bd00bd0, false, "lustre" },   { 0x01161970, false, "gfs2" },
	{ 0x7461636f, false, "ocfs2" },	   { 0x4d44, false, "fat" },
	{ 0x858458f6, false, "ramfs" },
};

static const struct fs *
find(unsigned long type)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].type == (type & 0xffffffff))
			return &known[i];
	return NULL;
}

enum err
fs_check(unsigned long f_type)
{
	const struct fs *f = find(f_type);

	return f && f->local ? ERR_OK : ERR_UNSUPPORTED;
}

const char *
fs_name(unsigned long f_type)
{
	const struct fs *f = find(f_type);

	return f ? f->name : "unknown";
}

enum err
fs_of(const char *path, struct fs_info *out)
{
	char *at = mem_strdup(path), *slash;
	struct statfs st;
	int rc;

	while ((rc = statfs(at, &st)) != 0 && errno == ENOENT &&
	       (slash = strrchr(at, '/')) && at[1] != '\0')
		slash[slash == at ? 1 : 0] = '\0';
	free(at);
	if (rc != 0)
		return err_from_errno(errno);
	out->type = (unsigned long)st.f_type;
	out->size = (uint64_t)st.f_blocks * (uint64_t)st.f_bsize;
	return ERR_OK;
}
