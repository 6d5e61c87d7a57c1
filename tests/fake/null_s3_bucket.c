/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/null_s3.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/crc32c.h"
#include "lib/id.h"
#include "lib/mem.h"

struct null_s3 *
null_s3_new(void)
{
	return mem_alloc(sizeof(struct null_s3));
}

void
null_s3_drop(struct object *o)
{
	free(o->key);
	free(o->type);
	free(o->sluice_id);
	free(o->mtime);
}

static void
unsort(struct null_s3 *s)
{
	free(s->sorted);
	s->sorted = NULL;
}

static void
object_free(struct null_s3 *s, struct object *o)
{
	unsort(s);
	HASH_DEL(s->objects, o);
	null_s3_drop(o);
	free(o);
}

void
null_s3_free(struct null_s3 *s)
{
	struct object *o, *o_next;
	struct upload *u, *u_next;

	HASH_ITER (hh, s->objects, o, o_next)
		object_free(s, o);
	HASH_ITER (hh, s->uploads, u, u_next)
		null_s3_drop_upload(s, u);
	unsort(s);
	free(s);
}

const char *
null_s3_param(const struct null_s3_request *r, const char *name)
{
	for (unsigned i = 0; i < r->nquery; i++) {
		if (strcmp(r->query[i].name, name) == 0)
			return r->query[i].value;
	}
	return NULL;
}

void
null_s3_fail(struct null_s3_reply *out, unsigned status, const char *code)
{
	out->status = status;
	buf_clear(&out->body);
	buf_printf(&out->body, "<Error><Code>%s</Code></Error>", code);
}

/* Not a digest, and it does not look like one: nobody checks it. */
void
null_s3_new_etag(struct null_s3 *s, char etag[NULL_S3_ETAG])
{
	etag[0] = '\0';
	str_printf(etag, NULL_S3_ETAG, "%016llx-null",
		   (unsigned long long)++s->etags);
}

char *
null_s3_full_key(const struct null_s3_request *r)
{
	return mem_printf("%s/%s", r->bucket, r->key);
}

static struct object *
find(struct null_s3 *s, const char *key)
{
	struct object *o;

	HASH_FIND_STR(s->objects, key, o);
	return o;
}

static struct object *
find_requested(struct null_s3 *s, const struct null_s3_request *r)
{
	char *key = null_s3_full_key(r);
	struct object *o = find(s, key);

	free(key);
	return o;
}

/* Takes the strings of o over and replaces what is there. */
struct object *
null_s3_store(struct null_s3 *s, struct object o)
{
	struct object *old = find(s, o.key), *made;

	if (old)
		object_free(s, old);
	unsort(s);
	made = mem_alloc(sizeof(*made));
	*made = o;
	made->modified = time(NULL);
	HASH_ADD_KEYPTR(hh, s->objects, made->key, strlen(made->key), made);
	return made;
}

void
null_s3_fill(struct null_s3 *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct object o = { .key = mem_printf("bench/many/%08u.dat",
						      i) };

		null_s3_new_etag(s, o.etag);
		null_s3_store(s, o);
	}
}

struct object
null_s3_describe(const struct null_s3_request *r)
{
	struct object o = { .key = null_s3_full_key(r),
			    .size = r->length,
			    .type = mem_strdup(r->type),
			    .sluice_id = mem_strdup(r->sluice_id),
			    .mtime = mem_strdup(r->mtime) };

	return o;
}

bool
null_s3_digests_match(const struct null_s3_request *r)
{
	unsigned char digest[32], be[4];
	char text[65];
	uint32_t crc;

	if (!r->body)
		return true;
	if (r->sha256 && strlen(r->sha256) == 64) {
		EVP_Digest(r->body, r->length, digest, NULL, EVP_sha256(),
			   NULL);
		hex_encode(digest, sizeof(digest), text);
		if (strcmp(text, r->sha256) != 0)
			return false;
	}
	if (!r->crc32c)
		return true;
	crc = crc32c(0, r->body, r->length);
	for (int i = 0; i < 4; i++)
		be[i] = (unsigned char)(crc >> (24 - 8 * i));
	base64_encode(be, sizeof(be), text);
	return strcmp(text, r->crc32c) == 0;
}

void
null_s3_add_etag(struct null_s3_reply *out, const char *etag)
{
	buf_printf(&out->headers, "ETag: \"%s\"\r\n", etag);
}

static void
put_object(struct null_s3 *s, const struct null_s3_request *r,
	   struct null_s3_reply *out)
{
	struct object o;

	s->puts++;
	if (!null_s3_digests_match(r)) {
		null_s3_fail(out, 400, "BadDigest");
		return;
	}
	if (r->if_none_match && find_requested(s, r)) {
		null_s3_fail(out, 412, "PreconditionFailed");
		return;
	}
	o = null_s3_describe(r);
	null_s3_new_etag(s, o.etag);
	null_s3_store(s, o);
	null_s3_add_etag(out, o.etag);
}

/* "/bucket/key", encoded; NULL when there is no such object. */
static struct object *
copy_source(struct null_s3 *s, const struct null_s3_request *r)
{
	char *path = mem_strdup(r->copy_source), *p = path, *w = path;
	struct object *o;

	for (; *p; p++, w++) {
		*w = *p;
		if (*p == '%' && hex_decode(p + 1, 2, w) == 0)
			p += 2;
	}
	*w = '\0';
	o = find(s, *path == '/' ? path + 1 : path);
	free(path);
	return o;
}

