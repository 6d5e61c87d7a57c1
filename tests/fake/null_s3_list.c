/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a bucket: listings. */
#include "tests/fake/null_s3.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

static void
add_time(struct buf *b, const char *name, time_t t)
{
	char text[32];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
	buf_printf(b, "<%s>%s</%s>", name, text, name);
}

static void
add_escaped(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (strchr("<>&", *s))
			buf_printf(b, "&#%d;", *s);
		else
			buf_add_u8(b, (uint8_t)*s);
	}
}

static int
by_key(const void *a, const void *b)
{
	struct object *const *x = a, *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

/* One <Contents> or, once for all that share it, one <CommonPrefixes>. */
static bool
add_item(struct buf *b, const struct object *o, const char *key,
	 const char *slash, const char *last_prefix)
{
	size_t n = slash ? (size_t)(slash - key) + 1 : 0;
	char *prefix;

	if (!slash) {
		buf_add_text(b, "<Contents><Key>");
		add_escaped(b, key);
		buf_printf(b, "</Key><Size>%llu</Size><ETag>\"%s\"</ETag>",
			   (unsigned long long)o->size, o->etag);
		add_time(b, "LastModified", o->modified);
		buf_add_text(b, "</Contents>");
		return true;
	}
	if (last_prefix && strncmp(last_prefix, key, n) == 0)
		return false;
	prefix = mem_strndup(key, n);
	buf_add_text(b, "<CommonPrefixes><Prefix>");
	add_escaped(b, prefix);
	buf_add_text(b, "</Prefix></CommonPrefixes>");
	free(prefix);
	return true;
}

static struct object **
sorted_objects(struct null_s3 *s, size_t *n)
{
	struct object *o, *next;
	size_t i = 0;

	*n = HASH_COUNT(s->objects);
	if (s->sorted)
		return s->sorted;
	s->sorted = mem_array(*n + 1, sizeof(s->sorted[0]));
	HASH_ITER (hh, s->objects, o, next)
		s->sorted[i++] = o;
	qsort(s->sorted, *n, sizeof(s->sorted[0]), by_key);
	return s->sorted;
}

/* The first of all that is not below this full key. */
static size_t
first_from(struct object **all, size_t n, const char *key)
{
	size_t low = 0, mid;

	while (low < n) {
		mid = low + (n - low) / 2;
		if (strcmp(all[mid]->key, key) < 0)
			low = mid + 1;
		else
			n = mid;
	}
	return low;
}

static size_t
first_of(struct object **all, size_t n, const struct null_s3_request *r,
	 const char *prefix, const char *after)
{
	const char *from = after && strcmp(after, prefix) > 0 ? after : prefix;
	char *full = mem_printf("%s/%s", r->bucket, from);
	size_t i = first_from(all, n, full);

	free(full);
	return i;
}

/* Pages of version 2, and one whole page of version 1. */
static void
list_objects(struct null_s3 *s, const struct null_s3_request *r,
	     struct null_s3_reply *out)
{
	const char *prefix = null_s3_param(r, "prefix");
	const char *after = null_s3_param(r, "continuation-token");
	const char *delimiter = null_s3_param(r, "delimiter");
	const char *last_prefix = NULL, *key, *slash;
	size_t n, count = 0, bucket = strlen(r->bucket) + 1;
	struct object **all = sorted_objects(s, &n);
	bool more = false;

	prefix = prefix ? prefix : "";
	buf_add_text(&out->body, "<ListBucketResult>");
	for (size_t i = first_of(all, n, r, prefix, after); i < n; i++) {
		key = all[i]->key + bucket;
		if (strncmp(all[i]->key, r->bucket, bucket - 1) != 0 ||
		    key[-1] != '/' || strncmp(key, prefix, strlen(prefix)) != 0)
			break;
		if (after && strcmp(key, after) <= 0)
			continue;
		if (count == NULL_S3_PAGE) {
			more = true;
			break;
		}
		slash = delimiter && *delimiter
				? strchr(key + strlen(prefix), '/')
				: NULL;
		if (add_item(&out->body, all[i], key, slash, last_prefix))
			count++;
		last_prefix = key;
	}
	if (more) {
		buf_add_text(&out->body, "<NextContinuationToken>");
		add_escaped(&out->body, last_prefix);
		buf_add_text(&out->body, "</NextContinuationToken>");
	}
	buf_printf(&out->body,
		   "<IsTruncated>%s</IsTruncated></ListBucketResult>",
		   more ? "true" : "false");
}

static void
list_uploads(struct null_s3 *s, const struct null_s3_request *r,
	     struct null_s3_reply *out)
{
	const char *prefix = null_s3_param(r, "prefix");
	size_t bucket = strlen(r->bucket) + 1;
	struct upload *u, *next;

	prefix = prefix ? prefix : "";
	buf_add_text(&out->body, "<ListMultipartUploadsResult>");
	HASH_ITER (hh, s->uploads, u, next) {
		const char *key = u->object.key + bucket;

		if (strncmp(key, prefix, strlen(prefix)) != 0)
			continue;
		buf_add_text(&out->body, "<Upload><Key>");
		add_escaped(&out->body, key);
		buf_printf(&out->body, "</Key><UploadId>%s</UploadId>", u->id);
		add_time(&out->body, "Initiated", u->object.modified);
		buf_add_text(&out->body, "</Upload>");
	}
	buf_add_text(&out->body, "</ListMultipartUploadsResult>");
}

static void
nothing(struct null_s3 *s, const struct null_s3_request *r,
	struct null_s3_reply *out)
{
	(void)s;
	(void)r;
	(void)out;
}

null_s3_fn *
null_s3_bucket_call(const struct null_s3_request *r)
{
	if (strcmp(r->method, "GET") != 0)
		return nothing; /* HEAD and PUT of a bucket */
	if (null_s3_param(r, "uploads"))
		return list_uploads;
	return list_objects;
}
