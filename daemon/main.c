/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/filecheck.h"
#include "daemon/master.h"
#include "daemon/privileges.h"
#include "daemon/settings.h"
#include "daemon/storecheck.h"
#include "daemon/tunables.h"
#include "lib/log.h"

#define EXIT_USAGE 2

static const char help[] =
	"Usage: sluiced [-f] [-c FILE]\n"
	"       sluiced -t | -T [-c FILE]\n"
	"\n"
	"Takes files in over SFTP and FTP(S) and keeps them as objects.\n"
	"\n"
	"  -c, --config FILE   read FILE (default: " SETTINGS_FILE ")\n"
	"  -t, --test          check the configuration, the users and the "
	"files\n"
	"                      and folders they name, and end\n"
	"  -T, --test-stores   the same, and ask every store as well\n"
	"  -f, --foreground    stay in the foreground (always so)\n"
	"  -V, --version       print the version, and end\n"
	"  -h, --help          print this, and end\n"
	"\n"
	"Signals: TERM or INT drains and ends, twice at once; HUP reads the\n"
	"configuration again.\n"
	"\n"
	"See sluiced(8), sluice.ini(5), users.ini(5).\n";

struct options {
	const char *config;
	bool test, test_stores;
};

enum parsed { PARSED_RUN, PARSED_DONE, PARSED_WRONG };

static enum parsed
options_parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "test-stores", no_argument, NULL, 'T' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:tTfVh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'T':
			o->test_stores = true;
			o->test = true;
			break;
		case 't':
			o->test = true;
			break;
		case 'f':
			break;
		case 'V':
			puts("sluiced " SLUICE_VERSION);
			return PARSED_DONE;
		case 'h':
			fputs(help, stdout);
			return PARSED_DONE;
		default:
			return PARSED_WRONG;
		}
	}
	if (optind == argc)
		return PARSED_RUN;
	fprintf(stderr, "sluiced: unexpected argument \"%s\"\n", argv[optind]);
	return PARSED_WRONG;
}

static void
on_complaint(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

/* The stores are asked with the rights that the daemon will have. */
static void
in_child(void *arg)
{
	umask(077);
	if (privileges_drop(arg) != ERR_OK)
		_exit(EXIT_FAILURE);
}

/* Who is not root asks as himself, whatever account is configured. */
static enum err
account_find(struct privileges *p, const struct settings *s)
{
	bool root = geteuid() == 0;

	return privileges_resolve(p, root ? s->user : NULL,
				  root ? s->group : NULL);
}

static bool
stores_usable(struct settings *s)
{
	struct storecheck check;
	struct privileges account;
	size_t i;
	bool usable = true;
	enum err err = account_find(&account, s);

	if (!err)
		err = storecheck_start(&check, s, in_child, &account);
	privileges_free(&account);
	if (err)
		return false;
	storecheck_wait(&check);
	for (i = 0; i < check.n; i++) {
		const struct store_state *st = &check.states[i];

		usable &= !st->err;
		printf("store %s: %s%s%s\n", st->name,
		       st->err ? err_name(st->err) : "ok", st->err ? ": " : "",
		       st->err ? st->why : "");
	}
	return usable;
}

static bool
files_usable(struct settings *s)
{
	struct privileges account;
	enum err err = account_find(&account, s);
	size_t n = 1;

	if (!err)
		n = filecheck(s, &account, on_complaint, NULL);
	privileges_free(&account);
	return n == 0;
}

/*
 * Whatever descriptors the caller left open are not ours, and nothing that is
 * opened later may become standard error.
 */
static void
descriptors_clean(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, 0);
}

int
main(int argc, char **argv)
{
	struct options o = { .config = SETTINGS_FILE };
	struct settings *s;
	int code;

	descriptors_clean();
	switch (options_parse(&o, argc, argv)) {
	case PARSED_DONE:
		return EXIT_SUCCESS;
	case PARSED_WRONG:
		fputs("Try \"sluiced --help\".\n", stderr);
		return EXIT_USAGE;
	case PARSED_RUN:
		break;
	}
	if (!o.test)
		tunables_apply(argv);
	log_open("sluiced", "stderr", LOG_LEVEL_INFO);
	if (settings_load(&s, o.config, on_complaint, NULL) != ERR_OK)
		return EXIT_FAILURE;
	if (!o.test) {
		log_open("sluiced", s->log_target, s->log_level);
		code = master_run(s);
	} else if (!files_usable(s) || (o.test_stores && !stores_usable(s))) {
		code = EXIT_FAILURE;
	} else {
		puts("configuration ok");
		code = EXIT_SUCCESS;
	}
	settings_unref(s);
	return code;
}
