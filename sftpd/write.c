/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/write.h"

#include "lib/mem.h"
#include "sftpd/handle.h"
#include "sftpd/wire.h"

static void
fail(struct chan_write *w, enum sftp_fx fx, const char *why)
{
	w->h = NULL;
	w->fx = fx;
	str_copy(w->why, sizeof(w->why), why);
}

void
write_begin(struct chan *ch)
{
	const struct sftp_write *in = &ch->parser.write;
	struct chan_write *w = &ch->write;
	struct handle *h;

	if (!ch->started) {
		chan_bad(ch, "no INIT at the beginning");
		return;
	}
	w->active = true;
	h = handle_find(&ch->handles, in->handle, in->handle_len);
	if (h == NULL || h->file == NULL) {
		fail(w, SFTP_FX_FAILURE, "unknown handle");
		return;
	}
	if (!(h->flags & VFS_WRITE)) {
		fail(w, SFTP_FX_PERMISSION_DENIED, "not open for writing");
		return;
	}
	w->h = h;
	w->off = handle_write_offset(h, in->off);
	if (w->off + in->len < w->off || w->off + in->len > INT64_MAX)
		fail(w, SFTP_FX_FAILURE, "the offset is too large");
	ch->uploads = true;
}

bool
write_waits(const struct chan *ch)
{
	const struct chan_write *w = &ch->write;

	return w->active && w->h != NULL &&
	       (w->h->barriers > 0 || w->h->nacks >= ACKS_MAX);
}

void
write_data(struct chan *ch)
{
	struct chan_write *w = &ch->write;
	const size_t n = ch->parser.data_len;
	const char *why = "";
	enum err err;

	if (w->h == NULL)
		return;
	err = vfs_file_write(w->h->file, w->off, ch->parser.data, n, &why);
	if (err != ERR_OK) {
		fail(w, wire_status(err), why);
		return;
	}
	w->off += n;
	w->h->written += n;
}

void
write_end(struct chan *ch)
{
	struct chan_write *w = &ch->write;
	const uint32_t id = ch->parser.write.id;

	w->active = false;
	if (w->h != NULL)
		handle_ack(w->h, id);
	else
		sftp_reply_status(&ch->out, id, w->fx, w->why);
	w->h = NULL;
}
