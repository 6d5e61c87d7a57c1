/* SPDX-License-Identifier: Apache-2.0 */
/* The options in front of a key in authorized_keys; authorized_keys.h. */
#ifndef AUTH_AUTHKEY_OPTIONS_H
#define AUTH_AUTHKEY_OPTIONS_H

#include "auth/authorized_keys.h"

/*
 * Reads them into key and leaves *line behind them, at the type. ERR_INVALID:
 * why says which one is wrong, or cannot be held to.
 */
enum err authkey_options(const char **line, struct authkey *key,
			 char why[AUTHKEY_WHY_MAX]);

#endif
