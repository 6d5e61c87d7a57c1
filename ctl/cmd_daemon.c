/* SPDX-License-Identifier: Apache-2.0 */
/* "reload", "drain", "stop": one word to the daemon. */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/ask.h"
#include "ctl/cmd_daemon.h"

#define AT_ONCE_MS 10000
#define RELOAD_MS 120000 /* the new workers ask their stores first */

struct order {
	const char *word;
	unsigned timeout_ms;
	const char *done;
};

static int
give(struct ctl *c, int argc, char **argv, const struct order *o)
{
	int status = ctl_options(c, NULL, &argc, argv);
	struct answer a;

	if (status >= 0)
		return status;
	if (argc != 0)
		return ctl_usage(c, "%s takes no words", o->word);
	if (!ctl_config(c))
		return CTL_FAILED;
	ask_master(c, o->word, o->timeout_ms, &a);
	status = a.reached && a.err == ERR_OK ? CTL_OK : CTL_FAILED;
	if (status != CTL_OK)
		ask_complain(c, &a);
	else if (c->json)
		printf("{\"%s\": true}\n", o->word);
	else
		puts(o->done);
	free(a.text);
	return status;
}

int
cmd_reload(struct ctl *c, int argc, char **argv)
{
	static const struct order order = {
		"reload", RELOAD_MS,
		"The new configuration is in use; sessions that were there "
		"keep the old one."
	};

	return give(c, argc, argv, &order);
}

int
cmd_drain(struct ctl *c, int argc, char **argv)
{
	static const struct order order = {
		"drain", AT_ONCE_MS,
		"No new connections are taken; the daemon ends with its last "
		"session."
	};

	return give(c, argc, argv, &order);
}

int
cmd_stop(struct ctl *c, int argc, char **argv)
{
	static const struct order order = {
		"stop", AT_ONCE_MS,
		"The daemon ends within its drain_timeout; uploads under way "
		"stay resumable."
	};

	return give(c, argc, argv, &order);
}
