/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The count of a home: its folders are listed one after the other, a page at
 * a time, and the sums put into the journal, unless something changed while
 * the listing ran: then nobody knows what it saw. A home that is never quiet
 * keeps the sums that the journal's own transactions make, and one that was
 * never counted takes what the last listing said until a quiet moment comes.
 */
#include "bridge/quota_private.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/upload_private.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PART "quota"
#define CHECK_MS 10000
#define TRIES 4		     /* listings in which something changed */
#define LATER_MS 300000	     /* until a count that failed is repeated */
#define TEXT_MAX (32u << 20) /* bytes of names of folders to be listed */

static void count_list(struct quota *q);
static void count_ask(struct quota *q);

static void
lists_free(struct quota *q)
{
	while (q->nfolders)
		free(q->folders[--q->nfolders]);
	free(q->folders);
	free(q->folder);
	free(q->marker);
	q->folders = NULL;
	q->folder = q->marker = NULL;
	q->room = q->text = 0;
}

void
quota_count_end(struct quota *q)
{
	store_cancel(q->op);
	q->op = NULL;
	journal_forget(q->us->b->journal, q);
	lists_free(q);
	q->busy = false;
}

static void
count_over(struct quota *q, unsigned ms)
{
	lists_free(q);
	q->busy = false;
	loop_timer_set(q->timer, ms);
}

static void
count_row(struct quota *q, struct journal_count *c, journal_done_fn *fn)
{
	struct journal_tx tx = { .count = c };

	str_copy(c->store, sizeof(c->store), q->was.store);
	str_copy(c->home, sizeof(c->home), q->was.home);
	journal_commit(q->us->b->journal, &tx, fn, q);
}

static void
row_kept(void *arg, const struct journal_reply *r)
{
	struct quota *q = arg;

	if (r->err)
		log_warn(PART, NULL, "not_recorded",
			 KV_S("store", q->was.store), KV_S("home", q->was.home),
			 KV_ERR(r->err));
	count_over(q, r->err ? CHECK_MS : 0);
}

static void
count_later(struct quota *q)
{
	struct journal_count c = { .what = COUNT_DEFER,
				   .due_at = clock_wall_ms() + LATER_MS };

	count_row(q, &c, row_kept);
}

static void
count_failed(struct quota *q, enum err err, const char *why)
{
	log_warn(PART, NULL, "not_counted", KV_S("store", q->was.store),
		 KV_S("home", q->was.home), KV_ERR(err), KV_S("why", why));
	count_later(q);
}

/* The end of a listing. */

static void count_start(struct quota *q);

static void
count_recorded(void *arg, const struct journal_reply *r)
{
	struct quota *q = arg;

	if (r->err == ERR_CONFLICT && q->tries < TRIES) {
		lists_free(q);
		loop_timer_set(q->timer, 1000u << q->tries);
		return; /* busy: quota_count_tick() begins anew */
	}
	if (r->err == ERR_CONFLICT) {
		count_later(q);
		return;
	}
	if (!r->err)
		log_info(PART, NULL, "counted", KV_S("store", q->was.store),
			 KV_S("home", q->was.home), KV_U("bytes", q->bytes),
			 KV_U("files", q->files),
			 KV_U("bytes_before", q->was.bytes),
			 KV_U("files_before", q->was.files));
	row_kept(q, r);
}

static void
count_done(struct quota *q)
{
	struct journal_count c = { .bytes = q->bytes,
				   .files = q->files,
				   .changes = q->was.changes };
	bool force = ++q->tries >= TRIES && !q->was.counted;

	c.what = force ? COUNT_FORCE : COUNT_SET;
	c.due_at = clock_wall_ms() +
		   (force ? LATER_MS
			  : (int64_t)q->us->b->config->quota_recount_ms);
	count_row(q, &c, count_recorded);
}

/* Going through the folders. */

static bool
folder_push(struct quota *q, const char *name)
{
	size_t n = strlen(q->folder) + strlen(name) + 1;

	if (n > STORE_KEY_MAX || q->text + n > TEXT_MAX)
		return n > STORE_KEY_MAX; /* no key fits below it */
	if (q->nfolders == q->room) {
		q->room = q->room ? 2 * q->room : 64;
		q->folders =
			mem_resize(q->folders, q->room * sizeof(*q->folders));
	}
	q->folders[q->nfolders++] = mem_printf("%s%s", q->folder, name);
	q->text += n;
	return true;
}

