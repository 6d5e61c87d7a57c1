/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_CMD_DAEMON_H
#define CTL_CMD_DAEMON_H

#include "ctl/ctl.h"

int cmd_status(struct ctl *c, int argc, char **argv);
int cmd_reload(struct ctl *c, int argc, char **argv);
int cmd_drain(struct ctl *c, int argc, char **argv);
int cmd_stop(struct ctl *c, int argc, char **argv);

#endif
