/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/offset.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "ctl/ask.h"
#include "lib/mem.h"

#define TIMEOUT_MS 3000

static bool
parse(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

static bool
ask(struct offsets *o, const char *id, uint64_t *bytes)
{
	char *line = mem_printf("offset %s", id);
	struct answer a;
	bool ok;

	ask_worker(o->ctl, line, TIMEOUT_MS, &a);
	ok = a.reached && !a.err && parse(a.text, bytes);
	/* It is gone, it hangs, or it does not know the question. */
	o->silent = !a.reached || a.err == ERR_INVALID;
	free(a.text);
	free(line);
	return ok;
}

struct offset
offset_find(struct offsets *o, const struct journal_upload *u, uint64_t stored)
{
	struct offset at = { .stored = stored, .bytes = stored };

	switch (u->state) {
	case UPLOAD_OPEN:
	case UPLOAD_PARKED:
		at.known = !o->silent && ask(o, u->id, &at.bytes);
		break;
	case UPLOAD_CLOSING:
	case UPLOAD_SEALED:
	case UPLOAD_COMPLETING:
	case UPLOAD_PUBLISHED:
		at.bytes = u->end;
		at.known = true;
		break;
	case UPLOAD_ABORTING:
	case UPLOAD_ABORTED:
	case UPLOAD_LOST:
		at.known = true;
		break;
	}
	if (!at.known)
		at.bytes = stored;
	return at;
}
