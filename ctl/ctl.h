/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluicectl's commands and what they share. A command is one row of a table:
 * how it is called, what its help says, and a function that gives the exit
 * status. Results go to stdout, everything else to stderr.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "bridge/bridge.h"
#include "lib/conf.h"

#define CTL_CONFIG "/etc/sluice/sluice.ini"

enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

struct ctl {
	const char *config_path;
	bool json;
	const struct command *command; /* that runs */

	/* From ctl_config() on. */
	struct conf *conf;
	struct bridge_config bridge;
	const char *users_file; /* lives as long as conf */
};

struct command {
	const char *name; /* "user add" */
	const char *args; /* "NAME [--generate]", or "" */
	const char *brief;
	const char *text; /* for its own help; lines of at most 79 */
	int (*run)(struct ctl *c, int argc, char **argv);
};

/* An option of a command: sets a flag, or a value when it takes one. */
struct ctl_option {
	const char *name; /* "--state" */
	bool *flag;
	const char **value;
};

/* ctl.c */

/* Loads the configuration, or says why it cannot. */
bool ctl_config(struct ctl *c);
void ctl_free(struct ctl *c);

/* "sluicectl: <text>" on stderr. */
void ctl_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for a wrong call; points to the help. Gives CTL_USAGE. */
int ctl_usage(const struct ctl *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Takes the options (NULL-ended) and the common ones out of argv; *argc and
 * argv are then the words that are left. -1: go on; else the exit status.
 */
int ctl_options(struct ctl *c, const struct ctl_option *options, int *argc,
		char **argv);

/* help.c */
void ctl_help(const struct command *const *groups);
void ctl_command_help(const struct command *cmd);
/* The nearest of the words to what was meant, or NULL; for suggestions. */
const char *ctl_nearest(const char *word, const char *const *words, size_t n);

/* The commands, in groups; each ends with a NULL name. */
extern const struct command ctl_user_commands[];
extern const struct command ctl_upload_commands[];
extern const struct command ctl_event_commands[];
extern const struct command ctl_daemon_commands[];
extern const struct command ctl_care_commands[];

#endif
