/* SPDX-License-Identifier: Apache-2.0 */
/* The commands about events and the sinks that they are delivered to. */
#ifndef CTL_CMD_EVENTS_H
#define CTL_CMD_EVENTS_H

#include <jansson.h>

#include "ctl/ctl.h"

/* What `sinks --json` prints; NULL where the journal cannot be read. */
json_t *sinks_json(struct ctl *c);

int cmd_events(struct ctl *c, int argc, char **argv);
int cmd_events_retry(struct ctl *c, int argc, char **argv);
int cmd_sinks(struct ctl *c, int argc, char **argv);
int cmd_sinks_test(struct ctl *c, int argc, char **argv);
int cmd_sinks_enable(struct ctl *c, int argc, char **argv);

#endif
