/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/read.h"

#include <stddef.h>

#include "sftpd/channel.h"
#include "sftpd/handle.h"

enum err
parse_read(struct req *r, struct sftp_reader *in)
{
	enum err err = req_read_file(r, in);

	if (err != ERR_OK)
		return err;
	r->off = sftp_read_u64(in);
	r->len = sftp_read_u32(in);
	if (r->len > SFTP_DATA_MAX)
		r->len = SFTP_DATA_MAX;
	if (in->bad || r->h->flags & VFS_READ)
		return ERR_OK;
	r->why = "not open for reading";
	return ERR_DENIED;
}

static bool
is_running_read(const struct req *r, const struct handle *h)
{
	return r->running && r->h == h && r->op->start == start_read;
}

static void
end_range(struct handle *h)
{
	h->ch->reading -= h->read_len;
	h->read_len = 0;
	buf_clear(&h->got);
}

static void
fail(struct handle *h, enum err err, const char *why)
{
	struct req *r, *next;

	for (r = h->ch->reqs; r != NULL; r = next) {
		next = r->next;
		if (is_running_read(r, h))
			req_status(r, err, why);
	}
	end_range(h);
}

/* Deals n bytes, all that there are of the range, out to its READs. */
static void
deal_out(struct handle *h, const unsigned char *data, size_t n)
{
	struct req *r, *next;
	size_t part;

	for (r = h->ch->reqs; r != NULL; r = next) {
		next = r->next;
		if (!is_running_read(r, h))
			continue;
		part = r->len < n ? r->len : n;
		if (part == 0) {
			req_fx(r, SFTP_FX_EOF, "");
			continue;
		}
		sftp_reply_data(&h->ch->out, r->id, data, part);
		data += part;
		n -= part;
		req_end(r);
	}
	end_range(h);
}

static void
read_done(void *arg, enum err err, const char *why, const void *data, size_t n)
{
	struct handle *h = arg;
	const size_t have = buf_len(&h->got), missing = h->read_len - have;

	if (err != ERR_OK) {
		fail(h, err, why);
		return;
	}
	if (n > missing)
		n = missing;
	if (have == 0 && (n == 0 || n == missing)) {
		deal_out(h, data, n);
		return;
	}
	buf_add(&h->got, data, n);
	if (n > 0 && n < missing) {
		vfs_file_read(h->file, h->read_off + have + n, missing - n,
			      read_done, h);
		return;
	}
	deal_out(h, buf_data(&h->got), buf_len(&h->got));
}

void
start_read(struct req *r)
{
	struct handle *h = r->h;
	struct req *x;

	if (r->len == 0) {
		req_fx(r, SFTP_FX_EOF, "");
		return;
	}
	h->read_off = r->off;
	h->read_len = r->len;
	for (x = r->next; x != NULL; x = x->next) {
		if (x->h != h)
			continue;
		if (x->op != r->op || x->len == 0 ||
		    x->off != h->read_off + h->read_len ||
		    h->read_len + x->len > READ_MERGE_MAX)
			break;
		x->running = true;
		h->read_len += x->len;
	}
	h->ch->reading += h->read_len;
	vfs_file_read(h->file, h->read_off, h->read_len, read_done, h);
}
