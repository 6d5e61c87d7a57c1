/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/dir_pages.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/dir_recent.h"
#include "lib/mem.h"

/* A page on its way: listed by the store, put right, looked up in the journal. */
enum slot_state { SLOT_LISTING, SLOT_RIGHTING, SLOT_LOOKING, SLOT_READY };

struct slot {
	struct dir_pages *pages;
	enum slot_state state;
	enum err err;
	char why[STORE_WHY_MAX];
	struct store_entry *entries;
	size_t n;
	char *text;		   /* what the entries point to, */
	struct dir_recent *recent; /* and this */
	bool marker, last;
};

struct dir_pages {
	struct dir_pages_config cfg;
	char prefix[STORE_KEY_MAX + 2];
	struct slot slots[DIR_PAGES_AHEAD]; /* a ring */
	unsigned first, used;
	struct store_op *op; /* of the last one in use */
	char *marker;	     /* of the page after it */
	char *listed;	     /* the last key so far, where listings are late */
	bool ended;	     /* no page follows the last one in use */
	bool failed;	     /* but the one at marker can be tried again */

	dir_exists_fn *exists;
	dir_page_fn *next;
	void *arg;
	bool posted, freed;
	struct loop_call post;
};

static void list_more(struct dir_pages *p);

static struct slot *
slot_at(struct dir_pages *p, unsigned i)
{
	return &p->slots[(p->first + i) % DIR_PAGES_AHEAD];
}

static void
slot_clear(struct slot *s)
{
	dir_recent_free(s->recent);
	free(s->entries);
	free(s->text);
	memset(s, 0, sizeof(*s));
}

static void
answer_exists(struct dir_pages *p, const struct slot *s)
{
	dir_exists_fn *fn = p->exists;

	p->exists = NULL;
	fn(p->arg, s->err, s->why, s->marker || s->n || !s->last);
}

/* The page leaves the ring first: the completion may free the pages. */
static void
answer_next(struct dir_pages *p)
{
	struct slot s = *slot_at(p, 0);
	struct dir_page page = { s.err, s.why, s.entries, s.n, s.last };
	dir_page_fn *fn = p->next;

	memset(slot_at(p, 0), 0, sizeof(s));
	p->first = (p->first + 1) % DIR_PAGES_AHEAD;
	p->used--;
	p->next = NULL;
	list_more(p);
	fn(p->arg, &page);
	slot_clear(&s);
}

static void
answer(struct dir_pages *p)
{
	const struct slot *s = slot_at(p, 0);

	if (!p->used || s->state != SLOT_READY)
		return;
	if (p->exists)
		answer_exists(p, s);
	else if (p->next)
		answer_next(p);
}

/* Both are in the order of their keys. */
static void
take_times(struct slot *s, const struct journal_reply *r)
{
	size_t skip = strlen(s->pages->prefix), i = 0, k = 0;

	while (i < s->n && k < r->n) {
		struct store_entry *e = &s->entries[i];
		const struct journal_attr *a = &r->attrs[k];
		int order = strcmp(e->key, a->key + skip);

		if (order == 0 && a->mtime && e->etag &&
		    strcmp(e->etag, a->etag) == 0)
			e->mtime = a->mtime;
		i += order <= 0;
		k += order >= 0;
	}
}

static void
looked_up(void *arg, const struct journal_reply *r)
{
	struct slot *s = arg;

	s->state = SLOT_READY;
	if (!r->err) /* else the store's own times must do */
		take_times(s, r);
	answer(s->pages);
}

static void
look_up(struct slot *s)
{
	struct dir_pages *p = s->pages;
	struct journal_range r = { .store = store_name(p->cfg.store),
				   .prefix = p->prefix };
	char *from, *to;

	s->state = SLOT_READY;
	if (!p->cfg.journal || !s->n)
		return;
	s->state = SLOT_LOOKING;
	r.from = from = mem_printf("%s%s", p->prefix, s->entries[0].key);
	r.to = to = mem_printf("%s%s", p->prefix, s->entries[s->n - 1].key);
	journal_attrs(p->cfg.journal, &r, looked_up, s);
	free(from);
	free(to);
}

static void
put_right(void *arg)
{
	struct slot *s = arg;
	struct store_entry *entries;

	s->n = dir_recent_entries(s->recent, &entries);
	free(s->entries);
	s->entries = entries;
	look_up(s);
	answer(s->pages);
}

