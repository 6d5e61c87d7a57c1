/* SPDX-License-Identifier: Apache-2.0 */
/* Listings: a folder's page, and the multipart uploads at one key. */
#include "bridge/store_s3.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define UPLOADS_MAX 1000
#define ALL_UPLOADS_MAX 10000
#define UPLOAD_PAGES_MAX 20

/* list */

/* What follows the listed prefix, or NULL for what does not belong there. */
static const char *
below(const struct s3_job *j, const struct s3_item *item)
{
	size_t own = strlen(j->s3->prefix), n = strlen(j->call->key);
	const char *key = item->key, *slash;

	if (strncmp(key, j->s3->prefix, own) != 0 ||
	    strncmp(key + own, j->call->key, n) != 0)
		return NULL;
	key += own + n;
	slash = strchr(key, '/');
	if (*key == '\0' || (slash && (slash[1] || !item->is_prefix)))
		return NULL;
	return key;
}

static int
by_key(const void *a, const void *b)
{
	const struct store_entry *x = a, *y = b;

	return strcmp(x->key, y->key);
}

/* The folder's own marker object: the prefix and nothing behind it. */
static bool
is_marker(const struct s3_job *j, const struct s3_item *item)
{
	size_t own = strlen(j->s3->prefix);

	return !item->is_prefix &&
	       strncmp(item->key, j->s3->prefix, own) == 0 &&
	       strcmp(item->key + own, j->call->key) == 0;
}

/* Entries point into the page. */
static struct store_entry *
make_entries(const struct s3_job *j, const struct s3_items *page,
	     struct store_result *res)
{
	struct store_entry *entries = mem_array(page->n + 1, sizeof(*entries));
	size_t *n = &res->nentries;

	for (size_t i = 0; i < page->n; i++) {
		const struct s3_item *item = &page->items[i];
		struct store_entry *e = &entries[*n];

		res->marker = res->marker || is_marker(j, item);
		e->key = below(j, item);
		if (!e->key)
			continue;
		e->is_dir = item->is_prefix;
		e->size = item->size;
		e->mtime = item->mtime;
		e->etag = item->etag;
		++*n;
	}
	qsort(entries, *n, sizeof(*entries), by_key);
	return entries;
}

static void
list_done(struct s3_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };
	struct s3_items page = { 0 };
	struct store_entry *entries;

	if (!err)
		err = s3_xml_err(j, s3_xml_items(j->reply->body, j->reply->len,
						 &j->error, &page));
	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	if (page.truncated &&
	    (!page.next ||
	     (j->call->marker && strcmp(page.next, j->call->marker) == 0))) {
		s3_items_free(&page);
		s3_fail(j, ERR_IO, "the store's list goes in circles");
		return;
	}
	entries = make_entries(j, &page, &res);
	res.entries = entries;
	res.next = page.truncated ? page.next : NULL;
	s3_done(j, &res);
	free(entries);
	s3_items_free(&page);
}

void
s3_list(struct store *s, struct store_call *c)
{
	struct s3_job *j = s3_job_new(s, c);
	char *prefix = mem_printf("%s%s", j->s3->prefix, c->key);

	s3_request_bucket(j, "GET");
	s3_query_uint(j, "list-type", 2);
	s3_query(j, "delimiter", "/");
	s3_query(j, "encoding-type", "url");
	s3_query_uint(j, "max-keys", STORE_LIST_MAX);
	s3_query(j, "prefix", prefix);
	if (c->marker)
		s3_query(j, "continuation-token", c->marker);
	free(prefix);
	s3_send(j, list_done);
}

/* list_uploads */

struct all_uploads {
	char *key;	/* the store's prefix included */
	bool every_key; /* `key` is that prefix alone */
	size_t max;	/* uploads taken */
	bool cut;	/* there are more */
	struct s3_upload *found;
	size_t n;
	char *next_key, *next_id;
	unsigned pages;
};

