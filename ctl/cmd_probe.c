/* SPDX-License-Identifier: Apache-2.0 */
/* "probe": looks at an object now, as the courier would. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/http.h"
#include "bridge/probe.h"
#include "ctl/cmd_media.h"
#include "ctl/media_text.h"
#include "ctl/place.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/work.h"

#define POOL_THREADS 2

struct trial {
	struct ctl *ctl;
	struct place at;
	struct loop *loop;
	struct store *store;
	struct prober *prober;
	bool ok;
};

static void
on_done(void *arg, const struct probe_result *r)
{
	struct trial *t = arg;
	json_t *media = json_loadb(r->json, r->len, 0, NULL);

	t->ok = r->status == PROBE_OK;
	if (t->ctl->json) {
		media = json_pack("{s:o, s:I, s:i, s:i}", "media", media,
				  "bytes", (json_int_t)r->bytes, "requests",
				  (int)r->requests, "ms", (int)r->ms);
		json_dumpf(media, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		printf("%-12s %llu bytes in %u requests, %u ms\n", "read",
		       (unsigned long long)r->bytes, r->requests, r->ms);
		media_text_print(media);
	}
	json_decref(media);
	loop_stop(t->loop);
}

static void
on_head(void *arg, const struct store_result *res)
{
	struct trial *t = arg;
	struct probe_object o = { .store = t->store,
				  .key = t->at.key,
				  .etag = res->object.etag,
				  .size = res->object.size };

	if (!res->err) {
		probe_start(t->prober, &o, on_done, t);
		return;
	}
	ctl_error("%s in store \"%s\": %s", t->at.key, t->at.store, res->why);
	loop_stop(t->loop);
}

static void
look(struct trial *t, const struct probe_config *cfg)
{
	struct store_env env = { .loop = t->loop,
				 .pool = work_pool_new(t->loop, POOL_THREADS),
				 .http = http_new(t->loop) };

	if (store_open(&t->store, t->ctl->conf, t->at.store, &env) == ERR_OK) {
		t->prober = prober_new(t->loop, cfg);
		store_head(t->store, t->at.key, on_head, t);
		loop_run(t->loop);
		prober_free(t->prober);
		store_close(t->store);
	} else {
		ctl_error("store \"%s\" cannot be opened: see sluiced -t",
			  t->at.store);
	}
	http_free(env.http);
	work_pool_free(env.pool);
}

int
cmd_probe(struct ctl *c, int argc, char **argv)
{
	const char *store = NULL;
	const struct ctl_option options[] = { { "--store", NULL, &store },
					      { NULL, NULL, NULL } };
	int status = ctl_options(c, options, &argc, argv);
	struct trial t = { .ctl = c };
	struct probe_config cfg;

	if (status >= 0)
		return status;
	if (argc < 1 || argc > 2)
		return ctl_usage(c, "probe takes a key, or a user's name and "
				    "a path");
	if (!ctl_config(c) || !place_find(c, argc, argv, store, &t.at))
		return CTL_FAILED;
	probe_config_read(c->conf, &cfg);
	/* Nothing is changed by looking. */
	free(cfg.thumbnails);
	cfg.thumbnails = NULL;
	t.loop = loop_new();
	look(&t, &cfg);
	loop_free(t.loop);
	probe_config_free(&cfg);
	return t.ok ? CTL_OK : CTL_FAILED;
}