/* Only a store whose listings may be late is not taken at its word. */
static void
inspect(struct slot *s)
{
	struct dir_pages *p = s->pages;
	struct dir_recent_page page = {
		p->cfg.store, p->prefix, p->listed ? p->listed : "",
		s->entries,   s->n,	 s->last
	};

	if (!p->cfg.recent || !store_limits(p->cfg.store)->lists_late) {
		look_up(s);
		return;
	}
	s->state = SLOT_RIGHTING;
	s->recent = dir_recent_start(p->cfg.recent, &page, put_right, s);
	if (s->n) {
		free(p->listed);
		p->listed = mem_strdup(s->entries[s->n - 1].key);
	}
}

/* Keeps a copy of a page, its strings in one piece of memory. */
static void
keep(struct slot *s, const struct store_result *res)
{
	size_t bytes = 1;
	char *at;

	for (size_t i = 0; i < res->nentries; i++) {
		const struct store_entry *e = &res->entries[i];

		bytes += strlen(e->key) + 1;
		bytes += e->etag ? strlen(e->etag) + 1 : 0;
	}
	s->text = at = mem_alloc(bytes);
	s->n = res->nentries;
	s->entries = mem_array(s->n + 1, sizeof(s->entries[0]));
	for (size_t i = 0; i < s->n; i++) {
		struct store_entry *e = &s->entries[i];
		const char *key = res->entries[i].key;
		const char *etag = res->entries[i].etag;

		*e = res->entries[i];
		e->key = at;
		at = stpcpy(at, key) + 1;
		if (!etag)
			continue;
		e->etag = at;
		at = stpcpy(at, etag) + 1;
	}
}

static void
listed(void *arg, const struct store_result *res)
{
	struct slot *s = arg;
	struct dir_pages *p = s->pages;

	p->op = NULL;
	s->err = res->err;
	str_copy(s->why, sizeof(s->why), res->why);
	s->state = SLOT_READY;
	s->last = !res->err && !res->next;
	p->failed = res->err != ERR_OK;
	p->ended = s->last || p->failed;
	if (!res->err) {
		s->marker = res->marker;
		free(p->marker);
		p->marker = mem_strdup(res->next);
		keep(s, res);
		list_more(p);
		inspect(s);
	}
	answer(p);
}

static void
list_more(struct dir_pages *p)
{
	struct slot *s;

	if (p->op || p->ended || p->used == DIR_PAGES_AHEAD)
		return;
	s = slot_at(p, p->used++);
	s->pages = p;
	s->state = SLOT_LISTING;
	p->op = store_list(p->cfg.store, p->prefix, p->marker, listed, s);
}

static void
answer_posted(void *arg)
{
	struct dir_pages *p = arg;

	p->posted = false;
	if (p->freed)
		free(p);
	else
		answer(p);
}

/* What is there already is told from the loop all the same. */
static void
answer_soon(struct dir_pages *p)
{
	if (p->posted)
		return;
	p->posted = true;
	loop_post(p->cfg.loop, &p->post);
}

struct dir_pages *
dir_pages_new(const struct dir_pages_config *cfg)
{
	struct dir_pages *p = mem_alloc(sizeof(*p));

	p->cfg = *cfg;
	str_copy(p->prefix, sizeof(p->prefix), cfg->prefix);
	p->post.fn = answer_posted;
	p->post.arg = p;
	list_more(p);
	return p;
}

void
dir_pages_exists(struct dir_pages *p, dir_exists_fn *fn, void *arg)
{
	p->exists = fn;
	p->arg = arg;
	answer_soon(p);
}

void
dir_pages_next(struct dir_pages *p, dir_page_fn *fn, void *arg)
{
	p->next = fn;
	p->arg = arg;
	if (!p->used && p->failed) {
		p->ended = p->failed = false;
		list_more(p);
	}
	answer_soon(p);
}

void
dir_pages_free(struct dir_pages *p)
{
	if (!p)
		return;
	store_cancel(p->op);
	for (unsigned i = 0; i < DIR_PAGES_AHEAD; i++) {
		if (p->slots[i].state == SLOT_LOOKING)
			journal_forget(p->cfg.journal, &p->slots[i]);
		slot_clear(&p->slots[i]);
	}
	free(p->marker);
	free(p->listed);
	p->freed = true;
	if (!p->posted)
		free(p);
}
