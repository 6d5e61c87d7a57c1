/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part lengths. A part's length is a pure function of the store's limits, the
 * size declared when the upload was created and the part's first byte; how
 * often an upload was resumed never matters, so a restart offset can be mapped
 * to parts without any memory of the past.
 */
#ifndef BRIDGE_SCHEDULE_H
#define BRIDGE_SCHEDULE_H

#include <stdint.h>

#include "bridge/store.h"

#define SCHEDULE_SIZE_UNKNOWN UINT64_MAX

/*
 * Length in bytes of the part that starts at byte `off` (always a start that
 * this function led to). Declared sizes give equal parts of
 * max(base, ceil(size / parts_max)) rounded up to 1 MiB; else the length grows
 * with the offset so that parts_max parts reach as far as part_max allows.
 * Returns 0 when the file would need more parts or bytes than the store takes.
 */
uint64_t schedule_part_len(const struct store_limits *l, uint64_t declared,
			   uint64_t off);

/*
 * Number (from 1) and start of the part that holds byte `off`; 0 when no part
 * reaches as far. A store that wants equal parts has part_base for an unknown
 * size: it then takes part_base * parts_max bytes.
 */
uint32_t schedule_part_at(const struct store_limits *l, uint64_t declared,
			  uint64_t off, uint64_t *start);

#endif
