/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/s3_xml.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/s3_xml_reader.h"
#include "bridge/store_ops.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mem.h"

/* A page grows by doubling and never beyond S3_PAGE_MAX entries. */
static bool
grow(void **array, size_t n, size_t size)
{
	if (n >= S3_PAGE_MAX)
		return false;
	if ((n & (n - 1)) == 0) {
		*array = mem_resize(*array, 2 * (n ? n : 1) * size);
		memset((char *)*array + n * size, 0,
		       (2 * (n ? n : 1) - n) * size);
	}
	return true;
}

static void
set(char **dst, const char *text)
{
	free(*dst);
	*dst = mem_strdup(text);
}

/*
 * Decodes %XX and '+' in place, as encoding-type=url writes keys. A NUL, which
 * no key of ours can have, stays as it is written.
 */
static void
decode_key(char *s)
{
	char *out = s, c;

	if (!s)
		return;
	for (; *s; s++) {
		c = *s == '+' ? ' ' : *s;
		if (*s == '%' && s[1] && hex_decode(s + 1, 2, &c) == 0 && c)
			s += 2;
		else if (*s == '%')
			c = '%';
		*out++ = c;
	}
	*out = '\0';
}

/* ListParts. */

struct parts_reader {
	struct s3_parts *out;
	struct store_part part;
};

static bool
end_part(struct parts_reader *r)
{
	struct s3_parts *p = r->out;

	if (r->part.no == 0 ||
	    !grow((void **)&p->parts, p->n, sizeof(p->parts[0])))
		return false;
	p->parts[p->n++] = r->part;
	memset(&r->part, 0, sizeof(r->part));
	return true;
}

static bool
parts_value(void *arg, const char *path, const char *text)
{
	struct parts_reader *r = arg;
	uint64_t n = 0;

	if (strcmp(path, "Part") == 0)
		return end_part(r);
	if (strcmp(path, "Part/PartNumber") == 0) {
		if (!s3_xml_number(text, UINT32_MAX, &n))
			return false;
		r->part.no = (uint32_t)n;
	} else if (strcmp(path, "Part/Size") == 0) {
		return s3_xml_number(text, INT64_MAX, &r->part.len);
	} else if (strcmp(path, "Part/ETag") == 0) {
		return store_etag(text, r->part.etag);
	} else if (strcmp(path, "Part/ChecksumCRC32C") == 0) {
		str_copy(r->part.sum, sizeof(r->part.sum), text);
	} else if (strcmp(path, "IsTruncated") == 0) {
		r->out->truncated = s3_xml_bool(text);
	} else if (strcmp(path, "NextPartNumberMarker") == 0) {
		if (s3_xml_number(text, UINT32_MAX, &n))
			r->out->next = (uint32_t)n;
	}
	return true;
}

enum s3_xml
s3_xml_parts(const void *xml, size_t n, struct s3_error *e,
	     struct s3_parts *out)
{
	struct parts_reader r = { .out = out };
	enum s3_xml res;

	memset(out, 0, sizeof(*out));
	res = s3_xml_read(xml, n, "ListPartsResult", parts_value, &r, e);
	if (res != S3_XML_OK)
		s3_parts_free(out);
	return res;
}

void
s3_parts_free(struct s3_parts *p)
{
	free(p->parts);
	memset(p, 0, sizeof(*p));
}

/* ListMultipartUploads. */

struct uploads_reader {
	struct s3_uploads *out;
	struct s3_upload upload;
	bool encoded;
};

static bool
end_upload(struct uploads_reader *r)
{
	struct s3_uploads *u = r->out;

	if (!r->upload.key || !r->upload.id ||
	    !grow((void **)&u->uploads, u->n, sizeof(u->uploads[0])))
		return false;
	u->uploads[u->n++] = r->upload;
	memset(&r->upload, 0, sizeof(r->upload));
	return true;
}

static void
set_initiated(struct s3_upload *u, const char *text)
{
	unsigned ms;
	int64_t seconds = clock_parse_rfc3339(text, &ms);

	u->initiated = seconds * 1000 + ms;
}

