/* SPDX-License-Identifier: Apache-2.0 */
/* A row of the journal's events as a CloudEvent 1.0. */
#include "bridge/outbox.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* A key of escapes is six times as long; data has it up to three times. */
#define ENVELOPE_MAX (JOURNAL_EVENT_MAX + JOURNAL_MEDIA_MAX + (64 << 10))

static const struct {
	const char *kind, *type;
} kinds[OUTBOX_KINDS] = {
	[OUTBOX_PUBLISHED] = { "published", "published" },
	[OUTBOX_DELETED] = { "deleted", "deleted" },
	[OUTBOX_RENAMED] = { "renamed", "renamed" },
	[OUTBOX_PARKED] = { "parked", "upload.parked" },
	[OUTBOX_ABORTED] = { "aborted", "upload.aborted" },
	[OUTBOX_LOST] = { "lost", "upload.lost" },
	[OUTBOX_UNCLAIMED] = { "unclaimed", "upload.unclaimed" },
};

const char *
outbox_type(enum outbox_kind kind)
{
	return kinds[kind].type;
}

int
outbox_kind_of(const char *journal_kind)
{
	int i;

	for (i = 0; i < OUTBOX_KINDS; i++)
		if (strcmp(kinds[i].kind, journal_kind) == 0)
			return i;
	return -1;
}

/* RFC 8259 section 7; what is not ASCII is UTF-8 and stays. */
static void
add_string(struct buf *b, const char *name, const char *value)
{
	const unsigned char *p;

	buf_printf(b, "\"%s\":\"", name);
	for (p = (const unsigned char *)value; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_add_u8(b, '\\');
		if (*p < 0x20)
			buf_printf(b, "\\u%04x", *p);
		else
			buf_add_u8(b, *p);
	}
	buf_add_text(b, "\",");
}

/* Structured mode: CloudEvents JSON format, section 3. */
static void
envelope(struct outbox_event *out)
{
	struct sink_event *e = &out->e;
	struct buf b;

	buf_init(&b, ENVELOPE_MAX);
	buf_add_text(&b, "{\"specversion\":\"1.0\",");
	add_string(&b, "id", e->id);
	add_string(&b, "source", e->source);
	add_string(&b, "type", e->type);
	add_string(&b, "subject", e->subject);
	add_string(&b, "time", e->time);
	add_string(&b, "datacontenttype", "application/json");
	add_string(&b, "partitionkey", e->partitionkey);
	buf_add_text(&b, "\"data\":");
	buf_add(&b, e->data, e->data_len);
	buf_add_u8(&b, '}');
	out->json = mem_strndup((const char *)buf_data(&b), buf_len(&b));
	e->json = out->json;
	e->json_len = strlen(out->json);
	buf_free(&b);
}

static char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return mem_strdup(s ? s : "");
}

static char *
type_of(const struct outbox_config *cfg, const char *kind)
{
	int k = outbox_kind_of(kind);

	return mem_printf("%s.%s", cfg->type_prefix,
			  k >= 0 ? kinds[k].type : kind);
}

static char *
time_of(const json_t *o, int64_t at)
{
	char text[32];

	if (json_string_value(json_object_get(o, "time")))
		return text_of(o, "time");
	clock_rfc3339(at, text, sizeof(text));
	return mem_strdup(text);
}

static void
point(struct outbox_event *out, const struct outbox_config *cfg)
{
	out->e.id = out->id;
	out->e.type = out->type;
	out->e.source = cfg->source;
	out->e.subject = out->subject;
	out->e.time = out->time;
	out->e.partitionkey = out->partitionkey;
	out->e.data = out->data;
	out->e.data_len = strlen(out->data);
	envelope(out);
}

/* The attributes leave the data, and what a probe found joins it. */
static char *
data_of(json_t *o, const char *media)
{
	json_t *found = media ? json_loads(media, 0, NULL) : NULL;
	char *text;

	json_object_del(o, "id");
	json_object_del(o, "type");
	json_object_del(o, "time");
	if (found)
		json_object_set_new(o, "media", found);
	text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
	return text ? text : mem_strdup("{}");
}

enum err
outbox_event_make(struct outbox_event *out, const struct outbox_config *cfg,
		  const struct journal_event_row *row, const char *media)
{
	json_t *o = json_loads(row->body, 0, NULL);
	char *store;

	memset(out, 0, sizeof(*out));
	if (!json_is_object(o)) {
		log_error("outbox", NULL, "bad_event", KV_S("id", row->id));
		json_decref(o);
		return ERR_CORRUPT;
	}
	out->id = mem_strdup(row->id);
	out->type = type_of(cfg, row->kind);
	out->subject = text_of(o, "key");
	out->user = text_of(o, "user");
	out->path = text_of(o, "path");
	out->time = time_of(o, row->at);
	store = text_of(o, "store");
	out->partitionkey = mem_printf("%s/%s", store, out->subject);
	free(store);
	out->data = data_of(o, media);
	out->made = outbox_kind_of(row->kind) == OUTBOX_PUBLISHED ||
		    outbox_kind_of(row->kind) == OUTBOX_RENAMED;
	json_decref(o);
	point(out, cfg);
	return ERR_OK;
}

int64_t
outbox_event_set_url(struct outbox_event *e, const char *url)
{
	json_t *o = json_loads(e->data, 0, NULL);
	int64_t before = (int64_t)(strlen(e->data) + strlen(e->json));
	char *text;

	json_object_set_new(o, "url", json_string(url));
	text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(o);
	if (!text)
		return 0; /* the URL is not UTF-8 */
	free(e->data);
	free(e->json);
	e->data = text;
	e->e.data = text;
	e->e.data_len = strlen(text);
	envelope(e);
	return (int64_t)(strlen(e->data) + strlen(e->json)) - before;
}

void
outbox_event_test(struct outbox_event *out, const struct outbox_config *cfg,
		  const char *sink)
{
	char time[32], id[ID_LEN + 1];

	memset(out, 0, sizeof(*out));
	id_new(id);
	clock_rfc3339(clock_wall_ms(), time, sizeof(time));
	out->id = mem_strdup(id);
	out->type = type_of(cfg, "test");
	out->subject = mem_strdup("test");
	out->user = mem_strdup("");
	out->path = mem_strdup("");
	out->time = mem_strdup(time);
	out->partitionkey = mem_strdup("test");
	out->data = mem_printf("{\"sink\":\"%s\"}", sink);
	point(out, cfg);
}

void
outbox_event_free(struct outbox_event *e)
{
	free(e->id);
	free(e->type);
	free(e->subject);
	free(e->time);
	free(e->partitionkey);
	free(e->data);
	free(e->json);
	free(e->user);
	free(e->path);
	memset(e, 0, sizeof(*e));
}
