/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs in events, with which whoever gets one fetches the object from the store
 * without credentials. One is made when its event is about to go, and anew for
 * a try that comes when half of its life is over. An event whose object is gone,
 * or whose store cannot be asked now, goes without.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/outbox_private.h"
#include "lib/log.h"
#include "lib/mem.h"

bool
url_wanted(const struct item *it)
{
	const struct outbox *o = it->lane->o;

	return o->cfg->url && it->lane != o->prober && it->event.made &&
	       outbox_wall(o) >= it->url_until;
}

/* "store/key" is what the event is ordered by. */
static struct store *
store_of(const struct item *it)
{
	const struct outbox_env *env = &it->lane->o->env;
	const char *name = it->event.partitionkey;
	size_t n = strlen(name) - strlen(it->event.subject) - 1;

	for (size_t i = 0; i < env->nstores; i++) {
		const char *s = store_name(env->stores[i]);

		if (strlen(s) == n && strncmp(s, name, n) == 0)
			return env->stores[i];
	}
	return NULL;
}

static void
fly(struct item *it)
{
	struct outbox *o = it->lane->o;

	it->url_until = outbox_wall(o) + o->cfg->url_ttl_ms / 2;
	item_fly(it);
}

static void
on_url(void *arg, const struct store_result *r)
{
	struct item *it = arg;
	struct lane *l = it->lane;
	int64_t bytes;

	it->op = NULL;
	list_remove(&l->fetching, it);
	if (r->err == ERR_NOT_FOUND || r->err == ERR_UNSUPPORTED) {
		log_debug("outbox", NULL, "no_url", KV_S("id", it->event.id),
			  KV_S("why", r->why));
	} else if (r->err) {
		log_warn("outbox", NULL, "no_url", KV_S("id", it->event.id),
			 KV_S("key", it->event.subject), KV_ERR(r->err),
			 KV_S("why", r->why));
	} else {
		bytes = outbox_event_set_url(&it->event, r->data);
		it->bytes += (size_t)bytes;
		l->bytes += (size_t)bytes;
	}
	fly(it);
}

void
url_make(struct item *it)
{
	struct lane *l = it->lane;
	struct store_grant grant = {
		.seconds = (unsigned)(l->o->cfg->url_ttl_ms / 1000),
	};
	struct store *store = store_of(it);

	if (!store) { /* not configured any more */
		fly(it);
		return;
	}
	it->state = ITEM_FETCH;
	list_append(&l->fetching, it);
	it->op = store_presign(store, it->event.subject, grant, on_url, it);
}
