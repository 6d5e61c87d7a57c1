/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on files other than READ and WRITE. */
#include <stddef.h>

#include "sftpd/channel.h"
#include "sftpd/conn.h"
#include "sftpd/handlers.h"
#include "sftpd/wire.h"

enum err
parse_open(struct req *r, struct sftp_reader *in)
{
	struct sftp_attrs a;
	uint32_t pflags;
	enum err err = req_read_path(r, in, &r->path);

	if (err != ERR_OK)
		return err;
	pflags = sftp_read_u32(in);
	sftp_read_attrs(in, &a);
	wire_vfs_attrs(&r->attrs, &a);
	r->flags = wire_open_flags(pflags);
	if (r->flags != 0 || in->bad)
		return ERR_OK;
	r->why = "neither reading nor writing";
	return ERR_INVALID;
}

static void
open_done(void *arg, enum err err, const char *why, struct vfs_file *f)
{
	struct req *r = arg;
	struct handle *h = r->h;
	uint8_t wire[HANDLE_LEN];

	r->h = NULL;
	if (err != ERR_OK) {
		handle_free(h);
		req_status(r, err, why);
		return;
	}
	h->file = f;
	h->size = vfs_file_size(f);
	handle_wire(h, wire);
	sftp_reply_handle(&r->ch->out, r->id, wire, sizeof(wire));
	if (r->ch->ended)
		req_abandon(h);
	req_end(r);
}

void
start_open(struct req *r)
{
	struct vfs_open o = { .path = r->path,
			      .flags = r->flags,
			      .attrs = r->attrs,
			      .events = &handle_events };

	if (r->ch->ended) {
		req_end(r);
		return;
	}
	r->h = handle_new(r->ch, r->path);
	if (r->h == NULL) {
		req_status(r, ERR_TOO_LARGE, "too many open handles");
		return;
	}
	r->h->flags = r->flags;
	o.events_arg = r->h;
	vfs_open(r->ch->c->session, &o, open_done, r);
}

enum err
parse_file(struct req *r, struct sftp_reader *in)
{
	return req_read_file(r, in);
}

enum err
parse_fsetstat(struct req *r, struct sftp_reader *in)
{
	struct sftp_attrs a;
	enum err err = req_read_file(r, in);

	if (err != ERR_OK)
		return err;
	sftp_read_attrs(in, &a);
	wire_vfs_attrs(&r->attrs, &a);
	return ERR_OK;
}

void
start_fstat(struct req *r)
{
	vfs_file_stat(r->h->file, req_stat_done, r);
}

void
start_fsetstat(struct req *r)
{
	vfs_file_setstat(r->h->file, &r->attrs, req_done, r);
}

void
start_fsync(struct req *r)
{
	vfs_file_sync(r->h->file, req_done, r);
}

enum err
parse_close(struct req *r, struct sftp_reader *in)
{
	return req_read_handle(r, in);
}

/* Replies to WRITEs that were held back go out before that of the CLOSE. */
static void
close_done(void *arg, enum err err, const char *why)
{
	struct req *r = arg;
	struct handle *h = r->h;

	h->file = NULL;
	handle_answer_acks(h, err, why);
	req_status(r, err, why);
	handle_free(h);
}

static void
close_handle(struct req *r, enum vfs_end how)
{
	struct handle *h = r->h;

	if (h->file != NULL) {
		vfs_file_close(h->file, how, close_done, r);
		return;
	}
	req_status(r, ERR_OK, "");
	handle_free(h);
}

void
start_close(struct req *r)
{
	close_handle(r, VFS_COMPLETE);
}

void
start_abandon(struct req *r)
{
	close_handle(r, VFS_BROKEN);
}
