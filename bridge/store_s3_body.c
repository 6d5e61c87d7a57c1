/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies, their digests, and the metadata that goes with an object. */
#include "bridge/store_s3.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/id.h"
#include "lib/mem.h"

#define MD5_HEX 32

/* Whether bodies are signed with their SHA-256. */
static bool
signs_payload(const struct s3 *s)
{
	if (s->payload != S3_PAYLOAD_AUTO)
		return s->payload == S3_PAYLOAD_SIGNED;
	return !(s->https && s->store->caps.known &&
		 s->store->caps.checks_crc32c);
}

bool
s3_sends_crc(const struct s3 *s)
{
	return s->store->caps.known && s->store->caps.checks_crc32c;
}

unsigned
s3_needs(const struct store *store)
{
	const struct s3 *s = store->driver;
	const struct store_caps *caps = &store->caps;
	bool with_sha256 = signs_payload(s);
	unsigned needs = with_sha256 ? STORE_NEED_SHA256 : 0;
	bool checked = s3_sends_crc(s) ||
		       (with_sha256 && (!caps->known || caps->checks_sha256));

	return checked ? needs : needs | STORE_NEED_MD5;
}

static void
digest(const EVP_MD *md, const void *data, size_t n, unsigned char *out)
{
	if (!EVP_Digest(data, n, out, NULL, md, NULL))
		abort();
}

/* A body in memory is small, so its missing digests are made here. */
static void
fill_digests(struct store_body *b, unsigned needs)
{
	const void *data = b->data ? b->data : "";

	if ((needs & STORE_NEED_SHA256) && !b->has_sha256) {
		digest(EVP_sha256(), data, b->len, b->sha256);
		b->has_sha256 = true;
	}
	if ((needs & STORE_NEED_MD5) && !b->has_md5) {
		digest(EVP_md5(), data, b->len, b->md5);
		b->has_md5 = true;
	}
}

void
s3_crc_text(uint32_t crc, char out[S3_CRC_LEN])
{
	unsigned char be[4] = { (unsigned char)(crc >> 24),
				(unsigned char)(crc >> 16),
				(unsigned char)(crc >> 8), (unsigned char)crc };

	base64_encode(be, sizeof(be), out);
}

void
s3_body_object(struct s3_job *j, const struct store_body *b)
{
	unsigned needs = s3_needs(j->s3->store);
	char text[2 * 16 + 1];

	j->has_body = true;
	j->body = *b;
	if (b->data || b->len == 0)
		fill_digests(&j->body, needs);
	if (signs_payload(j->s3))
		hex_encode(j->body.sha256, sizeof(j->body.sha256), j->payload);
	else
		str_copy(j->payload, sizeof(j->payload), S3_UNSIGNED);
	if (s3_sends_crc(j->s3) && !j->no_crc) {
		s3_crc_text(b->crc32c, text);
		s3_header(j, "x-amz-checksum-crc32c", "%s", text);
	}
	if (j->body.has_md5) {
		base64_encode(j->body.md5, sizeof(j->body.md5), text);
		s3_header(j, "content-md5", "%s", text);
	}
}

void
s3_body_signed(struct s3_job *j, const void *data, size_t n)
{
	unsigned char sha256[32];

	j->has_body = true;
	j->body.data = data;
	j->body.len = n;
	digest(EVP_sha256(), data, n, sha256);
	hex_encode(sha256, sizeof(sha256), j->payload);
}

void
s3_body_text(struct s3_job *j)
{
	s3_body_signed(j, buf_data(&j->text), buf_len(&j->text));
	s3_header(j, "content-type", "application/xml");
}

void
s3_body_none(struct s3_job *j)
{
	j->has_body = true;
	j->body.data = "";
	j->body.len = 0;
}

void
s3_object_headers(struct s3_job *j, const struct store_meta *meta)
{
	const struct s3 *s = j->s3;

	s3_header(j, "content-type", "%s",
		  meta->content_type && *meta->content_type
			  ? meta->content_type
			  : "application/octet-stream");
	if (meta->sluice_id && *meta->sluice_id)
		s3_header(j, "x-amz-meta-sluice-id", "%s", meta->sluice_id);
	if (meta->mtime)
		s3_header(j, "x-amz-meta-mtime", "%lld",
			  (long long)meta->mtime);
	if (s->sse)
		s3_header(j, "x-amz-server-side-encryption", "%s", s->sse);
	if (s->sse_kms_key_id)
		s3_header(j, "x-amz-server-side-encryption-aws-kms-key-id",
			  "%s", s->sse_kms_key_id);
	if (s->storage_class)
		s3_header(j, "x-amz-storage-class", "%s", s->storage_class);
}

void
s3_source_headers(struct s3_job *j, const struct store_copy *c)
{
	struct buf b;

	buf_init(&b, (size_t)16 << 10);
	buf_printf(&b, "/%s/", j->s3->bucket);
	sigv4_encode(&b, j->s3->prefix, true);
	sigv4_encode(&b, c->from, true);
	s3_header(j, "x-amz-copy-source", "%s", buf_cstr(&b));
	buf_free(&b);
	if (c->from_etag)
		s3_header(j, "x-amz-copy-source-if-match", "\"%s\"",
			  c->from_etag);
}

static bool
looks_like_md5(const char *etag)
{
	return strlen(etag) == MD5_HEX &&
	       strspn(etag, "0123456789abcdefABCDEF") == MD5_HEX;
}

/* With a key of KMS the ETag is not the MD5 (API Reference, "Object"). */
const char *
s3_digest_fault(struct s3_job *j, const char *etag)
{
	const char *sum = http_reply_header(j->reply, "x-amz-checksum-crc32c");
	char text[MD5_HEX + 1];
	bool kms = j->s3->sse && strncmp(j->s3->sse, "aws:kms", 7) == 0;

	if (sum) {
		s3_crc_text(j->body.crc32c, text);
		if (strcmp(sum, text) != 0)
			return "the store holds bytes with another CRC-32C";
	}
	if (!j->body.has_md5 || kms || !looks_like_md5(etag))
		return NULL;
	hex_encode(j->body.md5, sizeof(j->body.md5), text);
	if (strcasecmp(etag, text) != 0)
		return "the store holds bytes with another MD5";
	return NULL;
}

void
s3_read_object(struct s3_job *j, struct store_object *out)
{
	const struct http_reply *r = j->reply;
	const char *etag = http_reply_header(r, "etag");
	const char *id = http_reply_header(r, "x-amz-meta-sluice-id");

	memset(out, 0, sizeof(*out));
	out->size = store_http_size(r);
	out->mtime = store_http_mtime(r, "x-amz-meta-mtime");
	if (etag)
		store_etag(etag, out->etag);
	if (id && id_valid(id))
		str_copy(out->sluice_id, sizeof(out->sluice_id), id);
}
