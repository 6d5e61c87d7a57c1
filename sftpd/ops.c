/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/ops.h"

#include <string.h>

#include "auth/user.h"
#include "sftpd/channel.h"
#include "sftpd/dir.h"
#include "sftpd/handlers.h"
#include "sftpd/read.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/*
 * A name given to an upload at its end needs the right to write, any other
 * new name that to rename: which one it is the vfs knows. Those who may only
 * write may ask how far their upload has come.
 */
/* clang-format off */
static const struct op packets[] = {
	{ SFTP_OPEN, "open", 0, OP_CHANGES | OP_TELLS, parse_open, start_open },
	{ SFTP_CLOSE, "close", 0, OP_CHANGES | OP_BARRIER | OP_TELLS,
	  parse_close, start_close },
	{ SFTP_READ, "read", USER_READ, OP_SENDS, parse_read, start_read },
	{ SFTP_LSTAT, "lstat", 0, 0, parse_path, start_stat },
	{ SFTP_FSTAT, "fstat", 0, 0, parse_file, start_fstat },
	{ SFTP_SETSTAT, "setstat", USER_WRITE, OP_CHANGES,
	  parse_path_attrs, start_setstat },
	{ SFTP_FSETSTAT, "fsetstat", USER_WRITE, OP_CHANGES | OP_BARRIER,
	  parse_fsetstat, start_fsetstat },
	{ SFTP_OPENDIR, "opendir", USER_LIST, 0, parse_path, start_opendir },
	{ SFTP_READDIR, "readdir", USER_LIST, OP_SENDS,
	  parse_readdir, start_readdir },
	{ SFTP_REMOVE, "remove", USER_DELETE, OP_CHANGES | OP_TELLS,
	  parse_path, start_remove },
	{ SFTP_MKDIR, "mkdir", USER_MKDIR, OP_CHANGES,
	  parse_path_attrs, start_mkdir },
	{ SFTP_RMDIR, "rmdir", USER_DELETE, OP_CHANGES | OP_TELLS,
	  parse_path, start_rmdir },
	{ SFTP_REALPATH, "realpath", 0, 0, parse_path, start_realpath },
	{ SFTP_STAT, "stat", 0, 0, parse_path, start_stat },
	{ SFTP_RENAME, "rename", USER_RENAME | USER_WRITE,
	  OP_CHANGES | OP_TELLS, parse_two_paths, start_rename },
};

static const struct op extensions[] = {
	{ SFTP_EXTENDED, "posix-rename@openssh.com",
	  USER_RENAME | USER_WRITE, OP_CHANGES | OP_TELLS,
	  parse_two_paths, start_posix_rename },
	{ SFTP_EXTENDED, "statvfs@openssh.com", 0, 0,
	  parse_path, start_statvfs },
	{ SFTP_EXTENDED, "fstatvfs@openssh.com", 0, 0,
	  parse_file, start_statvfs },
	{ SFTP_EXTENDED, "fsync@openssh.com", USER_WRITE, 0,
	  parse_file, start_fsync },
	{ SFTP_EXTENDED, "lsetstat@openssh.com", USER_WRITE, OP_CHANGES,
	  parse_path_attrs, start_setstat },
	{ SFTP_EXTENDED, "limits@openssh.com", 0, 0,
	  parse_nothing, start_limits },
	{ SFTP_EXTENDED, "expand-path@openssh.com", 0, 0,
	  parse_expand, start_realpath },
	{ SFTP_EXTENDED, "home-directory", 0, 0, parse_home, start_realpath },
	{ SFTP_EXTENDED, "users-groups-by-id@openssh.com", 0, 0,
	  parse_ids, start_ids },
	{ SFTP_EXTENDED, "copy-data", USER_READ,
	  OP_CHANGES | OP_BARRIER | OP_TELLS, parse_copy, start_copy },
};

static const struct sftp_extension announced[] = {
	{ "posix-rename@openssh.com", "1" },
	{ "statvfs@openssh.com", "2" },
	{ "fstatvfs@openssh.com", "2" },
	{ "fsync@openssh.com", "1" },
	{ "lsetstat@openssh.com", "1" },
	{ "limits@openssh.com", "1" },
	{ "expand-path@openssh.com", "1" },
	{ "home-directory", "1" },
	{ "users-groups-by-id@openssh.com", "1" },
	{ "copy-data", "1" },
};

const struct op op_abandon = {
	SFTP_CLOSE, "abandon", 0, OP_CHANGES, NULL, start_abandon
};
/* clang-format on */

static const struct op *
find_extension(struct sftp_reader *in)
{
	const uint8_t *name;
	uint32_t len;
	size_t i;

	name = sftp_read_string(in, &len);
	for (i = 0; i < COUNT(extensions); i++) {
		if (len == strlen(extensions[i].name) &&
		    memcmp(name, extensions[i].name, len) == 0)
			return &extensions[i];
	}
	return NULL;
}

const struct op *
ops_find(uint8_t type, struct sftp_reader *in)
{
	size_t i;

	if (type == SFTP_EXTENDED)
		return find_extension(in);
	for (i = 0; i < COUNT(packets); i++) {
		if (packets[i].type == type)
			return &packets[i];
	}
	return NULL;
}

void
ops_init(struct chan *ch, uint8_t type, struct sftp_reader *in)
{
	sftp_read_u32(in); /* the client's version: we speak 3 to all */
	if (type != SFTP_INIT || in->bad) {
		chan_bad(ch, "no INIT at the beginning");
		return;
	}
	if (ch->started) {
		chan_bad(ch, "INIT twice");
		return;
	}
	ch->started = true;
	sftp_reply_version(&ch->out, announced, COUNT(announced));
}
