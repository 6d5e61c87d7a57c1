/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/journal_ops.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

static const char *const state_names[UPLOAD_STATES] = {
	[UPLOAD_OPEN] = "open",
	[UPLOAD_PARKED] = "parked",
	[UPLOAD_CLOSING] = "closing",
	[UPLOAD_SEALED] = "sealed",
	[UPLOAD_COMPLETING] = "completing",
	[UPLOAD_ABORTING] = "aborting",
	[UPLOAD_PUBLISHED] = "published",
	[UPLOAD_ABORTED] = "aborted",
	[UPLOAD_LOST] = "lost",
};

const char *
upload_state_name(enum upload_state s)
{
	return (unsigned)s < UPLOAD_STATES ? state_names[s] : "unknown";
}

bool
upload_state_live(enum upload_state s)
{
	return (unsigned)s < UPLOAD_ABORTING;
}

/*
 * Makes room for one more of `size` bytes each: the array doubles whenever the
 * count is a power of two.
 */
static void *
grow(void *array, size_t n, size_t size)
{
	if ((n & (n - 1)) != 0)
		return array;
	return mem_resize(array, (n == 0 ? 1 : 2 * n) * size);
}

struct journal_upload *
journal_rows_upload(struct journal_rows *r)
{
	struct journal_upload *u;

	r->uploads = grow(r->uploads, r->nuploads, sizeof(*u));
	u = &r->uploads[r->nuploads++];
	memset(u, 0, sizeof(*u));
	return u;
}

struct store_part *
journal_rows_part(struct journal_rows *r)
{
	struct store_part *p;

	r->parts = grow(r->parts, r->nparts, sizeof(*p));
	p = &r->parts[r->nparts++];
	memset(p, 0, sizeof(*p));
	return p;
}

struct journal_attr *
journal_rows_attr(struct journal_rows *r)
{
	struct journal_attr *a;

	r->attrs = grow(r->attrs, r->nattrs, sizeof(*a));
	a = &r->attrs[r->nattrs++];
	memset(a, 0, sizeof(*a));
	return a;
}

struct journal_event_row *
journal_rows_event(struct journal_rows *r)
{
	struct journal_event_row *e;

	r->events = grow(r->events, r->nevents, sizeof(*e));
	e = &r->events[r->nevents++];
	memset(e, 0, sizeof(*e));
	return e;
}

struct journal_sink *
journal_rows_sink(struct journal_rows *r)
{
	struct journal_sink *s;

	r->sinks = grow(r->sinks, r->nsinks, sizeof(*s));
	s = &r->sinks[r->nsinks++];
	memset(s, 0, sizeof(*s));
	return s;
}

size_t
journal_rows_bytes(const struct journal_rows *r)
{
	return r->nuploads * sizeof(*r->uploads) +
	       r->nparts * sizeof(*r->parts) + r->nattrs * sizeof(*r->attrs) +
	       r->nevents * sizeof(*r->events) + r->event_bytes +
	       r->nsinks * sizeof(*r->sinks) +
	       (r->media.body != NULL ? strlen(r->media.body) : 0);
}

void
journal_rows_free(struct journal_rows *r)
{
	size_t i;

	for (i = 0; i < r->nevents; i++) {
		free(r->events[i].body);
		free(r->events[i].delivery);
	}
	free(r->events);
	free(r->sinks);
	free(r->media.body);
	free(r->uploads);
	free(r->parts);
	free(r->attrs);
	memset(r, 0, sizeof(*r));
}
