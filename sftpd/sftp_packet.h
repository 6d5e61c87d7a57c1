/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of SFTP version 3 (draft-ietf-secsh-filexfer-02). */
#ifndef SFTPD_SFTP_PACKET_H
#define SFTPD_SFTP_PACKET_H

#include <stdint.h>

enum sftp_type {
	SFTP_INIT = 1,
	SFTP_VERSION,
	SFTP_OPEN,
	SFTP_CLOSE,
	SFTP_READ,
	SFTP_WRITE,
	SFTP_LSTAT,
	SFTP_FSTAT,
	SFTP_SETSTAT,
	SFTP_FSETSTAT,
	SFTP_OPENDIR,
	SFTP_READDIR,
	SFTP_REMOVE,
	SFTP_MKDIR,
	SFTP_RMDIR,
	SFTP_REALPATH,
	SFTP_STAT,
	SFTP_RENAME,
	SFTP_READLINK,
	SFTP_SYMLINK,
	SFTP_STATUS = 101,
	SFTP_HANDLE,
	SFTP_DATA,
	SFTP_NAME,
	SFTP_ATTRS,
	SFTP_EXTENDED = 200,
	SFTP_EXTENDED_REPLY
};

#define SFTP_VERSION_3 3
#define SFTP_PACKET_MAX (262144u + 1024u) /* what a length may say */
#define SFTP_HANDLE_MAX 256		  /* bytes of a handle (section 6.2) */
#define SFTP_DATA_MAX 261120u		  /* of one READ or WRITE: limits@ */
#define SFTP_PACKET_TOLD 262144u	  /* max-packet-length of limits@ */

/* Which words of attributes are there (section 5). */
enum {
	SFTP_ATTR_SIZE = 1,
	SFTP_ATTR_UIDGID = 2,
	SFTP_ATTR_PERMISSIONS = 4,
	SFTP_ATTR_ACMODTIME = 8
};
#define SFTP_ATTR_EXTENDED 0x80000000u

struct sftp_attrs {
	uint32_t flags;
	uint64_t size;
	uint32_t uid, gid, permissions, atime, mtime;
};

/* Which pflags an OPEN has (section 6.3). */
enum {
	SFTP_READ_FLAG = 1,
	SFTP_WRITE_FLAG = 2,
	SFTP_APPEND_FLAG = 4,
	SFTP_CREAT_FLAG = 8,
	SFTP_TRUNC_FLAG = 16,
	SFTP_EXCL_FLAG = 32
};

#endif