static void
folder_next(struct quota *q)
{
	free(q->folder);
	q->folder = NULL;
	if (!q->nfolders) {
		count_done(q);
		return;
	}
	q->folder = q->folders[--q->nfolders];
	q->text -= strlen(q->folder) + 1;
	count_list(q);
}

static void
page_listed(void *arg, const struct store_result *res)
{
	struct quota *q = arg;
	size_t i;

	q->op = NULL;
	if (res->err) {
		count_failed(q, res->err, res->why);
		return;
	}
	for (i = 0; i < res->nentries; i++) {
		const struct store_entry *e = &res->entries[i];

		if (!e->is_dir) {
			q->bytes += e->size;
			q->files++;
		} else if (!folder_push(q, e->key)) {
			count_failed(q, ERR_TOO_LARGE, "too many folders");
			return;
		}
	}
	free(q->marker);
	q->marker = res->next ? mem_strdup(res->next) : NULL;
	if (q->us->draining)
		count_over(q, CHECK_MS);
	else if (q->marker)
		count_list(q);
	else
		folder_next(q);
}

static void
count_list(struct quota *q)
{
	q->op = store_list(q->store, q->folder, q->marker, page_listed, q);
}

static void
count_start(struct quota *q)
{
	lists_free(q);
	q->bytes = q->files = 0;
	q->folder = mem_strdup(q->was.home);
	count_list(q);
}

/* Which home? */

static void
due_read(void *arg, const struct journal_reply *r)
{
	struct quota *q = arg;
	struct journal_count drop = { .what = COUNT_DROP };

	if (r->err || !r->usage->known) {
		count_over(q, CHECK_MS);
		return;
	}
	if (!q->tries || strcmp(q->was.home, r->usage->home) ||
	    strcmp(q->was.store, r->usage->store))
		q->tries = 0;
	q->was = *r->usage;
	q->store = bridge_store(q->us->b, q->was.store);
	if (!q->store || !quota_has_home(q, q->was.store, q->was.home))
		count_row(q, &drop, row_kept);
	else
		count_start(q);
}

static void
count_ask(struct quota *q)
{
	journal_usage_due(q->us->b->journal, clock_wall_ms(), due_read, q);
}

static void
home_made(void *arg, const struct journal_reply *r)
{
	struct quota *q = arg;

	if (r->err)
		q->rows_made = false;
}

static void
home_make(struct quota *q, const char *store, const char *home)
{
	struct journal_count c = { .what = COUNT_BEGIN };
	struct journal_tx tx = { .count = &c };

	str_copy(c.store, sizeof(c.store), store);
	str_copy(c.home, sizeof(c.home), home);
	journal_commit(q->us->b->journal, &tx, home_made, q);
}

void
quota_count_now(struct quota *q)
{
	if (q->busy || q->us->draining)
		return;
	q->busy = true;
	q->tries = 0;
	if (!q->rows_made) {
		q->rows_made = true;
		quota_each_home(q, home_make);
	}
	count_ask(q);
}

bool
quota_counting(const struct quota *q)
{
	return q->busy;
}

void
quota_count_tick(void *arg)
{
	struct quota *q = arg;

	if (q->us->draining)
		count_over(q, CHECK_MS);
	else if (q->busy)
		count_ask(q); /* again: something had changed meanwhile */
	else if (ledger_is_first(q->us->b->ledger))
		quota_count_now(q);
	else
		loop_timer_set(q->timer, CHECK_MS);
}

/* Another process asks. */

static void
recount_recorded(void *arg, const struct journal_reply *r)
{
	peer_answer(arg, r->err, r->err ? err_text(r->err) : "");
}

void
quota_serve(struct quota *q, const char *args, struct peer_request *req)
{
	struct journal_count c = { .what = COUNT_DEFER }; /* due at once */
	struct journal_tx tx = { .count = &c };
	size_t n = strcspn(args, " ");

	if (args[n] != ' ' || n > STORE_NAME_MAX ||
	    strlen(args + n + 1) > STORE_KEY_MAX) {
		peer_answer(req, ERR_INVALID, "unknown request");
		return;
	}
	memcpy(c.store, args, n);
	str_copy(c.home, sizeof(c.home), args + n + 1);
	if (!strcmp(c.home, "/"))
		c.home[0] = '\0';
	if (!quota_has_home(q, c.store, c.home)) {
		peer_answer(req, ERR_NOT_FOUND, "no quota there");
		return;
	}
	journal_commit(q->us->b->journal, &tx, recount_recorded, req);
	if (!q->busy)
		loop_timer_set(q->timer, 0);
}
