/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IPv4 addresses that PASV tells, where clients reach this host at another
 * address than its own: for each local address, or for all of them, one that
 * is written down or the one of a name. Names are looked up in the pool, and
 * again every few minutes, as hosts behind a dial-up line change theirs.
 * Belongs to struct ftpd.
 */
#ifndef FTPD_PUBLIC_ADDRESS_H
#define FTPD_PUBLIC_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "lib/loop.h"
#include "lib/work.h"

#define PUBLIC_ADDRESSES_MAX 16
#define PUBLIC_NAME_MAX 253 /* bytes of a host name */

struct public_rule {
	bool all;			/* else for `local` only */
	unsigned char local[4];		/* the control connection's own end */
	char name[PUBLIC_NAME_MAX + 1]; /* an IPv4 address or a host name */
};

/*
 * "203.0.113.5", "ftp.example.org", "10.0.0.5=203.0.113.5, 10.0.1.5=NAME".
 * False when text is nothing of that kind. *n rules are written.
 */
bool public_address_parse(const char *text, struct public_rule *rules,
			  size_t *n);

struct public_addresses;

/* Begins to look names up. pool is not needed where there are none. */
struct public_addresses *public_addresses_new(struct loop *loop,
					      struct work_pool *pool,
					      const struct public_rule *rules,
					      size_t n);
void public_addresses_free(struct public_addresses *p); /* NULL is fine */

/*
 * In: the local address; out: what clients are told. False when that is a name
 * whose address is not known.
 */
bool public_address(const struct public_addresses *p, unsigned char ip[4]);

/* Loopback, link-local, RFC 1918, RFC 6598: not reached from elsewhere. */
bool public_address_private(const unsigned char ip[4]);

#endif
