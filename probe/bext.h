/* SPDX-License-Identifier: Apache-2.0 */
/* What a Broadcast WAVE file says of its recording (EBU Tech 3285). */
#ifndef PROBE_BEXT_H
#define PROBE_BEXT_H

#include <jansson.h>

/* Sets result's "bext" where the file is such a one. */
void bext_read(json_t *result);

#endif
