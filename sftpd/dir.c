/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/dir.h"

#include <stddef.h>

#include "auth/user.h"
#include "lib/clock.h"
#include "sftpd/channel.h"
#include "sftpd/conn.h"
#include "sftpd/handle.h"
#include "sftpd/longname.h"
#include "sftpd/wire.h"

static void
opendir_done(void *arg, enum err err, const char *why, struct vfs_dir *dir)
{
	struct req *r = arg;
	struct handle *h;
	uint8_t wire[HANDLE_LEN];

	if (err != ERR_OK) {
		req_status(r, err, why);
		return;
	}
	h = r->ch->ended ? NULL : handle_new(r->ch, r->path);
	if (h == NULL) {
		vfs_dir_close(dir);
		req_status(r, ERR_TOO_LARGE, "too many open handles");
		return;
	}
	h->dir = dir;
	handle_wire(h, wire);
	sftp_reply_handle(&r->ch->out, r->id, wire, sizeof(wire));
	req_end(r);
}

void
start_opendir(struct req *r)
{
	vfs_dir_open(r->ch->c->session, r->path, opendir_done, r);
}

enum err
parse_readdir(struct req *r, struct sftp_reader *in)
{
	enum err err = req_read_handle(r, in);

	if (err != ERR_OK || in->bad || r->h->dir != NULL)
		return err;
	r->why = "not a folder's handle";
	return ERR_INVALID;
}

/* As many entries as one packet takes, at least one. */
static void
send_entries(struct req *r)
{
	struct buf *page = &r->h->page;
	const uint8_t *p = buf_data(page);
	size_t left = buf_len(page), len = 0, n;
	uint32_t count = 0;

	while (len < left) {
		n = sftp_entry_len(p + len);
		if (count > 0 && SFTP_NAMES_HEADER + len + n > DIR_PACKET_MAX)
			break;
		len += n;
		count++;
	}
	sftp_reply_entries(&r->ch->out, r->id, count, p, len);
	buf_consume(page, len);
	req_end(r);
}

static void
encode(struct handle *h, const struct vfs_entry *e, const char *owner,
       int64_t now)
{
	char longname[LONGNAME_MAX];
	struct sftp_attrs a;

	longname_format(longname, e, owner, now);
	wire_attrs(&a, &e->st);
	sftp_put_entry(&h->page, e->name, longname, &a);
}

static void
page_done(void *arg, enum err err, const char *why,
	  const struct vfs_entry *entries, size_t n)
{
	struct req *r = arg;
	struct handle *h = r->h;
	const struct user *user = session_user(r->ch->c->session);
	const int64_t now = clock_wall_ms() / 1000;
	size_t i;

	if (err != ERR_OK) {
		req_status(r, err, why);
		return;
	}
	if (n == 0) {
		h->last = true;
		req_fx(r, SFTP_FX_EOF, "");
		return;
	}
	buf_clear(&h->page);
	for (i = 0; i < n; i++)
		encode(h, &entries[i], user->name, now);
	if (h->page.failed) {
		buf_clear(&h->page);
		req_status(r, ERR_TOO_LARGE, "a page of the folder is too big");
		return;
	}
	send_entries(r);
}

void
start_readdir(struct req *r)
{
	struct handle *h = r->h;

	if (buf_len(&h->page) > 0)
		send_entries(r);
	else if (h->last)
		req_fx(r, SFTP_FX_EOF, "");
	else
		vfs_dir_next(h->dir, page_done, r);
}
