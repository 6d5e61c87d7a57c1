/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/bridge.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/trust.h"
#include "bridge/names.h"
#include "lib/mem.h"

#define SECTION "bridge"
#define STORE_PREFIX "store."
#define TEMP_PATTERNS "*.filepart, *.<8hex>.partial, .in.*., .in.*"
#define TEMP_PATTERNS_MAX 32
#define NODE_MAX 63
#define PATH_TEXT_MAX 900 /* a socket's or a segment's name still fits */
#define RUN_DIR_MAX 80	  /* sun_path has 108 bytes */

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define SECOND 1000u
#define DAY ((uint64_t)86400 * SECOND)

static char *
folder_read(struct conf *conf, const char *section, const char *key,
	    const char *def, size_t max)
{
	const char *path = conf_str(conf, section, key, def);

	if (path[0] != '/' || strlen(path) > max)
		conf_complain(conf, section, key,
			      "found \"%s\", expected an absolute path of at "
			      "most %zu bytes",
			      path, max);
	return mem_strdup(path);
}

static char *
file_read(struct conf *conf, const char *key)
{
	const char *path = conf_str(conf, "daemon", key, NULL);

	if (path && path[0] != '/') {
		conf_complain(conf, "daemon", key,
			      "found \"%s\", expected an absolute path", path);
		return NULL;
	}
	return mem_strdup(path);
}

static void
trust_check(struct conf *conf, struct bridge_config *c)
{
	struct trust trust;

	c->user_ca_keys = file_read(conf, "user_ca_keys");
	c->revoked_keys = file_read(conf, "revoked_keys");
	trust_read(conf, c->user_ca_keys, c->revoked_keys, &trust);
	trust_free(&trust);
}

