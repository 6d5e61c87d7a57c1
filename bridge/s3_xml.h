/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the XML answers of S3 (Amazon S3 API Reference, version 2006-03-01).
 * Pure: bytes in, a struct or "not what it should be" out. An answer has at
 * most S3_XML_DEPTH levels, S3_XML_TEXT bytes in one element and a page of
 * entries; a document type declaration is refused.
 */
#ifndef BRIDGE_S3_XML_H
#define BRIDGE_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/store.h"

#define S3_XML_DEPTH 12
#define S3_XML_TEXT 4096
#define S3_PAGE_MAX 1000 /* entries of one kind in one answer */

enum s3_xml {
	S3_XML_OK,
	S3_XML_ERROR, /* well-formed, but an <Error>: see struct s3_error */
	S3_XML_BAD    /* malformed, beyond a ceiling, or another answer */
};

struct s3_error {
	char code[64]; /* "" when there is none */
	char message[160];
};

/* The body of a refusal. Anything but an <Error> leaves e empty. */
void s3_xml_error(const void *xml, size_t n, struct s3_error *e);

/* InitiateMultipartUploadResult. */
enum s3_xml s3_xml_initiate(const void *xml, size_t n, struct s3_error *e,
			    char id[STORE_BACKEND_ID_MAX + 1]);

/*
 * CompleteMultipartUploadResult, CopyObjectResult, CopyPartResult: `root` says
 * which. White space may stand before the declaration, as S3 sends it to keep
 * a connection alive.
 */
struct s3_made {
	char etag[STORE_ETAG_MAX + 1];
	char sum[STORE_SUM_MAX + 1]; /* ChecksumCRC32C, "" when not given */
	bool blank; /* the ETag is there, and empty: Ceph's after Complete */
};
#define S3_COMPLETED "CompleteMultipartUploadResult"
enum s3_xml s3_xml_made(const void *xml, size_t n, const char *root,
			struct s3_error *e, struct s3_made *out);

/* A page of ListParts. part.off is not known here. */
struct s3_parts {
	struct store_part *parts;
	size_t n;
	bool truncated;
	uint32_t next; /* part-number-marker of the next page */
};
enum s3_xml s3_xml_parts(const void *xml, size_t n, struct s3_error *e,
			 struct s3_parts *out);
void s3_parts_free(struct s3_parts *p);

/* A page of ListMultipartUploads, keys decoded. */
struct s3_upload {
	char *key, *id;
	int64_t initiated; /* Unix ms, 0 when not given */
};
struct s3_uploads {
	struct s3_upload *uploads;
	size_t n;
	bool truncated;
	char *next_key, *next_id;
};
enum s3_xml s3_xml_uploads(const void *xml, size_t n, struct s3_error *e,
			   struct s3_uploads *out);
void s3_uploads_free(struct s3_uploads *u);

/* A page of ListObjectsV2: objects and common prefixes, keys decoded. */
struct s3_item {
	char *key;
	bool is_prefix;
	uint64_t size;
	int64_t mtime; /* Unix seconds */
	char etag[STORE_ETAG_MAX + 1];
};
struct s3_items {
	struct s3_item *items;
	size_t n;
	bool truncated;
	char *next; /* continuation-token of the next page */
};
enum s3_xml s3_xml_items(const void *xml, size_t n, struct s3_error *e,
			 struct s3_items *out);
void s3_items_free(struct s3_items *i);

#endif