static bool
etag_is(const char *wanted, const char *etag)
{
	size_t n = strlen(etag);

	if (*wanted == '"')
		wanted++;
	return strncmp(wanted, etag, n) == 0 &&
	       (wanted[n] == '"' || wanted[n] == '\0');
}

struct object *
null_s3_source(struct null_s3 *s, const struct null_s3_request *r,
	       struct null_s3_reply *out)
{
	struct object *from = copy_source(s, r);

	if (!from)
		null_s3_fail(out, 404, "NoSuchKey");
	else if (r->copy_if_match && !etag_is(r->copy_if_match, from->etag)) {
		null_s3_fail(out, 412, "PreconditionFailed");
		from = NULL;
	}
	return from;
}

static void
copy_object(struct null_s3 *s, const struct null_s3_request *r,
	    struct null_s3_reply *out)
{
	struct object *from = null_s3_source(s, r, out), o;

	if (!from)
		return;
	o = null_s3_describe(r);
	o.size = from->size;
	null_s3_new_etag(s, o.etag);
	null_s3_store(s, o);
	buf_printf(&out->body,
		   "<CopyObjectResult><ETag>\"%s\"</ETag></CopyObjectResult>",
		   o.etag);
}

/* "bytes=a-b" cut at size; false when it lies behind the end. */
bool
null_s3_cut_range(const char *range, uint64_t size, uint64_t *first,
		  uint64_t *last)
{
	char *end;

	if (strncmp(range, "bytes=", 6) != 0)
		return false;
	*first = strtoull(range + 6, &end, 10);
	if (*end != '-')
		return false;
	*last = end[1] ? strtoull(end + 1, NULL, 10) : UINT64_MAX;
	if (*last >= size)
		*last = size - 1;
	return size > 0 && *first <= *last;
}

static void
add_object_headers(const struct object *o, struct null_s3_reply *out)
{
	char date[64];
	struct tm tm;

	gmtime_r(&o->modified, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	null_s3_add_etag(out, o->etag);
	buf_printf(&out->headers, "Last-Modified: %s\r\n", date);
	buf_printf(&out->headers, "Content-Type: %s\r\n",
		   o->type ? o->type : "application/octet-stream");
	if (o->sluice_id)
		buf_printf(&out->headers, "x-amz-meta-sluice-id: %s\r\n",
			   o->sluice_id);
	if (o->mtime)
		buf_printf(&out->headers, "x-amz-meta-mtime: %s\r\n", o->mtime);
}

static void
get_object(struct null_s3 *s, const struct null_s3_request *r,
	   struct null_s3_reply *out)
{
	struct object *o = find_requested(s, r);
	uint64_t first = 0, last;

	s->gets++;
	if (!o) {
		null_s3_fail(out, 404, "NoSuchKey");
		return;
	}
	if (r->if_match && !etag_is(r->if_match, o->etag)) {
		null_s3_fail(out, 412, "PreconditionFailed");
		return;
	}
	out->zeros = o->size;
	if (r->range) {
		if (!null_s3_cut_range(r->range, o->size, &first, &last)) {
			out->zeros = 0;
			null_s3_fail(out, 416, "InvalidRange");
			return;
		}
		out->status = 206;
		out->zeros = last - first + 1;
		buf_printf(&out->headers,
			   "Content-Range: bytes %llu-%llu/%llu\r\n",
			   (unsigned long long)first, (unsigned long long)last,
			   (unsigned long long)o->size);
	}
	add_object_headers(o, out);
}

static void
delete_object(struct null_s3 *s, const struct null_s3_request *r,
	      struct null_s3_reply *out)
{
	struct object *o = find_requested(s, r);

	if (o)
		object_free(s, o);
	out->status = 204;
}

/* GET /-/stats: what benchmarks and tests want to know. */
static void
stats(struct null_s3 *s, struct null_s3_reply *out)
{
	buf_printf(&out->body,
		   "{\"requests\": %llu, \"puts\": %llu, \"parts\": %llu, "
		   "\"gets\": %llu, \"bytes\": %llu, \"objects\": %u, "
		   "\"uploads\": %u}\n",
		   (unsigned long long)s->all, (unsigned long long)s->puts,
		   (unsigned long long)s->parts, (unsigned long long)s->gets,
		   (unsigned long long)s->bytes, HASH_COUNT(s->objects),
		   HASH_COUNT(s->uploads));
}

static null_s3_fn *
object_call(const struct null_s3_request *r)
{
	if (null_s3_param(r, "uploadId"))
		return null_s3_upload_call(r);
	if (strcmp(r->method, "PUT") == 0)
		return r->copy_source ? copy_object : put_object;
	if (strcmp(r->method, "POST") == 0)
		return null_s3_param(r, "uploads") ? null_s3_begin : NULL;
	if (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0)
		return get_object;
	return strcmp(r->method, "DELETE") == 0 ? delete_object : NULL;
}

bool
null_s3_wants_body(const struct null_s3_request *r)
{
	if (strcmp(r->method, "POST") == 0)
		return r->length <= NULL_S3_KEPT_BODY;
	return r->length <= NULL_S3_CHECKED_BODY;
}

void
null_s3_serve(struct null_s3 *s, const struct null_s3_request *r,
	      struct null_s3_reply *out)
{
	null_s3_fn *fn = *r->key ? object_call(r) : null_s3_bucket_call(r);

	s->all++;
	s->bytes += r->length;
	out->status = 200;
	if (strcmp(r->bucket, "-") == 0)
		stats(s, out);
	else if (fn)
		fn(s, r, out);
	else
		null_s3_fail(out, 501, "NotImplemented");
}
