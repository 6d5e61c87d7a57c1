/* SPDX-License-Identifier: Apache-2.0 */
/* A folder's page. */
#include "bridge/store_swift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

struct page {
	json_t *json;
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
	if (etag && swift_etag(etag, p->etags[p->n]))
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
	size_t i, n;
	json_t *item;

	if (err == ERR_NOT_FOUND) {
		err = ERR_IO;
		j->why = "no such container";
	}
	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	/* 204: nothing is there. */
	p.json = j->reply->len ? swift_json(j) : json_array();
	n = json_array_size(p.json);
	if (!json_is_array(p.json) || n > STORE_LIST_MAX) {
		json_decref(p.json);
		swift_fail(j, ERR_AGAIN, "the store's answer is not clear");
		return;
	}
	p.entries = mem_array(n + 1, sizeof(*p.entries));
	p.etags = mem_array(n + 1, sizeof(*p.etags));
	json_array_foreach(p.json, i, item) add_entry(j, &p, item, &res.marker);
	qsort(p.entries, p.n, sizeof(*p.entries), by_key);
	res.entries = p.entries;
	res.nentries = p.n;
	if (n == STORE_LIST_MAX)
		res.next = p.last;
	swift_done(j, &res);
	json_decref(p.json);
	free(p.entries);
	free(p.etags);
}

void
swift_list(struct store *s, struct store_call *c)
{
	struct swift_job *j = swift_job_new(s->driver, c);
	char *prefix = mem_printf("%s%s", j->swift->prefix, c->key);
	char limit[16];

	snprintf(limit, sizeof(limit), "%d", STORE_LIST_MAX);
	swift_request(j, "GET", j->swift->container, NULL);
	swift_query(j, "format", "json");
	swift_query(j, "delimiter", "/");
	swift_query(j, "limit", limit);
	swift_query(j, "prefix", prefix);
	if (c->marker)
		swift_query(j, "marker", c->marker);
	free(prefix);
	swift_send(j, list_done);
}
