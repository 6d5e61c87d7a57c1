/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/probe_private.h"
#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/mem.h"

/* The child's text as JSON, or NULL when it is not what it must be. */
static json_t *
parse(const struct probe *b, enum probe_status *status)
{
	json_t *o = json_loads(b->result, JSON_REJECT_DUPLICATES, NULL);
	const char *word = json_string_value(json_object_get(o, "status"));

	if (word && strcmp(word, probe_status_name(PROBE_OK)) == 0) {
		*status = PROBE_OK;
		return o;
	}
	if (word && strcmp(word, probe_status_name(PROBE_FAILED)) == 0 &&
	    json_is_string(json_object_get(o, "reason"))) {
		*status = PROBE_FAILED;
		return o;
	}
	json_decref(o);
	return NULL;
}

static void
finish(struct probe *b)
{
	struct probe_result r = { .status = PROBE_FAILED };
	json_t *o = parse(b, &r.status);
	const char *reason;
	char *text;

	if (o && b->thumb)
		json_object_set_new(o, "thumbnail", json_string(b->thumb_key));
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	free(b->result);
	b->result = NULL;
	if (!text || strlen(text) > PROBE_JSON_MAX) {
		probe_fail(b, PROBE_FAILED, "the probe's result is no result");
	} else {
		reason = json_string_value(json_object_get(o, "reason"));
		r.reason = reason ? reason : "";
		r.json = text;
		r.len = strlen(text);
		probe_complete(b, &r);
	}
	json_decref(o);
	free(text);
}

static void
thumb_drop(struct probe *b, const char *why)
{
	log_warn(PROBE_PART, NULL, "no_thumbnail", KV_S("key", b->key),
		 KV_S("why", why));
	free(b->thumb);
	b->thumb = NULL;
}

static void
stored(void *arg, const struct store_result *res)
{
	struct probe *b = arg;

	b->op = NULL;
	if (res->err)
		thumb_drop(b, res->why);
	finish(b);
}

static void
store_thumb(struct probe *b)
{
	const struct store_meta meta = { .content_type = "image/jpeg" };
	unsigned needs = store_needs(b->store);
	struct store_body body = { .data = b->thumb,
				   .fd = -1,
				   .len = b->thumb_len };

	body.crc32c = crc32c(0, b->thumb, b->thumb_len);
	body.has_sha256 = needs & STORE_NEED_SHA256;
	body.has_md5 = needs & STORE_NEED_MD5;
	if (body.has_sha256)
		EVP_Digest(b->thumb, b->thumb_len, body.sha256, NULL,
			   EVP_sha256(), NULL);
	if (body.has_md5)
		EVP_Digest(b->thumb, b->thumb_len, body.md5, NULL, EVP_md5(),
			   NULL);
	probe_enter(b, PROBE_STORING);
	b->op = store_put(b->store, b->thumb_key, &meta, &body, stored, b);
}

void
probe_settle(struct probe *b)
{
	const struct probe_config *cfg = b->prober->cfg;
	char *key;

	if (b->thumb) {
		key = mem_printf("%s%s" PROBE_THUMB_SUFFIX, cfg->thumbnails,
				 b->key);
		if (str_copy(b->thumb_key, sizeof(b->thumb_key), key) != 0)
			thumb_drop(b, "its key would be too long");
		free(key);
	}
	if (b->thumb)
		store_thumb(b);
	else
		finish(b);
}
