/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body on its way into a file: what PUT and tus share. It opens the file,
 * writes what comes, passes the file's back-pressure on to the connection, and
 * ends the request with a problem when the file fails; what came is kept then.
 */
#ifndef HTTPD_INTAKE_H
#define HTTPD_INTAKE_H

#include "httpd/handler.h"

struct intake;
typedef void intake_fn(struct intake *i, enum err err, const char *why);

struct intake {
	struct exchange x; /* first */
	struct vfs_file *file;
	uint64_t off;	/* where the next byte goes */
	uint64_t moved; /* bytes of this request */
	enum err failed;
	char why[256];
	bool stopping; /* a failure is being dealt with */
	bool closing;
	intake_fn *done; /* of what is under way */
};

/* o's events are set here. fn with ERR_OK: the file is open. */
void intake_open(struct intake *i, struct vfs_open *o, intake_fn *fn);

/* False: it failed, and the request ends by itself. */
bool intake_write(struct intake *i, const void *data, size_t n);

/* For exchange_ops. */
bool intake_full(const struct exchange *x);

/* Ends the file; fn comes once. */
void intake_close(struct intake *i, enum vfs_end how, intake_fn *fn);

/* Parks what came and ends the request with this problem. */
void intake_fail(struct intake *i, enum err err, const char *why);

#endif
