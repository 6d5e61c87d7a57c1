/* SPDX-License-Identifier: Apache-2.0 */
/* From a request's head to who handles it. */
#include <stdio.h>
#include <string.h>

#include "httpd/handler.h"
#include "httpd/tus.h"

struct route {
	const char *prefix;
	const char *allow; /* for OPTIONS and 405 */
	bool tus;
	handler_fn *methods[HTTP_OTHER];
};

static const struct route routes[] = {
	{ .prefix = "/files/",
	  .allow = "GET, HEAD, PUT, DELETE, OPTIONS",
	  .methods = { [HTTP_GET] = handle_get,
		       [HTTP_HEAD] = handle_get,
		       [HTTP_PUT] = handle_put,
		       [HTTP_DELETE] = handle_delete } },
	{ .prefix = TUS_PREFIX,
	  .allow = "POST, HEAD, PATCH, DELETE, OPTIONS",
	  .tus = true,
	  .methods = { [HTTP_HEAD] = handle_tus_head,
		       [HTTP_POST] = handle_tus_create,
		       [HTTP_PATCH] = handle_tus_patch,
		       [HTTP_DELETE] = handle_tus_delete } },
};

static const struct exchange_ops short_ops = { .body = NULL };

/* An exchange that has its reply already. */
static struct exchange *
short_exchange(struct client *c)
{
	return exchange_new(c, &short_ops, sizeof(struct exchange));
}

void
route_problem(struct client *c, int status, const char *detail)
{
	exchange_problem(short_exchange(c), status, detail);
}

static const struct route *
find(const char *target, struct http_path *path)
{
	size_t i;

	/* How the address of a tus server is often written. */
	if (strcmp(target, "/tus") == 0)
		target = TUS_PREFIX;
	for (i = 0; i < sizeof(routes) / sizeof(*routes); i++)
		if (http_path(target, routes[i].prefix, path))
			return &routes[i];
	return NULL;
}

static void
not_allowed(struct client *c, const struct route *r)
{
	char text[128];

	snprintf(text, sizeof(text), "Methods here are %s.", r->allow);
	route_problem(c, 405, text);
}

/* Asked without credentials by browsers, before the request itself. */
static void
options(struct client *c, const struct route *r)
{
	struct exchange *x = short_exchange(c);

	reply_begin(c, 204);
	reply_field(c, "Allow", "%s", r ? r->allow : "OPTIONS");
	if (r && r->tus)
		tus_options(c);
	reply_empty(c);
	exchange_end(x);
}

/* For clients that know but GET and POST; tus wants it to be understood. */
static void
override_method(struct client *c)
{
	const char *name = http_head_get(&c->head, "x-http-method-override");

	if (!name || c->head.method != HTTP_POST)
		return;
	if (strcmp(name, "PATCH") == 0)
		c->head.method = HTTP_PATCH;
	else if (strcmp(name, "DELETE") == 0)
		c->head.method = HTTP_DELETE;
	else
		c->head.method = HTTP_OTHER;
}

static bool
version_known(const struct client *c)
{
	const char *v = http_head_get(&c->head, "tus-resumable");

	return v && strcmp(v, TUS_VERSION) == 0;
}

void
route_go(struct client *c)
{
	struct http_path path;
	const struct route *r = find(c->head.target, &path);

	r->methods[c->head.method](c, &path);
}

void
route_request(struct client *c)
{
	struct http_path path;
	const struct route *r = find(c->head.target, &path);

	if (r && r->tus)
		override_method(c);
	if (c->head.method == HTTP_OPTIONS)
		options(c, r);
	else if (!r)
		route_problem(c, 404,
			      "Files are below /files/, uploads by tus "
			      "below /tus/.");
	else if (c->head.method == HTTP_OTHER || !r->methods[c->head.method])
		not_allowed(c, r);
	else if (r->tus && !version_known(c))
		route_problem(c, 412,
			      "Expected Tus-Resumable: " TUS_VERSION ".");
	else if (!path.valid)
		route_problem(c, 400, "That is no valid path.");
	else
		login_request(c);
}
