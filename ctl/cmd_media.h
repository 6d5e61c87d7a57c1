/* SPDX-License-Identifier: Apache-2.0 */
/* The commands about what objects are. */
#ifndef CTL_CMD_MEDIA_H
#define CTL_CMD_MEDIA_H

#include "ctl/ctl.h"

int cmd_media(struct ctl *c, int argc, char **argv);
int cmd_probe(struct ctl *c, int argc, char **argv);

#endif
