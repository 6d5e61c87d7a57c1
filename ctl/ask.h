/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the running daemon: one line to a Unix socket, one line back
 * ("ok <text>" or "err <name> <why>"), waited for.
 */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include <stdbool.h>

#include "ctl/ctl.h"
#include "lib/err.h"

struct answer {
	bool connected; /* somebody listens */
	bool reached;	/* and answered */
	enum err err;	/* ERR_OK for "ok" */
	char *text;	/* behind "ok", or why; never NULL */
};

/* The master, or any worker that answers. The caller frees answer->text. */
void ask_master(const struct ctl *c, const char *line, unsigned timeout_ms,
		struct answer *out);
void ask_worker(const struct ctl *c, const char *line, unsigned timeout_ms,
		struct answer *out);

/* Prints why there is no good answer. */
void ask_complain(const struct ctl *c, const struct answer *a);

#endif