/* The node's name goes into rows and log lines. */
static char *
node_read(struct conf *conf)
{
	char host[HOST_NAME_MAX + 1] = "";
	const char *node;

	gethostname(host, sizeof(host) - 1);
	node = conf_str(conf, SECTION, "node", host[0] ? host : "node");
	if (!node[0] || strlen(node) > NODE_MAX ||
	    node[strspn(node, "abcdefghijklmnopqrstuvwxyz"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")])
		conf_complain(conf, SECTION, "node",
			      "found \"%s\", expected at most %d letters, "
			      "digits, '.', '_' and '-'",
			      node, NODE_MAX);
	return mem_strdup(node);
}

static char **
patterns_read(struct conf *conf)
{
	const char *s = conf_str(conf, SECTION, "temp_patterns", TEMP_PATTERNS);
	char **list = mem_array(TEMP_PATTERNS_MAX + 1, sizeof(*list));
	size_t count = 0, n;

	while (*(s += strspn(s, ", \t"))) {
		n = strcspn(s, ", \t");
		if (count == TEMP_PATTERNS_MAX) {
			conf_complain(conf, SECTION, "temp_patterns",
				      "found more than %d patterns",
				      TEMP_PATTERNS_MAX);
			break;
		}
		list[count] = mem_strndup(s, n);
		if (!names_pattern_valid(list[count]))
			conf_complain(conf, SECTION, "temp_patterns",
				      "found \"%s\", expected patterns with "
				      "one '*' for the final name and more "
				      "than that, such as *.part or "
				      "*.<8hex>.tmp",
				      list[count]);
		count++;
		s += n;
	}
	return list;
}

static void
stores_read(struct conf *conf, struct bridge_config *out)
{
	size_t i, count = 0, n = conf_sections(conf);
	const char *section, *name;

	out->stores = mem_array(BRIDGE_STORES_MAX + 1, sizeof(char *));
	for (i = 0; i < n; i++) {
		section = conf_section(conf, i);
		name = conf_section_after(conf, i, STORE_PREFIX);
		if (!name)
			continue;
		if (!conf_name_valid(name, STORE_NAME_MAX))
			conf_complain(conf, section, NULL,
				      "expected [store.NAME] with a name of at "
				      "most %d letters, digits, '_' and '-'",
				      STORE_NAME_MAX);
		else if (count == BRIDGE_STORES_MAX)
			conf_complain(conf, section, NULL,
				      "more than %d stores", BRIDGE_STORES_MAX);
		else
			out->stores[count++] = mem_strdup(name);
	}
	if (count == 0)
		conf_complain(conf, "store.NAME", NULL,
			      "found none, expected at least one store");
}

/* The only store is the default; among several it must be named. */
static char *
default_store_read(struct conf *conf, char *const *stores)
{
	const char *name = conf_str(conf, SECTION, "default_store", NULL);
	char *const *s;

	if (!name)
		return stores[0] && !stores[1] ? mem_strdup(stores[0]) : NULL;
	for (s = stores; *s && strcmp(*s, name) != 0; s++)
		;
	if (!*s)
		conf_complain(conf, SECTION, "default_store",
			      "found \"%s\", expected the NAME of a "
			      "[store.NAME]",
			      name);
	return mem_strdup(name);
}

static unsigned
ms_read(struct conf *conf, const char *key, unsigned def, unsigned min)
{
	struct conf_range r = { def, min, 3600 * SECOND };

	return (unsigned)conf_time(conf, SECTION, key, r);
}

static unsigned
count_read(struct conf *conf, const char *key, unsigned def, unsigned max)
{
	struct conf_range r = { def, 1, max };

	return (unsigned)conf_uint(conf, SECTION, key, r);
}

void
bridge_config_read(struct conf *conf, struct bridge_config *out)
{
	struct conf_range spool = { 4 * GIB, 64 * MIB, INT64_MAX };
	struct conf_range kept = { 256 * MIB, 0, 64 * GIB };
	struct conf_range unsynced = { GIB, 16 * MIB, INT64_MAX };
	struct conf_range ttl = { 7 * DAY, 60 * SECOND, 3650 * DAY };
	struct conf_range recount = { DAY, 60 * SECOND, 365 * DAY };

	memset(out, 0, sizeof(*out));
	out->state_dir = folder_read(conf, SECTION, "state_dir",
				     "/var/lib/sluice", PATH_TEXT_MAX);
	out->spool_dir = folder_read(conf, SECTION, "spool_dir",
				     "/var/lib/sluice/spool", PATH_TEXT_MAX);
	trust_check(conf, out);
	out->run_dir = folder_read(conf, "daemon", "run_dir", "/run/sluice",
				   RUN_DIR_MAX);
	out->node = node_read(conf);
	if (conf_str(conf, SECTION, "xferlog", NULL))
		out->xferlog = folder_read(conf, SECTION, "xferlog", "",
					   PATH_TEXT_MAX);
	out->spool_max = conf_size(conf, SECTION, "spool_max", spool);
	out->spool_free_max = conf_size(conf, SECTION, "spool_free_max", kept);
	out->spool_sync_ms = ms_read(conf, "spool_sync", 2 * SECOND, 10);
	out->unsynced_max = conf_size(conf, SECTION, "unsynced_max", unsynced);
	out->slow_patience_ms =
		ms_read(conf, "slow_patience", 300 * SECOND, SECOND);
	out->park_ttl_ms = conf_time(conf, SECTION, "park_ttl", ttl);
	out->quota_recount_ms =
		conf_time(conf, SECTION, "quota_recount", recount);
	out->parts_in_flight = count_read(conf, "parts_in_flight", 4, 64);
	out->requests_max = count_read(conf, "requests_max", 16, 1000);
	out->takeover_idle_ms = ms_read(conf, "takeover_idle", 3 * SECOND, 0);
	out->takeover_wait_ms = ms_read(conf, "takeover_wait", 5 * SECOND, 0);
	out->publishing_wait_ms =
		ms_read(conf, "publishing_wait", 10 * SECOND, 0);
	out->pin_ms = ms_read(conf, "pin_time", 60 * SECOND, 0);
	out->verify_after_ms = ms_read(conf, "verify_after", 60 * SECOND, 0);
	out->pool_threads = count_read(conf, "pool_threads", 4, 64);
	out->park_events = conf_bool(conf, "events", "parked", false);
	out->temp_patterns = patterns_read(conf);
	stores_read(conf, out);
	out->default_store = default_store_read(conf, out->stores);
}

static void
list_free(char **list)
{
	char **s;

	for (s = list; s && *s; s++)
		free(*s);
	free(list);
}

void
bridge_config_free(struct bridge_config *c)
{
	free(c->state_dir);
	free(c->spool_dir);
	free(c->run_dir);
	free(c->node);
	free(c->xferlog);
	free(c->default_store);
	free(c->user_ca_keys);
	free(c->revoked_keys);
	list_free(c->temp_patterns);
	list_free(c->stores);
	memset(c, 0, sizeof(*c));
}
