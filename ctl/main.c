/* SPDX-License-Identifier: Apache-2.0 */
/* sluicectl: users, uploads and the daemon, for people and for scripts. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/log.h"

#define COMMANDS_MAX 40

static const struct command *const groups[] = {
	ctl_user_commands,   ctl_upload_commands, ctl_event_commands,
	ctl_daemon_commands, ctl_care_commands,
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

/* How many words of argv the name is made of; 0: it is another. */
static int
match(const struct command *cmd, int argc, char **argv)
{
	const char *name = cmd->name;
	int words = 0;

	while (*name != '\0') {
		size_t n = strcspn(name, " ");

		if (words == argc || strlen(argv[words]) != n ||
		    memcmp(argv[words], name, n) != 0)
			return 0;
		name += n + (name[n] == ' ');
		words++;
	}
	return words;
}

static const struct command *
find(int argc, char **argv, int *words)
{
	const struct command *cmd;
	size_t g;

	for (g = 0; g < GROUPS; g++) {
		for (cmd = groups[g]; cmd->name != NULL; cmd++) {
			*words = match(cmd, argc, argv);
			if (*words > 0)
				return cmd;
		}
	}
	return NULL;
}

/* "user" alone, or with a word that is none of its commands. */
static bool
is_family(const char *word)
{
	return strcmp(word, "user") == 0 || strcmp(word, "upload") == 0;
}

static void
family_help(const char *word)
{
	const struct command *cmd;
	size_t g, n = strlen(word);

	fprintf(stderr, "Commands of %s:\n", word);
	for (g = 0; g < GROUPS; g++)
		for (cmd = groups[g]; cmd->name != NULL; cmd++)
			if (strncmp(cmd->name, word, n) == 0 &&
			    cmd->name[n] == ' ')
				fprintf(stderr, "  sluicectl %-14s %s\n",
					cmd->name, cmd->brief);
}

static int
unknown(const struct ctl *c, int argc, char **argv)
{
	const char *names[COMMANDS_MAX], *near;
	const struct command *cmd;
	char said[64];
	size_t g, n = 0;

	if (is_family(argv[0]) && argc == 2 &&
	    (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		family_help(argv[0]);
		return CTL_OK;
	}
	if (is_family(argv[0]) && argc == 1) {
		ctl_error("%s needs a command", argv[0]);
		family_help(argv[0]);
		return CTL_USAGE;
	}
	for (g = 0; g < GROUPS; g++)
		for (cmd = groups[g]; cmd->name && n < COMMANDS_MAX; cmd++)
			names[n++] = cmd->name;
	snprintf(said, sizeof(said), "%s%s%s", argv[0],
		 is_family(argv[0]) ? " " : "",
		 is_family(argv[0]) ? argv[1] : "");
	near = ctl_nearest(said, names, n);
	if (near != NULL)
		return ctl_usage(c, "unknown command %s; did you mean %s?",
				 said, near);
	return ctl_usage(c, "unknown command %s", said);
}

static int
help_for(const struct ctl *c, int argc, char **argv)
{
	const struct command *cmd;
	int words;

	if (argc == 0) {
		ctl_help(groups);
		return CTL_OK;
	}
	cmd = find(argc, argv, &words);
	if (cmd == NULL)
		return unknown(c, argc, argv);
	ctl_command_help(cmd);
	return CTL_OK;
}

static int
run(struct ctl *c, int argc, char **argv)
{
	int words;

	if (argc == 0) {
		ctl_help(groups);
		return CTL_USAGE;
	}
	if (strcmp(argv[0], "help") == 0)
		return help_for(c, argc - 1, argv + 1);
	c->command = find(argc, argv, &words);
	if (c->command == NULL)
		return unknown(c, argc, argv);
	return c->command->run(c, argc - words, argv + words);
}

/* What stands before the command: -1 to go on, else the exit status. */
static int
global_option(struct ctl *c, int argc, char **argv, int *i)
{
	const char *word = argv[*i];

	if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
		ctl_help(groups);
		return CTL_OK;
	}
	if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0) {
		puts("sluicectl " PACKAGE_VERSION);
		return CTL_OK;
	}
	if (strcmp(word, "--json") == 0) {
		c->json = true;
	} else if (strncmp(word, "--config=", 9) == 0) {
		c->config_path = word + 9;
	} else if (strcmp(word, "-c") == 0 || strcmp(word, "--config") == 0) {
		if (*i + 1 >= argc)
			return ctl_usage(c, "%s needs a file", word);
		c->config_path = argv[++*i];
	} else {
		return ctl_usage(c, "unknown option %s", word);
	}
	return -1;
}

/* A full disk behind stdout must not look like success. */
static int
flushed(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	ctl_error("the output could not be written");
	return CTL_FAILED;
}

int
main(int argc, char **argv)
{
	struct ctl c = { .config_path = getenv("SLUICE_CONFIG") };
	int i, status;

	setlocale(LC_ALL, "");
	log_open("sluicectl", "plain", LOG_LEVEL_ERROR);
	if (c.config_path == NULL || c.config_path[0] == '\0')
		c.config_path = CTL_CONFIG;
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		status = global_option(&c, argc, argv, &i);
		if (status >= 0)
			return flushed(status);
	}
	status = run(&c, argc - i, argv + i);
	ctl_free(&c);
	return flushed(status);
}
