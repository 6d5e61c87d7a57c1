/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves a child what it asks for, and believes nothing else it says. Its
 * ranges lie in the object and in the budget, or the probe is over.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/probe_private.h"
#include "lib/log.h"
#include "lib/mem.h"

#define MIB ((uint64_t)1 << 20)

/* The probe is over; what the child sends from here on is not heard. */
static void
refuse(struct probe *b, const char *reason)
{
	probe_fail(b, PROBE_FAILED, reason);
}

static void
deny(struct probe *b)
{
	struct buf *out = probe_child_out(b->child);
	char text[PROBE_WIRE_DENIED_MAX];

	b->denied = true;
	snprintf(text, sizeof(text),
		 "more than %llu MiB would have to be read to tell",
		 (unsigned long long)(b->prober->cfg->read_max / MIB));
	probe_wire_put(out, PROBE_DENIED, text, strlen(text));
	probe_child_flush(b->child);
}

static void
store_failed(struct probe *b, const struct store_result *res)
{
	char reason[PROBE_REASON_MAX + 1];

	snprintf(reason, sizeof(reason), "the store: %s", res->why);
	if (res->err == ERR_CONFLICT || res->err == ERR_NOT_FOUND)
		probe_fail(b, PROBE_SUPERSEDED,
			   res->err == ERR_CONFLICT
				   ? "the object is another one now"
				   : "the object is gone");
	else
		probe_fail(b, PROBE_UNAVAILABLE, reason);
}

static void
got(void *arg, const struct store_result *res)
{
	struct probe *b = arg;

	b->op = NULL;
	if (res->err) {
		store_failed(b, res);
		return;
	}
	if (res->len != b->asked.len) {
		probe_fail(b, PROBE_UNAVAILABLE,
			   "the store gave less than it has");
		return;
	}
	b->bytes += res->len;
	probe_wire_put(probe_child_out(b->child), PROBE_DATA, res->data,
		       res->len);
	probe_child_flush(b->child);
}

static void
on_read(struct probe *b, const struct probe_frame *f)
{
	struct probe_read *r = &b->asked;
	struct store_range range;

	if (b->op || b->denied || buf_len(probe_child_out(b->child)) > 0 ||
	    probe_wire_read(f, r) != ERR_OK) {
		refuse(b, "the probe asked out of turn");
		return;
	}
	if (r->len == 0 || r->len > PROBE_WIRE_READ_MAX || r->off > b->size ||
	    r->len > b->size - r->off) {
		refuse(b, "the probe asked for what is not there");
		return;
	}
	if (b->requests == PROBE_REQUESTS_MAX) {
		refuse(b, "the probe asked too often");
		return;
	}
	if (b->bytes + r->len > b->prober->cfg->read_max) {
		deny(b);
		return;
	}
	b->requests++;
	range.off = r->off;
	range.len = r->len;
	b->op = store_get(b->store, b->key, b->etag[0] ? b->etag : NULL, range,
			  got, b);
}

static void
on_result(struct probe *b, const struct probe_frame *f)
{
	if (b->op || b->result) {
		refuse(b, "the probe sent two results");
		return;
	}
	b->result = mem_strndup((const char *)f->data, f->len);
}

static void
on_thumb(struct probe *b, const struct probe_frame *f)
{
	if (b->op || !b->result || b->thumb || !b->prober->cfg->thumbnails ||
	    f->len == 0) {
		refuse(b, "the probe sent an image out of turn");
		return;
	}
	b->thumb = mem_alloc(f->len);
	b->thumb_len = f->len;
	memcpy(b->thumb, f->data, f->len);
}

static void
on_frame(void *arg, const struct probe_frame *f)
{
	struct probe *b = arg;

	switch (f->type) {
	case PROBE_READ:
		on_read(b, f);
		break;
	case PROBE_RESULT:
		on_result(b, f);
		break;
	case PROBE_THUMB:
		on_thumb(b, f);
		break;
	default:
		refuse(b, "the probe sent what only we send");
		break;
	}
}

static void
on_ended(void *arg, const char *reason)
{
	struct probe *b = arg;

	b->child = NULL;
	store_cancel(b->op);
	b->op = NULL;
	if (reason[0])
		probe_fail(b, PROBE_FAILED, reason);
	else if (!b->result)
		probe_fail(b, PROBE_FAILED, "the probe ended without a result");
	else
		probe_settle(b);
}

static void
order(struct probe *b)
{
	const struct probe_config *cfg = b->prober->cfg;
	struct probe_order o = {
		.size = b->size,
		.memory = cfg->memory,
		.cpu_s = cfg->cpu_s,
		.thumbnail = cfg->thumbnails ? PROBE_THUMB_SIDE : 0,
	};

	probe_wire_put_order(probe_child_out(b->child), &o);
	probe_child_flush(b->child);
}

void
probe_look(struct probe *b)
{
	struct prober *p = b->prober;
	char reason[PROBE_REASON_MAX + 1];
	int failure;

	b->child = probe_child_start(p, on_frame, on_ended, b);
	if (b->child) {
		p->complained = false;
		order(b);
		return;
	}
	failure = errno;
	snprintf(reason, sizeof(reason), "the probe cannot be started: %s",
		 strerror(failure));
	if (!p->complained)
		log_error(PROBE_PART, NULL, "not_started",
			  KV_S("program", p->cfg->program), KV_ERRNO(failure));
	p->complained = true;
	probe_fail(b, PROBE_UNAVAILABLE, reason);
}
