/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/probe.h"
#include "lib/mem.h"

#define SECTION "probe"
#define PROGRAM LIBEXECDIR "/sluice-probe"
#define THUMBNAILS ".thumbnails/"
#define PREFIX_MAX 200 /* bytes, so that keys have room behind it */
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define SECOND 1000u

static char *
program_read(struct conf *conf, bool enabled)
{
	const char *path = conf_str(conf, SECTION, "program", PROGRAM);

	if (path[0] != '/' || (enabled && access(path, X_OK) != 0))
		conf_complain(conf, SECTION, "program",
			      "found \"%s\", expected the absolute path of "
			      "sluice-probe, which is a program",
			      path);
	return mem_strdup(path);
}

/* The key's beginning as given: "." and ".." would be names in a local store. */
static char *
prefix_read(struct conf *conf, bool wanted)
{
	const char *s = conf_str(conf, SECTION, "thumbnail_prefix", THUMBNAILS);
	size_t n = strlen(s);

	if (n < 2 || n > PREFIX_MAX || s[0] == '/' || s[n - 1] != '/' ||
	    strstr(s, "//") || strncmp(s, "./", 2) == 0 ||
	    strncmp(s, "../", 3) == 0 || strstr(s, "/./") || strstr(s, "/../"))
		conf_complain(conf, SECTION, "thumbnail_prefix",
			      "found \"%s\", expected the beginning of a key "
			      "that ends in '/', such as " THUMBNAILS
			      ", of at most %d bytes",
			      s, PREFIX_MAX);
	return wanted ? mem_strdup(s) : NULL;
}

void
probe_config_read(struct conf *conf, struct probe_config *out)
{
	struct conf_range concurrency = { 2, 1, 64 };
	struct conf_range read = { 64 * MIB, MIB, 4 * GIB };
	struct conf_range timeout = { 60 * SECOND, SECOND, 3600 * SECOND };
	struct conf_range cpu = { 30 * SECOND, SECOND, 3600 * SECOND };
	struct conf_range memory = { GIB, 256 * MIB, 64 * GIB };

	memset(out, 0, sizeof(*out));
	out->enabled = conf_bool(conf, SECTION, "enabled", false);
	out->program = program_read(conf, out->enabled);
	out->concurrency =
		(unsigned)conf_uint(conf, SECTION, "concurrency", concurrency);
	out->read_max = conf_size(conf, SECTION, "read_max", read);
	out->timeout_ms =
		(unsigned)conf_time(conf, SECTION, "timeout", timeout);
	out->cpu_s = (unsigned)((conf_time(conf, SECTION, "cpu_time", cpu) +
				 SECOND - 1) /
				SECOND);
	out->memory = conf_size(conf, SECTION, "memory", memory);
	out->thumbnails = prefix_read(conf, conf_bool(conf, SECTION,
						      "thumbnails", false));
}

void
probe_config_free(struct probe_config *c)
{
	free(c->program);
	free(c->thumbnails);
	memset(c, 0, sizeof(*c));
}
