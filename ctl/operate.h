/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator changes in the journal; a running daemon notices. */
#ifndef CTL_OPERATE_H
#define CTL_OPERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/ctl.h"

/* As the journal's driver; false after saying what is wrong. */
bool operate_revive(struct ctl *c, const char *event, const char *sink,
		    uint64_t *n);
bool operate_enable(struct ctl *c, const char *sink);

#endif
