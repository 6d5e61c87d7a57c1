/* SPDX-License-Identifier: Apache-2.0 */
/* One operation: its arguments checked and copied, its results freed. */
#include "bridge/journal_queue.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

struct journal_op *
journal_op_new(enum journal_op_kind kind, journal_done_fn *fn, void *arg)
{
	struct journal_op *op = mem_alloc(sizeof(*op));

	op->kind = kind;
	op->fn = fn;
	op->arg = arg;
	return op;
}

bool
journal_op_writes(const struct journal_op *op)
{
	switch (op->kind) {
	case JOURNAL_OP_COMMIT:
	case JOURNAL_OP_DECLARE:
	case JOURNAL_OP_SETTLE:
	case JOURNAL_OP_PUT_MEDIA:
	case JOURNAL_OP_PRUNE:
		return true;
	default:
		return false;
	}
}

/* Checks. */

static bool
ends(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}
#define ENDS(field) ends(field, sizeof(field))

static bool
names_ok(const struct journal_upload *u)
{
	return ENDS(u->store) && ENDS(u->key) && ENDS(u->path) &&
	       ENDS(u->final_path) && ENDS(u->owner) && ENDS(u->user) &&
	       ENDS(u->protocol) && ENDS(u->source);
}

static bool
row_ok(const struct journal_upload *u)
{
	return ENDS(u->id) && id_valid(u->id) &&
	       (unsigned)u->state < UPLOAD_STATES &&
	       (unsigned)u->kind <= UPLOAD_KIND_COPY && names_ok(u) &&
	       ENDS(u->backend_id) && ENDS(u->hidden_etag) && ENDS(u->etag) &&
	       ENDS(u->source_etag);
}

static bool
parts_ok(const struct journal_tx *tx)
{
	bool drops = tx->drop_all_parts || tx->drop_from != 0;
	size_t i;

	if (drops && tx->update == NULL)
		return false;
	if (tx->nadd == 0)
		return true;
	if (tx->nadd > JOURNAL_PARTS_MAX || tx->add_parts == NULL ||
	    (tx->update == NULL && tx->insert == NULL))
		return false;
	for (i = 0; i < tx->nadd; i++) {
		const struct store_part *p = &tx->add_parts[i];

		if (p->no == 0 || p->no > JOURNAL_PARTS_MAX || !ENDS(p->etag) ||
		    !ENDS(p->sum))
			return false;
	}
	return true;
}

static bool
event_ok(const struct journal_tx *tx)
{
	const struct journal_event *e = tx->event;

	if (tx->event_upload != NULL && !id_valid(tx->event_upload))
		return false;
	if (tx->event_upload == NULL && tx->update == NULL &&
	    tx->insert == NULL)
		return false;
	return ENDS(e->id) && id_valid(e->id) && e->kind != NULL &&
	       e->body != NULL && strlen(e->kind) <= JOURNAL_KIND_MAX &&
	       strlen(e->body) <= JOURNAL_EVENT_MAX;
}

static bool
attr_ok(const struct journal_attr *a)
{
	return a == NULL || (ENDS(a->store) && ENDS(a->key) && ENDS(a->etag));
}

static bool
changes_ok(const struct journal_tx *tx)
{
	size_t i;

	if (tx->nchanges > JOURNAL_CHANGES_MAX ||
	    (tx->nchanges && !tx->changes))
		return false;
	for (i = 0; i < tx->nchanges; i++)
		if (!ENDS(tx->changes[i].store) || !ENDS(tx->changes[i].key))
			return false;
	return true;
}

static bool
usage_ok(const struct journal_tx *tx)
{
	if (tx->charge && (!tx->charge->home || (!tx->update && !tx->insert)))
		return false;
	if (tx->count && (!ENDS(tx->count->store) || !ENDS(tx->count->home)))
		return false;
	return changes_ok(tx);
}

static bool
update_ok(const struct journal_tx *tx)
{
	if ((tx->set & JSET_EPOCH) && tx->new_epoch <= tx->update->epoch)
		return false;
	return row_ok(tx->update);
}

static bool
does_something(const struct journal_tx *tx)
{
	return tx->insert || tx->update || tx->event || tx->supersede ||
	       tx->attr || tx->attr_drop || tx->nchanges || tx->count;
}

static bool
tx_ok(const struct journal_tx *tx)
{
	if (tx->insert != NULL && !row_ok(tx->insert))
		return false;
	if (tx->update != NULL && !update_ok(tx))
		return false;
	if (tx->supersede != NULL && !id_valid(tx->supersede))
		return false;
	if (tx->event != NULL && !event_ok(tx))
		return false;
	return does_something(tx) && parts_ok(tx) && attr_ok(tx->attr) &&
	       attr_ok(tx->attr_drop) && usage_ok(tx);
}