static bool
uploads_value(void *arg, const char *path, const char *text)
{
	struct uploads_reader *r = arg;

	if (strcmp(path, "Upload") == 0)
		return end_upload(r);
	if (strcmp(path, "Upload/Key") == 0)
		set(&r->upload.key, text);
	else if (strcmp(path, "Upload/UploadId") == 0)
		set(&r->upload.id, text);
	else if (strcmp(path, "Upload/Initiated") == 0)
		set_initiated(&r->upload, text);
	else if (strcmp(path, "IsTruncated") == 0)
		r->out->truncated = s3_xml_bool(text);
	else if (strcmp(path, "NextKeyMarker") == 0)
		set(&r->out->next_key, text);
	else if (strcmp(path, "NextUploadIdMarker") == 0)
		set(&r->out->next_id, text);
	else if (strcmp(path, "EncodingType") == 0)
		r->encoded = strcmp(text, "url") == 0;
	return true;
}

enum s3_xml
s3_xml_uploads(const void *xml, size_t n, struct s3_error *e,
	       struct s3_uploads *out)
{
	struct uploads_reader r = { .out = out };
	enum s3_xml res;

	memset(out, 0, sizeof(*out));
	res = s3_xml_read(xml, n, "ListMultipartUploadsResult", uploads_value,
			  &r, e);
	free(r.upload.key);
	free(r.upload.id);
	if (res != S3_XML_OK) {
		s3_uploads_free(out);
		return res;
	}
	if (r.encoded) {
		for (size_t i = 0; i < out->n; i++)
			decode_key(out->uploads[i].key);
		decode_key(out->next_key);
	}
	return res;
}

void
s3_uploads_free(struct s3_uploads *u)
{
	for (size_t i = 0; i < u->n; i++) {
		free(u->uploads[i].key);
		free(u->uploads[i].id);
	}
	free(u->uploads);
	free(u->next_key);
	free(u->next_id);
	memset(u, 0, sizeof(*u));
}

/* ListObjectsV2. */

struct items_reader {
	struct s3_items *out;
	struct s3_item item;
	bool encoded;
};

static bool
end_item(struct items_reader *r, bool is_prefix)
{
	struct s3_items *l = r->out;

	if (!r->item.key ||
	    !grow((void **)&l->items, l->n, sizeof(l->items[0])))
		return false;
	r->item.is_prefix = is_prefix;
	l->items[l->n++] = r->item;
	memset(&r->item, 0, sizeof(r->item));
	return true;
}

static bool
contents_value(struct s3_item *item, const char *name, const char *text)
{
	if (strcmp(name, "Key") == 0)
		set(&item->key, text);
	else if (strcmp(name, "Size") == 0)
		return s3_xml_number(text, INT64_MAX, &item->size);
	else if (strcmp(name, "ETag") == 0)
		store_etag(text, item->etag);
	else if (strcmp(name, "LastModified") == 0)
		item->mtime = clock_parse_rfc3339(text, NULL);
	return true;
}

static bool
items_value(void *arg, const char *path, const char *text)
{
	struct items_reader *r = arg;

	if (strncmp(path, "Contents/", 9) == 0)
		return contents_value(&r->item, path + 9, text);
	if (strcmp(path, "Contents") == 0)
		return end_item(r, false);
	if (strcmp(path, "CommonPrefixes") == 0)
		return end_item(r, true);
	if (strcmp(path, "CommonPrefixes/Prefix") == 0)
		set(&r->item.key, text);
	else if (strcmp(path, "IsTruncated") == 0)
		r->out->truncated = s3_xml_bool(text);
	else if (strcmp(path, "NextContinuationToken") == 0)
		set(&r->out->next, text);
	else if (strcmp(path, "EncodingType") == 0)
		r->encoded = strcmp(text, "url") == 0;
	return true;
}

enum s3_xml
s3_xml_items(const void *xml, size_t n, struct s3_error *e,
	     struct s3_items *out)
{
	struct items_reader r = { .out = out };
	enum s3_xml res;

	memset(out, 0, sizeof(*out));
	res = s3_xml_read(xml, n, "ListBucketResult", items_value, &r, e);
	free(r.item.key);
	if (res != S3_XML_OK) {
		s3_items_free(out);
		return res;
	}
	for (size_t i = 0; r.encoded && i < out->n; i++)
		decode_key(out->items[i].key);
	return res;
}

void
s3_items_free(struct s3_items *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i].key);
	free(l->items);
	free(l->next);
	memset(l, 0, sizeof(*l));
}
