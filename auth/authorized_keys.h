/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public keys as OpenSSH writes them (sshd(8), AUTHORIZED_KEYS FILE FORMAT):
 * "[options] type base64 [comment]". What a line asks for and Sluice cannot
 * hold to is an error, never ignored: a key must not open more than its line
 * says.
 */
#ifndef AUTH_AUTHORIZED_KEYS_H
#define AUTH_AUTHORIZED_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define AUTHKEY_LINE_MAX 16384	    /* bytes */
#define AUTHKEY_FILE_MAX (1u << 20) /* bytes */
#define AUTHKEY_KEYS_MAX 1000	    /* keys of one user */
#define AUTHKEY_WHY_MAX 160

struct authkey {
	unsigned char *blob; /* SSH wire format, RFC 4253 section 6.6 */
	size_t len;
	char *from; /* an address list, or NULL: any address */
	bool ca;    /* cert-authority: certificates signed by it are good */
	char *principals; /* of such a line: names with commas, or NULL */
	int64_t expires;  /* Unix seconds; 0: never */
	/* Of keys in security keys (sk-). */
	bool no_touch;	      /* presence need not be proved */
	bool verify_required; /* PIN or fingerprint must be proved */
	struct authkey *next;
};

/*
 * One line without its newline. ERR_OK with *out NULL: blank or a comment.
 * ERR_INVALID: why says what is wrong. The caller frees *out.
 */
enum err authkey_parse(const char *line, struct authkey **out,
		       char why[AUTHKEY_WHY_MAX]);

/* All keys of a file, in its order; why starts with the line's number. */
enum err authkey_read(const char *path, struct authkey **out,
		      char why[AUTHKEY_WHY_MAX]);

void authkey_free(struct authkey *list); /* NULL is fine */

#endif
