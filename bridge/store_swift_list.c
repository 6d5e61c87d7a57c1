/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of names: any container's, and a folder's. */
#include "bridge/store_swift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

void
swift_request_page(struct swift_job *j, const char *container,
		   const char *prefix, const char *marker, unsigned limit)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", limit);
	swift_request(j, "GET", container, NULL);
	swift_query(j, "format", "json");
	swift_query(j, "limit", number);
	swift_query(j, "prefix", prefix);
	if (marker)
		swift_query(j, "marker", marker);
}

json_t *
swift_page(struct swift_job *j)
{
	/* 204: nothing is there. */
	json_t *page = j->reply->len ? swift_json(j) : json_array();

	if (json_is_array(page) && json_array_size(page) <= STORE_LIST_MAX)
		return page;
	json_decref(page);
	j->why = "the store's answer is not clear";
	return NULL;
}

const char *
swift_page_name(const json_t *page, size_t i)
{
	return json_string_value(
		json_object_get(json_array_get(page, i), "name"));
}

struct page {
	struct store_entry *entries;
	char (*etags)[STORE_ETAG_MAX + 1];
	size_t n;
	const char *last; /* name, as the cluster has it */
};

/* What follows the listed prefix, or NULL for what does not belong there. */
static const char *
below(const struct swift_job *j, const char *name)
{
	size_t own = strlen(j->swift->prefix), n = strlen(j->call->key);

	if (strncmp(name, j->swift->prefix, own) != 0 ||
	    strncmp(name + own, j->call->key, n) != 0)
		return NULL;
	return name + own + n;
}

static const char *
text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void
add_entry(const struct swift_job *j, struct page *p, const json_t *item,
	  bool *marker)
{
	struct store_entry *e = &p->entries[p->n];
	const char *dir = text_of(item, "subdir"), *key, *slash, *etag;
	const char *name = dir ? dir : text_of(item, "name");

	if (!name)
		return;
	p->last = name;
	key = below(j, name);
	if (!key)
		return;
	if (!*key) {
		*marker = true;
		return;
	}
	slash = strchr(key, '/');
	if (slash && (slash[1] || !dir))
		return;
	e->key = key;
	e->is_dir = dir != NULL;
	e->size = (uint64_t)json_integer_value(json_object_get(item, "bytes"));
	e->mtime = clock_parse_rfc3339(text_of(item, "last_modified"), NULL);
	etag = text_of(item, "slo_etag");
	if (!etag)
		etag = text_of(item, "hash");
	if (etag && store_etag(etag, p->etags[p->n]))
		e->etag = p->etags[p->n];
	p->n++;
}

static int
by_key(const void *a, const void *b)
{
	const struct store_entry *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static void
list_done(struct swift_job *j, enum err err)
{
	struct store_result res = { .err = ERR_OK };
	struct page p = { 0 };
	json_t *item, *names = NULL;
	size_t i, n;

	err = swift_need_container(j, err);
	if (!err && !(names = swift_page(j)))
		err = ERR_AGAIN;
	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	n = json_array_size(names);
	p.entries = mem_array(n + 1, sizeof(*p.entries));
	p.etags = mem_array(n + 1, sizeof(*p.etags));
	json_array_foreach(names, i, item) add_entry(j, &p, item, &res.marker);
	qsort(p.entries, p.n, sizeof(*p.entries), by_key);
	res.entries = p.entries;
	res.nentries = p.n;
	if (n == STORE_LIST_MAX)
		res.next = p.last;
	swift_done(j, &res);
	json_decref(names);
	free(p.entries);
	free(p.etags);
}

void
swift_list(struct store *s, struct store_call *c)
{
	struct swift_job *j = swift_job_new(s->driver, c);
	char *prefix = mem_printf("%s%s", j->swift->prefix, c->key);

	swift_request_page(j, j->swift->container, prefix, c->marker,
			   STORE_LIST_MAX);
	swift_query(j, "delimiter", "/");
	free(prefix);
	swift_send(j, list_done);
}
