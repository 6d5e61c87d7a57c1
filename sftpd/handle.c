/* SPDX-License-Identifier: Apache-2.0 */
#include "sftpd/handle.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sftpd/channel.h"
#include "sftpd/conn.h"
#include "sftpd/dir.h"
#include "sftpd/read.h"
#include "sftpd/sftp_reply.h"
#include "sftpd/wire.h"

struct handle *
handle_new(struct chan *ch, const char *path)
{
	struct handles *t = &ch->handles;
	struct handle *h;
	unsigned slot = 0;

	if (t->used >= HANDLES_MAX)
		return NULL;
	while (t->slots[slot] != NULL)
		slot++;
	h = mem_alloc(sizeof(*h));
	h->ch = ch;
	h->slot = slot;
	h->serial = ++t->serial;
	h->path = mem_strdup(path);
	buf_init(&h->got, READ_MERGE_MAX);
	buf_init(&h->page, DIR_PAGE_MAX);
	t->slots[slot] = h;
	t->used++;
	return h;
}

static void
put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void
handle_wire(const struct handle *h, uint8_t out[HANDLE_LEN])
{
	put_u32(out, h->slot);
	put_u32(out + 4, h->serial);
}

struct handle *
handle_find(const struct handles *t, const uint8_t *wire, size_t len)
{
	uint8_t own[HANDLE_LEN];
	struct handle *h;

	if (len != HANDLE_LEN || wire[0] != 0 || wire[1] != 0 || wire[2] != 0 ||
	    wire[3] >= HANDLES_MAX)
		return NULL;
	h = t->slots[wire[3]];
	if (h == NULL || (h->file == NULL && h->dir == NULL))
		return NULL;
	handle_wire(h, own);
	return memcmp(own, wire, HANDLE_LEN) == 0 ? h : NULL;
}

void
handle_detach(struct handle *h)
{
	struct handles *t = &h->ch->handles;

	if (t->slots[h->slot] == h)
		t->slots[h->slot] = NULL;
	h->closing = true;
}

void
handle_free(struct handle *h)
{
	if (h == NULL)
		return;
	handle_detach(h);
	h->ch->handles.used--;
	if (h->paused)
		conn_pause(h->ch->c, false);
	if (h->dir != NULL)
		vfs_dir_close(h->dir);
	buf_free(&h->got);
	buf_free(&h->page);
	free(h->acks);
	free(h->path);
	free(h);
}

uint64_t
handle_write_offset(struct handle *h, uint64_t off)
{
	if (!(h->flags & VFS_APPEND))
		return off;
	/*
	 * A client that knows where the file ends says so, and is believed.
	 * One that leaves it to APPEND counts from its own beginning, or
	 * always writes at 0, or begins at 0 again with each of its buffers.
	 */
	if (off == 0)
		h->base = h->size + h->written;
	return h->base + off;
}

void
handle_ack(struct handle *h, uint32_t id)
{
	if (h->nacks == 0 && vfs_file_acks(h->file)) {
		sftp_reply_status(&h->ch->out, id, SFTP_FX_OK, "");
		return;
	}
	if (h->acks == NULL)
		h->acks = mem_array(ACKS_MAX, sizeof(*h->acks));
	h->acks[h->nacks++] = id;
}

void
handle_answer_acks(struct handle *h, enum err err, const char *why)
{
	const unsigned n = h->nacks;
	unsigned i;

	h->nacks = 0;
	for (i = 0; i < n; i++)
		sftp_reply_status(&h->ch->out, h->acks[i], wire_status(err),
				  err == ERR_OK ? "" : why);
	if (n > 0)
		conn_wake(h->ch->c);
}

static void
on_pause(void *arg, bool paused)
{
	struct handle *h = arg;

	if (h->paused == paused)
		return;
	h->paused = paused;
	conn_pause(h->ch->c, paused);
}

static void
on_ready(void *arg, enum err err, const char *why)
{
	handle_answer_acks(arg, err, why);
}

const struct vfs_file_events handle_events = { on_pause, on_ready };
