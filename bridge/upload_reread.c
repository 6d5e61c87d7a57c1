/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what is still being written. The spool gives back what it holds; what
 * the store has of an unfinished upload nobody can read before it is complete.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bridge/upload_private.h"

const struct store_object *
upload_file_object(const struct upload_file *f)
{
	const struct upload *u = f->u;

	if (!u || u->phase != PHASE_IDLE || !u->fresh || !u->object_there)
		return NULL;
	return &u->object;
}

/* The bytes of one segment from off on, as many as there are. */
static enum err
read_segment(const struct useg *g, uint64_t off, unsigned char *out, size_t n)
{
	ssize_t got;

	while (n > 0) {
		got = pread(segment_fd(g->seg), out, n,
			    (off_t)(SEGMENT_HEADER + off - g->base));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return ERR_IO;
		out += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return ERR_OK;
}

static const struct useg *
segment_at(const struct upload *u, uint64_t off)
{
	const struct useg *g;

	for (g = u->segs; g; g = g->next) {
		if (off >= g->base && off < g->base + g->cap)
			return g;
	}
	return NULL;
}

static enum err
not_here(struct upload_file *f)
{
	snprintf(f->why, sizeof(f->why),
		 "only bytes from offset %" PRIu64 " to %" PRIu64
		 " can be read before the file is closed",
		 upload_floor(f->u), f->u->end);
	return ERR_INVALID;
}

/* Of a published object that is being written over, the rest is not there. */
static bool
behind_end(const struct upload *u, uint64_t off)
{
	return off >= u->end && !(u->row.flags & UPLOAD_NO_TRUNC &&
				  u->object_there && off < u->object.size);
}

/* From off on, through as many segments as there are in a row. */
static enum err
read_spool(const struct upload *u, uint64_t off, unsigned char *out, size_t n,
	   size_t *got)
{
	const struct useg *g;
	enum err err = ERR_OK;
	size_t part;

	while (!err && n > 0 && off < u->end && (g = segment_at(u, off))) {
		part = (size_t)(g->base + g->cap - off);
		if (part > u->end - off)
			part = (size_t)(u->end - off);
		if (part > n)
			part = n;
		err = read_segment(g, off, out + *got, part);
		*got += part;
		off += part;
		n -= part;
	}
	return err;
}

enum err
upload_file_read(struct upload_file *f, uint64_t off, void *out, size_t n,
		 size_t *got, const char **why)
{
	struct upload *u = f->u;
	enum err err;

	*got = 0;
	*why = f->why;
	if (!u || u->failed) {
		str_copy(f->why, sizeof(f->why),
			 u ? u->why : "another session took this upload over");
		return u ? u->failed : ERR_IN_USE;
	}
	if (u->preparing || u->hold) {
		str_copy(f->why, sizeof(f->why), "not all is there yet");
		return ERR_AGAIN;
	}
	if (behind_end(u, off))
		return ERR_OK;
	err = read_spool(u, off, out, n, got);
	if (err)
		str_copy(f->why, sizeof(f->why), "the spool cannot be read");
	else if (!*got)
		return not_here(f);
	return err;
}
