/* SPDX-License-Identifier: Apache-2.0 */
/* Walks an XML answer within the ceilings of s3_xml.h; for s3_xml*.c only. */
#ifndef BRIDGE_S3_XML_READER_H
#define BRIDGE_S3_XML_READER_H

#include "bridge/s3_xml.h"

/*
 * Called at the end of each element below the root with its path, as in
 * "Part/ETag", and the text behind its last child. False refuses the answer.
 */
typedef bool s3_xml_value_fn(void *arg, const char *path, const char *text);

/* root is the wanted root element; an <Error> fills e instead. */
enum s3_xml s3_xml_read(const void *xml, size_t n, const char *root,
			s3_xml_value_fn *fn, void *arg, struct s3_error *e);

bool s3_xml_number(const char *text, uint64_t max, uint64_t *out);
bool s3_xml_bool(const char *text); /* "true" */

#endif
