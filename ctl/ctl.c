/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/text.h"

#define PREFIX "sluicectl: "
#define USERS_FILE "/etc/sluice/users.ini"
#define OPTIONS_MAX 24 /* of one command, the common ones included */

static void __attribute__((format(printf, 1, 0)))
complain(const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	fputs(PREFIX, stderr);
	text_wrap(stderr, text, strlen(PREFIX), text_error_columns());
	free(text);
}

void
ctl_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
}

int
ctl_usage(const struct ctl *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try: sluicectl %s%s--help\n",
		c->command ? c->command->name : "", c->command ? " " : "");
	return CTL_USAGE;
}

/* Configuration. */

/* Only what cannot be read at all stops us: sluiced -t is for the rest. */
bool
ctl_config(struct ctl *c)
{
	const char *complaint;

	if (c->conf != NULL)
		return true;
	c->conf = conf_load(c->config_path);
	complaint = conf_complaint(c->conf, 0);
	if (complaint != NULL) {
		ctl_error("%s", complaint);
		conf_free(c->conf);
		c->conf = NULL;
		return false;
	}
	bridge_config_read(c->conf, &c->bridge);
	c->users_file = conf_str(c->conf, "daemon", "users_file", USERS_FILE);
	return true;
}

void
ctl_free(struct ctl *c)
{
	if (c->conf == NULL)
		return;
	bridge_config_free(&c->bridge);
	conf_free(c->conf);
	c->conf = NULL;
}

/* Options. */

static const struct ctl_option *
option_find(const struct ctl_option *o, const char *word, size_t n)
{
	for (; o->name != NULL; o++)
		if (strlen(o->name) == n && memcmp(o->name, word, n) == 0)
			return o;
	return NULL;
}

static int
option_unknown(const struct ctl *c, const struct ctl_option *o,
	       const char *word)
{
	const char *words[OPTIONS_MAX], *near;
	size_t n = 0;

	for (; o->name != NULL && n < OPTIONS_MAX; o++)
		words[n++] = o->name;
	near = ctl_nearest(word, words, n);
	if (near != NULL)
		return ctl_usage(c, "unknown option %s; did you mean %s?", word,
				 near);
	return ctl_usage(c, "unknown option %s", word);
}

/* One option at argv[*i]; its value may be the next word. */
static int
option_take(const struct ctl *c, const struct ctl_option *options, int argc,
	    char **argv, int *i)
{
	char *word = argv[*i];
	size_t n = strcspn(word, "=");
	const struct ctl_option *o = option_find(options, word, n);

	if (o == NULL)
		return option_unknown(c, options, word);
	if (o->flag != NULL && word[n] == '=')
		return ctl_usage(c, "%s takes no value", o->name);
	if (o->flag != NULL) {
		*o->flag = true;
		return -1;
	}
	if (word[n] == '=') {
		*o->value = word + n + 1;
		return -1;
	}
	if (*i + 1 >= argc)
		return ctl_usage(c, "%s needs a value", o->name);
	*o->value = argv[++*i];
	return -1;
}

static size_t
options_join(struct ctl_option *all, const struct ctl_option *own,
	     const struct ctl_option *common)
{
	size_t n = 0;

	while (own != NULL && own->name != NULL && n + 1 < OPTIONS_MAX)
		all[n++] = *own++;
	while (common->name != NULL && n + 1 < OPTIONS_MAX)
		all[n++] = *common++;
	all[n].name = NULL;
	return n;
}

int
ctl_options(struct ctl *c, const struct ctl_option *options, int *argc,
	    char **argv)
{
	bool help = false;
	const struct ctl_option common[] = {
		{ "--json", &c->json, NULL },
		{ "--config", NULL, &c->config_path },
		{ "-c", NULL, &c->config_path },
		{ "--help", &help, NULL },
		{ "-h", &help, NULL },
		{ NULL, NULL, NULL },
	};
	struct ctl_option all[OPTIONS_MAX];
	int i, kept = 0, status;
	bool words = false;

	options_join(all, options, common);
	for (i = 0; i < *argc; i++) {
		if (words || argv[i][0] != '-' || argv[i][1] == '\0') {
			argv[kept++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			words = true;
			continue;
		}
		status = option_take(c, all, *argc, argv, &i);
		if (status >= 0)
			return status;
	}
	*argc = kept;
	if (help) {
		ctl_command_help(c->command);
		return CTL_OK;
	}
	return -1;
}
