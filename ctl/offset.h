/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where uploads go on. The journal knows what the store has confirmed; what
 * lies in the spool behind that, a running worker is asked for.
 */
#ifndef CTL_OFFSET_H
#define CTL_OFFSET_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/journal.h"
#include "ctl/ctl.h"

/* For one listing: a daemon that gave no answer is not asked again. */
struct offsets {
	const struct ctl *ctl;
	bool silent;
};

struct offset {
	uint64_t stored;
	uint64_t bytes; /* the offset where it is known, else stored */
	bool known;
};

struct offset offset_find(struct offsets *o, const struct journal_upload *u,
			  uint64_t stored);

#endif
