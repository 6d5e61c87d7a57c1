/* SPDX-License-Identifier: Apache-2.0 */
/* Multipart uploads without their bytes. */
#include "tests/fake/null_s3.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define PARTS_MAX 10000

void
null_s3_drop_upload(struct null_s3 *s, struct upload *u)
{
	HASH_DEL(s->uploads, u);
	null_s3_drop(&u->object);
	free(u->parts);
	free(u);
}

void
null_s3_begin(struct null_s3 *s, const struct null_s3_request *r,
	      struct null_s3_reply *out)
{
	struct upload *u = mem_alloc(sizeof(*u));

	id_new(u->id);
	u->object = null_s3_describe(r);
	u->object.modified = time(NULL);
	HASH_ADD_STR(s->uploads, id, u);
	buf_printf(&out->body,
		   "<InitiateMultipartUploadResult><UploadId>%s</UploadId>"
		   "</InitiateMultipartUploadResult>",
		   u->id);
}

static struct upload *
find_upload(struct null_s3 *s, const struct null_s3_request *r,
	    struct null_s3_reply *out)
{
	const char *id = null_s3_param(r, "uploadId");
	char *key = null_s3_full_key(r);
	struct upload *u;

	HASH_FIND_STR(s->uploads, id, u);
	if (u && strcmp(u->object.key, key) != 0)
		u = NULL;
	if (!u)
		null_s3_fail(out, 404, "NoSuchUpload");
	free(key);
	return u;
}

static struct part *
part_at(struct upload *u, uint32_t no)
{
	uint32_t room = u->room ? u->room : 16;

	while (room < no)
		room *= 2;
	if (room > u->room) {
		u->parts = mem_resize(u->parts, room * sizeof(u->parts[0]));
		memset(u->parts + u->room, 0,
		       (room - u->room) * sizeof(u->parts[0]));
		u->room = room;
	}
	if (u->last < no)
		u->last = no;
	return &u->parts[no - 1];
}

static void
put_part(struct null_s3 *s, const struct null_s3_request *r,
	 struct null_s3_reply *out)
{
	struct upload *u = find_upload(s, r, out);
	unsigned long no = strtoul(null_s3_param(r, "partNumber"), NULL, 10);
	struct object *from = NULL;
	uint64_t first, last, size = r->length;
	struct part *p;

	s->parts++;
	if (!u)
		return;
	if (no < 1 || no > PARTS_MAX || !null_s3_digests_match(r)) {
		null_s3_fail(out, 400,
			     no < 1 || no > PARTS_MAX ? "InvalidArgument"
						      : "BadDigest");
		return;
	}
	if (r->copy_source) {
		from = null_s3_source(s, r, out);
		if (!from)
			return;
		size = from->size;
		if (r->copy_range &&
		    null_s3_cut_range(r->copy_range, size, &first, &last))
			size = last - first + 1;
	}
	p = part_at(u, (uint32_t)no);
	p->size = size;
	null_s3_new_etag(s, p->etag);
	if (from)
		buf_printf(&out->body,
			   "<CopyPartResult><ETag>\"%s\"</ETag>"
			   "</CopyPartResult>",
			   p->etag);
	else
		null_s3_add_etag(out, p->etag);
}

static void
list_parts(struct null_s3 *s, const struct null_s3_request *r,
	   struct null_s3_reply *out)
{
	struct upload *u = find_upload(s, r, out);
	const char *marker = null_s3_param(r, "part-number-marker");
	uint32_t i = marker ? (uint32_t)strtoul(marker, NULL, 10) : 0, n = 0;

	if (!u)
		return;
	buf_add_text(&out->body, "<ListPartsResult>");
	for (; i < u->last && n < NULL_S3_PAGE; i++) {
		if (!u->parts[i].etag[0])
			continue;
		buf_printf(&out->body,
			   "<Part><PartNumber>%u</PartNumber>"
			   "<ETag>\"%s\"</ETag><Size>%llu</Size></Part>",
			   i + 1, u->parts[i].etag,
			   (unsigned long long)u->parts[i].size);
		n++;
	}
	buf_printf(&out->body,
		   "<IsTruncated>%s</IsTruncated><NextPartNumberMarker>%u"
		   "</NextPartNumberMarker></ListPartsResult>",
		   i < u->last ? "true" : "false", i);
}

/* The text of <name>…</name> in [at, end), whatever stands around it. */
static bool
element(const char *at, const char *end, const char *name, char *out,
	size_t size)
{
	const char *p = strstr(at, name), *stop;

	if (!p || p >= end)
		return false;
	p += strlen(name);
	stop = strchr(p, '<');
	if (!stop || (size_t)(stop - p) >= size)
		return false;
	memcpy(out, p, (size_t)(stop - p));
	out[stop - p] = '\0';
	return true;
}

/* Adds the parts named in the body up; false when one is not there. */
static bool
sum_parts(struct upload *u, const char *xml, uint64_t *size)
{
	char no_text[16], etag[NULL_S3_ETAG + 16];
	const char *at, *end;
	unsigned long no;

	*size = 0;
	/* Clients write the two elements in either order, quotes as they
	 * like. */
	for (at = strstr(xml, "<Part>"); at; at = strstr(end, "<Part>")) {
		end = strstr(at, "</Part>");
		if (!end || !element(at, end, "<PartNumber>", no_text, 16) ||
		    !element(at, end, "<ETag>", etag, sizeof(etag)))
			return false;
		no = strtoul(no_text, NULL, 10);
		if (no < 1 || no > u->last || !u->parts[no - 1].etag[0] ||
		    !strstr(etag, u->parts[no - 1].etag))
			return false;
		*size += u->parts[no - 1].size;
	}
	return true;
}

static void
complete(struct null_s3 *s, const struct null_s3_request *r,
	 struct null_s3_reply *out)
{
	struct upload *u = find_upload(s, r, out);
	struct object o;
	uint64_t size;
	char *xml;
	bool ok;

	if (!u)
		return;
	xml = mem_strndup((const char *)r->body, r->body ? r->length : 0);
	ok = sum_parts(u, xml, &size);
	free(xml);
	if (!ok) {
		null_s3_fail(out, 400, "InvalidPart");
		return;
	}
	o = u->object;
	memset(&u->object, 0, sizeof(u->object));
	null_s3_drop_upload(s, u);
	o.size = size;
	null_s3_new_etag(s, o.etag);
	null_s3_store(s, o);
	buf_printf(&out->body,
		   "<CompleteMultipartUploadResult><ETag>\"%s\"</ETag>"
		   "</CompleteMultipartUploadResult>",
		   o.etag);
}

static void
abort_upload(struct null_s3 *s, const struct null_s3_request *r,
	     struct null_s3_reply *out)
{
	struct upload *u = find_upload(s, r, out);

	if (!u)
		return;
	null_s3_drop_upload(s, u);
	out->status = 204;
}

null_s3_fn *
null_s3_upload_call(const struct null_s3_request *r)
{
	if (strcmp(r->method, "PUT") == 0)
		return null_s3_param(r, "partNumber") ? put_part : NULL;
	if (strcmp(r->method, "POST") == 0)
		return complete;
	if (strcmp(r->method, "GET") == 0)
		return list_parts;
	return strcmp(r->method, "DELETE") == 0 ? abort_upload : NULL;
}
