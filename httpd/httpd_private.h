/* SPDX-License-Identifier: Apache-2.0 */
/* What the connections of a worker share. */
#ifndef HTTPD_HTTPD_PRIVATE_H
#define HTTPD_HTTPD_PRIVATE_H

#include "httpd/httpd.h"
#include "lib/loop.h"

#define HTTPD_BUFFER (256 * 1024) /* bytes, one buffer per worker */

struct client;
struct ssl_ctx_st;

struct httpd {
	const struct httpd_config *config;
	struct bridge *bridge;
	struct loop *loop;
	struct ssl_ctx_st *tls; /* NULL: none */
	struct client *clients;
	unsigned count;
	bool draining;
	unsigned char *buffer; /* for what is consumed at once */
	uint64_t staged;       /* bytes held until their checksum is known */
};

#endif
