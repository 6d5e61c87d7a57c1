/* SPDX-License-Identifier: Apache-2.0 */
/* Where a file lies that was named on the command line. */
#ifndef CTL_PLACE_H
#define CTL_PLACE_H

#include "bridge/store.h"
#include "ctl/ctl.h"

struct place {
	char store[STORE_NAME_MAX + 1];
	char key[STORE_KEY_MAX + 1];
};

/*
 * "USER PATH": the user's path; "KEY" alone: a key of the store that `store`
 * names, or of the default one when it is NULL. False after saying what is
 * wrong. The configuration was loaded.
 */
bool place_find(struct ctl *c, int argc, char **argv, const char *store,
		struct place *out);

#endif
