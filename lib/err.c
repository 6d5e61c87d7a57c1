/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"

#include <errno.h>
#include <stddef.h>

static const struct {
	const char *name;
	const char *text;
} errors[ERR_COUNT] = {
	[ERR_OK] = { "ok", "done" },
	[ERR_AGAIN] = { "again", "temporarily unavailable, try again later" },
	[ERR_NOT_FOUND] = { "not_found", "not found" },
	[ERR_EXISTS] = { "exists", "it exists already" },
	[ERR_DENIED] = { "denied", "permission denied" },
	[ERR_INVALID] = { "invalid", "malformed request" },
	[ERR_UNSUPPORTED] = { "unsupported", "not supported here" },
	[ERR_IN_USE] = { "in_use", "in use by another session" },
	[ERR_PUBLISHING] = { "publishing", "the upload is being published" },
	[ERR_CONFLICT] = { "conflict", "it was changed meanwhile" },
	[ERR_NO_SPACE] = { "no_space", "no space left" },
	[ERR_QUOTA] = { "quota", "the quota is used up" },
	[ERR_TOO_LARGE] = { "too_large", "too large" },
	[ERR_NOT_EMPTY] = { "not_empty", "the directory is not empty" },
	[ERR_NOT_DIR] = { "not_dir", "not a directory" },
	[ERR_IS_DIR] = { "is_dir", "it is a directory" },
	[ERR_CORRUPT] = { "corrupt", "the data does not match its checksum" },
	[ERR_INCOMPLETE] = { "incomplete",
			     "bytes are missing; the upload can be resumed" },
	[ERR_IO] = { "io", "input/output error" },
	[ERR_CANCELED] = { "canceled", "canceled" },
};

static const struct {
	int errnum;
	enum err err;
} errnos[] = {
	{ 0, ERR_OK },
	{ EAGAIN, ERR_AGAIN },
	{ EINTR, ERR_AGAIN },
	{ EMFILE, ERR_AGAIN },
	{ ENFILE, ERR_AGAIN },
	{ ENOMEM, ERR_AGAIN },
	{ ENOENT, ERR_NOT_FOUND },
	{ EEXIST, ERR_EXISTS },
	{ EACCES, ERR_DENIED },
	{ EPERM, ERR_DENIED },
	{ EROFS, ERR_DENIED },
	{ EXDEV, ERR_DENIED }, /* openat2() answers it beyond the root */
	{ ELOOP, ERR_DENIED }, /* and this on a symbolic link */
	{ EINVAL, ERR_INVALID },
	{ ENAMETOOLONG, ERR_INVALID },
	{ EILSEQ, ERR_INVALID },
	{ EOPNOTSUPP, ERR_UNSUPPORTED },
	{ ENOSYS, ERR_UNSUPPORTED },
	{ EBUSY, ERR_IN_USE },
	{ ETXTBSY, ERR_IN_USE },
	{ ENOSPC, ERR_NO_SPACE },
	{ EDQUOT, ERR_NO_SPACE },
	{ EFBIG, ERR_TOO_LARGE },
	{ E2BIG, ERR_TOO_LARGE },
	{ EMSGSIZE, ERR_TOO_LARGE },
	{ ENOTEMPTY, ERR_NOT_EMPTY },
	{ ENOTDIR, ERR_NOT_DIR },
	{ EISDIR, ERR_IS_DIR },
	{ EBADMSG, ERR_CORRUPT },
	{ ECANCELED, ERR_CANCELED },
};

static int
known(enum err err)
{
	return (unsigned)err < ERR_COUNT;
}

const char *
err_name(enum err err)
{
	return known(err) ? errors[err].name : "unknown";
}

const char *
err_text(enum err err)
{
	return known(err) ? errors[err].text : "unknown error";
}

enum err
err_from_errno(int errnum)
{
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (errnos[i].errnum == errnum)
			return errnos[i].err;
	return ERR_IO;
}
