/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_CMD_USER_H
#define CTL_CMD_USER_H

#include "ctl/ctl.h"

int cmd_user_add(struct ctl *c, int argc, char **argv);
int cmd_user_passwd(struct ctl *c, int argc, char **argv);
int cmd_user_key(struct ctl *c, int argc, char **argv);
int cmd_user_list(struct ctl *c, int argc, char **argv);
int cmd_quota(struct ctl *c, int argc, char **argv);
int cmd_url(struct ctl *c, int argc, char **argv);

#endif
