/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores in a container of an OpenStack Swift cluster, by its own interface:
 * a part is an object in a second container, with its MD5 checked, and
 * Complete writes the manifest of a static large object. The account needs
 * read and write on both containers. doc/store.md tells which requests each
 * call makes, and what frees the segments of what was replaced.
 */
#include "bridge/store_swift.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define PART_MAX (5 * GIB)
#define PART_DEFAULT (16 * MIB)
#define PARTS_MAX 1000 /* segments in a manifest, Swift's default */
#define GRACE_MS (3600 * 1000)
#define DAY_MS ((uint64_t)24 * 3600 * 1000)
#define CONTAINER_MAX 256 /* bytes in a container's name */

static void
read_containers(struct swift *s, struct store_conf *f)
{
	char *name = store_conf_need(f, "container");

	s->container = name;
	s->segments = store_conf_optional(f, "segments_container", NULL);
	if (!s->segments)
		s->segments = mem_printf("%s_segments", name);
	if (strchr(name, '/') || strlen(name) > CONTAINER_MAX)
		store_conf_expected(f, "container",
				    "a container's name; see also prefix");
	if (strchr(s->segments, '/') || strlen(s->segments) > CONTAINER_MAX ||
	    strcmp(s->segments, s->container) == 0)
		store_conf_expected(f, "segments_container",
				    "another container's name");
	s->create = conf_bool(f->conf, f->section, "create", false);
	s->tempurl_key = store_conf_optional(f, "tempurl_key", NULL);
}

static void
read_lives(struct swift *s, struct store_conf *f)
{
	struct conf_range grace = { GRACE_MS, 0, 30 * DAY_MS };
	struct conf_range expiry = { 0, 0, 36500 * DAY_MS };

	s->grace_ms = conf_time(f->conf, f->section, "segments_grace", grace);
	s->delete_after_s =
		conf_time(f->conf, f->section, "delete_after", expiry) / 1000;
}

static void
read_limits(struct store *store, struct store_conf *f)
{
	struct store_limits *l = &store->limits;

	*l = (struct store_limits){
		.part_min = 1,
		.part_max = PART_MAX,
		.part_base = PART_DEFAULT,
		.put_max = PART_MAX,
		.copy_max = PART_MAX,
		.object_max = PARTS_MAX * PART_MAX,
		.parts_max = PARTS_MAX,
		.lists_late = true,
	};
	store_conf_parts(f->conf, f->section, l);
}

static void
swift_close(struct store *store)
{
	struct swift *s = store->driver;

	swift_reaper_free(s->reaper);
	swift_auth_free(s->auth);
	http_host_free(s->host);
	free(s->container);
	free(s->segments);
	free(s->prefix);
	mem_wipe_free(s->tempurl_key);
	free(s);
}

/* One of a node's processes at a time looks for segments to free. */
static struct swift_reaper *
open_reaper(struct swift *s, const struct store_conf *f)
{
	struct swift_reaper *r;
	char *lock = NULL;

	if (conf_has(f->conf, "daemon", NULL))
		lock = mem_printf("%s/%s.reaper.lock",
				  conf_str(f->conf, "daemon", "run_dir",
					   "/run/sluice"),
				  f->section);
	r = swift_reaper_new(s, lock);
	free(lock);
	return r;
}

static enum err
swift_open(struct store *store, struct conf *conf, const char *section)
{
	struct store_conf f = { .conf = conf, .section = section };
	struct swift *s = mem_alloc(sizeof(*s));

	s->store = store;
	store->driver = s;
	read_containers(s, &f);
	s->prefix = store_conf_prefix(&f);
	read_lives(s, &f);
	read_limits(store, &f);
	s->host = store_conf_host(&f, store->env.http);
	s->auth = swift_auth_open(&f, store->env.loop, s->host);
	if (!f.bad && s->auth) {
		if (store->env.loop)
			s->reaper = open_reaper(s, &f);
		return ERR_OK;
	}
	swift_close(store);
	store->driver = NULL;
	return ERR_INVALID;
}

static unsigned
swift_needs(const struct store *s)
{
	(void)s;
	return STORE_NEED_MD5;
}

const struct store_ops store_swift = {
	.kind = "swift",
	.open = swift_open,
	.close = swift_close,
	.needs = swift_needs,
	.start = {
		[STORE_CALL_PROBE] = swift_probe,
		[STORE_CALL_PUT] = swift_put,
		[STORE_CALL_BEGIN] = swift_begin,
		[STORE_CALL_PUT_PART] = swift_put_part,
		[STORE_CALL_COPY_PART] = swift_copy_part,
		[STORE_CALL_LIST_PARTS] = swift_list_parts,
		[STORE_CALL_COMPLETE] = swift_complete,
		[STORE_CALL_ABORT] = swift_abort,
		[STORE_CALL_LIST_UPLOADS] = swift_list_uploads,
		[STORE_CALL_HEAD] = swift_head,
		[STORE_CALL_GET] = swift_get,
		[STORE_CALL_LIST] = swift_list,
		[STORE_CALL_DELETE] = swift_delete,
		[STORE_CALL_COPY] = swift_copy,
		[STORE_CALL_PRESIGN] = swift_presign,
	},
	.cancel = swift_cancel,
};
