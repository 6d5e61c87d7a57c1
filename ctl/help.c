/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

#define WORD_MAX 32 /* a longer word is near to nothing */

static void
group_help(const char *title, const struct command *cmd)
{
	char call[64];

	printf("\n%s:\n", title);
	for (; cmd->name != NULL; cmd++) {
		const char *word = strchr(cmd->args, ' ');
		size_t n =
			word ? (size_t)(word - cmd->args) : strlen(cmd->args);

		/* Only what must be given; options have no place here. */
		if (cmd->args[0] == '[')
			n = 0;
		if (strcmp(cmd->name, "user key") == 0)
			n = strlen(cmd->args);
		snprintf(call, sizeof(call), "%s %.*s", cmd->name, (int)n,
			 cmd->args);
		printf("  %-20s %s\n", call, cmd->brief);
	}
}

void
ctl_help(const struct command *const *groups)
{
	static const char *const titles[] = { "Users", "Uploads", "Events",
					      "Daemon", "Care" };
	size_t i;

	fputs("Usage: sluicectl [-c FILE] [--json] COMMAND [ARGUMENT ...]\n\n"
	      "Manages users, uploads, events and the daemon of the Sluice "
	      "gateway.\n",
	      stdout);
	for (i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		group_help(titles[i], groups[i]);
	fputs("\nOptions:\n"
	      "  -c, --config FILE    the daemon's configuration; default\n"
	      "                       $SLUICE_CONFIG or " CTL_CONFIG "\n"
	      "      --json           print JSON, for scripts\n"
	      "  -h, --help           this, or after a command its own help\n"
	      "  -V, --version        the version\n"
	      "\nExit status: 0 done, 1 failed, 2 wrong call. More in "
	      "sluicectl(8).\n",
	      stdout);
}

void
ctl_command_help(const struct command *cmd)
{
	printf("Usage: sluicectl %s%s%s\n\n%s", cmd->name,
	       cmd->args[0] ? " " : "", cmd->args, cmd->text);
}

static size_t
least(size_t a, size_t b, size_t c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* Letters to insert, delete or replace between two words (Levenshtein). */
static size_t
distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], i, j, n = strlen(b), corner, up;

	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		corner = row[0];
		row[0] = i;
		for (j = 1; j <= n; j++) {
			up = row[j];
			row[j] = least(up + 1, row[j - 1] + 1,
				       corner + (a[i - 1] != b[j - 1]));
			corner = up;
		}
	}
	return row[n];
}

const char *
ctl_nearest(const char *word, const char *const *words, size_t n)
{
	size_t i, best = strlen(word) / 3 + 1, d;
	const char *found = NULL;

	if (strlen(word) > WORD_MAX)
		return NULL;
	for (i = 0; i < n; i++) {
		if (strlen(words[i]) > WORD_MAX)
			continue;
		d = distance(word, words[i]);
		if (d < best) {
			best = d;
			found = words[i];
		}
	}
	return found;
}
