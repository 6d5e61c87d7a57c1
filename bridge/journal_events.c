/* SPDX-License-Identifier: Apache-2.0 */
/* The calls about events, sinks and media: checked, copied and queued. */
#include <stdlib.h>
#include <string.h>

#include "bridge/journal_queue.h"
#include "lib/log.h"
#include "lib/mem.h"

static void
refuse(struct journal *j, struct journal_op *op, const char *what)
{
	journal_op_refuse(op, ERR_INVALID);
	log_error("journal", NULL, "bad_call", KV_S("call", what));
	journal_submit(j, op);
}

void
journal_events(struct journal *j, const struct journal_event_query *q,
	       journal_done_fn *fn, void *arg)
{
	struct journal_op *op = journal_op_new(JOURNAL_OP_EVENTS, fn, arg);

	op->events = *q;
	op->events.sink = journal_op_copy_text(op, q->sink);
	journal_submit(j, op);
}

void
journal_sinks(struct journal *j, enum journal_sinks_what what,
	      journal_done_fn *fn, void *arg)
{
	struct journal_op *op = journal_op_new(JOURNAL_OP_SINKS, fn, arg);

	op->what = what;
	journal_submit(j, op);
}

void
journal_sinks_declare(struct journal *j, const char *const *names,
		      const bool *from_start, size_t n, journal_done_fn *fn,
		      void *arg)
{
	struct journal_op *op = journal_op_new(JOURNAL_OP_DECLARE, fn, arg);
	struct journal_names *copy;
	size_t i;

	if (n > JOURNAL_SINKS_MAX) {
		refuse(j, op, "declare");
		return;
	}
	op->names = copy = mem_alloc(sizeof(*copy));
	op->bytes += sizeof(*copy);
	copy->n = n;
	for (i = 0; i < n; i++) {
		str_copy(copy->text[i], sizeof(copy->text[i]), names[i]);
		copy->list[i] = copy->text[i];
		copy->from_start[i] = from_start[i];
	}
	journal_submit(j, op);
}

void
journal_settle(struct journal *j, const struct journal_settle *s,
	       journal_done_fn *fn, void *arg)
{
	struct journal_op *op = journal_op_new(JOURNAL_OP_SETTLE, fn, arg);

	if (s->n > JOURNAL_SETTLE_MAX || s->sink == NULL || s->cursor < 0) {
		refuse(j, op, "settle");
		return;
	}
	op->settle = *s;
	op->settle.sink = journal_op_copy_text(op, s->sink);
	op->settle.reason = journal_op_copy_text(op, s->reason);
	op->settle.config = journal_op_copy_text(op, s->config);
	op->settle.changes =
		journal_op_copy(op, s->changes, s->n * sizeof(*s->changes));
	journal_submit(j, op);
}

void
journal_media_put(struct journal *j, const struct journal_media *m,
		  journal_done_fn *fn, void *arg)
{
	struct journal_op *op = journal_op_new(JOURNAL_OP_PUT_MEDIA, fn, arg);

	if (!id_valid(m->upload) || m->body == NULL ||
	    strlen(m->body) > JOURNAL_MEDIA_MAX) {
		refuse(j, op, "media_put");
		return;
	}
	op->media = *m;
	op->media.body = journal_op_copy_text(op, m->body);
	journal_submit(j, op);
}

void
journal_media_get(struct journal *j, const char *upload, journal_done_fn *fn,
		  void *arg)
{
	struct journal_op *op = journal_op_new(JOURNAL_OP_MEDIA, fn, arg);

	str_copy(op->media.upload, sizeof(op->media.upload), upload);
	journal_submit(j, op);
}

void
journal_op_free_events(struct journal_op *op)
{
	free((void *)op->events.sink);
	free((void *)op->settle.sink);
	free((void *)op->settle.reason);
	free((void *)op->settle.config);
	free((void *)op->settle.changes);
	free(op->media.body);
	free(op->names);
	op->events.sink = NULL;
	memset(&op->settle, 0, sizeof(op->settle));
	op->media.body = NULL;
	op->names = NULL;
}
