/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool's folder as somebody sees it who drives nothing: what its files
 * are, and which of their bytes the next driver could use. Reads only, beside
 * running workers too; what belongs to an upload that is being driven changes
 * under the reader.
 */
#ifndef BRIDGE_SPOOL_INSPECT_H
#define BRIDGE_SPOOL_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/spool.h"

enum spool_file_kind {
	SPOOL_FILE_SEGMENT,
	SPOOL_FILE_DAMAGED,  /* a segment's name, and no header that is one */
	SPOOL_FILE_MISNAMED, /* a header of another upload or part */
	SPOOL_FILE_FOREIGN   /* nothing of ours */
};

struct spool_file {
	const char *name;
	enum spool_file_kind kind;
	struct segment_id id; /* by the name where the header is damaged */
	uint64_t received; /* bytes that count: LIVE of this boot, else SYNC */
	uint64_t bytes;	   /* of data in the file */
	bool cut;	   /* LIVE of this boot counts more than there are */
	int64_t changed;   /* Unix ms */
};

typedef void spool_file_fn(void *arg, const struct spool_file *f);

/* Free files and the locks are left out. ERR_NOT_FOUND: no such folder. */
enum err spool_inspect(const char *dir, spool_file_fn *fn, void *arg);

/* ERR_CORRUPT: the bytes that count are not those that were received. */
enum err spool_inspect_data(const char *dir, const char *name);

/* Unlinks one file, durably. */
enum err spool_inspect_unlink(const char *dir, const char *name);

#endif
