/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/sigv4.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "lib/id.h"
#include "lib/mem.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DIGEST_LEN 32
#define DAY_LEN 8 /* "20130524" */
#define CANONICAL_MAX (64u << 10)
#define TO_SIGN_MAX 512u

struct sigv4 {
	char *access_key, *secret_key, *region;
	char day[DAY_LEN + 1]; /* the day that `key` is for */
	unsigned char key[DIGEST_LEN];
};

struct sigv4 *
sigv4_new(const char *access_key, const char *secret_key, const char *region)
{
	struct sigv4 *s = mem_alloc(sizeof(*s));

	s->access_key = mem_strdup(access_key);
	s->secret_key = mem_strdup(secret_key);
	s->region = mem_strdup(region);
	return s;
}

void
sigv4_free(struct sigv4 *s)
{
	if (!s)
		return;
	free(s->access_key);
	mem_wipe_free(s->secret_key);
	free(s->region);
	mem_wipe(s, sizeof(*s));
	free(s);
}

static void
hmac(const void *key, size_t key_len, const char *text,
     unsigned char out[DIGEST_LEN])
{
	unsigned char *done =
		HMAC(EVP_sha256(), key, (int)key_len,
		     (const unsigned char *)text, strlen(text), out, NULL);

	if (!done)
		abort();
}

static void
sha256_hex(const void *data, size_t n, char out[2 * DIGEST_LEN + 1])
{
	unsigned char digest[DIGEST_LEN];

	if (!EVP_Digest(data, n, digest, NULL, EVP_sha256(), NULL))
		abort();
	hex_encode(digest, sizeof(digest), out);
}

void
sigv4_key(const char *secret_key, const char *day, const char *region,
	  const char *service, unsigned char out[DIGEST_LEN])
{
	char *first = mem_printf("AWS4%s", secret_key);

	hmac(first, strlen(first), day, out);
	hmac(out, DIGEST_LEN, region, out);
	hmac(out, DIGEST_LEN, service, out);
	hmac(out, DIGEST_LEN, "aws4_request", out);
	mem_wipe_free(first);
}

/* The signing key depends on the day only, so it is derived once a day. */
static void
derive_key(struct sigv4 *s, const char *day)
{
	if (memcmp(s->day, day, DAY_LEN) == 0)
		return;
	memcpy(s->day, day, DAY_LEN);
	s->day[DAY_LEN] = '\0';
	sigv4_key(s->secret_key, s->day, s->region, "s3", s->key);
}

static int
by_name(const void *a, const void *b)
{
	const struct sigv4_header *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* A header's value without space around it and with single spaces inside. */
static void
add_trimmed(struct buf *out, const char *v)
{
	bool gap = false;

	v += strspn(v, " \t");
	for (; *v; v++) {
		if (*v == ' ' || *v == '\t') {
			gap = true;
			continue;
		}
		if (gap)
			buf_add_u8(out, ' ');
		gap = false;
		buf_add_u8(out, (uint8_t)*v);
	}
}

static void
add_names(struct buf *out, const struct sigv4_header *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_u8(out, ';');
		buf_add_text(out, h[i].name);
	}
}

static void
canonical(const struct sigv4_request *r, const struct sigv4_header *h,
	  char hex[2 * DIGEST_LEN + 1])
{
	struct buf b;

	buf_init(&b, CANONICAL_MAX);
	buf_printf(&b, "%s\n%s\n%s\n", r->method, r->path, r->query);
	for (size_t i = 0; i < r->nheaders; i++) {
		buf_printf(&b, "%s:", h[i].name);
		add_trimmed(&b, h[i].value);
		buf_add_u8(&b, '\n');
	}
	buf_add_u8(&b, '\n');
	add_names(&b, h, r->nheaders);
	buf_printf(&b, "\n%s", r->payload);
	sha256_hex(buf_data(&b), buf_len(&b), hex);
	buf_free(&b);
}

/* The signature of a request whose headers are h, sorted. */
static void
signature(struct sigv4 *s, const struct sigv4_request *r,
	  const struct sigv4_header *h, char hex[2 * DIGEST_LEN + 1])
{
	unsigned char mac[DIGEST_LEN];
	struct buf b;

	derive_key(s, r->date);
	canonical(r, h, hex);
	buf_init(&b, TO_SIGN_MAX);
	buf_printf(&b, ALGORITHM "\n%s\n%s/%s/s3/aws4_request\n%s", r->date,
		   s->day, s->region, hex);
	hmac(s->key, sizeof(s->key), buf_cstr(&b), mac);
	buf_free(&b);
	hex_encode(mac, sizeof(mac), hex);
}

void
sigv4_sign(struct sigv4 *s, const struct sigv4_request *r, struct buf *out)
{
	struct sigv4_header sorted[SIGV4_HEADERS_MAX];
	char hex[2 * DIGEST_LEN + 1];

	assert(r->nheaders <= SIGV4_HEADERS_MAX);
	for (size_t i = 0; i < r->nheaders; i++)
		sorted[i] = r->headers[i];
	qsort(sorted, r->nheaders, sizeof(sorted[0]), by_name);
	signature(s, r, sorted, hex);
	buf_printf(out,
		   ALGORITHM " Credential=%s/%s/%s/s3/aws4_request,"
			     "SignedHeaders=",
		   s->access_key, s->day, s->region);
	add_names(out, sorted, r->nheaders);
	buf_printf(out, ",Signature=%s", hex);
}

void
sigv4_presign(struct sigv4 *s, const struct sigv4_request *r,
	      const char *session_token, unsigned seconds, struct buf *out)
{
	struct sigv4_request all = *r;
	char hex[2 * DIGEST_LEN + 1];
	struct buf query;

	derive_key(s, r->date);
	buf_init(&query, CANONICAL_MAX);
	buf_add_text(&query, "X-Amz-Algorithm=" ALGORITHM "&X-Amz-Credential=");
	sigv4_encode(&query, s->access_key, false);
	buf_printf(&query,
		   "%%2F%s%%2F%s%%2Fs3%%2Faws4_request"
		   "&X-Amz-Date=%s&X-Amz-Expires=%u",
		   s->day, s->region, r->date, seconds);
	if (session_token) {
		buf_add_text(&query, "&X-Amz-Security-Token=");
		sigv4_encode(&query, session_token, false);
	}
	buf_add_text(&query, "&X-Amz-SignedHeaders=host");
	all.query = buf_cstr(&query);
	all.payload = "UNSIGNED-PAYLOAD";
	signature(s, &all, r->headers, hex);
	buf_printf(out, "%s&X-Amz-Signature=%s", all.query, hex);
	buf_free(&query);
}

void
sigv4_date(time_t t, char out[SIGV4_DATE_LEN + 1])
{
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, SIGV4_DATE_LEN + 1, "%Y%m%dT%H%M%SZ", &tm);
}

static bool
unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

void
sigv4_encode(struct buf *out, const char *s, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (unreserved(c) || (c == '/' && keep_slash)) {
			buf_add_u8(out, c);
			continue;
		}
		buf_add_u8(out, '%');
		buf_add_u8(out, (uint8_t)digits[c >> 4]);
		buf_add_u8(out, (uint8_t)digits[c & 15]);
	}
}
