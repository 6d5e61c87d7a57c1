/* SPDX-License-Identifier: Apache-2.0 */
/* Who handles which request. x->path is set; the session is logged in. */
#ifndef HTTPD_HANDLER_H
#define HTTPD_HANDLER_H

#include "httpd/client.h"
#include "httpd/reply.h"

typedef void handler_fn(struct client *c, const struct http_path *path);

/* files.c: GET and HEAD; put.c; remove.c */
handler_fn handle_get;
handler_fn handle_put;
handler_fn handle_delete;

/* tus.c: HEAD and DELETE; tus_write.c: POST and PATCH */
handler_fn handle_tus_head;
handler_fn handle_tus_delete;
handler_fn handle_tus_create;
handler_fn handle_tus_patch;

/* login.c: ends in route_go() or a reply. */
void login_request(struct client *c);
/* route.c: the session is the one that the request asks for. */
void route_go(struct client *c);

/* A reply that needs no work, when nothing else has begun. */
void route_problem(struct client *c, int status, const char *detail);

#endif
