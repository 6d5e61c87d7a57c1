/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a caller can act on. Every function that can fail returns one of
 * these; the detail behind it (errno, HTTP status, S3 code, SQL error) is
 * logged once, where it is known, and may travel beside it as a short text
 * for the client ("why"). Each front end maps the values to its wire in one
 * exhaustive switch.
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

enum err {
	ERR_OK = 0,
	ERR_AGAIN,	 /* temporary: the same call may succeed later */
	ERR_NOT_FOUND,	 /* no such file, object, upload, user, key */
	ERR_EXISTS,	 /* it is there already */
	ERR_DENIED,	 /* the user may not; or wrong credentials */
	ERR_INVALID,	 /* malformed: a name, a packet, a number, a setting */
	ERR_UNSUPPORTED, /* well-formed, but not offered here */
	ERR_IN_USE,	 /* someone else drives this upload or key now */
	ERR_PUBLISHING,	 /* closing or completing: wait for the end */
	ERR_CONFLICT,	 /* changed meanwhile: epoch, ETag, precondition */
	ERR_NO_SPACE,	 /* a disk or a store is full */
	ERR_QUOTA,	 /* the user's quota is used up */
	ERR_TOO_LARGE,	 /* beyond a named ceiling */
	ERR_NOT_EMPTY,	 /* a directory with something in it */
	ERR_NOT_DIR,	 /* a directory was expected */
	ERR_IS_DIR,	 /* a file was expected */
	ERR_CORRUPT,	 /* a checksum or structure does not match */
	ERR_INCOMPLETE,	 /* bytes are missing; the upload is parked */
	ERR_IO,		 /* any other failure of disk, network or store */
	ERR_CANCELED,	 /* its owner went away or gave it up */
};

#define ERR_COUNT (ERR_CANCELED + 1)

/* "ok", "again", "not_found" ...: for logs and --json. Never NULL. */
const char *err_name(enum err err);

/* A short sentence for a client or an operator. Never NULL. */
const char *err_text(enum err err);

/* The nearest value for an errno; 0 gives ERR_OK. */
enum err err_from_errno(int errnum);

#endif
