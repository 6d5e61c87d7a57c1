/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks for a token and reads the answer: TempAuth ("GET /auth/v1.0"; Swift's
 * documentation, "The Auth System") and Keystone ("POST /v3/auth/tokens").
 */
#include "bridge/swift_auth_private.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define REPLY_MAX ((size_t)4 << 20)   /* a catalogue may be long */
#define LIFE_DEFAULT_MS (3600 * 1000) /* where the answer does not say */

/* What to send. */

static json_t *
domain(const char *name)
{
	return json_pack("{s:s}", "name", name);
}

static json_t *
password_body(const struct swift_auth *a)
{
	return json_pack(
		"{s:{s:{s:[s], s:{s:{s:s, s:s, s:o}}}, s:{s:{s:s, s:o}}}}",
		"auth", "identity", "methods", "password", "password", "user",
		"name", a->user, "password", a->secret, "domain",
		domain(a->user_domain), "scope", "project", "name", a->project,
		"domain", domain(a->project_domain));
}

static json_t *
application_body(const struct swift_auth *a)
{
	return json_pack("{s:{s:{s:[s], s:{s:s, s:s}}}}", "auth", "identity",
			 "methods", "application_credential",
			 "application_credential", "id", a->credential,
			 "secret", a->secret);
}

static struct http_request *
ask_keystone(struct swift_auth *a, http_done_fn *fn, void *arg)
{
	static const char *const headers[] = { "Content-Type: application/json",
					       "Accept: application/json",
					       NULL };
	char *url = mem_printf("%s/auth/tokens", a->auth_url);
	json_t *o = a->kind == SWIFT_AUTH_PASSWORD ? password_body(a)
						   : application_body(a);
	char *text = o ? json_dumps(o, JSON_COMPACT) : mem_strdup("");
	struct http_call call = { .method = "POST",
				  .url = url,
				  .headers = headers,
				  .has_body = true,
				  .data = text,
				  .fd = -1,
				  .len = strlen(text),
				  .reply_max = REPLY_MAX };
	struct http_request *r;

	json_decref(o);
	mem_wipe_free(a->body); /* it must live as long as the request */
	a->body = text;
	r = http_send(a->host, &call, fn, arg);
	free(url);
	return r;
}

static struct http_request *
ask_v1(struct swift_auth *a, http_done_fn *fn, void *arg)
{
	char *user = mem_printf("X-Auth-User: %s", a->user);
	char *key = mem_printf("X-Auth-Key: %s", a->secret);
	const char *headers[] = { user, key, NULL };
	struct http_call call = { .method = "GET",
				  .url = a->auth_url,
				  .headers = headers,
				  .fd = -1,
				  .reply_max = REPLY_MAX };
	struct http_request *r = http_send(a->host, &call, fn, arg);

	free(user);
	mem_wipe_free(key);
	return r;
}

struct http_request *
swift_auth_ask(struct swift_auth *a, http_done_fn *fn, void *arg)
{
	return a->kind == SWIFT_AUTH_V1 ? ask_v1(a, fn, arg)
					: ask_keystone(a, fn, arg);
}

/* What the answer says. */

static bool
is(const json_t *o, const char *key, const char *value)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && strcmp(s, value) == 0;
}

static bool
endpoint_fits(const json_t *e, const char *region, const char *interface)
{
	if (!is(e, "interface", interface))
		return false;
	return !*region || is(e, "region", region) ||
	       is(e, "region_id", region);
}

static const char *
endpoint_url(const json_t *token, const char *region, const char *interface)
{
	const json_t *service, *e;
	size_t i, k;

	json_array_foreach(json_object_get(token, "catalog"), i, service)
	{
		if (!is(service, "type", "object-store"))
			continue;
		json_array_foreach(json_object_get(service, "endpoints"), k, e)
		{
			if (endpoint_fits(e, region, interface))
				return json_string_value(
					json_object_get(e, "url"));
		}
	}
	return NULL;
}

/*
 * By the two times of the answer itself, so that a clock of ours that is
 * wrong does no harm.
 */
static long
life(const json_t *token)
{
	int64_t issued = clock_parse_rfc3339(
		json_string_value(json_object_get(token, "issued_at")), NULL);
	int64_t expires = clock_parse_rfc3339(
		json_string_value(json_object_get(token, "expires_at")), NULL);

	if (!expires)
		return LIFE_DEFAULT_MS / 1000;
	if (!issued)
		issued = clock_wall_ms() / 1000;
	return expires > issued ? (long)(expires - issued) : 0;
}

char *
swift_catalogue_url(const void *json, size_t len, const char *region,
		    const char *interface, long *lives_s)
{
	json_t *o = json_loadb(json, len, 0, NULL);
	const json_t *token = json_object_get(o, "token");
	char *url = mem_strdup(endpoint_url(token, region, interface));

	*lives_s = life(token);
	json_decref(o);
	return url;
}

static void
refuse(struct swift_reply *out, enum err err, const char *why)
{
	out->err = err;
	out->why = why;
}

static void
read_token(const struct swift_auth *a, const struct http_reply *r,
	   struct swift_reply *out)
{
	bool v1 = a->kind == SWIFT_AUTH_V1;
	const char *token =
		http_reply_header(r, v1 ? "x-auth-token" : "x-subject-token");
	const char *expires = http_reply_header(r, "x-auth-token-expires");
	long lives_s = expires ? atol(expires) : LIFE_DEFAULT_MS / 1000;
	struct swift_token *t = &out->token;

	if (v1)
		t->url = mem_strdup(http_reply_header(r, "x-storage-url"));
	else
		t->url = swift_catalogue_url(r->body, r->len, a->region,
					     a->interface, &lives_s);
	if (a->storage_url) {
		free(t->url);
		t->url = mem_strdup(a->storage_url);
	}
	t->token = mem_strdup(token);
	t->issued = clock_wall_ms();
	t->expires = t->issued + (int64_t)lives_s * 1000;
	if (!token)
		refuse(out, ERR_AGAIN, "the login's answer has no token");
	else if (!t->url)
		refuse(out, ERR_IO,
		       "the catalogue has no object store for this region "
		       "and interface");
}

/*
 * Keystone says 404, not 401, of an application credential that was deleted:
 * only its words tell that from a URL where no login service is.
 */
static bool
credential_gone(const struct swift_auth *a, const struct http_reply *r)
{
	json_t *o;
	const char *text;
	bool gone;

	if (a->kind != SWIFT_AUTH_APPLICATION || r->status != 404)
		return false;
	o = json_loadb(r->body, r->len, 0, NULL);
	text = json_string_value(
		json_object_get(json_object_get(o, "error"), "message"));
	gone = text && strcasestr(text, "application credential");
	json_decref(o);
	return gone;
}

void
swift_auth_read(const struct swift_auth *a, const struct http_reply *r,
		struct swift_reply *out)
{
	memset(out, 0, sizeof(*out));
	if (r->end == HTTP_TLS)
		refuse(out, ERR_IO,
		       "the login service's certificate is not trusted");
	else if (r->end != HTTP_DONE)
		refuse(out, ERR_AGAIN, "the login service does not answer");
	else if (r->status == 401 || r->status == 403)
		refuse(out, ERR_DENIED,
		       "the login service refused the credentials");
	else if (credential_gone(a, r))
		refuse(out, ERR_DENIED,
		       "the login service knows no such application "
		       "credential: it may have been revoked");
	else if (r->status == 404)
		refuse(out, ERR_IO, "no login service at auth_url");
	else if (r->status < 200 || r->status > 299)
		refuse(out, ERR_AGAIN, "the login service failed");
	else
		read_token(a, r, out);
}
