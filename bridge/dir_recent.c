/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/dir_recent.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define HEADS_MAX 8 /* at a time */

/* An object that was made and is not listed, or was replaced since. */
struct made {
	struct dir_recent *d;
	char *key; /* below the prefix */
	struct store_object object;
	bool listed; /* in the listing it is as it was before */
	bool there;
	struct store_op *op;
};

struct dir_recent {
	struct recent *recent;
	struct dir_recent_page page;
	struct recent_wait wait;
	bool *hidden; /* of the page's entries */
	struct made *made;
	size_t nmade, next; /* the first that was not asked for */
	unsigned asking;
	void (*fn)(void *arg);
	void *arg;
};

static void ask(struct dir_recent *d);

static void
asked(void *arg, const struct store_result *res)
{
	struct made *m = arg;
	struct dir_recent *d = m->d;
	char *key = mem_printf("%s%s", d->page.prefix, m->key);

	m->op = NULL;
	d->asking--;
	m->there = res->err != ERR_NOT_FOUND;
	if (!res->err)
		m->object = res->object;
	else if (!m->there)
		recent_drop(d->recent, store_name(d->page.store), key);
	free(key);
	ask(d);
}

/* Others may have deleted it: that is no event of ours. */
static void
ask(struct dir_recent *d)
{
	while (d->next < d->nmade && d->asking < HEADS_MAX) {
		struct made *m = &d->made[d->next++];
		char *key;

		if (m->listed)
			continue;
		key = mem_printf("%s%s", d->page.prefix, m->key);
		m->op = store_head(d->page.store, key, asked, m);
		d->asking++;
		free(key);
	}
	if (!d->asking && d->next == d->nmade)
		d->fn(d->arg);
}

static void
add_made(struct dir_recent *d, const struct recent_change *c, bool listed)
{
	struct made *m;

	if (d->nmade == DIR_RECENT_ASKED)
		return;
	m = &d->made[d->nmade++];
	m->d = d;
	m->key = mem_strdup(c->key);
	m->listed = m->there = listed;
	m->object.size = c->size;
	m->object.mtime = c->at / 1000;
	str_copy(m->object.etag, sizeof(m->object.etag), c->etag);
}

/*
 * An entry that is younger than the change tells of something that came after
 * it; so does one that is as the change left it.
 */
static bool
is_behind(const struct store_entry *e, const struct recent_change *c)
{
	if (e->mtime * 1000 > c->at)
		return false;
	return c->gone || !e->etag || strcmp(e->etag, c->etag) != 0;
}

static void
compare(struct dir_recent *d, const struct recent_change *changes, size_t n)
{
	size_t i = 0, k = 0;

	while (k < n) {
		const struct recent_change *c = &changes[k];
		int order = i < d->page.n
				    ? strcmp(d->page.entries[i].key, c->key)
				    : 1;

		if (order < 0) {
			i++;
			continue;
		}
		k++;
		if (order > 0 && !c->gone) {
			add_made(d, c, false);
		} else if (order == 0 && is_behind(&d->page.entries[i], c)) {
			d->hidden[i] = true;
			if (!c->gone)
				add_made(d, c, true);
		}
	}
}

static void
updated(void *arg)
{
	struct dir_recent *d = arg;
	const struct dir_recent_page *p = &d->page;
	struct recent_range range = { store_name(p->store), p->prefix, p->from,
				      NULL };
	struct recent_change *changes;
	size_t n;

	if (!p->last)
		range.to = p->n ? p->entries[p->n - 1].key : p->from;
	n = recent_changes(d->recent, &range, &changes);
	d->made = mem_array(n + 1, sizeof(d->made[0]));
	compare(d, changes, n);
	free(changes);
	ask(d);
}

struct dir_recent *
dir_recent_start(struct recent *r, const struct dir_recent_page *page,
		 void (*fn)(void *arg), void *arg)
{
	struct dir_recent *d = mem_alloc(sizeof(*d));

	d->recent = r;
	d->page = *page;
	d->page.from = mem_strdup(page->from);
	d->hidden = mem_array(page->n + 1, sizeof(d->hidden[0]));
	d->fn = fn;
	d->arg = arg;
	d->wait.fn = updated;
	d->wait.arg = d;
	recent_update(r, &d->wait);
	return d;
}

size_t
dir_recent_entries(const struct dir_recent *d, struct store_entry **out)
{
	const struct dir_recent_page *p = &d->page;
	struct store_entry *list =
		mem_array(p->n + d->nmade + 1, sizeof(*list));
	size_t n = 0, i = 0, k = 0;

	while (i < p->n || k < d->nmade) {
		const struct made *m = &d->made[k];

		if (k == d->nmade ||
		    (i < p->n && strcmp(p->entries[i].key, m->key) <= 0)) {
			if (!d->hidden[i])
				list[n++] = p->entries[i];
			i++;
			continue;
		}
		k++;
		if (m->there)
			list[n++] = (struct store_entry){
				.key = m->key,
				.size = m->object.size,
				.mtime = m->object.mtime,
				.etag = m->object.etag,
			};
	}
	*out = list;
	return n;
}

void
dir_recent_free(struct dir_recent *d)
{
	if (!d)
		return;
	recent_unwait(d->recent, &d->wait);
	for (size_t i = 0; i < d->nmade; i++) {
		store_cancel(d->made[i].op);
		free(d->made[i].key);
	}
	free(d->made);
	free(d->hidden);
	free((void *)d->page.from);
	free(d);
}
