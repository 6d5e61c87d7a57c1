/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libssh finds in a log-in and tells nobody.
 *
 * A request with a wrong signature, or with a key that it cannot read, it drops
 * without a reply, and the client waits. But it writes a line for its log when
 * it begins with a request: one without a message behind it was dropped.
 *
 * A security key (sk-) signs flags along with the log-in: whether it was
 * touched, and whether a PIN was given. libssh puts them into what it has
 * OpenSSL verify and drops them. This program's EVP_DigestVerify() comes before
 * OpenSSL's, sees that, and hands on to it. Where libssh was built otherwise
 * nothing is seen, and then nothing is known.
 */
#ifndef SFTPD_AUTH_WATCH_H
#define SFTPD_AUTH_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#define AUTH_WATCH_SIGNED_MAX 16

struct auth_watch {
	unsigned begun; /* requests that no message has come of, so far */
	unsigned nsigned;
	struct {
		unsigned char application[32]; /* SHA-256 */
		unsigned char flags;
	} signed_by[AUTH_WATCH_SIGNED_MAX]; /* good ones, in their order */
};

/* From now on what happens in this thread goes there; NULL: nowhere. */
void auth_watch_set(struct auth_watch *w);

/* A message of a request was taken. */
void auth_watch_message(struct auth_watch *w);

/* True once for each request that was dropped: when no message is left. */
bool auth_watch_dropped(struct auth_watch *w);

/*
 * The flags of the oldest signature by a security key that was not asked for
 * yet, which must be of this key (wire format, no certificate).
 */
bool auth_watch_flags(struct auth_watch *w, const void *key, size_t len,
		      unsigned char *flags);

/* Once in each thread that uses libssh. */
void auth_watch_start(void);

#endif
