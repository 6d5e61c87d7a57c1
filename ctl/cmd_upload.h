/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_CMD_UPLOAD_H
#define CTL_CMD_UPLOAD_H

#include "ctl/ctl.h"

int cmd_uploads(struct ctl *c, int argc, char **argv);
int cmd_upload_show(struct ctl *c, int argc, char **argv);
int cmd_upload_publish(struct ctl *c, int argc, char **argv);
int cmd_upload_abort(struct ctl *c, int argc, char **argv);

#endif
