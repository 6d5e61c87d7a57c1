/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_CMD_CHECK_H
#define CTL_CMD_CHECK_H

#include "ctl/ctl.h"

int cmd_check(struct ctl *c, int argc, char **argv);
int cmd_sweep(struct ctl *c, int argc, char **argv);
int cmd_backup(struct ctl *c, int argc, char **argv);
int cmd_restore(struct ctl *c, int argc, char **argv);

#endif
