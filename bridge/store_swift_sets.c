/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of segments. Renaming an object copies its manifest, so for a moment,
 * and after a crash for longer, two keys may name one set: each is noted as
 * an owner before its manifest is written.
 */
#include "bridge/store_swift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/sigv4.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* claim */

void
swift_claim(struct swift_job *j, const char *set, const char *key,
	    swift_next_fn *then)
{
	char rest[SWIFT_SET_LEN + 40], hash[33];

	swift_key_hash(key, hash);
	snprintf(rest, sizeof(rest), "%s/%s", set, hash);
	swift_request_segment(j, "PUT", "owners", rest);
	buf_add_text(&j->text, key);
	swift_body_text(j);
	swift_send(j, then);
}

/*
 * The note's name says it all. Several processes that see the same set free
 * at about the same time write the same note: that it was seen is due at a
 * multiple of the time it is to wait.
 */
void
swift_note_garbage(struct swift_job *j, const char *set, uint64_t ms,
		   bool again, swift_next_fn *then)
{
	char name[SWIFT_NOTE_LEN + 1];
	int64_t wait = (int64_t)ms, due = clock_wall_ms() + wait;

	if (again && wait)
		due += wait - due % wait;
	swift_note_name(set, due, again, name);
	swift_request_segment(j, "PUT", "garbage", name);
	swift_body_none(j);
	swift_send(j, then);
}

/* delete_set */

struct deleting {
	swift_next_fn *then;
	char set[SWIFT_SET_LEN + 1];
	unsigned phase; /* of kinds[] */
	json_t *page;
	size_t at;    /* of the page: what is deleted next */
	char *marker; /* the last name of the page, if another follows */
	const struct store_part *keep; /* NULL: none, and owners go too */
	size_t nkeep;
	void *state; /* the call's own, put back afterwards */
	void (*free_state)(void *state);
};

static const char *const kinds[] = { "segments", "owners" };

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void
deleting_free(void *state)
{
	struct deleting *d = state;

	if (d->free_state)
		d->free_state(d->state);
	json_decref(d->page);
	free(d->marker);
	free(d);
}

static void
end(struct swift_job *j, enum err err)
{
	struct deleting *d = j->state;
	swift_next_fn *then = d->then;

	j->state = d->state;
	j->free_state = d->free_state;
	d->free_state = NULL;
	deleting_free(d);
	then(j, err);
}

static void list_page(struct swift_job *j);
static void delete_next(struct swift_job *j);

/* The page is done: perhaps there is another, perhaps the other kind. */
static void
page_deleted(struct swift_job *j)
{
	struct deleting *d = j->state;

	json_decref(d->page);
	d->page = NULL;
	if (!d->marker && (d->keep || ++d->phase == KINDS))
		end(j, ERR_OK);
	else
		list_page(j);
}

static void
one_deleted(struct swift_job *j, enum err err)
{
	if (err && err != ERR_NOT_FOUND)
		end(j, err);
	else
		delete_next(j);
}

static void
delete_next(struct swift_job *j)
{
	struct deleting *d = j->state;
	const char *name = swift_page_name(d->page, d->at++);

	if (d->at > json_array_size(d->page)) {
		page_deleted(j);
		return;
	}
	swift_request(j, "DELETE", j->swift->segments, name ? name : "");
	swift_send(j, one_deleted);
}

static void
bulk_done(struct swift_job *j, enum err err)
{
	json_t *answer = err ? NULL : swift_json(j);

	if (!err)
		err = swift_late_status(j, answer);
	json_decref(answer);
	if (err)
		end(j, err);
	else
		page_deleted(j);
}

/* Swift's documentation, "Bulk Operations (Delete and Archive Auto Extract)". */
static void
delete_bulk(struct swift_job *j)
{
	struct deleting *d = j->state;

	swift_request(j, "POST", NULL, NULL);
	buf_add_text(&j->query, "?bulk-delete");
	swift_header(j, "Content-Type: text/plain");
	swift_header(j, "Accept: application/json");
	for (size_t i = 0; i < json_array_size(d->page); i++) {
		const char *name = swift_page_name(d->page, i);

		buf_add_text(&j->text, "/");
		sigv4_encode(&j->text, j->swift->segments, false);
		buf_add_text(&j->text, "/");
		sigv4_encode(&j->text, name ? name : "", true);
		buf_add_text(&j->text, "\n");
	}
	swift_body_text(j);
	j->patient = true;
	swift_send(j, bulk_done);
}

static bool
is_kept(const struct deleting *d, const char *name)
{
	const char *slash = strrchr(name, '/');
	char want[32];
	uint32_t no;
	uint64_t off;

	if (!slash || !swift_part_parse(slash + 1, &no, &off) || no > d->nkeep)
		return false;
	swift_part_name(no, d->keep[no - 1].off, want);
	return strcmp(slash + 1, want) == 0;
}

/* Notes where the next page begins, and forgets what is to stay. */
static void
turn_page(struct deleting *d)
{
	size_t n = json_array_size(d->page);

	free(d->marker);
	d->marker = n == STORE_LIST_MAX
			    ? mem_strdup(swift_page_name(d->page, n - 1))
			    : NULL;
	d->at = 0;
	while (d->keep && n--) {
		const char *name = swift_page_name(d->page, n);

		if (!name || is_kept(d, name))
			json_array_remove(d->page, n);
	}
}

static void
page_listed(struct swift_job *j, enum err err)
{
	struct deleting *d = j->state;

	d->page = err ? NULL : swift_page(j);
	if (!d->page) {
		end(j, err ? err : ERR_AGAIN);
		return;
	}
	turn_page(d);
	if (json_array_size(d->page) > 1 && j->swift->store->caps.bulk_delete)
		delete_bulk(j);
	else
		delete_next(j);
}

static void
list_page(struct swift_job *j)
{
	struct deleting *d = j->state;
	char *prefix = mem_printf("%s%s/%s/", j->swift->prefix, kinds[d->phase],
				  d->set);

	swift_request_page(j, j->swift->segments, prefix, d->marker,
			   STORE_LIST_MAX);
	free(prefix);
	swift_send(j, page_listed);
}

void
swift_tidy_set(struct swift_job *j, const char *set,
	       const struct store_part *keep, size_t nkeep, swift_next_fn *then)
{
	struct deleting *d = mem_alloc(sizeof(*d));

	d->keep = keep;
	d->nkeep = nkeep;
	d->then = then;
	str_copy(d->set, sizeof(d->set), set);
	d->state = j->state;
	d->free_state = j->free_state;
	j->state = d;
	j->free_state = deleting_free;
	list_page(j);
}

void
swift_delete_set(struct swift_job *j, const char *set, swift_next_fn *then)
{
	swift_tidy_set(j, set, NULL, 0, then);
}
