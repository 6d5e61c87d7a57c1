/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of POST and PATCH. With a checksum they wait until it is known to
 * be right; then they go into the file as it has room. At the end the upload
 * is published when nothing is missing, else parked, and only then comes the
 * reply: what it says is on disk.
 */
#include <string.h>

#include "httpd/tus.h"

#define PIECE (256u << 10)   /* bytes of what was staged, at a time */
#define BUDGET (1024u << 10) /* then others */

static void
kept(struct intake *in, enum err err, const char *why)
{
	struct tus *t = (struct tus *)in;

	if (err)
		exchange_error(&in->x, err, why);
	else
		tus_reply(t, t->creates ? 201 : 204);
}

static void
mismatched(struct intake *in, enum err err, const char *why)
{
	(void)err, (void)why;
	exchange_problem(&in->x, 460,
			 "The checksum does not match; nothing was taken.");
}

/* A resumed upload is told by a write, if of nothing, that this is all. */
static void
finish(struct tus *t)
{
	t->published = t->declared && t->in.off == t->total;
	if (t->published && t->in.moved == 0 && !intake_write(&t->in, "", 0))
		return;
	intake_close(&t->in, t->published ? VFS_COMPLETE : VFS_BROKEN, kept);
}

static void
tus_body(struct exchange *x, const void *data, size_t n)
{
	struct tus *t = (struct tus *)x;

	if (t->declared && n > t->total - t->in.off) {
		intake_fail(&t->in, ERR_TOO_LARGE,
			    "more bytes than Upload-Length says");
		return;
	}
	if (!t->stage) {
		intake_write(&t->in, data, n);
		return;
	}
	switch (tus_stage_add(t->stage, data, n)) {
	case TUS_STAGE_OK:
		break;
	case TUS_STAGE_LARGE:
		intake_fail(&t->in, ERR_TOO_LARGE,
			    "too many bytes for one checksum; send less at a "
			    "time");
		break;
	case TUS_STAGE_FULL:
		intake_fail(&t->in, ERR_AGAIN,
			    "too many bytes wait for their checksums");
		break;
	}
}

static void
tus_body_end(struct exchange *x)
{
	struct tus *t = (struct tus *)x;

	if (!t->stage) {
		finish(t);
	} else if (tus_stage_verify(t->stage)) {
		t->verified = true;
		client_soon(x->c);
	} else {
		intake_close(&t->in, VFS_BROKEN, mismatched);
	}
}

/* What was verified goes into the file. */
static void
tus_drained(struct exchange *x)
{
	struct tus *t = (struct tus *)x;
	const void *data;
	size_t n, total = 0;

	if (!t->verified || t->in.closing)
		return;
	while (total < BUDGET && exchange_open(x)) {
		n = tus_stage_take(t->stage, PIECE, &data);
		if (n == 0) {
			finish(t);
			return;
		}
		if (!intake_write(&t->in, data, n))
			return;
		total += n;
	}
	if (!x->paused)
		client_soon(x->c);
}

static void
tus_clear(struct exchange *x)
{
	tus_stage_free(((struct tus *)x)->stage);
}

const struct exchange_ops tus_body_ops = { .full = intake_full,
					   .body = tus_body,
					   .body_end = tus_body_end,
					   .drained = tus_drained,
					   .clear = tus_clear };

bool
tus_stage_begin(struct tus *t)
{
	struct client *c = t->in.x.c;
	const char *field = http_head_get(&c->head, "upload-checksum");
	struct tus_checksum sum;

	if (!field)
		return true;
	if (!tus_checksum(field, &sum)) {
		exchange_problem(
			&t->in.x, 400,
			"Upload-Checksum: expected one of " TUS_ALGORITHMS
			" and the digest in base64.");
		return false;
	}
	if (c->head.length > TUS_STAGE_MAX) {
		exchange_problem(&t->in.x, 413,
				 "A body with a checksum may have 64 MiB.");
		return false;
	}
	t->stage = tus_stage_new(&sum, &c->httpd->staged);
	return true;
}

void
tus_receive(struct tus *t)
{
	struct client *c = t->in.x.c;

	if (t->declared && c->head.length > t->total - t->in.off) {
		intake_fail(&t->in, ERR_TOO_LARGE,
			    "more bytes than Upload-Length says");
		return;
	}
	exchange_take(&t->in.x);
	if (c->body_done)
		tus_body_end(&t->in.x);
}
