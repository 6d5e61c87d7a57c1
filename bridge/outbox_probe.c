/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prober as a sink of published events: one is delivered when what was
 * found of its object is in the journal. So probes have a cursor, are tried
 * again while a store is away, and survive a kill like any delivery.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "bridge/outbox.h"
#include "lib/log.h"
#include "lib/mem.h"

struct probe_sink {
	struct sink_base base; /* first */
	struct outbox_prober_env env;
	struct look *looks;
};

struct look {
	struct probe_sink *sink;
	struct journal_media media; /* body: NULL */
	uint64_t size;
	struct probe *probe;	/* or NULL */
	struct loop_call later; /* it cannot be probed at all */
	bool posted, forgotten;
	sink_done_fn *fn;
	void *arg;
	struct look *prev, *next;
};

static void
look_free(struct look *k)
{
	DL_DELETE(k->sink->looks, k);
	probe_cancel(k->probe);
	journal_forget(k->sink->env.journal, k);
	free(k);
}

static void
look_end(struct look *k, enum sink_outcome outcome, const char *reason)
{
	struct sink_result r = { .outcome = outcome, .reason = reason };
	sink_done_fn *fn = k->fn;
	void *arg = k->arg;

	look_free(k);
	fn(arg, &r);
}

static void
on_put(void *arg, const struct journal_reply *r)
{
	look_end(arg, r->err ? SINK_RETRY : SINK_DELIVERED,
		 r->err ? "the journal failed" : "");
}

static void
on_probed(void *arg, const struct probe_result *r)
{
	struct look *k = arg;

	k->probe = NULL;
	if (r->status == PROBE_UNAVAILABLE) {
		look_end(k, SINK_RETRY, r->reason);
		return;
	}
	k->media.body = (char *)r->json;
	journal_media_put(k->sink->env.journal, &k->media, on_put, k);
	k->media.body = NULL;
}

static struct store *
store_named(const struct probe_sink *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->env.nstores; i++)
		if (strcmp(store_name(s->env.stores[i]), name) == 0)
			return s->env.stores[i];
	return NULL;
}

static void
on_later(void *arg)
{
	struct look *k = arg;

	k->posted = false;
	if (k->forgotten)
		free(k);
	else
		look_end(k, SINK_REFUSED, "there is no such object to look at");
}

static void
take(json_t *data, const char *name, char *dst, size_t size)
{
	const char *s = json_string_value(json_object_get(data, name));

	str_copy(dst, size, s ? s : "");
}

static void
probe_send(struct sink *sink, const struct sink_event *e, sink_done_fn *fn,
	   void *arg)
{
	struct probe_sink *s = (struct probe_sink *)sink;
	struct look *k = mem_alloc(sizeof(*k));
	json_t *data = json_loadb(e->data, e->data_len, 0, NULL);
	struct journal_media *m = &k->media;
	struct probe_object object;

	take(data, "upload", m->upload, sizeof(m->upload));
	take(data, "store", m->store, sizeof(m->store));
	take(data, "key", m->key, sizeof(m->key));
	take(data, "etag", m->etag, sizeof(m->etag));
	object = (struct probe_object){
		.store = store_named(s, m->store),
		.key = m->key,
		.etag = m->etag,
		.size = (uint64_t)json_integer_value(
			json_object_get(data, "size")),
	};
	json_decref(data);
	k->sink = s;
	k->fn = fn;
	k->arg = arg;
	DL_APPEND(s->looks, k);
	if (object.store && id_valid(m->upload) && *m->key) {
		k->probe = probe_start(s->env.prober, &object, on_probed, k);
		return;
	}
	k->later = (struct loop_call){ .fn = on_later, .arg = k };
	k->posted = true;
	loop_post(s->env.loop, &k->later);
}

static void
look_forget(struct look *k)
{
	if (!k->posted) {
		look_free(k);
		return;
	}
	DL_DELETE(k->sink->looks, k);
	k->forgotten = true;
}

static void
probe_forget(struct sink *sink, void *arg)
{
	struct probe_sink *s = (struct probe_sink *)sink;
	struct look *k, *next;

	DL_FOREACH_SAFE (s->looks, k, next) {
		if (k->arg == arg)
			look_forget(k);
	}
}

static void
probe_close(struct sink *sink)
{
	struct probe_sink *s = (struct probe_sink *)sink;
	struct look *k, *next;

	DL_FOREACH_SAFE (s->looks, k, next)
		look_forget(k);
	free(s);
}

static const struct sink_ops ops = {
	.type = "probe",
	.send = probe_send,
	.forget = probe_forget,
	.close = probe_close,
};

struct sink *
outbox_prober_new(const struct outbox_prober_env *env)
{
	struct probe_sink *s = mem_alloc(sizeof(*s));

	s->base.ops = &ops;
	s->base.concurrency = env->concurrency;
	s->env = *env;
	return (struct sink *)s;
}
