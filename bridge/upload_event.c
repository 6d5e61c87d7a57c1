/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/upload_private.h"

#include <jansson.h>
#include <string.h>

#include "lib/clock.h"

/* How it was known that every byte had come. */
static const char *
completeness(const struct journal_upload *row)
{
	if (row->flags & UPLOAD_OPERATOR)
		return "operator";
	if (row->flags & UPLOAD_TEMP)
		return "renamed";
	return row->flags & UPLOAD_DECLARED ? "declared" : "closed";
}

static void
set_string(json_t *o, const char *key, const char *value)
{
	if (*value)
		json_object_set_new(o, key, json_string(value));
}

static void
set_time(json_t *o, const char *key, int64_t wall_ms)
{
	char text[32];

	if (!wall_ms)
		return;
	clock_rfc3339(wall_ms, text, sizeof(text));
	json_object_set_new(o, key, json_string(text));
}

/* The object that was there, where somebody had to look at it. */
static void
set_replaced(json_t *o, const struct journal_upload *row)
{
	if (row->flags & UPLOAD_REPLACES)
		json_object_set_new(o, "replaced",
				    json_pack("{s:I}", "size",
					      (json_int_t)row->replaces));
}

/* Whose size the row knows; of a parked one it is what is kept. */
static bool
has_size(const char *kind)
{
	return !strcmp(kind, "published") || !strcmp(kind, "renamed") ||
	       !strcmp(kind, "unclaimed") || !strcmp(kind, "parked");
}

char *
event_body_row(const struct journal_upload *row, const char *event_id,
	       const char *kind)
{
	bool made = !strcmp(kind, "published") || !strcmp(kind, "renamed");
	json_t *o = json_object();
	char *text;

	set_string(o, "id", event_id);
	set_string(o, "type", kind);
	set_time(o, "time", clock_wall_ms());
	set_string(o, "upload", row->id);
	set_string(o, "user", row->user);
	set_string(o, "protocol", row->protocol);
	set_string(o, "node", row->owner);
	set_string(o, "store", row->store);
	set_string(o, "key", row->key);
	set_string(o, "path", row->final_path);
	if (has_size(kind))
		json_object_set_new(o, "size",
				    json_integer((json_int_t)row->end));
	if (made)
		set_string(o, "etag", row->etag);
	if (made)
		set_replaced(o, row);
	if (made && row->kind == UPLOAD_KIND_UPLOAD)
		set_string(o, "complete_by", completeness(row));
	set_string(o, "source_key", row->source);
	set_time(o, "mtime", row->mtime * 1000);
	set_time(o, "started", row->created_at);
	text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(o);
	return text ? text : mem_strdup("{}");
}
