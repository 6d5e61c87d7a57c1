/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads and multipart uploads: does the store know what the journal does? */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/check.h"
#include "ctl/text.h"
#include "lib/mem.h"

static void
unknown_store(struct check *k, const struct check_row *r)
{
	char text[128] = "";
	const struct finding f = {
		.level = FINDING_ERROR,
		.what = "store_unknown",
		.text = text,
		.advice = "put its section back into the configuration",
	};

	str_printf(text, sizeof(text), "its store \"%s\" is not configured",
		   r->row.store);
	check_add(k, &r->row, &f);
}

/* Said once for each store, when all was asked. */
static void
say_down(struct check *k)
{
	char where[64], text[STORE_WHY_MAX + 64];
	const struct finding f = {
		.level = FINDING_FAILED,
		.what = "store_unreachable",
		.where = where,
		.text = text,
		.advice = "see that it answers, then check again",
	};
	size_t i;

	for (i = 0; i < stores_count(k->stores); i++) {
		struct store *st = stores_at(k->stores, i);
		const char *why = stores_down(k->stores, st);

		if (!why)
			continue;
		where[0] = text[0] = '\0';
		str_printf(where, sizeof(where), "store %s", store_name(st));
		str_printf(text, sizeof(text),
			   "it could not be asked about everything: %s", why);
		findings_add(&k->found, &f);
	}
}

/* One upload. */

static void
published(struct check *k, const struct check_row *r,
	  const struct store_object *o)
{
	struct finding f = {
		.level = FINDING_WARN,
		.what = "published_unrecorded",
		.text = "its object is complete in the store, and the journal "
			"does not know it yet",
		.advice = "sluicectl check --repair records it, with its event",
	};

	if (k->repair)
		check_publish(k, r, o, &f);
	check_add(k, &r->row, &f);
}

static void
gone(struct check *k, const struct check_row *r)
{
	char size[TEXT_MAX], text[200] = "";
	struct finding f = {
		.level = FINDING_ERROR,
		.what = "multipart_gone",
		.text = text,
		.advice = "sluicectl check --repair forgets those parts: the "
			  "client begins again where the spool still helps",
	};
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < r->nparts; i++)
		bytes += r->parts[i].len;
	str_printf(text, sizeof(text),
		   "the store no longer knows its multipart upload, and with "
		   "it %zu recorded parts (%s)",
		   r->nparts, text_size(bytes, size));
	if (k->repair)
		check_drop_parts(k, r, 1, true, &f);
	check_add(k, &r->row, &f);
}

static void
differs(struct check *k, const struct check_row *r, uint32_t no)
{
	char text[160] = "";
	struct finding f = {
		.level = FINDING_ERROR,
		.what = "parts_differ",
		.text = text,
		.advice = "sluicectl check --repair forgets the parts from "
			  "there on; the client sends them again",
	};

	str_printf(text, sizeof(text),
		   "the store has not what the journal says of part %" PRIu32
		   " of %zu",
		   no, r->nparts);
	if (k->repair)
		check_drop_parts(k, r, no, false, &f);
	check_add(k, &r->row, &f);
}

/* The number of the first part that the store does not confirm; 0: none. */
static uint32_t
first_unconfirmed(const struct check_row *r, const struct stores_answer *a)
{
	size_t i, n = 0;

	for (i = 0; i < r->nparts; i++) {
		const struct store_part *p = &r->parts[i];

		while (n < a->nparts && a->parts[n].no < p->no)
			n++;
		if (n == a->nparts || a->parts[n].no != p->no ||
		    a->parts[n].len != p->len ||
		    strcmp(a->parts[n].etag, p->etag) != 0)
			return p->no;
	}
	return 0;
}

static void
check_parts(struct check *k, const struct check_row *r, struct store *st)
{
	struct store_target t = { r->row.key, r->row.backend_id };
	struct stores_answer a;
	uint32_t no;

	stores_parts(k->stores, st, t, &a);
	if (a.err == ERR_NOT_FOUND) {
		gone(k, r);
	} else if (a.err == ERR_OK) {
		no = first_unconfirmed(r, &a);
		if (no > 0)
			differs(k, r, no);
	}
	stores_forget(&a);
}

/* Its own driver asks the store; nobody is to come between. */
static bool
is_ours_to_check(const struct check_row *r)
{
	return !r->driven && r->row.kind == UPLOAD_KIND_UPLOAD &&
	       upload_state_live(r->row.state);
}

static void
check_row(struct check *k, const struct check_row *r)
{
	struct store *st = stores_get(k->stores, r->row.store);
	struct stores_answer a;
	bool ours;

	if (!st) {
		unknown_store(k, r);
		return;
	}
	if (!is_ours_to_check(r))
		return;
	stores_head(k->stores, st, r->row.key, &a);
	ours = !a.err && strcmp(a.object.sluice_id, r->row.id) == 0;
	if (ours)
		published(k, r, &a.object);
	stores_forget(&a);
	if (!ours && *r->row.backend_id && r->row.state != UPLOAD_COMPLETING)
		check_parts(k, r, st);
}

void
check_rows(struct check *k)
{
	struct check_row *r;

	for (r = k->rows; r; r = r->hh.next)
		check_row(k, r);
	say_down(k);
}

/* Multipart uploads. */

static bool
in_rows(const struct check *k, const struct store *st,
	const struct store_upload *u)
{
	const struct check_row *r;

	for (r = k->rows; r; r = r->hh.next)
		if (strcmp(r->row.backend_id, u->backend_id) == 0 &&
		    strcmp(r->row.key, u->key) == 0 &&
		    strcmp(r->row.store, store_name(st)) == 0)
			return true;
	return false;
}

bool
check_owner(const struct check *k, const struct store *st,
	    const struct store_upload *u, int *state)
{
	*state = UPLOAD_OPEN;
	return in_rows(k, st, u) || records_owner(k->records, store_name(st),
						  u->key, u->backend_id, state);
}

static void
unknown_multipart(struct check *k, const struct store *st,
		  const struct store_upload *u, bool ended)
{
	char where[CHECK_WHERE_MAX] = "", when[TEXT_MAX], text[160] = "";
	const struct finding f = {
		.level = FINDING_WARN,
		.what = ended ? "multipart_of_ended" : "multipart_unknown",
		.where = where,
		.text = text,
		.advice = "sluicectl sweep ends it; look first whether another "
			  "program writes there",
	};

	str_printf(where, sizeof(where), "store %s: multipart upload of %s",
		   store_name(st), u->key);
	str_printf(text, sizeof(text), "begun %s; %s",
		   text_when(u->initiated, when),
		   ended ? "its upload has ended, and it is still there"
			 : "the journal has no upload that began it");
	findings_add(&k->found, &f);
}

static void
check_one_multipart(struct check *k, const struct store *st,
		    const struct store_upload *u)
{
	int state;

	k->nmultipart++;
	if (in_rows(k, st, u) || !records_owner(k->records, store_name(st),
						u->key, u->backend_id, &state))
		return;
	if (state < 0)
		unknown_multipart(k, st, u, false);
	else if (state > UPLOAD_ABORTING)
		unknown_multipart(k, st, u, true);
}

void
check_multipart(struct check *k)
{
	struct stores_answer a;
	size_t i, n;

	for (i = 0; i < stores_count(k->stores); i++) {
		struct store *st = stores_at(k->stores, i);

		stores_uploads(k->stores, st, "", &a);
		for (n = 0; n < a.nuploads; n++)
			check_one_multipart(k, st, &a.uploads[n]);
		stores_forget(&a);
	}
}
