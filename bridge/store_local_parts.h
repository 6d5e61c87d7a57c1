/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the local store driver: the record file of a multipart upload, which
 * says for which key it is and which parts are stored. Runs in the pool.
 */
#ifndef BRIDGE_STORE_LOCAL_PARTS_H
#define BRIDGE_STORE_LOCAL_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/store_local.h"

struct local_record {
	bool known;
	uint64_t off, len;
	uint32_t crc;
};
struct local_records {
	char *key;		   /* the upload's */
	int64_t initiated;	   /* Unix ms */
	int64_t mtime;		   /* Unix s, 0: none */
	struct local_record *part; /* by number - 1 */
	size_t n;
};
enum err local_records_start(struct local_job *j, int fd);
enum err local_records_add(struct local_job *j, int fd);
/* The header alone, or all; the caller frees with local_records_free(). */
enum err local_records_read(struct local_job *j, int fd, bool parts,
			    struct local_records *out);
void local_records_free(struct local_records *r);
void local_part_describe(const struct local_record *r, uint32_t no,
			 struct store_part *out);

#endif
