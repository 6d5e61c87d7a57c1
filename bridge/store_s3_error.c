/* SPDX-License-Identifier: Apache-2.0 */
/* What a reply of an S3 server means for the caller. */
#include "bridge/store_s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/*
 * Amazon S3 API Reference, "Error responses"; some of other servers. Without
 * its bucket a store has lost nothing that an operator cannot bring back, so
 * that must not look as if an object were gone.
 */
static const struct {
	const char *code;
	struct store_meaning m;
} codes[] = {
	{ "NoSuchBucket", { ERR_IO, "no such bucket" } },
	{ "NoSuchKey", { ERR_NOT_FOUND, "no such object" } },
	{ "NoSuchUpload", { ERR_NOT_FOUND, "no such multipart upload" } },
	{ "BadDigest", { ERR_CORRUPT, "the store saw another digest" } },
	{ "InvalidDigest", { ERR_CORRUPT, "the store saw another digest" } },
	{ "XAmzContentSHA256Mismatch",
	  { ERR_CORRUPT, "the store saw another digest" } },
	{ "XAmzContentChecksumMismatch",
	  { ERR_CORRUPT, "the store saw another digest" } },
	{ "InvalidPart", { ERR_CORRUPT, "a part is missing or differs" } },
	{ "InvalidPartOrder", { ERR_CORRUPT, "parts are out of order" } },
	{ "EntityTooSmall", { ERR_CORRUPT, "a part is too small" } },
	{ "EntityTooLarge", { ERR_TOO_LARGE, "too large for the store" } },
	{ "RequestTimeout", { ERR_AGAIN, "the store timed out" } },
	{ "OperationAborted", { ERR_AGAIN, "the store is busy with it" } },
	{ "SlowDown", { ERR_AGAIN, "the store asks to slow down" } },
	{ "SlowDownRead", { ERR_AGAIN, "the store asks to slow down" } },
	{ "SlowDownWrite", { ERR_AGAIN, "the store asks to slow down" } },
	{ "ServiceUnavailable", { ERR_AGAIN, "the store is unavailable" } },
	{ "InternalError", { ERR_AGAIN, "the store failed" } },
	{ "QuotaExceeded", { ERR_NO_SPACE, "the store's quota is used up" } },
	{ "XMinioStorageFull", { ERR_NO_SPACE, "the store is full" } },
	{ "NotImplemented", { ERR_UNSUPPORTED, "the store cannot do that" } },
	{ "ExpiredToken", { ERR_DENIED, "the store's credentials expired" } },
	{ "InvalidToken", { ERR_DENIED, "the store refused the credentials" } },
	{ "AuthorizationHeaderMalformed",
	  { ERR_DENIED, "the store refused the credentials or the region" } },
};

static struct store_meaning
of_status(unsigned status)
{
	switch (status) {
	case 401:
	case 403:
		return (struct store_meaning){
			ERR_DENIED, "the store refused the credentials"
		};
	case 404:
		return (struct store_meaning){ ERR_NOT_FOUND,
					       "not in the store" };
	case 408:
	case 429:
		return (struct store_meaning){ ERR_AGAIN, "the store is busy" };
	case 409:
	case 412:
		return (struct store_meaning){ ERR_CONFLICT, "it has changed" };
	case 413:
		return (struct store_meaning){ ERR_TOO_LARGE,
					       "too large for the store" };
	case 501:
		return (struct store_meaning){ ERR_UNSUPPORTED,
					       "the store cannot do that" };
	case 507:
		return (struct store_meaning){ ERR_NO_SPACE,
					       "the store is full" };
	default:
		break;
	}
	if (status >= 500)
		return (struct store_meaning){ ERR_AGAIN,
					       "the store is unavailable" };
	if (status >= 300 && status < 400)
		return (struct store_meaning){
			ERR_IO, "the bucket is elsewhere: endpoint or region"
		};
	return (struct store_meaning){ ERR_IO,
				       "the store refused the request" };
}

static struct store_meaning
of_error(const struct s3_error *e, unsigned status)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strcmp(e->code, codes[i].code) == 0)
			return codes[i].m;
	}
	return of_status(status);
}

static void
write_detail(struct s3_job *j, const struct http_reply *r)
{
	const char *id = http_reply_header(r, "x-amz-request-id");
	char *out = j->call->detail;

	out[0] = '\0';
	str_printf(out, STORE_DETAIL_MAX, "%s HTTP %u %s%s%s %s%s", j->method,
		   r->status, j->error.code, j->error.message[0] ? ": " : "",
		   j->error.message, id ? "request-id=" : "", id ? id : "");
	if (r->end != HTTP_DONE)
		str_printf(out, STORE_DETAIL_MAX, "%s", r->why);
}

/*
 * A refusal that the server itself words had no effect, but for those that
 * say that it does not know; what a proxy on the way answers proves nothing.
 */
static bool
may_have_worked(const struct s3_job *j, const struct http_reply *r)
{
	if (r->end != HTTP_DONE)
		return r->sent && r->end != HTTP_BODY;
	if (r->status < 500)
		return r->status < 300;
	return r->status != 503 || j->error.code[0] == '\0';
}

/*
 * "Not found" makes callers give an upload up, so only the store's own word
 * counts, not the 404 of a proxy. The reply to HEAD has no words.
 */
static bool
says_not_found(const struct s3_job *j)
{
	return j->error.code[0] || strcmp(j->method, "HEAD") == 0;
}

enum err
s3_classify(struct s3_job *j, const struct http_reply *r)
{
	struct store_meaning m;

	memset(&j->error, 0, sizeof(j->error));
	j->ambiguous = false;
	j->why = NULL;
	if (r->end == HTTP_DONE && r->status >= 200 && r->status < 300)
		return ERR_OK;
	if (r->end == HTTP_DONE)
		s3_xml_error(r->body, r->len, &j->error);
	m = r->end == HTTP_DONE ? of_error(&j->error, r->status)
				: store_http_end(r->end);
	if (m.err == ERR_NOT_FOUND && !says_not_found(j))
		m = (struct store_meaning){ ERR_AGAIN,
					    "what answers is not the store" };
	j->why = m.why;
	j->ambiguous = may_have_worked(j, r);
	j->call->retry_after_ms = store_http_retry_after(r);
	write_detail(j, r);
	return m.err;
}

enum err
s3_xml_err(struct s3_job *j, enum s3_xml res)
{
	struct store_meaning m = { ERR_AGAIN,
				   "the store's answer is not clear" };

	if (res == S3_XML_OK)
		return ERR_OK;
	if (res == S3_XML_ERROR)
		m = of_error(&j->error, 500);
	j->why = m.why;
	j->ambiguous = m.err == ERR_AGAIN || m.err == ERR_IO;
	write_detail(j, j->reply);
	return m.err;
}
