/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers of an S3 server. The first byte chooses what is expected, the
 * rest is the answer.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/s3_xml.h"

static struct s3_error error;

static void
try_parts(const uint8_t *data, size_t n)
{
	struct s3_parts p;

	if (s3_xml_parts(data, n, &error, &p) != S3_XML_OK)
		return;
	if (p.n > S3_PAGE_MAX)
		abort();
	for (size_t i = 0; i < p.n; i++) {
		if (p.parts[i].no == 0)
			abort();
	}
	s3_parts_free(&p);
}

static void
try_uploads(const uint8_t *data, size_t n)
{
	struct s3_uploads u;

	if (s3_xml_uploads(data, n, &error, &u) != S3_XML_OK)
		return;
	for (size_t i = 0; i < u.n; i++) {
		if (!u.uploads[i].key || !u.uploads[i].id)
			abort();
	}
	s3_uploads_free(&u);
}

static void
try_items(const uint8_t *data, size_t n)
{
	struct s3_items l;

	if (s3_xml_items(data, n, &error, &l) != S3_XML_OK)
		return;
	for (size_t i = 0; i < l.n; i++) {
		if (!l.items[i].key)
			abort();
	}
	s3_items_free(&l);
}

static void
try_made(const uint8_t *data, size_t n)
{
	char id[STORE_BACKEND_ID_MAX + 1];
	struct s3_made made;

	if (s3_xml_made(data, n, "CompleteMultipartUploadResult", &error,
			&made) == S3_XML_OK &&
	    !made.etag[0])
		abort();
	if (s3_xml_initiate(data, n, &error, id) == S3_XML_OK && !id[0])
		abort();
	s3_xml_error(data, n, &error);
	if (strlen(error.code) >= sizeof(error.code))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	switch (data[0]) {
	case 'p':
		try_parts(data + 1, n - 1);
		break;
	case 'u':
		try_uploads(data + 1, n - 1);
		break;
	case 'l':
		try_items(data + 1, n - 1);
		break;
	default:
		try_made(data + 1, n - 1);
		break;
	}
	return 0;
}
