/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/stores.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/http.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/work.h"

#define POOL_THREADS 2

struct entry {
	struct store *store;
	char *down; /* why it is not asked any more */
};

struct stores {
	struct loop *loop;
	struct work_pool *pool;
	struct http *http;
	struct entry list[BRIDGE_STORES_MAX];
	size_t n;
	struct stores_answer *out; /* of the question under way */
};

struct stores *
stores_open(struct ctl *c)
{
	struct stores *s = mem_alloc(sizeof(*s));
	struct store_env env;
	char **name;
	const char *why;

	s->loop = loop_new();
	s->pool = work_pool_new(s->loop, POOL_THREADS);
	s->http = http_new(s->loop);
	env = (struct store_env){ s->loop, s->pool, s->http };
	for (name = c->bridge.stores; *name; name++) {
		if (store_open(&s->list[s->n].store, c->conf, *name, &env) ==
		    ERR_OK) {
			s->n++;
			continue;
		}
		why = conf_complaint(c->conf, 0);
		ctl_error("%s", why ? why : "a store cannot be opened");
		stores_close(s);
		return NULL;
	}
	return s;
}

void
stores_close(struct stores *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->n; i++) {
		store_close(s->list[i].store);
		free(s->list[i].down);
	}
	http_free(s->http);
	work_pool_free(s->pool);
	loop_free(s->loop);
	free(s);
}

struct store *
stores_get(const struct stores *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcmp(store_name(s->list[i].store), name) == 0)
			return s->list[i].store;
	return NULL;
}

size_t
stores_count(const struct stores *s)
{
	return s->n;
}

struct store *
stores_at(const struct stores *s, size_t i)
{
	return s->list[i].store;
}

/* Answers. */

static void
take_uploads(struct stores_answer *out, const struct store_result *res)
{
	size_t i;

	out->uploads = mem_array(res->nuploads + 1, sizeof(*out->uploads));
	out->nuploads = res->nuploads;
	out->more = res->next != NULL;
	for (i = 0; i < res->nuploads; i++) {
		const struct store_upload *u = &res->uploads[i];

		out->uploads[i].key = mem_strdup(u->key);
		out->uploads[i].backend_id = mem_strdup(u->backend_id);
		out->uploads[i].initiated = u->initiated;
	}
}

static void
answered(void *arg, const struct store_result *res)
{
	struct stores *s = arg;
	struct stores_answer *out = s->out;

	out->err = res->err;
	str_copy(out->why, sizeof(out->why), res->why);
	out->object = res->object;
	if (!res->err && res->nparts > 0) {
		out->parts = mem_array(res->nparts, sizeof(*out->parts));
		memcpy(out->parts, res->parts,
		       res->nparts * sizeof(*out->parts));
		out->nparts = res->nparts;
	}
	if (!res->err)
		take_uploads(out, res);
	if (!res->err && res->data)
		out->url = mem_strndup(res->data, res->len);
	loop_stop(s->loop);
}

void
stores_forget(struct stores_answer *a)
{
	size_t i;

	for (i = 0; i < a->nuploads; i++) {
		free((void *)a->uploads[i].key);
		free((void *)a->uploads[i].backend_id);
	}
	free(a->uploads);
	free(a->parts);
	free(a->url);
	memset(a, 0, sizeof(*a));
}

/* Questions. */

static struct entry *
entry_of(const struct stores *s, const struct store *st)
{
	size_t i = 0;

	while (s->list[i].store != st)
		i++;
	return (struct entry *)&s->list[i];
}

/* False: the store was given up before; *out says so. */
static bool
begin(struct stores *s, const struct store *st, struct stores_answer *out)
{
	const struct entry *e = entry_of(s, st);

	memset(out, 0, sizeof(*out));
	s->out = out;
	if (!e->down)
		return true;
	out->err = ERR_AGAIN;
	str_copy(out->why, sizeof(out->why), e->down);
	return false;
}

static void
wait_for_it(struct stores *s, const struct store *st)
{
	struct entry *e = entry_of(s, st);

	loop_run(s->loop);
	if (s->out->err == ERR_AGAIN || s->out->err == ERR_DENIED)
		e->down = mem_strdup(s->out->why);
}

void
stores_head(struct stores *s, struct store *st, const char *key,
	    struct stores_answer *out)
{
	if (!begin(s, st, out))
		return;
	store_head(st, key, answered, s);
	wait_for_it(s, st);
}

void
stores_parts(struct stores *s, struct store *st, struct store_target t,
	     struct stores_answer *out)
{
	if (!begin(s, st, out))
		return;
	store_list_parts(st, t, answered, s);
	wait_for_it(s, st);
}

void
stores_uploads(struct stores *s, struct store *st, const char *key,
	       struct stores_answer *out)
{
	if (!begin(s, st, out))
		return;
	store_list_uploads(st, key, answered, s);
	wait_for_it(s, st);
}

void
stores_abort(struct stores *s, struct store *st, struct store_target t,
	     struct stores_answer *out)
{
	if (!begin(s, st, out))
		return;
	store_abort(st, t, answered, s);
	wait_for_it(s, st);
}

void
stores_presign(struct stores *s, struct store *st, const char *key,
	       struct store_grant grant, struct stores_answer *out)
{
	if (!begin(s, st, out))
		return;
	store_presign(st, key, grant, answered, s);
	wait_for_it(s, st);
}

const char *
stores_down(const struct stores *s, const struct store *st)
{
	return entry_of(s, st)->down;
}
