/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journal, spool and local stores belong to the daemon's account. Who changes
 * them as root would leave files there that the daemon cannot open.
 */
#ifndef CTL_ACCOUNT_H
#define CTL_ACCOUNT_H

#include <stdbool.h>

#include "ctl/ctl.h"

/*
 * Root becomes the account in [daemon], for good; anybody else stays who he
 * is. False after saying what is wrong.
 */
bool account_take(const struct ctl *c);

#endif