static void
all_uploads_free(void *state)
{
	struct all_uploads *a = state;

	for (size_t i = 0; i < a->n; i++) {
		free(a->found[i].key);
		free(a->found[i].id);
	}
	free(a->found);
	free(a->key);
	free(a->next_key);
	free(a->next_id);
	free(a);
}

static void list_uploads_page(struct s3_job *j);

static bool
is_wanted(const struct all_uploads *a, const char *key)
{
	if (a->every_key)
		return strncmp(key, a->key, strlen(a->key)) == 0;
	return strcmp(key, a->key) == 0;
}

/* Takes over those at the very key; the listing is by prefix. */
static void
take_uploads(struct all_uploads *a, struct s3_uploads *page)
{
	for (size_t i = 0; i < page->n; i++) {
		struct s3_upload *u = &page->uploads[i];

		if (!is_wanted(a, u->key))
			continue;
		if (a->n == a->max) {
			a->cut = true;
			return;
		}
		a->found =
			mem_resize(a->found, (a->n + 1) * sizeof(a->found[0]));
		a->found[a->n++] = *u;
		u->key = NULL;
		u->id = NULL;
	}
}

/* True when there is a next page that may still name the key. */
static bool
turn_page(struct all_uploads *a, struct s3_uploads *page)
{
	if (!page->truncated || !page->next_key || a->cut ||
	    (!a->every_key &&
	     (a->n == a->max || strcmp(page->next_key, a->key) > 0)))
		return false;
	a->cut = ++a->pages == UPLOAD_PAGES_MAX;
	if (a->cut)
		return false;
	free(a->next_key);
	free(a->next_id);
	a->next_key = page->next_key;
	a->next_id = page->next_id;
	page->next_key = NULL;
	page->next_id = NULL;
	return true;
}

static void
uploads_result(struct s3_job *j)
{
	struct all_uploads *a = j->state;
	struct store_upload *list = mem_array(a->n + 1, sizeof(*list));
	struct store_result res = { .err = ERR_OK,
				    .uploads = list,
				    .nuploads = a->n };

	if (a->cut && a->every_key)
		res.next = "";
	for (size_t i = 0; i < a->n; i++) {
		list[i].key = a->found[i].key + strlen(j->s3->prefix);
		list[i].backend_id = a->found[i].id;
		list[i].initiated = a->found[i].initiated;
	}
	s3_done(j, &res);
	free(list);
}

static void
list_uploads_done(struct s3_job *j, enum err err)
{
	struct all_uploads *a = j->state;
	struct s3_uploads page = { 0 };
	bool more;

	if (!err)
		err = s3_xml_err(j,
				 s3_xml_uploads(j->reply->body, j->reply->len,
						&j->error, &page));
	if (err) {
		s3_fail_reply(j, err);
		return;
	}
	take_uploads(a, &page);
	more = turn_page(a, &page);
	s3_uploads_free(&page);
	if (more)
		list_uploads_page(j);
	else
		uploads_result(j);
}

static void
list_uploads_page(struct s3_job *j)
{
	const struct all_uploads *a = j->state;

	s3_request_bucket(j, "GET");
	s3_query(j, "uploads", "");
	s3_query(j, "encoding-type", "url");
	s3_query_uint(j, "max-uploads", UPLOADS_MAX);
	s3_query(j, "prefix", a->key);
	if (a->next_key)
		s3_query(j, "key-marker", a->next_key);
	if (a->next_key && a->next_id)
		s3_query(j, "upload-id-marker", a->next_id);
	s3_send(j, list_uploads_done);
}

void
s3_list_uploads(struct store *s, struct store_call *c)
{
	struct s3_job *j = s3_job_new(s, c);
	struct all_uploads *a = mem_alloc(sizeof(*a));

	a->key = mem_printf("%s%s", j->s3->prefix, c->key);
	a->every_key = *c->key == '\0';
	a->max = a->every_key ? ALL_UPLOADS_MAX : UPLOADS_MAX;
	j->state = a;
	j->free_state = all_uploads_free;
	list_uploads_page(j);
}
