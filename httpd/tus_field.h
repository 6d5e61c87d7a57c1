/* SPDX-License-Identifier: Apache-2.0 */
/* The header fields of tus 1.0.0 that have a form of their own. Pure. */
#ifndef HTTPD_TUS_FIELD_H
#define HTTPD_TUS_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#define TUS_DIGEST_MAX 32 /* bytes */

/*
 * Upload-Metadata: "key base64, key2, ...": the value of key, decoded, without
 * NUL, shorter than size. False: it is not there, or not such a text.
 */
bool tus_metadata(const char *field, const char *key, char *out, size_t size);
/* Whether all of it is well-formed. */
bool tus_metadata_valid(const char *field);

enum tus_algorithm { TUS_NONE, TUS_SHA1, TUS_SHA256, TUS_CRC32C };

struct tus_checksum {
	enum tus_algorithm algorithm;
	size_t len;
	unsigned char digest[TUS_DIGEST_MAX];
};

/* Upload-Checksum: "sha1 base64". False: not one that is offered. */
bool tus_checksum(const char *field, struct tus_checksum *out);

#endif
