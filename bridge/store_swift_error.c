/* SPDX-License-Identifier: Apache-2.0 */
/* What a reply of a Swift cluster means for the caller. */
#include "bridge/store_swift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/*
 * Swift's API Reference. A 401 here came to a token just made: Swift also
 * says so when it cannot ask Keystone, so it does not prove that the
 * credentials are wrong. 498: the rate limit of the cluster.
 */
static const struct {
	unsigned status;
	struct store_meaning m;
} statuses[] = {
	{ 401, { ERR_AGAIN, "the store does not take a new token" } },
	{ 403, { ERR_DENIED, "the store does not allow it to this user" } },
	{ 404, { ERR_NOT_FOUND, "not in the store" } },
	{ 408, { ERR_AGAIN, "the store timed out" } },
	{ 409, { ERR_CONFLICT, "it has changed" } },
	{ 411, { ERR_IO, "the store wants a length" } },
	{ 412, { ERR_CONFLICT, "it has changed" } },
	{ 413, { ERR_TOO_LARGE, "too large for the store" } },
	{ 422, { ERR_CORRUPT, "the store saw another digest" } },
	{ 429, { ERR_AGAIN, "the store asks to slow down" } },
	{ 498, { ERR_AGAIN, "the store asks to slow down" } },
	{ 501, { ERR_UNSUPPORTED, "the store cannot do that" } },
	{ 503, { ERR_AGAIN, "the store is unavailable" } },
	{ 507, { ERR_NO_SPACE, "the store is full" } },
};

static struct store_meaning
of_status(unsigned status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].status == status)
			return statuses[i].m;
	}
	if (status >= 500)
		return (struct store_meaning){ ERR_AGAIN,
					       "the store is unavailable" };
	if (status >= 300 && status < 400)
		return (struct store_meaning){ ERR_IO,
					       "the account is elsewhere" };
	return (struct store_meaning){ ERR_IO,
				       "the store refused the request" };
}

/* A quota of account or container is told with 413 and these words. */
static bool
says_quota(const struct http_reply *r)
{
	return r->status == 413 && r->body &&
	       memmem(r->body, r->len, "quota", 5);
}

static const char *
transaction(const struct http_reply *r)
{
	const char *id = http_reply_header(r, "x-trans-id");

	return id ? id : http_reply_header(r, "x-openstack-request-id");
}

static void
write_detail(struct swift_job *j, const struct http_reply *r)
{
	const char *id = transaction(r);
	char *out;

	if (!j->call)
		return;
	out = j->call->detail;
	out[0] = '\0';
	if (r->end != HTTP_DONE)
		str_printf(out, STORE_DETAIL_MAX, "%s", r->why);
	else
		str_printf(out, STORE_DETAIL_MAX, "%s HTTP %u%s%s", j->method,
			   r->status, id ? " trans-id=" : "", id ? id : "");
}

/* Only 4xx and Swift's own 503 prove that nothing was changed. */
static bool
may_have_worked(const struct http_reply *r)
{
	if (r->end != HTTP_DONE)
		return r->sent && r->end != HTTP_BODY;
	return r->status >= 500 && (r->status != 503 || !transaction(r));
}

/*
 * "Not found" makes callers give an upload up, so only the store's own word
 * counts, not the 404 of a proxy.
 */
enum err
swift_classify(struct swift_job *j, const struct http_reply *r)
{
	struct store_meaning m;

	j->ambiguous = false;
	j->why = NULL;
	if (r->end == HTTP_DONE && r->status >= 200 && r->status < 300)
		return ERR_OK;
	m = r->end == HTTP_DONE ? of_status(r->status) : store_http_end(r->end);
	if (m.err == ERR_NOT_FOUND && !transaction(r))
		m = (struct store_meaning){ ERR_AGAIN,
					    "what answers is not the store" };
	if (r->end == HTTP_DONE && says_quota(r))
		m = (struct store_meaning){ ERR_NO_SPACE,
					    "the store's quota is used up" };
	j->why = m.why;
	j->ambiguous = may_have_worked(r);
	if (j->call)
		j->call->retry_after_ms = store_http_retry_after(r);
	write_detail(j, r);
	return m.err;
}

enum err
swift_need_container(struct swift_job *j, enum err err)
{
	if (err != ERR_NOT_FOUND)
		return err;
	j->why = "no such container";
	return ERR_IO;
}

json_t *
swift_json(struct swift_job *j)
{
	return json_loadb(j->reply->body, j->reply->len, 0, NULL);
}

static enum err
late(struct swift_job *j, enum err err, const char *why, bool ambiguous)
{
	j->why = why;
	j->ambiguous = ambiguous;
	return err;
}

/* "Etag Mismatch", "404 Not Found": which segment is not as it should be. */
static void
note_errors(struct swift_job *j, const json_t *errors)
{
	char *text = json_dumps(errors, JSON_COMPACT);

	if (text && j->call)
		str_printf(j->call->detail, STORE_DETAIL_MAX, " %.200s", text);
	free(text);
}

/*
 * Swift's documentation, "Static Large Objects": with heartbeat=on the status
 * is 202 and the outcome is "Response Status" of the body.
 */
enum err
swift_late_status(struct swift_job *j, json_t *answer)
{
	const char *text =
		json_string_value(json_object_get(answer, "Response Status"));
	const json_t *errors = json_object_get(answer, "Errors");
	unsigned status = text ? (unsigned)strtoul(text, NULL, 10) : 0;
	struct store_meaning m;

	if (status >= 200 && status < 300 && json_array_size(errors) == 0)
		return ERR_OK;
	write_detail(j, j->reply);
	if (!status)
		return late(j, ERR_AGAIN, "the store's answer is not clear",
			    true);
	note_errors(j, errors);
	if (status == 400 && json_array_size(errors))
		return late(j, ERR_CORRUPT, "a part is missing or differs",
			    false);
	m = of_status(status);
	return late(j, m.err, m.why, status >= 500);
}
