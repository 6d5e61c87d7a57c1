/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of each row in the table of packets (req.h says what they
 * do): parse_* reads the packet, start_* carries it out. */
#ifndef SFTPD_HANDLERS_H
#define SFTPD_HANDLERS_H

#include "sftpd/req.h"

/* handlers_path.c */
enum err parse_path(struct req *r, struct sftp_reader *in);
enum err parse_two_paths(struct req *r, struct sftp_reader *in);
enum err parse_path_attrs(struct req *r, struct sftp_reader *in);
void start_stat(struct req *r);
void start_setstat(struct req *r);
void start_remove(struct req *r);
void start_mkdir(struct req *r);
void start_rmdir(struct req *r);
void start_rename(struct req *r);
void start_posix_rename(struct req *r);
void start_realpath(struct req *r);

/* handlers_file.c */
enum err parse_open(struct req *r, struct sftp_reader *in);
enum err parse_close(struct req *r, struct sftp_reader *in);
enum err parse_file(struct req *r, struct sftp_reader *in);
enum err parse_fsetstat(struct req *r, struct sftp_reader *in);
void start_open(struct req *r);
void start_close(struct req *r);
void start_abandon(struct req *r);
void start_fstat(struct req *r);
void start_fsetstat(struct req *r);
void start_fsync(struct req *r);

/* handlers_ext.c */
enum err parse_nothing(struct req *r, struct sftp_reader *in);
enum err parse_expand(struct req *r, struct sftp_reader *in);
void start_limits(struct req *r);
void start_statvfs(struct req *r);
enum err parse_home(struct req *r, struct sftp_reader *in);
enum err parse_ids(struct req *r, struct sftp_reader *in);
void start_ids(struct req *r);
enum err parse_copy(struct req *r, struct sftp_reader *in);
void start_copy(struct req *r);

#endif
