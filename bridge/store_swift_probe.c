/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks a cluster for its limits ("GET /info"; Swift's documentation,
 * "Discoverability"), and whether its two containers are there. The one for
 * segments is made when it is missing, the other only where the settings
 * say so.
 */
#include "bridge/store_swift.h"

#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

static uint64_t
number(const json_t *info, const char *group, const char *key)
{
	const json_t *v = json_object_get(json_object_get(info, group), key);

	return json_is_integer(v) && json_integer_value(v) > 0
		       ? (uint64_t)json_integer_value(v)
		       : 0;
}

static void
read_info(struct swift_job *j, json_t *info)
{
	struct store_caps *caps = &j->found;

	caps->if_none_match = true;
	caps->part_max = number(info, "swift", "max_file_size");
	caps->parts_max =
		(uint32_t)number(info, "slo", "max_manifest_segments");
	caps->bulk_delete = number(info, "bulk_delete",
				   "max_deletes_per_request") >= STORE_LIST_MAX;
	log_info("store", NULL, "probed", KV_S("store", j->swift->store->name),
		 KV_U("part_max", caps->part_max),
		 KV_U("parts_max", caps->parts_max),
		 KV_U("bulk_delete", caps->bulk_delete));
}

static void
finished(struct swift_job *j, enum err err)
{
	j->ambiguous = false; /* what was to follow was not sent */
	/* No object is missing where its container is. */
	if (err == ERR_NOT_FOUND && j->call->kind != STORE_CALL_PROBE)
		err = ERR_IO;
	if (err) {
		swift_fail_reply(j, err);
		return;
	}
	j->found.known = true;
	store_set_caps(j->swift->store, &j->found);
	j->known(j);
}

static void
segments_seen(struct swift_job *j, enum err err)
{
	if (err != ERR_NOT_FOUND) {
		finished(j, err);
		return;
	}
	swift_request(j, "PUT", j->swift->segments, NULL);
	swift_body_none(j);
	swift_send(j, finished);
}

static void
container_made(struct swift_job *j, enum err err)
{
	if (err) {
		finished(j, err);
		return;
	}
	swift_request(j, "HEAD", j->swift->segments, NULL);
	swift_send(j, segments_seen);
}

static void
container_seen(struct swift_job *j, enum err err)
{
	if (err == ERR_NOT_FOUND && j->swift->create) {
		swift_request(j, "PUT", j->swift->container, NULL);
		swift_body_none(j);
		swift_send(j, container_made);
		return;
	}
	if (err == ERR_NOT_FOUND)
		j->why = "no such container";
	container_made(j, err);
}

/* Where /info is not offered, the limits stay those that Swift comes with. */
static void
info_seen(struct swift_job *j, enum err err)
{
	json_t *info = err ? NULL : swift_json(j);

	if (err == ERR_AGAIN && j->reply->end != HTTP_DONE) {
		finished(j, err);
		return;
	}
	read_info(j, info);
	json_decref(info);
	swift_request(j, "HEAD", j->swift->container, NULL);
	swift_send(j, container_seen);
}

/* "http://host/v1/AUTH_x" has its /info beside "/v1". */
static void
account_seen(struct swift_job *j, enum err err)
{
	const char *url, *version;

	if (err) {
		finished(j, err);
		return;
	}
	url = swift_auth_url(j->swift->auth);
	version = strstr(url, "/v1");
	swift_request(j, "GET", NULL, NULL);
	j->plain_url = true;
	buf_add(&j->path, url, version ? (size_t)(version - url) : strlen(url));
	buf_add_text(&j->path, "/info");
	swift_send(j, info_seen);
}

static void
ask(struct swift_job *j, void (*then)(struct swift_job *j))
{
	j->known = then;
	swift_request(j, "HEAD", NULL, NULL);
	swift_send(j, account_seen);
}

void
swift_when_known(struct swift_job *j, void (*then)(struct swift_job *j))
{
	if (j->swift->store->caps.known)
		then(j);
	else
		ask(j, then);
}

static void
probed(struct swift_job *j)
{
	struct store_result res = { .err = ERR_OK, .caps = j->found };

	swift_done(j, &res);
}

void
swift_probe(struct store *s, struct store_call *c)
{
	ask(swift_job_new(s->driver, c), probed);
}
