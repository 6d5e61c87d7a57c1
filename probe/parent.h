/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line to the process that started this one, on descriptors 0 and 1, in
 * the frames of lib/probe_wire.h. Calls block: a probe has nothing else to do.
 * When the parent is gone or says what it may not, the process ends.
 */
#ifndef PROBE_PARENT_H
#define PROBE_PARENT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/probe_wire.h"

void parent_order(struct probe_order *out);

/* len bytes at off into dst; 0, or -1 when the parent denies them. */
int parent_read(uint64_t off, void *dst, uint32_t len);

/* Why the parent denied a read; "" while it has not. */
const char *parent_denial(void);

void parent_send(enum probe_frame_type type, const void *data, size_t len);

#endif
