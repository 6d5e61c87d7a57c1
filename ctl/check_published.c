/* SPDX-License-Identifier: Apache-2.0 */
/* Published rows, while the journal remembers them, against their objects. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/check.h"
#include "ctl/text.h"
#include "lib/mem.h"

/* The youngest so many, in a ring. */
struct youngest {
	struct journal_upload *rows;
	size_t n, max, next;
};

static bool
gather(void *arg, struct journal_rows *rows)
{
	struct youngest *y = arg;
	size_t i;

	for (i = 0; i < rows->nuploads; i++) {
		y->rows[y->next] = rows->uploads[i];
		y->next = (y->next + 1) % y->max;
		y->n += y->n < y->max;
	}
	return true;
}

/* A later end of the same key says what became of the object. */
static bool
is_last_of_key(const struct youngest *y, const struct journal_upload *u)
{
	size_t i;

	for (i = 0; i < y->n; i++) {
		const struct journal_upload *o = &y->rows[i];

		if (o->ended_at > u->ended_at && strcmp(o->key, u->key) == 0 &&
		    strcmp(o->store, u->store) == 0)
			return false;
	}
	return true;
}

static void
object_gone(struct check *k, const struct journal_upload *u)
{
	const struct finding f = {
		.level = FINDING_WARN,
		.what = "object_gone",
		.text = "it was published, and the store has no such object; "
			"it was not removed through this gateway",
		.advice = "nothing, if another program took it; --last 0 "
			  "leaves objects out",
	};
	bool moved;

	if (records_moved(k->records, u, &moved) && !moved)
		check_add(k, u, &f);
}

static void
object_other(struct check *k, const struct journal_upload *u,
	     const struct store_object *o)
{
	char text[300] = "";
	bool ours = strcmp(o->sluice_id, u->id) == 0;
	const struct finding f = {
		.level = ours ? FINDING_ERROR : FINDING_NOTE,
		.what = ours ? "object_differs" : "object_replaced",
		.text = text,
		.advice = ours ? "compare it with its source" : NULL,
	};
	bool moved;

	if (!records_moved(k->records, u, &moved) || moved)
		return;
	str_printf(text, sizeof(text),
		   ours ? "the store has %" PRIu64 " bytes, ETag %s; published "
			  "were %" PRIu64 ", ETag %s"
			: "another program replaced the object: %" PRIu64
			  " bytes, ETag %s; published were %" PRIu64
			  ", ETag %s",
		   o->size, o->etag, u->end, u->etag);
	check_add(k, u, &f);
}

static void
check_object(struct check *k, const struct journal_upload *u)
{
	struct store *st = stores_get(k->stores, u->store);
	struct stores_answer a;

	if (!st)
		return;
	stores_head(k->stores, st, u->key, &a);
	k->nobjects++;
	if (a.err == ERR_NOT_FOUND)
		object_gone(k, u);
	else if (!a.err && k->deep &&
		 (a.object.size != u->end ||
		  strcmp(a.object.etag, u->etag) != 0 ||
		  strcmp(a.object.sluice_id, u->id) != 0))
		object_other(k, u, &a.object);
	stores_forget(&a);
}

void
check_published(struct check *k)
{
	struct youngest y = { .max = k->last };
	size_t i;

	if (k->last == 0)
		return;
	y.rows = mem_array(k->last, sizeof(*y.rows));
	if (records_pages(
		    k->records,
		    (struct journal_query){ .states = 1u << UPLOAD_PUBLISHED },
		    gather, &y))
		for (i = 0; i < y.n; i++)
			if (is_last_of_key(&y, &y.rows[i]))
				check_object(k, &y.rows[i]);
	free(y.rows);
}