/* Copies. */

void *
journal_op_copy(struct journal_op *op, const void *data, size_t size)
{
	void *p;

	if (data == NULL || size == 0)
		return NULL;
	p = mem_alloc(size);
	memcpy(p, data, size);
	op->bytes += size;
	return p;
}

char *
journal_op_copy_text(struct journal_op *op, const char *s)
{
	return s != NULL ? journal_op_copy(op, s, strlen(s) + 1) : NULL;
}

static void
copy_event(struct journal_op *op, const struct journal_tx *tx)
{
	struct journal_event *e = journal_op_copy(op, tx->event, sizeof(*e));

	op->tx.event = e;
	op->tx.event_upload = journal_op_copy_text(op, tx->event_upload);
	if (e == NULL)
		return;
	e->kind = journal_op_copy_text(op, tx->event->kind);
	e->body = journal_op_copy_text(op, tx->event->body);
}

static void
copy_usage(struct journal_op *op, const struct journal_tx *tx)
{
	struct journal_charge *c = journal_op_copy(op, tx->charge, sizeof(*c));

	if (c != NULL)
		c->home = journal_op_copy_text(op, c->home);
	op->tx.charge = c;
	op->tx.changes = journal_op_copy(op, tx->changes,
					 tx->nchanges * sizeof(*tx->changes));
	op->tx.count = journal_op_copy(op, tx->count, sizeof(*tx->count));
}

enum err
journal_op_copy_tx(struct journal_op *op, const struct journal_tx *tx)
{
	struct journal_tx *to = &op->tx;

	if (!tx_ok(tx))
		return ERR_INVALID;
	*to = *tx;
	to->insert = journal_op_copy(op, tx->insert, sizeof(*tx->insert));
	to->update = journal_op_copy(op, tx->update, sizeof(*tx->update));
	to->add_parts = journal_op_copy(op, tx->add_parts,
					tx->nadd * sizeof(*tx->add_parts));
	to->supersede = journal_op_copy_text(op, tx->supersede);
	to->attr = journal_op_copy(op, tx->attr, sizeof(*tx->attr));
	to->attr_drop =
		journal_op_copy(op, tx->attr_drop, sizeof(*tx->attr_drop));
	copy_event(op, tx);
	copy_usage(op, tx);
	return ERR_OK;
}

void
journal_op_copy_query(struct journal_op *op, const struct journal_query *q)
{
	op->query = *q;
	op->query.store = journal_op_copy_text(op, q->store);
	op->query.key_prefix = journal_op_copy_text(op, q->key_prefix);
	op->query.user = journal_op_copy_text(op, q->user);
	op->query.after_id = journal_op_copy_text(op, q->after_id);
}

void
journal_op_copy_range(struct journal_op *op, const struct journal_range *r)
{
	op->range.store = journal_op_copy_text(op, r->store);
	op->range.prefix = journal_op_copy_text(op, r->prefix);
	op->range.from = journal_op_copy_text(op, r->from);
	op->range.to = journal_op_copy_text(op, r->to);
}

static void
free_tx(struct journal_tx *tx)
{
	if (tx->event != NULL) {
		free((void *)tx->event->kind);
		free((void *)tx->event->body);
	}
	free((void *)tx->event);
	free((void *)tx->event_upload);
	free((void *)tx->insert);
	free((void *)tx->update);
	free((void *)tx->add_parts);
	free((void *)tx->supersede);
	free((void *)tx->attr);
	free((void *)tx->attr_drop);
	if (tx->charge != NULL)
		free((void *)tx->charge->home);
	free((void *)tx->charge);
	free((void *)tx->changes);
	free((void *)tx->count);
}

static void
free_copies(struct journal_op *op)
{
	free_tx(&op->tx);
	free((void *)op->query.store);
	free((void *)op->query.key_prefix);
	free((void *)op->query.user);
	free((void *)op->query.after_id);
	free((void *)op->range.store);
	free((void *)op->range.prefix);
	free((void *)op->range.from);
	free((void *)op->range.to);
	journal_op_free_events(op);
}

void
journal_op_refuse(struct journal_op *op, enum err err)
{
	free_copies(op);
	memset(&op->tx, 0, sizeof(op->tx));
	memset(&op->query, 0, sizeof(op->query));
	memset(&op->range, 0, sizeof(op->range));
	op->kind = JOURNAL_OP_NONE;
	op->err = err;
	op->bytes = 0;
}

void
journal_op_free(struct journal_op *op)
{
	free_copies(op);
	journal_rows_free(&op->rows);
	free(op);
}
