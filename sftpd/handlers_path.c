/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on paths. */
#include <stddef.h>

#include "sftpd/channel.h"
#include "sftpd/conn.h"
#include "sftpd/handlers.h"
#include "sftpd/wire.h"

enum err
parse_path(struct req *r, struct sftp_reader *in)
{
	return req_read_path(r, in, &r->path);
}

enum err
parse_two_paths(struct req *r, struct sftp_reader *in)
{
	enum err err = req_read_path(r, in, &r->path);

	if (err != ERR_OK)
		return err;
	return req_read_path(r, in, &r->path2);
}

enum err
parse_path_attrs(struct req *r, struct sftp_reader *in)
{
	struct sftp_attrs a;
	enum err err = req_read_path(r, in, &r->path);

	if (err != ERR_OK)
		return err;
	sftp_read_attrs(in, &a);
	wire_vfs_attrs(&r->attrs, &a);
	return ERR_OK;
}

/* There are no links, so STAT and LSTAT are one. */
void
start_stat(struct req *r)
{
	vfs_stat(r->ch->c->session, r->path, req_stat_done, r);
}

void
start_setstat(struct req *r)
{
	vfs_setstat(r->ch->c->session, r->path, &r->attrs, req_done, r);
}

void
start_remove(struct req *r)
{
	vfs_remove(r->ch->c->session, r->path, req_done, r);
}

/* The mode that comes with MKDIR is not kept: a folder is only a name. */
void
start_mkdir(struct req *r)
{
	vfs_mkdir(r->ch->c->session, r->path, req_done, r);
}

void
start_rmdir(struct req *r)
{
	vfs_rmdir(r->ch->c->session, r->path, req_done, r);
}

void
start_rename(struct req *r)
{
	vfs_rename(r->ch->c->session, r->path, r->path2, false, req_done, r);
}

void
start_posix_rename(struct req *r)
{
	vfs_rename(r->ch->c->session, r->path, r->path2, true, req_done, r);
}

void
start_realpath(struct req *r)
{
	sftp_reply_name(&r->ch->out, r->id, r->path);
	req_end(r);
}
