/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/check.h"
#include "lib/mem.h"

#define ACTIVE_STATES ((1u << (UPLOAD_ABORTING + 1)) - 1)
#define STUCK_WAIT_S 8 /* the daemon looks for such rows every 5 s */

const char *
check_where(const struct journal_upload *u, char out[CHECK_WHERE_MAX])
{
	out[0] = '\0';
	str_printf(out, CHECK_WHERE_MAX, "upload %s: %s, %s, %s",
		   records_short_id(u), upload_state_name(u->state), u->user,
		   u->path);
	return out;
}

void
check_add(struct check *k, const struct journal_upload *u,
	  const struct finding *f)
{
	struct finding copy = *f;
	char where[CHECK_WHERE_MAX];

	copy.where = check_where(u, where);
	findings_add(&k->found, &copy);
}

/* What the journal says against itself. */

static void
on_row_fault(struct check *k, const struct journal_fault *fault)
{
	struct journal_rows rows = { 0 };
	struct finding f = { .level = FINDING_ERROR,
			     .what = "row",
			     .text = fault->text,
			     .advice = "see sluicectl upload show" };

	if (fault->kind == JOURNAL_FAULT_EVENT) {
		f.what = "event_missing";
		f.advice = "sluicectl check --repair makes the event";
	} else if (fault->kind == JOURNAL_FAULT_PARTS) {
		f.what = "parts";
		f.advice = "begin the file anew, or sluicectl upload abort";
	}
	if (!records_get(k->records, fault->upload, &rows) ||
	    rows.nuploads == 0)
		return;
	if (fault->kind == JOURNAL_FAULT_EVENT && k->repair)
		check_tell_event(k, fault->upload, &f);
	check_add(k, &rows.uploads[0], &f);
	journal_rows_free(&rows);
}

struct faults {
	struct check *check;
	struct journal_fault *list;
	size_t n;
};

/* Copied: a question may not be asked while another is being answered. */
static void
on_fault(void *arg, const struct journal_fault *fault)
{
	struct faults *all = arg;
	struct journal_fault *f;

	all->list = mem_resize(all->list, (all->n + 1) * sizeof(*all->list));
	f = &all->list[all->n++];
	f->kind = fault->kind;
	f->upload = mem_strdup(fault->upload);
	f->text = mem_strdup(fault->text);
}

static void
tell_fault(struct check *k, const struct journal_fault *fault)
{
	const struct finding damage = {
		.level = FINDING_ERROR,
		.what = "journal_damaged",
		.where = records_path(k->records),
		.text = fault->text,
		.advice = "stop the daemon and put a backup in its place: "
			  "sluicectl restore FILE",
	};

	if (fault->kind == JOURNAL_FAULT_DAMAGE)
		findings_add(&k->found, &damage);
	else
		on_row_fault(k, fault);
}

static bool
check_itself(struct check *k)
{
	struct faults all = { .check = k };
	bool ok = records_check(k->records, on_fault, &all);
	size_t i;

	for (i = 0; i < all.n; i++) {
		tell_fault(k, &all.list[i]);
		free((void *)all.list[i].upload);
		free((void *)all.list[i].text);
	}
	free(all.list);
	return ok;
}

/* Rows that live. */

static bool
is_driven(const struct check *k, const struct journal_upload *u)
{
	char name[ID_LEN + 16] = "";

	if (!k->locks)
		return false;
	str_printf(name, sizeof(name), "\001abort/%s", u->id);
	return keylock_held(k->locks, u->store, u->key) ||
	       (u->state == UPLOAD_ABORTING &&
		keylock_held(k->locks, u->store, name));
}

struct check_row *
check_row_of(const struct check *k, const char *id)
{
	struct check_row *r;

	HASH_FIND(hh, k->rows, id, ID_LEN, r);
	return r;
}

/* Asked before the row is read: who is driven at either time is left alone. */
static bool
load_row(struct check *k, const struct journal_upload *u)
{
	struct check_row *r = mem_alloc(sizeof(*r));
	struct journal_rows rows = { 0 };

	r->row = *u;
	r->driven = is_driven(k, u);
	if (!records_get(k->records, u->id, &rows)) {
		free(r);
		return false;
	}
	if (rows.nuploads == 0 || rows.uploads[0].state != u->state) {
		journal_rows_free(&rows);
		free(r);
		return true; /* it moved on */
	}
	r->row = rows.uploads[0];
	r->parts = rows.parts;
	r->nparts = rows.nparts;
	rows.parts = NULL;
	journal_rows_free(&rows);
	r->driven = r->driven || is_driven(k, u);
	k->nrows++;
	k->ndriven += r->driven;
	HASH_ADD_KEYPTR(hh, k->rows, r->row.id, ID_LEN, r);
	return true;
}

static bool
load_page(void *arg, struct journal_rows *rows)
{
	bool ok = true;
	size_t i;

	for (i = 0; ok && i < rows->nuploads; i++)
		ok = load_row(arg, &rows->uploads[i]);
	return ok;
}

bool
check_load_rows(struct check *k)
{
	const struct journal_query q = { .states = ACTIVE_STATES };

	return records_pages(k->records, q, load_page, k);
}

bool
check_journal(struct check *k)
{
	return check_itself(k) && check_load_rows(k);
}

/* Rows that nobody carries on. */

static bool
may_be_stuck(const struct check_row *r)
{
	return !r->driven && (r->row.state == UPLOAD_CLOSING ||
			      r->row.state == UPLOAD_COMPLETING ||
			      r->row.state == UPLOAD_ABORTING);
}

static bool
is_stuck(struct check *k, const struct check_row *r)
{
	struct journal_rows rows = { 0 };
	bool stuck;

	if (is_driven(k, &r->row))
		return false;
	stuck = records_get(k->records, r->row.id, &rows) &&
		rows.nuploads > 0 && rows.uploads[0].state == r->row.state &&
		rows.uploads[0].epoch == r->row.epoch;
	journal_rows_free(&rows);
	return stuck;
}

static bool
known_store(const struct check *k, const struct check_row *r)
{
	return !k->stores || stores_get(k->stores, r->row.store);
}

void
check_stuck(struct check *k)
{
	const struct finding f = {
		.level = FINDING_WARN,
		.what = "stuck",
		.text = "it was on its way to its end, and nobody carries it "
			"on",
		.advice = "see the daemon's log for its id",
	};
	const struct finding later = {
		.level = FINDING_NOTE,
		.what = "unfinished",
		.text = "it was on its way to its end; the daemon carries it "
			"on when it is started",
	};
	struct check_row *r;
	bool waited = false;

	for (r = k->rows; r; r = r->hh.next) {
		if (!may_be_stuck(r) || !known_store(k, r))
			continue;
		if (k->daemon && !waited) {
			waited = true;
			sleep(STUCK_WAIT_S);
		}
		if (is_stuck(k, r))
			check_add(k, &r->row, k->daemon ? &f : &later);
	}
}
